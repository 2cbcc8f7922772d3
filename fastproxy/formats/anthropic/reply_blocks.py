"""Parts of a reply as the blocks that a client of this format gets; whole replies and streams are made from these.

Another vendor's signature goes out packed in a thinking block (carrier.py). One that belongs to a call or to a text,
as Gemini's do, gets a thinking block of its own: before the call, behind the text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastproxy.formats.anthropic.read_blocks import CALL_MARK, TEXT_MARK
from fastproxy.formats.anthropic.words import NAME
from fastproxy.formats.anthropic.write_blocks import arguments_object
from fastproxy.formats.carrier import pack
from fastproxy.formats.chat import Audio, Image, Opaque, Refusal, Text, Thinking, ToolCall, Video

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fastproxy.formats.chat import Citation, Part
    from fastproxy.formats.events import Choice, ReplyContext

Block = dict[str, Any]


def reply_blocks(choice: Choice, context: ReplyContext) -> list[Block]:
    parts = choice.parts
    if len(parts) == 1 and type(parts[0]) is Text and not parts[0].citations and parts[0].signature is None:
        return [{"type": "text", "text": parts[0].text}] if parts[0].text else []  # as most replies are
    blocks: list[Block] = []
    for place, part in enumerate(choice.parts):
        blocks += _blocks(part, context, place)
    return blocks


def _blocks(part: Part, context: ReplyContext, place: int) -> Iterable[Block]:
    if isinstance(part, Text):
        return _text(part)
    if isinstance(part, Thinking):
        return _thinking(part, show=context.show_thinking)
    if isinstance(part, ToolCall):
        return _call(part, context, place)
    if isinstance(part, Refusal):
        return [{"type": "text", "text": part.text}] if part.text else []
    block = other_block(part)
    return [block] if block is not None else []


def _text(part: Text) -> Iterator[Block]:
    if part.text:
        cited = [citation_block(citation) for citation in part.citations]
        yield {"type": "text", "text": part.text, **({"citations": cited} if cited else {})}
    if part.signature is not None:
        yield signed_thought("", pack("gemini", TEXT_MARK, part.signature))


def _thinking(part: Thinking, *, show: bool) -> Iterator[Block]:
    signature = outward(part.issuer, part.id, part.signature)
    text = part.text if show else ""
    if part.redacted:
        yield {"type": "redacted_thinking", "data": signature}
    elif text or signature:
        yield signed_thought(text, signature)


def _call(part: ToolCall, context: ReplyContext, place: int) -> Iterator[Block]:
    if part.signature is not None:
        yield signed_thought("", pack("gemini", CALL_MARK, part.signature))
    given = {"input": part.arguments} if part.custom else arguments_object(part.arguments)
    yield {"type": "tool_use", "id": part.id or made_id(context, place), "name": part.name, "input": given}


def made_id(context: ReplyContext, block: int) -> str:
    """For a call that the upstream gave no id."""
    return f"call_{context.id}_{block}"


def signed_thought(text: str, signature: str) -> Block:
    return {"type": "thinking", "thinking": text, "signature": signature}


def outward(issuer: str, item_id: str | None, signature: str | None) -> str:
    """A signature as a client of this format keeps it."""
    if issuer == NAME:
        return signature or ""
    if not issuer or (signature is None and item_id is None):
        return ""
    return pack(issuer, item_id, signature or "")


def other_block(part: Part) -> Block | None:
    """A block of its own format as it was; what the model made beyond text as a text that shows it."""
    if isinstance(part, Opaque):
        if part.original is not None and part.original.format == NAME:
            own: Block = part.original.value
            return own
        return {"type": "text", "text": part.summary} if part.summary and part.is_said else None
    if not isinstance(part, Image | Audio | Video):
        return None
    source = part.source
    address = source.url or (f"data:{source.media_type};base64,{source.data}" if source.data is not None else "")
    kind = type(part).__name__.lower()
    mark = "!" if isinstance(part, Image) else ""
    return {"type": "text", "text": f"{mark}[{kind}]({address})"} if address else None


def citation_block(citation: Citation) -> Block:
    """Another vendor's as a web page that was found: Anthropic's own index of it stays empty."""
    if citation.original is not None and citation.original.format == NAME:
        own: Block = citation.original.value
        return own
    return {
        "type": "web_search_result_location",
        "url": citation.url,
        "title": citation.title or None,
        "cited_text": citation.cited_text,
        "encrypted_index": "",
    }
