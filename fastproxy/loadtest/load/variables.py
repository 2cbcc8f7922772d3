"""The variables of a template: what each one reads, and the chance it is drawn from.

    VARIABLES   name → (argument, data files, stands inside a JSON string?) → constant bytes, or a function of Values
    Values      chance that follows the seed (`rng`), chance that does not (`unique`), the request's number

Arguments are checked when a template is made: each builder raises ValueError with what was seen and what was expected.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final

import msgspec

from fastproxy.loadtest.load.bodies import Prose

Data = Mapping[str, Sequence[str]]
Variable = Callable[["Values"], bytes]

MAXIMUM_WORDS: Final = 1_000_000
fresh_bytes: Final = Random().randbytes  # for ids; from no seed, and each generator process imports this anew


class Values:
    """What the variables of one kind of request are filled from."""

    __slots__ = ("_salt", "_seed", "number", "place", "process", "prose", "rng", "unique")

    def __init__(self, seed: int | str, process: int = 0) -> None:
        self.number = 0
        self.process = process
        self.rng = Random(seed)
        self.unique = Random()
        self.prose = Prose(seed)
        self.place = self.rng.getrandbits(32)
        self._seed = seed
        self._salt = self.unique.getrandbits(64)

    def begin(self, number: int) -> None:
        self.number = number

    def begin_again(self, number: int) -> None:
        """The same values whenever the same number comes: what the first turn said is said in all turns."""
        self.number = number
        self.rng.seed(f"{self._seed}:{number}")
        self.unique.seed(self._salt + number)

    def uuid(self) -> bytes:
        bits = self.unique.getrandbits(128) & ~(0xF << 76 | 0x3 << 62) | (0x4 << 76 | 0x2 << 62)
        text = b"%032x" % bits
        return b"-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def traceparent() -> bytes:
    ids = fresh_bytes(24).hex().encode()
    return b"00-%b-%b-01" % (ids[:32], ids[32:])


def json_escaped(text: str) -> bytes:
    """The text as it stands inside a JSON string."""
    return msgspec.json.encode(text)[1:-1]


def _simple(read: Variable) -> Callable[[str, Data, bool], bytes | Variable]:
    def make(argument: str, _data: Data, _quoted: bool) -> Variable:
        if argument:
            raise ValueError(f"takes no argument, seen {argument[:60]!r}")
        return read

    return make


def _numbers(argument: str, least: int) -> tuple[int, int]:
    low, colon, high = argument.partition(":")
    try:
        numbers = int(low), int(high if colon else low)
    except ValueError:
        raise ValueError(f"expected whole numbers, seen {argument[:60]!r}") from None
    if not least <= numbers[0] <= numbers[1]:
        raise ValueError(f"expected a range from {least} that does not go down, seen {argument[:60]!r}")
    return numbers


def _random(argument: str, _data: Data, _quoted: bool) -> Variable:
    if ":" not in argument:
        raise ValueError(f"expected LOW:HIGH, seen {argument[:60]!r}")
    low, high = _numbers(argument, -(1 << 62))
    span = high - low + 1
    return lambda values: b"%d" % (low + int(values.rng.random() * span))


def _choice(argument: str, _data: Data, quoted: bool) -> bytes | Variable:
    choices = [json_escaped(word) if quoted else word.encode() for word in argument.split("|")]
    if choices == [b""]:
        raise ValueError("expected a|b|c, seen nothing")
    count = len(choices)
    return choices[0] if count == 1 else lambda values: choices[int(values.rng.random() * count)]


def _line(argument: str, data: Data, quoted: bool) -> Variable:
    if argument not in data:
        raise ValueError(f"no data file is called {argument[:60]!r}; given: {', '.join(sorted(data)) or 'none'}")
    lines = [json_escaped(line) if quoted else line.encode() for line in data[argument]]
    if not lines:
        raise ValueError(f"the data file {argument!r} is empty")
    count = len(lines)
    return lambda values: lines[(values.place + values.number) % count]


def _text(argument: str, _data: Data, quoted: bool) -> Variable:
    low, high = _numbers(argument, 0)
    if high > MAXIMUM_WORDS:
        raise ValueError(f"expected at most {MAXIMUM_WORDS} words, seen {high}")
    span = high - low + 1

    def take(values: Values) -> bytes:
        count = low if span == 1 else low + int(values.rng.random() * span)
        return values.prose.take(values.rng, count, escaped=quoted)

    return take


VARIABLES: Final[dict[str, Callable[[str, Data, bool], bytes | Variable]]] = {
    "n": _simple(lambda values: b"%d" % values.number),
    "process": _simple(lambda values: b"%d" % values.process),
    "uuid": _simple(lambda values: values.uuid()),
    "traceparent": _simple(lambda _: traceparent()),
    "time_ms": _simple(lambda _: b"%d" % (time.time_ns() // 1_000_000)),
    "random": _random,
    "choice": _choice,
    "line": _line,
    "text": _text,
}
