"""OpenAI's Responses: JSON and stream, with reasoning, function calls and images. Pure functions of an Answer.

The output items of a reply, in order: reasoning, message, function calls, images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastproxy.loadtest.mock_answer import Answer, Call, Events, Json, Stream, numbered

if TYPE_CHECKING:
    from fastproxy.loadtest.mock_words import Tally

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def usage(tally: Tally) -> Json:
    """The SDK requires `cache_write_tokens`."""
    return {
        "input_tokens": tally.prompt,
        "input_tokens_details": {"cached_tokens": tally.cache_read, "cache_write_tokens": tally.cache_write},
        "output_tokens": tally.output,
        "output_tokens_details": {"reasoning_tokens": tally.reasoning},
        "total_tokens": tally.prompt + tally.output,
    }


def response(answer: Answer, status: str = "") -> Json:
    """`POST /v1/responses`, and the object inside its first and last stream events."""
    asked = answer.asked
    why = _INCOMPLETE.get(answer.finish)
    status = status or ("incomplete" if why else "completed")
    done = status in ("completed", "incomplete")
    return {
        "id": "resp_" + answer.ident,
        "object": "response",
        "created_at": answer.now,
        "status": status,
        "background": False,
        "completed_at": answer.now if status == "completed" else None,
        "error": None,
        "incomplete_details": {"reason": why} if status == "incomplete" else None,
        "instructions": asked.get("instructions"),
        "max_output_tokens": asked.get("max_output_tokens"),
        "model": answer.model,
        "output": _items(answer) if done else [],
        "parallel_tool_calls": asked.get("parallel_tool_calls", True),
        "previous_response_id": asked.get("previous_response_id"),
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": asked.get("store", True),
        "temperature": asked.get("temperature", 1.0),
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": asked.get("tool_choice", "auto"),
        "tools": asked.get("tools", []),
        "top_p": asked.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": usage(answer.tally) if done else None,
        "user": None,
        "metadata": asked.get("metadata") or {},
    }


def _items(answer: Answer) -> list[Json]:
    items = [_reasoning(answer, answer.thought)] if answer.thinking else []
    if answer.words or not (answer.calls or answer.images):
        items.append(_message(answer, answer.text, "completed"))
    items += [_function(answer, index, call, call.text) for index, call in enumerate(answer.calls)]
    return items + [_image(answer, index, image) for index, image in enumerate(answer.images)]


def _reasoning(answer: Answer, text: str) -> Json:
    summary = [{"type": "summary_text", "text": text}] if text else []
    return {"id": "rs_" + answer.ident, "type": "reasoning", "summary": summary}


def _message(answer: Answer, text: str, status: str) -> Json:
    """Without content as long as it is in progress."""
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    content = [part] if status == "completed" else []
    return {"id": "msg_" + answer.ident, "type": "message", "status": status, "role": "assistant", "content": content}


def _function(answer: Answer, index: int, call: Call, arguments: str) -> Json:
    ids = {"id": answer.call_id("fc_", index), "call_id": answer.call_id("call_", index)}
    status = "completed" if arguments else "in_progress"
    return {**ids, "type": "function_call", "name": call.name, "arguments": arguments, "status": status}


def _image(answer: Answer, index: int, result: str | None) -> Json:
    status = "completed" if result else "in_progress"
    return {"id": answer.call_id("ig_", index), "type": "image_generation_call", "status": status, "result": result}


def response_stream(answer: Answer) -> Stream:
    """Events from response.created to response.completed, numbered; there is no [DONE]."""
    events = Events(numbered())
    started = response(answer, "in_progress")
    events.add({"type": "response.created", "response": started}, {"type": "response.in_progress", "response": started})
    for index, item in enumerate(_items(answer)):
        _WRITERS[item["type"]](events, answer, index, item)
        events.add({"type": "response.output_item.done", "output_index": index, "item": item})
    final = response(answer)
    events.add({"type": f"response.{final['status']}", "response": final})
    return events.stream()


def _added(events: Events, index: int, item: Json) -> None:
    events.add({"type": "response.output_item.added", "output_index": index, "item": item})


def _write_message(events: Events, answer: Answer, index: int, item: Json) -> None:
    where = {"item_id": item["id"], "output_index": index, "content_index": 0}
    empty: dict[str, Any] = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    _added(events, index, _message(answer, "", "in_progress"))
    events.add({"type": "response.content_part.added", **where, "part": empty})
    for word in answer.words:
        events.token({"type": "response.output_text.delta", **where, "delta": word, "logprobs": []})
    events.add(
        {"type": "response.output_text.done", **where, "text": answer.text, "logprobs": []},
        {"type": "response.content_part.done", **where, "part": empty | {"text": answer.text}},
    )


def _write_reasoning(events: Events, answer: Answer, index: int, item: Json) -> None:
    where = {"item_id": item["id"], "output_index": index, "summary_index": 0}
    start = "response.reasoning_summary_"
    _added(events, index, _reasoning(answer, ""))
    events.add({"type": start + "part.added", **where, "part": {"type": "summary_text", "text": ""}})
    for word in answer.thinking:
        events.token({"type": start + "text.delta", **where, "delta": word})
    text = answer.thought
    events.add({"type": start + "text.done", **where, "text": text})
    events.add({"type": start + "part.done", **where, "part": {"type": "summary_text", "text": text}})


def _write_function(events: Events, answer: Answer, index: int, item: Json) -> None:
    where = {"item_id": item["id"], "output_index": index}
    _added(events, index, item | {"arguments": "", "status": "in_progress"})
    number = next(n for n in range(len(answer.calls)) if answer.call_id("fc_", n) == item["id"])
    for fragment in answer.calls[number].fragments:
        events.token({"type": "response.function_call_arguments.delta", **where, "delta": fragment})
    done = {"name": item["name"], "arguments": item["arguments"]}
    events.add({"type": "response.function_call_arguments.done", **where, **done})


def _write_image(events: Events, answer: Answer, index: int, item: Json) -> None:
    where = {"item_id": item["id"], "output_index": index}
    start = "response.image_generation_call."
    _added(events, index, item | {"result": None, "status": "in_progress"})
    events.add({"type": start + "in_progress", **where}, {"type": start + "generating", **where})
    partial = {"partial_image_index": 0, "partial_image_b64": item["result"]}
    events.add({"type": start + "partial_image", **where, **partial}, {"type": start + "completed", **where})


_WRITERS = {
    "message": _write_message,
    "reasoning": _write_reasoning,
    "function_call": _write_function,
    "image_generation_call": _write_image,
}
