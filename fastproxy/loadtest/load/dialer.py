"""Opens connections and keeps count of them: TCP or TLS to the plan's address, looked up once."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

from fastproxy.loadtest.load.client import BUSY, GONE, Connection, Holder

if TYPE_CHECKING:
    from fastproxy.loadtest.load.client import Clock
    from fastproxy.loadtest.load.meter import Meter
    from fastproxy.loadtest.load.shapes import Plan

_TOGETHER: Final = 100  # connections opened at once: the target's listen queue is not what is measured
_PLAIN_FAULTS: Final = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH)
_OWN_LIMITS: Final = {
    errno.EMFILE: "it has no file descriptors left (ulimit -n)",
    errno.ENFILE: "the machine has no file descriptors left",
    errno.EADDRNOTAVAIL: "it has no local ports left (net.ipv4.ip_local_port_range)",
}
_TRIAL_S: Final = 2.0
_NS: Final = 1_000_000_000


class Caller(Holder, Protocol):
    """Who asks for a connection: gets `opened`, or this."""

    def refused(self, kind: str, text: str) -> None: ...


class Dialer:
    """`connections` are those that may still be alive."""

    def __init__(self, plan: Plan, meter: Meter, clock: Clock) -> None:
        url = urlsplit(plan.url)
        self._host = url.hostname or ""
        self._port = url.port or (443 if url.scheme in ("https", "wss") else 80)
        self._tls = _context(plan) if url.scheme in ("https", "wss") else None
        self._address = ""
        self._timeout_s = plan.timeout_s
        self._meter = meter
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._queue: deque[Caller] = deque()
        self._leaving: list[Connection] = []
        self.connections: set[Connection] = set()

    async def resolve(self) -> None:
        """Raises: OSError when the host has no address. Of several the first one that answers is used."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        self._address = addresses[0]
        for address in addresses if len(addresses) > 1 else ():  # `localhost` may mean ::1, where nobody listens
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(_TRIAL_S):
                    transport, _ = await loop.create_connection(asyncio.Protocol, address, self._port)
                transport.close()
                self._address = address
                return

    def open(self, caller: Caller) -> None:
        if len(self._tasks) >= _TOGETHER:
            self._queue.append(caller)
            return
        task = asyncio.get_running_loop().create_task(self._open(caller))
        self._tasks.add(task)
        task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._queue:
            self.open(self._queue.popleft())

    async def _open(self, caller: Caller) -> None:
        began = time.monotonic_ns()
        loop = asyncio.get_running_loop()
        name = self._host if self._tls is not None else None

        try:
            async with asyncio.timeout(self._timeout_s):
                _, connection = await loop.create_connection(
                    lambda: Connection(caller, self._meter, self._clock, began),
                    self._address,
                    self._port,
                    ssl=self._tls,
                    server_hostname=name,
                )
            self.connections.add(connection)
        except TimeoutError:
            caller.refused("timeout", f"no connection within {self._timeout_s:g} s")
        except OSError as error:
            caller.refused(*self._fault(error))

    def _fault(self, error: OSError) -> tuple[str, str]:
        """The kind of a connection's failure, and its text."""
        place = f"{self._address}:{self._port}"
        if error.errno in _OWN_LIMITS:
            return "other", f"the harness's own limit, not the target's: {_OWN_LIMITS[error.errno]}; {place}: {error}"
        tls = self._tls is not None and error.errno not in _PLAIN_FAULTS
        return "tls" if tls else "connect", f"{place}: {error}"

    def sweep(self, now: int) -> None:
        """Give up what has waited too long, and close what the server should have closed since the last time.

        Closing first would keep our port busy for a minute; without keep-alive a run would use them up in seconds.
        """
        latest = now - round(self._timeout_s * _NS)
        for connection in self._leaving:
            connection.close()
        self._leaving = []
        for connection in list(self.connections):
            if connection.state is GONE:
                self.connections.discard(connection)
                self._leaving.append(connection)
            elif connection.state is BUSY and connection.busy_since < latest:
                connection.time_out(f"no reply within {self._timeout_s:g} s")

    def give_up(self, text: str) -> None:
        """What is still out will not come: streams without an end."""
        for connection in list(self.connections):
            if connection.state is BUSY:
                connection.time_out(text)

    async def close(self) -> None:
        """Drop everything at once."""
        self._queue.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in (*self.connections, *self._leaving):
            connection.abort()
        await asyncio.sleep(0)  # TLS ends in two turns of the loop
        await asyncio.sleep(0)


def _context(plan: Plan) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=plan.ca_file or None)
    if not plan.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
