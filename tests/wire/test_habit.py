"""A habit by itself: what it learns of heads, when it gives up, and what connections learn of each other."""

from __future__ import annotations

import pytest

from fastproxy.wire import stencil
from fastproxy.wire.stencil import CONSTANTS, FIRST_EXTRA, MAX_HOLES, MAX_SHARED, NO_STENCIL, Habit, extra
from tests.wire.side_by_side import WARM_UP


@pytest.fixture(autouse=True)
def nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests have learnt is forgotten."""
    monkeypatch.setattr(stencil, "_known_holes", {})
    monkeypatch.setattr(stencil, "_stencils", {})


def test_a_stencil_fills_what_it_cut() -> None:
    habit = Habit()
    for number in range(WARM_UP):
        habit.learn(b"GET / HTTP/1.1\r\nA: %d\r\nB: b\r\n\r\n" % number, lambda head: head.upper() + extra(0))
    stencil = habit.stencil
    match = stencil.match(b"GET / HTTP/1.1\r\nA: \xffnew\r\nB: b\r\n\r\nrest")
    assert match is not None
    groups = match.groups()
    assert groups[CONSTANTS] == stencil.constants
    for body in (b"", b"body"):
        filled = stencil.fill(groups, (b"own", body))
        assert filled == b"GET / HTTP/1.1\r\nA: \xffnew\r\nB: B\r\n\r\nown" + body


def test_a_stencil_leaves_out_an_extra_that_is_not_asked_for() -> None:
    habit = Habit()
    for number in range(WARM_UP):
        habit.learn(b"GET / HTTP/1.1\r\nA: %d\r\n\r\n" % number, lambda head: extra(1) + head + extra(0))
    match = habit.stencil.match(b"GET / HTTP/1.1\r\nA: new\r\n\r\n")
    assert match is not None
    filled = habit.stencil.fill(match.groups(), (b"first", b"second", b"third", b"body"))
    assert filled == b"secondGET / HTTP/1.1\r\nA: new\r\n\r\nfirstbody"


def test_extras_are_never_taken_for_holes() -> None:
    assert MAX_HOLES < FIRST_EXTRA


def test_a_rewrite_that_declines_is_not_asked_again_soon() -> None:
    habit, asked = Habit(), []

    def decline(head: bytes) -> None:
        asked.append(head)

    for number in range(1000):
        habit.learn(b"GET / HTTP/1.1\r\nA: %d\r\n\r\n" % number, decline)
    assert habit.stencil is NO_STENCIL
    assert len(asked) == 1


def test_another_habit_takes_over() -> None:
    habit = Habit()
    for name in (b"A", b"B", b"A"):
        for number in range(4 * WARM_UP):
            habit.learn(b"GET / HTTP/1.1\r\n%b: %d\r\n\r\n" % (name, number), lambda head: head)
        match = habit.stencil.match(b"GET / HTTP/1.1\r\n%b: x\r\n\r\n" % name)
        assert match is not None
        assert match.groups()[CONSTANTS] == habit.stencil.constants


def test_varying_start_lines_and_long_heads_cost_nothing_in_the_end() -> None:
    def refuse(head: bytes) -> bytes:
        raise AssertionError("nothing to cut")

    varied, long = Habit(), Habit()
    for number in range(1000):
        varied.learn(b"GET /%d HTTP/1.1\r\nA: x\r\n\r\n" % number, refuse)
        long.learn(b"GET / HTTP/1.1\r\nA: %b%d\r\n\r\n" % (b"x" * 3000, number), refuse)
    assert varied._misses < 0
    assert long._misses < 0
    assert (varied._head, long._head) == (b"", b"")


def test_clients_chose_how_much_was_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stencil, "COMPILED_PER_SECOND", 3)
    monkeypatch.setattr(stencil, "_budget", stencil._Budget())
    monkeypatch.setattr(stencil, "monotonic", lambda: 7.0)
    fits = 0
    for length in range(10):
        habit = Habit()
        for number in range(2 * WARM_UP):
            habit.learn(b"GET /%b HTTP/1.1\r\nUnseen: %d\r\n\r\n" % (b"z" * (900 + length), number), lambda head: head)
        fits += habit.stencil is not NO_STENCIL
    assert fits == 3


def _traced(trace: int, host: bytes = b"a.test", note: bytes = b"n") -> bytes:
    return b"GET /follow HTTP/1.1\r\nHost: %b\r\nX-Note: %b\r\ntraceparent: %d\r\n\r\n" % (host, note, trace)


def _same(head: bytes) -> bytes:
    return head


def test_a_new_connection_follows_what_others_have_learnt() -> None:
    """Most connections of a client are short, and each had to see 33 heads before it knew them."""
    first, second, other = Habit(), Habit(), Habit()
    for trace in range(WARM_UP):
        first.learn(_traced(trace), _same)
    assert first.stencil is not NO_STENCIL
    second.learn(_traced(1000), _same)
    assert second.stencil is first.stencil
    other.learn(_traced(1000, b"b.test"), _same)
    assert other.stencil not in (first.stencil, NO_STENCIL)
    match = other.stencil.match(_traced(7, b"b.test"))
    assert match is not None
    assert (match.groups()[CONSTANTS] == other.stencil.constants, match.groups()[1::2]) == (True, (b"7",))


def test_who_follows_others_learns_what_is_different_with_it() -> None:
    first, second = Habit(), Habit()
    for trace in range(WARM_UP):
        first.learn(_traced(trace), _same)
    for trace in range(WARM_UP):
        second.learn(_traced(trace, note=b"%d" % trace), _same)
    assert len(second.stencil.constants) == 3


def test_what_is_known_of_heads_is_bounded() -> None:
    for number in range(MAX_SHARED + 50):
        habit = Habit()
        for trace in range(WARM_UP):
            habit.learn(b"GET /%d HTTP/1.1\r\nTrace: %d\r\n\r\n" % (number, trace), _same)
    assert len(stencil._known_holes) <= MAX_SHARED
    assert len(stencil._stencils) <= MAX_SHARED
