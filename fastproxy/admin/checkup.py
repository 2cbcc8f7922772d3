"""What health tells beside the workers: databases, publisher, collector, journals. Plain numbers and texts, no secret.

Made from the plane (what its tasks say of themselves) and from a Look (what the workers say in their cells).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from fastproxy.shared import rows

if TYPE_CHECKING:
    from fastproxy.admin.condition import Condition
    from fastproxy.admin.ledger.state import CollectorState
    from fastproxy.admin.plane import Plane
    from fastproxy.admin.view import Look


@dataclass(frozen=True, slots=True)
class DatabaseHealth:
    status: Literal["ok", "error"]
    error: str  # "" while it works
    since: str  # RFC 3339: when it began to work, or ceased to


@dataclass(frozen=True, slots=True)
class Databases:
    config: DatabaseHealth
    ledger: DatabaseHealth


@dataclass(frozen=True, slots=True)
class PublisherHealth:
    revision: int  # of the database, as the workers have it
    generation: int  # of all that the workers use
    acknowledged: list[int]  # slots of the workers that use it
    is_from_saved: bool  # what is served of the database is from an earlier run, which could not be compared with it
    left_out: list[str]  # what of the database cannot be used, and why
    error: str


@dataclass(frozen=True, slots=True)
class CollectorHealth:
    lag_bytes: int  # written by workers, not yet in the database
    last_commit: str | None  # RFC 3339
    is_collecting: bool  # False: another process does, as for a moment during an upgrade
    rows: int  # since this process began, as all counts here
    aborted: int  # of the rows: requests whose worker died
    failures: int  # times that the database did not take a batch
    unreadable: int
    set_aside_bytes: int  # what could not be read, kept beside the journals
    error: str


@dataclass(frozen=True, slots=True)
class JournalHealth:
    unread_bytes: int
    spilled: int  # frames that went into a file, because the ring was full
    lost: int  # frames for which there was no room anywhere


@dataclass(frozen=True, slots=True)
class Checkup:
    """`reasons` are what an operator should know of; none of them keeps the node from serving."""

    database: Databases
    publisher: PublisherHealth
    collector: CollectorHealth
    journal: JournalHealth
    reasons: list[str]


def check(plane: Plane, look: Look) -> Checkup:
    """Look at everything once."""
    plane.note()
    databases = Databases(_database(plane.config_database), _database(plane.ledger_database))
    publisher = _publisher(plane, look)
    journal = JournalHealth(
        look.gauge(rows.JOURNAL_UNREAD), look.totals()[rows.JOURNAL_SPILLED], look.totals()[rows.JOURNAL_LOST]
    )
    reasons = [
        f"{name} is away since {found.since}: {found.error}"
        for name, found in (("the database", databases.config), ("the ledger's database", databases.ledger))
        if found.error
    ]
    if publisher.is_from_saved:
        reasons.append("channels and keys of the database are from an earlier run")
    reasons += [f"left out: {text}" for text in publisher.left_out]
    if journal.lost:
        reasons.append(f"{journal.lost} frames of records are lost: there was no room for them")
    return Checkup(databases, publisher, _collector(plane, journal.unread_bytes), journal, reasons)


def _database(condition: Condition) -> DatabaseHealth:
    return DatabaseHealth("ok" if condition.is_ok else "error", condition.error, condition.since)


def _publisher(plane: Plane, look: Look) -> PublisherHealth:
    state = plane.publisher.state
    newest = look.master[rows.GENERATION]
    users = [slot for slot, cells in look.slots() if cells[rows.GENERATION] >= newest]
    return PublisherHealth(state.revision, newest, users, state.is_from_saved, list(state.left_out), state.error)


def lag_bytes(state: CollectorState | None, unread_bytes: int) -> int:
    """What is not in the database yet: as the collector knows it, and as live workers tell."""
    return max(unread_bytes, state.lag_bytes if state is not None else 0)


def _collector(plane: Plane, unread_bytes: int) -> CollectorHealth:
    if plane.collector is None:
        return CollectorHealth(unread_bytes, None, False, 0, 0, 0, 0, 0, "waits for the database")
    state = plane.collector.state
    return CollectorHealth(
        lag_bytes=lag_bytes(state, unread_bytes),
        last_commit=_moment(state.last_commit),
        is_collecting=state.is_collecting,
        rows=state.rows,
        aborted=state.aborted,
        failures=state.failures,
        unreadable=state.unreadable,
        set_aside_bytes=state.set_aside,
        error=state.error,
    )


def _moment(ms: int) -> str | None:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds") if ms else None
