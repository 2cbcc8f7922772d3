"""Field names of a head, and what follows from the names alone.

Two heads with the same names in the same order have the same *shape*, whatever their values. Clients and origins repeat
few shapes, so everything that only depends on names (where Host stands, what is hop-by-hop, which names must go) is
decided once per shape and kept in a bounded table. Values are never remembered: a memo of whole heads is slower than
none as soon as one value changes per request (bench/micro/test_heads.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Final

MAX_SHAPES: Final = 1024  # about 3 KiB each; a client that varies its names falls back to the slow path, no more
MAX_READINGS: Final = 256
SEEN_OFTEN: Final = 16  # sightings after which a shape is worth a recogniser (compiling one takes 1 ms)
MAX_NAME_BYTES: Final = 256

# RFC 9110 7.6.1: meant for one connection only; Content-Length is re-made from the parsed number.
HOP_BY_HOP: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization",
     b"te", b"trailer", b"transfer-encoding", b"upgrade", b"content-length", b"expect", b"http2-settings")
)  # fmt: skip

# An underscore reads as a hyphen to CGI-style origins: these aliases are an attack, other such names are dropped.
_ALIAS_TARGETS: Final = HOP_BY_HOP | frozenset(
    (b"host", b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key", b"x-openai-api-key", b"cookie", b"via",
     b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip")
)  # fmt: skip

# What llhttp lets pass in a value: RFC 9110 5.5 field-content with obs-text, no control character but tab.
VALUE: Final = rb"[\t -~\x80-\xff]*+"

Pick = Callable[[Sequence[bytes]], tuple[bytes, ...]]


class Plan:
    """Which lines of a shape pass on: `lines % pick(values)` are their bytes (0.4 us for 11, a join takes 1.1)."""

    __slots__ = ("lines", "pick")

    def __init__(self, shape: Shape, drop: frozenset[bytes]) -> None:
        kept = [
            place
            for place, name in enumerate(shape.lower)
            if name not in HOP_BY_HOP and name not in drop and b"_" not in name
        ]
        # A name may hold "%" (it is a tchar).
        self.lines = b"".join(b"%b: %%b\r\n" % shape.names[place].replace(b"%", b"%%") for place in kept)
        self.pick: Pick = _picker(kept)


def _picker(kept: list[int]) -> Pick:
    if not kept:
        return lambda values: ()
    if len(kept) == 1:
        only = kept[0]
        return lambda values: (values[only],)
    return itemgetter(*kept)


class Shape:
    """The names of a head. `index` gives the place of a name, the last one where it stands twice (`repeated`).

    `problem` is a text when the names alone make the head unacceptable, else empty.
    """

    __slots__ = ("connection_at", "host_at", "index", "length_at", "lower", "names", "plain", "plans",
                 "problem", "readings", "repeated", "seen", "table")  # fmt: skip

    def __init__(self, names: tuple[bytes, ...], table: Shapes) -> None:
        self.names = names
        self.table = table
        self.lower = tuple(name.lower() for name in names)
        self.index = {name: place for place, name in enumerate(self.lower)}
        self.repeated = frozenset(name for name in self.lower if self.lower.count(name) > 1)
        self.problem = _problem(self.lower)
        self.seen = 0
        self.host_at = self.index.get(b"host", -1)
        self.length_at = self.index.get(b"content-length", -1)
        self.connection_at = self.index.get(b"connection", -1)
        # Nothing here needs more than a look at Host, Content-Length and Connection.
        self.plain = not (self.problem or self.repeated & _SINGLE or _SPECIAL & self.index.keys())
        self.plans: dict[frozenset[bytes], Plan] = {}
        self.readings: dict[frozenset[bytes], Reading] = {}

    def plan(self, drop: frozenset[bytes]) -> Plan:
        """What passes on when the names in `drop` (lower case) and all hop-by-hop ones stop here."""
        made = self.plans.get(drop)
        if made is None:
            made = Plan(self, drop)
            if len(self.plans) < 64:
                self.plans[drop] = made
        return made

    def reading(self, drop: frozenset[bytes]) -> Reading | None:
        """A recogniser for heads of this shape, once it has been seen often enough to be worth compiling."""
        made = self.readings.get(drop)
        if made is None and self.plain and self.seen >= SEEN_OFTEN and self.table.may_compile():
            made = self.readings[drop] = Reading(self, drop, self.table.first_line)
        return made


class Reading:
    """Recognises, in one match, a whole head of one shape on its way past one drop set.

    Fields that stop here, and Host, Content-Length, Content-Type and Connection, have a group of their own (`places`);
    the lines that pass on are captured as runs, so they are relayed without being taken apart. One match takes 0.8 us
    for 9 lines, httptools with a callback per line and the checks after it 3.6 (bench/micro/test_heads.py). It accepts
    strictly less than httptools does: literal names, one space, no control character; what does not match goes the
    long way.
    """

    __slots__ = ("connection_at", "drop", "host_at", "length_at", "match", "places", "request_id_at", "runs", "shape")

    def __init__(self, shape: Shape, drop: frozenset[bytes], first_line: bytes) -> None:
        self.shape = shape
        self.drop = drop
        self.places: dict[bytes, int] = {}
        runs: list[int] = []
        parts: list[bytes] = [first_line]
        group = re.compile(first_line).groups  # numbers in match.groups() count from 0
        in_run = False
        for name, lower in zip(shape.names, shape.lower, strict=True):
            stops = lower in HOP_BY_HOP or lower in drop or b"_" in lower
            if in_run and stops:
                parts.append(b")")
                in_run = False
            elif not in_run and not stops:
                parts.append(b"(")
                runs.append(group)
                group += 1
                in_run = True
            if stops or lower in _SINGLE or lower == b"content-type":
                parts.append(re.escape(name) + b": (" + VALUE + rb")\r\n")
                self.places[lower] = group
                group += 1
            else:
                parts.append(re.escape(name) + b": " + VALUE + rb"\r\n")
        parts.append(b")" * in_run + rb"\r\n")
        self.match = re.compile(b"".join(parts)).match
        self.runs = tuple(runs)
        self.host_at = self.places.get(b"host", -1)
        self.length_at = self.places.get(b"content-length", -1)
        self.connection_at = self.places.get(b"connection", -1)
        self.request_id_at = self.places.get(b"x-request-id", self.places.get(b"request-id", -1))


def values_of(raw: bytes) -> list[bytes]:
    """The values of a head that a Reading has recognised."""
    return [line.partition(b": ")[2].strip(b" \t") for line in raw.split(b"\r\n")[1:-2]]


_drops: Final[dict[frozenset[bytes], frozenset[bytes]]] = {}


def same_drop(drop: frozenset[bytes]) -> frozenset[bytes]:
    """The one object for all drop sets with these names: recognisers are found by identity, also after a reload."""
    return _drops.setdefault(drop, drop)


_SINGLE: Final = frozenset((b"host", b"content-length", b"connection"))
_SPECIAL: Final = frozenset((b"transfer-encoding", b"expect", b"upgrade"))


def _problem(lower: tuple[bytes, ...]) -> str:
    for name in lower:
        if len(name) > MAX_NAME_BYTES:
            return f"a field name of {len(name)} bytes, {MAX_NAME_BYTES} allowed"
        if b"_" in name and name.replace(b"_", b"-") in _ALIAS_TARGETS:
            return f"field name {name.decode('ascii')!r} imitates another with an underscore"
    return ""


class Shapes:
    """The bounded table of shapes. Over the bound, new shapes are made and forgotten."""

    __slots__ = ("_compiled", "_known", "first_line")

    def __init__(self, first_line: bytes) -> None:
        self.first_line = first_line  # a regular expression with the start line's parts as groups
        self._known: dict[tuple[bytes, ...], Shape] = {}
        self._compiled = 0

    def of(self, names: tuple[bytes, ...]) -> Shape:
        shape = self._known.get(names)
        if shape is None:
            shape = Shape(names, self)
            if len(self._known) < MAX_SHAPES and len(names) <= 64:
                self._known[names] = shape
        shape.seen += 1
        return shape

    def may_compile(self) -> bool:
        """Whether there is room for one more recogniser; counts it."""
        if self._compiled >= MAX_READINGS:
            return False
        self._compiled += 1
        return True


class FieldSink:
    """What httptools calls while it reads a head: it keeps names and values in two lists."""

    __slots__ = ("names", "values")

    def __init__(self) -> None:
        self.names: list[bytes] = []
        self.values: list[bytes] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.names.append(name)
        self.values.append(value.rstrip(b" \t"))  # llhttp leaves the whitespace behind a value (RFC 9110 5.5)


class Connection:
    """A Connection field, understood: does it close, keep, upgrade, and which names does it list."""

    __slots__ = ("close", "keep", "listed", "upgrade")

    def __init__(self, value: bytes) -> None:
        members = [member.strip(b" \t") for member in value.lower().split(b",")]
        self.close = b"close" in members
        self.keep = b"keep-alive" in members and not self.close
        self.upgrade = b"upgrade" in members
        # Host and the framing must survive whatever a client lists (RFC 9110 7.6.1).
        self.listed = frozenset(members) - HOP_BY_HOP - {b"close", b"keep-alive", b"host", b""}


NO_CONNECTION: Final = Connection(b"")
CONNECTIONS: Final[dict[bytes, Connection]] = {}


def read_connection(value: bytes) -> Connection:
    """The meaning of a Connection value, remembered for the few that are in use."""
    known = CONNECTIONS.get(value)
    if known is None:
        known = Connection(value)
        if len(CONNECTIONS) < 256 and len(value) < 64:
            CONNECTIONS[value] = known
    return known


class Head:
    """What request and reply heads have in common: their shape, and values that are taken apart only when asked for.

    `size` counts the bytes of the head itself. With a `reading`, `groups` is what it matched and `raw` begins with the
    head; without one, the values were read one by one.
    """

    __slots__ = ("_values", "connection", "groups", "keep_alive", "length", "raw", "reading", "shape", "size")

    shape: Shape
    length: int
    connection: Connection
    keep_alive: bool
    size: int
    raw: bytes
    reading: Reading | None
    groups: tuple[bytes, ...]
    _values: list[bytes] | None

    @property
    def values(self) -> list[bytes]:
        """The values, in the order of `shape.names`."""
        if self._values is None:
            self._values = values_of(self.raw[: self.size])
        return self._values

    def get(self, name: bytes) -> bytes | None:
        """The value of `name` (lower case), or None; the last one where it stands twice."""
        place = self.shape.index.get(name)
        if place is None:
            return None
        if self.reading is not None and self._values is None:
            group = self.reading.places.get(name)
            if group is not None:
                return self.groups[group].strip(b" \t")
            if name not in self.shape.repeated:
                return self._found(place)
        return self.values[place]

    def _found(self, place: int) -> bytes:
        """The value at this place of a head that a Reading has recognised: 0.3 us where taking all apart takes 1.5."""
        start = b"\r\n%b: " % self.shape.names[place]
        at = self.raw.index(start) + len(start)
        return self.raw[at : self.raw.index(b"\r\n", at)].strip(b" \t")

    def get_all(self, name: bytes) -> list[bytes]:
        """All values of `name` (lower case), in order."""
        return [value for known, value in zip(self.shape.lower, self.values, strict=True) if known == name]

    def read_connection(self) -> Connection:
        """The meaning of all Connection fields together."""
        place = self.shape.connection_at
        if place < 0:
            return NO_CONNECTION
        if b"connection" in self.shape.repeated:
            return read_connection(b",".join(self.get_all(b"connection")))
        return read_connection(self.values[place])
