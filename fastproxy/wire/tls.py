"""TLS on a plain uvloop transport, by OpenSSL engines between two `ssl.MemoryBIO`s.

`TlsTransport` is a protocol towards the socket and a transport towards the HTTP protocol inside it, so inbound and
outbound connections do not know whether they are encrypted. uvloop's own TLS transport costs up to 10 % more per
request (it asks OpenSSL for more after every read) and twice the memory under churn; tuning.md has the figures.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from fastproxy.wire.deadlines import NEVER, Deadlines
from fastproxy.wire.under import Data, ends_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_DROPPED_BYTES: Final = 1 << 20  # of a peer that goes on sending behind our end
RECORD_BYTES: Final = 16384  # the most that one record holds (RFC 8446 5.1), so one read takes all of it
WRITE_BYTES: Final = 262_144  # encrypted at once, so that the way out of the engines does not grow without end


class _Ways(threading.local):
    """Into the engines and out of them: one pair for all connections of a thread, as its event loop serves one at a
    time. With a pair for each, 64 connections do not stay in the processor's cache (1.2 us of a request's 24), and each
    keeps the size of its largest read.

    Both are empty whenever the code of others runs: what goes in comes out in the same call, or is taken out. A
    transport is to be used in the thread that made it.
    """

    def __init__(self) -> None:
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()


_ways: Final = _Ways()


def _gone(*_: object) -> NoReturn:
    """In place of an engine's read and write, when there is none any more."""
    raise ConnectionResetError


class TlsTransport(asyncio.Transport, asyncio.Protocol):
    """Encrypts what the inner protocol writes, decrypts what the socket reads.

    `connected` is called with None when the handshake is over, or with the error that ended it. The inner protocol's
    `connection_made` runs just before it.
    """

    __slots__ = ("__weakref__", "_broken", "_buffered", "_closing", "_connected", "_deadlines", "_dropped", "_ended",
                 "_incoming", "_inner", "_mute", "_open", "_outgoing", "_raw", "_read", "_room", "_said_goodbye",
                 "_ssl", "_usual", "_write", "deadline")  # fmt: skip

    def __init__(  # noqa: PLR0913 - three of them are options by keyword
        self,
        context: ssl.SSLContext,
        inner: asyncio.Protocol | asyncio.BufferedProtocol,
        deadlines: Deadlines,
        *,
        timeout: float,
        server_name: str | None = None,
        connected: Callable[[Exception | None], None] | None = None,
    ) -> None:
        super().__init__()
        self._incoming = _ways.incoming
        self._outgoing = _ways.outgoing
        self._ssl: ssl.SSLObject | None = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_name is None, server_hostname=server_name
        )
        self._read, self._write = ends_of(self._ssl)
        self._inner: Any = inner
        self._buffered = isinstance(inner, asyncio.BufferedProtocol)
        self._raw = cast("asyncio.Transport", None)  # set by connection_made
        self._deadlines = deadlines
        self._open = False
        self._usual = False  # open, and the inner protocol takes bytes
        self._mute = False  # nothing can be written any more
        self._closing = False
        self._said_goodbye = False
        self._dropped = 0  # bytes behind an end
        self._room = 0  # for what came before of a record that is not whole yet
        self._ended = False  # the peer has sent close_notify
        self._broken = False  # the peer has sent what cannot be decrypted
        self._connected = connected
        self.deadline = deadlines.now + timeout

    # --- protocol: from the socket --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = cast("asyncio.Transport", transport)
        self._deadlines.live.add(self)
        self._handshake()

    def data_received(self, data: bytes) -> None:
        if not self._usual:
            self._take(data)
            return
        # One record and nothing behind it. A read that is too many costs 1 us, hence no loop here. What was encrypted
        # is longer than what comes out of it; room for a whole record takes 0.1 us more.
        size = len(data) + self._room
        self._incoming.write(data)
        try:
            plain = self._read(size)
        except ssl.SSLError as error:
            self._stopped(error)
            self._leave_empty()
            self._conclude()
            return
        if 0 < len(plain) < size and not self._incoming.pending and not self._outgoing.pending:
            self._room = 0
            self._inner.data_received(plain)
        else:
            self._ended = not plain
            self._decrypt(plain)

    def _take(self, data: bytes) -> None:
        """Bytes before the handshake is over, behind an end, or for a protocol with a buffer."""
        if self._said_goodbye or self._ended or self._ssl is None:
            # Read away, or the kernel would answer with a reset; but not without end.
            self._dropped += len(data)
            if self._dropped > MAX_DROPPED_BYTES:
                self._raw.abort()
            return
        if self._open and self._buffered:
            self._fill(data)
            return
        self._incoming.write(data)
        if not self._open:
            self._handshake()
        else:
            self._decrypt()

    def eof_received(self) -> bool:
        """FIN. Without a close_notify before it what was read may be cut short: an error, not an end."""
        if not (self._ended or self._said_goodbye):
            self._raw.abort()
        return self._ended and not self._closing

    def connection_lost(self, error: Exception | None) -> None:
        self._deadlines.live.discard(self)
        inner, self._inner = self._inner, None
        self._ssl = None  # breaks the reference cycle; waiting for the collector costs 50 MB under churn
        self._read = self._write = _gone
        self._mute = True
        self._usual = False
        self._finish_connecting(error or ConnectionResetError("closed during the tls handshake"))
        if inner is not None and self._open:
            self._open = False
            inner.connection_lost(error)

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    def expire(self) -> None:
        """The handshake took too long."""
        self._finish_connecting(TimeoutError("the tls handshake took too long"))
        self._raw.abort()

    # --- the pump -------------------------------------------------------------------------------------------------

    def _handshake(self) -> None:
        assert self._ssl is not None
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError as error:
            self._leave_empty()  # the alert tells the peer why
            self._finish_connecting(error)
            self._raw.close()
            return
        finally:
            early = self._incoming.read()
            self._flush()
        if self._inner is None:
            return
        self._open = True
        self._usual = not self._buffered
        self.deadline = NEVER
        self._deadlines.live.discard(self)
        self._inner.connection_made(self)
        self._finish_connecting(None)
        if early and self._ssl is not None:
            self.data_received(early)

    def _finish_connecting(self, error: Exception | None) -> None:
        connected, self._connected = self._connected, None
        if connected is not None:
            connected(error)

    def _stopped(self, error: ssl.SSLError) -> None:
        """A read found no whole record, or one that is none."""
        if isinstance(error, ssl.SSLWantReadError):
            self._room = RECORD_BYTES  # a request or reply in one record stays in one piece, as lanes want it
        else:
            self._broken = True

    def _has_more(self) -> bool:
        return bool(self._incoming.pending or (self._ssl is not None and self._ssl.pending()))

    def _record(self, size: int, *into: memoryview) -> Any:
        """What one record holds, as bytes or as their number in `into`; nothing at an end, or when it is not whole."""
        try:
            taken = self._read(size, *into)
        except ssl.SSLError as error:
            self._stopped(error)
            return 0
        self._ended = not taken
        return taken

    def _decrypt(self, first: bytes = b"") -> None:
        """Hand over all that has come, behind `first`."""
        pieces = [first]
        while not self._ended and self._has_more() and (piece := self._record(RECORD_BYTES)):
            pieces.append(piece)
        data = b"".join(pieces)
        self._leave_empty()
        if data and self._inner is not None:
            self._inner.data_received(data)
        self._conclude()

    def _fill(self, rest: bytes) -> None:
        """As `_decrypt`, into the buffer of the inner protocol, as often as it takes."""
        while self._buffered and not self._mute and (rest or self._has_more()):
            view, count = memoryview(self._inner.get_buffer(-1)), 0
            if not view.nbytes:
                raise RuntimeError("get_buffer() returned an empty buffer")
            if self._said_goodbye or self.is_closing():
                break
            self._incoming.write(rest)
            while count < len(view) and self._has_more() and (got := self._record(len(view) - count, view[count:])):
                count += got
            rest = self._incoming.read() if not (self._ended or self._broken) else b""
            self._leave_empty()
            if count:
                self._inner.buffer_updated(count)
        if not self._mute and (rest or self._has_more()):  # for a protocol without a buffer
            self._incoming.write(rest)
            self._decrypt()
        else:
            self._conclude()

    def _leave_empty(self) -> None:
        if self._incoming.pending:
            self._incoming.read()
        self._flush()

    def _conclude(self) -> None:
        """Act on what has been found behind the last record."""
        if self._broken:
            self.abort()
        elif self._ended and not (self._said_goodbye or self._closing):
            self._usual = False
            if self._inner is not None and not self._inner.eof_received():
                self.close()

    def _flush(self) -> None:
        if self._outgoing.pending:
            data = self._outgoing.read()
            if not self._raw.is_closing():
                self._raw.write(data)

    # --- transport: from the inner protocol -----------------------------------------------------------------------

    def write(self, data: Data) -> None:
        if self._mute:
            return
        try:
            if len(data) <= WRITE_BYTES:
                self._write(data)
                encrypted = self._outgoing.read()
            else:
                encrypted = self._in_parts(memoryview(data))
        except ssl.SSLError:
            self._flush()
            self.abort()
            return
        self._raw.write(encrypted)

    def _in_parts(self, view: memoryview) -> bytes:
        """Encrypted part by part, but one write: the transport may call back in the middle of it."""
        parts = []
        for start in range(0, len(view), WRITE_BYTES):
            self._write(view[start : start + WRITE_BYTES])
            parts.append(self._outgoing.read())
        return b"".join(parts)

    def writelines(self, list_of_data: Iterable[Data]) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """Not as an end that the peer can be asked to answer: many close both ways at a close_notify."""
        return False

    def write_eof(self) -> None:
        """Send close_notify, and FIN behind it; what still comes is read and dropped.

        Python asks OpenSSL twice for a shutdown, and the second finds data where it wants a close_notify: nothing can
        be decrypted after that.
        """
        self._say_goodbye()
        if not self._raw.is_closing():
            self._raw.write_eof()

    def _say_goodbye(self) -> None:
        if self._ssl is not None and self._open and not self._said_goodbye:
            self._said_goodbye = self._mute = True
            self._usual = False
            # An engine reads when it says goodbye. What lies here belongs to another, if the collector closes us.
            coming, going = self._incoming.read(), self._outgoing.read()
            with contextlib.suppress(ssl.SSLError):  # the peer's close_notify is not waited for
                self._ssl.unwrap()
            self._flush()
            self._incoming.write(coming)
            self._outgoing.write(going)

    def close(self) -> None:
        """Send close_notify and close once everything is written."""
        if self._closing:
            return
        self._closing = True
        self._say_goodbye()
        self._mute = True
        self._raw.close()

    def abort(self) -> None:
        self._closing = self._mute = True
        self._raw.abort()

    def is_closing(self) -> bool:
        return self._closing or self._raw.is_closing()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._inner = protocol
        self._buffered = isinstance(protocol, asyncio.BufferedProtocol)
        self._usual = self._open and not (self._buffered or self._said_goodbye or self._ended)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return cast("asyncio.BaseProtocol", self._inner)

    def pause_reading(self) -> None:
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        self._raw.resume_reading()

    def is_reading(self) -> bool:
        return self._raw.is_reading()

    def get_write_buffer_size(self) -> int:
        return self._raw.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._raw.set_write_buffer_limits(high, low)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "ssl_object":
            return self._ssl
        return self._raw.get_extra_info(name, default)


def server_context(cert: str, key: str) -> ssl.SSLContext:
    """A context for clients' connections. Raises: OSError, ssl.SSLError when the files cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert, key)
    context.set_alpn_protocols(["http/1.1"])
    return context


def client_context(ca_file: str | None = None, *, verify: bool = True) -> ssl.SSLContext:
    """A context for upstreams: verified against the system's roots, or against `ca_file` alone."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
