"""Where a reply's text comes from: groundingMetadata and citationMetadata, both ways.

Google counts bytes of UTF-8, the vocabulary counts characters. Where Google quotes the segment, the quotation decides,
because the numbers of a stream count from the beginning of the whole reply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastproxy.formats.chat import Citation
from fastproxy.formats.events import Cited

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def read_citations(choice: int, candidate: dict[str, Any], texts: Mapping[int, str]) -> list[Cited]:
    """`candidate` holds what its metadata said; `texts` are the choice's text blocks by their numbers."""
    if not texts:
        return []
    made: list[Cited] = []
    grounding = candidate.get("groundingMetadata")
    if isinstance(grounding, dict):
        made += _of_grounding(choice, grounding, texts)
    cited = candidate.get("citationMetadata")
    if isinstance(cited, dict):
        for each in cited.get("citations") or cited.get("citationSources") or ():
            block, start, end = _found(each, texts)
            citation = Citation(each.get("uri") or "", each.get("title") or "", start, end, texts[block][start:end])
            made.append(Cited(block, citation, choice=choice))
    return made


def _of_grounding(choice: int, grounding: dict[str, Any], texts: Mapping[int, str]) -> Iterable[Cited]:
    chunks = grounding.get("groundingChunks") or []
    supports = grounding.get("groundingSupports") or []
    for support in supports:
        segment = support.get("segment") or {}
        block, start, end = _found(segment, texts)
        for place in support.get("groundingChunkIndices") or ():
            if 0 <= place < len(chunks):
                yield Cited(block, _citation(chunks[place], start, end, texts[block]), choice=choice)
    if not supports:
        last = max(texts)
        for chunk in chunks:
            yield Cited(last, _citation(chunk, None, None, ""), choice=choice)


def _citation(chunk: dict[str, Any], start: int | None, end: int | None, text: str) -> Citation:
    source = next((item for item in chunk.values() if isinstance(item, dict)), {})
    cited = text[start:end] if start is not None else ""
    return Citation(source.get("uri") or "", source.get("title") or "", start, end, cited)


def _found(segment: dict[str, Any], texts: Mapping[int, str]) -> tuple[int, int, int]:
    """Block and characters of a segment."""
    start, end, quoted = segment.get("startIndex") or 0, segment.get("endIndex"), segment.get("text") or ""
    for block, text in texts.items():
        first, last = in_characters(text, start), in_characters(text, end)
        if not quoted or text[first:last] == quoted:
            return block, first, last
    for block, text in texts.items():
        place = text.find(quoted)
        if place >= 0:
            return block, place, place + len(quoted)
    block = max(texts)
    return block, in_characters(texts[block], start), in_characters(texts[block], end)


def in_characters(text: str, offset: int | None) -> int:
    """An offset in bytes as one in characters; None is the end."""
    if offset is None:
        return len(text)
    return offset if text.isascii() else len(text.encode("utf-8", "surrogatepass")[:offset].decode("utf-8", "ignore"))


def in_bytes(text: str, offset: int | None) -> int:
    """The other way."""
    return len((text if offset is None else text[:offset]).encode("utf-8", "surrogatepass"))


def write_grounding(cited: Sequence[tuple[str, Citation]]) -> dict[str, Any]:
    """groundingMetadata for citations, each beside the text of its block."""
    places: dict[tuple[str, str], int] = {}
    supports: list[dict[str, Any]] = []
    for text, citation in cited:
        place = places.setdefault((citation.url, citation.title), len(places))
        if text:  # a citation without offsets is one of the whole block
            start, end = citation.start or 0, len(text) if citation.end is None else citation.end
            segment = {"startIndex": in_bytes(text, start), "endIndex": in_bytes(text, end), "text": text[start:end]}
            supports.append({"segment": segment, "groundingChunkIndices": [place]})
    chunks = [{"web": {"uri": url, "title": title}} for url, title in places]
    return {"groundingChunks": chunks} | ({"groundingSupports": supports} if supports else {})
