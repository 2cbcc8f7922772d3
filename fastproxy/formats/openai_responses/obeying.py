"""The last look at a body before it goes to a model of which something is known: what it refuses is taken out.

Works on the written body, so that it holds for the client's own fields and for translated ones alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastproxy.formats.openai_responses.words import EFFORTS, ENCRYPTED, LOGPROBS, nearest_effort

if TYPE_CHECKING:
    from fastproxy.formats.chat import Effort, Facts, Target
    from fastproxy.formats.notes import Notes

_SAMPLING: Final = (("temperature", "temperature"), ("top_p", "top_p"))
_TOOL_FIELDS: Final = ("tools", "tool_choice", "parallel_tool_calls", "max_tool_calls")


def obey(body: dict[str, Any], target: Target, notes: Notes, *, is_own: bool = True) -> None:
    """Changes `body`, which is the writer's own. `is_own`: the client speaks this format, and so knows `include`."""
    facts = target.facts
    _sampling(body, facts, notes)
    _limit(body, facts, notes)
    _thinking(body, facts, notes)
    if not facts.tools and body.get("tools"):
        notes.drop("tools", "the model takes no tools")
        for name in _TOOL_FIELDS:
            body.pop(name, None)
    if not facts.json_schema:
        _no_schema(body, notes)
    for name in sorted(target.drop_fields & body.keys()) if target.drop_fields else ():
        del body[name]
        notes.drop(name, "the vendor refuses it")
    if "top_logprobs" in target.drop_fields and _exclude(body, LOGPROBS):
        notes.drop("include" if is_own else "top_logprobs", f"the vendor refuses {LOGPROBS}")


def _sampling(body: dict[str, Any], facts: Facts, notes: Notes) -> None:
    if facts.sampling and (facts.both or body.get("temperature") is None):
        return
    for name in ("temperature", "top_p") if not facts.sampling else ("top_p",):
        if body.pop(name, None) is not None:
            notes.drop(name, "the model refuses it" if not facts.sampling else "not together with temperature")


def _limit(body: dict[str, Any], facts: Facts, notes: Notes) -> None:
    wanted = body.get("max_output_tokens")
    if facts.max_output is not None and isinstance(wanted, int) and wanted > facts.max_output:
        body["max_output_tokens"] = facts.max_output
        notes.clamp("max_output", f"{wanted} to {facts.max_output}")


def _thinking(body: dict[str, Any], facts: Facts, notes: Notes) -> None:
    reasoning = body.get("reasoning")
    if facts.thinking == "none":
        _forget(body, notes)
    elif isinstance(reasoning, dict) and reasoning.get("effort") in EFFORTS:
        wanted = reasoning["effort"]
        given = _fitted(wanted, facts)
        if given != wanted:
            body["reasoning"] = reasoning | {"effort": given}
            notes.clamp("reasoning", f"effort {wanted} to {given}")


def _forget(body: dict[str, Any], notes: Notes) -> None:
    """A model that does not think refuses the field, and to encrypt thoughts that it does not have."""
    reasoning = body.pop("reasoning", None)
    if isinstance(reasoning, dict) and reasoning.get("effort") not in (None, "none"):
        notes.drop("reasoning", "the model does not think")
    _exclude(body, ENCRYPTED)


def _exclude(body: dict[str, Any], word: str) -> bool:
    """Whether `include` had asked for it."""
    include = body.get("include")
    if not isinstance(include, list) or word not in include:
        return False
    left = [other for other in include if other != word]
    body.pop("include") if not left else body.update(include=left)
    return True


def _fitted(wanted: Effort, facts: Facts) -> Effort:
    if wanted == "none" and not facts.can_stop_thinking:
        known = tuple(effort for effort in facts.efforts or ("low",) if effort != "none")
        return nearest_effort("minimal", known)
    return nearest_effort(wanted, facts.efforts)


def _no_schema(body: dict[str, Any], notes: Notes) -> None:
    text = body.get("text")
    form = text.get("format") if isinstance(text, dict) else None
    if isinstance(text, dict) and isinstance(form, dict) and form.get("type") == "json_schema":
        body["text"] = text | {"format": {"type": "json_object"}}
        notes.change("output", "the model takes no schema: any JSON object")
