"""Heads that one peer repeats, known by what stays the same in them: a stencil with holes where values differ.

A Reading (fields.py) knows a head by its names and looks at every byte of every value. A peer on a kept connection
repeats most values too. A `Habit` watches the heads that a Reading has accepted and learns which lines change; its
stencil then skips the stretches that must be the same, picks out the values between them, and compares the stretches
as a whole. What comes out is filled in the same way: the rewritten head is cut once, with holes in the same lines.

    POST /v1/… ␍␊Host: …␍␊traceparent: ▒▒▒▒▒▒▒▒␍␊Content-Length: ▒▒▒␍␊␍␊

What changes is remembered by the names of a head, so that the next connection of a client begins with it, and
connections that repeat the same text share one stencil.

Two holes take 0.5 us where the Reading and the comparisons behind it take 1.4 (bench/micro/test_heads.py). This is not
a memo of heads: a value that changes costs its hole, whatever it holds. A head that the stencil does not fit goes to
the Reading, so the stencil decides nothing: it takes only heads whose every constant byte has been judged before, and
whose other values have the form of a field value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import itemgetter
from time import monotonic
from typing import Final

from fastproxy.wire.fields import SEEN_OFTEN, VALUE

MAX_HOLES: Final = 8  # beyond it, a Reading is as cheap
MAX_HEAD_BYTES: Final = 2048  # kept per connection, three times over
MAX_CUTS: Final = 8
COMPILED_PER_SECOND = 100
MAX_COMPILED: Final = 1024
MAX_SHARED: Final = 512  # stencils known to all connections, of 10 KB at most
CONSTANTS: Final = slice(None, None, 2)
FIRST_EXTRA: Final = 100
MAX_STRANGE: Final = 256
_START_OVER: Final = 64  # strange heads, after which they are the habit
_GIVE_UP: Final = -100_000  # misses before the next try at a peer that changes everything
_MARK: Final = re.compile(rb"\xff(\d+)\xff")
_HOLE: Final = rb"([!-~\x80-\xff]" + VALUE + rb")"  # an empty value is a matter for the Reading

Match = Callable[[bytes | memoryview], "re.Match[bytes] | None"]
Rewrite = Callable[[bytes], "bytes | None"]


def mark(number: int) -> bytes:
    """Stands for value `number` in a head that is rewritten for its stencil."""
    return b"\xff%d\xff" % number


def extra(number: int) -> bytes:
    """Stands for value `number` of those that the writer adds for every head."""
    return mark(FIRST_EXTRA + number)


class Stencil:
    """`match(data)` picks a head apart: it fits if `groups()[CONSTANTS] == constants`; the groups between are values.

    `length_at` is the place of Content-Length among the groups, -1 without one; `status` that of a reply.
    """

    __slots__ = ("_pick", "_texts", "constants", "length_at", "match", "status")

    def __init__(self, constants: tuple[bytes, ...], match: Match, length_at: int, written: bytes) -> None:
        self.constants = constants
        self.match = match
        self.length_at = length_at
        start = constants[0]
        self.status = int(start[9:12]) if start.startswith(b"HTTP/1.1 ") else 0
        pieces = _MARK.split(written)
        self._texts = texts = tuple(pieces[::2])
        groups = 2 * len(constants) - 1
        order = [0]
        for place, number in enumerate(map(int, pieces[1::2]), 1):
            value = 2 * number + 1 if number < FIRST_EXTRA else groups + number - FIRST_EXTRA
            order += (len(texts) + value, place)
        self._pick = itemgetter(*order, -1)

    def fill(self, groups: tuple[bytes, ...], rest: tuple[bytes, ...]) -> bytes:
        """The rewritten head with the values among `groups`, and a body. `rest` is every extra in its order, whether
        the head shows it or not, and behind them the body."""
        return b"".join(self._pick(self._texts + groups + rest))


def _nothing(data: bytes | memoryview) -> None:
    return None


NO_STENCIL: Final = Stencil((b"",), _nothing, -1, b"")


class Habit:
    """What one peer's heads have in common, as far as they have been seen; `stencil` fits none until it is known."""

    __slots__ = ("_cuts", "_head", "_holes", "_misses", "_start_line", "_strange", "stencil")

    def __init__(self) -> None:
        self.stencil = NO_STENCIL
        self._head = b""
        self._start_line = b""
        self._holes: frozenset[int] = frozenset()
        self._misses = 0
        self._strange = 0  # heads with another start line than the one that is being learnt
        self._cuts = 0

    def learn(self, head: bytes, rewrite: Rewrite) -> None:
        """A head that the stencil did not fit, and that a Reading and the gateway have accepted.

        `rewrite` turns a head into the one that is passed on, or None if it is to be read anew each time.
        """
        self._misses += 1
        if self._misses < SEEN_OFTEN:
            if self._misses == 1:
                self._follow(head, rewrite)
            return
        if len(head) > MAX_HEAD_BYTES or self._strange >= MAX_STRANGE or self._cuts >= MAX_CUTS:
            self._give_up()
        elif not self._head:
            self._begin(head)
        elif head.startswith(self._start_line):
            self._compare(head, rewrite)
        else:
            self._wonder(head)

    def _follow(self, head: bytes, rewrite: Rewrite) -> None:
        """A new connection of a client that is known: what changes in its heads, others have learnt."""
        if len(head) > MAX_HEAD_BYTES:
            return
        lines = head.split(b"\r\n")
        holes = _known_holes.get(tuple(_names(lines)))
        stencil = _cut(lines, holes, rewrite) if holes is not None else None
        if holes is not None and stencil is not None:
            self._begin(head)
            self._holes, self.stencil = holes, stencil

    def _wonder(self, head: bytes) -> None:
        """A head of another kind; many of them are the habit."""
        self._strange += 1
        if self._strange % _START_OVER == 0:
            self._begin(head)

    def _begin(self, head: bytes) -> None:
        self._head = head
        self._start_line = head[: head.index(b"\r\n") + 2]
        self._holes = frozenset(_lengths(head.split(b"\r\n")))

    def _give_up(self) -> None:
        self._head, self._misses, self._strange, self._cuts = b"", _GIVE_UP, 0, 0
        self.stencil = NO_STENCIL

    def _compare(self, head: bytes, rewrite: Rewrite) -> None:
        lines, before = head.split(b"\r\n"), self._head.split(b"\r\n")
        names = _names(lines)
        if names != _names(before):
            self._wonder(head)
            return
        holes = self._holes | {place for place, line in enumerate(lines) if line != before[place]}
        if holes == self._holes and self.stencil is not NO_STENCIL:
            return  # it was a value that no hole takes
        self._head, self._holes = head, holes
        self._cuts += 1
        stencil = _cut(lines, holes, rewrite) if len(holes) <= MAX_HOLES else None
        if stencil is None:
            self._give_up()
        else:
            self.stencil = stencil
            if len(_known_holes) >= MAX_SHARED:
                del _known_holes[next(iter(_known_holes))]
            _known_holes[tuple(names)] = holes


_known_holes: Final[dict[tuple[bytes, ...], frozenset[int]]] = {}  # by start line and names of a head


class _Budget:
    """So many expressions a second: compiling one takes 0.3 ms, and clients choose what there is to compile."""

    __slots__ = ("_left", "_second")

    def __init__(self) -> None:
        self._left = 0
        self._second = -1

    def allows(self) -> bool:
        second = int(monotonic())
        if second != self._second:
            self._second, self._left = second, COMPILED_PER_SECOND
        self._left -= 1
        return self._left >= 0


_budget: Final = _Budget()


def _names(lines: list[bytes]) -> list[bytes]:
    """The start line, the names, and the Connection line as it is: these must not change."""
    return [
        line if place == 0 or line[:11].lower() == b"connection:" else line.partition(b": ")[0]
        for place, line in enumerate(lines)
    ]


def _lengths(lines: list[bytes]) -> list[int]:
    return [place for place, line in enumerate(lines) if line[:15].lower() == b"content-length:"]


def _cut(lines: list[bytes], holes: frozenset[int], rewrite: Rewrite) -> Stencil | None:
    order = sorted(holes)
    marked = list(lines)
    for number, place in enumerate(order):
        marked[place] = lines[place].partition(b": ")[0] + b": " + mark(number)
    head = b"\r\n".join(marked)
    written = rewrite(head)
    constants = tuple(_MARK.split(head)[::2])
    if written is None or len(constants) != len(order) + 1:  # it has a mark of its own
        return None
    lengths = _lengths(lines)
    return _shared(constants, 2 * order.index(lengths[0]) + 1 if lengths else -1, written)


_stencils: Final[dict[tuple[tuple[bytes, ...], int, bytes], Stencil]] = {}


def _shared(constants: tuple[bytes, ...], length_at: int, written: bytes) -> Stencil | None:
    """One stencil for all connections of a client: with one for each, the text of 64 heads does not stay in the
    processor's cache, 1.3 us of a request's 24. None: too much is being compiled now."""
    known = _stencils.get(key := (constants, length_at, written))
    if known is not None:
        return known
    match = _matcher(tuple(len(constant) for constant in constants))
    if match is None:
        return None
    if len(_stencils) >= MAX_SHARED:
        del _stencils[next(iter(_stencils))]
    made = _stencils[key] = Stencil(constants, match, length_at, written)
    return made


_matchers: Final[dict[tuple[int, ...], Match]] = {}


def _matcher(lengths: tuple[int, ...]) -> Match | None:
    """Clients of a kind share the lengths of their constant stretches. None: too much is being compiled now."""
    known = _matchers.get(lengths)
    if known is None and _budget.allows():
        if len(_matchers) >= MAX_COMPILED:
            del _matchers[next(iter(_matchers))]
        known = _matchers[lengths] = re.compile(_HOLE.join(b"((?s:.{%d}))" % length for length in lengths)).match
    return known
