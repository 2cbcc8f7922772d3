"""How Anthropic's Messages API speaks: a whole message, its stream of events, its errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.live.strict.dialogue import CACHED, INPUT, OUTPUT, REASONING, Call, Fault, Say, Text, Thought
from tests.live.strict.pieces import pieces

if TYPE_CHECKING:
    from tests.live.strict.dialogue import Ask
    from tests.live.strict.issued import Issued

_ENDS = {"stop": "end_turn", "calls": "tool_use", "length": "max_tokens", "filter": "refusal"}
Events = list[bytes]


def whole(say: Say, ask: Ask, issued: Issued, unique: str) -> dict[str, Any]:
    content = [_block(part, issued) for part in say.parts]
    usage = {**_start_usage(), "output_tokens": OUTPUT, "output_tokens_details": {"thinking_tokens": REASONING}}
    return {**_message(ask, unique), "content": content, **_ending(say), "usage": usage}


def stream(say: Say, ask: Ask, issued: Issued, unique: str) -> Events:
    """Every event with its name; the end is not part of a reply that is in trouble."""
    start = {**_message(ask, unique), "content": [], "stop_reason": None, "stop_sequence": None}
    usage = {**_start_usage(), "output_tokens": 1}
    events = [_event("message_start", message={**start, "usage": usage}), _event("ping")]
    for index, part in enumerate(say.parts):
        events += _block_events(index, _block(part, issued), part)
    if say.trouble:
        middle = events[: len(events) // 2]
        broken = _event("error", error={"type": "overloaded_error", "message": "this strict vendor broke off"})
        return [*middle, broken] if say.trouble == "break" else middle
    counts = {"output_tokens": OUTPUT, "output_tokens_details": {"thinking_tokens": REASONING}}
    return [*events, _event("message_delta", delta=_ending(say), usage=counts), _event("message_stop")]


def error(fault: Fault) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Status, body and header fields."""
    status = 529 if fault.kind == "busy" else fault.status
    kinds = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error",
             429: "rate_limit_error", 529: "overloaded_error"}  # fmt: skip
    body = {"type": "error", "error": {"type": kinds[status], "message": fault.message}, "request_id": "req_strict"}
    headers = {"request-id": "req_strict"}
    return status, body, headers | ({"retry-after": str(fault.retry_after)} if fault.retry_after else {})


def _message(ask: Ask, unique: str) -> dict[str, Any]:
    return {"id": f"msg_{unique}", "type": "message", "role": "assistant", "model": ask.model, "container": None}


def _start_usage() -> dict[str, Any]:
    written = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}
    return {"input_tokens": INPUT - CACHED, "cache_creation_input_tokens": 0, "cache_read_input_tokens": CACHED,
            "cache_creation": written, "service_tier": "standard"}  # fmt: skip


def _ending(say: Say) -> dict[str, Any]:
    ending: dict[str, Any] = {"stop_reason": _ENDS[say.ends], "stop_sequence": None}
    refusal = {"type": "refusal", "category": None, "explanation": "This vendor will not say it."}
    return ending | ({"stop_details": refusal} if say.ends == "filter" else {})


def _block(part: Thought | Text | Call, issued: Issued) -> dict[str, Any]:
    if isinstance(part, Thought):
        return {"type": "thinking", "thinking": part.text, "signature": issued.sign(part.text)}
    if isinstance(part, Call):
        return {"type": "tool_use", "id": part.id, "name": part.name, "input": json.loads(part.arguments)}
    return {"type": "text", "text": part.text}


def _block_events(index: int, block: dict[str, Any], part: Thought | Text | Call) -> Events:
    if isinstance(part, Thought):
        begin, name, key, text = block | {"thinking": "", "signature": ""}, "thinking_delta", "thinking", part.text
    elif isinstance(part, Call):
        begin, name, key, text = block | {"input": {}}, "input_json_delta", "partial_json", part.arguments
    else:
        begin, name, key, text = block | {"text": ""}, "text_delta", "text", part.text
    deltas = [{"type": name, key: piece} for piece in pieces(text)]
    if isinstance(part, Thought):
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    if isinstance(part, Call):
        deltas.insert(0, {"type": name, key: ""})
    return [
        _event("content_block_start", index=index, content_block=begin),
        *(_event("content_block_delta", index=index, delta=delta) for delta in deltas),
        _event("content_block_stop", index=index),
    ]


def _event(name: str, /, **fields: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields}, ensure_ascii=False)}\n\n".encode()
