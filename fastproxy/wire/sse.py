"""Server-sent events out of bytes that arrive in any pieces, sans-I/O. Knows lines and fields, not what they say.

    reader = SseReader()
    for data in pieces:
        for name, value in reader.feed(data): ...       ("", b'{"id":1}')  ("ping", b"{}")
    reader.end()                                        the last event, when no blank line ended it

Lines end in LF, CR or CRLF; comments, `id` and `retry` are read over, lines of `data` are joined by LF, an event
without data is none. Unlike a browser's, the last event counts though no blank line ends it: providers leave it out.
"""

from __future__ import annotations

import re
from typing import Final

MAX_EVENT_BYTES: Final = 32 << 20  # an image in base64 fits
LF: Final = 10
_BOM: Final = b"\xef\xbb\xbf"
_PLAIN: Final = re.compile(rb"(event: [^\n]{1,64}\n)?data: ")

Events = list[tuple[str, bytes]]


class SseReader:
    """Splits one stream. After a ValueError it is of no more use."""

    __slots__ = ("_after_cr", "_limit", "_name", "_pending", "_prefix", "_size", "_started")

    def __init__(self, limit: int = MAX_EVENT_BYTES) -> None:
        self._limit = limit
        self._pending: list[bytes] = []  # pieces of an event that has not ended; joined once, so that it costs O(n)
        self._size = 0
        self._started = False  # the place of a byte order mark is behind us
        self._after_cr = False  # an LF that follows belongs to it
        self._prefix = b"data: "  # what the latest plain event had before its one line of data, and its name
        self._name = ""

    def feed(self, data: bytes) -> Events:
        """The events that `data` completes. Raises: ValueError when one is larger than the limit."""
        if not self._started:
            data = self._start(data)
        if self._after_cr or b"\r" in data:
            data = self._with_lf_only(data)
        if not data:
            return []
        pending = self._pending
        if pending:
            if b"\n\n" not in data and not (data[0] == LF and pending[-1][-1] == LF):
                return self._keep(data)
            pending.append(data)
            data = b"".join(pending)
            pending.clear()
            self._size = 0
        blocks = data.split(b"\n\n")
        rest = blocks.pop()
        if len(data) > self._limit and any(len(block) > self._limit for block in blocks):
            raise ValueError(self._too_large())
        if rest:
            self._keep(rest)
        return self._events(blocks)

    def end(self) -> Events:
        """Nothing follows: the event that no blank line has ended, if there is one."""
        self._started = True
        block = b"".join(self._pending)
        self._pending.clear()
        self._size = 0
        return self._events([block]) if block else []

    def _events(self, blocks: list[bytes]) -> Events:
        """The events that `blocks` are, each the text between two blank lines.

        Most events begin as the one before did: 0.25 us instead of 1.2 us (bench/micro/test_events.py).
        """
        found: Events = []
        for block in blocks:
            if block.startswith(self._prefix) and block.find(b"\n", len(self._prefix)) < 0:
                found.append((self._name, block[len(self._prefix) :]))
            elif (event := _parse(block)) is not None:
                found.append(event)
                self._remember(block, event)
        return found

    def _remember(self, block: bytes, event: tuple[str, bytes]) -> None:
        """Take the start of a plain event, `[event: name LF] data: value`, as that of those to come."""
        prefix = block[: -len(event[1])] if event[1] else block
        if _PLAIN.fullmatch(prefix) is not None:
            self._prefix, self._name = prefix, event[0]

    def _start(self, data: bytes) -> bytes:
        """What stands behind the byte order mark; nothing while it may still be one."""
        data = b"".join(self._pending) + data
        self._pending.clear()
        self._size = 0
        if len(data) < len(_BOM) and _BOM.startswith(data):
            if data:
                self._keep(data)
            return b""
        self._started = True
        return data.removeprefix(_BOM)

    def _with_lf_only(self, data: bytes) -> bytes:
        """`data` with LF for CR and CRLF, also where a CRLF came in two pieces."""
        if not data:
            return data
        if self._after_cr and data[:1] == b"\n":
            data = data[1:]
            self._after_cr = False
            if not data:
                return data
        self._after_cr = data[-1:] == b"\r"
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _keep(self, data: bytes) -> Events:
        self._pending.append(data)
        self._size += len(data)
        if self._size - data.endswith(b"\n") > self._limit:  # its LF may be half of the blank line
            raise ValueError(self._too_large())
        return []

    def _too_large(self) -> str:
        return f"an event of the stream is larger than {self._limit} bytes"


def _parse(block: bytes) -> tuple[str, bytes] | None:
    """Any block, by the letter of the standard; None when it has no data."""
    name, values = "", []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            values.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ").decode("utf-8", "replace")
    return (name, b"\n".join(values)) if values else None
