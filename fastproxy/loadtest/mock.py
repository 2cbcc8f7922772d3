"""`fastproxy mock`: a stand-in for the providers, in the four formats, that checks strictly and keeps books.

    run        blocking: one process's loop, or several processes on one port
    start      inside a running loop, for tests
    main       the command line; also `python -m fastproxy.loadtest.mock`

What it serves stands in mock_routes, what it refuses in mock_checks, how a request asks for trouble in mock_behaviour.
An honest peer: it shares no code with the gateway that is tested against it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from fastproxy.loadtest import mock_behaviour
from fastproxy.loadtest.mock_behaviour import MockOptions
from fastproxy.loadtest.mock_books import Books, mask
from fastproxy.loadtest.mock_processes import BACKLOG, context, run
from fastproxy.loadtest.mock_server import Host, MockProtocol
from fastproxy.loadtest.mock_service import Service

__all__ = ["MockOptions", "Running", "add_arguments", "main", "mask", "run", "start"]


class Running:
    """A mock inside somebody's loop. Like asyncio.Server, but closing it ends the open connections too."""

    def __init__(self, server: asyncio.Server, host: Host) -> None:
        self._server = server
        self._host = host
        self.sockets = server.sockets
        self.port: int = self.sockets[0].getsockname()[1]

    def close(self) -> None:
        self._server.close()
        self._host.stop()

    async def wait_closed(self) -> None:
        await self._server.wait_closed()
        while self._host.connections:  # noqa: ASYNC110 - a mock that ends; nobody waits for long
            await asyncio.sleep(0)


async def start(options: MockOptions, host: str = "127.0.0.1", port: int = 0) -> Running:
    """Serve from the running loop until the returned server is closed."""
    loop = asyncio.get_running_loop()
    shared = Host(Service(options, Books()), loop)
    server = await loop.create_server(lambda: MockProtocol(shared), host, port, backlog=BACKLOG, ssl=context(options))
    return Running(server, shared)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `fastproxy mock`; each request can override behaviour by x-mock-… headers."""
    default = MockOptions()
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = mock_behaviour.__doc__
    add = parser.add_argument
    add("--listen", default=f"{default.host}:{default.port}", metavar="HOST:PORT", help="port 0 takes a free one")
    add("--processes", type=int, default=default.processes, metavar="N")
    add("--latency", type=float, default=0.0, metavar="MS", help="time to the first byte")
    add("--tokens-per-second", type=float, default=0.0, metavar="N", help="speed of streams; 0 is as fast as it goes")
    add("--tokens", type=int, default=default.tokens, metavar="N", help="words per reply")
    add("--chunk-delay", type=float, default=0.0, metavar="MS", help="time between stream events")
    add("--error-rate", type=float, default=0.0, metavar="0..1", help="part of the calls that fail, evenly spread")
    add("--error-status", type=int, default=default.error_status, metavar="STATUS")
    add("--model", action="append", metavar="NAME", help="a model to list (repeatable)")
    add("--key", action="append", metavar="KEY", help="accept only this key (repeatable)")
    add("--cert", metavar="FILE", help="serve TLS with this certificate")
    add("--cert-key", metavar="FILE", help="the certificate's private key")


def options_from(args: argparse.Namespace) -> MockOptions:
    """The parsed flags as options; ValueError says what is wrong."""
    host, colon, port = str(args.listen).rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"--listen: expected HOST:PORT, got {args.listen}")
    if not 0 <= args.error_rate <= 1:
        raise ValueError(f"--error-rate: expected 0 to 1, got {args.error_rate}")
    if not 400 <= args.error_status <= 599:
        raise ValueError(f"--error-status: expected 400 to 599, got {args.error_status}")
    return MockOptions(
        host=host.strip("[]") or "127.0.0.1",
        port=int(port),
        processes=max(1, args.processes),
        latency_ms=args.latency,
        tokens_per_second=args.tokens_per_second,
        tokens=args.tokens,
        chunk_delay_ms=args.chunk_delay,
        error_rate=args.error_rate,
        error_status=args.error_status,
        models=tuple(args.model or MockOptions().models),
        keys=tuple(args.key or ()),
        certificate=args.cert,
        private_key=args.cert_key,
    )


def main(args: argparse.Namespace) -> int:
    """Run until stopped. Exit codes as for `serve`: 2 bad flags, 3 the address is taken."""
    try:
        options = options_from(args)
    except ValueError as error:
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
