"""How OpenAI's chat completions speak. Thoughts go as `reasoning_content`, as many vendors of this format do it."""

from __future__ import annotations

import json
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from tests.live.strict.dialogue import CACHED, INPUT, OUTPUT, REASONING, Call, Fault, Say
from tests.live.strict.pieces import pieces

if TYPE_CHECKING:
    from tests.live.strict.dialogue import Ask
    from tests.live.strict.issued import Issued

ENDS: Final = {"stop": "stop", "calls": "tool_calls", "length": "length", "filter": "content_filter"}
USAGE: Final = {
    "prompt_tokens": INPUT, "completion_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT,
    "prompt_tokens_details": {"cached_tokens": CACHED, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": REASONING, "audio_tokens": 0, "accepted_prediction_tokens": 0,
                                  "rejected_prediction_tokens": 0},
}  # fmt: skip
Events = list[bytes]


def whole(say: Say, ask: Ask, issued: Issued, unique: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": say.text or None, "refusal": None, "annotations": []}
    if say.thoughts:
        message["reasoning_content"] = _issue(issued, say.thoughts)
    if say.calls:
        message["tool_calls"] = [{"id": call.id, "type": "function", "function": _function(call)} for call in say.calls]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": ENDS[say.ends]}
    return {**_head(ask, unique, "chat.completion"), "choices": [choice], "usage": USAGE}


def stream(say: Say, ask: Ask, issued: Issued, unique: str) -> Events:
    """Chunks, a comment among them."""
    null: dict[str, Any] = {"usage": None} if ask.usage_in_stream else {}
    head = {**_head(ask, unique, "chat.completion.chunk"), **null}

    def chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
        return _event({**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]})

    events = [chunk({"role": "assistant", "content": "", "refusal": None}), b": OPENROUTER PROCESSING\n\n"]
    if say.thoughts:
        _issue(issued, say.thoughts)
        events += [chunk({"reasoning_content": piece}) for piece in pieces(say.thoughts)]
    events += [chunk({"content": piece}) for piece in pieces(say.text)]
    events += [chunk({"tool_calls": [delta]}) for delta in _call_deltas(say.calls, say.mixed)]
    if say.trouble:
        middle = events[: len(events) // 2]
        told = {
            "error": {"message": "this strict vendor broke off", "type": "server_error", "param": None, "code": None}
        }
        return [*middle, _event(told)] if say.trouble == "break" else middle
    events.append(chunk({}, ENDS[say.ends]))
    if ask.usage_in_stream:
        events.append(_event({**head, "choices": [], "usage": USAGE}))
    return [*events, b"data: [DONE]\n\n"]


def error(fault: Fault) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Status, body and header fields."""
    kinds = {"rate": ("tokens", "rate_limit_exceeded"), "busy": ("server_error", "overloaded"),
             "context": ("invalid_request_error", "context_length_exceeded"),
             "key": ("invalid_request_error", "invalid_api_key")}  # fmt: skip
    sort, code = kinds.get(fault.kind, ("invalid_request_error", None))
    body = {"error": {"message": fault.message, "type": sort, "param": None, "code": code}}
    return fault.status, body, {"retry-after": str(fault.retry_after)} if fault.retry_after else {}


def _head(ask: Ask, unique: str, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{unique}", "object": kind, "created": 1_790_000_000, "model": ask.model,
            "service_tier": "default", "system_fingerprint": "fp_strict"}  # fmt: skip


def _function(call: Call) -> dict[str, str]:
    return {"name": call.name, "arguments": call.arguments}


def _issue(issued: Issued, text: str) -> str:
    """Thoughts of this format have no signature: the text itself is what may come back."""
    issued.accept(text)
    return text


def _call_deltas(calls: list[Call], mixed: bool) -> list[dict[str, Any]]:
    """One call after the other; when mixed, the beginnings first, then a piece of each in turn.

    The format allows both, OpenAI does the former, and openai's own stream helper cannot read the latter.
    """
    streams = [
        [
            {"index": index, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}},
            *({"index": index, "function": {"arguments": piece}} for piece in pieces(call.arguments)),
        ]
        for index, call in enumerate(calls)
    ]
    if not mixed:
        return [delta for stream in streams for delta in stream]
    return [delta for turn in zip_longest(*streams) for delta in turn if delta]


def _event(value: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()
