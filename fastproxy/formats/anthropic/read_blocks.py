"""Content blocks into parts: text, image, document, tool_use, tool_result, thinking; all else is opaque.

A foreign signature that we handed to the client comes back inside a thinking block and is unpacked here. Where it is
Gemini's and belongs to a call or a text (`CALL_MARK`, `TEXT_MARK` in the carrier's id), it goes back to that part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from fastproxy.formats import checked, exact
from fastproxy.formats.anthropic.words import NAME, OWN_BLOCKS
from fastproxy.formats.carrier import unpack
from fastproxy.formats.chat import (
    Citation,
    Document,
    Image,
    Opaque,
    Original,
    Part,
    Source,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)

if TYPE_CHECKING:
    from collections.abc import Callable

CALL_MARK: Final = "~call"  # this signature is that of the call behind it
TEXT_MARK: Final = "~text"  # this signature is that of the text before it
Block = dict[str, Any]


def read_content(value: Any, path: str) -> tuple[Part, ...]:
    """The parts of a message's content, a string or an array of blocks."""
    if isinstance(value, str):
        return (Text(value, original=Original(NAME, value)),)
    if not isinstance(value, list):
        checked.wrong(path, value, "a string or an array")
    return with_signatures([read_block(block, f"{path}[{place}]") for place, block in enumerate(value)])


def read_block(value: Any, path: str) -> Part:
    block = checked.as_mapping(value, path)
    kind = checked.needed(checked.text(block, "type", path + "."), "type", "a string", path + ".")
    return _READERS.get(kind, _opaque)(block, path + ".")


def with_signatures(parts: list[Part]) -> tuple[Part, ...]:
    """Marked signatures given back to the parts they belong to."""
    made: list[Part] = []
    waiting: str | None = None
    for part in parts:
        mark = part.id if isinstance(part, Thinking) else None
        if isinstance(part, Thinking) and mark == CALL_MARK:
            waiting = part.signature
        elif isinstance(part, Thinking) and mark == TEXT_MARK:
            _sign_text(made, part)
        elif waiting is not None and isinstance(part, ToolCall):
            made.append(replace(part, signature=waiting))
            waiting = None
        else:
            made.append(part)
    return tuple(made)


def _sign_text(made: list[Part], signed: Thinking) -> None:
    if made and isinstance(made[-1], Text) and made[-1].signature is None:
        made[-1] = replace(made[-1], signature=signed.signature)
    else:
        made.append(Text("", signed.signature, original=signed.original))


def _text(block: Block, path: str) -> Part:
    text = checked.needed(checked.text(block, "text", path), "text", "a string", path)
    cited = checked.array(block, "citations", path) or ()
    citations = tuple(read_citation(value) for value in cited if isinstance(value, dict))
    return Text(text, None, citations, cache=_cache(block, path), original=Original(NAME, block))


def read_citation(value: Block) -> Citation:
    """Offsets of Anthropic count in the cited document, not in the reply, so they are not told."""
    title = value.get("title") or value.get("document_title")
    url = value.get("url") or value.get("source")
    said = [text if isinstance(text, str) else "" for text in (url, title, value.get("cited_text"))]
    return Citation(said[0], said[1], None, None, said[2], original=Original(NAME, value))


def _image(block: Block, path: str) -> Part:
    source = _source(_holder(block, path), path + "source.")
    return Image(source, cache=_cache(block, path), original=Original(NAME, block))


def _document(block: Block, path: str) -> Part:
    holder = _holder(block, path)
    return Document(
        _source(holder, path + "source."),
        _document_text(holder, path + "source."),
        checked.text(block, "title", path),
        checked.text(block, "context", path),
        cache=_cache(block, path),
        original=Original(NAME, block),
    )


def _document_text(source: Block, path: str) -> str | None:
    """The text of a source that is text; images among its blocks have no text."""
    if source.get("type") == "text":
        return checked.needed(checked.text(source, "data", path), "data", "a string", path)  # type: ignore[no-any-return]
    if source.get("type") != "content":
        return None
    parts = read_content(source.get("content"), path + "content")
    return "\n".join(part.text for part in parts if isinstance(part, Text))


def _holder(block: Block, path: str) -> Block:
    source: Block = checked.needed(checked.mapping(block, "source", path), "source", "an object", path)
    return source


def _source(source: Block, path: str) -> Source:
    kind = checked.text(source, "type", path)
    media_type = checked.text(source, "media_type", path) or ""
    if kind == "base64":
        data = checked.needed(checked.text(source, "data", path), "data", "a string", path)
        return Source(media_type, data="".join(data.split()))
    if kind == "url":
        return Source(media_type, url=checked.needed(checked.text(source, "url", path), "url", "a string", path))
    if kind == "file":
        file_id = checked.needed(checked.text(source, "file_id", path), "file_id", "a string", path)
        return Source(media_type, file_id=file_id)
    if kind in ("text", "content"):
        return Source("text/plain")
    checked.wrong(path + "type", kind, "one of base64, url, file, text, content")


def _tool_use(block: Block, path: str) -> Part:
    call_id = checked.needed(checked.text(block, "id", path), "id", "a string", path)
    name = checked.needed(checked.text(block, "name", path), "name", "a string", path)
    arguments = exact.dumps(checked.mapping(block, "input", path) or {}).decode()
    return ToolCall(call_id, name, arguments, cache=_cache(block, path), original=Original(NAME, block))


def _tool_result(block: Block, path: str) -> Part:
    call_id = checked.needed(checked.text(block, "tool_use_id", path), "tool_use_id", "a string", path)
    content = block.get("content")
    parts = () if content is None else read_content(content, path + "content")
    is_error = checked.boolean(block, "is_error", path) or False
    return ToolResult(call_id, parts, is_error, cache=_cache(block, path), original=Original(NAME, block))


def _thinking(block: Block, path: str) -> Part:
    text = checked.text(block, "thinking", path) or ""
    return read_thinking(text, checked.text(block, "signature", path), block)


def read_thinking(text: str, signature: str | None, block: Block | None = None) -> Thinking:
    """A thought and whose signature it bears; without one it is nobody's."""
    original = Original(NAME, block) if block is not None else None
    if not signature:
        return Thinking(text, original=original)
    issuer, item_id, bare = unpack(signature, NAME)
    return Thinking(text, bare or None, issuer, id=item_id, original=original)


def _redacted(block: Block, path: str) -> Part:
    data = checked.needed(checked.text(block, "data", path), "data", "a string", path)
    issuer, item_id, bare = unpack(data, NAME)
    return Thinking("", bare, issuer, redacted=True, id=item_id, original=Original(NAME, block))


def _opaque(block: Block, path: str) -> Part:
    return replace(opaque(block), cache=_cache(block, path))


def opaque(block: Block) -> Opaque:
    """A block that only this format has, or that nobody knows. Only a search result has a text to stand for it."""
    kind = str(block.get("type"))
    summary = _found_text(block) if kind == "search_result" else ""
    return Opaque(kind, summary, kind in OWN_BLOCKS, original=Original(NAME, block))


def _found_text(block: Block) -> str:
    content = block.get("content")
    texts = [part.get("text") for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    lines = [block.get("title"), block.get("source"), *texts]
    return "\n".join(line for line in lines if isinstance(line, str) and line)


def _cache(block: Block, path: str) -> str | None:
    control = checked.mapping(block, "cache_control", path)
    return None if control is None else checked.text(control, "ttl", path + "cache_control.") or ""


_READERS: Final[dict[str, Callable[[Block, str], Part]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
}
