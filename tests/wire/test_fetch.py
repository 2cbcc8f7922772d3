"""Fetching a client's URL: from real servers on loopback, and everything that must not be reached."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from fastproxy.errors import BadRequest, UpstreamFailed
from fastproxy.wire.fetch import FetchLimits, Network, fetch, may_be_reached
from fastproxy.wire.tls import client_context, server_context
from tests.wire.certificates import Authority
from tests.wire.live_loop import run, until

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
WEBP = b"RIFF\x10\0\0\0WEBPVP8 "
LIMITS = FetchLimits(max_bytes=1000, timeout=2)


def ok(body: bytes, content_type: str = "image/png", *more: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *more]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(*pieces: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def moved(place: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Moved\r\nLocation: {place}\r\nContent-Length: 0\r\nSet-Cookie: a=b\r\n\r\n".encode()


class Site:
    """A server that gives one scripted reply per path, and a network on which only loopback may be reached."""

    def __init__(self, replies: dict[str, bytes], *, stays_open: bool = False) -> None:
        self.replies = replies
        self.stays_open = stays_open
        self.asked: list[bytes] = []
        self.resolved: list[str] = []
        self.names: dict[str, Sequence[str]] = {"files.example": ["127.0.0.1"]}
        self.port = 8080
        self.open = 0
        self.context: ssl.SSLContext | None = None

    @asynccontextmanager
    async def running(self, context: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context) as server:
            self.port = server.sockets[0].getsockname()[1]
            yield
            await until(lambda: not self.open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.asked.append(head)
            writer.write(self.replies[head.split(b" ")[1].decode()].replace(b"PORT", str(self.port).encode()))
            if self.stays_open:
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort() if self.stays_open else writer.close()
            self.open -= 1

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.resolved.append(host)
        if host not in self.names:
            raise UpstreamFailed("no such name")
        return self.names[host]

    def network(self) -> Network:
        return Network(self.resolve, lambda address: address == "127.0.0.1", self.context)

    async def fetch(self, path: str, limits: FetchLimits = LIMITS, host: str = "files.example") -> tuple[str, bytes]:
        return await fetch(f"http://{host}:{self.port}{path}", limits, self.network())


def got(reply: bytes, *, stays_open: bool = False, limits: FetchLimits = LIMITS) -> tuple[str, bytes] | str:
    """What one reply leads to: the file, or why not."""
    outcome: list[tuple[str, bytes] | BadRequest] = []

    async def scenario() -> None:
        site = Site({"/": reply}, stays_open=stays_open)
        async with site.running():
            try:
                outcome.append(await site.fetch("/", limits))
            except BadRequest as error:
                outcome.append(error)

    run(scenario)
    found = outcome[0]
    if isinstance(found, tuple):
        return found
    assert (found.status, found.kind) == (400, "bad_file_url")
    return found.message.removeprefix("a file's url ")


@pytest.mark.parametrize(
    ("reply", "media_type", "body"),
    [
        (ok(PNG), "image/png", PNG),
        (ok(PNG, "IMAGE/PNG; x=y"), "image/png", PNG),
        (ok(PNG, "image/jpeg"), "image/png", PNG),
        (ok(WEBP, "image/jpeg"), "image/webp", WEBP),
        (ok(b"\xff\xd8\xff\xe0", "application/octet-stream"), "image/jpeg", b"\xff\xd8\xff\xe0"),
        (ok(b"%PDF-1.7", ""), "application/pdf", b"%PDF-1.7"),
        (ok(b"hello", "text/plain; charset=utf-8"), "text/plain", b"hello"),
        (ok(b"sound", "audio/mpeg"), "audio/mpeg", b"sound"),
        (chunked(PNG[:9], PNG[9:]), "image/png", PNG),
        (b"HTTP/1.0 200 OK\r\ncontent-type: image/gif\r\n\r\nGIF89a", "image/gif", b"GIF89a"),
        (b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\n" + ok(PNG), "image/png", PNG),
        (chunked(PNG)[:-2] + b"content-type: text/html\r\n\r\n", "image/png", PNG),
    ],
)
def test_a_file(reply: bytes, media_type: str, body: bytes) -> None:
    assert got(reply) == (media_type, body)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (ok(b"<html>", "text/html"), "leads to 'text/html': not a type of file that is taken here"),
        (ok(b"who knows", "application/octet-stream"), "leads to 'application/octet-stream': not a type"),
        (ok(b"who knows", ""), "leads to '': not a type"),
        (ok(PNG, "image/png", "Content-Encoding: gzip"), "is answered with compressed bytes"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "is answered with status 404"),
        (b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n", "is answered with status 401"),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", "is answered with status 304"),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "leads to a redirect without a place"),
        (ok(b"x" * 1001, "text/plain"), "leads to more than 1000 bytes"),
        (chunked(PNG, b"x" * 1001), "leads to more than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n\r\n" + b"x" * 1001, "leads to more than 1000 bytes"),
        (ok(PNG)[:-1], "is on a server that cannot be reached, or that closed the connection"),
        (chunked(PNG)[:-5], "is on a server that cannot be reached, or that closed the connection"),
        (b"", "is on a server that cannot be reached, or that closed the connection"),
        (b"SSH-2.0-OpenSSH\r\n", "is on a server whose answer is not valid HTTP/1.1"),
        (b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "is on a server whose answer is not"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 30_000, "is answered with headers without end"),
    ],
)
def test_no_file(reply: bytes, why: str) -> None:
    assert str(got(reply)).startswith(why)


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 200 OK\r\n", ok(PNG)[:-1], chunked(PNG)[:-5]])
def test_a_slow_server_is_not_waited_for(reply: bytes) -> None:
    assert got(reply, stays_open=True, limits=FetchLimits(timeout=0.05)) == "took longer than 0.05 s"


def test_a_file_does_not_wait_for_the_end_of_the_connection() -> None:
    assert got(ok(PNG), stays_open=True) == ("image/png", PNG)
    assert got(chunked(PNG), stays_open=True) == ("image/png", PNG)


def test_chunks_of_one_byte_are_bounded_by_what_they_cost() -> None:
    limits = FetchLimits(max_bytes=50_000)
    assert got(chunked(*[b"x"] * 49_999), limits=limits) == "leads to more than 50000 bytes"


def test_the_request_says_the_name_and_nothing_of_the_client() -> None:
    async def scenario() -> None:
        site = Site({"/a%20b?c=d%C3%A9": ok(PNG)})
        async with site.running():
            await fetch(f"http://FILES.example:{site.port}/a%20b?c=dé#fragment", LIMITS, site.network())
            assert site.asked == [
                f"GET /a%20b?c=d%C3%A9 HTTP/1.1\r\nhost: files.example:{site.port}\r\nuser-agent: fastproxy\r\n"
                "accept: */*\r\naccept-encoding: identity\r\nconnection: close\r\n\r\n".encode()
            ]

    run(scenario)


def test_redirects_are_followed_without_cookies() -> None:
    async def scenario() -> None:
        site = Site(
            {"/1": moved("/2"), "/2": moved("3", 308), "/3": moved("http://other.example:PORT/4"), "/4": ok(PNG)}
        )
        site.names["other.example"] = ["127.0.0.1"]
        async with site.running():
            assert await site.fetch("/1") == ("image/png", PNG)
            assert site.resolved == ["files.example"] * 3 + ["other.example"]
            assert b"cookie" not in b"".join(site.asked).lower()
            with pytest.raises(BadRequest, match="more than 2 redirects"):
                await site.fetch("/1", FetchLimits(redirects=2))

    run(scenario)


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("http://10.0.0.1/x", "names a host that has no public address"),
        ("http://inner.example:PORT/x", "names a host that has no public address"),
        ("http://[::1]:PORT/x", "names a host that has no public address"),
        ("//inner.example:PORT/x", "names a host that has no public address"),
        ("file:///etc/passwd", "is neither http nor https"),
        ("gopher://127.0.0.1/x", "is neither http nor https"),
        ("http://user:pw@files.example/", "holds credentials"),
        ("http://files.example:22/", "names a port"),
        ("/a b", "holds blanks"),
    ],
)
def test_redirects_are_checked_like_the_first(place: str, why: str) -> None:
    async def scenario() -> None:
        site = Site({"/": moved(place)})
        site.names["inner.example"] = ["127.0.0.1", "10.0.0.1"]
        async with site.running():
            with pytest.raises(BadRequest, match=why):
                await site.fetch("/")
            assert len(site.asked) == 1

    run(scenario)


@pytest.mark.parametrize(
    ("addresses", "is_reached"),
    [
        (["127.0.0.1"], True),
        (["10.0.0.1"], False),
        (["127.0.0.1", "10.0.0.1"], False),
        (["10.0.0.1", "127.0.0.1"], False),
        (["not an address"], False),
        ([], False),
    ],
)
def test_every_address_of_a_name_is_checked(addresses: list[str], *, is_reached: bool) -> None:
    async def scenario() -> None:
        site = Site({"/": ok(PNG)})
        site.names["files.example"] = addresses
        async with site.running():
            if is_reached:
                await site.fetch("/")
            else:
                with pytest.raises(BadRequest, match="has no public address") as refused:
                    await site.fetch("/")
                assert "10.0" not in refused.value.message
            assert len(site.asked) == is_reached

    run(scenario)


def test_a_name_is_resolved_once_and_the_checked_address_is_used() -> None:
    """A name that leads elsewhere when asked again gains nothing: nobody asks again."""

    async def scenario() -> None:
        site = Site({"/": ok(PNG)})
        answers = iter([["127.0.0.1"], ["10.0.0.1"]])

        async def resolve(host: str, port: int) -> Sequence[str]:
            site.resolved.append(host)
            return next(answers)

        async with site.running():
            network = Network(resolve, lambda address: address == "127.0.0.1")
            url = f"http://does-not-exist.invalid:{site.port}/"
            assert await fetch(url, LIMITS, network) == ("image/png", PNG)
            assert site.resolved == ["does-not-exist.invalid"]

    run(scenario)


def test_an_unknown_name_and_an_inner_one_look_the_same() -> None:
    async def scenario() -> None:
        site = Site({})
        site.names["inner.example"] = ["10.0.0.1"]
        texts = set()
        for host in ("unknown.example", "inner.example", "10.0.0.1", "[fd00::1]"):
            with pytest.raises(BadRequest) as refused:
                await site.fetch("/", host=host)
            texts.add(refused.value.message)
        assert texts == {"a file's url names a host that has no public address"}

    run(scenario)


def test_the_next_address_is_tried() -> None:
    async def scenario() -> None:
        site = Site({"/": ok(PNG)})
        site.names["files.example"] = ["127.0.0.2", "127.0.0.1"]
        async with site.running():
            network = Network(site.resolve, lambda address: address.startswith("127."))
            url = f"http://files.example:{site.port}/"
            assert await fetch(url, LIMITS, network) == ("image/png", PNG)

    run(scenario)


def test_tls_is_verified_for_the_name(tmp_path: Path) -> None:
    async def scenario() -> None:
        authority = Authority(tmp_path)
        certificate = authority.issue("files.example")
        site = Site({"/": ok(PNG), "/down": moved("http://files.example:PORT/")})
        site.names["other.example"] = ["127.0.0.1"]
        site.context = client_context(authority.file)
        async with site.running(server_context(certificate.cert, certificate.key)):
            url = f"https://files.example:{site.port}/"
            assert await fetch(url, LIMITS, site.network()) == ("image/png", PNG)
            for wrong, network in (
                (url.replace("files", "other"), site.network()),
                (url, Network(site.resolve, lambda _: True)),
            ):
                with pytest.raises(BadRequest, match="tls cannot be trusted"):
                    await fetch(wrong, LIMITS, network)
            with pytest.raises(BadRequest, match="from https to http"):
                await fetch(url + "down", LIMITS, site.network())

    run(scenario)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://files.example/a.png", "is neither http nor https"),
        ("data:image/png;base64,AAAA", "is neither http nor https"),
        ("files.example/a.png", "is neither http nor https"),
        ("", "is neither http nor https"),
        ("http://", "names no usable host"),
        ("http:///a.png", "names no usable host"),
        ("http://[fe80::1%25eth0]/", "names no usable host"),
        ("http://files.example:99999/", "is not well formed"),
        ("http://files.example:x/", "is not well formed"),
        ("http://[::1/", "is not well formed"),
        ("http://files.example:25/", "names a port that is not one of the web's"),
        ("http://a:b@files.example/", "holds credentials"),
        ("http://@files.example/", "holds credentials"),
        ("http://files.example/a\r\nx: y", "holds blanks, control characters or backslashes"),
        ("http://files.example\\@127.0.0.1/", "holds blanks, control characters or backslashes"),
        ("http://files.example/" + "x" * 8192, "is longer than 8192 characters"),
        ("http://127.0.0.1/", "names a host that has no public address"),
        ("http://\uff11\uff12\uff17.0.0.1/", "names a host that has no public address"),
        ("http://169.254.169.254/latest/meta-data/", "names a host that has no public address"),
        ("http://[::ffff:127.0.0.1]/", "names a host that has no public address"),
        ("http://[64:ff9b::7f00:1]/", "names a host that has no public address"),
        ("http://2130706433/", "names a host that has no public address"),
        ("http://0x7f.1/", "names a host that has no public address"),
        ("http://localhost/", "names a host that has no public address"),
    ],
)
def test_urls_that_are_not_asked_for(url: str, why: str) -> None:
    async def resolve(host: str, _: int) -> Sequence[str]:
        return {"localhost": ["127.0.0.1", "::1"], "2130706433": ["127.0.0.1"], "0x7f.1": ["127.0.0.1"]}[host]

    async def scenario() -> None:
        with pytest.raises(BadRequest, match=why):
            await fetch(url, LIMITS, Network(resolve))

    run(scenario)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "0.0.0.0", "0.1.2.3", "10.1.1.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.100.100.200",
     "168.63.129.16", "192.0.0.192", "192.88.99.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
     "::", "::1", "::ffff:10.0.0.1", "::ffff:168.63.129.16", "::127.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::1",
     "2002:a00:1::", "2001:0:1::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1",
     "2001:db8::1", "3fff::1", "5f00::1", "100::1", "4000::1"],
)  # fmt: skip
def test_no_way_into_private_networks(address: str) -> None:
    assert not may_be_reached(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450:4001::200e", "::ffff:8.8.8.8"])
def test_the_public_internet_may_be_reached(address: str) -> None:
    assert may_be_reached(address)
