"""Heads: reading a request's and a reply's, and what a memo of whole heads would give and cost.

The heads differ in one value from call to call, as real ones do. The memo is the rejected alternative: it wins only as
long as nothing changes. Run with `make bench-micro`.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from bench import traffic
from fastproxy.wire.fields import SEEN_OFTEN
from fastproxy.wire.reply_head import ReplyHead, parse_reply
from fastproxy.wire.request_head import HeadLimits, RequestHead, parse_request, read_known
from fastproxy.wire.stencil import CONSTANTS, Habit

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

LIMITS = HeadLimits()
FIELDS = "".join(f"{name}: {value}\r\n" for name, value in traffic.client_fields(traffic.SHORT_BYTES))
HEADS = [
    f"POST {traffic.PATH} HTTP/1.1\r\n{FIELDS}traceparent: 00-{number:032x}-{number:016x}-01\r\n\r\n".encode()
    for number in range(1, 16_384)
]
REPLY_HEAD = traffic.REPLY[: -traffic.REPLY_BYTES]


def test_read_a_request_head(benchmark: BenchmarkFixture) -> None:
    heads = itertools.cycle(HEADS)

    def read() -> RequestHead:
        return parse_request(next(heads), LIMITS)

    assert benchmark(read).length == traffic.SHORT_BYTES


def test_read_a_reply_head(benchmark: BenchmarkFixture) -> None:
    def read() -> ReplyHead:
        return parse_reply(REPLY_HEAD, to_head_request=False)

    assert benchmark(read).length == traffic.REPLY_BYTES


def test_recognise_a_request_head(benchmark: BenchmarkFixture) -> None:
    """The way of the second and every later request of a connection: one match of a known shape."""
    for head in HEADS[:SEEN_OFTEN]:
        shape = parse_request(head, LIMITS).shape
    reading = shape.reading(frozenset((b"authorization",)))
    assert reading is not None
    heads = itertools.cycle(HEADS)

    def read() -> RequestHead | None:
        return read_known(reading, next(heads), LIMITS)

    head = benchmark(read)
    assert head is not None
    assert head.length == traffic.SHORT_BYTES


def test_fit_a_stencil_to_a_request_head(benchmark: BenchmarkFixture) -> None:
    """The way of a repeating client on the lane: the constant stretches compared as a whole, two values picked out."""
    habit = Habit()
    for head in HEADS[: SEEN_OFTEN + 4]:
        habit.learn(head, lambda marked: marked)
    stencil = habit.stencil
    heads = itertools.cycle(HEADS)

    def read() -> tuple[bytes, ...]:
        match = stencil.match(next(heads))
        assert match is not None
        groups = match.groups()
        assert groups[CONSTANTS] == stencil.constants
        return groups

    assert benchmark(read)[stencil.length_at] == b"%d" % traffic.SHORT_BYTES


@pytest.mark.parametrize("varying", [False, True], ids=["same_head", "varying_heads"])
def test_rejected_memo_of_whole_heads(benchmark: BenchmarkFixture, varying: bool) -> None:
    heads = itertools.cycle(HEADS if varying else HEADS[:1])
    memo: dict[bytes, RequestHead] = {}

    def read() -> RequestHead:
        raw = next(heads)
        known = memo.get(raw)
        if known is None:
            if len(memo) >= 4096:
                memo.clear()
            known = memo[raw] = parse_request(raw, LIMITS)
        return known

    assert benchmark(read).length == traffic.SHORT_BYTES
