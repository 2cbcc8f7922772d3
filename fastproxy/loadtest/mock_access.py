"""Who asks, and whether the request's frame is sound: what the mock refuses before it looks at a body.

A gateway must put in exactly one credential, in the vendor's own way, and must not pass on two of anything that counts.
All functions raise Fault or return what they have read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastproxy.loadtest.mock_faults import Fault

if TYPE_CHECKING:
    from fastproxy.loadtest.mock_request import Request
    from fastproxy.loadtest.mock_routes import Format, Route

NEW_VERSION = "2026-10-21"
_VERSIONS = ("2023-06-01", NEW_VERSION)
_STYLES: dict[str, tuple[str, ...]] = {
    "openai": ("authorization: Bearer",),
    "azure": ("api-key", "authorization: Bearer"),
    "anthropic": ("x-api-key", "authorization: Bearer"),
    "gemini": ("x-goog-api-key", "?key="),
    "vertex": ("authorization: Bearer",),
}
_ONCE = (b"host", b"content-length", b"content-type", b"authorization", b"x-api-key", b"x-goog-api-key", b"api-key")


def framing(request: Request) -> None:
    """What llhttp leaves to its caller: repeated or missing fields that let two parsers disagree."""
    fields = request.fields
    if request.version == "1.1" and b"host" not in fields:
        raise Fault(400, "no host header")
    if b"transfer-encoding" in fields and fields[b"transfer-encoding"].lower() != b"chunked":
        raise Fault(400, "transfer-encoding: only chunked is understood")
    if b"transfer-encoding" in fields and b"content-length" in fields:
        raise Fault(400, "both transfer-encoding and content-length")
    if len(fields) == len(request.headers):
        return
    names = [name for name, _ in request.headers]
    for name in _ONCE:
        if names.count(name) > 1:
            raise Fault(400, f"{name.decode()}: sent {names.count(name)} times")


def credential(route: Route, style: Format, request: Request) -> str:
    """The one key of the request, sent the way this format wants it."""
    found = _credentials(request)
    wanted = _STYLES[route.cloud or style]
    if len(found) > 1:
        raise Fault(400, f"more than one credential: {', '.join(sorted(found))}")
    if not found:
        raise Fault(401, f"no key: expected {' or '.join(wanted)}", code="invalid_api_key")
    (kind, key), *_ = found.items()
    if kind not in wanted or not key:
        text = f"wrong kind of credential: got {kind}, expected {' or '.join(wanted)}"
        raise Fault(401, text, code="invalid_api_key")
    return key


def _credentials(request: Request) -> dict[str, str]:
    found = {
        name.decode(): request.field(name).strip()
        for name in (b"x-api-key", b"api-key", b"x-goog-api-key")
        if name in request.fields
    }
    if b"authorization" in request.fields:
        scheme, _, key = request.field(b"authorization").partition(" ")
        found["authorization: Bearer" if scheme.lower() == "bearer" else "authorization: " + scheme] = key.strip()
    if b"key=" in request.target and "key" in (query := request.query):
        found["?key="] = query["key"]
    return found


def version(request: Request) -> str:
    """Anthropic's version header, which its API requires."""
    asked = request.field(b"anthropic-version")
    if asked not in _VERSIONS:
        raise Fault(400, f"anthropic-version: expected one of {', '.join(_VERSIONS)}, got {asked or 'nothing'}")
    return asked


def azure(route: Route, request: Request) -> None:
    """Azure's deployment paths need their api-version parameter."""
    if route.cloud == "azure" and route.model and "api-version" not in request.query:
        raise Fault(404, "Resource not found: no api-version parameter", code="404")
