"""/api/models: names that clients ask for, with their prices and rules. A name may have slashes in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response  # noqa: TC002 - FastAPI resolves annotations
from pydantic import Field

from fastproxy.admin.api.clerk import Clerk, Listing, NewTerms, SeenTerms
from fastproxy.admin.api.shapes import CHANGES, READS, ModelBody, ModelPage, ModelPatchBody, ModelShown, Plan

if TYPE_CHECKING:
    from fastproxy.admin.plane import Plane


class ModelListing(Listing):
    owner: str = Field("", max_length=256)
    mode: str = Field("", max_length=64)


def model_routes(plane: Plane) -> APIRouter:
    router = APIRouter(prefix="/api/models", tags=["models"])
    clerk = Clerk(plane, "models")

    @router.get(
        "", summary="all models that are described, those of the file too", response_model=ModelPage, responses=READS
    )
    async def page(query: Annotated[ModelListing, Query()]) -> Response:
        return await clerk.page(query)

    @router.post("", summary="describe a model", status_code=201, response_model=ModelShown | Plan, responses=CHANGES)
    async def create(document: ModelBody, terms: NewTerms) -> Response:
        return await clerk.create(document, terms)

    @router.get("/{ident:path}", summary="one model, by id or name", response_model=ModelShown, responses=READS)
    async def one(ident: str) -> Response:
        return await clerk.one(ident)

    @router.patch(
        "/{ident:path}",
        summary="change a model: JSON merge patch",
        response_model=ModelShown | Plan,
        responses=CHANGES,
    )
    async def change(ident: str, patch: ModelPatchBody, terms: SeenTerms) -> Response:
        return await clerk.change(ident, patch, terms)

    @router.delete("/{ident:path}", summary="forget what was said of a model", status_code=204, responses=CHANGES)
    async def remove(ident: str, terms: SeenTerms) -> Response:
        return await clerk.remove(ident, terms)

    return router
