"""Errors of ours in the client's own format, so that its SDK raises what its user expects.

    openai-chat, openai-responses, openai   {"error": {message, type, param, code}}
    anthropic                               {"type": "error", "error": {type, message}, "request_id"}
    gemini                                  {"error": {code, message, status, details}}
    edge (and anything else)                one line of plain text

Pure. `kind` is errors.GatewayError.kind; a kind that has no word of its own in a format takes the word of its status.
The gateway sends `status_for(wire_format, status)`, because each vendor has its own number for "overloaded".
Sources: the SDKs' error types (openai 3.54, anthropic 2.12, google-genai 3.4) and the vendors' error pages.
"""

from __future__ import annotations

from typing import Final

import msgspec

JSON: Final = b"application/json"
TEXT: Final = b"text/plain; charset=utf-8"
_OPENAI: Final = frozenset(("openai-chat", "openai-responses", "openai"))
_TELLS_OVERLOAD: Final = _OPENAI | {"gemini"}  # with 503

# status → (type, code)
_OPENAI_WORDS: Final[dict[int, tuple[str, str | None]]] = {
    400: ("invalid_request_error", None),
    401: ("authentication_error", "invalid_api_key"),
    402: ("insufficient_quota", "insufficient_quota"),
    403: ("permission_error", "permission_denied"),
    404: ("invalid_request_error", "not_found"),
    405: ("invalid_request_error", "method_not_allowed"),
    408: ("invalid_request_error", "request_timeout"),
    409: ("conflict_error", None),
    413: ("invalid_request_error", "request_too_large"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    501: ("invalid_request_error", "not_implemented"),
    502: ("server_error", "upstream_failed"),
    503: ("server_error", "overloaded"),
    504: ("server_error", "upstream_timeout"),
    529: ("server_error", "overloaded"),
}
_OPENAI_CODES: Final = {
    "context_length_exceeded": "context_length_exceeded",
    "model_not_found": "model_not_found",
    "out_of_budget": "insufficient_quota",
    "previous_response_not_found": "previous_response_not_found",
    "upstream_auth": "upstream_auth",
    "upstream_quota": "insufficient_quota",
    "upstream_truncated": "upstream_truncated",
}
_OPENAI_TYPES: Final = {"upstream_quota": "insufficient_quota"}  # those that do not follow from the status

# Clients that shorten their history look for these words, whatever else an upstream's text says.
_TOO_LONG: Final = {
    "anthropic": "prompt is too long",
    "gemini": "The input token count exceeds the maximum number of tokens allowed",
}

_ANTHROPIC_WORDS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}

_GEMINI_WORDS: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}

_encode = msgspec.json.Encoder().encode


def status_for(wire_format: str, status: int) -> int:
    """The status line for a client of `wire_format`: 529 is Anthropic's word for 503, and nobody else's."""
    if wire_format == "anthropic":
        return 529 if status == 503 else status
    return 503 if status == 529 and wire_format in _TELLS_OVERLOAD else status


def write_error(wire_format: str, status: int, kind: str, message: str, request_id: str) -> tuple[bytes, bytes]:
    """Content type and body of an error reply."""
    status, message = status_for(wire_format, status), _worded(wire_format, kind, message)
    if wire_format in _OPENAI:
        return JSON, _encode({"error": _openai(status, kind, message)})
    if wire_format == "anthropic":
        return JSON, _encode(_anthropic(status, message, request_id))
    if wire_format == "gemini":
        return JSON, _encode({"error": _gemini(status, kind, message, request_id)})
    return TEXT, f"{_one_line(message)}\n".encode("utf-8", "replace")


def stream_error(wire_format: str, status: int, kind: str, message: str, request_id: str) -> bytes:
    """One SSE event that tells of an error in a stream that has begun; what follows must be an abnormal end.

    The blank line in front ends an event that the upstream left half written, so that ours is read as one of its own.
    """
    status, message = status_for(wire_format, status), _worded(wire_format, kind, message)
    if wire_format == "anthropic":
        return b"\n\nevent: error\ndata: " + _encode(_anthropic(status, message, request_id)) + b"\n\n"
    if wire_format == "gemini":
        # Google's SDK splits stream lines on U+2028 and U+2029 too
        body = _encode({"error": _gemini(status, kind, message, request_id)})
        return b"\r\n\r\ndata: " + body.replace(b"\xe2\x80\xa8", b" ").replace(b"\xe2\x80\xa9", b" ") + b"\r\n\r\n"
    error = _openai(status, kind, message)
    if wire_format == "openai-responses":
        # the documented event is flat; the SDK raises only when it also finds "error"
        code = "server_error" if status >= 500 else error["code"]  # of ResponseError's words
        flat = {"type": "error", "code": code, "message": message, "param": None, "sequence_number": 0}
        return b"\n\nevent: error\ndata: " + _encode(flat | {"error": error}) + b"\n\n"
    return b"\n\ndata: " + _encode({"error": error}) + b"\n\n"


def array_error(status: int, kind: str, message: str, request_id: str) -> bytes:
    """As `stream_error` for a Gemini client without alt=sse: one more element of its array, which then ends."""
    status = status_for("gemini", status)
    return b",\r\n" + _encode({"error": _gemini(status, kind, _worded("gemini", kind, message), request_id)}) + b"]"


def _openai(status: int, kind: str, message: str) -> dict[str, str | None]:
    word, code = _OPENAI_WORDS.get(status) or (
        ("invalid_request_error", None) if status < 500 else ("server_error", None)
    )
    word = _OPENAI_TYPES.get(kind, word)
    return {"message": message, "type": word, "param": _field(message), "code": _OPENAI_CODES.get(kind, code)}


def _anthropic(status: int, message: str, request_id: str) -> dict[str, object]:
    word = _ANTHROPIC_WORDS.get(status) or ("invalid_request_error" if status < 500 else "api_error")
    return {"type": "error", "error": {"type": word, "message": message}, "request_id": request_id}


def _gemini(status: int, kind: str, message: str, request_id: str) -> dict[str, object]:
    word = _GEMINI_WORDS.get(status) or ("INVALID_ARGUMENT" if status < 500 else "INTERNAL")
    details = [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": kind.upper(), "domain": "fastproxy"},
        {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": request_id},
    ]
    return {"code": status, "message": message, "status": word, "details": details}


def _worded(wire_format: str, kind: str, message: str) -> str:
    lead = _TOO_LONG.get(wire_format) if kind == "context_length_exceeded" else None
    return message if lead is None or lead in message else f"{lead}: {message}"


def _field(message: str) -> str | None:
    """The field that a message of ours begins with: "field 'model' is missing" → "model"."""
    if not message.startswith("field '"):
        return None
    return message[len("field '") :].partition("'")[0]


def _one_line(message: str) -> str:
    return " ".join(message.split())
