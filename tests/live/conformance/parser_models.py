"""Five ways in which an origin might read HTTP/1.1 requests. Bytes are safe to send on only if all five agree.

A model knows nothing of gateways: it turns bytes into messages and a rest. They differ in what ends a line, which of
two framings wins, and how forgiving they are with names, numbers and codings: the differences that smuggling lives on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Model:
    """`line_end` is "crlf", "lf" or "cr" (which takes any of the three)."""

    line_end: str = "crlf"
    length_wins: bool = False  # Content-Length before Transfer-Encoding
    last_length: bool = False  # of several Content-Length fields
    lenient: bool = False  # underscores, stray whitespace, any coding with "chunked" in it, 0x sizes


STRICT: Final = Model()
MODELS: Final = {
    "strict": STRICT,
    "length first": Model(length_wins=True),
    "last length": Model(length_wins=True, last_length=True),
    "lenient": Model(line_end="lf", lenient=True),
    "bare CR": Model(line_end="cr"),
}
_ANY_END = re.compile(rb"\r\n|\n|\r")
_STRICT_SIZE = re.compile(rb"([0-9a-fA-F]+)[ \t]*(?:;.*)?\Z", re.DOTALL)
_LENIENT_SIZE = re.compile(rb"\s*(?:0[xX])?([0-9a-fA-F]+)")
_LENGTH = re.compile(rb"\+?(\d+)")


@dataclass(frozen=True, slots=True)
class Message:
    """One request as a model saw it; names are lower case."""

    line: bytes
    fields: tuple[tuple[bytes, bytes], ...]

    def get_all(self, name: bytes) -> list[bytes]:
        return [value for known, value in self.fields if known == name]

    @property
    def target(self) -> bytes:
        return [*self.line.split(b" "), b"?", b"?"][1]


class _Unfinished(Exception):
    """The bytes end in the middle of a message."""


def read(data: bytes, model: Model = STRICT) -> tuple[list[Message], bytes]:
    """All whole messages, and the bytes of the unfinished one behind them."""
    messages: list[Message] = []
    place = 0
    while True:
        reader = _Reader(data, place, model)
        reader.skip_empty_lines()
        if reader.place >= len(data):
            return messages, b""
        place = reader.place
        try:
            messages.append(reader.message())
        except _Unfinished:
            return messages, data[place:]
        place = reader.place


class _Reader:
    def __init__(self, data: bytes, place: int, model: Model) -> None:
        self.data = data
        self.place = place
        self.model = model

    def skip_empty_lines(self) -> None:
        ends = (b"\r", b"\n") if self.model.lenient else ()
        while self.data[self.place : self.place + 2] == b"\r\n" or self.data[self.place : self.place + 1] in ends:
            self.place += 1 if ends else 2

    def message(self) -> Message:
        line = self._line()
        fields = self._fields()
        message = Message(line, tuple(fields))
        self._skip_body(message)
        return message

    def _line(self) -> bytes:
        data, start, end = self.data, self.place, self.model.line_end
        if end == "cr":
            match = _ANY_END.search(data, start)
            if match is None:
                raise _Unfinished
            self.place = match.end()
            return data[start : match.start()]
        mark = b"\r\n" if end == "crlf" else b"\n"
        found = data.find(mark, start)
        if found < 0:
            raise _Unfinished
        self.place = found + len(mark)
        line = data[start:found]
        return line if end == "crlf" else line.rstrip(b"\r")

    def _fields(self) -> list[tuple[bytes, bytes]]:
        fields: list[tuple[bytes, bytes]] = []
        lenient = self.model.lenient
        while line := self._line():
            if line[:1] in (b" ", b"\t") and fields and not lenient:
                name, value = fields[-1]
                fields[-1] = (name, value + b" " + line.strip())
                continue
            name, _, value = line.partition(b":")
            if lenient:
                fields.append((name.strip().lower().replace(b"_", b"-"), value.strip()))
            else:
                fields.append((name.lower(), value.strip(b" \t")))
        return fields

    def _skip_body(self, message: Message) -> None:
        lengths = message.get_all(b"content-length")
        if self._is_chunked(message) and not (self.model.length_wins and lengths):
            self._skip_chunks()
        elif lengths:
            match = _LENGTH.match(lengths[-1 if self.model.last_length else 0])
            self.place += int(match[1]) if match else 0
            if self.place > len(self.data):
                raise _Unfinished

    def _is_chunked(self, message: Message) -> bool:
        codings = [value.lower() for value in message.get_all(b"transfer-encoding")]
        if self.model.lenient:
            return any(b"chunked" in value for value in codings)
        return b",".join(codings).split(b",")[-1].strip() == b"chunked"

    def _skip_chunks(self) -> None:
        pattern = _LENIENT_SIZE if self.model.lenient else _STRICT_SIZE
        while True:
            match = pattern.match(self._line())
            if match is None:
                raise _Unfinished
            size = int(match[1], 16)
            if not size:
                break
            self.place += size
            if self.place > len(self.data) or (self._line() and not self.model.lenient):
                raise _Unfinished
        while self._line():
            pass
