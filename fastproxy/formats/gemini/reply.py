"""Whole replies of generateContent: body → events, Reply → body. Usage is told in Google's overlapping counts."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from fastproxy.formats.carrier import pack
from fastproxy.formats.chat import (
    Audio,
    Document,
    Image,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    Video,
)
from fastproxy.formats.events import End, Event, Failure
from fastproxy.formats.gemini.candidate import UNREADABLE
from fastproxy.formats.gemini.citations import write_grounding
from fastproxy.formats.gemini.results import arguments_of
from fastproxy.formats.gemini.stream_reader import StreamReader
from fastproxy.formats.gemini.words import FINISHES, NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastproxy.formats.events import Choice, Reply, ReplyContext
    from fastproxy.formats.usage_fields import Usage


def read_reply(body: dict[str, Any]) -> list[Event]:
    """A whole body is finished even where it does not say so."""
    reader = StreamReader(is_whole=True)
    try:
        events = reader.take(body)
    except UNREADABLE:
        return [Failure(502, "upstream_failed", "the upstream sent a reply that cannot be read")]
    if events and isinstance(events[-1], Failure):
        return [events[-1]]
    return events + reader.finish(End("other"))


def write_reply(reply: Reply, context: ReplyContext) -> dict[str, Any]:
    candidates = [_candidate(index, choice, context) for index, choice in enumerate(reply.choices)]
    made: dict[str, Any] = {"candidates": candidates}
    if reply.usage is not None:
        made["usageMetadata"] = write_usage(reply.usage)
    return made | {"modelVersion": context.model, "responseId": context.id}


def _candidate(index: int, choice: Choice, context: ReplyContext) -> dict[str, Any]:
    parts = [each for number, part in enumerate(choice.parts) for each in write_part(part, number, context)]
    made: dict[str, Any] = {"content": {"parts": parts, "role": "model"}} if parts else {"content": {"role": "model"}}
    made |= finish(choice.reason, choice.explanation) | {"index": index}
    cited = [(part.text, citation) for part in choice.parts if isinstance(part, Text) for citation in part.citations]
    if cited:
        made["groundingMetadata"] = write_grounding(cited)
    if choice.logprobs:
        made["logprobsResult"] = write_logprobs(choice.logprobs)
    return made


def finish(reason: Any, explanation: str | None) -> dict[str, Any]:
    said = {"finishReason": FINISHES.get(reason, "OTHER")}
    return said | {"finishMessage": explanation} if explanation else said


def write_part(part: Part, number: int, context: ReplyContext) -> list[dict[str, Any]]:
    """A part of a reply for a Gemini client; `number` is its block's, for calls without an id."""
    if isinstance(part, Text):
        signed = {"thoughtSignature": part.signature} if part.signature is not None else {}
        return [{"text": part.text} | signed] if part.text or signed else []
    if isinstance(part, Thinking):
        return _thinking(part, shown=context.show_thinking)
    if isinstance(part, ToolCall):
        return [write_function_call(part, number, context)]
    if isinstance(part, Refusal):
        return [{"text": part.text}] if part.text else []
    return write_whole(part)


def _thinking(part: Thinking, *, shown: bool) -> list[dict[str, Any]]:
    text = part.text if shown else ""
    if part.signature is None:
        return [{"text": text, "thought": True}] if text else []
    signature = write_signature(part.issuer, part.id, part.signature)
    said: dict[str, Any] = {} if part.redacted else {"text": text}
    return [said | {"thought": True, "thoughtSignature": signature}]


def write_signature(issuer: str, thinking_id: str | None, signature: str) -> str:
    """Gemini's own as it is; a foreign one packed, in base64, because the SDK decodes it."""
    if issuer in (NAME, ""):
        return signature
    return base64.b64encode(pack(issuer, thinking_id, signature).encode()).decode()


def write_function_call(call: ToolCall, number: int, context: ReplyContext) -> dict[str, Any]:
    arguments, _ = arguments_of(call)
    said = {"id": call.id or f"call_{context.id}_{number}", "name": call.name, "args": arguments}
    signed = {"thoughtSignature": call.signature} if call.signature is not None else {}
    return {"functionCall": said} | signed


def write_whole(part: Part) -> list[dict[str, Any]]:
    """Media and Gemini's own kinds; what only another vendor has is left out."""
    if part.original is not None and part.original.format == NAME:
        return [part.original.value]
    if isinstance(part, Opaque) and part.is_said and part.summary:
        return [{"text": part.summary}]
    if not isinstance(part, Image | Audio | Video | Document):
        return []
    source = part.source
    if source.data is not None:
        return [{"inlineData": {"mimeType": source.media_type, "data": source.data}}]
    if source.url is not None:
        return [{"fileData": {"mimeType": source.media_type, "fileUri": source.url}}]
    return []


def write_usage(usage: Usage) -> dict[str, int]:
    prompt = usage.input + usage.cache_read + usage.cache_write
    made = {"promptTokenCount": prompt, "candidatesTokenCount": max(0, usage.output - usage.reasoning)}
    if usage.cache_read:
        made["cachedContentTokenCount"] = usage.cache_read
    if usage.reasoning:
        made["thoughtsTokenCount"] = usage.reasoning
    return made | {"totalTokenCount": prompt + usage.output}


def write_logprobs(content: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """OpenAI's list as logprobsResult."""
    tops = [{"candidates": [_logprob(each) for each in token.get("top_logprobs") or ()]} for token in content]
    made: dict[str, Any] = {"chosenCandidates": [_logprob(token) for token in content]}
    return made | {"topCandidates": tops} if any(each["candidates"] for each in tops) else made


def _logprob(token: dict[str, Any]) -> dict[str, Any]:
    return {"token": token.get("token", ""), "logProbability": token.get("logprob", 0.0)}
