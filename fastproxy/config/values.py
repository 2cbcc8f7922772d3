"""Pure parsers of one setting's text, and the writers that turn values back into text.

Each parser takes text and returns the value, or raises ValueError with what was seen and what was expected. They know
neither files nor flags: whoever calls adds the place. Texts of errors never repeat a value that could be a secret.

    parse_duration  "500ms" "10s" "1m30s" "2h" "10"      → seconds
    parse_size      "64KiB" "32M" "1GB" "4096"           → bytes (K, M, G alone are binary, as in nginx)
    parse_address   "host:port" "[::1]:80" ":8080" "unix:/path" → (host, port, Unix path or None)
    parse_rate      "100/s" "6000/m"                     → (count, seconds)
"""

from __future__ import annotations

import difflib
import math
import re
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+", re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(b|k|kib|kb|m|mib|mb|g|gib|gb)?", re.ASCII | re.IGNORECASE)
_SIZE_UNITS = {
    "b": 1, "k": 1 << 10, "kib": 1 << 10, "kb": 10**3, "m": 1 << 20, "mib": 1 << 20, "mb": 10**6,
    "g": 1 << 30, "gib": 1 << 30, "gb": 10**9,
}  # fmt: skip
_API_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,39}", re.ASCII)
_NODE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", re.ASCII)
_RATE = re.compile(r"([1-9]\d{0,11})/(s|m|h|d)", re.ASCII)
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?", re.ASCII)
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
LOOPBACK_NAMES = frozenset({"localhost", "ip6-localhost"})


def cut(text: str, length: int = 60) -> str:
    """A value as an error shows it: quoted, without control characters, never long."""
    return repr(text if len(text) <= length else text[:length] + "…")


def suggest(word: str, known: Iterable[str]) -> str:
    """The end of an error about an unknown word: its nearest neighbour, or all that would have been right."""
    names = sorted(known)
    near = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; expected one of {', '.join(names)}" if names else ""


def parse_text(text: str) -> str:
    if not text.strip():
        raise ValueError("expected text, seen nothing")
    if not text.isprintable():
        raise ValueError("expected one line of text, seen a control character")
    return text


def parse_api_version(text: str) -> str:
    """What Azure calls a version: 2024-10-21, 2025-04-01-preview, v1."""
    if not _API_VERSION.fullmatch(text):
        raise ValueError(f"{cut(text)} is not an api version; expected one like 2024-10-21")
    return text


def parse_node(text: str) -> str:
    """A name as hosts and pods have them, short enough for a label."""
    if not _NODE.fullmatch(text):
        raise ValueError(f"{cut(text)} is not a node; expected at most 63 letters, digits, dots or dashes")
    return text


def parse_boolean(text: str) -> bool:
    word = text.strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError(f"{cut(text)} is not a boolean; expected true or false")


def parse_number(text: str) -> float:
    """A finite number from 0, such as a price."""
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not 0 <= value < math.inf:
        raise ValueError(f"{cut(text)} is not a number from 0")
    return value


def parse_percent(text: str) -> str:
    number = text.removesuffix("%")
    if number == text or not _NUMBER.fullmatch(number) or not 0 <= float(number) <= 100:
        raise ValueError(f"{cut(text)} is not a percentage; expected one like 5%")
    return text


def whole(low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers in a range, both ends included."""

    def parse_whole(text: str) -> int:
        digits = text.replace("_", "")
        if not re.fullmatch(r"-?\d{1,18}", digits, re.ASCII):
            raise ValueError(f"{cut(text)} is not a whole number")
        if not low <= int(digits) <= high:
            raise ValueError(f"{text} is out of range; expected {low} to {high}")
        return int(digits)

    return parse_whole


def choice(*words: str) -> Callable[[str], str]:
    """A parser of one word of a few. YAML 1.1 reads a bare `off` as a boolean, so `false` and `no` mean it too."""

    def parse_choice(text: str) -> str:
        word = text.strip().lower()
        if "off" in words and word in {"false", "no"}:
            return "off"
        if word not in words:
            raise ValueError(f"unknown value {cut(text)}{suggest(word, words)}")
        return word

    return parse_choice


def parse_duration(text: str) -> float:
    """Seconds, also from a bare number. Finite, not negative."""
    if _NUMBER.fullmatch(text):
        seconds = float(text)
    elif _DURATION.fullmatch(text):
        seconds = sum(float(amount) * _DURATION_UNITS[unit] for amount, unit in _DURATION_PART.findall(text))
    else:
        raise ValueError(f"{cut(text)} is not a duration; expected one like 10s, 500ms or 1m30s")
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{cut(text)} is not a duration from 0")
    return seconds


def write_duration(seconds: float) -> str:
    for unit in ("d", "h", "m", "s"):
        if seconds and seconds % _DURATION_UNITS[unit] == 0:
            return f"{int(seconds / _DURATION_UNITS[unit])}{unit}"
    return f"{seconds * 1000:.12g}ms" if seconds else "0s"


def duration(low: float, high: float) -> Callable[[str], float]:
    def parse_bounded(text: str) -> float:
        seconds = parse_duration(text)
        if not low <= seconds <= high:
            raise ValueError(f"{text} is out of range; expected {write_duration(low)} to {write_duration(high)}")
        return seconds

    return parse_bounded


def parse_size(text: str) -> int:
    """Bytes; a fraction of a unit is allowed when it makes whole bytes."""
    match = _SIZE.fullmatch(text)
    if match is None or len(match[1]) > 18:
        raise ValueError(f"{cut(text)} is not a size; expected one like 64KiB or 32MiB")
    unit = _SIZE_UNITS[(match[2] or "b").lower()]
    if "." not in match[1]:
        return int(match[1]) * unit
    exact = float(match[1]) * unit
    if not exact.is_integer():
        raise ValueError(f"{cut(text)} is not a whole number of bytes")
    return int(exact)


def write_size(count: int) -> str:
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count and count % factor == 0:
            return f"{count // factor}{unit}"
    return f"{count}B"


def size(low: int, high: int) -> Callable[[str], int]:
    def parse_bounded(text: str) -> int:
        count = parse_size(text)
        if not low <= count <= high:
            raise ValueError(f"{text} is out of range; expected {write_size(low)} to {write_size(high)}")
        return count

    return parse_bounded


def parse_rate(text: str) -> tuple[int, float]:
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError(f"{cut(text)} is not a rate; expected one like 100/s or 6000/m")
    return int(match[1]), _DURATION_UNITS[match[2]]


def checked_rate(text: str) -> str:
    """The rate as it was written; only its shape is checked."""
    parse_rate(text)
    return text


def is_host(text: str) -> bool:
    """Whether the text is a host name or an IP address without brackets."""
    return bool(_HOST.fullmatch(text.lower())) or _is_ip(text)


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    if host.lower() in LOOPBACK_NAMES:
        return True
    return _is_ip(host) and ip_address(host).is_loopback


def parse_address(text: str) -> tuple[str, int, str | None]:
    """Host, port, Unix path. An absent host (":8080", "*:8080") is every IPv4 address."""
    refused = ValueError(f"{cut(text)} is not an address; expected HOST:PORT, [IPV6]:PORT, :PORT or unix:/path")
    if text.startswith("unix:"):
        return "", 0, parse_socket_path(text.removeprefix("unix:"))
    host, colon, port = text.rpartition(":")
    if not colon or not re.fullmatch(r"\d{1,5}", port, re.ASCII) or int(port) > 65535:
        raise refused
    if host.startswith("[") and host.endswith("]"):
        if ":" not in host or not _is_ip(host[1:-1]):
            raise refused
        return host[1:-1], int(port), None
    if ":" in host or not (host in ("", "*") or is_host(host)):
        raise refused
    return "0.0.0.0" if host in ("", "*") else host, int(port), None


def parse_socket_path(path: str) -> str:
    # sun_path holds 108 bytes with its end mark; longer paths fail at bind with a text that nobody understands.
    if not path.startswith("/") or len(path.encode()) > 107 or not path.isprintable():
        raise ValueError(f"{cut(path)} is not a Unix socket path; expected an absolute path of at most 107 bytes")
    return path


def parse_subnet(text: str) -> str:
    """A network in canonical form; a bare address is a network of one, host bits are cleared."""
    try:
        return str(ip_network(text.strip(), strict=False))
    except ValueError:
        raise ValueError(f"{cut(text)} is not a subnet; expected one like 10.0.0.0/8 or 2001:db8::/32") from None


def parse_proxy(text: str) -> str:
    """A network, or `unix:` for whoever connects to one of our Unix sockets: there is no address to tell them apart."""
    return "unix:" if text.strip() == "unix:" else parse_subnet(text)


def parse_expires(text: str) -> str:
    """An ISO date or date with time, as ISO text with its offset; without an offset it is UTC, a date is its start."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{cut(text)} is not a date; expected one like 2027-01-01 or 2027-01-01T12:00:00Z") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
