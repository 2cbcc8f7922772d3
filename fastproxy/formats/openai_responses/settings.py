"""The fields of a request that are neither conversation nor tools, both ways.

`read_settings` gives them by their names in ChatRequest, so that a writer of the same format can tell which of them
somebody changed on the way: it writes those, and leaves the client's own values as they stand in the body.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fastproxy.formats import checked
from fastproxy.formats.chat import Original, OutputFormat, Reasoning
from fastproxy.formats.openai_responses.words import (
    EFFORTS,
    ENCRYPTED,
    LOGPROBS,
    NAME,
    TIERS,
    effort_of,
)
from fastproxy.formats.tool_names import fitting_id, fitting_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastproxy.formats.chat import ChatRequest, Facts
    from fastproxy.formats.notes import Notes

MAX_LABEL_CHARS: Final = 128  # of safety_identifier
LEAST_OUTPUT: Final = 16  # max_output_tokens below it is refused
# body fields that read_request has words for; the rest are extra
KNOWN: Final = frozenset(
    (
        "model", "input", "instructions", "stream", "tools", "tool_choice", "parallel_tool_calls", "max_output_tokens",
        "temperature", "top_p", "top_logprobs", "reasoning", "text", "user", "safety_identifier", "metadata",
        "service_tier", "store", "previous_response_id", "prompt_cache_key",
    )
)  # fmt: skip
# of other formats' extra fields, those that mean the same here
SHARED: Final = frozenset(("prompt_cache_retention", "prompt_cache_options", "moderation", "safety_identifier", "user"))


def read_settings(body: Mapping[str, Any]) -> dict[str, Any]:
    """ChatRequest's fields and their values. Raises: FormatError."""
    text = checked.mapping(body, "text") or {}
    return {
        "parallel_tools": checked.boolean(body, "parallel_tool_calls"),
        "max_output": checked.integer(body, "max_output_tokens", least=1),
        "temperature": checked.number(body, "temperature"),
        "top_p": checked.number(body, "top_p"),
        "top_logprobs": _top_logprobs(body),
        "reasoning": _reasoning(body),
        "output": _output(text),
        "verbosity": checked.text(text, "verbosity", "text."),
        "user": checked.text(body, "safety_identifier") or checked.text(body, "user"),
        "metadata": checked.mapping(body, "metadata"),
        "service_tier": checked.text(body, "service_tier"),
        "store": checked.boolean(body, "store"),
        "previous": checked.text(body, "previous_response_id"),
        "cache_key": checked.text(body, "prompt_cache_key"),
    }


def read_extra(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields without a word. `include` is one only if it asks for more than other formats give anyway."""
    extra = {name: value for name, value in body.items() if name not in KNOWN}
    include = extra.get("include")
    if include is None or (isinstance(include, list) and all(word in (ENCRYPTED, LOGPROBS) for word in include)):
        extra.pop("include", None)
    return extra


def _top_logprobs(body: Mapping[str, Any]) -> int | None:
    asked = LOGPROBS in (checked.array(body, "include") or ())
    count = checked.integer(body, "top_logprobs", least=0)
    return 0 if count is None and asked else count


def _reasoning(body: Mapping[str, Any]) -> Reasoning | None:
    value = checked.mapping(body, "reasoning")
    if value is None:
        return None
    effort = checked.text(value, "effort", "reasoning.")
    summary = value.get("summary") or value.get("generate_summary")
    return Reasoning(
        next((word for word in EFFORTS if word == effort), None),  # a word of tomorrow stays in the original
        show=True if summary else None,
        original=Original(NAME, value),
    )


def _output(text: Mapping[str, Any]) -> OutputFormat | None:
    value = checked.mapping(text, "format", "text.")
    kind = checked.text(value, "type", "text.format.") if value is not None else None
    if value is None or kind == "text":
        return None
    original = Original(NAME, value)
    if kind == "json_object":
        return OutputFormat("json_object", original=original)
    if kind != "json_schema":
        checked.wrong("text.format.type", kind, "text, json_object or json_schema")
    return OutputFormat(
        "json_schema",
        checked.mapping(value, "schema", "text.format."),
        checked.text(value, "name", "text.format."),
        checked.text(value, "description", "text.format."),
        checked.boolean(value, "strict", "text.format."),
        original=original,
    )


class Writing(NamedTuple):
    """What each part of the writer needs: the request, the facts of the model, and where to say what is lost."""

    request: ChatRequest
    facts: Facts
    notes: Notes


def write_settings(writing: Writing, only: set[str] | None = None) -> dict[str, Any]:
    """Body fields for the settings that were said; `only` those, if given."""
    request = writing.request
    made: dict[str, Any] = {}
    for (name, key), value in zip(_BODY_NAMES.items(), _get_plain(request), strict=True):
        if value is not None and (only is None or name in only):
            made[key] = value
    _tidy(made, writing.notes)
    for name, write in (("max_output", _write_max), ("service_tier", _write_tier), ("reasoning", _write_reasoning)):
        if (only is None or name in only) and getattr(request, name) is not None:
            made |= write(writing)
    if only is None or only & {"output", "verbosity"}:
        made |= _write_text(writing)
    return made


_BODY_NAMES: Final = {
    "parallel_tools": "parallel_tool_calls",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_logprobs": "top_logprobs",
    "user": "safety_identifier",
    "metadata": "metadata",
    "store": "store",
    "previous": "previous_response_id",
    "cache_key": "prompt_cache_key",
}
_get_plain: Final = attrgetter(*_BODY_NAMES)  # 0.2 us; one getattr after the other takes 0.7


def _texts(metadata: Mapping[str, Any]) -> dict[str, str]:
    return {name: value if isinstance(value, str) else str(value) for name, value in metadata.items()}


def _tidy(made: dict[str, Any], notes: Notes) -> None:
    """Labels as the API takes them."""
    if "safety_identifier" in made:
        made["safety_identifier"] = _label(made["safety_identifier"], notes)
    if "metadata" in made:
        made["metadata"] = _texts(made["metadata"])
        if not made["metadata"]:
            del made["metadata"]


def _label(label: str, notes: Notes) -> str:
    fitting = fitting_label(label, MAX_LABEL_CHARS)
    if fitting != label:
        notes.change("user", f"over {MAX_LABEL_CHARS} characters: a hash of it")
    return fitting


def _write_max(writing: Writing) -> dict[str, Any]:
    wanted = writing.request.max_output or LEAST_OUTPUT
    if wanted < LEAST_OUTPUT:
        writing.notes.clamp("max_output", f"{wanted} to {LEAST_OUTPUT}")
    return {"max_output_tokens": max(LEAST_OUTPUT, wanted)}


def _write_tier(writing: Writing) -> dict[str, Any]:
    tier = TIERS.get(writing.request.service_tier or "")
    if tier is None:
        writing.notes.drop("service_tier", "no such tier")
    return {} if tier is None else {"service_tier": tier}


def _write_reasoning(writing: Writing) -> dict[str, Any]:
    reasoning = writing.request.reasoning
    if reasoning is None:
        return {}
    effort = reasoning.effort
    if effort is None and reasoning.budget is not None:
        effort = effort_of(reasoning.budget)
        if reasoning.budget > 0:  # none, and the model's own choice, are said exactly
            writing.notes.change("reasoning", f"a budget of {reasoning.budget} tokens became an effort")
    made: dict[str, Any] = {} if effort is None else {"effort": effort}
    if reasoning.show and effort != "none":
        made["summary"] = "auto"
    return {"reasoning": made} if made else {}


def _write_text(writing: Writing) -> dict[str, Any]:
    request = writing.request
    made: dict[str, Any] = {}
    if request.output is not None:
        made["format"] = _write_format(request.output)
    if request.verbosity is not None:
        made["verbosity"] = request.verbosity
    return {"text": made} if made else {}


def _write_format(output: OutputFormat) -> dict[str, Any]:
    if output.original is not None and output.original.format == NAME:
        own: dict[str, Any] = output.original.value
        return own
    if output.kind == "json_object" or output.schema is None:
        return {"type": "json_object"}
    name = fitting_id(output.name) if output.name else "reply"
    made: dict[str, Any] = {"type": "json_schema", "name": name, "schema": dict(output.schema)}
    if output.description is not None:
        made["description"] = output.description
    # what is not said is strict here and not strict everywhere else
    made["strict"] = bool(output.strict)
    return made
