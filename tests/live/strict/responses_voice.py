"""How OpenAI's Responses speak: items, and a stream of numbered events about them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tests.live.strict.dialogue import CACHED, INPUT, OUTPUT, REASONING, Call, Fault, Say, Text, Thought
from tests.live.strict.openai_voice import error
from tests.live.strict.pieces import pieces

if TYPE_CHECKING:
    from tests.live.strict.dialogue import Ask
    from tests.live.strict.issued import Issued

_USAGE: Final = {
    "input_tokens": INPUT, "output_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT,
    "input_tokens_details": {"cached_tokens": CACHED, "cache_write_tokens": 0},
    "output_tokens_details": {"reasoning_tokens": REASONING},
}  # fmt: skip
_INCOMPLETE: Final = {"length": "max_output_tokens", "filter": "content_filter"}
Item = dict[str, Any]
Events = list[bytes]


def whole(say: Say, ask: Ask, issued: Issued, unique: str) -> dict[str, Any]:
    return _response(say, ask, unique, _items(say, issued, unique))


def _response(say: Say, ask: Ask, unique: str, items: list[Item]) -> dict[str, Any]:
    why = _INCOMPLETE.get(say.ends)
    return {
        "id": f"resp_{unique}", "object": "response", "created_at": 1_790_000_000, "model": ask.model, "output": items,
        "status": "incomplete" if why else "completed", "incomplete_details": {"reason": why} if why else None,
        "error": None, "instructions": ask.system or None, "metadata": {}, "parallel_tool_calls": True,
        "temperature": 1.0, "top_p": 1.0, "tool_choice": "auto", "tools": [], "store": False, "usage": _USAGE,
        "reasoning": {"effort": None, "summary": None}, "text": {"format": {"type": "text"}}, "truncation": "disabled",
    }  # fmt: skip


def _items(say: Say, issued: Issued, unique: str) -> list[Item]:
    return [_item(part, f"{unique}_{place}", issued) for place, part in enumerate(say.parts)]


def _item(part: Thought | Text | Call, unique: str, issued: Issued) -> Item:
    if isinstance(part, Thought):
        name = f"rs_{unique}"
        summary = [{"type": "summary_text", "text": part.text}]
        return {"id": name, "type": "reasoning", "summary": summary,
                "encrypted_content": issued.sign(part.text, f"{name} ")}  # fmt: skip
    if isinstance(part, Call):
        return {"id": f"fc_{unique}", "type": "function_call", "status": "completed", "call_id": part.id,
                "name": part.name, "arguments": part.arguments}  # fmt: skip
    return {"id": f"msg_{unique}", "type": "message", "role": "assistant", "status": "completed",
            "content": [_output_text(part.text)]}  # fmt: skip


def _output_text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


class _Stream:
    """Numbers the events."""

    def __init__(self) -> None:
        self.events: Events = []

    def tell(self, name: str, /, **fields: Any) -> None:
        value = {"type": f"response.{name}", "sequence_number": len(self.events), **fields}
        self.events.append(f"event: response.{name}\ndata: {json.dumps(value, ensure_ascii=False)}\n\n".encode())


def stream(say: Say, ask: Ask, issued: Issued, unique: str) -> Events:
    told = _Stream()
    items = _items(say, issued, unique)
    final = _response(say, ask, unique, items)
    begun = {**final, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    told.tell("created", response=begun)
    told.tell("in_progress", response=begun)
    tellers = {"reasoning": _tell_reasoning, "function_call": _tell_call, "message": _tell_message}
    for index, item in enumerate(items):
        tellers[item["type"]](told, item, index)
    if say.trouble:
        del told.events[len(told.events) // 2 :]
        if say.trouble == "break":
            reason = {"code": "server_error", "message": "this strict vendor broke off"}
            told.tell("failed", response={**begun, "status": "failed", "error": reason})
        return told.events
    told.tell(final["status"], response=final)
    return told.events


def _tell_reasoning(told: _Stream, item: Item, index: int) -> None:
    place = {"item_id": item["id"], "output_index": index, "summary_index": 0}
    text = item["summary"][0]["text"]
    # what is sealed is only whole in .done
    told.tell("output_item.added", output_index=index, item={**item, "summary": [], "encrypted_content": "AAAA"})
    told.tell("reasoning_summary_part.added", **place, part={"type": "summary_text", "text": ""})
    for piece in pieces(text):
        told.tell("reasoning_summary_text.delta", **place, delta=piece)
    told.tell("reasoning_summary_text.done", **place, text=text)
    told.tell("reasoning_summary_part.done", **place, part=item["summary"][0])
    told.tell("output_item.done", output_index=index, item=item)


def _tell_call(told: _Stream, item: Item, index: int) -> None:
    place = {"item_id": item["id"], "output_index": index}
    told.tell("output_item.added", output_index=index, item={**item, "arguments": "", "status": "in_progress"})
    for piece in pieces(item["arguments"]):
        told.tell("function_call_arguments.delta", **place, delta=piece, obfuscation="x")
    told.tell("function_call_arguments.done", **place, name=item["name"], arguments=item["arguments"])
    told.tell("output_item.done", output_index=index, item=item)


def _tell_message(told: _Stream, item: Item, index: int) -> None:
    place = {"item_id": item["id"], "output_index": index, "content_index": 0}
    part = item["content"][0]
    told.tell("output_item.added", output_index=index, item={**item, "content": [], "status": "in_progress"})
    told.tell("content_part.added", **place, part=_output_text(""))
    for piece in pieces(part["text"]):
        told.tell("output_text.delta", **place, delta=piece, logprobs=[])
    told.tell("output_text.done", **place, text=part["text"], logprobs=[])
    told.tell("content_part.done", **place, part=part)
    told.tell("output_item.done", output_index=index, item=item)


__all__ = ["Fault", "error", "stream", "whole"]
