"""Calls of tools and their results: functionCall and functionResponse, both ways.

    a tool's text            response
    {"a": 1} (an object)     {"a": 1}
    anything else            {"output": text}
    an error                 {"error": text or object}

Arguments are objects here: a text that is none is sent as {"_raw": text}, another JSON value as {"_raw": value}, and
the free text of a custom tool as {"input": text}.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from fastproxy.errors import FormatError
from fastproxy.formats import checked, exact
from fastproxy.formats.chat import Original, Part, Text, ToolCall, ToolResult
from fastproxy.formats.custom_tools import FIELD
from fastproxy.formats.gemini.media import read_media
from fastproxy.formats.gemini.words import NAME, named
from fastproxy.formats.turns import plain_text

if TYPE_CHECKING:
    from fastproxy.formats.notes import Notes

_MAX_DEPTH: Final = 200  # orjson reads deeper values than it writes; ours are wrapped in some more
_VERCEL: Final = {"name", "content"}  # how the Vercel AI SDK wraps a result


class CallIds:
    """Ids for calls of a history that has none; a result without one belongs to the oldest open call of its name."""

    __slots__ = ("_made", "_of_name", "_open")

    def __init__(self) -> None:
        self._open: set[str] = set()
        self._of_name: dict[str, deque[str]] = {}
        self._made = 0

    def of_call(self, given: str, name: str) -> str:
        call_id = given
        if not call_id:
            call_id = f"call_{self._made}"
            self._made += 1
        self._open.add(call_id)
        self._of_name.setdefault(name, deque()).append(call_id)
        return call_id

    def of_result(self, given: str, name: str) -> str:
        if given:
            self._open.discard(given)
            return given
        queue = self._of_name.get(name, ())
        while queue:
            call_id = queue.popleft()
            if call_id in self._open:
                self._open.discard(call_id)
                return call_id
        return f"call_without_{name}"


def read_call(part: dict[str, Any], path: str, ids: CallIds, signature: str | None) -> ToolCall:
    field = named(part, "functionCall")
    call = checked.as_mapping(part[field], path + field)
    path = f"{path}{field}."
    name = checked.needed(checked.text(call, "name", path), "name", "a tool's name", path)
    arguments = checked.mapping(call, "args", path)
    call_id = ids.of_call(checked.text(call, "id", path) or "", name)
    text = _dumped(arguments or {}, path + "args")
    return ToolCall(call_id, name, text, signature=signature, original=Original(NAME, part))


def read_result(part: dict[str, Any], path: str, ids: CallIds) -> ToolResult:
    field = named(part, "functionResponse")
    result = checked.as_mapping(part[field], path + field)
    path = f"{path}{field}."
    name = checked.needed(checked.text(result, "name", path), "name", "a tool's name", path)
    response = checked.mapping(result, "response", path) or {}
    text, is_error = _text_of(response, path + "response")
    parts: list[Part] = [Text(text)] if text else []
    for place, below in enumerate(checked.array(result, "parts", path) or []):
        parts.append(_read_below(below, f"{path}parts[{place}]"))
    call_id = ids.of_result(checked.text(result, "id", path) or "", name)
    return ToolResult(call_id, tuple(parts), is_error, name, original=Original(NAME, part))


def _read_below(part: Any, path: str) -> Part:
    return read_media(checked.as_mapping(part, path), path + ".")


def _text_of(response: dict[str, Any], path: str) -> tuple[str, bool]:
    """The text that a response holds, and whether it tells of an error."""
    if len(response) == 1:
        ((name, value),) = response.items()
        if name in ("output", "error"):
            return _as_text(value, path), name == "error"
    if response.keys() == _VERCEL:
        return _as_text(response["content"], path), False
    return (_dumped(response, path) if response else ""), False


def _as_text(value: Any, path: str) -> str:
    return value if isinstance(value, str) else _dumped(value, path)


def _dumped(value: Any, path: str) -> str:
    try:
        return exact.dumps(value).decode()
    except TypeError:
        raise FormatError(f"field '{path}' cannot be written as JSON: nested too deeply") from None


def parsed(text: str) -> Any:
    """The JSON value in `text`. Raises: ValueError, also where it could not be written again."""
    value = exact.loads(text)
    if text.count("{") + text.count("[") > _MAX_DEPTH:
        try:
            exact.dumps(value)
        except TypeError:
            raise ValueError("nested too deeply") from None
    return value


def arguments_of(call: ToolCall) -> tuple[dict[str, Any], str]:
    """The arguments as an object, and what had to be done for it ("" if nothing)."""
    if call.custom:
        return {FIELD: call.arguments}, ""
    if not call.arguments.strip():
        return {}, ""
    try:
        value = parsed(call.arguments)
    except ValueError:
        return {"_raw": call.arguments}, "the arguments are not valid JSON"
    return (value, "") if isinstance(value, dict) else ({"_raw": value}, "the arguments are not an object")


def write_call(call: ToolCall, name: str, notes: Notes, *, with_id: bool) -> dict[str, Any]:
    arguments, why = arguments_of(call)
    if why:
        notes.change(call, why)
    said: dict[str, Any] = {"id": call.id} if with_id and call.id else {}
    made: dict[str, Any] = {"functionCall": said | {"name": name, "args": arguments}}
    if call.signature is not None:
        made["thoughtSignature"] = call.signature
    return made


def write_result(result: ToolResult, name: str, *, with_id: bool) -> dict[str, Any]:
    """Without its images and files, see write_parts.py."""
    said: dict[str, Any] = {"id": result.call_id} if with_id and result.call_id else {}
    text = plain_text(result.parts)
    return {"functionResponse": said | {"name": name, "response": _response(text, is_error=result.is_error)}}


def _response(text: str, *, is_error: bool) -> dict[str, Any]:
    value = _object_in(text)
    if is_error:
        return {"error": text if value is None else value}
    return {"output": text} if value is None else value


def _object_in(text: str) -> dict[str, Any] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = parsed(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) and value else None
