"""Files that a request names by URL, for upstreams that take bytes only: fetched here, before the translation.

    gemini             images, documents, sound, video (not gs://, its Files API, YouTube: it fetches those)
    openai-chat        documents and sound; it fetches images itself
    openai-responses   sound
    anthropic          nothing: it fetches what it takes
    ollama             images; it takes no other files

The fetcher (wire/fetch.py) checks every address; `fetch_urls: false` switches it off, and such a request is refused.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from fastproxy.errors import BadRequest
from fastproxy.formats.chat import Audio, Document, Image, Part, Source, ToolResult, Turn, Video
from fastproxy.formats.notes import place_of
from fastproxy.wire.fetch import FetchLimits, fetch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fastproxy.formats.chat import ChatRequest
    from fastproxy.gateway.exchange import Exchange

Filed = Image | Document | Audio | Video
MAX_FILES: Final = 20
MAX_TOTAL_BYTES: Final = 32 << 20  # of one request's files
_NEEDS_BYTES: Final[dict[str, tuple[type[Part], ...]]] = {
    "gemini": (Image, Document, Audio, Video),
    "openai-chat": (Document, Audio),
    "openai-responses": (Audio,),
    "anthropic": (),
    "ollama": (Image,),
}
_ITS_OWN: Final = (
    "https://generativelanguage.googleapis.com/",
    "https://www.youtube.com/watch",
    "https://youtu.be/",
)


async def inlined(exchange: Exchange, request: ChatRequest, upstream: str) -> ChatRequest:
    """The request with the bytes of its files in place of their addresses. Raises: BadRequest naming the place."""
    if not needs_files(request, upstream):
        return request
    parts = list(_wanted(request.turns, upstream))
    if not exchange.table.snapshot.fetch_urls:
        raise BadRequest(f"field '{place_of(request.body, parts[0])}': files are not fetched here, send their bytes")
    if len(parts) > MAX_FILES:
        raise BadRequest(f"{len(parts)} files are named by url: {MAX_FILES} are fetched at most")
    urls = list(dict.fromkeys(part.source.url or "" for part in parts))
    try:
        found = await exchange.wait(_fetch_all(exchange, urls))
    except BadRequest as error:
        named = ", ".join(dict.fromkeys(place_of(request.body, part) for part in parts))
        raise BadRequest(f"field '{named}': {error.message}") from None
    return replace(request, turns=tuple(_with_bytes(turn, found) for turn in request.turns))


def needs_files(request: ChatRequest, upstream: str) -> bool:
    """Whether `inlined` would fetch anything."""
    return next(_wanted(request.turns, upstream), None) is not None


async def _fetch_all(exchange: Exchange, urls: list[str]) -> dict[str, Source]:
    """Each file once, all at the same time; the first failure ends the others."""
    limits = FetchLimits()
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_fetch_one(exchange, url, limits)) for url in urls]
    except ExceptionGroup as refused:
        raise refused.exceptions[0] from None
    return {url: task.result() for url, task in zip(urls, tasks, strict=True)}


async def _fetch_one(exchange: Exchange, url: str, limits: FetchLimits) -> Source:
    """One file; a worker fetches a few at a time, and counts what it holds of them."""
    world = exchange.world
    async with world.fetching:
        media_type, data = await fetch(url, limits, world.network)
    exchange.fetched_bytes += len(data)
    if exchange.fetched_bytes > MAX_TOTAL_BYTES:
        raise BadRequest(f"the files of one request may have {MAX_TOTAL_BYTES >> 20} MiB together", kind="too_large")
    exchange.hold_bytes(2 * len(data))
    return Source(media_type, b64encode(data).decode("ascii"))


def _wanted(turns: Iterable[Turn], upstream: str) -> Iterator[Filed]:
    kinds = _NEEDS_BYTES[upstream]
    for turn in turns:
        for part in _flat(turn.parts):
            if isinstance(part, kinds) and isinstance(part, Filed) and _is_fetched(part.source.url):
                yield part


def _flat(parts: Iterable[Part]) -> Iterator[Part]:
    for part in parts:
        yield part
        if isinstance(part, ToolResult):
            yield from part.parts


def _is_fetched(url: str | None) -> bool:
    if url is None or not url.lower().startswith(("http://", "https://")):
        return False
    return not url.startswith(_ITS_OWN)


def _with_bytes(turn: Turn, found: dict[str, Source]) -> Turn:
    parts = tuple(_filled(part, found) for part in turn.parts)
    return turn if parts == turn.parts else Turn(turn.role, parts, turn.name)


def _filled(part: Part, found: dict[str, Source]) -> Part:
    if isinstance(part, ToolResult):
        inner = tuple(_filled(each, found) for each in part.parts)
        return part if inner == part.parts else replace(part, parts=inner, original=None)
    if isinstance(part, Filed) and part.source.url in found:
        source = replace(found[part.source.url], filename=part.source.filename)
        return replace(part, source=source, original=None)
    return part
