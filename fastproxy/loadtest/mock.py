"""`fastproxy mock`: a stand-in for the providers, in the four formats, that checks strictly and keeps books.

    run        blocking: one process's loop, or several processes on one port
    start      inside a running loop, for tests
    main       the command line; also `python -m fastproxy.loadtest.mock`

What it serves stands in mock_routes, what it refuses in mock_checks, how a request asks for trouble in mock_wishes,
the flags in mock_flags.
An honest peer: it shares no code with the gateway that is tested against it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from fastproxy.errors import ConfigError
from fastproxy.loadtest.mock_behaviour import MockOptions
from fastproxy.loadtest.mock_books import Books, mask
from fastproxy.loadtest.mock_flags import add_arguments, options_from
from fastproxy.loadtest.mock_host import Host
from fastproxy.loadtest.mock_processes import BACKLOG, context, run
from fastproxy.loadtest.mock_server import MockProtocol
from fastproxy.loadtest.mock_service import Service

__all__ = ["MockOptions", "Running", "add_arguments", "main", "mask", "run", "start"]

# asyncio makes a task of what it accepted, which makes a transport, which calls connection_made: each a turn later, and
# in Python 3.11 the transport of a server that was closed meanwhile is left half-made and open
_TURNS_OF_AN_ACCEPT = 2


class Running:
    """A mock inside somebody's loop. Like asyncio.Server, but closing it ends the open connections too; the address is
    free when `wait_closed` has returned."""

    def __init__(self, server: asyncio.Server, host: Host) -> None:
        self._server = server
        self._host = host
        self.sockets = server.sockets
        self.port: int = self.sockets[0].getsockname()[1]

    def close(self) -> None:
        loop = self._server.get_loop()
        for sock in self.sockets:
            loop.remove_reader(sock)  # accept no more; does nothing on uvloop, where the server's close is enough
        self._host.stop()

    async def wait_closed(self) -> None:
        for _ in range(_TURNS_OF_AN_ACCEPT):
            await asyncio.sleep(0)
        self._server.close()
        await self._server.wait_closed()
        while self._host.connections:  # noqa: ASYNC110 - a mock that ends; nobody waits for long
            await asyncio.sleep(0)


async def start(options: MockOptions, host: str = "127.0.0.1", port: int = 0) -> Running:
    """Serve from the running loop until the returned server is closed."""
    loop = asyncio.get_running_loop()
    shared = Host(Service(options, Books()), loop)
    server = await loop.create_server(lambda: MockProtocol(shared), host, port, backlog=BACKLOG, ssl=context(options))
    return Running(server, shared)


def main(args: argparse.Namespace) -> int:
    """Run until stopped. Exit codes as for `serve`: 2 bad flags, 3 the address is taken."""
    try:
        options = options_from(args)
    except (ValueError, ConfigError) as error:
        sys.stderr.write(f"fastproxy mock: {error}\n")
        return 2
    scheme = "https" if options.certificate else "http"
    shown = f"[{options.host}]" if ":" in options.host else options.host

    def ready(port: int) -> None:
        sys.stdout.write(f"listening on {scheme}://{shown}:{port}\n")
        sys.stdout.flush()

    try:
        run(options, ready=ready)
    except OSError as error:
        sys.stderr.write(f"fastproxy mock: {args.listen}: {error.strerror or error}\n")
        return 3
    return 0


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(prog="fastproxy mock", description=__doc__.splitlines()[0])
    add_arguments(_parser)
    sys.exit(main(_parser.parse_args()))
