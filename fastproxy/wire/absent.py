"""A client that has left, in whose place its reply is read on: what is written to it goes nowhere.

It counts among the open connections until its exchange is settled, so their bound holds for what is read for nobody,
and a worker that drains waits for it as long as it waits for anybody.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from fastproxy.wire.inbound import AT_CLOSED, AT_REPLY, Inbound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fastproxy.wire.front import Exchange

MAX_BYTES: Final = 64 << 20  # of one reply that nobody gets


class Nowhere(asyncio.Transport):
    """Takes everything, counts it, and calls `full` once there is more of it than `most`."""

    def __init__(self, most: int, full: Callable[[], None]) -> None:
        super().__init__()
        self._left = most
        self._full = full

    def write(self, data: Any) -> None:
        before = self._left
        self._left -= len(data)
        if self._left < 0 <= before:
            self._full()

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.write(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        """Nothing is read."""

    def resume_reading(self) -> None:
        """Nothing is read."""

    def write_eof(self) -> None:
        """Nobody waits for an end."""

    def close(self) -> None:
        """Nothing is open."""

    def abort(self) -> None:
        """Nothing is open."""


class Absent(Inbound):
    """Stands in for the connection `left`, of which the exchange needs nothing more but what it knows of the client."""

    __slots__ = ()

    def __init__(self, left: Inbound, exchange: Exchange, full: Callable[[], None], most: int = MAX_BYTES) -> None:
        super().__init__(left.front, left.secure)
        self.state = AT_REPLY
        self.keep_alive = False
        self.peer, self.forwarded = left.peer, left.forwarded
        self.exchange = exchange
        self.transport = Nowhere(most, full)
        self.front.open.add(self)

    def _leave(self) -> None:
        self.state = AT_CLOSED
        self.front.open.discard(self)

    def finish(self) -> None:
        self.exchange = None
        self._leave()

    def linger(self) -> None:
        self._leave()

    def cut(self) -> None:
        self._leave()

    def abort(self) -> None:
        self._leave()
