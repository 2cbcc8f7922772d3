"""/api/groups: tenants, and what holds for single models when they ask."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response  # noqa: TC002 - FastAPI resolves annotations
from pydantic import Field

from fastproxy.admin.api.clerk import Changing, Clerk, IfMatch, NewTerms, SeenTerms, SwitchListing, paged, seen, shown
from fastproxy.admin.api.shapes import (
    CHANGES,
    READS,
    GroupBody,
    GroupModelBody,
    GroupModelPage,
    GroupModelShown,
    GroupPage,
    GroupPatchBody,
    GroupShown,
    Plan,
)
from fastproxy.admin.tenants.terms import Terms  # noqa: TC001 - as above

if TYPE_CHECKING:
    from fastproxy.admin.plane import Plane


class GroupRemoving(Changing):
    with_keys: bool = Field(False, description="remove the group's keys with it")


def _removing(request: Request, query: Annotated[GroupRemoving, Query()], if_match: IfMatch = None) -> Terms:
    return replace(seen(request, query, if_match), with_keys=query.with_keys)


def group_routes(plane: Plane) -> APIRouter:
    router = APIRouter(prefix="/api/groups", tags=["groups"])
    clerk = Clerk(plane, "groups")

    @router.get("", summary="all groups, those of the file too", response_model=GroupPage, responses=READS)
    async def page(query: Annotated[SwitchListing, Query()]) -> Response:
        return await clerk.page(query)

    @router.post("", summary="make a group", status_code=201, response_model=GroupShown | Plan, responses=CHANGES)
    async def create(document: GroupBody, terms: NewTerms) -> Response:
        return await clerk.create(document, terms)

    @router.get("/{ident}", summary="one group, by id or name", response_model=GroupShown, responses=READS)
    async def one(ident: str) -> Response:
        return await clerk.one(ident)

    @router.patch(
        "/{ident}",
        summary="change a group: JSON merge patch",
        response_model=GroupShown | Plan,
        responses=CHANGES,
    )
    async def change(ident: str, patch: GroupPatchBody, terms: SeenTerms) -> Response:
        return await clerk.change(ident, patch, terms)

    @router.delete("/{ident}", summary="remove a group", status_code=204, responses=CHANGES)
    async def remove(ident: str, terms: Annotated[Terms, Depends(_removing)]) -> Response:
        return await clerk.remove(ident, terms)

    _add_models(router, plane)
    return router


def _add_models(router: APIRouter, plane: Plane) -> None:
    clerk = Clerk(plane, "groups")

    @router.get(
        "/{ident}/models",
        summary="what holds for single models when this group asks",
        response_model=GroupModelPage,
        responses=READS,
    )
    async def models(ident: str) -> Response:
        return paged(await plane.tenants.group_models(ident))

    # A model's name may have slashes in it.
    @router.get(
        "/{ident}/models/{model:path}",
        summary="what holds for one model",
        response_model=GroupModelShown,
        responses=READS,
    )
    async def model(ident: str, model: str) -> Response:
        return shown(await plane.tenants.group_model(ident, model))

    @router.put(
        "/{ident}/models/{model:path}",
        summary="say what holds for one model, replacing what was said",
        response_model=GroupModelShown | Plan,
        responses=CHANGES,
    )
    async def put_model(ident: str, model: str, document: GroupModelBody, terms: SeenTerms) -> Response:
        return await clerk.told(await plane.tenants.put_group_model(ident, model, document, terms), terms)

    @router.delete(
        "/{ident}/models/{model:path}",
        summary="nothing of its own holds for this model any more",
        status_code=204,
        responses=CHANGES,
    )
    async def remove_model(ident: str, model: str, terms: SeenTerms) -> Response:
        return await clerk.told(await plane.tenants.remove_group_model(ident, model, terms), terms)
