"""One clock and one tick for all timeouts."""

from __future__ import annotations

from fastproxy.wire.deadlines import NEVER, Deadlines
from tests.wire.fakes import Clock


class Peer:
    def __init__(self, deadlines: Deadlines, deadline: float) -> None:
        self.deadline = deadline
        self.expired_at: list[float] = []
        self._deadlines = deadlines
        deadlines.live.add(self)

    def expire(self) -> None:
        self.expired_at.append(self._deadlines.now)
        self._deadlines.live.discard(self)


def test_what_is_due_expires_once_and_at_its_time() -> None:
    clock = Clock()
    deadlines = Deadlines(clock)
    early, late, never = (Peer(deadlines, deadline) for deadline in (1001.0, 1002.0, NEVER))
    for clock.now in (1000.9, 1001.0, 1001.5, 1002.1, 1e9):
        deadlines.tick()
    assert (early.expired_at, late.expired_at, never.expired_at) == ([1001.0], [1002.1], [])
    assert early.deadline == NEVER


def test_time_stands_still_between_ticks() -> None:
    clock = Clock()
    deadlines = Deadlines(clock)
    clock.now += 5
    assert deadlines.now == 1000.0
    deadlines.tick()
    assert deadlines.now == 1005.0


def test_expiring_may_change_who_is_alive() -> None:
    clock = Clock()
    deadlines = Deadlines(clock)

    class Parent(Peer):
        def expire(self) -> None:
            super().expire()
            Peer(deadlines, clock.now - 1)

    parents = [Parent(deadlines, 1001.0) for _ in range(20)]
    clock.now = 1001.0
    deadlines.tick()
    assert all(parent.expired_at == [1001.0] for parent in parents)
    assert len(deadlines.live) == 20


def test_a_peer_that_is_not_alive_any_more_does_not_expire() -> None:
    clock = Clock()
    deadlines = Deadlines(clock)
    peer = Peer(deadlines, 1001.0)
    deadlines.live.discard(peer)
    clock.now = 2000.0
    deadlines.tick()
    assert peer.expired_at == []
