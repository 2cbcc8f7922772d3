"""One generator process, as its parent starts it: `python -m fastproxy.loadtest.load.process`.

    stdin    a Plan, then the time of the monotonic clock (ns) at which to begin; its end means: the parent is gone
    stdout   a Tally about twice a second, cumulative but for its seconds, of which only the latest come along;
             and a last one that is whole
    stderr   why it could not run

Frames are msgpack behind their length (4 bytes, big-endian). SIGINT and SIGTERM end the run early; it still reports.
Exit codes: 0 it has reported, 1 it could not run, 2 the plan could not be read.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import ssl
import struct
import sys
from typing import Final

import msgspec
import uvloop

from fastproxy.loadtest.load.generator import Generator
from fastproxy.loadtest.load.shapes import Plan, Tally

FRAME: Final = struct.Struct(">I")
_STDIN: Final = 0
_STDOUT: Final = 1
_AHEAD: Final = 1 << 16  # unread reports; the parent is slow, and more of them would not help it


class _Outlet(asyncio.BaseProtocol):
    """The pipe to the parent: it says when that is closed."""

    def __init__(self, closed: asyncio.Future[None]) -> None:
        self._closed = closed

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closed.done():
            self._closed.set_result(None)


def main() -> int:
    """Read the plan, run it, report."""
    _raise_file_limit()
    try:
        plan = msgspec.msgpack.decode(_read_frame(), type=Plan)
        start = msgspec.msgpack.decode(_read_frame(), type=int)
    except (msgspec.DecodeError, EOFError) as error:
        sys.stderr.write(f"generator: the plan could not be read: {error}\n")
        return 2
    try:
        uvloop.run(_run(plan, start))
    except (OSError, ValueError, ssl.SSLError) as error:
        sys.stderr.write(f"generator: {error}\n")
        return 1
    return 0


async def _run(plan: Plan, start: int) -> None:
    loop = asyncio.get_running_loop()
    closed: asyncio.Future[None] = loop.create_future()
    transport, _ = await loop.connect_write_pipe(lambda: _Outlet(closed), os.fdopen(os.dup(_STDOUT), "wb", 0))

    def report(tally: Tally) -> None:
        if not closed.done() and transport.get_write_buffer_size() < _AHEAD:
            transport.write(_frame(tally))

    generator = Generator(plan, loop, report)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, generator.stop)
    loop.add_reader(_STDIN, _parent_said, loop, generator)
    gc.collect()
    gc.freeze()  # what is there now stays; a collection during the run need not look at it
    tally = await generator.run(start)
    if not closed.done():
        transport.write(_frame(tally))
        transport.close()  # when all is written
    await closed


def _parent_said(loop: asyncio.AbstractEventLoop, generator: Generator) -> None:
    if not os.read(_STDIN, 4096):
        loop.remove_reader(_STDIN)
        generator.stop()


def _frame(tally: Tally) -> bytes:
    data = msgspec.msgpack.encode(tally)
    return FRAME.pack(len(data)) + data


def _read_frame() -> bytes:
    (size,) = FRAME.unpack(_read(FRAME.size))
    return _read(size)


def _read(size: int) -> bytes:
    """Exactly so many bytes. Raises: EOFError."""
    pieces = []
    while size:
        data = os.read(_STDIN, min(size, 1 << 20))
        if not data:
            raise EOFError("it ends too early")
        pieces.append(data)
        size -= len(data)
    return b"".join(pieces)


def _raise_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
