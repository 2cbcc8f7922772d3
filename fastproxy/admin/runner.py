"""Runs the admin application on sockets that are already bound, until it is told to stop or its master is gone.

Imported only inside the admin process (serve.py), because it pulls in the web framework. Writes only its own arena
column: state, and a heartbeat each second. The control plane runs beside it, and ends after the last reply: with a look
into the journals, so that nothing which the workers wrote before they left waits for the next start.

    STARTING ──sockets served──► READY ──TERM | master gone──► DRAINING ──connections done, 5 s at most──► STOPPED
                                   └──────────────────────────QUIT──────────────────────────────────────────►

INT is left as the master made it: a terminal sends it to everybody, and only the master decides what it means.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn

from fastproxy.shared import rows

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from fastproxy.admin.plane import Plane

BEAT_S = 1.0
GRACE_S = 5  # longest wait for open replies; the admin plane has no long ones


class Server(uvicorn.Server):
    """uvicorn without its signal handling: it would raise the signal again at the end, and exit with it."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `run`."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Report ready once the sockets are served."""
        await super().startup(sockets=sockets)
        self._on_ready()


def configure(app: object) -> uvicorn.Config:
    """Return uvicorn's settings; peers are taken from the socket, never from headers."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # uvicorn's own name for "an ASGI application" is not exported
        http="httptools",
        ws="none",
        loop="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_S,
    )


@dataclass(frozen=True, slots=True)
class Work:
    """What to run: the application, where it is reached, and what goes on beside it."""

    app: object
    sockets: list[socket.socket]
    plane: Plane | None = None


def run(work: Work, column: memoryview, master_pid: int) -> None:
    """Serve until stopped; returns when everything is closed."""
    asyncio.run(_serve(work, column, master_pid))


async def _serve(work: Work, column: memoryview, master_pid: int) -> None:
    def ready() -> None:
        column[rows.STATE] = rows.READY

    def stop() -> None:
        column[rows.STATE] = rows.DRAINING
        server.should_exit = True

    server = Server(configure(work.app), ready)

    def stop_now() -> None:
        server.force_exit = True
        stop()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop)
    loop.add_signal_handler(signal.SIGQUIT, stop_now)
    async with asyncio.TaskGroup() as group:
        beat = group.create_task(_beat(column, lambda: os.getppid() == master_pid, stop))
        await serve_beside(server, work)
        beat.cancel()
    column[rows.STATE] = rows.STOPPED


async def serve_beside(server: Server, work: Work) -> None:
    """Serve until the server is told to exit, with the control plane running; then end that as well."""
    async with asyncio.TaskGroup() as group:
        running = group.create_task(work.plane.run()) if work.plane is not None else None
        await server.serve(sockets=work.sockets)
        if running is not None:
            running.cancel()
    if work.plane is not None:
        await (work.plane.let_go() if server.force_exit else work.plane.close())


async def _beat(column: memoryview, has_master: Callable[[], bool], stop: Callable[[], None]) -> None:
    while True:
        column[rows.HEARTBEAT] = int(time.monotonic() * 1000)
        if not has_master():
            stop()
        await asyncio.sleep(BEAT_S)
