"""POST /api/convert: a body in one chat format, given back in another, with what was lost. Nothing is sent or kept.

{"from": "openai-chat", "to": "anthropic", "model": "claude-x", "body": {…}}      → {"body": {…}, "lossy": […]}
{"from": "anthropic", "to": "openai-chat", "reply": true, "body": {…}}            → {"body": {…}, "lossy": []}
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from fastproxy.admin.access import error_reply
from fastproxy.errors import BadRequest, GatewayError
from fastproxy.formats.chat import Target
from fastproxy.formats.events import ReplyContext
from fastproxy.formats.exact import dumps, read_float

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MAX_BODY: Final = 32 << 20  # what the data plane takes of a request with images
SUMMARY: Final = "a request or reply in another format: from, to, model, reply, body"


class Conversion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked for. `model` is the upstream's name; without one the body's own is kept."""

    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")
    body: dict[str, Any]
    model: str = ""
    reply: bool = False


_decode = msgspec.json.Decoder(Conversion, float_hook=read_float).decode


def convert_routes() -> APIRouter:
    router = APIRouter(prefix="/api")

    @router.post("/convert", summary=SUMMARY)
    async def convert(request: Request) -> Response:
        try:
            data = await _read(request.stream())
            return Response(await run_in_threadpool(_converted, data), media_type="application/json")
        except GatewayError as error:
            return error_reply(error.status, error.kind, error.message)

    return router


async def _read(stream: AsyncIterator[bytes]) -> bytes:
    data = bytearray()
    async for piece in stream:
        data += piece
        if len(data) > MAX_BODY:
            raise BadRequest(f"the body is larger than {MAX_BODY} bytes", status=413, kind="too_large")
    return bytes(data)


def _converted(data: bytes) -> bytes:
    from fastproxy.formats.convert import convert_reply, convert_request  # only a process that is asked pays for it

    try:
        asked = _decode(data)
        lossy: tuple[str, ...] = ()
        model = asked.model or str(asked.body.get("model", ""))
        if asked.reply:
            context = ReplyContext(uuid4().hex, model, int(time.time()))
            body = convert_reply(asked.body, asked.source, asked.target, context)
        else:
            body, lossy = convert_request(asked.body, asked.source, asked.target, Target(model))
        return dumps({"body": body, "lossy": lossy})
    except msgspec.DecodeError as error:
        raise BadRequest(f"not a conversion: {str(error)[:200].lower()}") from None
    except (RecursionError, TypeError):
        raise BadRequest("the body is nested too deeply") from None
