"""A worker for tests of the master: accepts on its seat's sockets, answers each request with its pid, drains.

It does what the docstring of seat.py asks of a role, and nothing else: GET / answers at once, /slow/<seconds> later.
Every answer closes its connection.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

from fastproxy.shared import rows

if TYPE_CHECKING:
    from fastproxy.server.seat import Seat

TICK_S = 0.05


class ToyWorker:
    def __init__(self, seat: Seat) -> None:
        self.seat = seat
        self.topology = -1
        self.servers: dict[int, asyncio.Server] = {}
        self.draining = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.draining.set)
        loop.add_signal_handler(signal.SIGQUIT, os._exit, 0)
        await self.look()
        self.seat.ready()
        while not self.draining.is_set():
            await self.look()
            if self.seat.is_orphan():
                self.draining.set()
            await asyncio.sleep(TICK_S)
        await self.drain()

    async def look(self) -> None:
        self.seat.beat()
        if self.seat.board.generation() != self.seat.column[rows.GENERATION]:
            self.seat.uses(self.seat.board.read()[0])
        if self.seat.topology == self.topology:
            return
        self.topology = self.seat.topology
        mine = {sock.fileno(): sock for _, sock in self.seat.listeners()}
        for number in set(self.servers) - set(mine):
            self.servers.pop(number).close()
        for number in set(mine) - set(self.servers):
            self.servers[number] = await asyncio.start_server(self.answer, sock=mine[number].dup(), backlog=4096)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seat.column[rows.CLIENTS_OPEN] += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ")[1].decode()
            if path.startswith("/slow/"):
                await asyncio.sleep(float(path.removeprefix("/slow/")))
            body = str(os.getpid()).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
            self.seat.column[rows.REQUESTS] += 1
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self.seat.column[rows.CLIENTS_OPEN] -= 1

    async def drain(self) -> None:
        self.seat.draining()
        for server in self.servers.values():
            server.close()
        self.seat.close_sockets()
        await asyncio.sleep(TICK_S)  # what was accepted in this turn of the loop gets its callback in the next
        while self.seat.column[rows.CLIENTS_OPEN]:  # noqa: ASYNC110 - a cell in shared memory has no event
            await asyncio.sleep(TICK_S)


def run(seat: Seat) -> None:
    async def serve() -> None:
        await ToyWorker(seat).run()

    asyncio.run(serve())
