"""Refusals: one exception, and how each vendor writes it. Pure data; knows no sockets and no routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from fastproxy.loadtest.mock_routes import Format

_OPENAI_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}
_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_GEMINI_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_RETRY_LATER = frozenset({429, 503, 529})


class Fault(Exception):
    """The mock refuses, or was told to fail: a status and a text; `param` names the field at fault."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None, retry_after: int = 0
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.retry_after = retry_after or (1 if status in _RETRY_LATER else 0)


def write(style: Format, fault: Fault, ident: str) -> bytes:
    """The error body as that vendor sends it."""
    if style == "anthropic":
        kind = _ANTHROPIC_TYPES.get(fault.status, "api_error")
        inner = {"type": kind, "message": fault.message}
        return msgspec.json.encode({"type": "error", "error": inner, "request_id": "req_" + ident})
    if style == "gemini":
        status = _GEMINI_STATUSES.get(fault.status, "INTERNAL")
        told: dict[str, object] = {"code": fault.status, "message": fault.message, "status": status}
        if fault.retry_after:
            kind = "type.googleapis.com/google.rpc.RetryInfo"
            told["details"] = [{"@type": kind, "retryDelay": f"{fault.retry_after}s"}]
        return msgspec.json.encode({"error": told})
    kind = _OPENAI_TYPES.get(fault.status, "server_error")
    error = {"message": fault.message, "type": kind, "param": fault.param, "code": fault.code}
    return msgspec.json.encode({"error": error})


def event(style: Format, fault: Fault, ident: str, number: int) -> bytes:
    """The error in the middle of a stream; `number` is its place, which Responses wants to know, or -1 elsewhere."""
    if number >= 0:
        told = {"type": "error", "code": "server_error", "message": fault.message, "param": None}
        return b"event: error\ndata: " + msgspec.json.encode(told | {"sequence_number": number}) + b"\n\n"
    start = b"event: error\ndata: " if style == "anthropic" else b"data: "
    return start + write(style, fault, ident) + (b"\r\n\r\n" if style == "gemini" else b"\n\n")
