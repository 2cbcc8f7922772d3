"""How Google's generateContent speaks. Thoughts are parts, calls are whole, a signature sits on the first call of a
turn or, when there is none, on an empty text at the end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tests.live.strict.dialogue import CACHED, INPUT, OUTPUT, REASONING, Call, Fault, Say, Text, Thought
from tests.live.strict.pieces import pieces

if TYPE_CHECKING:
    from tests.live.strict.dialogue import Ask
    from tests.live.strict.issued import Issued

_ENDS: Final = {"stop": "STOP", "calls": "STOP", "length": "MAX_TOKENS", "filter": "SAFETY"}
_USAGE: Final = {
    "promptTokenCount": INPUT,
    "cachedContentTokenCount": CACHED,
    "candidatesTokenCount": OUTPUT - REASONING,
    "thoughtsTokenCount": REASONING,
    "totalTokenCount": INPUT + OUTPUT,
}
Part = dict[str, Any]
Events = list[bytes]


def whole(say: Say, ask: Ask, issued: Issued, unique: str) -> dict[str, Any]:
    parts = [_part(part) for part in say.parts]
    _sign(parts, say, issued)
    return _reply(ask, unique, parts, _ENDS[say.ends])


def stream(say: Say, ask: Ask, issued: Issued, unique: str) -> Events:
    parts = [piece for part in say.parts for piece in _streamed(part)]
    _sign(parts, say, issued)
    chunks = [_event(_reply(ask, unique, [part], None)) for part in parts]
    if say.trouble:
        middle = chunks[: len(chunks) // 2]
        _, told, _ = error(Fault(503, "busy", "this strict vendor broke off"))
        return [*middle, _event(told)] if say.trouble == "break" else middle
    return [*chunks, _event(_reply(ask, unique, [{"text": ""}], _ENDS[say.ends]))]


def error(fault: Fault) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Status, body and header fields. Google says in the body when to come back, not in a header."""
    names = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED",
             503: "UNAVAILABLE"}  # fmt: skip
    told: dict[str, Any] = {"code": fault.status, "message": fault.message, "status": names[fault.status]}
    if fault.retry_after:
        retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{fault.retry_after}s"}
        told["details"] = [retry]
    return fault.status, {"error": told}, {}


def _reply(ask: Ask, unique: str, parts: list[Part], reason: str | None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if reason:
        candidate["finishReason"] = reason
    return {"candidates": [candidate], "usageMetadata": _USAGE, "modelVersion": ask.model, "responseId": unique}


def _part(part: Thought | Text | Call) -> Part:
    if isinstance(part, Thought):
        return {"text": part.text, "thought": True}
    if isinstance(part, Call):
        return {"functionCall": {"id": part.id, "name": part.name, "args": json.loads(part.arguments)}}
    return {"text": part.text}


def _streamed(part: Thought | Text | Call) -> list[Part]:
    if isinstance(part, Call):
        return [_part(part)]
    return [{**_part(part), "text": piece} for piece in pieces(part.text)]


def _sign(parts: list[Part], say: Say, issued: Issued) -> None:
    token = issued.sign(say.thoughts or "unsaid")
    first = next((part for part in parts if "functionCall" in part), None)
    if first is None:
        parts.append(first := {"text": ""})
    first["thoughtSignature"] = token


def _event(value: dict[str, Any]) -> bytes:
    # Google's SDK takes U+2028 for the end of a line, so Google escapes it
    text = json.dumps(value, ensure_ascii=False)
    for character in ("\u2028", "\u2029", "\x85"):
        text = text.replace(character, f"\\u{ord(character):04x}")
    return f"data: {text}\r\n\r\n".encode()
