"""Bind one listening address: TCP with SO_REUSEPORT, IPv6, Unix sockets; errors name the address.

It must never know of slots, roles or successors: sockets.py does.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import time
from typing import Final

from fastproxy.server.plan import Address, ExitCode, StartError

BACKLOG: Final = 4096  # the kernel cuts it to net.core.somaxconn

_Name = tuple[str | int, ...]


class CannotListen(StartError):
    """An address could not be bound; the text names it."""

    exit_code = ExitCode.CANNOT_LISTEN


def open_tcp(address: Address, port: int | None, probe_until: float | None) -> socket.socket:
    """A bound SO_REUSEPORT socket, not listening yet.

    `port`: the port that an earlier slot got. `probe_until`: make sure that nobody else has the port, and wait until
    then for it. SO_REUSEPORT alone would not tell: another gateway of the same user could share it without an error.
    """
    family, name = _resolve(address)
    wanted = name[1] if port is None else port
    try:
        if probe_until is not None:
            wanted = _probe(family, (name[0], wanted, *name[2:]), probe_until)
        return _bind(family, (name[0], wanted, *name[2:]), share=True)
    except OSError as error:
        raise CannotListen(_why(address, error)) from error


def open_unix(address: Address) -> socket.socket:
    """A bound Unix socket, not listening yet; the socket file of a dead process gives way."""
    path = address.unix or ""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        _remove_dead_socket(path)
        sock.bind(path)
    except OSError as error:
        sock.close()
        raise CannotListen(_why(address, error)) from error
    return sock


def bound_address(sock: socket.socket) -> str:
    """Where a socket can be reached, in words."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"unix:{os.fsdecode(name)}"
    return str(Address(name[0], name[1]))


def _probe(family: int, name: _Name, until: float) -> int:
    """Bind without SO_REUSEPORT and let go: the port that is free (or was chosen, for port 0)."""
    while True:
        try:
            with _bind(family, name, share=False) as sock:
                return int(sock.getsockname()[1])
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > until:
                raise
            time.sleep(0.02)


def _bind(family: int, name: _Name, *, share: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # as nginx and asyncio do: [::] and 0.0.0.0 are two addresses, and may both be listed
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(name)
    except OSError:
        sock.close()
        raise
    return sock


def _remove_dead_socket(path: str) -> None:
    """Leave files of other kinds, and sockets that somebody serves: bind() will complain about them."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            probe.connect(path)
    except FileNotFoundError:
        return
    except ConnectionRefusedError:
        os.unlink(path)
    except BlockingIOError:
        return  # its queue is full: alive


def _resolve(address: Address) -> tuple[int, _Name]:
    """The first address of a name, IPv4 first: `localhost` means 127.0.0.1 to most clients."""
    host = address.host or "0.0.0.0"
    try:
        found = socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise CannotListen(f"cannot listen on {address}: {error}") from error
    family, _, _, _, name = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, (str(name[0]), *name[1:])


def _why(address: Address, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"cannot listen on {address}: the address is in use by another process"
    return f"cannot listen on {address}: {(error.strerror or str(error)).lower()}"
