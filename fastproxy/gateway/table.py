"""A snapshot, compiled: everything a request needs, as bytes and dictionaries, so that no station formats or searches.

Compiled once per configuration and shared, unchanged, by all exchanges that began under it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import cycle
from time import time
from typing import TYPE_CHECKING, Any, Final

from fastproxy.formats.chat import CHAT_FORMATS
from fastproxy.gateway.client_address import Proxies
from fastproxy.gateway.deployments import deployments_prefix
from fastproxy.gateway.mask import SHORTEST
from fastproxy.gateway.offer import Offer, offered
from fastproxy.providers.passthrough import HIDDEN_FROM_PROVIDERS
from fastproxy.providers.quirks import is_choosy, target
from fastproxy.shared import rows
from fastproxy.snapshot import ENABLED
from fastproxy.wire.fields import same_drop
from fastproxy.wire.origin import Origin, parse_origin
from fastproxy.wire.pool import Pool
from fastproxy.wire.stencil import Habit

if TYPE_CHECKING:
    from fastproxy.gateway.client_address import Network
    from fastproxy.gateway.patterns import Models
    from fastproxy.snapshot import ChannelSpec, RouteSpec, Snapshot

MAX_TARGETS: Final = 1024
MAX_OFFERS: Final = 1024  # different sets of keys; more of them are looked up anew
NOTHING: Final = same_drop(frozenset())
Pools = Callable[[Origin], Pool]

FORWARDED: Final = frozenset((b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"))
TRACE: Final = (b"traceparent", b"tracestate")  # the only fields of a client's that a translated request keeps
CREDENTIALS: Final = frozenset(
    (b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key", b"x-openai-api-key", b"cookie",
     b"x-model-provider", b"openai-organization", b"openai-project")
)  # fmt: skip


class Entry:
    """The door a request came through. `row` is its index in the metrics, `reads_body` whether routing needs the
    body."""

    __slots__ = ("name", "reads_body", "row")

    def __init__(self, name: str, *, reads_body: bool = False) -> None:
        self.name = name
        self.row = rows.ENTRIES.index(name)
        self.reads_body = reads_body


EDGE: Final = Entry("edge")
PROVIDER: Final = Entry("provider")
UNIFIED: Final = Entry("unified", reads_body=True)
UNIFIED_STREAM: Final = Entry("unified")  # bodies that routing need not read: multipart, audio, none
LOCAL: Final = Entry("local")


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Key:
    """A client key and its group: what may be done with it. Made by keybook.py.

    `models` is None when it may use all, `sets` when it may use all channels. `expires` is in Unix seconds, 0 for
    never, and not after `until`, when a secret that has been replaced stops being known. `is_plain` says that there is
    nothing to check but models and sets.
    """

    name: str
    group: str
    models: Models | None
    subnets: tuple[Network, ...]
    expires: float
    lossy: str = "report"  # what a translation that loses something does: report | strict | silent
    id: str = ""
    sets: frozenset[str] | None = None
    until: float = 0.0
    is_plain: bool = True
    disabled: str = ""  # what is: the key | its group
    digest: bytes = b""  # its entry in the register
    group_entry: bytes = b""  # and that of its group


class Attempt:
    """One try at one upstream. What every request to it shares is ready as bytes.

    `drop` are the names of the client's that stop here; `fixed` the lines that follow the request line; `prefix` stands
    before the path. `format` is what the upstream speaks, "" for any HTTP; `bridges` says that the client speaks
    another, so that the request is translated (translate.py, deliver.py).
    """

    __slots__ = ("api_version", "auth", "bridges", "builtin_tools", "channel", "contexts", "defaults", "drop",
                 "fixed", "format", "forwarded", "pool", "prefix", "preserves_host", "provider", "rename", "replies",
                 "reply_drop", "reply_lines", "secrets", "via")  # fmt: skip

    def __init__(self, pool: Pool, *, channel: str, provider: str, prefix: str) -> None:
        self.pool = pool
        self.format = ""
        self.bridges = False
        self.api_version = b""  # Azure: the model belongs into the path, see deployments.py
        self.channel = channel
        self.provider = provider
        self.prefix = prefix.encode()
        self.drop: frozenset[bytes] = NOTHING
        self.fixed = b""
        self.forwarded = "off"
        self.preserves_host = False
        self.via = b""
        self.auth: Callable[[], bytes] | None = None
        self.secrets: tuple[bytes, ...] = ()  # what no client may see of it: see mask.py
        self.rename: Mapping[str, str] = {}
        self.defaults: Mapping[str, Any] = {}  # body fields for chat requests that do not say them
        self.builtin_tools = "drop"  # what becomes of tools that run at another vendor: see formats/builtins.py
        self.reply_drop: frozenset[bytes] = NOTHING
        self.reply_lines = b""
        self.contexts: dict[tuple[object, ...], bytes] = {}  # what records of its requests say: see books.py
        self.replies = Habit()  # of the upstream, as lanes pass its replies on


class EdgeRoute:
    """One compiled route: when it applies, and its upstreams in turn."""

    __slots__ = ("_turn", "add", "attempts", "confined", "host", "methods", "path", "strip")

    def __init__(self, spec: RouteSpec, attempts: Sequence[Attempt]) -> None:
        self.host = spec.host.lower().encode()
        self.path = spec.path.encode()
        self.methods = frozenset(method.upper().encode() for method in spec.methods)
        self.strip = spec.strip_prefix.rstrip("/").encode()
        self.add = spec.add_prefix.rstrip("/").encode()
        # Whether a path could step out of what the operator has opened.
        self.confined = self.path != b"/" or bool(self.add) or any(attempt.prefix for attempt in attempts)
        # Each upstream is first in its turn; the others follow, for when it cannot be reached.
        orders = [tuple(attempts[place:]) + tuple(attempts[:place]) for place in range(len(attempts))]
        self._turn = cycle(orders).__next__
        self.attempts = orders[0] if len(orders) == 1 else None

    def next_attempts(self) -> tuple[Attempt, ...]:
        return self.attempts if self.attempts is not None else self._turn()

    def matches(self, method: bytes, host: bytes, path: bytes) -> bool:
        if self.methods and method not in self.methods:
            return False
        if self.host and not _host_matches(self.host, host):
            return False
        prefix = self.path
        if not path.startswith(prefix):
            return False
        return prefix[-1:] == b"/" or path[len(prefix) : len(prefix) + 1] in (b"", b"/", b"?")


def _host_matches(wanted: bytes, host: bytes) -> bool:
    name = host.lower()
    if wanted == name:
        return True
    name = name if name.endswith(b"]") else name.rpartition(b":")[0] or name
    return name == wanted or (wanted[:2] == b"*." and name.endswith(wanted[1:]))


class Channel:
    """A compiled channel: the attempts it makes and the models it serves (None: any).

    `bridges` are the attempts, by format, for clients that are translated for; `bridge` is the one for clients of a
    chat format that it does not speak, None if it speaks none.
    """

    __slots__ = (
        "attempts",
        "bridge",
        "bridges",
        "deploys",
        "formats",
        "models",
        "name",
        "priority",
        "provider",
        "renames",
        "sets",
        "spec",
        "weight",
    )

    def __init__(self, spec: ChannelSpec, attempts: Mapping[str, Attempt], bridges: Mapping[str, Attempt]) -> None:
        self.spec = spec
        self.name = spec.name
        self.provider = spec.provider
        self.sets = frozenset(spec.sets)
        self.formats = frozenset(spec.formats)
        self.models = frozenset((*spec.models, *spec.rename)) if spec.models else None
        self.renames = bool(spec.rename)
        self.deploys = bool(spec.api_version)
        self.priority = spec.priority
        self.weight = spec.weight
        self.attempts = attempts  # by format: the credential is sent in another way
        self.bridges = bridges
        self.bridge = next((bridges[name] for name in _BRIDGES if name in bridges), None)

    def attempt_for(self, wire_format: str) -> Attempt | None:
        """The attempt for a chat client of this format: in its own, or translated."""
        return self.attempts.get(wire_format) or self.bridge


class Table:
    """One configuration, ready for use."""

    __slots__ = ("_offer", "_offers", "catch_all", "channels", "created", "decided_by_model", "passthrough_attempts",
                 "proxies", "routed", "routes", "snapshot", "target", "translated", "via")  # fmt: skip

    def __init__(self, snapshot: Snapshot, pools: Pools) -> None:
        self.snapshot = snapshot
        self.created = int(time())
        self.via = b"1.1 " + snapshot.pseudonym.encode()
        self.proxies = Proxies(snapshot.trusted_proxies)
        self.routes = _routes(snapshot, pools, self.via)
        self.catch_all = self.routes[0] if len(self.routes) == 1 and _takes_all(self.routes[0]) else None
        self.channels = _channels(snapshot, pools, self.via)
        # Whom a request is written for; 0.1 us instead of 3, and bounded, because clients choose the names.
        self.target = lru_cache(MAX_TARGETS)(partial(target, overrides=snapshot.facts))
        self.decided_by_model = _decided_by_model(self.channels)
        self.translated = _translated(self.channels)
        self._offer = Offer(self.channels)
        self._offers: dict[frozenset[str], Offer] = {}
        # format, operation, model, sets: see route.py
        self.routed: dict[tuple[str, str, str, frozenset[str] | None], tuple[Attempt, ...]] = {}
        self.passthrough_attempts: dict[tuple[Origin, str, str], Attempt] = {}  # origin, provider, channel

    def offer_for(self, key: Key | None) -> Offer:
        """The channels that are open to this key, or to everybody when none is asked for."""
        if key is None or key.sets is None:
            return self._offer
        offer = self._offers.get(key.sets)
        if offer is None:
            if len(self._offers) >= MAX_OFFERS:
                self._offers.clear()
            offer = self._offers[key.sets] = Offer(offered(self.channels, key.sets))
        return offer


def _decided_by_model(channels: Sequence[Channel]) -> frozenset[str]:
    """Formats, and operations, for which it matters which model is asked for. Other bodies are not looked into."""
    choosy = [channel for channel in channels if channel.models is not None or channel.renames or channel.deploys]
    decided = {name for channel in choosy for name in channel.formats}
    bridging = [channel for channel in channels if channel.bridge is not None]
    if len({channel.provider for channel in bridging}) > 1 or any(channel.bridge for channel in choosy):
        decided |= {*CHAT_FORMATS, "openai"}
    if len({channel.provider for channel in channels}) > 1:
        decided.add("openai")  # embeddings and their like, which others than those who speak it can be asked for
    if any(is_choosy(channel.provider) for channel in channels):
        decided.add("completions")
    return frozenset(decided)


def _translated(channels: Sequence[Channel]) -> set[str]:
    """Chat formats whose clients may be sent to a channel that does not speak theirs, be it for embeddings only, or
    to one that fills their bodies."""
    bridging = [channel for channel in channels if channel.bridge is not None or "openai" in channel.formats]
    filled = {name for channel in channels for name, attempt in channel.attempts.items() if attempt.defaults}
    return filled | {name for name in CHAT_FORMATS if any(name not in channel.formats for channel in bridging)}


def _takes_all(route: EdgeRoute) -> bool:
    return not route.host and not route.methods and route.path == b"/"


def _routes(snapshot: Snapshot, pools: Pools, via: bytes) -> list[EdgeRoute]:
    """The most specific first: a host before none, an exact host before a wildcard, a long path before a short one."""
    made = [
        EdgeRoute(spec, [_edge_attempt(spec, url, pools, via) for url in spec.upstream]) for spec in snapshot.routes
    ]
    return sorted(made, key=lambda route: (not route.host, route.host[:1] == b"*", -len(route.path), not route.methods))


def _edge_attempt(spec: RouteSpec, url: str, pools: Pools, via: bytes) -> Attempt:
    origin, prefix = parse_origin(url, verify=spec.verify, ca_file=spec.ca_file)
    attempt = Attempt(pools(origin), channel="", provider="", prefix=prefix)
    lines = {name.lower(): value for name, value in spec.request_headers.items()}
    attempt.preserves_host = spec.host_header == "preserve" and "host" not in lines
    drop = {name.lower().encode() for name in (*spec.remove_request_headers, *lines)}
    if not attempt.preserves_host:
        lines.setdefault("host", origin.authority)
        drop.add(b"host")
    attempt.forwarded = spec.forwarded
    if spec.forwarded != "off":
        drop |= FORWARDED
    attempt.drop = same_drop(frozenset(drop))
    attempt.fixed = b" HTTP/1.1\r\n" + _lines(lines)
    attempt.via = b"via: " + via + b"\r\n"
    reply_drop = {name.lower().encode() for name in (*spec.remove_response_headers, *spec.response_headers)}
    attempt.reply_drop = same_drop(frozenset(reply_drop))
    attempt.reply_lines = _lines(spec.response_headers)
    return attempt


def _channels(snapshot: Snapshot, pools: Pools, via: bytes) -> list[Channel]:
    made = [
        Channel(
            spec,
            {wire_format: _channel_attempt(spec, wire_format, pools, via) for wire_format in spec.formats},
            {wire_format: _bridge(spec, wire_format, pools, via) for wire_format in spec.formats},
        )
        for spec in snapshot.channels
        if spec.status == ENABLED
    ]
    return sorted(made, key=lambda channel: (-channel.priority, -channel.weight))


# What an AI vendor's reply tells of our account, or tells clients to go elsewhere.
HIDDEN_FROM_CLIENTS: Final = frozenset(
    (b"set-cookie", b"openai-organization", b"openai-project", b"anthropic-organization-id", b"alt-svc", b"server",
     b"strict-transport-security", b"x-request-id", b"request-id", b"nel", b"report-to", b"cf-ray", b"cf-cache-status",
     b"x-fastproxy-channel", b"x-fastproxy-attempts", b"server-timing")
)  # fmt: skip


# Which of its formats a channel is spoken to in when the client speaks none of them.
_BRIDGES: Final = ("openai-chat", "anthropic", "gemini", "openai-responses", "ollama")
_VERSION_LINES: Final = {"anthropic": b"anthropic-version: 2023-06-01\r\n"}


def _bridge(spec: ChannelSpec, spoken: str, pools: Pools, via: bytes) -> Attempt:
    attempt = _channel_attempt(spec, spoken, pools, via)
    attempt.bridges = True
    attempt.drop = same_drop(attempt.drop | set(TRACE))  # nothing passes as it is; these are put in again
    attempt.fixed += b"content-type: application/json\r\naccept: application/json, text/event-stream\r\n"
    if "anthropic-version" not in {name.lower() for name, _ in spec.headers}:
        attempt.fixed += _VERSION_LINES.get(spoken, b"")
    return attempt


def _channel_attempt(spec: ChannelSpec, wire_format: str, pools: Pools, via: bytes) -> Attempt:
    origin, prefix = parse_origin(spec.base_url, verify=spec.verify, ca_file=spec.ca_file)
    attempt = Attempt(pools(origin), channel=spec.name, provider=spec.provider, prefix=prefix)
    attempt.format = wire_format
    if spec.api_version:
        attempt.prefix = deployments_prefix(prefix).encode()
        attempt.api_version = spec.api_version.encode()
    lines = dict(spec.headers)
    attempt.drop = same_drop(
        CREDENTIALS | HIDDEN_FROM_PROVIDERS | {b"host"} | {name.lower().encode() for name in lines}
    )
    attempt.fixed = b" HTTP/1.1\r\nhost: " + origin.authority.encode() + b"\r\n" + _lines(lines)
    attempt.auth = _credentials(spec)
    attempt.secrets = tuple(key.encode() for key in spec.keys if len(key) >= SHORTEST)
    attempt.rename = spec.rename
    attempt.defaults = spec.defaults
    attempt.builtin_tools = spec.builtin_tools
    attempt.via = b"" if spec.vendor_address else b"via: " + via + b"\r\n"
    attempt.reply_drop = HIDDEN_FROM_CLIENTS
    attempt.reply_lines = b"x-fastproxy-channel: " + spec.name.encode() + b"\r\n"
    return attempt


def _credentials(spec: ChannelSpec) -> Callable[[], bytes] | None:
    """The credential's line, the channel's keys taking turns."""
    if not spec.keys:
        return None
    form = b"authorization: Bearer %b\r\n" if spec.auth == "bearer" else spec.auth.encode() + b": %b\r\n"
    return cycle([form % key.encode() for key in spec.keys]).__next__


def _lines(headers: Mapping[str, str]) -> bytes:
    return b"".join(f"{name.lower()}: {value}\r\n".encode("latin-1") for name, value in headers.items())
