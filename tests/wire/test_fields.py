"""What follows from names alone: what passes on, what stops, and that the tables stay bounded."""

from __future__ import annotations

import pytest

from fastproxy.wire import fields
from fastproxy.wire.fields import (
    HOP_BY_HOP,
    SEEN_OFTEN,
    Connection,
    Head,
    Plan,
    Shape,
    Shapes,
    read_connection,
    values_of,
)

NOTHING: frozenset[bytes] = frozenset()


def shape_of(*names: bytes) -> Shape:
    return Shapes(rb"(x)\r\n").of(names)


def passed(shape: Shape, drop: frozenset[bytes] = NOTHING) -> bytes:
    plan = shape.plan(drop)
    return plan.lines % plan.pick([b"%d" % place for place in range(len(shape.names))])


@pytest.mark.parametrize(
    ("names", "drop", "lines"),
    [
        ((), (), b""),
        ((b"Host",), (), b"Host: 0\r\n"),
        ((b"Host", b"ACCEPT"), (), b"Host: 0\r\nACCEPT: 1\r\n"),
        ((b"A", b"B", b"a"), (), b"A: 0\r\nB: 1\r\na: 2\r\n"),
        ((b"A", b"B", b"a"), (b"a",), b"B: 1\r\n"),
        ((b"Connection", b"A", b"Transfer-Encoding", b"Content-Length", b"Expect"), (), b"A: 1\r\n"),
        ((b"X_Y", b"A"), (), b"A: 1\r\n"),
        ((b"a%b", b"%s", b"%%"), (), b"a%b: 0\r\n%s: 1\r\n%%: 2\r\n"),
    ],
    ids=["none", "one", "two", "twice", "dropped", "hop by hop", "underscore", "percent"],
)
def test_which_lines_pass(names: tuple[bytes, ...], drop: tuple[bytes, ...], lines: bytes) -> None:
    assert passed(shape_of(*names), frozenset(drop)) == lines


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP))
def test_hop_by_hop_never_passes_in_any_case(name: bytes) -> None:
    assert passed(shape_of(name, name.title(), name.upper())) == b""


def test_listed_names_stop_as_well() -> None:
    plan = Plan(shape_of(b"A", b"B"), frozenset((b"a",)))
    assert plan.lines % plan.pick([b"1", b"2"]) == b"B: 2\r\n"


@pytest.mark.parametrize(
    ("value", "close", "keep", "upgrade", "listed"),
    [
        (b"", False, False, False, set()),
        (b"close", True, False, False, set()),
        (b"Keep-Alive", False, True, False, set()),
        (b"keep-alive, CLOSE", True, False, False, set()),
        (b" upgrade ,\tX-A,", False, False, True, {b"x-a"}),
        (b"host, x-b, content-length, te", False, False, False, {b"x-b"}),
        (b"closed", False, False, False, {b"closed"}),
    ],
)
def test_connection(value: bytes, close: bool, keep: bool, upgrade: bool, listed: set[bytes]) -> None:
    for connection in (Connection(value), read_connection(value), read_connection(value)):
        assert (connection.close, connection.keep, connection.upgrade) == (close, keep, upgrade)
        assert connection.listed == listed


def test_remembered_connection_values_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "CONNECTIONS", {})
    for number in range(1000):
        assert read_connection(b"x-%d" % number).listed == {b"x-%d" % number}
    assert len(fields.CONNECTIONS) <= 256
    assert read_connection(b"x-" + b"y" * 5000).listed
    assert all(len(value) < 64 for value in fields.CONNECTIONS)


@pytest.mark.parametrize(
    ("names", "refused"),
    [
        ((b"a" * 256,), False), ((b"a" * 257,), True), ((b"x_custom",), False), ((b"Content_Length",), True),
        ((b"transfer_Encoding",), True), ((b"X_Api_Key",), True), ((b"x-forwarded_for",), True), ((b"_host",), False),
    ],
)  # fmt: skip
def test_names_that_make_a_head_unacceptable(names: tuple[bytes, ...], refused: bool) -> None:
    assert bool(shape_of(*names).problem) is refused


def test_shapes_are_shared_and_bounded() -> None:
    table = Shapes(rb"(x)\r\n")
    assert table.of((b"A",)) is table.of((b"A",))
    assert table.of((b"A",)) is not table.of((b"a",))
    for number in range(fields.MAX_SHAPES + 10):
        table.of((b"x-%d" % number,))
    late = table.of((b"late",))
    assert late is not table.of((b"late",))
    assert passed(late) == b"late: 0\r\n"


def test_recognisers_are_bounded_and_come_late() -> None:
    table = Shapes(rb"(x)\r\n")
    shape = table.of((b"A",))
    assert shape.reading(NOTHING) is None
    made = 0
    for number in range(fields.MAX_READINGS + 10):
        for _ in range(SEEN_OFTEN):
            shape = table.of((b"x-%d" % number,))
        made += shape.reading(NOTHING) is not None
        assert shape.reading(NOTHING) is shape.reading(NOTHING)
    assert made == fields.MAX_READINGS


def test_values_are_taken_apart_as_the_parser_does() -> None:
    raw = b"GET / HTTP/1.1\r\nA: 1\r\nB:  two words \t\r\nC: \r\nD: x: y\r\n\r\n"
    assert values_of(raw) == [b"1", b"two words", b"", b"x: y"]


@pytest.mark.parametrize("end", [b"\r\n\r\n", b"\r\n\r\nbody\r\nB: another\r\n"], ids=["head", "body"])
def test_one_value_is_found_without_the_others(end: bytes) -> None:
    fields_of = b"A: B: 1\r\nAB: x\r\nB:  two words \t\r\nC: \r\nTwice: 1\r\ntwice: 2\r\nD: x: y"
    raw = b"GET / HTTP/1.1\r\n" + fields_of + end
    names = tuple(line.partition(b":")[0] for line in fields_of.split(b"\r\n"))
    table = Shapes(rb"GET / HTTP/1\.1\r\n()()")
    for _ in range(SEEN_OFTEN):
        shape = table.of(names)
    for name in (*shape.lower, b"unknown"):
        known = Head()
        known.reading, known.shape, known.raw, known.groups = shape.reading(NOTHING), shape, raw, ()
        known.size, known._values = raw.index(b"\r\n\r\n") + 4, None
        assert known.get(name) == dict(zip(shape.lower, known.values, strict=True)).get(name)
