"""What the admin API answers when it cannot do what it was asked: one shape, made from whatever was raised.

    {"error": {"status": 422, "kind": "invalid", "message": "…", "fields": [{"path": "models[0]", "message": "…"}]}}

`fields` is there for 422 only. No text repeats a value that a client sent: it might be a secret.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from fastproxy.admin.access import error_reply
from fastproxy.admin.tenants.refusals import MOST_FIELDS, Invalid, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fastapi import FastAPI, Request
    from fastapi.responses import JSONResponse

RETRY_AFTER_S: Final = 2  # a database that restarts is back in seconds
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
KINDS: Final = {
    401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "method_not_allowed",
    413: "too_large", 415: "unsupported_media_type",
}  # fmt: skip


def add_handlers(app: FastAPI) -> None:
    """Map every exception that may leave a route to a reply of the one shape."""
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(Exception, _unexpected)


def field_path(place: Sequence[int | str]) -> str:
    """("body", "models", 0, "name") → "models[0].name", ("query", "page") → "page"."""
    path = ""
    for part in place[1:]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def fields_of(errors: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """From pydantic's errors to ours, the first MOST_FIELDS of them."""
    return [_field(error) for error in islice(errors, MOST_FIELDS)]


def _field(error: Mapping[str, Any]) -> dict[str, str]:
    place, text = error["loc"], str(error["msg"])
    if error["type"] == "json_invalid":  # the second part is a position, not a name
        return {"path": "", "message": f"not JSON: {error['ctx']['error'].lower()} at character {place[-1]}"}
    if error["type"] == "extra_forbidden":
        text = "this name is unknown here"
    elif error["type"] == "missing":
        text = "this field is missing" if len(place) > 1 else "a JSON object is needed as the body"
    text = text.removeprefix("Value error, ")
    return {"path": field_path(place), "message": text[:1].lower() + text[1:]}


def refusal_reply(refusal: Refusal) -> JSONResponse:
    """Return the reply to a refusal of the service; 503 says when to come again."""
    fields = refusal.fields if refusal.status == 422 else None
    reply = error_reply(refusal.status, refusal.kind, refusal.message, fields)
    if refusal.status == 503:
        reply.headers["retry-after"] = str(RETRY_AFTER_S)
    return reply


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # what it is registered for
    if error.status_code == 400:  # the framework's, for bodies that its JSON parser gives up on: nested too deeply
        return refusal_reply(Invalid([{"path": "", "message": "not JSON that can be read"}]))
    reply = error_reply(error.status_code, KINDS.get(error.status_code, "http_error"), str(error.detail).lower())
    reply.headers.update(error.headers or {})
    if error.status_code == 405:
        reply.headers["allow"] = ", ".join(_allowed(request))
    return reply


def _allowed(request: Request) -> list[str]:
    """All methods of the path: each route knows only its own."""
    routes = request.app.routes
    return [
        method
        for method in METHODS
        if any(route.matches({**request.scope, "method": method})[0] == Match.FULL for route in routes)
    ]


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return refusal_reply(Invalid(fields_of(error.errors())))


async def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    return refusal_reply(error)


async def _unexpected(_: Request, error: Exception) -> JSONResponse:
    return error_reply(500, "internal", f"unexpected {type(error).__name__}; the log has the details")
