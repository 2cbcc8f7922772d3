"""A ChatRequest as a Chat Completions body.

    a client of this format   its own body with the upstream's model; only what somebody replaced is written anew
    any other                 every field from its word, what has no word here is noted

Then what the upstream's model cannot do is taken back (`_obey`), and the fields that its vendor refuses go.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from fastproxy.formats import exact
from fastproxy.formats.chat import ChatRequest, ToolCall, ToolResult
from fastproxy.formats.efforts import effort_for
from fastproxy.formats.notes import Notes
from fastproxy.formats.openai_chat.read_request import KEYS, read_request
from fastproxy.formats.openai_chat.tools import write_choice, write_tools
from fastproxy.formats.openai_chat.words import EFFORTS, FIELDS, NAME, SERVICE_TIERS, TAKES_TOP_K
from fastproxy.formats.openai_chat.write_messages import plain_messages, write_messages
from fastproxy.formats.tool_names import NO_NAMES, ToolNames, fitting_label

if TYPE_CHECKING:
    from fastproxy.formats.chat import Effort, Facts, OutputFormat, Reasoning, Target

Json = dict[str, Any]
MAX_STOP: Final = 4
MAX_TOP_LOGPROBS: Final = 20
MAX_LABEL_CHARS: Final = 64
JSON_WORDS: Final = "Reply with one JSON object and nothing else."
# Top-level fields that Responses share with us, by the same name and with the same meaning.
_SHARED: Final = frozenset(("prompt_cache_options", "prompt_cache_retention", "moderation", "safety_identifier"))
# written as they are
_PLAIN: Final = {
    "max_output": "max_completion_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "logit_bias": "logit_bias",
    "verbosity": "verbosity",
    "count": "n",
}
_get_plain: Final = attrgetter(*_PLAIN)  # 0.2 us; one getattr after the other takes 0.7
_RARE: Final = ("top_k", "stop", "top_logprobs", "reasoning", "output", "user", "cache_key", "service_tier", "store",
                "metadata", "previous", "extra")  # fmt: skip
_get_rare: Final = attrgetter(*_RARE)
_NOTHING_RARE: Final = _get_rare(ChatRequest("", "", (), {}))


def write_request(request: ChatRequest, target: Target, notes: Notes) -> tuple[Json, ToolNames]:
    """The body for the upstream, and the renaming of tools to undo in its reply."""
    if request.format == NAME:
        names = NO_NAMES
        body = _own_body(request, target, notes)
    else:
        plain = plain_messages(request.turns)
        names = NO_NAMES if plain is not None and not request.tools else ToolNames(_all_names(request))
        body = _body(request, target, names, notes, plain)
    _obey(body, target, notes)
    for field in () if target.drop_fields.isdisjoint(body) else sorted(target.drop_fields & body.keys()):
        # the limit has two names: older upstreams know the first only, reasoning models the second
        other = _OTHER_LIMIT.get(field)
        if other is not None and other not in target.drop_fields:
            limit = body.pop(field)
            if field == "max_completion_tokens" or body.get(other) is None:
                body[other] = limit
        else:
            del body[field]
            if field != "stream_options":  # which the client has not asked for
                notes.drop(_HUB_NAME.get(field, field), "the upstream refuses it")
    return body, names


_OTHER_LIMIT: Final = {"max_completion_tokens": "max_tokens", "max_tokens": "max_completion_tokens"}
_HUB_NAME: Final = {key: field for field, keys in KEYS.items() for key in keys} | {
    name: field for field, name in FIELDS.items()
}


def _all_names(request: ChatRequest) -> list[str]:
    """Names of tools, also those that only the history knows."""
    parts = [part for turn in request.turns for part in turn.parts if isinstance(part, ToolCall | ToolResult)]
    return [tool.name for tool in request.tools if tool.kind != "builtin"] + [part.name for part in parts if part.name]


def _own_body(request: ChatRequest, target: Target, notes: Notes) -> Json:
    """The client's body; a field that was replaced since it was read is written from its word."""
    body = {**request.body, "model": target.model}
    if request.stream != bool(request.body.get("stream")):
        body["stream"] = request.stream
    was = read_request(body, stream=request.stream)
    replaced = [field for field in KEYS if field != "model" and getattr(was, field) != getattr(request, field)]
    if replaced:
        own = Notes()
        made = _body(request, target, ToolNames(()), own)
        for note in own:
            if note.what in replaced or not isinstance(note.what, str):
                _NOTING[note.action](notes, note.what, note.why)
        for key in (key for field in replaced for key in KEYS[field]):
            body.pop(key, None)
            if key in made:
                body[key] = made[key]
    return body


_NOTING: Final = {"dropped": Notes.drop, "moved": Notes.move, "clamped": Notes.clamp, "changed": Notes.change}


def _body(
    request: ChatRequest, target: Target, names: ToolNames, notes: Notes, plain: list[Json] | None = None
) -> Json:
    messages = plain if plain is not None else write_messages(request.turns, target, names, notes)
    body: Json = {"model": target.model, "messages": messages}
    if request.stream:
        body["stream"] = True
        # counted here whether or not the client wants to know
        body["stream_options"] = {"include_usage": True}
    if request.tools or request.tool_choice is not None:
        _write_tools(body, request, target, names, notes)
    _write_plain(body, request)
    if _get_rare(request) != _NOTHING_RARE:
        _write_rare(body, request, target, notes)
    return body


def _write_rare(body: Json, request: ChatRequest, target: Target, notes: Notes) -> None:
    """What most requests have nothing of: asking for all of it at once takes 0.4 us, one by one 1.2."""
    _write_limits(body, request, target, notes)
    if request.reasoning is not None:
        effort = _effort(request.reasoning, target.facts, notes)
        if effort is not None:
            body["reasoning_effort"] = effort
    if request.output is not None:
        body["response_format"] = _response_format(request.output)
    _write_labels(body, request, notes)
    _write_housekeeping(body, request, notes)
    if request.format != NAME:
        if request.output is not None:
            _mention_json(body, notes)
        _write_extra(body, request, notes)


def _write_tools(body: Json, request: ChatRequest, target: Target, names: ToolNames, notes: Notes) -> None:
    tools = write_tools(request.tools, target, names, notes)
    if tools:
        body["tools"] = tools
        if request.parallel_tools is not None:
            body["parallel_tool_calls"] = request.parallel_tools
    if request.tool_choice is not None:
        choice = write_choice(request.tool_choice, tools, names, notes)
        if choice is not None:
            body["tool_choice"] = choice


def _write_plain(body: Json, request: ChatRequest) -> None:
    for key, value in zip(_PLAIN.values(), _get_plain(request), strict=True):
        if value is not None:
            body[key] = value


def _write_limits(body: Json, request: ChatRequest, target: Target, notes: Notes) -> None:
    if request.top_k is not None:
        if target.vendor in TAKES_TOP_K:
            body["top_k"] = request.top_k
        else:
            notes.drop("top_k", "no such field in chat completions")
    if request.stop:
        body["stop"] = list(request.stop[:MAX_STOP])
        if len(request.stop) > MAX_STOP and target.facts.stop:
            notes.clamp("stop", f"the first {MAX_STOP} of {len(request.stop)}")
    if request.top_logprobs is not None:
        body["logprobs"] = True
        if request.top_logprobs:
            body["top_logprobs"] = min(request.top_logprobs, MAX_TOP_LOGPROBS)


def _effort(reasoning: Reasoning, facts: Facts, notes: Notes) -> Effort | None:
    """How hard to think; None leaves it to the model."""
    if facts.thinking == "none":
        if reasoning.effort != "none" and reasoning.budget != 0:
            notes.drop("reasoning", "the model does not think")
        return None
    if reasoning.effort is not None:
        return reasoning.effort
    if reasoning.budget is None or reasoning.budget < 0:
        if reasoning.adaptive:
            notes.change("reasoning", "left to the model's own default")
        return None
    effort = effort_for(reasoning.budget, facts.efforts)
    if effort != "none":
        notes.change("reasoning", f"{effort} effort for a budget of {reasoning.budget} tokens")
    return effort


def _nearest(effort: str, facts: Facts) -> str | None:
    """The effort itself or the nearest that the model takes, the higher of two; None when it cannot be told."""
    takes = facts.efforts or EFFORTS
    if not facts.can_stop_thinking:
        takes = tuple(word for word in takes if word != "none")
    if effort in takes or effort not in EFFORTS:
        return effort
    place = EFFORTS.index(effort)
    return min(takes, key=lambda word: (abs(EFFORTS.index(word) - place), -EFFORTS.index(word)), default=None)


def _response_format(output: OutputFormat) -> Json:
    if output.original is not None and output.original.format == NAME:
        value: Json = output.original.value
        return value
    if output.kind == "json_object" or output.schema is None:
        return {"type": "json_object"}
    name = output.name or "reply"  # which OpenAI demands, and demands to be like a tool's
    said: Json = {"name": ToolNames((name,)).there(name), "schema": output.schema}
    for field in ("description", "strict"):
        if (value := getattr(output, field)) is not None:
            said[field] = value
    return {"type": "json_schema", "json_schema": said}


def _mention_json(body: Json, notes: Notes) -> None:
    """OpenAI refuses json_object unless some message speaks of JSON."""
    if body.get("response_format") != {"type": "json_object"} or b"json" in exact.dumps(body["messages"]).lower():
        return
    body["messages"] = [{"role": "system", "content": JSON_WORDS}, *body["messages"]]
    notes.change("output", "an instruction to write JSON was added")


def _write_labels(body: Json, request: ChatRequest, notes: Notes) -> None:
    for field, key, value in (("user", "user", request.user), ("cache_key", "prompt_cache_key", request.cache_key)):
        if value is not None:
            body[key] = fitting_label(value, MAX_LABEL_CHARS)
            if body[key] != value:
                notes.change(field, f"over {MAX_LABEL_CHARS} characters: a hash of it")


def _write_housekeeping(body: Json, request: ChatRequest, notes: Notes) -> None:
    if request.service_tier is not None:
        tier = SERVICE_TIERS.get(request.service_tier)
        if tier is not None:
            body["service_tier"] = tier
        else:
            notes.drop("service_tier", "no word for it")
    if request.store:
        body["store"] = True
    if request.metadata is not None:
        if request.store or request.format == NAME:
            body["metadata"] = request.metadata
        else:
            notes.drop("metadata", "taken only together with store")
    if request.previous is not None:
        notes.drop("previous", "no conversation is kept")


def _write_extra(body: Json, request: ChatRequest, notes: Notes) -> None:
    for name, value in request.extra.items():
        if name in _SHARED and request.format == "openai-responses":
            body[name] = value
        elif name == "stream_options" and isinstance(value, dict) and request.stream:
            body["stream_options"] |= {key: value[key] for key in value.keys() & {"include_obfuscation"}}
        else:
            notes.drop(name, "only its own format has it")


def _obey(body: Json, target: Target, notes: Notes) -> None:
    """Take back what the upstream's model cannot do."""
    facts = target.facts
    if not (facts.sampling and facts.both and facts.stop) and not _SAMPLING.isdisjoint(body):
        _obey_sampling(body, facts, notes)
    if not facts.tools and body.pop("tools", None):
        body.pop("tool_choice", None)
        body.pop("parallel_tool_calls", None)
        notes.drop("tools", "the model has no tools")
    if facts.max_output is not None:
        _obey_limit(body, facts.max_output, notes)
    if "reasoning_effort" in body:
        _obey_effort(body, facts, notes)
    if "response_format" in body:
        _obey_format(body, facts, notes)


_SAMPLING: Final = frozenset(("temperature", "top_p", "top_k", "stop"))


def _obey_sampling(body: Json, facts: Facts, notes: Notes) -> None:
    refused = [] if facts.sampling else ["temperature", "top_p", "top_k"]
    if not facts.both and body.get("temperature") is not None:
        refused.append("top_p")
    if not facts.stop:
        refused.append("stop")
    for field in refused:
        if body.pop(field, None) is not None:
            notes.drop(field, "the model refuses it")


def _obey_limit(body: Json, most: int, notes: Notes) -> None:
    for field in KEYS["max_output"]:
        asked = body.get(field)
        if asked is not None and asked > most:
            body[field] = most
            notes.clamp("max_output", f"the model writes at most {most} tokens")


def _obey_effort(body: Json, facts: Facts, notes: Notes) -> None:
    effort = body.get("reasoning_effort")
    if not isinstance(effort, str):
        return
    nearest = _nearest(effort, facts)
    if facts.thinking == "none" or nearest is None:
        del body["reasoning_effort"]
        if effort != "none":
            notes.drop("reasoning", "the model does not think")
    elif nearest != effort:
        body["reasoning_effort"] = nearest
        notes.clamp("reasoning", f"{nearest} instead of {effort}")


def _obey_format(body: Json, facts: Facts, notes: Notes) -> None:
    """Where a schema cannot be enforced, the model is asked for it in words."""
    asked = body.get("response_format")
    if not isinstance(asked, dict) or asked.get("type") not in ("json_schema", "json_object"):
        return
    with_tools = bool(body.get("tools")) and not facts.json_with_tools
    if not with_tools and (facts.json_schema or asked["type"] == "json_object"):
        return
    words = JSON_WORDS
    if asked["type"] == "json_schema":
        schema = asked["json_schema"].get("schema")
        words += f" It must fit this JSON schema: {exact.dumps(schema).decode()}"
    body["messages"] = [{"role": "system", "content": words}, *body["messages"]]
    notes.change("output", "asked for in words")
    if with_tools:
        del body["response_format"]
    else:
        body["response_format"] = {"type": "json_object"}
