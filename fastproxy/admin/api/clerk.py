"""What the routes of tenants share: the queries they take, who asks, and how an outcome of the service is told.

list     ?page=1&per_page=50&search=&order=name | -created_at    → {"items": […], "total": n}
one      → the item, ETag: "version"
change   ?plan=true, If-Match: "version"     → the item | 204; headers tell when the workers use it:
         x-fastproxy-revision, x-fastproxy-generation, x-fastproxy-acknowledged: 2/2
plan     → {"plan": true, "item": …, "differences": […], "revision": n}; nothing has been applied
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote

from fastapi import Depends, Header, Request
from fastapi import Query as FromQuery
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from fastproxy.admin.tenants.terms import Query, Terms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastproxy.admin.plane import Plane
    from fastproxy.admin.tenants.terms import Outcome, Page

_ETAG: Final = re.compile(r'"(\d{1,18})"')


def _version(value: str) -> int | None:
    if value.strip() == "*":
        return None
    match = _ETAG.fullmatch(value.strip())
    if match is None:
        raise ValueError('expected one version in quotes, as the ETag header gave it: "3"')
    return int(match[1])


IfMatch = Annotated[
    int | None,
    BeforeValidator(_version),
    Header(description="the version that this change was made from; 409 if it is another by now"),
]


class Listing(BaseModel):
    """One page of a list."""

    model_config = ConfigDict(extra="forbid")

    page: int = Field(1, ge=1, le=1_000_000)
    per_page: int = Field(50, ge=1, le=500)
    search: str = Field("", max_length=200, description="a part of the name, the note or a key's prefix")
    order: str = Field("", max_length=64, description="a field, descending with - before it; by name if empty")
    managed_by: str = Field("", max_length=16, description="file or database")

    def query(self) -> Query:
        """What the service understands: every field that is no page, and is given, is a filter."""
        given = self.model_dump(exclude={"page", "per_page", "search", "order"})
        filters = {name: value for name, value in given.items() if value}
        return Query(self.page, self.per_page, self.search, self.order, filters)


class SwitchListing(Listing):
    """Of things that can be switched off."""

    status: str = Field("", max_length=16, description="enabled or disabled")


class Changing(BaseModel):
    """How a change is meant."""

    model_config = ConfigDict(extra="forbid")

    plan: bool = Field(False, description="only tell what would change")


def actor(request: Request) -> str:
    """As the history names whoever asks."""
    return f"admin key from {request.client.host}" if request.client else "admin key"


def new(request: Request, query: Annotated[Changing, FromQuery()]) -> Terms:
    """On which terms something is made."""
    return Terms(actor(request), dry=query.plan)


def seen(request: Request, query: Annotated[Changing, FromQuery()], if_match: IfMatch = None) -> Terms:
    """On which terms something that exists is changed."""
    return Terms(actor(request), dry=query.plan, if_version=if_match)


NewTerms = Annotated[Terms, Depends(new)]
SeenTerms = Annotated[Terms, Depends(seen)]


class Clerk:
    """Answers for the routes of one kind: asks the service, tells what came of it."""

    def __init__(self, plane: Plane, kind: str) -> None:
        self._plane = plane
        self._kind = kind

    async def page(self, listing: Listing) -> Response:
        return paged(await self._plane.tenants.page(self._kind, listing.query()))

    async def one(self, ident: str) -> Response:
        return shown(await self._plane.tenants.one(self._kind, ident))

    async def create(self, document: object, terms: Terms) -> Response:
        outcome = await self._plane.tenants.create(self._kind, document, terms)
        return await self.told(outcome, terms, 201)

    async def change(self, ident: str, patch: object, terms: Terms) -> Response:
        return await self.told(await self._plane.tenants.change(self._kind, ident, patch, terms), terms)

    async def remove(self, ident: str, terms: Terms) -> Response:
        return await self.told(await self._plane.tenants.remove(self._kind, ident, terms), terms)

    async def told(self, outcome: Outcome, terms: Terms, status: int = 200) -> Response:
        """Tell an outcome; what was applied, after the workers have it, or two seconds."""
        if terms.dry:
            return planned(outcome)
        headers = await applied(self._plane, outcome.revision)
        if outcome.item is None:
            return Response(status_code=204, headers=headers)
        if status == 201:
            headers["location"] = f"/api/{self._kind}/{quote(str(outcome.item['id']))}"
        secret = {} if outcome.secret is None else {"secret": outcome.secret}
        return shown({**outcome.item, **secret}, status, headers)


def paged(page: Page) -> JSONResponse:
    return JSONResponse({"items": page.items, "total": page.total})


def shown(item: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """One object, with its version as ETag; what the file declares has none."""
    reply = JSONResponse(item, status, headers)
    if item.get("version") is not None:
        reply.headers["etag"] = f'"{item["version"]}"'
    return reply


def planned(outcome: Outcome) -> JSONResponse:
    return JSONResponse(
        {"plan": True, "item": outcome.item, "differences": outcome.differences, "revision": outcome.revision}
    )


async def applied(plane: Plane, revision: int) -> dict[str, str]:
    """Wait until the workers use the revision, two seconds at most; the headers that tell how far it has come."""
    found = await plane.publisher.effective(revision)
    return {
        "x-fastproxy-revision": str(revision),
        "x-fastproxy-generation": str(found.generation),
        "x-fastproxy-acknowledged": f"{found.used_by}/{found.workers}",
    }
