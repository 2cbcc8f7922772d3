"""Messages into turns: one turn per message, in the client's order.

    system, developer, user     content
    assistant                   thoughts, content, refusal, calls   (in this order, as the model made them)
    tool, function              one ToolResult

Deprecated functions have no ids: a call gets one made of its place and name, and the next result of that name gets it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_args

import xxhash
from msgspec.structs import replace

from fastproxy.formats.chat import Opaque, Original, Part, Refusal, Role, Text, ToolCall, ToolResult, Turn
from fastproxy.formats.checked import array, as_mapping, mapping, needed, text, wrong
from fastproxy.formats.openai_chat.content import read_cache, read_content
from fastproxy.formats.openai_chat.thoughts import read_thoughts
from fastproxy.formats.openai_chat.tools import arguments_text, read_call, signature_of
from fastproxy.formats.openai_chat.words import NAME

if TYPE_CHECKING:
    from collections.abc import Iterable

Json = dict[str, Any]
ROLES: Final = frozenset(get_args(Role)) | {"function"}


def read_messages(body: Json) -> tuple[Turn, ...]:
    """Raises: FormatError, naming the message."""
    messages = needed(array(body, "messages"), "messages", "an array")
    reader = _Messages()
    return tuple(
        [
            _bare(item) or reader.read(as_mapping(item, f"messages[{place}]"), f"messages[{place}].")
            for place, item in enumerate(messages)
        ]
    )


def _bare(message: Any) -> Turn | None:
    """A message that is a role and a text, as most are: 0.6 us instead of 2. None for any other."""
    if type(message) is not dict or len(message) != 2:
        return None
    role, content = message.get("role"), message.get("content")
    if type(content) is not str or not content or role not in _BARE_ROLES:
        return None
    return Turn(role, (Text(content, original=Original(NAME, content)),), original=Original(NAME, message))


_BARE_ROLES: Final = ("user", "assistant", "system", "developer")


class _Messages:
    """Reads in order, because a deprecated function's result names the call before it."""

    __slots__ = ("_called",)

    def __init__(self) -> None:
        self._called: dict[str, str] = {}  # function's name → id of its last call

    def read(self, message: Json, path: str) -> Turn:
        role: Any = needed(text(message, "role", path), "role", "a string", path)
        if role not in ROLES:
            wrong(path + "role", role, "system, developer, user, assistant or tool")
        original = Original(NAME, message)
        name = text(message, "name", path)
        if role in ("tool", "function"):
            return Turn("tool", (self._result(message, path, original),), original=original)
        content = _marked(read_content(message.get("content"), path + "content"), message)
        if role == "assistant":
            content = (*read_thoughts(message), *_signed(content, message), *self._rest(message, path))
        return Turn(role, content, name, original=original)

    def _rest(self, message: Json, path: str) -> Iterable[Part]:
        """What an assistant's message says beside its content."""
        refusal = text(message, "refusal", path)
        if refusal:
            yield Refusal(refusal, original=Original(NAME, refusal))
        audio = mapping(message, "audio", path)
        if audio is not None:
            transcript = audio.get("transcript")
            summary = transcript if isinstance(transcript, str) else ""
            yield Opaque("audio", summary, original=Original(NAME, audio))
        for place, item in enumerate(array(message, "tool_calls", path) or ()):
            where = f"{path}tool_calls[{place}]"
            yield read_call(as_mapping(item, where), where + ".")
        call = mapping(message, "function_call", path)
        if call is not None:
            yield self._function_call(call, path)

    def _function_call(self, call: Json, path: str) -> ToolCall:
        name: str = needed(text(call, "name", f"{path}function_call."), "name", "a string", f"{path}function_call.")
        digest = xxhash.xxh3_64_hexdigest(f"{path}{name}".encode("utf-8", "replace"))
        self._called[name] = f"call_{digest}"
        arguments = arguments_text(call.get("arguments"))
        return ToolCall(self._called[name], name, arguments, original=Original(NAME, call))

    def _result(self, message: Json, path: str, original: Original) -> ToolResult:
        parts = read_content(message.get("content"), path + "content")
        cache = read_cache(message)
        name = text(message, "name", path)
        if message["role"] == "function":
            named: str = needed(name, "name", "a string", path)
            call_id = self._called.get(named, f"call_{named}")
            return ToolResult(call_id, parts, name=named, cache=cache, original=original)
        call_id = needed(text(message, "tool_call_id", path), "tool_call_id", "a string", path)
        return ToolResult(call_id, parts, name=name, cache=cache, original=original)


def _signed(parts: tuple[Part, ...], message: Json) -> tuple[Part, ...]:
    """Gemini's signature of a text stands beside the content (reply.py writes it there)."""
    signature = signature_of(message)
    if signature is None:
        return parts
    if parts and isinstance(parts[-1], Text):
        return (*parts[:-1], replace(parts[-1], signature=signature))
    return (*parts, Text("", signature))


def _marked(parts: tuple[Part, ...], message: Json) -> tuple[Part, ...]:
    """Some clients put the cache breakpoint on the message: it stands behind its last part."""
    cache = read_cache(message)
    if cache is None or not parts or parts[-1].cache is not None:
        return parts
    return (*parts[:-1], replace(parts[-1], cache=cache))
