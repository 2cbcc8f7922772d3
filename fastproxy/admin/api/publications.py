"""/api/publications: what has been changed, by whom, and the ways back; and the file, read again.

A revision is one change of the database. The file is not part of it: `reload` reads it as the signal HUP does, after
the same checks, and `plan-reload` tells what would become of which setting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from fastapi import Path as FromPath
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from fastproxy.admin.api.clerk import NewTerms, applied, paged, planned
from fastproxy.admin.api.shapes import (
    CHANGES,
    READS,
    Plan,
    PublicationPage,
    PublicationShown,
    Reloaded,
    ReloadPlan,
    RolledBack,
)
from fastproxy.admin.tenants.history import MOST_PER_PAGE

if TYPE_CHECKING:
    from fastproxy.admin.plane import Plane

Revision = Annotated[int, FromPath(ge=0, le=(1 << 63) - 1)]


class HistoryListing(BaseModel):
    """Revisions, the newest first; `before` is the last one of the page that was seen."""

    model_config = ConfigDict(extra="forbid")

    before: int | None = Field(None, ge=0, le=(1 << 63) - 1)
    limit: int = Field(50, ge=1, le=MOST_PER_PAGE)


def publication_routes(plane: Plane) -> APIRouter:
    router = APIRouter(prefix="/api/publications", tags=["publications"])

    @router.get("", summary="the history of changes, newest first", response_model=PublicationPage, responses=READS)
    async def page(query: Annotated[HistoryListing, Query()]) -> Response:
        return paged(await plane.tenants.history(before=query.before, limit=query.limit))

    @router.post(
        "/plan-reload",
        summary="what reading the file again would change",
        response_model=ReloadPlan,
        responses=CHANGES,
    )
    async def plan_reload() -> Response:
        return JSONResponse({"plan": True, "differences": await plane.plan_reload()})

    @router.post("/reload", summary="read the file again, as HUP does", response_model=Reloaded, responses=CHANGES)
    async def reload() -> Response:
        return JSONResponse({"generation": await plane.reload()})

    @router.get(
        "/{revision}", summary="one change, with before and after", response_model=PublicationShown, responses=READS
    )
    async def one(revision: Revision) -> Response:
        return JSONResponse(await plane.tenants.revision(revision))

    @router.post(
        "/{revision}/rollback",
        summary="everything as it was at that revision, as a new one",
        response_model=RolledBack | Plan,
        responses=CHANGES,
    )
    async def roll_back(revision: Revision, terms: NewTerms) -> Response:
        outcome = await plane.tenants.roll_back(revision, terms)
        if terms.dry:
            return planned(outcome)
        body = {"revision": outcome.revision, "differences": outcome.differences}
        return JSONResponse(body, headers=await applied(plane, outcome.revision))

    return router
