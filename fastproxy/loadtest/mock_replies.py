"""JSON replies of the four formats: pure functions from (what was asked, what to say) to a body. No I/O, no clock.

Every function takes an Answer; the ids and times in it are arguments, so the same Answer gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from fastproxy.loadtest.mock_words import Tally

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reply is made of: the model's name, its words (one per token), the counts, an id and a time."""

    model: str
    words: tuple[str, ...]
    tally: Tally
    ident: str
    now: int
    asked: Json

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.words)


def encode(value: object) -> bytes:
    """Compact JSON; U+2028 is escaped, because Google's SDK splits stream lines on it."""
    return msgspec.json.encode(value).replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")


def chat_usage(tally: Tally) -> Json:
    """OpenAI's chat usage: prompt_tokens includes what was cached, completion_tokens includes reasoning."""
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
    message: Json = {"role": "assistant", "content": answer.text, "refusal": None, "annotations": []}
    return {
        "id": "chatcmpl-" + answer.ident,
        "object": "chat.completion",
        "created": answer.now,
        "model": answer.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": chat_usage(answer.tally),
        "service_tier": "default",
        "system_fingerprint": "fp_mock000001",
    }


def completion(answer: Answer) -> Json:
    """`POST /v1/completions`, the old one."""
    return {
        "id": "cmpl-" + answer.ident,
        "object": "text_completion",
        "created": answer.now,
        "model": answer.model,
        "choices": [{"text": answer.text, "index": 0, "logprobs": None, "finish_reason": "stop"}],
        "usage": chat_usage(answer.tally),
    }


def responses_usage(tally: Tally) -> Json:
    """OpenAI's Responses usage; the SDK requires `cache_write_tokens`."""
    return {
        "input_tokens": tally.prompt,
        "input_tokens_details": {"cached_tokens": tally.cache_read, "cache_write_tokens": tally.cache_write},
        "output_tokens": tally.output,
        "output_tokens_details": {"reasoning_tokens": tally.reasoning},
        "total_tokens": tally.prompt + tally.output,
    }


def output_message(answer: Answer, text: str, status: str) -> Json:
    """The one output item of a Responses reply; without content as long as it is in progress."""
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    content = [part] if status == "completed" else []
    return {"id": "msg_" + answer.ident, "type": "message", "status": status, "role": "assistant", "content": content}


def response(answer: Answer, status: str = "completed") -> Json:
    """`POST /v1/responses`, and the object inside its first and last stream events."""
    done = status == "completed"
    asked = answer.asked
    return {
        "id": "resp_" + answer.ident,
        "object": "response",
        "created_at": answer.now,
        "status": status,
        "background": False,
        "completed_at": answer.now if done else None,
        "error": None,
        "incomplete_details": None,
        "instructions": asked.get("instructions"),
        "max_output_tokens": asked.get("max_output_tokens"),
        "model": answer.model,
        "output": [output_message(answer, answer.text, "completed")] if done else [],
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
        "usage": responses_usage(answer.tally) if done else None,
        "user": None,
        "metadata": asked.get("metadata") or {},
    }


def anthropic_usage(tally: Tally, output: int) -> Json:
    """Anthropic's usage: input_tokens is only what was neither read from nor written to the cache."""
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
    usage = anthropic_usage(answer.tally, answer.tally.output)
    usage["output_tokens_details"] = {"thinking_tokens": answer.tally.reasoning}
    return {
        "id": "msg_" + answer.ident,
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": [{"type": "text", "text": answer.text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }


def gemini_usage(tally: Tally, sent: int | None = None) -> Json:
    """Google's usageMetadata: promptTokenCount includes cached content, candidatesTokenCount excludes thoughts."""
    visible = tally.output - tally.reasoning if sent is None else sent
    return {
        "promptTokenCount": tally.prompt,
        "candidatesTokenCount": visible,
        "totalTokenCount": tally.prompt + visible + tally.reasoning,
        "cachedContentTokenCount": tally.cache_read,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tally.prompt}],
        "thoughtsTokenCount": tally.reasoning,
    }


def content(answer: Answer, text: str, *, last: bool, usage: Json) -> Json:
    """A generateContent reply, or one piece of a streamed one."""
    candidate: Json = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    if last:
        candidate["finishReason"] = "STOP"
    return {
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": answer.model,
        "responseId": answer.ident,
    }


def gemini(answer: Answer) -> Json:
    """`POST …/models/{model}:generateContent`."""
    return content(answer, answer.text, last=True, usage=gemini_usage(answer.tally))
