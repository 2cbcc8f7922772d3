"""A body of POST /messages into the hub's words.

system     → a turn of role system before the others; messages of role system stay in their place
messages   → one turn each; role tool where a message holds nothing but tool results
thinking   → Reasoning, together with output_config.effort
the rest   → fields of the same meaning; what has no word is kept in `extra`
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias, get_args

from fastproxy.formats import checked
from fastproxy.formats.anthropic.read_blocks import read_content
from fastproxy.formats.anthropic.tools import read_choice, read_tools
from fastproxy.formats.anthropic.words import NAME, READ_TIERS
from fastproxy.formats.chat import ChatRequest, Effort, Original, OutputFormat, Reasoning, Text, ToolResult, Turn

if TYPE_CHECKING:
    from collections.abc import Callable

ROLES: Final = ("user", "assistant", "system")
SAID_IN: Final = frozenset(("messages", "system"))
EFFORTS: Final = frozenset(get_args(Effort))
Body = dict[str, Any]
Said: TypeAlias = dict[str, Any]  # fields of ChatRequest


def read_request(body: Body, *, model: str = "", stream: bool | None = None) -> ChatRequest:
    """Raises: FormatError, which names the JSON path."""
    said: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in body.items():
        read = _READERS.get(name)
        if read is not None:
            if value is not None:
                said |= read(body)
        elif name not in _ALWAYS:
            extra[name] = value
    if extra or "extra" in said:
        said["extra"] = {**extra, **said.get("extra", {})}
    if not model:
        model = checked.needed(checked.text(body, "model"), "model", "a string")
    if stream is None:
        stream = bool(checked.boolean(body, "stream"))
    most = checked.integer(body, "max_tokens", least=0)
    return ChatRequest(NAME, model, read_turns(body), body, stream, max_output=most, **said)


def read_turns(body: Body) -> tuple[Turn, ...]:
    """What is said: the fields SAID_IN, and nothing of the others. Raises: FormatError."""
    return (*_system(body), *_messages(body))


def bare_turns(body: Body) -> list[tuple[str, str]] | None:
    """What is said as (role, text), if it is nothing but texts that are strings; None leaves it to `read_turns`."""
    system, messages = body.get("system"), body.get("messages")
    if type(messages) is not list or not (system is None or (system and type(system) is str)):
        return None
    said = [("system", system)] if system else []
    for message in messages:
        if type(message) is not dict:
            return None
        role, text = message.get("role"), message.get("content")
        if type(text) is not str or not text or role not in ROLES:
            return None
        said.append((role, text))
    return said


def _system(body: Body) -> tuple[Turn, ...]:
    value = body.get("system")
    if value is None:
        return ()
    original = Original(NAME, value)
    parts = (Text(value, original=original),) if type(value) is str else read_content(value, "system")
    return (Turn("system", parts, original=original),)


def _messages(body: Body) -> list[Turn]:
    messages = body.get("messages")
    if type(messages) is not list:
        messages = checked.needed(checked.array(body, "messages"), "messages", "an array")
    return [_message(value, place) for place, value in enumerate(messages)]


def _message(value: Any, place: int) -> Turn:
    if type(value) is dict:
        who, content = value.get("role"), value.get("content")
        if type(content) is str and who in ROLES:  # a text alone, as most are: 0.5 us instead of 1.6
            said = Text(content, original=Original(NAME, content))
            return Turn(who, (said,), original=Original(NAME, value))
    path = f"messages[{place}]"
    message = checked.as_mapping(value, path)
    role = checked.needed(checked.text(message, "role", path + "."), "role", "a string", path + ".")
    if role not in ROLES:
        checked.wrong(path + ".role", role, f"one of {', '.join(ROLES)}")
    parts = read_content(message.get("content"), path + ".content")
    if role == "user" and parts and all(isinstance(part, ToolResult) for part in parts):
        role = "tool"
    return Turn(role, parts, original=Original(NAME, message))


def _choice(body: Body) -> Said:
    choice, parallel = read_choice(body)
    return {"tool_choice": choice, "parallel_tools": parallel}


def _stop(body: Body) -> Said:
    found = checked.array(body, "stop_sequences") or []
    for place, value in enumerate(found):
        if not isinstance(value, str):
            checked.wrong(f"stop_sequences[{place}]", value, "a string")
    return {"stop": tuple(found)}


def _thinking(body: Body) -> Said:
    made: Said = {"reasoning": _reasoning(body), "output": _output(body)}
    unknown = _unknown(body)
    return {**made, "extra": unknown} if unknown else made


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


def _unknown(body: Body) -> dict[str, Any]:
    """What there is no word for in the two fields that tell how to think and how to answer."""
    extra: dict[str, Any] = {}
    thinking, config = body.get("thinking"), body.get("output_config")
    if isinstance(thinking, dict) and thinking.get("type") not in _KINDS:
        extra["thinking"] = thinking
    if isinstance(config, dict):
        unknown = {name: value for name, value in config.items() if name not in ("effort", "format")}
        extra |= {"output_config": unknown} if unknown else {}
    return extra


def _metadata(body: Body) -> Said:
    """The user's id, and whatever else stands beside it."""
    metadata = checked.needed(checked.mapping(body, "metadata"), "metadata", "an object")
    rest = {name: value for name, value in metadata.items() if name != "user_id"}
    return {"user": checked.text(metadata, "user_id", "metadata."), "metadata": rest or None}


def _tier(body: Body) -> Said:
    word = checked.text(body, "service_tier")
    return {"service_tier": None if word is None else READ_TIERS.get(word, word)}


_ALWAYS: Final = frozenset(("model", "messages", "system", "stream", "max_tokens"))
# Called for those that a body has: 2 us less than asking for each of them.
_READERS: Final[dict[str, Callable[[Body], Said]]] = {
    "temperature": lambda body: {"temperature": checked.number(body, "temperature")},
    "top_p": lambda body: {"top_p": checked.number(body, "top_p")},
    "top_k": lambda body: {"top_k": checked.integer(body, "top_k")},
    "stop_sequences": _stop,
    "tools": lambda body: {"tools": read_tools(body)},
    "tool_choice": _choice,
    "thinking": _thinking,
    "output_config": _thinking,
    "metadata": _metadata,
    "service_tier": _tier,
}
# Every field of a body that has a word, for tests that compare them with the SDK's.
WITH_WORDS: Final = _ALWAYS | _READERS.keys()
