"""Pure parsers of the settings that become HTTP: URLs, hosts, paths, methods, header fields, credentials.

Like config.values: text in, value out, ValueError with what was seen and expected. What passes here can be written into
a request head as it is: no control character or line break survives. URLs of upstreams may not carry credentials, so
that printing one is always safe; URLs of stores may, and are never repeated in an error.
"""

from __future__ import annotations

import posixpath
import re
from urllib.parse import SplitResult, urlsplit

from fastproxy.config.values import cut, is_host, parse_socket_path

MINIMUM_KEY_LENGTH = 8
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_TARGET = re.compile(r"/[!-~]*", re.ASCII)
_VISIBLE = re.compile(r"[!-~]+", re.ASCII)
_PRINTABLE = re.compile(r"[ -~]+", re.ASCII)
_FIELD_VALUE = re.compile(r"(?:[!-~](?:[ \t!-~]*[!-~])?)?", re.ASCII)
# Framing and connection belong to the proxy itself; a rule that touches them would break messages apart.
_OURS = frozenset(
    {"connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
# What tutorials and other gateways ship with; the first thing that a scanner tries.
_WELL_KNOWN_WORDS = """
    12345678 123456789 1234567890 administrator apikey api-key change-me change_me changeit changeme changeme123
    default fastproxy letmein master-key my-secret my-secret-key mysecret mysecretkey passw0rd password password1
    password123 qwertyui replace-me secret secret-key secretkey sk-1234 sk-12345 sk-123456 sk-1234567 sk-12345678
    sk-123456789 sk-1234567890 sk-changeme sk-default sk-master-key sk-password sk-secret sk-test sk-xxxxx sk-xxxxxxxx
    test-key testkey testtest xxxxxxxx your-api-key your-secret-key yourkey
"""
_WELL_KNOWN = frozenset(_WELL_KNOWN_WORDS.split())
_DATABASES = ("sqlite", "postgresql", "postgres")
_REDISES = ("redis", "rediss", "valkey", "valkeys", "unix")


def parse_base_url(text: str) -> str:
    """Scheme, host and path, as written but for a trailing slash."""
    parts = _split_http(text)
    if parts.path and not _TARGET.fullmatch(parts.path):
        raise ValueError(f"the path of {cut(text)} holds characters that a URL must escape")
    return text.rstrip("/")


def parse_upstream(text: str) -> str:
    """An origin to proxy to; a path is refused because several upstreams of one route share one add_prefix."""
    if text.startswith("unix:"):
        return f"unix:{parse_socket_path(text.removeprefix('unix:'))}"
    parts = _split_http(text)
    if parts.path not in ("", "/"):
        raise ValueError(f"upstream {cut(text)} has a path; expected http://HOST:PORT, and the path as add_prefix")
    return text.rstrip("/")


def _split_http(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("this is not a URL; expected http://HOST[:PORT] or https://HOST[:PORT]") from None
    if "@" in parts.netloc:
        raise ValueError("credentials do not belong into a URL; expected them as keys or headers")
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"{cut(text)} is not an http:// or https:// URL")
    if port == 0 or not parts.hostname or not is_host(parts.hostname) or not text.isprintable():
        raise ValueError(f"{cut(text)} names no usable host and port")
    if "?" in text or "#" in text:
        raise ValueError("a query or fragment cannot be part of this URL")
    return parts


def parse_database(text: str) -> str:
    expected = "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
    _store_url(text, _DATABASES, expected)
    if text.startswith("sqlite") and not database_file(text):
        raise ValueError(f"SQLite needs a file that several processes can open; expected {expected}")
    return text


def database_file(url: str) -> str:
    """The path that a SQLite URL names, relative as it stands; "" for other databases and for none in memory."""
    scheme, _, rest = url.partition(":///")
    return rest if scheme.partition("+")[0] == "sqlite" and not rest.startswith((":memory:", "?", "file:")) else ""


def beside(url: str, name: str) -> str:
    """A neighbour of a database: "sqlite:////data/fp.db" and "ledger" are "sqlite:////data/fp-ledger.db". Of a server
    it is the server's own URL: there tables of both live side by side.
    """
    file = database_file(url)
    if not file:
        return url
    stem, suffix = posixpath.splitext(file)
    return f"sqlite:///{stem}-{name}{suffix}"


def parse_redis(text: str) -> str:
    return _store_url(text, _REDISES, "redis://HOST:PORT/NUMBER")


def _store_url(text: str, schemes: tuple[str, ...], expected: str) -> str:
    scheme, separator, rest = text.partition("://")
    if not separator or not rest or scheme.split("+")[0] not in schemes or not text.isprintable():
        raise ValueError(f"this is not the URL of such a store; expected {expected}")
    return text


def parse_route_host(text: str) -> str:
    host = text.lower().rstrip(".")
    if not is_host(host.removeprefix("*.")):
        raise ValueError(
            f"{cut(text)} is not a host; expected one like app.example.com or *.example.com, without a port"
        )
    return host


def parse_path(text: str) -> str:
    if not _TARGET.fullmatch(text) or "?" in text or "#" in text:
        raise ValueError(f"{cut(text)} is not a path; expected one that begins with /, without a query")
    return text


def parse_method(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"{cut(text)} is not a method; expected one like GET")
    return text.upper()


def parse_field_name(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"{cut(text)} is not a header name")
    if text.lower() in _OURS:
        raise ValueError(f"header {text.lower()!r} is set by the proxy itself")
    return text.lower()


def parse_field_value(text: str) -> str:
    """Never repeated in the error: header values are often credentials."""
    if not _FIELD_VALUE.fullmatch(text):
        raise ValueError("expected a header value of printable ASCII without surrounding spaces")
    return text


def parse_upstream_key(text: str) -> str:
    """A vendor's credential. Inner spaces are allowed: service accounts are JSON. Its strength is not our affair."""
    if not _PRINTABLE.fullmatch(text) or text != text.strip():
        raise ValueError("expected a key of printable ASCII on one line, without surrounding spaces")
    return text


def parse_client_key(text: str) -> str:
    """A key that we hand out. Short and well-known ones are refused: an open gateway spends its owner's money."""
    if text.lower() in _WELL_KNOWN:
        raise ValueError("this key is a well-known default; expected one that nobody can guess")
    if len(text) < MINIMUM_KEY_LENGTH:
        raise ValueError(f"this key has {len(text)} characters; expected at least {MINIMUM_KEY_LENGTH}")
    if not _VISIBLE.fullmatch(text):
        raise ValueError("expected a key of visible ASCII without spaces")
    return text
