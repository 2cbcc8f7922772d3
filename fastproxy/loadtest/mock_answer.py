"""What a reply is made of before a format gives it its shape. Pure data.

Words, thoughts, tool calls, images and counts:

    Answer    everything one reply says; ids and times are arguments, so the same Answer gives the same bytes
    Call      one tool call
    Stream    the events of a streamed reply; `marks` has one byte per event, 1 where it carries a token: the pacer
              spreads these over time, and the books know how many tokens went out when a stream is cut
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.loadtest.mock_words import Tally

Json = dict[str, Any]
_FRAGMENT = 12


@dataclass(frozen=True, slots=True)
class Call:
    """A tool that the model wants called."""

    name: str
    arguments: Json

    @property
    def text(self) -> str:
        """The arguments as JSON text."""
        return msgspec.json.encode(self.arguments).decode()

    @property
    def fragments(self) -> list[str]:
        """The same in the pieces in which a stream sends it."""
        text = self.text
        return [text[start : start + _FRAGMENT] for start in range(0, len(text), _FRAGMENT)]


@dataclass(frozen=True, slots=True)
class Answer:
    """The model's name, its words (one per token), the counts, an id and a time; and what was asked.

    `images` are PNG files in base64. `finish` is why it ends, in OpenAI's words: stop, length, tool_calls or
    content_filter; every format translates it.
    """

    model: str
    words: tuple[str, ...]
    tally: Tally
    ident: str
    now: int
    asked: Json
    thinking: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    images: tuple[str, ...] = ()
    finish: str = "stop"

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.words)

    @property
    def thought(self) -> str:
        """The whole thinking."""
        return "".join(self.thinking)

    def call_id(self, prefix: str, index: int) -> str:
        """The id of one call, unlike that of every other call."""
        return f"{prefix}{self.ident}{index:02d}"


@dataclass(frozen=True, slots=True)
class Stream:
    """The events of one reply."""

    events: tuple[bytes, ...]
    marks: bytes


class Events:
    """Collects a stream: values are written by `write` as they are added."""

    def __init__(self, write: Callable[[Json], bytes]) -> None:
        self._write = write
        self._events: list[bytes] = []
        self._marks = bytearray()

    def add(self, *values: Json) -> None:
        """Events that frame the tokens."""
        self._events += map(self._write, values)
        self._marks += bytes(len(values))

    def token(self, value: Json) -> None:
        """An event with one token in it."""
        self._events.append(self._write(value))
        self._marks.append(1)

    def stream(self, *tail: bytes) -> Stream:
        """All of them, with finished events behind."""
        return Stream((*self._events, *tail), bytes(self._marks) + bytes(len(tail)))


def encode(value: object) -> bytes:
    """Compact JSON; U+2028 is escaped, because Google's SDK splits stream lines on it."""
    return msgspec.json.encode(value).replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")


def data(value: Json) -> bytes:
    """An SSE event without a name."""
    return b"data: " + encode(value) + b"\n\n"


def named(value: Json) -> bytes:
    """Anthropic and Responses events carry their name twice: as SSE event name and inside."""
    return b"event: " + str(value["type"]).encode() + b"\ndata: " + encode(value) + b"\n\n"


def numbered() -> Callable[[Json], bytes]:
    """`named`, with a running sequence number inside."""
    numbers = itertools.count()
    return lambda value: named(value | {"sequence_number": next(numbers)})
