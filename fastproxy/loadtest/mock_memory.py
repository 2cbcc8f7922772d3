"""Remembered replies: equal requests of one second share one. Bounded by number and by bytes; pure.

What decides over a reply is its key: the body, the request line, and the few header fields that anything looks at. So
requests may differ in all others (a trace id, say) and still be found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastproxy.loadtest.mock_reply import Reply
    from fastproxy.loadtest.mock_request import Request

_MOST = 256
_MOST_BYTES = 32 * 1024 * 1024
_LARGEST = 1024 * 1024
_LONGEST_HASHED = 2048
_DECISIVE = (
    b"authorization",
    b"x-api-key",
    b"x-goog-api-key",
    b"x-goog-api-client",
    b"api-key",
    b"content-type",
    b"anthropic-version",
    b"transfer-encoding",
    b"host",
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A remembered reply: as an object, and as bytes around the ids for the common case."""

    reply: Reply
    parts: list[bytes]
    body: bytes


def sample(body: bytes) -> object:
    """By what a body is found; hashing 40 KB takes 18 µs, comparing them 1: so a long one is found by its ends."""
    return body if len(body) <= _LONGEST_HASHED else (len(body), body[:128], body[-128:])


def wishes_of(request: Request) -> tuple[object, ...]:
    """What a request wishes: its x-mock-… fields, and the target, whose query may hold more."""
    return (request.target, *[field for field in request.headers if field[0][:7] == b"x-mock-"])


def key_of(request: Request) -> tuple[object, ...]:
    """Two requests with one key and one body get one reply."""
    wishes = wishes_of(request) if request.wishes else None
    common = (wishes, sample(request.body), request.method, request.target, request.version, request.keep_alive)
    return (*common, *map(request.fields.get, _DECISIVE))


class Memory:
    """The oldest goes first; `clear` is called every second."""

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], Prepared] = {}
        self._bytes = 0

    def clear(self) -> None:
        """Forget all."""
        self._found.clear()
        self._bytes = 0

    def find(self, key: tuple[object, ...], body: bytes) -> Prepared | None:
        """What was kept for this request."""
        prepared = self._found.get(key)
        return prepared if prepared is not None and prepared.body == body else None

    def keep(self, key: tuple[object, ...], prepared: Prepared) -> None:
        """Remember it, unless it is too large."""
        reply, size = prepared.reply, len(prepared.body)
        if reply.status != 200 or not reply.endpoint or size > _LARGEST:
            return
        if (old := self._found.pop(key, None)) is not None:
            self._bytes -= len(old.body)
        self._bytes += size
        while self._found and (len(self._found) >= _MOST or self._bytes > _MOST_BYTES):
            oldest = self._found.pop(next(iter(self._found)))
            self._bytes -= len(oldest.body)
        self._found[key] = prepared
