"""A body of POST /messages into the hub's words.

system     → a turn of role system before the others; messages of role system stay in their place
messages   → one turn each; role tool where a message holds nothing but tool results
thinking   → Reasoning, together with output_config.effort
the rest   → fields of the same meaning; what has no word is kept in `extra`
"""

from __future__ import annotations

from typing import Any, Final, get_args

from fastproxy.formats import checked
from fastproxy.formats.anthropic.read_blocks import read_content
from fastproxy.formats.anthropic.tools import read_choice, read_tools
from fastproxy.formats.anthropic.words import NAME, READ_TIERS
from fastproxy.formats.chat import ChatRequest, Effort, Original, OutputFormat, Reasoning, ToolResult, Turn

ROLES: Final = ("user", "assistant", "system")
EFFORTS: Final = frozenset(get_args(Effort))
WITH_WORDS: Final = frozenset(
    {
        "model", "messages", "system", "max_tokens", "stream", "tools", "tool_choice", "temperature", "top_p", "top_k",
        "stop_sequences", "thinking", "output_config", "metadata", "service_tier",
    }
)  # fmt: skip
Body = dict[str, Any]


def read_request(body: Body, *, model: str = "", stream: bool | None = None) -> ChatRequest:
    """Raises: FormatError, which names the JSON path."""
    choice, parallel = read_choice(body)
    user, metadata = _metadata(body)
    return ChatRequest(
        format=NAME,
        model=model or checked.needed(checked.text(body, "model"), "model", "a string"),
        turns=(*_system(body), *_messages(body)),
        body=body,
        stream=bool(checked.boolean(body, "stream")) if stream is None else stream,
        tools=read_tools(body),
        tool_choice=choice,
        parallel_tools=parallel,
        max_output=checked.integer(body, "max_tokens", least=0),
        temperature=checked.number(body, "temperature"),
        top_p=checked.number(body, "top_p"),
        top_k=checked.integer(body, "top_k"),
        stop=_stop(body),
        reasoning=_reasoning(body),
        output=_output(body),
        user=user,
        metadata=metadata,
        service_tier=_tier(body),
        extra=_extra(body),
    )


def _system(body: Body) -> tuple[Turn, ...]:
    value = body.get("system")
    if value is None:
        return ()
    return (Turn("system", read_content(value, "system"), original=Original(NAME, value)),)


def _messages(body: Body) -> list[Turn]:
    messages = checked.needed(checked.array(body, "messages"), "messages", "an array")
    return [_message(value, f"messages[{place}]") for place, value in enumerate(messages)]


def _message(value: Any, path: str) -> Turn:
    message = checked.as_mapping(value, path)
    role = checked.needed(checked.text(message, "role", path + "."), "role", "a string", path + ".")
    if role not in ROLES:
        checked.wrong(path + ".role", role, f"one of {', '.join(ROLES)}")
    parts = read_content(message.get("content"), path + ".content")
    if role == "user" and parts and all(isinstance(part, ToolResult) for part in parts):
        role = "tool"
    return Turn(role, parts, original=Original(NAME, message))


def _stop(body: Body) -> tuple[str, ...]:
    found = checked.array(body, "stop_sequences") or []
    for place, value in enumerate(found):
        if not isinstance(value, str):
            checked.wrong(f"stop_sequences[{place}]", value, "a string")
    return tuple(found)


def _reasoning(body: Body) -> Reasoning | None:
    """An effort without thinking is one too: it says how much work a reply is worth."""
    thinking = checked.mapping(body, "thinking")
    config = checked.mapping(body, "output_config") or {}
    effort: Any = checked.text(config, "effort", "output_config.")
    effort = effort if effort in EFFORTS else None
    kind = checked.text(thinking, "type", "thinking.") if thinking is not None else None
    if thinking is None or kind not in _KINDS:
        return Reasoning(effort, original=Original(NAME, config)) if effort is not None else None
    if kind in ("disabled", "between_tools"):
        return Reasoning(budget=0, original=Original(NAME, thinking))
    display = checked.text(thinking, "display", "thinking.")
    show = None if display is None else display != "omitted"
    if kind == "adaptive":
        return Reasoning(effort, show=show, adaptive=True, original=Original(NAME, thinking))
    budget = checked.needed(
        checked.integer(thinking, "budget_tokens", "thinking.", 0), "budget_tokens", "a whole number", "thinking."
    )
    # without a display, enabled thinking is shown
    return Reasoning(effort, budget, show is not False, original=Original(NAME, thinking))


_KINDS: Final = ("enabled", "disabled", "adaptive", "between_tools")


def _output(body: Body) -> OutputFormat | None:
    config = checked.mapping(body, "output_config") or {}
    wanted = checked.mapping(config, "format", "output_config.")
    if wanted is None or wanted.get("type") != "json_schema":
        return None
    schema = checked.needed(
        checked.mapping(wanted, "schema", "output_config.format."), "schema", "an object", "output_config.format."
    )
    return OutputFormat("json_schema", schema, original=Original(NAME, wanted))


def _metadata(body: Body) -> tuple[str | None, dict[str, Any] | None]:
    """The user's id, and whatever else stands beside it."""
    metadata = checked.mapping(body, "metadata")
    if metadata is None:
        return None, None
    rest = {name: value for name, value in metadata.items() if name != "user_id"}
    return checked.text(metadata, "user_id", "metadata."), rest or None


def _tier(body: Body) -> str | None:
    word = checked.text(body, "service_tier")
    return None if word is None else READ_TIERS.get(word, word)


def _extra(body: Body) -> dict[str, Any]:
    """Fields without a word of ours, and those whose value has none."""
    extra = {name: value for name, value in body.items() if name not in WITH_WORDS}
    thinking = body.get("thinking")
    if isinstance(thinking, dict) and thinking.get("type") not in _KINDS:
        extra["thinking"] = thinking
    config = body.get("output_config")
    if isinstance(config, dict):
        unknown = {name: value for name, value in config.items() if name not in ("effort", "format")}
        extra |= {"output_config": unknown} if unknown else {}
    return extra
