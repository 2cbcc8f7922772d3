"""The tables of the configuration: tenants, their keys, upstream accounts, and every change of them.

    state          one row: which installation this is, its newest revision, the secret that keys are hashed with
    groups         tenants                       group_models   what holds for one model when a group asks for it
    keys           credentials of clients: a keyed hash and the beginning of each, never the secret
    channels       upstream accounts             credentials    their secrets, sealed under the master key
    models         names that clients ask for
    changes        what each revision changed: before and after, to look at and to go back

Ids are 32 hex digits of 16 random bytes. Times are Unix milliseconds UTC, money is USD, `version` counts the changes of
one row from 1 (optimistic concurrency). Fields mean what they mean in the file (config/types.py); here defaults are
written out, so that a row says everything by itself and a later default changes nobody's settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

if TYPE_CHECKING:
    from typing import Any

# Names for what SQLite leaves unnamed: a constraint without one could not be changed later.
config_metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id(name: str = "id", *, primary_key: bool = True) -> Column[str]:
    return Column(name, String(32), primary_key=primary_key, nullable=False)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _time(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _whole(name: str, *, nullable: bool = True) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _money(name: str) -> Column[float]:
    return Column(name, Float, nullable=True)


def _json(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, JSON(none_as_null=True), nullable=nullable)


def _status() -> Column[str]:
    return Column("status", String(16), nullable=False)


def _row_facts() -> tuple[Column[Any], ...]:
    return (_text("note"), _time("created_at"), _time("updated_at"), _whole("version", nullable=False))


state: Final = Table(
    "state",
    config_metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("installation", String(32), nullable=False),
    _whole("revision", nullable=False),
    Column("hash_secret", LargeBinary, nullable=False),  # sealed, so that a new master key needs no new hashes
    _time("created_at"),
    CheckConstraint("id = 1", name="one_row"),
)

groups: Final = Table(
    "groups",
    config_metadata,
    _id(),
    Column("name", String(64), nullable=False, unique=True),
    _status(),
    _json("models"),
    _json("sets"),
    *map(_whole, ("rpm", "tpm", "concurrency")),
    _money("budget_amount"),
    Column("budget_period", String(16), nullable=False),
    Column("rpm_ratio", Float, nullable=False),
    Column("tpm_ratio", Float, nullable=False),
    Column("balance_alert_enabled", Boolean, nullable=False),
    _money("balance_alert_threshold"),
    *_row_facts(),
)

group_models: Final = Table(
    "group_models",
    config_metadata,
    Column("group_id", String(32), ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True, nullable=False),
    Column("model", String(256), primary_key=True, nullable=False),
    *map(_whole, ("rpm", "tpm")),
    _json("price", nullable=True),
    Column("retries", Integer, nullable=True),
    _json("timeouts", nullable=True),
    _json("bodies", nullable=True),
    _whole("version", nullable=False),
)

keys: Final = Table(
    "keys",
    config_metadata,
    _id(),
    Column("group_id", String(32), ForeignKey("groups.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("prefix", String(32), nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("previous_digest", LargeBinary, nullable=True, unique=True),
    _time("previous_until", nullable=True),
    _status(),
    *map(_json, ("models", "sets", "subnets")),
    _time("expires_at", nullable=True),
    *map(_money, ("quota_total", "quota_daily", "quota_weekly", "quota_monthly")),
    *map(_whole, ("rpm", "tpm", "concurrency")),
    Column("lossy", String(16), nullable=False),
    _time("rotated_at", nullable=True),
    *_row_facts(),
    UniqueConstraint("group_id", "name"),
)
Index(None, keys.c.name)  # ordered lists of a hundred thousand

channels: Final = Table(
    "channels",
    config_metadata,
    _id(),
    Column("name", String(64), nullable=False, unique=True),
    Column("provider", String(64), nullable=False),
    Column("base_url", Text, nullable=True),
    Column("format", String(32), nullable=True),
    _json("models"),
    _json("rename"),
    Column("priority", Integer, nullable=False),
    Column("weight", Integer, nullable=False),
    _json("sets"),
    _status(),
    Column("verify", Boolean, nullable=False),
    Column("ca_file", Text, nullable=True),
    Column("api_version", String(64), nullable=True),
    _json("defaults"),
    Column("builtin_tools", String(16), nullable=False),
    *map(_whole, ("rpm", "tpm", "concurrency")),
    *_row_facts(),
)

credentials: Final = Table(
    "credentials",
    config_metadata,
    _id(),
    Column("channel_id", String(32), ForeignKey("channels.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("label", String(64), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("hint", String(16), nullable=False),
    _status(),
    _time("created_at"),
)

models: Final = Table(
    "models",
    config_metadata,
    _id(),
    Column("name", String(256), nullable=False, unique=True),
    Column("owner", Text, nullable=True),
    Column("mode", String(64), nullable=True),
    Column("strategy", String(64), nullable=True),
    _json("price", nullable=True),
    _json("fallback"),
    _json("facts"),
    *map(_whole, ("rpm", "tpm")),
    Column("retries", Integer, nullable=True),
    _json("timeouts", nullable=True),
    _json("bodies", nullable=True),
    *_row_facts(),
)

changes: Final = Table(
    "changes",
    config_metadata,
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),  # from 1, in the order in which it happened
    _time("at"),
    _text("actor"),
    Column("kind", String(32), nullable=False),
    Column("object_id", String(320), nullable=False),  # of a group's model: "group id/model"
    Column("name", Text, nullable=False),
    _json("before", nullable=True),
    _json("after", nullable=True),
)
Index(None, changes.c.at)
