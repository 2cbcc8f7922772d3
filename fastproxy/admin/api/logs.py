"""/api/logs: the records of requests, newest first, and one of them with its attempts and bodies.

?limit=50&cursor=…      next_cursor of the page before; null on the last page
?since=&until=          ISO 8601, or Unix milliseconds as in started_at; since <= started_at < until
?group=&key=&model=&channel=&error_kind=&request_id=      exactly this; a key by id, name or group/name
?status=404 | 4xx | 0   0: no status was sent            ?stream=true | false
?text=                  a part of model, channel, key, user agent or kind of error
"""

from __future__ import annotations

import codecs
from base64 import b64encode
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import APIRouter, Query
from fastapi import Path as FromPath
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from sqlalchemy.exc import SQLAlchemyError

from fastproxy.admin.api.shapes import READS, LogPage, LogShown
from fastproxy.admin.ledger.search import MAX_LIMIT, BadFilter, Filters, one, search
from fastproxy.admin.store.engine import StoreError
from fastproxy.admin.tenants import Invalid, NotFound, Unavailable
from fastproxy.admin.tenants.rules import moment

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from fastproxy.admin.plane import Plane

T = TypeVar("T")


def _moment(value: object) -> object:
    """Unix milliseconds from either form."""
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) <= 15 else moment(value)


Moment = Annotated[int | None, BeforeValidator(_moment, json_schema_input_type=str | int)]
RequestId = Annotated[str, FromPath(pattern=r"^[0-9a-zA-Z]{32}$", description="as in the reply's x-request-id")]


class LogListing(BaseModel):
    """One page of records, and which."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=MAX_LIMIT)
    cursor: str = Field("", max_length=100)
    since: Moment = None
    until: Moment = None
    group: str | None = None
    key: str | None = None
    model: str | None = None
    channel: str | None = None
    status: str | None = None
    request_id: str | None = None
    stream: bool | None = None
    error_kind: str | None = None
    text: str = ""

    def filters(self) -> Filters:
        return Filters(**self.model_dump(exclude={"limit", "cursor"}))


def log_routes(plane: Plane) -> APIRouter:
    router = APIRouter(prefix="/api/logs", tags=["logs"])

    @router.get("", summary="records of requests, newest first", response_model=LogPage, responses=READS)
    async def page(query: Annotated[LogListing, Query()]) -> Response:
        ledger = plane.store.ledger
        found = await _asked(search(ledger, query.filters(), cursor=query.cursor, limit=query.limit))
        return JSONResponse({"items": found.items, "next_cursor": found.next_cursor})

    @router.get(
        "/{request_id}",
        summary="one record, with the attempts before it and the bodies that were kept",
        response_model=LogShown,
        responses=READS,
    )
    async def record(request_id: RequestId) -> Response:
        found = await _asked(one(plane.store.ledger, request_id))
        if found is None:
            raise NotFound("there is no record of this request")
        return JSONResponse({**found, "bodies": {side: _body(kept) for side, kept in found["bodies"].items()}})

    return router


async def _asked(reading: Awaitable[T]) -> T:
    """Raises: Invalid for a filter that makes no sense, Unavailable while the ledger cannot be read."""
    try:
        return await reading
    except BadFilter as error:
        raise Invalid([{"path": error.name, "message": error.text}]) from None
    except (SQLAlchemyError, StoreError, OSError) as error:
        raise Unavailable(f"the ledger's database cannot be asked ({type(error).__name__})") from error


def _body(kept: dict[str, Any] | None) -> dict[str, Any] | None:
    """As text where it is text, cut or not; else in base64."""
    if kept is None:
        return None
    told = {"size": kept["size"], "truncated": kept["truncated"]}
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(kept["data"], final=not kept["truncated"])
    except UnicodeDecodeError:
        return {**told, "base64": b64encode(kept["data"]).decode()}
    return {**told, "text": text}
