"""OpenAI's chat completions, and the old completions: JSON and stream. Pure functions of an Answer.

Thinking is `reasoning_content` and images are `images`, as several vendors add them to this format; the rest is
OpenAI's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastproxy.loadtest.mock_answer import Answer, Call, Events, Json, Stream, data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastproxy.loadtest.mock_words import Tally

_DONE = b"data: [DONE]\n\n"


def usage(tally: Tally) -> Json:
    """prompt_tokens includes what was cached, completion_tokens includes reasoning."""
    return {
        "prompt_tokens": tally.prompt,
        "completion_tokens": tally.output,
        "total_tokens": tally.prompt + tally.output,
        "prompt_tokens_details": {
            "cached_tokens": tally.cache_read,
            "audio_tokens": 0,
            "cache_write_tokens": tally.cache_write,
        },
        "completion_tokens_details": {
            "reasoning_tokens": tally.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def chat(answer: Answer) -> Json:
    """`POST /v1/chat/completions`."""
    said = answer.text if answer.words or not answer.calls else None
    message: Json = {"role": "assistant", "content": said, "refusal": None, "annotations": []}
    if answer.thinking:
        message["reasoning_content"] = answer.thought
    if answer.calls:
        message["tool_calls"] = [_call(answer, index, call, call.text) for index, call in enumerate(answer.calls)]
    if answer.images:
        message["images"] = _images(answer)
    return {
        "id": "chatcmpl-" + answer.ident,
        "object": "chat.completion",
        "created": answer.now,
        "model": answer.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish}],
        "usage": usage(answer.tally),
        "service_tier": "default",
        "system_fingerprint": "fp_mock000001",
    }


def _call(answer: Answer, index: int, call: Call, arguments: str) -> Json:
    function = {"name": call.name, "arguments": arguments}
    return {"id": answer.call_id("call_", index), "type": "function", "function": function}


def _images(answer: Answer) -> list[Json]:
    urls = [f"data:image/png;base64,{image}" for image in answer.images]
    return [{"type": "image_url", "index": index, "image_url": {"url": url}} for index, url in enumerate(urls)]


def chat_stream(answer: Answer) -> Stream:
    """Role first, a token each, the finish reason, the usage chunk if asked for, then [DONE]."""
    wants_usage = _wants_usage(answer)
    common: Json = {
        "id": "chatcmpl-" + answer.ident,
        "object": "chat.completion.chunk",
        "created": answer.now,
        "model": answer.model,
        "service_tier": "default",
        "system_fingerprint": "fp_mock000001",
    }

    def chunk(delta: Json, reason: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        value = common | {"choices": [choice]}
        return value | {"usage": None} if wants_usage else value

    events = Events(data)
    events.add(chunk({"role": "assistant", "content": "", "refusal": None}))
    for word in answer.thinking:
        events.token(chunk({"reasoning_content": word}))
    for word in answer.words:
        events.token(chunk({"content": word}))
    for delta, is_token in _call_deltas(answer):
        (events.token if is_token else events.add)(chunk(delta))
    if answer.images:
        events.add(chunk({"images": _images(answer)}))
    events.add(chunk({}, answer.finish))
    if wants_usage:
        events.add(common | {"choices": [], "usage": usage(answer.tally)})
    return events.stream(_DONE)


def _call_deltas(answer: Answer) -> Iterator[tuple[Json, bool]]:
    """A call's name and id come first, then its arguments in fragments; the index says which call."""
    for index, call in enumerate(answer.calls):
        yield {"tool_calls": [{"index": index, **_call(answer, index, call, "")}]}, False
        for fragment in call.fragments:
            yield {"tool_calls": [{"index": index, "function": {"arguments": fragment}}]}, True


def _wants_usage(answer: Answer) -> bool:
    return bool((answer.asked.get("stream_options") or {}).get("include_usage"))


def completion(answer: Answer) -> Json:
    """`POST /v1/completions`, the old one."""
    return {
        "id": "cmpl-" + answer.ident,
        "object": "text_completion",
        "created": answer.now,
        "model": answer.model,
        "choices": [{"text": answer.text, "index": 0, "logprobs": None, "finish_reason": answer.finish}],
        "usage": usage(answer.tally),
    }


def completion_stream(answer: Answer) -> Stream:
    """Whole objects with a word each, then [DONE]."""
    wants_usage = _wants_usage(answer)
    common = completion(answer)
    final = common.pop("usage")

    def chunk(choices: list[Any], told: Json | None = None) -> Json:
        return common | {"choices": choices} | ({"usage": told} if wants_usage else {})

    def choice(word: str, reason: str | None) -> list[Any]:
        return [{"text": word, "index": 0, "logprobs": None, "finish_reason": reason}]

    events = Events(data)
    for word in answer.words:
        events.token(chunk(choice(word, None)))
    events.add(chunk(choice("", answer.finish)))
    if wants_usage:
        events.add(chunk([], final))
    return events.stream(_DONE)
