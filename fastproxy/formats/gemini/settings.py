"""generationConfig and the few settings beside it: limits, sampling, format of the output. Both ways.

What no other format has a word for goes to `extra` under its path: "generationConfig.speechConfig".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastproxy.formats import checked, exact
from fastproxy.formats.chat import Original, OutputFormat
from fastproxy.formats.gemini.schema import lower
from fastproxy.formats.gemini.schema_up import raise_up
from fastproxy.formats.gemini.thinking import read_thinking, write_thinking
from fastproxy.formats.gemini.words import NAME, TIERS_IN, TIERS_OUT, named, snake, value_of

if TYPE_CHECKING:
    from fastproxy.formats.chat import ChatRequest, Facts, Target
    from fastproxy.formats.notes import Notes

MAX_STOPS: Final = 5
JSON: Final = "application/json"
_PATH: Final = "generationConfig."
_READ: Final = (
    "maxOutputTokens", "temperature", "topP", "topK", "stopSequences", "seed", "presencePenalty", "frequencyPenalty",
    "responseLogprobs", "logprobs", "candidateCount", "thinkingConfig", "responseMimeType", "responseSchema",
    "responseJsonSchema",
)  # fmt: skip
CONFIG_NAMES: Final = frozenset(_READ) | {snake(name) for name in _READ}
# ChatRequest field → name here, of those that are the same on both sides
_SAME: Final = {
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "count": "candidateCount",
}


def read_settings(config: dict[str, Any]) -> dict[str, Any]:
    """The fields of ChatRequest that generationConfig says, `extra` among them."""
    made: dict[str, Any] = {
        "max_output": checked.integer(config, named(config, "maxOutputTokens"), _PATH),
        "temperature": checked.number(config, "temperature", _PATH),
        "top_p": checked.number(config, named(config, "topP"), _PATH),
        "top_k": _whole(checked.number(config, named(config, "topK"), _PATH)),
        "stop": _stops(config),
        "seed": checked.integer(config, "seed", _PATH),
        "presence_penalty": checked.number(config, named(config, "presencePenalty"), _PATH),
        "frequency_penalty": checked.number(config, named(config, "frequencyPenalty"), _PATH),
        "count": checked.integer(config, named(config, "candidateCount"), _PATH),
        "top_logprobs": _logprobs(config),
        "output": _read_output(config),
    }
    field = named(config, "thinkingConfig")
    thinking = checked.mapping(config, field, _PATH)
    if thinking:
        made["reasoning"] = read_thinking(thinking, f"{_PATH}{field}.")
    made["extra"] = {_PATH + name: value for name, value in config.items() if name not in CONFIG_NAMES}
    if made["output"] is None and (plain := _other_output(config)):
        made["extra"][_PATH + "responseMimeType"] = plain
    return made


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _stops(config: dict[str, Any]) -> tuple[str, ...]:
    field = named(config, "stopSequences")
    stops = checked.array(config, field, _PATH) or []
    for place, stop in enumerate(stops):
        if not isinstance(stop, str):
            checked.wrong(f"{_PATH}{field}[{place}]", stop, "a string")
    return tuple(stops)


def _logprobs(config: dict[str, Any]) -> int | None:
    wanted = checked.boolean(config, named(config, "responseLogprobs"), _PATH)
    return (checked.integer(config, "logprobs", _PATH) or 0) if wanted else None


def _read_output(config: dict[str, Any]) -> OutputFormat | None:
    if value_of(config, "responseMimeType") != JSON:
        return None
    schema = value_of(config, "responseJsonSchema")
    if schema is None:
        schema = raise_up(value_of(config, "responseSchema"))
    original = Original(NAME, config)
    if isinstance(schema, dict) and schema:
        return OutputFormat("json_schema", schema, original=original)
    return OutputFormat("json_object", original=original)


def _other_output(config: dict[str, Any]) -> str:
    """A media type that is neither plain text nor JSON, such as text/x.enum."""
    media_type = value_of(config, "responseMimeType")
    return media_type if isinstance(media_type, str) and media_type not in ("", "text/plain") else ""


def read_tier(tier: str | None) -> str | None:
    return TIERS_IN.get(tier.lower()) if tier is not None else None


def write_settings(request: ChatRequest, target: Target, notes: Notes) -> dict[str, Any]:
    """generationConfig. The format of the output is another matter, see write_output."""
    made: dict[str, Any] = {}
    facts = target.facts
    if request.max_output is not None:
        made["maxOutputTokens"] = _limited(request.max_output, facts, notes)
    made |= _sampling(request, facts, notes)
    if stops := _write_stops(request, facts, notes):
        made["stopSequences"] = stops
    for field, name in _SAME.items():
        value = getattr(request, field)
        if value is not None and not (field == "count" and value == 1):
            made[name] = value
    if request.top_logprobs is not None:
        made["responseLogprobs"] = True
        if request.top_logprobs:
            made["logprobs"] = request.top_logprobs
    if (thinking := write_thinking(request, target, notes)) is not None:
        made["thinkingConfig"] = thinking
    return made


def _limited(wanted: int, facts: Facts, notes: Notes) -> int:
    if facts.max_output is None or wanted <= facts.max_output:
        return wanted
    notes.clamp("max_output", f"the model writes {facts.max_output} at most")
    return facts.max_output


def _sampling(request: ChatRequest, facts: Facts, notes: Notes) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for field, name in (("temperature", "temperature"), ("top_p", "topP"), ("top_k", "topK")):
        value = getattr(request, field)
        if value is None:
            continue
        if not facts.sampling:
            notes.drop(field, "the model does not take it")
        elif field == "top_p" and not facts.both and "temperature" in made:
            notes.drop(field, "the model does not take it beside temperature")
        else:
            made[name] = value
    return made


def _write_stops(request: ChatRequest, facts: Facts, notes: Notes) -> list[str]:
    stops = [stop for stop in request.stop if stop]
    if stops and not facts.stop:
        notes.drop("stop", "the model does not take it")
        return []
    if len(stops) > MAX_STOPS:
        notes.clamp("stop", f"Gemini takes {MAX_STOPS}")
    return stops[:MAX_STOPS]


def write_output(request: ChatRequest, facts: Facts, notes: Notes) -> tuple[dict[str, Any], str]:
    """The fields of generationConfig that ask for JSON, and what to tell the model where they are not enough."""
    output = request.output
    if output is None:
        return {}, ""
    schema = output.schema if output.kind == "json_schema" else None
    if request.tools and not facts.json_with_tools:
        notes.change("output", "asked for in the prompt, because the model takes no format beside tools")
        return {}, _asking(schema)
    made: dict[str, Any] = {"responseMimeType": JSON}
    if schema is None:
        return made, ""
    if not facts.json_schema:
        notes.change("output", "the schema is told in the prompt")
        return made, _asking(schema)
    lowered = lower(schema, ordered=True)
    if lowered.recursive:
        notes.change("output", "its schema refers to itself or is too large: sent as responseJsonSchema")
        return made | {"responseJsonSchema": schema}, ""
    if lowered.free:
        return made | {"responseJsonSchema": schema}, ""
    if lowered.lost:
        notes.change("output", "not in Gemini's schemas: " + ", ".join(lowered.lost)[:120])
    return made | {"responseSchema": lowered.schema}, ""


def _asking(schema: Any) -> str:
    if schema is None:
        return "Answer with one JSON object and nothing else."
    return f"Answer with one JSON value and nothing else. It must fit this JSON schema:\n{exact.dumps(schema).decode()}"


def write_tier(request: ChatRequest, notes: Notes) -> str | None:
    tier = request.service_tier
    if tier is None or tier == "auto":
        return None
    if tier not in TIERS_OUT:
        notes.drop("service_tier", "Gemini has no such tier")
    return TIERS_OUT.get(tier)
