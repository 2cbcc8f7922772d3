"""A mock inside somebody's loop ends with everything that it has accepted, whenever it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket

import pytest

from fastproxy.loadtest.mock import MockOptions, start


@pytest.mark.parametrize("turns", range(6))
def test_a_connection_that_was_just_accepted_is_closed_too(turns: int) -> None:
    """It was left to the garbage collector, whose warning failed whichever test ran then."""

    async def run() -> socket.socket:
        mock = await start(MockOptions())
        sock = await asyncio.to_thread(socket.create_connection, ("127.0.0.1", mock.port))
        for _ in range(turns):
            await asyncio.sleep(0)
        mock.close()
        await mock.wait_closed()
        return sock

    with asyncio.run(run()) as sock:
        gc.collect()
        sock.settimeout(5)
        with contextlib.suppress(ConnectionResetError):  # it may still have been in the kernel's queue
            assert sock.recv(1) == b""
