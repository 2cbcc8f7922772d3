"""Bare sockets for the tests: a client that shows every byte, and an upstream whose every byte a test decides.

Wire        a client connection: send, read a head, read a body as framed, read to the end
Upstream    a listening socket; each connection is played by a function, each of its errors fails the test
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Self

TIMEOUT_S: Final = 5.0
Play = Callable[["Wire"], None]


@dataclass(frozen=True, slots=True)
class Head:
    """A head of a request or a reply: the first line and its fields in lower case, in order."""

    line: str
    fields: tuple[tuple[str, str], ...]

    @property
    def status(self) -> int:
        return int(self.line.split()[1])

    def get(self, name: str) -> str | None:
        """The value of a field; fails when it stands twice."""
        found = self.get_all(name)
        assert len(found) < 2, (name, found)
        return found[0] if found else None

    def get_all(self, name: str) -> list[str]:
        return [value for known, value in self.fields if known == name]


class Wire:
    """One connection, whichever side of it. Reading beyond the end of the stream gives what there was."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(TIMEOUT_S)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""

    @classmethod
    def connect(cls, port: int, host: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> Self:
        sock = socket.create_connection((host, port), TIMEOUT_S)
        return cls(context.wrap_socket(sock, server_hostname="localhost") if context is not None else sock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, data: bytes | str) -> None:
        self.sock.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def more(self) -> bytes:
        """The next bytes as they come, b"" at the end."""
        if self._data:
            data, self._data = self._data, b""
            return data
        return self.sock.recv(262144)

    def until(self, mark: bytes) -> bytes:
        """Up to and with `mark`; less when the stream ends first."""
        while mark not in self._data:
            part = self.sock.recv(262144)
            if not part:
                data, self._data = self._data, b""
                return data
            self._data += part
        end = self._data.index(mark) + len(mark)
        data, self._data = self._data[:end], self._data[end:]
        return data

    def exactly(self, count: int) -> bytes:
        parts, size = [self._data], len(self._data)
        while size < count and (part := self.sock.recv(262144)):
            parts.append(part)
            size += len(part)
        data = b"".join(parts)
        self._data = data[count:]
        return data[:count]

    def rest(self) -> bytes:
        """Everything to the end of the stream; a reset counts as an end."""
        parts = [self._data]
        self._data = b""
        with contextlib.suppress(ConnectionResetError, ssl.SSLEOFError):
            while part := self.sock.recv(262144):
                parts.append(part)
        return b"".join(parts)

    def head(self) -> Head:
        raw = self.until(b"\r\n\r\n")
        assert raw.endswith(b"\r\n\r\n"), raw
        line, *fields = raw[:-4].decode("latin-1").split("\r\n")
        pairs = (text.partition(":") for text in fields)
        return Head(line, tuple((name.lower(), value.strip()) for name, _, value in pairs))

    def body(self, head: Head) -> bytes:
        """The body that `head` promises, without its framing; fails when it is cut short."""
        length = head.get("content-length")
        if head.get("transfer-encoding") is not None:
            return b"".join(self.chunks())
        if length is None:
            return b"" if head.line[:4] != "HTTP" else self.rest()
        data = self.exactly(int(length))
        assert len(data) == int(length)
        return data

    def chunks(self) -> Iterator[bytes]:
        """The payloads of a chunked body up to the last chunk; trailers are read over."""
        while size := int(self.until(b"\r\n").partition(b";")[0], 16):
            yield self.exactly(size)
            assert self.exactly(2) == b"\r\n"
        while self.until(b"\r\n") not in (b"\r\n", b""):
            pass

    def request(self) -> tuple[Head, bytes]:
        """As an upstream: the next request, whole. Raises EOFError when the peer has left."""
        if not self._data:
            self._data = self.sock.recv(262144)
            if not self._data:
                raise EOFError
        head = self.head()
        return head, self.body(head)

    def reply(self) -> tuple[Head, bytes]:
        """As a client: the next reply, whole."""
        head = self.head()
        return head, self.body(head)

    def reset(self) -> None:
        """Close with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()


def dechunked(raw: bytes) -> tuple[bytes, bool]:
    """The payload of a chunked body as far as it came, and whether its last chunk came too."""
    parts: list[bytes] = []
    while raw:
        size, _, raw = raw.partition(b"\r\n")
        length = int(size.partition(b";")[0], 16)
        if not length:
            return b"".join(parts), raw.endswith(b"\r\n")
        parts.append(raw[:length])
        raw = raw[length + 2 :]
    return b"".join(parts), False


def http(head: str, body: bytes = b"") -> bytes:
    """Bytes of a message from a head with plain line ends."""
    return head.strip().replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body


def plain(body: bytes = b"ok", kind: str = "text/plain") -> bytes:
    """A small whole reply."""
    return http(f"HTTP/1.1 200 OK\ncontent-type: {kind}\ncontent-length: {len(body)}", body)


@dataclass
class Upstream:
    """`play` may be set anew at any time; it holds for connections accepted afterwards."""

    address: str | int
    play: Play = field(default=lambda wire: None)
    connections: int = 0
    problems: list[BaseException] = field(default_factory=list)

    @property
    def port(self) -> int:
        assert isinstance(self.address, int)
        return self.address

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.address}" if isinstance(self.address, int) else f"unix:{self.address}"

    def run(self, sock: socket.socket) -> None:
        with Wire(sock) as wire:
            try:
                self.play(wire)
            except (EOFError, ConnectionError):
                pass  # the gateway has left
            except BaseException as error:
                self.problems.append(error)
                raise


@contextmanager
def upstream(play: Play | None = None, unix: str = "") -> Iterator[Upstream]:
    """A scripted upstream while the block runs, on a free port or on a Unix socket."""
    listener = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
    listener.bind(unix or ("127.0.0.1", 0))
    listener.listen(64)
    found = Upstream(unix or listener.getsockname()[1])
    if play is not None:
        found.play = play
    threads: list[threading.Thread] = []
    accepted: list[socket.socket] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                found.connections += 1
                accepted.append(sock)
                threads.append(threading.Thread(target=found.run, args=(sock,)))
                threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield found
    finally:
        _end(listener, accepted)
        acceptor.join(TIMEOUT_S)
        for thread in threads:
            thread.join(TIMEOUT_S)
    assert not found.problems, found.problems


def _end(listener: socket.socket, accepted: list[socket.socket]) -> None:
    """Wake whoever waits: a shut-down socket ends accept and recv at once."""
    for sock in (listener, *accepted):
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
    listener.close()
