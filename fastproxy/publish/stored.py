"""What the database says, in plain values: the half of the configuration that no file declares.

    Stored    everything, as of one revision            Changes    what became of single objects since a revision

The admin process makes these from its tables and composes them with the settings (compose.py). Ids are 32 hex digits.
Upstream credentials stand here in clear, and never in a repr; of a client's key there is only the keyed hash.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - msgspec reads the annotations
from typing import Any

import msgspec


class StoredCredential(msgspec.Struct, frozen=True):
    """One secret of a channel at its upstream, opened."""

    id: str
    label: str
    secret: str
    status: str = "enabled"  # enabled | disabled

    def __repr__(self) -> str:
        return f"StoredCredential(id={self.id!r}, label={self.label!r}, status={self.status!r})"


class StoredChannel(msgspec.Struct, frozen=True):
    """The fields mean what they mean in the file (config/types.py, Channel)."""

    id: str
    name: str
    provider: str
    base_url: str | None = None
    format: str | None = None
    credentials: tuple[StoredCredential, ...] = ()
    models: tuple[str, ...] = ()
    rename: Mapping[str, str] = {}
    priority: int = 0
    weight: int = 1
    sets: tuple[str, ...] = ("default",)
    status: str = "enabled"
    verify: bool = True
    ca_file: str | None = None
    api_version: str | None = None
    defaults: Mapping[str, Any] = {}
    builtin_tools: str = "drop"
    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None


class StoredModel(msgspec.Struct, frozen=True):
    """A name that clients ask for. `price`, `retries`, `timeouts` and `bodies` as the tables hold them."""

    id: str
    name: str
    strategy: str | None = None
    price: Mapping[str, float] | None = None
    fallback: tuple[str, ...] = ()
    facts: Mapping[str, Any] = {}
    rpm: int | None = None
    tpm: int | None = None
    retries: int | None = None
    timeouts: Mapping[str, float] | None = None
    bodies: Mapping[str, Any] | None = None


class StoredGroup(msgspec.Struct, frozen=True):
    """A tenant. `overrides`: by model, what holds for this group instead."""

    id: str
    name: str
    status: str = "enabled"
    models: tuple[str, ...] = ("*",)
    sets: tuple[str, ...] = ("default",)
    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    budget_amount: float | None = None
    budget_period: str | None = None
    rpm_ratio: float = 1.0
    tpm_ratio: float = 1.0
    overrides: Mapping[str, Mapping[str, Any]] = {}


class StoredKey(msgspec.Struct, frozen=True):
    """A client's key. `digest`: the keyed hash of its secret, 16 bytes; `previous_digest`: of the one before it, which
    works until `previous_until` (Unix ms). `expires_at` is in Unix ms, None for never."""

    id: str
    name: str
    group: str  # the group's name
    digest: bytes
    previous_digest: bytes | None = None
    previous_until: int = 0
    status: str = "enabled"
    models: tuple[str, ...] = ("*",)
    sets: tuple[str, ...] = ()  # empty: its group's
    subnets: tuple[str, ...] = ()
    expires_at: int | None = None
    quota_total: float | None = None
    quota_daily: float | None = None
    quota_weekly: float | None = None
    quota_monthly: float | None = None
    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    lossy: str = "report"


class Stored(msgspec.Struct, frozen=True):
    """The whole database as of `revision`. `hash_secret` keys the hashes of client keys, 32 bytes; `installation` is
    the database's own id: another one means that it is another database."""

    revision: int
    installation: str
    hash_secret: bytes
    channels: tuple[StoredChannel, ...] = ()
    models: tuple[StoredModel, ...] = ()
    groups: tuple[StoredGroup, ...] = ()
    keys: tuple[StoredKey, ...] = ()

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(getattr(self, kind))} {kind}" for kind in ("channels", "models", "groups", "keys"))
        return f"Stored(revision={self.revision}, {counts})"


class Changes(msgspec.Struct, frozen=True):
    """What single objects are at `revision`, of those that changed since an earlier one: by id, None if removed.

    A change of a group's overrides is a change of the group; one of a credential is one of its channel. A removed
    group's keys are listed as well.
    """

    revision: int
    channels: Mapping[str, StoredChannel | None] = {}
    models: Mapping[str, StoredModel | None] = {}
    groups: Mapping[str, StoredGroup | None] = {}
    keys: Mapping[str, StoredKey | None] = {}
