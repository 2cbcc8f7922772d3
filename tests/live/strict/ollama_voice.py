"""How Ollama's /api/chat speaks: one object, or one a line. Every second call has no id, as those of older servers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tests.live.strict.dialogue import INPUT, OUTPUT, Call, Fault, Say
from tests.live.strict.pieces import pieces

if TYPE_CHECKING:
    from tests.live.strict.dialogue import Ask
    from tests.live.strict.issued import Issued

TYPE: Final = "application/x-ndjson"  # of a stream
ENDS: Final = {"stop": "stop", "calls": "stop", "length": "length"}  # Ollama has no word for calls
METRICS: Final = {"total_duration": 5_000_000, "load_duration": 1_000_000, "prompt_eval_count": INPUT,
                  "prompt_eval_duration": 1_000_000, "eval_count": OUTPUT, "eval_duration": 3_000_000}  # fmt: skip
Events = list[bytes]


def whole(say: Say, ask: Ask, issued: Issued, unique: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": say.text}
    if say.thoughts:
        issued.accept(say.thoughts)
        message["thinking"] = say.thoughts
    if say.calls:
        message["tool_calls"] = [_call(call, place) for place, call in enumerate(say.calls)]
    return {**_head(ask), "message": message, "done_reason": ENDS[say.ends], "done": True, **METRICS}


def stream(say: Say, ask: Ask, issued: Issued, unique: str) -> Events:
    """One line for each piece; a call is always whole."""

    def line(message: dict[str, Any]) -> bytes:
        return _line({**_head(ask), "message": {"role": "assistant", "content": "", **message}, "done": False})

    lines: Events = []
    if say.thoughts:
        issued.accept(say.thoughts)
        lines += [line({"thinking": piece}) for piece in pieces(say.thoughts)]
    lines += [line({"content": piece}) for piece in pieces(say.text)]
    lines += [line({"tool_calls": [_call(call, place)]}) for place, call in enumerate(say.calls)]
    if say.trouble:
        middle = lines[: len(lines) // 2]
        return [*middle, _line({"error": "this strict vendor broke off"})] if say.trouble == "break" else middle
    last = {**_head(ask), "message": {"role": "assistant", "content": ""}, "done_reason": ENDS[say.ends], "done": True}
    return [*lines, _line({**last, **METRICS})]


def error(fault: Fault) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Status, body and header fields."""
    headers = {"retry-after": str(fault.retry_after)} if fault.retry_after else {}
    return fault.status, {"error": fault.message}, headers


def _head(ask: Ask) -> dict[str, Any]:
    return {"model": ask.model, "created_at": "2026-11-01T10:00:00.123456789Z"}


def _call(call: Call, place: int) -> dict[str, Any]:
    said = {"function": {"index": place, "name": call.name, "arguments": json.loads(call.arguments)}}
    return said if place % 2 else {"id": call.id, **said}


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"
