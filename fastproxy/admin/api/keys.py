"""/api/keys: the credentials of clients. A secret is in the reply that made it, and never again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Body, Depends, Query, Request
from fastapi.responses import Response  # noqa: TC002 - FastAPI resolves annotations
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from fastproxy.admin.api.clerk import Changing, Clerk, SeenTerms, SwitchListing, new
from fastproxy.admin.api.shapes import CHANGES, READS, KeyBody, KeyMade, KeyPage, KeyPatchBody, KeyShown, Plan
from fastproxy.admin.tenants import rules
from fastproxy.admin.tenants.changing import LONGEST_GRACE_S
from fastproxy.admin.tenants.terms import Terms  # noqa: TC001 - FastAPI resolves annotations

if TYPE_CHECKING:
    from fastproxy.admin.plane import Plane

USUAL_GRACE_S: Final = 86400.0  # as the command's


class KeyListing(SwitchListing):
    group: str = Field("", max_length=64)


class KeyMaking(Changing):
    create_group: bool = Field(False, description="make the key's group if there is none of that name")


class Rotation(BaseModel):
    """How long the old secret goes on working: seconds, or a text as in the file ("24h"); 0 ends it at once."""

    model_config = ConfigDict(extra="forbid")

    grace: Annotated[float, BeforeValidator(rules.duration(0, LONGEST_GRACE_S), json_schema_input_type=str | float)] = (
        USUAL_GRACE_S
    )


def _making(request: Request, query: Annotated[KeyMaking, Query()]) -> Terms:
    return replace(new(request, query), create_group=query.create_group)


def key_routes(plane: Plane) -> APIRouter:
    router = APIRouter(prefix="/api/keys", tags=["keys"])
    clerk = Clerk(plane, "keys")

    @router.get("", summary="all keys, those of the file too", response_model=KeyPage, responses=READS)
    async def page(query: Annotated[KeyListing, Query()]) -> Response:
        return await clerk.page(query)

    @router.post(
        "",
        summary="make a key; the reply holds its secret, once",
        status_code=201,
        response_model=KeyMade | Plan,
        responses=CHANGES,
    )
    async def create(document: KeyBody, terms: Annotated[Terms, Depends(_making)]) -> Response:
        return await clerk.create(document, terms)

    # An ident may be "group/name"; so this path comes before the plain one.
    @router.post(
        "/{ident:path}/rotate",
        summary="give a key a new secret; the old one works until the grace ends, a day if none is told",
        response_model=KeyMade | Plan,
        responses=CHANGES,
    )
    async def rotate(ident: str, terms: SeenTerms, rotation: Annotated[Rotation | None, Body()] = None) -> Response:
        grace_s = rotation.grace if rotation is not None else USUAL_GRACE_S
        return await clerk.told(await plane.tenants.rotate(ident, grace_s, terms), terms)

    @router.get("/{ident:path}", summary="one key, by id or group/name", response_model=KeyShown, responses=READS)
    async def one(ident: str) -> Response:
        return await clerk.one(ident)

    @router.patch(
        "/{ident:path}",
        summary="change a key: JSON merge patch",
        response_model=KeyShown | Plan,
        responses=CHANGES,
    )
    async def change(ident: str, patch: KeyPatchBody, terms: SeenTerms) -> Response:
        return await clerk.change(ident, patch, terms)

    @router.delete(
        "/{ident:path}", summary="remove a key: it is refused from now on", status_code=204, responses=CHANGES
    )
    async def remove(ident: str, terms: SeenTerms) -> Response:
        return await clerk.remove(ident, terms)

    return router
