"""Anthropic's messages: JSON and stream, with thinking and tool use. Pure functions of an Answer.

The blocks of a reply, in order: thinking, text, tool uses. Claude sends no images, so images are left out here.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from fastproxy.loadtest.mock_answer import Answer, Call, Events, Json, Stream, named

if TYPE_CHECKING:
    from fastproxy.loadtest.mock_words import Tally

_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


def usage(tally: Tally, output: int) -> Json:
    """input_tokens is only what was neither read from nor written to the cache."""
    return {
        "input_tokens": tally.input,
        "cache_creation_input_tokens": tally.cache_write,
        "cache_read_input_tokens": tally.cache_read,
        "cache_creation": {"ephemeral_5m_input_tokens": tally.cache_write, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output,
        "service_tier": "standard",
    }


def message(answer: Answer) -> Json:
    """`POST /v1/messages`."""
    counts = usage(answer.tally, answer.tally.output)
    counts["output_tokens_details"] = {"thinking_tokens": answer.tally.reasoning}
    return {
        "id": "msg_" + answer.ident,
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": _blocks(answer),
        "stop_reason": _REASONS[answer.finish],
        "stop_sequence": None,
        "usage": counts,
    }


def _blocks(answer: Answer) -> list[Json]:
    blocks: list[Json] = []
    if answer.thinking:
        blocks.append({"type": "thinking", "thinking": answer.thought, "signature": _signature(answer)})
    if answer.words or not answer.calls:
        blocks.append({"type": "text", "text": answer.text})
    return blocks + [_tool_use(answer, index, call, call.arguments) for index, call in enumerate(answer.calls)]


def _tool_use(answer: Answer, index: int, call: Call, given: Json) -> Json:
    return {"type": "tool_use", "id": answer.call_id("toolu_", index), "name": call.name, "input": given}


def _signature(answer: Answer) -> str:
    """Opaque to clients, who send it back with the thinking; here a function of that."""
    return base64.b64encode(hashlib.sha256(answer.thought.encode()).digest()).decode()


def message_stream(answer: Answer) -> Stream:
    """message_start carries the input counts, message_delta the final ones."""
    start = message(replace(answer, words=(), thinking=(), calls=(), finish="stop"))
    start |= {"content": [], "stop_reason": None, "usage": usage(answer.tally, 1)}
    events = Events(named)
    events.add({"type": "message_start", "message": start})
    pinged = False
    for index, block in enumerate(_blocks(answer)):
        _start_block(events, index, block)
        if not pinged:
            events.add({"type": "ping"})
            pinged = True
        for kind, name, part in _deltas(answer, block):
            events.token({"type": "content_block_delta", "index": index, "delta": {"type": kind, name: part}})
        if block["type"] == "thinking":
            signed = {"type": "signature_delta", "signature": block["signature"]}
            events.add({"type": "content_block_delta", "index": index, "delta": signed})
        events.add({"type": "content_block_stop", "index": index})
    stop = {"stop_reason": _REASONS[answer.finish], "stop_sequence": None}
    events.add({"type": "message_delta", "delta": stop, "usage": _final(answer.tally)}, {"type": "message_stop"})
    return events.stream()


_EMPTY: dict[str, Json] = {
    "thinking": {"thinking": "", "signature": ""},
    "text": {"text": ""},
    "tool_use": {"input": {}},
}


def _start_block(events: Events, index: int, block: Json) -> None:
    events.add({"type": "content_block_start", "index": index, "content_block": block | _EMPTY[block["type"]]})


def _deltas(answer: Answer, block: Json) -> list[tuple[str, str, str]]:
    """(delta type, its field, a piece) of one block's content."""
    if block["type"] == "thinking":
        return [("thinking_delta", "thinking", word) for word in answer.thinking]
    if block["type"] == "text":
        return [("text_delta", "text", word) for word in answer.words]
    fragments = Call(block["name"], block["input"]).fragments
    return [("input_json_delta", "partial_json", fragment) for fragment in fragments]


def _final(tally: Tally) -> Json:
    return {
        "input_tokens": tally.input,
        "cache_creation_input_tokens": tally.cache_write,
        "cache_read_input_tokens": tally.cache_read,
        "output_tokens": tally.output,
        "output_tokens_details": {"thinking_tokens": tally.reasoning},
    }
