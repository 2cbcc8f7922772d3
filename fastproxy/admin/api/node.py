"""Routes about this node itself: health, status, system information. Each unpacks, asks view.py, returns.

Nothing here may show a secret, a setting or an address of an upstream: /api/health is open to everybody.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import APIRouter, Response

from fastproxy.admin.view import Health, Node, NodeStatus, Verdict  # noqa: TC001 - FastAPI resolves annotations
from fastproxy.shared import rows


@dataclass(frozen=True, slots=True)
class HealthReply:
    status: Verdict
    workers_ready: int
    reasons: list[str]


@dataclass(frozen=True, slots=True)
class SystemInfo:
    version: str
    python: str
    started_at: str  # RFC 3339
    uptime_s: float
    workers: int
    workers_ready: int
    generation: int


def node_routes(node: Node, version: str) -> APIRouter:
    """Build the routes over one node."""
    router = APIRouter(prefix="/api")

    @router.get("/health", summary="200 while at least one worker serves, else 503 with the reasons")
    async def health(response: Response) -> HealthReply:
        found = node.look().health()
        response.status_code = 200 if found.ready else 503
        return HealthReply("ok" if found.ready else "unavailable", found.ready, [] if found.ready else found.reasons)

    @router.get("/health/detailed", summary="every worker, and what keeps it from serving")
    async def health_detailed(response: Response) -> Health:
        found = node.look().health()
        response.status_code = 200 if found.ready else 503
        return found

    @router.get("/status", summary="processes, connections, requests: what `fastproxy status --json` prints")
    async def status() -> NodeStatus:
        return node.look().status()

    @router.get("/system/info", summary="version, uptime, workers, configuration generation")
    async def system_info() -> SystemInfo:
        return _system_info(node, version)

    return router


def _system_info(node: Node, version: str) -> SystemInfo:
    look = node.look()
    # The master's start is the node's; before it has written one, this process's own.
    started_ms = look.master[rows.STARTED] or look.admin[rows.STARTED] or int(node.wall() * 1000)
    found = look.health()
    return SystemInfo(
        version=version,
        python=platform.python_version(),
        started_at=datetime.fromtimestamp(started_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        uptime_s=max(0.0, round(node.wall() - started_ms / 1000, 3)),
        workers=len(found.workers),
        workers_ready=found.ready,
        generation=look.master[rows.GENERATION],
    )
