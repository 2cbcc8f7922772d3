"""/api/channels: upstream accounts. Their credentials are sealed in the database and never shown again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response  # noqa: TC002 - FastAPI resolves annotations
from pydantic import Field

from fastproxy.admin.api.clerk import Clerk, NewTerms, SeenTerms, SwitchListing
from fastproxy.admin.api.shapes import CHANGES, READS, ChannelBody, ChannelPage, ChannelPatchBody, ChannelShown, Plan

if TYPE_CHECKING:
    from fastproxy.admin.plane import Plane


class ChannelListing(SwitchListing):
    provider: str = Field("", max_length=64)


def channel_routes(plane: Plane) -> APIRouter:
    router = APIRouter(prefix="/api/channels", tags=["channels"])
    clerk = Clerk(plane, "channels")

    @router.get("", summary="all channels, those of the file too", response_model=ChannelPage, responses=READS)
    async def page(query: Annotated[ChannelListing, Query()]) -> Response:
        return await clerk.page(query)

    @router.post("", summary="make a channel", status_code=201, response_model=ChannelShown | Plan, responses=CHANGES)
    async def create(document: ChannelBody, terms: NewTerms) -> Response:
        return await clerk.create(document, terms)

    @router.get("/{ident}", summary="one channel, by id or name", response_model=ChannelShown, responses=READS)
    async def one(ident: str) -> Response:
        return await clerk.one(ident)

    @router.patch(
        "/{ident}",
        summary="change a channel: JSON merge patch; credentials named by id or label keep their secrets",
        response_model=ChannelShown | Plan,
        responses=CHANGES,
    )
    async def change(ident: str, patch: ChannelPatchBody, terms: SeenTerms) -> Response:
        return await clerk.change(ident, patch, terms)

    @router.delete("/{ident}", summary="remove a channel and its credentials", status_code=204, responses=CHANGES)
    async def remove(ident: str, terms: SeenTerms) -> Response:
        return await clerk.remove(ident, terms)

    return router
