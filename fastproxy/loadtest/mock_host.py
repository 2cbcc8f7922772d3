"""What all connections of one process share: the service, the timer wheel, and the tick of the second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from fastproxy.loadtest.mock_pace import Wheel

if TYPE_CHECKING:
    import asyncio

    from fastproxy.loadtest.mock_service import Service


class Connection(Protocol):
    """What the host needs of a connection."""

    @property
    def busy(self) -> object | None:
        """Not None while a reply is under way."""

    def break_off(self, *, reset: bool) -> None:
        """End it now."""


class Host:
    """One per process."""

    def __init__(self, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        self.service = service
        self.wheel = Wheel(loop)
        self.connections: set[Connection] = set()
        self.stopped = False
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._tick()

    def _tick(self) -> None:
        """Once a second: the date moves on, and remembered replies are forgotten."""
        self.service.tick(int(time.time()))
        self._timer = self._loop.call_later(1.0, self._tick)

    def stop(self) -> None:
        """Close what is left, and what was accepted a moment ago as soon as it is there, and let the loop end."""
        self.stopped = True
        if self._timer is not None:
            self._timer.cancel()
        for connection in list(self.connections):
            connection.break_off(reset=False)
