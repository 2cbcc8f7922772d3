"""A file that a request names by its URL, fetched without becoming anybody's way into a private network.

    url ── checked ── resolved ── EVERY address checked ── connected to one of those ── GET ── type, size ── bytes
     ↑                                                                                   │
     └───────────────────── a redirect, checked like the first, at most three ───────────┘

What was checked is what is connected to, so a name that changes its mind in between gains nothing; Host and SNI are the
name's. No credentials, no cookies, no referrer. One timeout for all. Every failure is a BadRequest that tells the
client what is wrong with its URL, never what an inner name leads to. A fetch happens per file, so streams are fast
enough.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final, NoReturn
from urllib.parse import quote, urljoin, urlsplit

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from fastproxy.errors import BadRequest, UpstreamFailed
from fastproxy.wire.resolve import is_address, is_public
from fastproxy.wire.tls import client_context

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

MAX_URL: Final = 8192
MAX_HEAD: Final = 32768
MAX_TRIED: Final = 3  # addresses of one name
_READ: Final = 65536
_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
_UNSAFE: Final = re.compile(r"[\x00-\x20\x7f\\]")
_HOST: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,252}[a-z0-9_])?\.?|[0-9a-f:.]{2,45}")
_NOT_GLOBAL: Final = tuple(  # which Python takes for public: Azure's metadata, 6to4 relays, documentation
    ip_network(text) for text in ("168.63.129.16/32", "192.88.99.0/24", "3fff::/20")
)
_UNICAST: Final = ip_network("2000::/3")  # all of IPv6 that is given out

# The bytes that files begin with; a server's word for an image is often wrong, and the vendors refuse wrong words.
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
_UNSAID: Final = frozenset(("", "application/octet-stream", "binary/octet-stream", "application/x-download"))


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """`media_types`: whole ones, or prefixes that end in a slash. `timeout` in seconds, redirects included."""

    max_bytes: int = 20 << 20
    timeout: float = 10.0
    redirects: int = 3
    media_types: tuple[str, ...] = ("image/", "application/pdf", "text/plain", "audio/", "video/")


@dataclass(frozen=True, slots=True)
class Network:
    """Where fetches may go. `resolve` gives a name's addresses; tests allow loopback and trust their own authority."""

    resolve: Callable[[str, int], Awaitable[Sequence[str]]]
    is_allowed: Callable[[str], bool] | None = None
    context: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """A URL that may be asked, taken apart. `target` is what the request line says."""

    url: str
    tls: bool
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


async def fetch(url: str, limits: FetchLimits, network: Network) -> tuple[str, bytes]:
    """The file's media type and bytes. Raises: BadRequest."""
    try:
        async with asyncio.timeout(limits.timeout):
            place = _place_of(url)
            for _ in range(limits.redirects + 1):
                found = await _ask(place, limits, network)
                if not isinstance(found, _Place):
                    return found
                place = found
    except TimeoutError:
        _refuse(f"took longer than {limits.timeout:g} s")
    except ssl.SSLError:
        _refuse("is on a server whose tls cannot be trusted")
    except (OSError, EOFError):
        _refuse("is on a server that cannot be reached, or that closed the connection")
    except (HttpParserError, HttpParserUpgrade):
        _refuse("is on a server whose answer is not valid HTTP/1.1")
    _refuse(f"leads through more than {limits.redirects} redirects")


def may_be_reached(address: str) -> bool:
    """Whether an address is the public internet's, by a stricter rule than for upstreams: those an operator chose."""
    if not is_public(address):
        return False
    parsed = ip_address(address)
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    if parsed.version == 6 and parsed not in _UNICAST:
        return False
    return not any(parsed in net for net in _NOT_GLOBAL if net.version == parsed.version)


def _refuse(why: str) -> NoReturn:
    raise BadRequest(f"a file's url {why}", kind="bad_file_url") from None


# --- the URL ------------------------------------------------------------------------------------------------------


def _place_of(url: str) -> _Place:
    if len(url) > MAX_URL:
        _refuse(f"is longer than {MAX_URL} characters")
    if _UNSAFE.search(url):
        _refuse("holds blanks, control characters or backslashes")
    try:
        parts = urlsplit(url)
        port, host = parts.port, _ascii_host(parts.hostname or "")
        has_user = parts.username is not None or parts.password is not None
        target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (f"?{_query(parts.query)}" if parts.query else "")
    except ValueError:  # also a UnicodeError
        _refuse("is not well formed")
    if parts.scheme not in ("http", "https"):
        _refuse("is neither http nor https")
    if has_user:
        _refuse("holds credentials")
    if not _HOST.fullmatch(host):
        _refuse("names no usable host")
    tls = parts.scheme == "https"
    port = port if port is not None else 443 if tls else 80
    if port < 1024 and port not in (80, 443):
        _refuse("names a port that is not one of the web's")
    return _Place(url, tls, host, port, target)


def _ascii_host(host: str) -> str:
    return host if host.isascii() else host.encode("idna").decode()


def _query(query: str) -> str:
    return quote(query, safe="/%:@!$&'()*+,;=~?[]{}|^`")


def _redirected(place: _Place, location: bytes | None) -> _Place:
    if location is None:
        _refuse("leads to a redirect without a place")
    try:
        url = urljoin(place.url, location.decode("utf-8", "replace"))
    except ValueError:
        _refuse("leads to a redirect whose place is not well formed")
    there = _place_of(url)
    if place.tls and not there.tls:
        _refuse("leads from https to http")
    return there


# --- one exchange -------------------------------------------------------------------------------------------------


async def _ask(place: _Place, limits: FetchLimits, network: Network) -> _Place | tuple[str, bytes]:
    """The file, or where it is to be asked for next."""
    reader, writer = await _connect(place, await _addresses(place, network), network)
    try:
        writer.write(
            f"GET {place.target} HTTP/1.1\r\nhost: {place.authority}\r\nuser-agent: fastproxy\r\naccept: */*\r\n"
            "accept-encoding: identity\r\nconnection: close\r\n\r\n".encode("ascii")
        )
        reply = _Reply()
        await _read_head(reader, reply)
        if reply.status in _REDIRECTS:
            return _redirected(place, reply.fields.get(b"location"))
        _check_head(reply, limits)
        data = await _read_body(reader, reply, limits.max_bytes)
    finally:
        writer.transport.abort()
    found = _seen_type(data) or _media_type(reply)
    _check_type(found, limits)
    return found, data


def _check_head(reply: _Reply, limits: FetchLimits) -> None:
    if reply.status != 200:
        _refuse(f"is answered with status {reply.status}")
    if reply.fields.get(b"content-encoding", b"identity") != b"identity":
        _refuse("is answered with compressed bytes, which were not asked for")
    said = _media_type(reply)
    if said not in _UNSAID:
        _check_type(said, limits)


async def _addresses(place: _Place, network: Network) -> tuple[str, ...]:
    """Those of the host, all of them fit to be connected to."""
    is_allowed = network.is_allowed or may_be_reached
    try:
        found = (place.host,) if is_address(place.host) else tuple(await network.resolve(place.host, place.port))
        fit = bool(found) and all(is_address(address) and is_allowed(address) for address in found)
    except (OSError, UpstreamFailed, UnicodeError):
        fit = False
    if not fit:  # the same words for both, or the answer would tell which inner names exist
        _refuse("names a host that has no public address")
    return found[:MAX_TRIED]


async def _connect(
    place: _Place, addresses: tuple[str, ...], network: Network
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = (network.context or _context()) if place.tls else None
    name = place.host.rstrip(".") if place.tls else None
    for address in addresses[:-1]:
        try:
            return await asyncio.open_connection(address, place.port, ssl=context, server_hostname=name, limit=MAX_HEAD)
        except ssl.SSLError:
            raise
        except OSError:
            continue
    return await asyncio.open_connection(addresses[-1], place.port, ssl=context, server_hostname=name, limit=MAX_HEAD)


@lru_cache(maxsize=1)
def _context() -> ssl.SSLContext:
    return client_context()


class _Reply:
    """What httptools calls while it reads one reply. Not wire/reply_head: its table of shapes is for upstreams."""

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self.status = 0
        self.fields: dict[bytes, bytes] = {}
        self.data = bytearray()  # not a list of pieces: chunks of one byte would be 50 times their size
        self.fed = 0
        self.done = False

    def feed(self, data: bytes) -> None:
        self.fed += len(data)
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.status:  # else it is a trailer
            self.fields[name.lower()] = value.strip(b" \t")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # an interim reply; the final one follows
            self.fields.clear()
        else:
            self.status = status

    def on_body(self, data: bytes) -> None:
        self.data += data

    def on_message_complete(self) -> None:
        self.done = self.status != 0

    def ends_with_connection(self) -> bool:
        return self.status != 0 and not self.fields.keys() & {b"content-length", b"transfer-encoding"}

    def declared(self) -> int:
        """The size that it says it has; 0 if it does not say."""
        said = self.fields.get(b"content-length", b"0")
        return int(said) if said.isdigit() and len(said) < 19 else 0


async def _read_head(reader: asyncio.StreamReader, reply: _Reply) -> None:
    while not reply.status:
        data = await reader.read(_READ)
        if not data:
            raise EOFError
        reply.feed(data)
        if reply.fed > MAX_HEAD + _READ:
            _refuse("is answered with headers without end")


async def _read_body(reader: asyncio.StreamReader, reply: _Reply, most: int) -> bytes:
    if reply.declared() > most:
        _refuse(f"leads to more than {most} bytes")
    while not reply.done and len(reply.data) <= most and reply.fed < 2 * most + MAX_HEAD + _READ:
        data = await reader.read(_READ)
        if data:
            reply.feed(data)
        elif reply.ends_with_connection():
            break
        else:
            raise EOFError
    if len(reply.data) > most or not (reply.done or reply.ends_with_connection()):
        _refuse(f"leads to more than {most} bytes")
    return bytes(reply.data)


# --- the type -----------------------------------------------------------------------------------------------------


def _media_type(reply: _Reply) -> str:
    said = reply.fields.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
    return said if said.isascii() and said.isprintable() else ""


def _seen_type(data: bytes) -> str:
    """What the first bytes say, where they say it clearly."""
    for magic, found in _MAGIC:
        if data.startswith(magic):
            return found
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else ""


def _check_type(found: str, limits: FetchLimits) -> None:
    if not any(found.startswith(wanted) if wanted.endswith("/") else found == wanted for wanted in limits.media_types):
        _refuse(f"leads to '{found[:40]}': not a type of file that is taken here")
