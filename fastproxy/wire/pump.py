"""Moving the bytes of large bodies and tunnels from one connection to the other without copying them in Python.

A pump takes the place of the source's protocol. Reads land in one buffer per worker; a memoryview of what was read goes
to the sink's transport, which writes it at once. If the kernel did not take all of it, the view is still in the sink's
queue, so the buffer changes owner: the worker gets a fresh one (bench/micro/test_pump.py shows the corruption
otherwise).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from fastproxy.wire.under import hand_reads_to

if TYPE_CHECKING:
    from collections.abc import Callable

BUFFER_BYTES: Final = 65536  # also the most that one slow reader can hold
WRITE_HIGH_BYTES: Final = 65536  # a transport's limit outside of pumps


class Reservoir:
    """The receive buffer that all pumps of a worker share; between two reads nobody owns it."""

    __slots__ = ("view",)

    def __init__(self) -> None:
        self.view = memoryview(bytearray(BUFFER_BYTES + 1))

    def renew(self) -> None:
        self.view = memoryview(bytearray(BUFFER_BYTES + 1))


class Pump(asyncio.BufferedProtocol):
    """Relays a number of bytes (or everything) from `source` to `sink`; see `start`.

    `moved(count)` is called per read, before its bytes are written. `done(surplus)` is called at the end of a counted
    body with what was read beyond it, when the reads are the old protocol's again; or with None at the source's EOF. A
    source that breaks is reported to the old protocol.
    """

    __slots__ = ("_done", "_reservoir", "_view", "left", "moved", "original", "sink", "source")

    def __init__(
        self,
        source: asyncio.Transport,
        sink: asyncio.Transport,
        reservoir: Reservoir,
        moved: Callable[[int], None],
        done: Callable[[bytes | None], None],
    ) -> None:
        self.source = source
        self.sink = sink
        self.left = -1
        self.moved = moved
        self._done = done
        self._reservoir = reservoir
        self._view = reservoir.view
        self.original = source.get_protocol()

    def start(self, left: int = -1) -> None:
        """Take over the source's reads."""
        self.left = left
        self.sink.set_write_buffer_limits(high=0)
        hand_reads_to(self, self.source)

    def stop(self) -> None:
        """Give the reads back to the protocol that had them."""
        self._restore_sink()
        if not self.source.is_closing():
            hand_reads_to(self.original, self.source)

    def _restore_sink(self) -> None:
        if not self.sink.is_closing():  # uvloop raises on a closed one
            self.sink.set_write_buffer_limits(high=WRITE_HIGH_BYTES)

    def get_buffer(self, sizehint: int) -> memoryview:
        view = self._view = self._reservoir.view
        # One byte more than is due, so that bytes beyond the end are seen and not taken for another message.
        return view[: self.left + 1] if 0 <= self.left <= BUFFER_BYTES else view

    def buffer_updated(self, nbytes: int) -> None:
        count = nbytes if self.left < 0 else min(nbytes, self.left)
        surplus = bytes(self._view[count:nbytes])
        self.moved(count)
        self.sink.write(self._view[:count])
        if self.sink.get_write_buffer_size():
            self._reservoir.renew()
        if self.left > 0:
            self.left -= count
            if not self.left:
                self.stop()
                self._done(surplus)

    def eof_received(self) -> bool:
        self._done(None)
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self._restore_sink()
        # The protocol below keeps its own books of open connections; it must hear of the end as well.
        original: asyncio.BaseProtocol = self.original
        original.connection_lost(error)

    def pause_writing(self) -> None:
        self.original.pause_writing()

    def resume_writing(self) -> None:
        self.original.resume_writing()
