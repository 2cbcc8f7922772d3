"""Delivery over time: one shared timer wheel, and one Delivery per reply that is late, slow or broken.

The wheel has a slot per millisecond and one loop timer per slot in use, however many streams wait in it: a timer of
the loop costs about a microsecond, an entry in a slot a tenth of that.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio
    import random
    from collections.abc import Callable

    from fastproxy.loadtest.mock_behaviour import Behaviour
    from fastproxy.loadtest.mock_reply import Reply

_BEFORE_RESET_S = 0.02  # A reset destroys what the peer has not read yet: let it read first.
_MOST_DRAWN = 1000  # of a long plain reply's times; the rest are as these on average


class Wheel:
    """Callbacks at a time, to the millisecond. Nothing is cancelled: who has gone ignores the call."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: dict[int, list[Callable[[], None]]] = {}
        self.now = loop.time

    def at(self, when: float, callback: Callable[[], None]) -> None:
        """Call at `when` (loop time) or at most a millisecond later."""
        slot = math.ceil(when * 1000)
        waiting = self._slots.get(slot)
        if waiting is None:
            self._slots[slot] = [callback]
            self._loop.call_at(slot / 1000, self._fire, slot)
        else:
            waiting.append(callback)

    def _fire(self, slot: int) -> None:
        for callback in self._slots.pop(slot):
            callback()


class Peer(Protocol):
    """What a Delivery needs of its connection."""

    closed: bool
    paused: bool

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport."""

    def break_off(self, *, reset: bool) -> None:
        """End the connection in the middle of a reply."""

    def delivered(self) -> None:
        """The whole reply went out."""


class Delivery:
    """One reply on its way: head, pieces, end; each step writes what is due and asks the wheel for the next."""

    __slots__ = (
        "_behaviour", "_due", "_gap", "_head", "_held", "_last", "_peer", "_pieces", "_rng", "_stalled", "_wheel",
        "begun", "reply", "sent",
    )  # fmt: skip

    def __init__(self, peer: Peer, wheel: Wheel, reply: Reply, behaviour: Behaviour, rng: random.Random) -> None:
        self._peer = peer
        self._wheel = wheel
        self.reply = reply
        self._behaviour = behaviour
        self._rng = rng
        self._gap = bool(behaviour.gap) and reply.stream
        self._last = reply.marks.rfind(1)
        self.sent = 0
        self.begun = False
        self._stalled = False
        self._held = False
        self._due = wheel.now()

    def start(self, head: bytes, pieces: list[bytes]) -> None:
        """`pieces` are framed; a trailing chunk belongs to the last one. A plain body takes all its time up front."""
        self._head = head
        self._pieces = pieces
        behaviour = self._behaviour
        wait = behaviour.latency.draw(self._rng)
        if not self.reply.stream and behaviour.gap:
            words = min(behaviour.tokens, _MOST_DRAWN)
            drawn = sum(behaviour.gap.draw(self._rng) for _ in range(words))
            wait += drawn * behaviour.tokens / max(1, words)
        self._wait(wait * behaviour.slower)

    def resume(self) -> None:
        """The client reads again: go on, unless the next step is on the wheel anyway."""
        if self._held:
            self._held = False
            self._step()

    def _wait(self, milliseconds: float) -> None:
        if not milliseconds:
            self._step()
            return
        self._due = max(self._due + milliseconds / 1000, self._wheel.now())
        self._wheel.at(self._due, self._step)

    def _step(self) -> None:
        if self._peer.closed:
            return
        if self._peer.paused:
            self._held = True
            return
        due: list[bytes] = []
        pause = self._collect(due)
        if due:
            self._peer.write(b"".join(due))
        if pause is not None:
            self._wait(pause)
        elif self.sent == self._behaviour.end_after:
            self._break_off()
        else:
            self._peer.delivered()

    def _collect(self, due: list[bytes]) -> float | None:
        """Everything until the next pause, whose length is returned; None at the end."""
        while True:
            if self.sent == self._behaviour.end_after:
                return None
            if self.sent == self._behaviour.stall_after and not self._stalled:
                self._stalled = True
                return self._behaviour.stall_ms
            if not self.begun:
                self.begun = True
                due.append(self._head)
            if self.sent == len(self._pieces):
                return None
            due.append(self._pieces[self.sent])
            self.sent += 1
            if self._is_paced(self.sent):
                return self._behaviour.gap.draw(self._rng) * self._behaviour.slower

    def _is_paced(self, sent: int) -> bool:
        """True between two tokens of a stream; what stands before and after them goes with them."""
        return self._gap and sent <= self._last and bool(self.reply.marks[sent - 1])

    def _break_off(self) -> None:
        """The connection's end settles this delivery, as it does when the client goes."""
        reset = self._behaviour.reset
        if reset and self.begun:
            self._wheel.at(self._wheel.now() + _BEFORE_RESET_S, lambda: self._peer.break_off(reset=True))
        else:
            self._peer.break_off(reset=reset)
