"""generateContent's body → ChatRequest. Model and streaming stand in the path, so they come from outside.

systemInstruction    a turn of role system, in front
contents[]           one turn each: model → assistant; user → user, or tool where it holds results only. Neighbours of
                     role model are one reply in the chunks of its stream, so they are one turn
tools, toolConfig, generationConfig, serviceTier, store
anything else        extra, under its own name or path (safetySettings, cachedContent, labels …)
"""

from __future__ import annotations

from typing import Any, Final

from fastproxy.formats import checked
from fastproxy.formats.chat import ChatRequest, Original, Role, ToolResult, Turn
from fastproxy.formats.gemini.read_parts import listed, read_parts
from fastproxy.formats.gemini.results import CallIds
from fastproxy.formats.gemini.settings import read_settings, read_tier
from fastproxy.formats.gemini.streamed_history import joined_turns
from fastproxy.formats.gemini.tools import read_choice, read_tools
from fastproxy.formats.gemini.words import NAME, named, snake

_ROLES: Final[dict[str, Role]] = {
    "user": "user",
    "model": "assistant",
    "function": "tool",
    "tool": "tool",
    "system": "system",
}
_READ: Final = (
    "model", "contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "serviceTier", "store"
)  # fmt: skip
_CALLING: Final = ("functionCallingConfig", "function_calling_config")
SAID_IN: Final = frozenset(("contents", "systemInstruction", "system_instruction"))
READ_NAMES: Final = frozenset(_READ) | {snake(name) for name in _READ}


def read_request(body: dict[str, Any], *, model: str = "", stream: bool | None = None) -> ChatRequest:
    """Raises: FormatError."""
    tool_config = checked.mapping(body, named(body, "toolConfig")) or {}
    fields = settings_of(body)
    extra = {name: value for name, value in body.items() if name not in READ_NAMES}
    extra |= {
        f"toolConfig.{name}": tool_config[name] for name in tool_config if snake(name) != "function_calling_config"
    }
    fields["extra"] = extra | fields["extra"]
    return ChatRequest(
        NAME,
        model or (checked.text(body, "model") or "").removeprefix("models/"),
        read_turns(body),
        body,
        stream=bool(stream),
        tools=read_tools(listed(body.get("tools"), "tools")),
        tool_choice=read_choice(tool_config),
        **fields,
    )


def read_turns(body: dict[str, Any]) -> tuple[Turn, ...]:
    """What is said: the fields SAID_IN, and nothing of the others. Raises: FormatError."""
    return read_system(body) + read_contents(body)


def bare_turns(body: dict[str, Any]) -> list[tuple[str, str]] | None:
    """What is said as (role, text), if each turn is one text; None leaves it to `read_turns`."""
    system, contents = body.get(named(body, "systemInstruction")), body.get("contents")
    if type(contents) is not list:
        return None
    said = [("system", _only_text(system))] if system is not None else []
    for value in contents:
        role = value.get("role", "user") if type(value) is dict else None
        said.append(("assistant" if role == "model" else "user", _only_text(value)))
        if role not in ("user", "model"):
            return None
    return None if any(not text for _, text in said) else said


def _only_text(content: Any) -> str:
    """The text of a content with nothing else in it, else ""."""
    parts = content.get("parts") if type(content) is dict and len(content) <= 2 else None
    if type(parts) is not list or len(parts) != 1 or type(parts[0]) is not dict or len(parts[0]) != 1:
        return ""
    text = parts[0].get("text")
    return text if type(text) is str else ""


def settings_of(body: dict[str, Any]) -> dict[str, Any]:
    """The fields of ChatRequest that stand in generationConfig or beside it as plain values."""
    fields = read_settings(checked.mapping(body, named(body, "generationConfig")) or {})
    fields["service_tier"] = read_tier(checked.text(body, named(body, "serviceTier")))
    fields["store"] = checked.boolean(body, "store")
    return fields


def read_system(body: dict[str, Any]) -> tuple[Turn, ...]:
    field = named(body, "systemInstruction")
    value = body.get(field)
    if value is None:
        return ()
    if isinstance(value, str):
        parts = read_parts(value, field, CallIds())
    else:
        parts = read_parts(checked.as_mapping(value, field).get("parts"), f"{field}.parts", CallIds())
    return (Turn("system", parts, original=Original(NAME, value)),)


def read_contents(body: dict[str, Any]) -> tuple[Turn, ...]:
    contents = checked.needed(body.get("contents"), "contents", "an array")
    ids = CallIds()
    turns = (_read_content(each, f"contents[{place}]", ids) for place, each in enumerate(listed(contents, "contents")))
    return tuple(joined_turns(turns))


def _read_content(value: Any, path: str, ids: CallIds) -> Turn:
    if isinstance(value, str):
        return Turn("user", read_parts(value, path, ids), original=Original(NAME, value))
    content = checked.as_mapping(value, path)
    said = checked.text(content, "role", path + ".") or "user"
    role = _ROLES.get(said)
    if role is None:
        checked.wrong(path + ".role", said, "'user' or 'model'")
    parts = read_parts(content.get("parts"), f"{path}.parts", ids)
    if role == "user" and parts and all(isinstance(part, ToolResult) for part in parts):
        role = "tool"
    return Turn(role, parts, original=Original(NAME, content))
