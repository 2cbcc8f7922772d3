"""Routes about this node itself: health, status, system information. Each unpacks, asks view.py, returns.

Nothing here may show a secret, a setting or an address of an upstream: /api/health is open to everybody, and the others
need no key on this machine. A database that is away leaves the node serving, so it is `degraded`, with 200.
"""

from __future__ import annotations

import asyncio
import platform
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Response

from fastproxy.admin import checkup
from fastproxy.admin.view import Health, Node, NodeStatus, Verdict, WorkerHealth  # noqa: TC001 - FastAPI resolves annotations
from fastproxy.shared import rows

if TYPE_CHECKING:
    from fastproxy.admin.plane import Plane
    from fastproxy.admin.view import Look

SWITCH_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class HealthReply:
    status: Verdict
    workers_ready: int
    reasons: list[str]


@dataclass(frozen=True, slots=True)
class DetailedHealth:
    """`ok` | `degraded`: it serves, and somebody should look | `unavailable`. Null: there is no control plane."""

    status: Verdict
    reasons: list[str]
    workers: list[WorkerHealth]
    database: checkup.Databases | None = None
    publisher: checkup.PublisherHealth | None = None
    collector: checkup.CollectorHealth | None = None
    journal: checkup.JournalHealth | None = None


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    slot: int
    generation: int
    is_newest: bool


@dataclass(frozen=True, slots=True)
class SystemInfo:
    version: str
    python: str
    started_at: str  # RFC 3339
    uptime_s: float
    workers: int
    workers_ready: int
    generation: int  # the newest publication
    acknowledged: list[Acknowledgement]  # what each worker uses
    node: str | None = None
    database: str | None = None  # sqlite | postgresql
    ledger_database: str | None = None
    revision: int | None = None  # of the database, as the workers have it


def node_routes(node: Node, version: str, plane: Plane | None = None) -> APIRouter:
    """Build the routes over one node, and over its control plane where it has one."""
    router = APIRouter(prefix="/api")

    @router.get(
        "/health",
        summary="200 while at least one worker serves, else 503 with the reasons",
        responses={503: {"model": HealthReply, "description": "no worker serves"}},
    )
    async def health(response: Response) -> HealthReply:
        found = node.look().health()
        response.status_code = 200 if found.ready else 503
        return HealthReply("ok" if found.ready else "unavailable", found.ready, [] if found.ready else found.reasons)

    @router.get(
        "/health/detailed",
        summary="every worker, the databases, publisher, collector and journals, and what is wrong with them",
        responses={503: {"model": DetailedHealth, "description": "no worker serves"}},
    )
    async def health_detailed(response: Response) -> DetailedHealth:
        look = node.look()
        if look.health().status == "degraded":  # perhaps a worker is just switching: it does ten times a second
            await asyncio.sleep(SWITCH_S)
            look = node.look()
        found = look.health()
        response.status_code = 200 if found.ready else 503
        return _detailed(found, checkup.check(plane, look) if plane is not None else None)

    @router.get("/status", summary="processes, connections, requests: what `fastproxy status --json` prints")
    async def status() -> NodeStatus:
        return node.look().status()

    @router.get("/system/info", summary="version, uptime, workers, configuration generation")
    async def system_info() -> SystemInfo:
        info = _system_info(node.look(), node.wall(), version)
        return info if plane is None else _with_plane(info, plane)

    return router


def _detailed(health: Health, found: checkup.Checkup | None) -> DetailedHealth:
    if found is None:
        return DetailedHealth(health.status, health.reasons, health.workers)
    status: Verdict = "degraded" if found.reasons and health.status == "ok" else health.status
    return DetailedHealth(
        status=status,
        reasons=[*health.reasons, *found.reasons],
        workers=health.workers,
        database=found.database,
        publisher=found.publisher,
        collector=found.collector,
        journal=found.journal,
    )


def _with_plane(info: SystemInfo, plane: Plane) -> SystemInfo:
    settings = plane.settings
    return replace(
        info,
        node=settings.node,
        database=_kind(settings.database),
        ledger_database=_kind(settings.ledger.database or settings.database),
        revision=plane.publisher.state.revision,
    )


def _kind(url: str) -> str:
    return url.partition(":")[0].partition("+")[0]


def _system_info(look: Look, now_s: float, version: str) -> SystemInfo:
    # The master's start is the node's; before it has written one, this process's own.
    started_ms = look.master[rows.STARTED] or look.admin[rows.STARTED] or int(now_s * 1000)
    found = look.health()
    newest = look.master[rows.GENERATION]
    return SystemInfo(
        version=version,
        python=platform.python_version(),
        started_at=datetime.fromtimestamp(started_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        uptime_s=max(0.0, round(now_s - started_ms / 1000, 3)),
        workers=len(found.workers),
        workers_ready=found.ready,
        generation=newest,
        acknowledged=[
            Acknowledgement(worker.slot, worker.generation, worker.generation >= newest) for worker in found.workers
        ],
    )
