"""The flags of `fastproxy mock`, and what becomes of them. No sockets, no loop.

Everything is checked here, so that a flag or a script that cannot be used ends the command before it listens.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fastproxy.loadtest import mock_chaos, mock_script_file, mock_wishes
from fastproxy.loadtest.mock_behaviour import MockOptions
from fastproxy.loadtest.mock_chaos import read_window
from fastproxy.loadtest.mock_limits import read_limit
from fastproxy.loadtest.mock_script_file import read_script
from fastproxy.loadtest.mock_spread import parse

if TYPE_CHECKING:
    from collections.abc import Callable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags; each request can override behaviour by x-mock-… headers."""
    default = MockOptions()
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "\n".join(filter(None, (mock_wishes.__doc__, mock_chaos.__doc__, mock_script_file.__doc__)))
    add = parser.add_argument
    add("--listen", default=f"{default.host}:{default.port}", metavar="HOST:PORT", help="port 0 takes a free one")
    add("--processes", type=int, default=default.processes, metavar="N")
    add("--model", action="append", metavar="NAME", help="a model to list (repeatable)")
    add("--key", action="append", metavar="KEY", help="accept only this key (repeatable)")
    add("--cert", metavar="FILE", help="serve TLS with this certificate")
    add("--cert-key", metavar="FILE", help="the certificate's private key")
    add("--tokens", type=int, default=default.tokens, metavar="N", help="words per reply")
    add("--seed", type=int, metavar="N", help="the same bytes for the same request: text, ids, times, latencies")
    add("--script", metavar="FILE", help="replies per path, model and key, and chaos: YAML or JSON")
    add("--prefix-cache", type=int, default=0, metavar="TOKENS", help="model a prompt cache with blocks of this size")
    _add_pace(parser)
    _add_trouble(parser)


def _add_pace(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--latency", default="0", metavar="TIME", help="to the first byte: milliseconds, or lognormal:50:0.5 etc.")
    add("--tokens-per-second", type=float, default=0.0, metavar="N", help="speed of streams; 0 is as fast as it goes")
    add("--chunk-delay", default="0", metavar="TIME", help="between stream events; wins over --tokens-per-second")


def _add_trouble(parser: argparse.ArgumentParser) -> None:
    default = MockOptions()
    add = parser.add_argument
    add("--error-rate", type=float, default=0.0, metavar="0..1", help="part of the calls that fail, evenly spread")
    add("--error-status", type=int, default=default.error_status, metavar="STATUS")
    add("--requests-per-minute", type=int, default=0, metavar="N", help="limit of every key; 429 beyond it")
    add("--tokens-per-minute", type=int, default=0, metavar="N", help="limit of every key, prompt and reply together")
    add("--limit", action="append", metavar="KEY=REQUESTS/TOKENS", help="per minute, of one key (repeatable)")
    add("--chaos", action="append", metavar="WINDOW", help='e.g. "10s-20s errors=0.5 slower=3 cuts=0.1 every=60s"')


def options_from(args: argparse.Namespace) -> MockOptions:
    """The parsed flags as options; ValueError or ConfigError says what is wrong."""
    host, colon, port = str(args.listen).rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"--listen: expected HOST:PORT, got {args.listen}")
    if not 0 <= args.error_rate <= 1:
        raise ValueError(f"--error-rate: expected 0 to 1, got {args.error_rate}")
    if not 400 <= args.error_status <= 599:
        raise ValueError(f"--error-status: expected 400 to 599, got {args.error_status}")
    _check(args)
    return MockOptions(
        host=host.strip("[]") or "127.0.0.1",
        port=int(port),
        processes=max(1, args.processes),
        latency=args.latency,
        tokens_per_second=args.tokens_per_second,
        tokens=args.tokens,
        chunk_delay="" if args.chunk_delay == "0" else args.chunk_delay,
        error_rate=args.error_rate,
        error_status=args.error_status,
        models=tuple(args.model or MockOptions().models),
        keys=tuple(args.key or ()),
        certificate=args.cert,
        private_key=args.cert_key,
        seed=args.seed,
        script=args.script,
        chaos=tuple(args.chaos or ()),
        requests_per_minute=args.requests_per_minute,
        tokens_per_minute=args.tokens_per_minute,
        limits=tuple(args.limit or ()),
        prefix_cache=args.prefix_cache,
    )


def _check(args: argparse.Namespace) -> None:
    """Read once what every process will read again."""
    readers: dict[str, tuple[Callable[[str], object], list[str]]] = {
        "--latency": (parse, [args.latency]),
        "--chunk-delay": (parse, [args.chunk_delay]),
        "--chaos": (read_window, args.chaos or []),
        "--limit": (read_limit, args.limit or []),
    }
    for flag, (read, texts) in readers.items():
        for text in texts:
            try:
                read(text)
            except ValueError as error:
                raise ValueError(f"{flag}: {error}") from error
    for flag in ("seed", "requests_per_minute", "tokens_per_minute", "prefix_cache", "tokens"):
        if (getattr(args, flag) or 0) < 0:
            raise ValueError(f"--{flag.replace('_', '-')}: expected 0 or more, got {getattr(args, flag)}")
    if args.script:
        read_script(args.script)
