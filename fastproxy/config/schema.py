"""The schema of the configuration file: which keys exist, and what each may hold.

    SCALARS   settings of one value, which a flag and a variable may give as well
    TOP       all keys of the file; the values it reads have the names and types of Settings' fields, except that
              `listen` and `tls` are still apart and `workers: auto` is None

Absent keys are absent: defaults stand in config.types and config. What concerns several settings at once is
config.checks' affair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastproxy.config import urls, values
from fastproxy.config.readers import expect_mapping, many, scalar, section, some, table, values_of
from fastproxy.config.types import (
    FORMATS,
    Bodies,
    Budget,
    Channel,
    Group,
    Hedge,
    Journal,
    Key,
    Ledger,
    Limits,
    Listen,
    Model,
    Price,
    Remember,
    Retention,
    Route,
    Tls,
)
from fastproxy.config.yaml_tree import Mapping, Node, Scalar, plain_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.config.readers import Fields, Reader

ACCESS_LOGS = ("off", "text", "json")
TOKENIZERS = ("lazy", "preload", "off")
PASSTHROUGHS = ("off", "client-keys", "require-key")
STORES = ("file", "memory", "off")
CLIENT_GONE = ("cancel", "drain")
STATUSES = ("enabled", "disabled")
WHEN_FULL = ("refuse", "count")
KEEPS = ("off", "errors", "all")
PERIODS = ("hourly", "daily", "weekly", "monthly", "total")
MAXIMUM_WORKERS = 64  # rows OWNER_0 to OWNER_63 of the arena


def parse_workers(text: str) -> int | None:
    """None is "auto": as many as CPUs are usable."""
    return None if text.lower() == "auto" else values.whole(1, MAXIMUM_WORKERS)(text)


def parse_listen(text: str) -> Listen:
    return Listen(*values.parse_address(text))


def parse_admin(text: str) -> Listen | None:
    return None if text.lower() in ("off", "false", "no") else parse_listen(text)


def _hedge_after(text: str) -> str:
    """A percentile of what is usual, or a duration."""
    if not (text.startswith("p") and text[1:].isdecimal() and 1 <= int(text[1:]) <= 99):
        values.parse_duration(text)
    return text


def _bytes(low: int, high: int) -> Reader:
    return scalar(values.size(low, high), expected="a size")


def _whole(low: int, high: int) -> Reader:
    return scalar(values.whole(low, high), expected="a number")


_TEXT = scalar(values.parse_text)
_TEXTS = many(_TEXT)
_FLAG = scalar(values.parse_boolean, booleans=True, expected="true or false")
_SECONDS = scalar(values.duration(0.001, 7 * 86400), expected="a duration")
_COUNT = _whole(1, 10_000_000)
_MONEY = scalar(values.parse_number, expected="a number")

SCALARS: Fields = {
    "admin": scalar(parse_admin, booleans=True, expected="HOST:PORT or off"),
    "workers": scalar(parse_workers, expected="auto or a number"),
    "state_dir": _TEXT,
    "node": scalar(values.parse_node),
    "watch": _FLAG,
    "database": scalar(urls.parse_database),
    "migrate": _FLAG,
    "redis": scalar(urls.parse_redis),
    "passthrough": scalar(values.choice(*PASSTHROUGHS), booleans=True),
    "access_log": scalar(values.choice(*ACCESS_LOGS), booleans=True),
    "access_log_file": _TEXT,
    "demo": _FLAG,
    "fetch_urls": _FLAG,
    "tokenizer": scalar(values.choice(*TOKENIZERS), booleans=True),
    "pin": _FLAG,
}

LIMITS: Fields = {
    "max_body": _bytes(1, 1 << 40),
    "max_head": _bytes(1 << 10, 1 << 24),
    "max_fields": _whole(8, 10_000),
    "max_target": _bytes(256, 1 << 20),
    "max_buffer": _bytes(1 << 16, 1 << 40),
    "header_timeout": _SECONDS,
    "body_idle_timeout": _SECONDS,
    "idle_timeout": _SECONDS,
    "connect_timeout": _SECONDS,
    "tls_timeout": _SECONDS,
    "first_byte_timeout": _SECONDS,
    "stream_idle_timeout": _SECONDS,
    "total_timeout": _SECONDS,
    "write_timeout": _SECONDS,
    "drain_timeout": _SECONDS,
    "pool_idle_timeout": _SECONDS,
    "pool_max_age": _SECONDS,
    "pool_max_connections": _COUNT,
    "pool_wait_timeout": _SECONDS,
    "pool_max_waiting": _whole(0, 10_000_000),
    "max_connections": _COUNT,
    "heartbeat_timeout": scalar(values.duration(1, 3600), expected="a duration"),  # beats come every 100 ms
    "dns_ttl": _SECONDS,
    "client_gone": scalar(values.choice(*CLIENT_GONE)),
}

_REMEMBER: Fields = {
    "store": scalar(values.choice(*STORES), booleans=True),
    "time": scalar(values.duration(60, 30 * 86400), expected="a duration"),
    "size": _bytes(64 << 10, 1 << 30),
}

_JOURNAL: Fields = {
    "size": _bytes(1 << 20, 1 << 30),
    "spill": _bytes(0, 1 << 50),
    "when_full": scalar(values.choice(*WHEN_FULL)),
}

_AGE = scalar(values.duration(60, 3660 * 86400), expected="a duration")
_RETENTION: Fields = {
    **dict.fromkeys(("records", "attempts", "bodies", "history"), _AGE),
    # a sum must outlive what is still being summed up
    "minutes": scalar(values.duration(2 * 3600, 3660 * 86400), expected="a duration"),
    "hours": scalar(values.duration(2 * 86400, 3660 * 86400), expected="a duration"),
    "days": scalar(values.duration(62 * 86400, 3660 * 86400), expected="a duration"),
}

_LEDGER: Fields = {"database": scalar(urls.parse_database), "retention": section(Retention, _RETENTION)}

_BODIES: Fields = {
    "keep": scalar(values.choice(*KEEPS), booleans=True),
    "request_size": _bytes(0, 16 << 20),
    "reply_size": _bytes(0, 16 << 20),
    "models": some(_TEXT),
}

_STATUS = scalar(values.choice(*STATUSES))
_CAPS: Fields = {
    "rpm": _whole(1, 10**12),
    "tpm": _whole(1, 10**15),
    "concurrency": _COUNT,
    "budget": section(Budget, {"amount": _MONEY, "period": scalar(values.choice(*PERIODS))}, "amount"),
}

_CHANNEL: Fields = {
    "name": _TEXT,
    "provider": _TEXT,
    "keys": many(scalar(urls.parse_upstream_key)),
    "base_url": scalar(urls.parse_base_url),
    "models": _TEXTS,
    "rename": table(values.parse_text, values.parse_text),
    "weight": _whole(0, 1_000_000),
    "priority": _whole(-1_000_000, 1_000_000),
    "format": scalar(values.choice(*FORMATS)),
    "sets": some(_TEXT),
    "verify": _FLAG,
    "ca_file": _TEXT,
    "api_version": scalar(values.parse_api_version, expected="a version"),
    "defaults": lambda node, path: plain_value(expect_mapping(node, path)),
    "builtin_tools": scalar(values.choice("drop", "map", "refuse")),
    "status": _STATUS,
    **_CAPS,
}

_MODEL: Fields = {
    "name": _TEXT,
    "strategy": _TEXT,
    "price": section(Price, dict.fromkeys(("input", "output", "cache_read", "cache_write", "reasoning"), _MONEY)),
    "fallback": _TEXTS,
    "hedge": section(Hedge, {"after": scalar(_hedge_after), "budget": scalar(values.parse_percent)}),
    "continuation": _FLAG,
    "facts": lambda node, path: plain_value(expect_mapping(node, path)),
    **_CAPS,
}

_GROUP: Fields = {"name": _TEXT, "status": _STATUS, "models": some(_TEXT), "sets": some(_TEXT), **_CAPS}

_KEY: Fields = {
    "name": _TEXT,
    "key": scalar(urls.parse_client_key),
    "group": _TEXT,
    # An empty list could mean "none" as well as "all": refused, in both.
    "models": some(_TEXT),
    "sets": some(_TEXT),
    "subnets": some(scalar(values.parse_subnet)),
    "status": _STATUS,
    **dict.fromkeys(("quota", "quota_daily", "quota_weekly", "quota_monthly"), _MONEY),
    "expires": scalar(values.parse_expires, expected="a date"),
    "lossy": scalar(values.choice("report", "strict", "silent")),
    **_CAPS,
}

_MATCH: Fields = {
    "host": scalar(urls.parse_route_host),
    "path": scalar(urls.parse_path),
    "methods": some(scalar(urls.parse_method)),
}

_FIELD_NAMES = many(scalar(urls.parse_field_name))
_ROUTE: Fields = {
    "match": lambda node, path: values_of(node, path, _MATCH),
    "upstream": some(scalar(urls.parse_upstream)),
    "strip_prefix": scalar(urls.parse_path),
    "add_prefix": scalar(urls.parse_path),
    "request_headers": table(urls.parse_field_name, urls.parse_field_value),
    "remove_request_headers": _FIELD_NAMES,
    "response_headers": table(urls.parse_field_name, urls.parse_field_value),
    "remove_response_headers": _FIELD_NAMES,
    "forwarded": scalar(values.choice("append", "replace", "off"), booleans=True),
    "host_header": scalar(values.choice("preserve", "upstream")),
    "verify": _FLAG,
    "ca_file": _TEXT,
    "rate": scalar(values.checked_rate),
}


def _channel(node: Node, path: str) -> object:
    """Name and provider stand in for each other, so that the common case needs only one of them."""
    fields = values_of(node, path, _CHANNEL)
    name = fields.get("name", fields.get("provider"))
    if name is None:
        raise node.place.error(f"{path}: missing key 'name'")
    make: Callable[..., object] = Channel
    return make(**{"name": name, "provider": name, **fields})


def _route(node: Node, path: str) -> object:
    fields = values_of(node, path, _ROUTE)
    if "upstream" not in fields:
        raise node.place.error(f"{path}: missing key 'upstream'")
    match = fields.pop("match", None)
    make: Callable[..., object] = Route
    return make(**fields, **(match if isinstance(match, dict) else {}))


_tls = section(Tls, {"cert": _TEXT, "key": _TEXT}, "cert", "key")


def _remember(node: Node, path: str) -> object:
    """`remember: off` says it all."""
    if isinstance(node, Scalar):
        return Remember(str(_REMEMBER["store"](node, path)))
    return section(Remember, _REMEMBER)(node, path)


def _bodies(node: Node, path: str) -> object:
    """`bodies: errors` says it all."""
    if isinstance(node, Scalar):
        return Bodies(str(_BODIES["keep"](node, path)))
    return section(Bodies, _BODIES)(node, path)


def _tls_or_off(node: Node, path: str) -> object:
    """`off` keeps one address plain when the file has a certificate for all the others; it is read as False."""
    if isinstance(node, Scalar) and node.text in ("off", "false", "no"):
        return False
    return _tls(node, path)


def _listen(node: Node, path: str) -> object:
    """One address, as (Listen, its own TLS: Tls, False for never, or None for the file's)."""
    if not isinstance(node, Mapping):
        return scalar(parse_listen, expected="HOST:PORT")(node, path), None
    fields = values_of(node, path, {"address": scalar(parse_listen, expected="HOST:PORT"), "tls": _tls_or_off})
    if "address" not in fields:
        raise node.place.error(f"{path}: missing key 'address'")
    return fields["address"], fields.get("tls")


def _open(node: Node, path: str) -> object:
    """A section whose schema belongs to others."""
    return plain_value(expect_mapping(node, path))


TOP: Fields = {
    **SCALARS,
    "listen": some(_listen),
    "tls": _tls,
    "trusted_proxies": some(scalar(values.parse_proxy)),
    "remember": _remember,
    "journal": section(Journal, _JOURNAL),
    "ledger": section(Ledger, _LEDGER),
    "bodies": _bodies,
    "limits": section(Limits, LIMITS),
    "channels": many(_channel),
    "models": many(section(Model, _MODEL, "name")),
    "groups": many(section(Group, _GROUP, "name")),
    "keys": many(section(Key, _KEY, "name", "key")),
    "routes": many(_route),
    "plugins": _open,
    "mcp": lambda node, path: values_of(node, path, {"servers": lambda inner, _: plain_value(inner)}),
}
