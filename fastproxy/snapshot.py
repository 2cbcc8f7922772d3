"""The contract down: all that a worker may know of the configuration, immutable, as one packed value.

Whoever publishes packs a Snapshot and puts it on the board; each worker unpacks it, compiles it once and swaps to it
with one assignment. Keys and groups come another way, one by one, because there may be very many of them: as entries of
the register (shared/register.py), packed by the functions here. Client keys travel only as keyed hashes, so neither a
worker's memory nor the register lists them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping  # noqa: TC003 - msgspec reads the annotations
from typing import Any, Final

import msgspec

ENABLED: Final = "enabled"  # the status of a key, group or channel; the other is "disabled"


class ChannelSpec(msgspec.Struct, frozen=True):
    """One upstream account. `formats` are the wire formats that its base URL speaks; `auth` how its key is sent."""

    name: str
    provider: str
    base_url: str
    formats: tuple[str, ...]
    auth: str
    keys: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    rename: Mapping[str, str] = {}
    priority: int = 0
    weight: int = 1
    headers: tuple[tuple[str, str], ...] = ()
    vendor_address: bool = False  # the address is the catalogue's, so nothing of ours is to be seen there
    verify: bool = True
    ca_file: str | None = None
    api_version: str = ""  # Azure's deployment paths
    defaults: Mapping[str, Any] = {}  # body fields of chat requests that do not say them
    builtin_tools: str = "drop"  # tools that run at another vendor: drop | map | refuse
    sets: tuple[str, ...] = ("default",)  # for whom: keys that have one of them
    id: str = ""
    status: str = ENABLED  # one that is disabled is not offered to anybody


class KeySpec(msgspec.Struct, frozen=True, array_like=True):
    """One client key. `digest` is its keyed hash; `expires` is in Unix seconds, 0 for never.

    A key that is being rotated has two digests and two entries in the register, alike but for `until`. Money is in US
    dollars, per period of UTC. New fields go to the end: entries of an older version are still read.
    """

    name: str
    digest: bytes
    group: str = ""
    models: tuple[str, ...] = ("*",)  # patterns; both these and its group's must allow a model
    subnets: tuple[str, ...] = ()
    expires: float = 0.0
    lossy: str = "report"
    id: str = ""
    status: str = ENABLED
    sets: tuple[str, ...] = ()  # of channels; empty: its group's
    until: int = 0  # Unix milliseconds: this digest is the previous one and counts until then; 0: it is the key's own
    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    quota_total: float | None = None
    quota_daily: float | None = None
    quota_weekly: float | None = None
    quota_monthly: float | None = None


class GroupSpec(msgspec.Struct, frozen=True, array_like=True):
    """One tenant. `overrides` are by model: limits, price, times and the like that hold for this group only."""

    name: str
    status: str = ENABLED
    models: tuple[str, ...] = ("*",)
    sets: tuple[str, ...] = ("default",)
    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    budget_amount: float | None = None  # US dollars per period
    budget_period: str = "monthly"
    rpm_ratio: float = 1.0
    tpm_ratio: float = 1.0
    overrides: Mapping[str, Mapping[str, Any]] = {}


class BodyRule(msgspec.Struct, frozen=True):
    """Which requests and replies of these models are kept. The first rule whose patterns fit a model counts."""

    keep: str = "off"  # off | errors | all
    request_size: int = 64 << 10  # bytes; what is longer is cut
    reply_size: int = 64 << 10
    models: tuple[str, ...] = ("*",)


class RouteSpec(msgspec.Struct, frozen=True):
    """One edge route. `host` and `methods` empty match everything; `path` is a prefix of whole segments."""

    upstream: tuple[str, ...]
    host: str = ""
    path: str = "/"
    methods: tuple[str, ...] = ()
    strip_prefix: str = ""
    add_prefix: str = ""
    request_headers: Mapping[str, str] = {}
    remove_request_headers: tuple[str, ...] = ()
    response_headers: Mapping[str, str] = {}
    remove_response_headers: tuple[str, ...] = ()
    forwarded: str = "append"  # append | replace | off
    host_header: str = "preserve"  # preserve | upstream
    verify: bool = True
    ca_file: str | None = None


class Snapshot(msgspec.Struct, frozen=True):
    """Everything at once. `pseudonym` names this installation in Via; `secret` keys the hashes of client keys."""

    secret: bytes
    pseudonym: str
    limits: Mapping[str, float]
    channels: tuple[ChannelSpec, ...] = ()
    keys: tuple[KeySpec, ...] = ()
    routes: tuple[RouteSpec, ...] = ()
    provider_bases: Mapping[str, str] = {}
    facts: Mapping[str, Mapping[str, Any]] = {}  # by model, or the beginning of its name and a star
    passthrough: str = "client-keys"  # off | client-keys | require-key
    remember_s: float = 6 * 3600.0  # how long signatures and responses are kept for clients; 0: never
    fetch_urls: bool = True  # files that requests name by URL, for upstreams that need their bytes
    tokenizer: str = "lazy"  # lazy | preload | off
    open_to_all: bool = False  # no client key is asked for: loopback or demo without keys
    is_unread: bool = False  # a database that may have keys has never been read: an unknown key may be one of them
    client_gone: str = "cancel"  # cancel | drain: what becomes of a reply whose client has left
    tls: tuple[tuple[str, str] | None, ...] = ()  # certificate and key file of each listen address
    access_log: str = "off"
    access_log_file: str = "-"
    groups: tuple[GroupSpec, ...] = ()
    trusted_proxies: tuple[str, ...] = ()  # networks whose X-Forwarded-For is believed; "unix:" for Unix sockets
    bodies: tuple[BodyRule, ...] = ()
    when_full: str = "refuse"  # what becomes of requests while the journal has no room: refuse | count


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Snapshot).decode
_decode_key = msgspec.msgpack.Decoder(KeySpec).decode
_decode_group = msgspec.msgpack.Decoder(GroupSpec).decode
_KEY_MARK: Final = b"k\1"  # the kind of an entry, and the version of what stands in it
_GROUP_MARK: Final = b"g\1"


def pack(snapshot: Snapshot) -> bytes:
    """The bytes that travel to workers."""
    return _encode(snapshot)


def unpack(data: bytes) -> Snapshot:
    """The inverse of `pack`. Raises: msgspec.DecodeError."""
    return _decode(data)


def digest(secret: bytes, credential: bytes) -> bytes:
    """The keyed hash under which a client key is looked up: 0.5 us, and useless without the secret.

    A leading "sk-" does not count: it says what a key is, and some clients take it off, or put it on.
    """
    return hashlib.blake2b(credential.removeprefix(b"sk-"), key=secret, digest_size=16).digest()


def entry_name_of_group(secret: bytes, group: str) -> bytes:
    """The name of a group's entry in the register; no credential leads there, being hashed for another purpose."""
    return hashlib.blake2b(group.encode(), key=secret, person=b"group", digest_size=16).digest()


def pack_key(spec: KeySpec) -> bytes:
    """A key's entry in the register, under its digest, which is not repeated in it."""
    return _KEY_MARK + _encode(msgspec.structs.replace(spec, digest=b""))


def unpack_key(data: bytes, name: bytes) -> KeySpec:
    """The inverse of `pack_key` for the entry of this name. Raises: msgspec.DecodeError."""
    return msgspec.structs.replace(_decode_key(_unmarked(data, _KEY_MARK)), digest=name)


def pack_group(spec: GroupSpec) -> bytes:
    """A group's entry in the register, under `entry_name_of_group`."""
    return _GROUP_MARK + _encode(spec)


def unpack_group(data: bytes) -> GroupSpec:
    """The inverse of `pack_group`. Raises: msgspec.DecodeError."""
    return _decode_group(_unmarked(data, _GROUP_MARK))


def _unmarked(data: bytes, mark: bytes) -> bytes:
    if not data.startswith(mark):
        raise msgspec.DecodeError("the entry is of another kind or version")
    return data[len(mark) :]
