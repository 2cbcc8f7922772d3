"""The mock's processes: one loop that serves until it is told to stop, or several on one port and a parent who watches.

The kernel spreads connections over the processes (SO_REUSEPORT); the books are one shared mapping.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import uvloop

from fastproxy.loadtest.mock_books import Books
from fastproxy.loadtest.mock_host import Host
from fastproxy.loadtest.mock_server import MockProtocol
from fastproxy.loadtest.mock_service import Service

if TYPE_CHECKING:
    from fastproxy.loadtest.mock_behaviour import MockOptions

BACKLOG = 4096
_POLL_S = 0.02
_BEAT_S = 0.25
Ready = Callable[[int], None]
Lives = Callable[[], bool]


class Ties(NamedTuple):
    """What binds a serving process to who started it."""

    ready: Ready | None = None
    lives: Lives | None = None
    leash: int | None = None  # a descriptor that becomes readable when its parent ends


def run(
    options: MockOptions,
    sockets: list[socket.socket] | None = None,
    ready: Ready | None = None,
    lives: Lives | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, on the given listening sockets or on the options' address.

    `lives` is asked four times a second, as a sign of life; False ends it. For one process only.

    With several processes, this one only watches: it starts the others, and stops them when it is told to stop or
    when one of them ends.
    """
    if options.processes <= 1:
        listening = sockets or [_bind(options.host, options.port, shared=False)]
        _serve(options, Books(), listening, Ties(ready, lives))
        return
    books = Books(options.processes)
    first = _bind(options.host, options.port, shared=True)
    port = first.getsockname()[1]
    listeners = [first, *(_bind(options.host, port, shared=True) for _ in range(options.processes - 1))]
    leash, held = os.pipe()  # Whose other end is closed when this process ends, however it ends.
    children = [_fork(options, books, listeners, index, (leash, held)) for index in range(options.processes)]
    for listener in listeners:
        listener.close()
    if ready is not None:
        ready(port)
    _watch(children)


def _fork(options: MockOptions, books: Books, listeners: list[socket.socket], index: int, pipe: tuple[int, int]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    leash, held = pipe
    try:
        os.close(held)
        for other, listener in enumerate(listeners):
            if other != index:
                listener.close()
        books.take(index)
        _serve(options, books, [listeners[index]], Ties(leash=leash))
        code = 0
    except Exception:  # The edge of the process: nobody above could print it.
        traceback.print_exc()
    finally:
        os._exit(code)  # Never back into the parent's code.


def _watch(children: list[int]) -> None:
    def stop(*_: object) -> None:
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    while children:
        pid, _ = os.wait()
        children.remove(pid)
        stop()


def _serve(options: MockOptions, books: Books, listening: list[socket.socket], ties: Ties) -> None:
    async def serve() -> None:
        stopped = asyncio.Event()
        if ties.lives is not None:
            _beat(ties.lives, stopped)
        if ties.leash is not None:
            asyncio.get_running_loop().add_reader(ties.leash, stopped.set)
        await _until(stopped, Host(Service(options, books), asyncio.get_running_loop()), listening, ties.ready)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


def _beat(lives: Lives, stopped: asyncio.Event) -> None:
    if lives():
        asyncio.get_running_loop().call_later(_BEAT_S, _beat, lives, stopped)
    else:
        stopped.set()


async def _until(stopped: asyncio.Event, host: Host, listening: list[socket.socket], ready: Ready | None) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    tls = context(host.service.options)
    servers = [
        await loop.create_server(lambda: MockProtocol(host), sock=listener, backlog=BACKLOG, ssl=tls)
        for listener in listening
    ]
    if ready is not None:
        ready(listening[0].getsockname()[1])
    await stopped.wait()
    for server in servers:
        server.close()
    await _finish(host, host.service.options.grace_s)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)  # told twice to stop is still a clean end


async def _finish(host: Host, grace_s: float) -> None:
    """Let streams end, for a while."""
    for _ in range(int(grace_s / _POLL_S)):
        if not any(connection.busy for connection in host.connections):
            break
        await asyncio.sleep(_POLL_S)
    host.stop()
    await asyncio.sleep(0)


def _bind(host: str, port: int, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, port))
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def context(options: MockOptions) -> ssl.SSLContext | None:
    """The TLS settings, when there is a certificate."""
    if options.certificate is None:
        return None
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(options.certificate, options.private_key)
    made.set_alpn_protocols(["http/1.1"])
    return made
