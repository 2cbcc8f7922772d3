"""A gateway of one process for the tests that count system calls: prints its port, serves until its input ends."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import uvloop

from fastproxy.gateway.door import Door
from fastproxy.gateway.world import World
from fastproxy.wire.deadlines import TICK_S, Deadlines
from fastproxy.wire.front import Front
from fastproxy.wire.inbound import Inbound
from tests.wire.stage import edge_snapshot

if TYPE_CHECKING:
    from collections.abc import Coroutine


async def main(upstream: str) -> None:
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[Any]] = set()

    def spawn(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = loop.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    deadlines = Deadlines()
    world = World(edge_snapshot(upstream), deadlines, spawn)
    front = Front(Door(world), deadlines, world.limits)

    def tick() -> None:
        loop.call_later(TICK_S, tick)
        deadlines.tick()
        world.date_line = b"date: Sat, 21 Nov 2026 12:00:00 GMT\r\n"

    tick()
    server = await loop.create_server(lambda: Inbound(front), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
