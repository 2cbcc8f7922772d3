"""Who may use the admin port: one decision per request, taken before any route, closed by default.

    /metrics, /api/health        everybody (scrapers and probes carry no key)
    everything else, key set     Authorization: Bearer KEY
    LOCAL paths, no key          peers on this machine, asked for by a local name, not through another proxy
    everything else, no key      nobody: tenants, logs and publications need a key to be asked for

Knows nothing of what the routes do. Unknown paths are refused like known ones, so that a stranger learns no names. A
page in a browser may reach a loopback port under a name of its own (DNS rebinding): where loopback is what is believed,
the Host header must name this machine. Nor may a page of another site send a form here: whatever is not a GET names
this site as its Origin, or none, and its body is JSON, which no form can send.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PUBLIC: Final = frozenset({"/metrics", "/api/health"})
# What this machine may read without a key: nothing here shows a tenant, a log or a setting.
PAGES: Final = frozenset({"/", "/docs", "/swagger/index.html", "/openapi.json"})
LOCAL: Final = PAGES | {"/api/convert", "/api/health/detailed", "/api/status", "/api/system/info"}
MAX_BODY: Final = 1 << 20  # a channel with its longest lists is a tenth of it
COUNTS_ITSELF: Final = frozenset({"/api/convert"})
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
# Any of these says that the peer is a proxy, so its address says nothing about who asks.
FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")

# Nothing may be loaded from anywhere; a page adds what it needs (page.py).
POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
SECURITY_HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^:\[\]\s]+))(?::\d{1,5})?", re.IGNORECASE)
_BEARER = re.compile(r"bearer +(\S+) *", re.IGNORECASE)


def error_reply(
    status: int, kind: str, message: str, fields: Sequence[Mapping[str, Any]] | None = None
) -> JSONResponse:
    """Every error of the admin plane has this shape; carries the security headers also where no Guard runs.

    `fields`: what is wrong with the input, as [{"path": "models[0]", "message": "…"}]; only where input is judged.
    """
    error: dict[str, Any] = {"status": status, "kind": kind, "message": message}
    if fields is not None:
        error["fields"] = list(fields)
    return JSONResponse({"error": error}, status, headers=SECURITY_HEADERS)


def is_loopback(host: str) -> bool:
    """Tell 127.0.0.0/8, ::1, their mapped forms and the name localhost from everything else."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)  # is_loopback is False for ::ffff:127.0.0.1 before 3.13
    return bool((mapped or address).is_loopback)


@dataclass(frozen=True, slots=True)
class Access:
    """`key`: the operator's admin key; empty is none. `bound`: the host listened on; "" for a Unix socket."""

    key: str | None
    bound: str

    def refusal(self, path: str, headers: Headers, peer: str | None) -> JSONResponse | None:
        """Decide about one request; `peer` is the client's address (None on a Unix socket)."""
        if is_loopback(self.bound) and not self.is_local_name(headers):
            return error_reply(403, "forbidden", "the host header does not name this machine")
        if path in PUBLIC:
            return None
        return self._without_key(path, headers, peer) if not self.key else self._with_key(self.key, headers)

    def is_local_name(self, headers: Headers) -> bool:
        hosts = headers.getlist("host")
        match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        return match is not None and (match[1] or match[2]).lower() in LOCAL_NAMES | {self.bound.lower()}

    def _with_key(self, key: str, headers: Headers) -> JSONResponse | None:
        given = headers.getlist("authorization")
        match = _BEARER.fullmatch(given[0]) if len(given) == 1 else None
        # Headers are latin-1 text here; comparing bytes keeps compare_digest from raising on them.
        if match and hmac.compare_digest(match[1].encode("latin-1"), key.encode()):
            return None
        reply = error_reply(401, "unauthorized", "this address needs the admin key as a bearer credential")
        reply.headers["www-authenticate"] = 'Bearer realm="fastproxy"'
        return reply

    def _without_key(self, path: str, headers: Headers, peer: str | None) -> JSONResponse | None:
        if path not in LOCAL:
            return error_reply(403, "forbidden", "set FASTPROXY_ADMIN_KEY: without it only health and status are shown")
        if self._is_near(headers, peer):
            return None
        return error_reply(403, "forbidden", "set FASTPROXY_ADMIN_KEY to read this from another machine")

    def _is_near(self, headers: Headers, peer: str | None) -> bool:
        if not self.bound and peer is None:
            return True
        local = peer is not None and is_loopback(peer) and self.is_local_name(headers)
        return local and not any(name in headers for name in FORWARDED)


def foreign_change(method: str, headers: Headers) -> JSONResponse | None:
    """Refuse what a page of another site could make a browser send; None for what may pass."""
    if method in READING:
        return None
    if any(not _is_same_site(origin, headers) for origin in headers.getlist("origin")):
        return error_reply(403, "forbidden", "the origin header names another site")
    types = headers.getlist("content-type")
    has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
    if (types or has_body) and [kind.partition(";")[0].strip().lower() for kind in types] != ["application/json"]:
        return error_reply(415, "unsupported_media_type", "the content-type of a change must be application/json")
    return None


def _is_same_site(origin: str, headers: Headers) -> bool:
    # Ports count, schemes do not: behind a proxy that ends TLS the browser says https and this port hears http.
    try:
        place = urlsplit(origin).netloc
    except ValueError:
        return False
    return bool(place) and [place.lower()] == [host.lower() for host in headers.getlist("host")]


def too_large(path: str, headers: Headers) -> JSONResponse | None:
    """Refuse a body that says how long it is before any of it is read."""
    length = headers.get("content-length", "")
    if path in COUNTS_ITSELF or not length.isdecimal() or int(length[:20]) <= MAX_BODY:
        return None
    return error_reply(413, "too_large", f"the body is larger than {MAX_BODY} bytes")


def bounded(receive: Receive) -> Receive:
    """The same for one that does not say it."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MAX_BODY:
            raise HTTPException(413, f"the body is larger than {MAX_BODY} bytes")
        return message

    return counted


class Guard:
    """ASGI middleware: asks Access, adds the security headers, answers HEAD like GET (the server drops the body)."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no WebSocket here; close whatever asks for one
            await send({"type": "websocket.close", "code": 1008})
            return
        client, headers = scope.get("client"), Headers(scope=scope)
        refusal = self._access.refusal(scope["path"], headers, client[0] if client else None)
        refusal = refusal or foreign_change(scope["method"], headers) or too_large(scope["path"], headers)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        counted = receive if scope["path"] in COUNTS_ITSELF else bounded(receive)
        await self._app(scope, counted, _securing(send))


def _securing(send: Send) -> Send:
    async def secured(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return secured
