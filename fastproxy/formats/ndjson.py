"""JSON texts, one a line: the framing of Ollama's streams. Knows nothing of what the lines say (ollama/reply.py does).

    feed(b'{"a":1}\\n{"b"') → [("", b'{"a":1}')]     feed(b':2}\\r\\n\\n') → [("", b'{"b":2}')]
    end() → a last line without end

Gives pairs as wire/sse.py does, whose events have names, so that one loop reads both. Empty lines are skipped. A
line longer than `max_line` raises FormatError, and so does whatever follows.
"""

from __future__ import annotations

from typing import Final

from fastproxy.errors import FormatError

MAX_LINE: Final = 16_777_216


class Lines:
    """The splitter of one stream; pieces may be cut anywhere."""

    __slots__ = ("_broken", "_kept", "_max_line")

    def __init__(self, max_line: int = MAX_LINE) -> None:
        self._kept = bytearray()
        self._max_line = max_line
        self._broken = False

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        """The lines that `data` completes, without their ends."""
        if self._broken:
            self._fail()
        end = data.rfind(b"\n")
        if end < 0:
            self._keep(data)
            return []
        whole = bytes(self._kept) + data[:end]
        self._kept.clear()
        lines = [("", line) for piece in whole.split(b"\n") if (line := piece.strip())]
        if any(len(line) > self._max_line for _, line in lines):
            self._fail()
        self._keep(data[end + 1 :])
        return lines

    def end(self) -> list[tuple[str, bytes]]:
        """The stream ended: its last line, if that had no end of its own."""
        if self._broken:
            self._fail()
        line = bytes(self._kept).strip()
        self._kept.clear()
        return [("", line)] if line else []

    def _keep(self, rest: bytes) -> None:
        self._kept += rest
        if len(self._kept) > self._max_line:
            self._fail()

    def _fail(self) -> None:
        self._broken = True
        self._kept.clear()
        raise FormatError(f"a line of the stream is longer than {self._max_line} bytes")
