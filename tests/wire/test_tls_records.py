"""Records without sockets: how they are handed over, and that connections which share the way into OpenSSL never meet.

What one connection leaves behind in there would be read by the next one, so each case ends with others that still work.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING, cast

import pytest

from fastproxy.wire.deadlines import Deadlines
from fastproxy.wire.tls import WRITE_BYTES, TlsTransport, client_context, server_context
from tests.wire.certificates import Authority
from tests.wire.fakes import Clock, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

NETWORK = 1448  # bytes that a network brings at a time


class Hearer(asyncio.Protocol):
    """Keeps the pieces that it is handed, and does something at each."""

    def __init__(self, at_each: Callable[[], None] = lambda: None) -> None:
        self.pieces: list[bytes] = []
        self.at_each = at_each
        self.made = self.ends = 0
        self.lost: list[Exception | None] = []
        self.stays = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.made += 1
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.pieces.append(data)
        self.at_each()

    def eof_received(self) -> bool:
        self.ends += 1
        return self.stays

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.append(error)


class Filler(asyncio.BufferedProtocol):
    """Has a buffer of `size` bytes; gives way to `then` after so many pieces."""

    def __init__(self, size: int, then: Hearer, after: int = -1) -> None:
        self.view = memoryview(bytearray(size))
        self.pieces: list[bytes] = []
        self.then, self.after = then, after

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.view

    def buffer_updated(self, nbytes: int) -> None:
        self.pieces.append(bytes(self.view[:nbytes]))
        if len(self.pieces) == self.after:
            self.then.transport.set_protocol(self.then)

    def eof_received(self) -> bool:
        return self.then.eof_received()


class Line:
    """A TlsTransport over a fake wire, and the peer's engine."""

    def __init__(self, authority: Authority, hearer: Hearer | None = None) -> None:
        certificate = authority.issue("localhost")
        self.wire, self.hearer = Wire(), hearer or Hearer()
        context = server_context(certificate.cert, certificate.key)
        self.tls = TlsTransport(context, self.hearer, Deadlines(Clock()), timeout=5)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        trusting = client_context(authority.file)
        self.peer = trusting.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.tls.connection_made(self.wire)

    def step(self) -> bytes:
        """What the peer says next in its handshake."""
        self.incoming.write(self.wire.take())
        with contextlib.suppress(ssl.SSLWantReadError):
            self.peer.do_handshake()
        return self.outgoing.read()

    def open(self) -> Line:
        while not self.hearer.made:
            self.tls.data_received(self.step())
        return self

    def records(self, *texts: bytes) -> bytes:
        for text in texts:
            self.peer.write(text)
        return self.outgoing.read()

    def goodbye(self) -> bytes:
        with contextlib.suppress(ssl.SSLWantReadError):
            self.peer.unwrap()
        return self.outgoing.read()

    def works(self) -> bool:
        """Both ways, after whatever has been."""
        self.tls.data_received(self.records(b"there?"))
        self.tls.write(b"here")
        self.incoming.write(self.wire.take())
        return self.hearer.pieces[-1:] == [b"there?"] and self.peer.read(100) == b"here"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


def test_a_record_that_came_in_two_reads_was_handed_over_in_two_pieces(authority: Authority) -> None:
    """A lane takes a request in one piece only, and a network cuts records at every 1,448 bytes."""
    line = Line(authority).open()
    requests = [b"a" * 6000, b"b" * 200, b"c" * 3000]
    for request in requests:
        encrypted = line.records(request)
        for place in range(0, len(encrypted), NETWORK):
            line.tls.data_received(encrypted[place : place + NETWORK])
    assert line.hearer.pieces == requests


def test_records_that_came_in_one_read_are_one_piece(authority: Authority) -> None:
    """As without encryption: a lane takes a reply whose head and body were written one after the other."""
    line = Line(authority).open()
    line.tls.data_received(line.records(b"head", b"body" * 20_000, b"end"))
    assert line.hearer.pieces == [b"head" + b"body" * 20_000 + b"end"]


@pytest.mark.parametrize("step", [1, 100, NETWORK])
def test_handshakes_beside_each_other_do_not_meet(authority: Authority, step: int) -> None:
    lines = [Line(authority) for _ in range(3)]
    said = [b""] * len(lines)
    while not all(line.hearer.made for line in lines):
        for number, line in enumerate(lines):
            said[number] = said[number] or line.step()
            piece, said[number] = said[number][:step], said[number][step:]
            if piece:
                line.tls.data_received(piece)
    assert all(line.works() for line in lines)


@pytest.mark.parametrize("nonsense", [b"GET / HTTP/1.1\r\n\r\n" * 9, b"\x16\x03\x01\x00\x05hello" * 9, bytes(400)])
def test_a_handshake_that_fails_leaves_nothing_to_others(authority: Authority, nonsense: bytes) -> None:
    first, bad, last = Line(authority).open(), Line(authority), Line(authority)
    said = last.step()
    bad.tls.data_received(nonsense)
    assert bad.wire.closed
    last.tls.data_received(said)
    assert first.works()
    assert last.open().works()


@pytest.mark.parametrize("broken", ["alone", "behind a record", "cut"])
def test_a_record_that_cannot_be_decrypted_ends_its_connection_only(authority: Authority, broken: str) -> None:
    bad, other = Line(authority).open(), Line(authority).open()
    good, record = bad.records(b"good"), bytearray(bad.records(b"b" * 500))
    record[-1] ^= 1
    data = {"alone": bytes(record), "behind a record": good + bytes(record), "cut": bytes(record[:30])}[broken]
    bad.tls.data_received(data if broken == "behind a record" else good)
    if broken != "behind a record":
        bad.tls.data_received(data)
    assert bad.hearer.pieces == [b"good"]
    assert bad.wire.aborted is (broken != "cut")
    assert other.works()


@pytest.mark.parametrize("way", ["close", "write_eof", "abort"])
def test_a_connection_that_is_closed_while_another_is_read_takes_nothing_of_it(authority: Authority, way: str) -> None:
    """OpenSSL reads when it says goodbye: not from what has come for somebody else."""
    other = Line(authority).open()
    reader = Line(authority, Hearer(getattr(other.tls, way))).open()
    encrypted = reader.records(b"one", b"two") + reader.records(b"three")[:9]
    reader.tls.data_received(encrypted)
    assert reader.hearer.pieces == [b"onetwo"]
    reader.hearer.at_each = lambda: None
    assert Line(authority).open().works()
    assert not reader.wire.closed


def test_a_connection_that_writes_to_another_while_it_is_read_mixes_nothing(authority: Authority) -> None:
    other = Line(authority).open()
    reader = Line(authority, Hearer(lambda: other.tls.write(b"passed on"))).open()
    reader.tls.data_received(reader.records(b"one", b"two"))
    other.incoming.write(other.wire.take())
    assert other.peer.read(100) == b"passed on"
    assert other.works()


@pytest.mark.parametrize("size", [5, 4096, 16_384, 100_000])
@pytest.mark.parametrize("step", [NETWORK, 200_000])
def test_a_buffer_is_filled_before_it_is_handed_over(authority: Authority, size: int, step: int) -> None:
    line, other = Line(authority).open(), Line(authority).open()
    filler = Filler(size, line.hearer)
    line.tls.set_protocol(filler)
    text = bytes(range(256)) * 150
    encrypted = line.records(text[:20_000], text[20_000:])
    for place in range(0, len(encrypted), step):
        line.tls.data_received(encrypted[place : place + step])
    assert b"".join(filler.pieces) == text
    if step > len(encrypted):
        assert [len(piece) for piece in filler.pieces[:-1]] == [size] * ((len(text) - 1) // size)
    line.tls.set_protocol(line.hearer)
    assert line.works()
    assert other.works()


def test_who_takes_over_in_the_middle_of_a_read_gets_the_rest(authority: Authority) -> None:
    line = Line(authority).open()
    filler = Filler(10, line.hearer, after=2)
    line.tls.set_protocol(filler)
    line.tls.data_received(line.records(b"x" * 20, b"y" * 15) + line.goodbye())
    assert (filler.pieces, line.hearer.pieces, line.hearer.ends) == ([b"x" * 10, b"x" * 10], [b"y" * 15], 1)
    assert Line(authority).open().works()


@pytest.mark.parametrize("buffered", [False, True])
def test_what_comes_behind_an_end_is_dropped_and_the_end_is_told_once(authority: Authority, buffered: bool) -> None:
    line = Line(authority).open()
    line.hearer.stays = True
    filler = Filler(100, line.hearer)
    if buffered:
        line.tls.set_protocol(filler)
    line.tls.data_received(line.records(b"last") + line.goodbye() + b"\x17\x03\x03\x00\x05loose")
    line.tls.data_received(b"\x17\x03\x03\x00\x05loose")
    assert (filler.pieces if buffered else line.hearer.pieces) == [b"last"]
    assert line.hearer.ends == 1
    line.tls.write(b"still")
    line.incoming.write(line.wire.take())
    assert line.peer.read(100) == b"still"
    assert Line(authority).open().works()


def test_who_sends_without_end_behind_its_end_is_cut(authority: Authority) -> None:
    line = Line(authority).open()
    line.hearer.stays = True
    line.tls.data_received(line.goodbye())
    for _ in range(20):
        line.tls.data_received(bytes(100_000))
    assert line.wire.aborted


def test_early_data_behind_the_handshake_is_handed_over(authority: Authority) -> None:
    line, other = Line(authority), Line(authority)
    line.tls.data_received(line.step())
    finished = line.step()
    line.tls.data_received(finished + line.records(b"at once", b" and more"))
    assert line.hearer.pieces == [b"at once and more"]
    assert other.open().works()


def test_large_writes_are_encrypted_in_parts_and_written_as_one(authority: Authority) -> None:
    """A transport calls back in the middle of a write, and who closes then must not cut it short."""
    line = Line(authority).open()
    said = bytes(range(256)) * 4100
    assert len(said) > 4 * WRITE_BYTES
    before = line.wire.writes
    line.tls.write(memoryview(said))
    assert line.wire.writes == before + 1
    line.incoming.write(line.wire.take())
    heard = b""
    while line.incoming.pending or line.peer.pending():
        heard += line.peer.read(1 << 20)
    assert heard == said
    assert line.works()


class Odd(Filler):
    """Does something where it is only asked for its buffer."""

    def __init__(self, then: Hearer, at_buffer: Callable[[], memoryview | bytearray]) -> None:
        super().__init__(100, then)
        self.at_buffer = at_buffer

    def get_buffer(self, sizehint: int) -> memoryview:
        self.view = self.at_buffer()  # type: ignore[assignment]  # asyncio takes any buffer
        return self.view


def test_a_buffer_that_cannot_be_had_leaves_nothing_to_others(authority: Authority) -> None:
    line, other = Line(authority).open(), Line(authority).open()

    def fails() -> memoryview:
        raise MemoryError

    for at_buffer, error in ((fails, MemoryError), (lambda: memoryview(b""), RuntimeError)):
        line.tls.set_protocol(Odd(line.hearer, at_buffer))
        with pytest.raises(error):
            line.tls.data_received(line.records(b"lost"))
        assert other.works()


def test_who_closes_another_when_asked_for_a_buffer_takes_nothing_of_the_read(authority: Authority) -> None:
    line, other = Line(authority).open(), Line(authority).open()
    view = memoryview(bytearray(100))

    def closes() -> memoryview:
        other.tls.close()
        return view

    odd = Odd(line.hearer, closes)
    line.tls.set_protocol(odd)
    line.tls.data_received(line.records(b"heard"))
    assert odd.pieces == [b"heard"]


def test_any_buffer_will_do(authority: Authority) -> None:
    line = Line(authority).open()
    own = bytearray(10)
    odd = Odd(line.hearer, lambda: own)
    line.tls.set_protocol(odd)
    line.tls.data_received(line.records(b"one", b"two"))
    assert odd.pieces == [b"onetwo"]


def test_a_connection_that_the_collector_closes_takes_nothing_of_another(authority: Authority) -> None:
    """It may come round while a record lies ready, and run what has to be done for the dead."""
    line, other = Line(authority).open(), Line(authority).open()
    read = line.tls._read

    def reads(*given: int) -> bytes:
        other.tls.close()
        return read(*given)

    line.tls._read = reads
    line.tls.data_received(line.records(b"heard"))
    assert line.hearer.pieces == [b"heard"]
    assert line.works()


@pytest.mark.parametrize("way", ["close", "write_eof", "abort"])
def test_who_has_closed_hears_of_no_end_behind_it(authority: Authority, way: str) -> None:
    """An inbound connection that lingers would be closed at once, and its reply with it (RFC 9112 9.6)."""
    hearer = Hearer()
    line = Line(authority, hearer).open()
    hearer.at_each = getattr(line.tls, way)
    line.tls.data_received(line.records(b"nonsense") + line.goodbye())
    assert (hearer.pieces, hearer.ends) == ([b"nonsense"], 0)
    assert line.wire.closed is (way != "write_eof")


def test_who_takes_over_behind_an_end_hears_nothing_more(authority: Authority) -> None:
    line = Line(authority).open()
    line.hearer.stays = True
    line.tls.data_received(line.goodbye())
    line.tls.set_protocol(line.hearer)
    for _ in range(3):
        line.tls.data_received(b"\x17\x03\x03\x00\x05loose")
    assert line.hearer.ends == 1


def test_bytes_for_a_connection_that_is_lost_are_nobodys(authority: Authority) -> None:
    line, other = Line(authority).open(), Line(authority).open()
    late = line.records(b"late")
    line.tls.connection_lost(None)
    line.tls.data_received(late)
    assert other.works()
