"""Thoughts in messages: how vendors and we ourselves write them beside the content.

    reasoning_details    [{"type": "reasoning.text", text, signature, format, id, index},
                          {"type": "reasoning.encrypted", data, format, id, index}, …]     OpenRouter, and ours
    thinking_blocks      [{"type": "thinking", thinking, signature}, {"type": "redacted_thinking", data}]     LiteLLM
    reasoning_content    a string (DeepSeek, vLLM, and ours);  reasoning    the same (OpenRouter, newer vLLM)

The first of these that says something counts, for the others repeat it. `format` in a detail is the issuer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from fastproxy.formats.chat import Original, Thinking
from fastproxy.formats.openai_chat.words import ISSUER_OF, NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Json = dict[str, Any]


def read_thoughts(message: Mapping[str, Any]) -> tuple[Thinking, ...]:
    """The thoughts that an assistant's message carries, verbatim and in order."""
    for field in ("reasoning_details", "thinking_blocks"):
        given = message.get(field)
        if isinstance(given, list):
            found = joined(thought for item in given if isinstance(item, dict) and (thought := read_thought(item)))
            if found:
                return found
    for field in ("reasoning_content", "reasoning"):
        given = message.get(field)
        if isinstance(given, str) and given:
            return (Thinking(given, original=Original(NAME, given)),)
    return ()


def read_thought(item: Json) -> Thinking | None:
    """One element of reasoning_details or thinking_blocks."""
    kind = item.get("type")
    if kind in ("thinking", "redacted_thinking"):
        return _block(item, redacted=kind == "redacted_thinking")
    said = item.get("format")
    issuer = ISSUER_OF.get(said, said) if isinstance(said, str) else ""
    text = _string(item, "summary") if kind == "reasoning.summary" else _string(item, "text")
    redacted = kind == "reasoning.encrypted"
    signature = _string(item, "data") if redacted else _string(item, "signature")
    if not text and not signature:
        return None
    item_id = _string(item, "id") or None
    return Thinking(text, signature or None, issuer, redacted, item_id, original=Original(NAME, item))


def _block(item: Json, *, redacted: bool) -> Thinking | None:
    text = "" if redacted else _string(item, "thinking")
    signature = _string(item, "data") if redacted else _string(item, "signature")
    if not text and not signature:
        return None
    return Thinking(text, signature or None, "anthropic", redacted, original=Original(NAME, item))


def _string(item: Json, name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) else ""


def joined(thoughts: Iterable[Thinking]) -> tuple[Thinking, ...]:
    """Pieces of one thought as one: text goes on until a signature ends it, an encrypted twin becomes the signature.

    A client that collects the deltas of a stream in a list sends them back so.
    """
    made: list[Thinking] = []
    for thought in thoughts:
        last = made[-1] if made else None
        if last is None or last.signature is not None or not _continues(last, thought):
            made.append(thought)
        elif thought.redacted:
            made[-1] = replace(last, signature=thought.signature, issuer=thought.issuer or last.issuer)
        else:
            made[-1] = _merged(last, thought)
    return tuple(made)


def _continues(last: Thinking, thought: Thinking) -> bool:
    if thought.redacted:
        return thought.id is not None and thought.id == last.id
    return thought.id == last.id and _index(thought) == _index(last)


def _index(thought: Thinking) -> Any:
    return thought.original.value.get("index") if thought.original is not None else None


def _merged(last: Thinking, thought: Thinking) -> Thinking:
    issuer = thought.issuer or last.issuer
    return replace(last, text=last.text + thought.text, signature=thought.signature, issuer=issuer)


def write_detail(thought: Thinking, index: int) -> Json:
    """An element of reasoning_details."""
    body: Json = (
        {"type": "reasoning.encrypted", "data": thought.signature}
        if thought.redacted
        else {"type": "reasoning.text", "text": thought.text, "signature": thought.signature}
    )
    return body | {"format": thought.issuer, "id": thought.id, "index": index}


def write_details(thoughts: Iterable[Thinking]) -> list[Json]:
    """Those that carry something that a plain text cannot."""
    signed = (thought for thought in thoughts if thought.signature is not None)
    return [write_detail(thought, index) for index, thought in enumerate(signed)]
