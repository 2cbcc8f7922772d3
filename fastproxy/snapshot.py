"""The contract down: all that a worker may know of the configuration, immutable, as one packed value.

The master (later the admin process) packs a Snapshot and publishes it; each worker unpacks it, compiles it once and
swaps to it with one assignment. Client keys travel only as keyed hashes, so a worker's memory does not list them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping  # noqa: TC003 - msgspec reads the annotations
from typing import Any

import msgspec


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


class KeySpec(msgspec.Struct, frozen=True):
    """One client key. `digest` is its keyed hash; `expires` is in Unix seconds, 0 for never."""

    name: str
    digest: bytes
    group: str = ""
    models: tuple[str, ...] = ("*",)
    subnets: tuple[str, ...] = ()
    expires: float = 0.0
    lossy: str = "report"


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
    client_gone: str = "cancel"  # cancel | drain: what becomes of a reply whose client has left
    tls: tuple[tuple[str, str] | None, ...] = ()  # certificate and key file of each listen address
    access_log: str = "off"
    access_log_file: str = "-"


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Snapshot).decode


def pack(snapshot: Snapshot) -> bytes:
    """The bytes that travel to workers."""
    return _encode(snapshot)


def unpack(data: bytes) -> Snapshot:
    """The inverse of `pack`. Raises: msgspec.DecodeError."""
    return _decode(data)


def digest(secret: bytes, credential: bytes) -> bytes:
    """The keyed hash under which a client key is looked up: 0.5 us, and useless without the secret."""
    return hashlib.blake2b(credential, key=secret, digest_size=16).digest()
