"""`fastproxy health`: does the gateway of this machine answer? One line and an exit code, for checks of containers.

It runs every few seconds, so it must stay light: sockets of the standard library, and nothing else of fastproxy
(reading addresses with fastproxy.config would cost more than all of this). It asks the first listening address itself,
whatever http_proxy says: in plain text, then with TLS if no HTTP came. The certificate is not verified, because its
name is that of the clients' address, and who answers on this machine is not in doubt.
"""

from __future__ import annotations

import argparse
import math
import socket
import sys
import time
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LISTEN: Final = "127.0.0.1:8080"  # as in fastproxy.config
TIMEOUT_S: Final = 3.0  # under the 4 s after which the image's HEALTHCHECK is killed, so that the reason is still told
_MAX_LINE_BYTES: Final = 4096
_REQUEST: Final = (
    b"GET /health HTTP/1.1\r\nhost: localhost\r\nuser-agent: fastproxy-health\r\nconnection: close\r\n\r\n"
)


class Door(NamedTuple):
    """Where a listening gateway can be asked: host and port, or the path of a Unix socket."""

    host: str
    port: int
    unix: str = ""

    def url(self, scheme: str) -> str:
        """Scheme and authority; of a Unix socket nobody looks at the authority."""
        if self.unix:
            return f"{scheme}://localhost"
        return f"{scheme}://[{self.host}]:{self.port}" if ":" in self.host else f"{scheme}://{self.host}:{self.port}"


def door_of(listen: str) -> Door:
    """Every address of the machine (0.0.0.0, [::], none) is asked on loopback. Raises: ValueError."""
    if listen.startswith("unix:"):
        return Door("", 0, listen.removeprefix("unix:"))
    host, colon, port = listen.rpartition(":")
    if not (colon and port.isdecimal() and port.isascii() and int(port) < 1 << 16):
        raise ValueError(f"{listen!r} is not an address; expected HOST:PORT, [IPV6]:PORT, :PORT or unix:/path")
    host = host.removeprefix("[").removesuffix("]")
    if host in ("", "*", "0.0.0.0"):
        return Door("127.0.0.1", int(port))
    return Door("::1" if _is_every_ipv6(host) else host, int(port))


def _is_every_ipv6(host: str) -> bool:
    try:
        return not any(socket.inet_pton(socket.AF_INET6, host))
    except OSError:
        return False


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """The command alone, without the parser of all others; the return value is the exit code."""
    parser = argparse.ArgumentParser(
        prog="fastproxy health", description="Ask the gateway of this machine if it serves."
    )
    add_arguments(parser)
    return run(parser.parse_args(arguments), environ)


def add_arguments(command: argparse.ArgumentParser) -> None:
    text = (
        "a listening address: HOST:PORT, [IPV6]:PORT or unix:/path (the first of FASTPROXY_LISTEN, else 127.0.0.1:8080)"
    )
    command.add_argument("--listen", metavar="ADDRESS", help=text)
    command.add_argument("--timeout", type=_seconds, default=TIMEOUT_S, metavar="S", help="seconds in all (3)")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds up to 3600")
    return seconds


def run(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Exit code 0 when the answer is 200, else 1, and why."""
    told = args.listen or environ.get("FASTPROXY_LISTEN", "")
    listens = [part.strip() for part in told.split(",") if part.strip()]
    is_well, text = ask(listens[0] if listens else LISTEN, args.timeout)
    if is_well:
        sys.stdout.write(f"{text}\n")
        return 0
    sys.stderr.write(f"fastproxy: {text}\n")
    return 1


def ask(listen: str, timeout_s: float) -> tuple[bool, str]:
    """Whether the answer is 200, and in words what was asked and what came."""
    deadline = time.monotonic() + timeout_s
    asked, hint = listen, ""
    try:
        door = door_of(listen)
        place = f" on {listen}" if door.unix else ""
        asked = f"GET {door.url('http')}/health{place}"
        line = _exchange(door, deadline, with_tls=False)
        if not line.startswith(b"HTTP/"):
            asked, hint = f"GET {door.url('https')}/health{place}", ", and without TLS no HTTP came"
            line = _exchange(door, deadline, with_tls=True)
    except (OSError, ValueError) as error:
        return False, f"{asked}: {_reason(error)}{hint}"
    status = line.partition(b" ")[2].decode("ascii", "backslashreplace")
    if not line.startswith(b"HTTP/") or not status:
        return False, f"{asked}: the connection ended without an answer{hint}"
    return status.split()[:1] == ["200"], f"{asked}: {status}"


def _reason(error: Exception) -> str:
    """As the operating system or the resolver names it, in the case of our own texts."""
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)


def _exchange(door: Door, deadline: float, *, with_tls: bool) -> bytes:
    """The first line of the answer; empty if the connection ended before one came. Raises: OSError, UnicodeError."""
    with _connected(door, deadline) as plain, _encrypted(plain) if with_tls else plain as connection:
        try:
            connection.sendall(_REQUEST)
            return _first_line(connection, deadline)
        except (ConnectionResetError, BrokenPipeError):
            return b""


def _connected(door: Door, deadline: float) -> socket.socket:
    if not door.unix:
        return socket.create_connection((door.host, door.port), _left(deadline))
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(_left(deadline))
        connection.connect(door.unix)
    except (OSError, ValueError):  # of a path with a NUL
        connection.close()
        raise
    return connection


def _encrypted(connection: socket.socket) -> socket.socket:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection)


def _first_line(connection: socket.socket, deadline: float) -> bytes:
    data = b""
    while b"\r\n" not in data and len(data) < _MAX_LINE_BYTES:
        connection.settimeout(_left(deadline))
        more = connection.recv(_MAX_LINE_BYTES)
        if not more:
            break
        data += more
    return data.partition(b"\r\n")[0]


def _left(deadline: float) -> float:
    """Seconds until then. Raises: TimeoutError."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left
