"""Whole replies, both ways.

    {"id", "created", "model", "choices": [{"index", "message", "logprobs", "finish_reason"}], "usage"}

Reading goes through the stream's reader: a message is one large delta. A text alone, as most are, is read directly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastproxy.errors import FormatError
from fastproxy.formats.chat import Audio, Image, Opaque, Refusal, Text, Thinking, ToolCall
from fastproxy.formats.custom_tools import unwrap_input
from fastproxy.formats.events import DONE, End, TextDelta, UsageReport
from fastproxy.formats.openai_chat.failures import error_of, read_failure
from fastproxy.formats.openai_chat.sources import to_uri
from fastproxy.formats.openai_chat.stream_reader import StreamReader, begin_of, read_usage
from fastproxy.formats.openai_chat.thoughts import write_details
from fastproxy.formats.openai_chat.words import FINISH_OF, NAME, REFUSING, SERVICE_TIERS, reason_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastproxy.formats.chat import Citation, Part
    from fastproxy.formats.events import Choice, Event, Reply, ReplyContext
    from fastproxy.formats.usage_fields import Usage

Json = dict[str, Any]


def read_reply(body: Json, *, think_tags: bool = False) -> list[Event]:
    """Its events: Begin … End per choice, UsageReport, DONE; or Failure alone. Raises: FormatError when it is none."""
    error = error_of(body)
    if error:
        return [read_failure(error)]
    given = body.get("choices")
    if type(given) is list and len(given) == 1 and type(given[0]) is dict and not think_tags:
        said = _plain(given[0])
        if said is not None:
            usage = read_usage(body.get("usage"))
            return (
                [begin_of(body), *said, UsageReport(usage), DONE]
                if usage is not None
                else [begin_of(body), *said, DONE]
            )
    if not given or not isinstance(given, list) or not all(isinstance(choice, dict) for choice in given):
        raise FormatError("field 'choices' of the upstream's reply is no list of choices")
    reader = StreamReader(think_tags=think_tags)
    out: list[Event] = []
    reader.take({**body, "choices": [_as_delta(choice, place) for place, choice in enumerate(given)]}, out)
    reader.finish(out, is_over=True)
    return out


def _plain(choice: Json) -> tuple[TextDelta, End] | None:
    """A choice that is a text and nothing else: 1 us instead of 4. None for any other."""
    message, finish = choice.get("message"), choice.get("finish_reason")
    if type(message) is not dict or finish not in _PLAIN_ENDS or choice.get("logprobs"):
        return None
    text = message.get("content")
    if type(text) is not str or not text:
        return None
    for name, value in message.items():
        if value and name not in _IN_PLAIN:
            return None
    index = choice.get("index")
    index = index if type(index) is int else 0
    return TextDelta(0, text, choice=index), End(reason_of(finish), choice=index)


_IN_PLAIN: Final = frozenset(("role", "content"))
_PLAIN_ENDS: Final = ("stop", "length", "content_filter")


def _as_delta(choice: Json, place: int) -> Json:
    message = choice.get("message")
    if not isinstance(message, dict):
        return choice if isinstance(choice.get("index"), int) else {**choice, "index": place}
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        numbered = [{**call, "index": number} for number, call in enumerate(calls) if isinstance(call, dict)]
        message = {**message, "tool_calls": numbered}
    index = choice.get("index")
    return {**choice, "index": index if isinstance(index, int) else place, "delta": message}


def write_reply(reply: Reply, context: ReplyContext) -> Json:
    body: Json = {
        "id": f"chatcmpl-{context.id}",
        "object": "chat.completion",
        "created": context.created,
        "model": context.model,
        "choices": [_choice(choice, index, context) for index, choice in enumerate(reply.choices)],
    }
    if reply.usage is not None:
        body["usage"] = write_usage(reply.usage)
    tier = SERVICE_TIERS.get(reply.service_tier or "")
    if tier is not None:
        body["service_tier"] = tier
    return body


def _choice(choice: Choice, index: int, context: ReplyContext) -> Json:
    message = _bare_message(choice) or _message(choice, context)
    return {
        "index": index,
        "message": message,
        "logprobs": {"content": list(choice.logprobs), "refusal": None} if choice.logprobs else None,
        "finish_reason": "function_call" if "function_call" in message else _finish(choice),
    }


def _finish(choice: Choice) -> str:
    """A refusal in the model's own words is a reply that came to its end, as with OpenAI itself."""
    if choice.reason == "refusal" and any(isinstance(part, Refusal) for part in choice.parts):
        return "stop"
    return FINISH_OF[choice.reason]


def _bare_message(choice: Choice) -> Json | None:
    """For a text and nothing else: 0.3 us instead of 2. None for any other choice."""
    part = choice.parts[0] if len(choice.parts) == 1 else None
    if not isinstance(part, Text) or not part.text or part.signature is not None or part.citations:
        return None
    return {"role": "assistant", "content": part.text, "refusal": None}


def _message(choice: Choice, context: ReplyContext) -> Json:
    parts = choice.parts
    text = "".join(part.text for part in parts if isinstance(part, Text))
    refusal = "".join(part.text for part in parts if isinstance(part, Refusal))
    calls = [part for part in parts if isinstance(part, ToolCall)]
    if choice.reason in REFUSING and not refusal and not text:
        refusal = choice.explanation or ""
    message: Json = {
        "role": "assistant",
        "content": text if text or not (calls or refusal) else None,
        "refusal": refusal or None,
    }
    if context.show_thinking:
        message |= _thoughts(parts)
    if annotations := _annotations(parts):
        message["annotations"] = annotations
    message |= _media(parts, context)
    signatures = [part.signature for part in parts if isinstance(part, Text) and part.signature is not None]
    if signatures:
        message["extra_content"] = signature_content(signatures[-1])
    if calls and context.functions:
        message["function_call"] = {"name": calls[0].name, "arguments": calls[0].arguments or "{}"}
    elif calls:
        message["tool_calls"] = [write_reply_call(call, number, context) for number, call in enumerate(calls)]
    return message


def _thoughts(parts: Sequence[Part]) -> Json:
    thoughts = [part for part in parts if isinstance(part, Thinking)]
    found: Json = {}
    if text := "".join(thought.text for thought in thoughts):
        found["reasoning_content"] = text
    if details := write_details(thoughts):
        found["reasoning_details"] = details
    return found


def _annotations(parts: Sequence[Part]) -> list[Json]:
    """Offsets count from the beginning of the whole content here."""
    found, start = [], 0
    for part in parts:
        if isinstance(part, Text):
            end = start + len(part.text)
            found += [write_citation(citation, start, end) for citation in part.citations if citation.url]
            start = end
    return found


def write_citation(citation: Citation, start: int, end: int) -> Json:
    """For a text that stands from `start` to `end` in the content."""
    said = {
        "url": citation.url,
        "title": citation.title,
        "start_index": start + (citation.start or 0),
        "end_index": end if citation.end is None else start + citation.end,
    }
    return {"type": "url_citation", "url_citation": said}


def _media(parts: Sequence[Part], context: ReplyContext) -> Json:
    """Images as OpenRouter writes them, sound as OpenAI."""
    found: Json = {}
    images = [image for part in parts if isinstance(part, Image) and (image := write_image(part)) is not None]
    if images:
        found["images"] = [{**image, "index": index} for index, image in enumerate(images)]
    for part in parts:
        audio = write_audio(part, context)
        if audio is not None:
            found["audio"] = audio
    return found


def write_image(part: Image) -> Json | None:
    url = to_uri(part.source, "image/png")
    return None if url is None else {"type": "image_url", "image_url": {"url": url}}


def write_audio(part: Part, context: ReplyContext) -> Json | None:
    """The sound of a reply; ours come back as they were."""
    if isinstance(part, Opaque) and part.kind == "audio" and part.original is not None and part.original.format == NAME:
        value: Json = part.original.value
        return value
    if isinstance(part, Audio) and part.source.data is not None:
        audio_id = f"audio_{context.id}"
        return {"id": audio_id, "data": part.source.data, "expires_at": context.created, "transcript": ""}
    return None


def write_reply_call(call: ToolCall, number: int, context: ReplyContext) -> Json:
    call_id = call.id or f"call_{context.id}_{number}"
    if call.custom or call.name in context.custom_tools:
        text = call.arguments if call.custom else unwrap_input(call.arguments)
        return {"id": call_id, "type": "custom", "custom": {"name": call.name, "input": text}}
    made: Json = {
        "id": call_id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments or "{}"},
    }
    if call.signature is not None:
        made["extra_content"] = signature_content(call.signature)
    return made


def signature_content(signature: str) -> Json:
    """Gemini's thought signature where Google's OpenAI-shaped entry puts it; clients send it back there."""
    return {"google": {"thought_signature": signature}}


def write_usage(usage: Usage) -> Json:
    """Here the prompt includes what was read from and written to the cache."""
    prompt = usage.input + usage.cache_read + usage.cache_write
    return {
        "prompt_tokens": prompt,
        "completion_tokens": usage.output,
        "total_tokens": prompt + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
