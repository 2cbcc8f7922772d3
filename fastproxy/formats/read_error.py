"""What went wrong at an upstream, read from its refusal: our kinds, a status and a text fit for the client. Pure.

    upstream says                           kind                      client's status
    401, 403, "API key not valid",
    "location is not supported"             upstream_auth             502: the client's own key is good
    402, spent credit, a spend limit        upstream_quota            429
    429                                     upstream_limited          429
    503, 529                                upstream_overloaded       the same (errors.status_for)
    prompt too long, in any words           context_length_exceeded   400
    404 about a model                       model_not_found           404
    413                                     too_large                 413
    408, 504                                upstream_timeout          504
    other 5xx, 52x of a proxy, 499, 3xx     upstream_failed           500, 501, 502
    other 4xx                               bad_request               the same
    200 with an error object                what its words say, else upstream_failed

`retryable`: another channel, or the same one later, may do better with the same request.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import orjson
from msgspec.structs import replace

from fastproxy.formats.events import Failure
from fastproxy.formats.redaction import MAX_READ, one_line, redacted, text_of_page
from fastproxy.formats.retry_after import seconds_until_retry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_JSON: Final = 1 << 20  # a refusal that is longer is read as text

KINDS: Final = frozenset(
    ("upstream_auth", "upstream_quota", "upstream_limited", "upstream_overloaded", "context_length_exceeded",
     "model_not_found", "too_large", "upstream_timeout", "upstream_failed", "bad_request")
)  # fmt: skip
_RETRYABLE: Final = KINDS - {"context_length_exceeded", "too_large", "bad_request"}

# a vendor's word (code, type or status, lower case) → the status that it stands for; read where the status says nothing
WORDS: Final = {
    "invalid_request_error": 400, "invalid_argument": 400, "failed_precondition": 400, "out_of_range": 400,
    "bio_policy": 400, "misalignment_policy_violation": 400, "content_policy_violation": 400,
    "image_content_policy_violation": 400, "data_residency_mismatch": 400,
    "authentication_error": 401, "invalid_api_key": 401, "unauthenticated": 401,
    "billing_error": 402, "insufficient_quota": 402,
    "permission_error": 403, "permission_denied": 403,
    "not_found_error": 404, "not_found": 404, "model_not_found": 404,
    "conflict_error": 409, "aborted": 409,
    "request_too_large": 413,
    "rate_limit_error": 429, "rate_limit_exceeded": 429, "resource_exhausted": 429, "too_many_requests": 429,
    "cancelled": 499,
    "api_error": 500, "server_error": 500, "internal": 500, "internal_server_error": 500,
    "unimplemented": 501,
    "unavailable": 503, "service_unavailable": 503, "engine_overloaded": 503,
    "timeout_error": 504, "deadline_exceeded": 504, "vector_store_timeout": 504,
    "overloaded_error": 529, "overloaded": 503, "server_is_overloaded": 503,
    "previous_response_not_found": 400, "context_length_exceeded": 400,
}  # fmt: skip
_QUOTA_WORDS: Final = frozenset(
    ("insufficient_quota", "billing_error", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance",
     "insufficient_credits", "contract_spend_limit_reached", "enforced_spend_limit_reached", "quota_exceeded",
     "linked_organization_spend_limit_reached", "arrearage")
)  # fmt: skip
_QUOTA: Final = re.compile(
    r"(?i)credit balance is too low|exceeded your current quota|insufficient (?:balance|credit|quota|funds)"
    r"|requires more credits|out of credits|no credits? (?:left|remaining)|(?:hard|spend(?:ing)?) limit"
    r"|reached your (?:specified )?(?:workspace )?api usage limits|billing (?:is )?not active|payment required"
    r"|account is (?:not active|in arrears|suspended)|key limit exceeded"
)
_CONTEXT_WORDS: Final = frozenset(("context_length_exceeded", "context_window_exceeded", "prompt_too_long"))
_CONTEXT: Final = re.compile(
    r"(?i)prompt is too long|maximum (?:context|prompt|input) length|context[ _-]?length[ _-]?exceeded"
    r"|exceeds? (?:the |its |this |your )?(?:model'?s? )?(?:maximum |available )?context"
    r"|input token count.{0,40}exceeds|token count.{0,40}exceeds the maximum number of (?:input )?tokens"
    r"|(?:input|prompt|request) (?:is )?too long|too many input tokens|larger than the (?:maximum )?context"
    r"|maximum number of tokens allowed"
)
_BAD_KEY: Final = re.compile(
    r"(?i)api[ _-]?key (?:is )?(?:not valid|invalid|expired)|api_key_(?:invalid|expired)"
    r"|user location is not supported|not available in your (?:country|region)"  # Google's 400 for OpenAI's 403
)
_ABOUT_MODEL: Final = re.compile(r"(?i)\bmodels?\b")


class Failed(msgspec.Struct, frozen=True):
    """A refusal of an upstream. `status` is for the client; `retry_after` in seconds."""

    status: int
    kind: str
    message: str
    retry_after: int | None = None
    retryable: bool = False


class Said(NamedTuple):
    """A refusal in its own words: `words` are codes, types and statuses in lower case."""

    message: str
    words: frozenset[str] = frozenset()
    status: int | None = None
    details: tuple[Any, ...] = ()


def read_error(wire_format: str, status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> Failed:
    """The refusal that `body` is. `now` in Unix seconds, for a Retry-After that is a date."""
    fields = {name.lower(): value for name, value in headers.items()}
    said = _said(status, fields, body)
    failed = _judged(wire_format, status, said)
    if failed.status not in (409, 429) and failed.status < 500:
        return failed
    return replace(failed, retry_after=seconds_until_retry(fields, said.details, now=now))


def read_failure(wire_format: str, value: Any) -> Failure:
    """The same for an error that came inside a reply of status 200; `value` is the parsed body or event."""
    said = _from_json(value)
    found = _judged(wire_format, 200, said)
    return Failure(found.status, found.kind, found.message, seconds_until_retry({}, said.details, now=0))


def _judged(wire_format: str, status: int, said: Said) -> Failed:
    out, kind = _classified(wire_format, status if status >= 400 else _meant(said), said)
    message = redacted(said.message) or f"the upstream answered {status} without a message"
    if kind == "upstream_auth":
        message = f"the upstream refused the gateway's own credentials: {message}"
    return Failed(out, kind, message, None, kind in _RETRYABLE or out == 409)


def _classified(wire_format: str, status: int, said: Said) -> tuple[int, str]:
    """The client's status, and the kind."""
    if status in (400, 402, 403, 429) and _is_quota(wire_format, status, said):
        return 429, "upstream_quota"
    if status in (400, 413, 422, 500) and (said.words & _CONTEXT_WORDS or _CONTEXT.search(said.message)):
        return 400, "context_length_exceeded"
    if "model_not_found" in said.words or (status == 404 and _ABOUT_MODEL.search(said.message)):
        return 404, "model_not_found"
    if status in (401, 403) or (status == 400 and _is_bad_key(said)):
        return 502, "upstream_auth"
    if "overloaded_error" in said.words:
        return 529, "upstream_overloaded"
    return _by_status(status)


def _by_status(status: int) -> tuple[int, str]:
    if status == 429:
        return 429, "upstream_limited"
    if status in (503, 529):
        return status, "upstream_overloaded"
    if status in (408, 504):
        return 504, "upstream_timeout"
    if status == 413:
        return 413, "too_large"
    if 400 <= status < 500 and status not in (407, 499):
        return status if status in (400, 404, 405, 409, 415, 422) else 400, "bad_request"
    return status if status in (500, 501) else 502, "upstream_failed"


def _is_quota(wire_format: str, status: int, said: Said) -> bool:
    if wire_format == "gemini" and status == 429:
        # Google says "exceeded your current quota" of every limit; only a day's is one that waiting does not help
        return any("PerDay" in limit for limit in _limits(said.details)) or "spend" in said.message.lower()
    return status == 402 or bool(said.words & _QUOTA_WORDS) or _QUOTA.search(said.message) is not None


def _limits(details: tuple[Any, ...]) -> Iterator[str]:
    """The names of the limits in Google's QuotaFailure."""
    for item in details:
        violations = item.get("violations") if isinstance(item, dict) else None
        for one in violations if isinstance(violations, list) else ():
            if isinstance(one, dict) and isinstance(one.get("quotaId"), str):
                yield one["quotaId"]


def _is_bad_key(said: Said) -> bool:
    return bool(said.words & {"invalid_api_key", "api_key_invalid"}) or _BAD_KEY.search(said.message) is not None


def _meant(said: Said) -> int:
    """The status that an error object stands for which came with a status of success."""
    if said.status is not None:
        return said.status
    known = sorted(WORDS[word] for word in said.words if word in WORDS)
    if known:
        # a code is finer than its type: "invalid_api_key" (401) of an "invalid_request_error" (400)
        return next((status for status in known if status not in (400, 500)), known[0])
    return 400 if any(word.startswith(("invalid_", "unsupported_")) or "image" in word for word in said.words) else 502


def _said(status: int, fields: Mapping[str, str], body: bytes) -> Said:
    start = body[:64].lstrip()[:1]
    if start in (b"{", b"[", b'"') and len(body) <= MAX_JSON:
        try:
            return _from_json(orjson.loads(body))
        except orjson.JSONDecodeError:
            pass
    text = body[: MAX_READ * 4].decode("utf-8", "replace")
    if start == b"<" or "html" in fields.get("content-type", ""):
        text = text_of_page(text)
    elif text.count("\ufffd") * 8 > len(text):
        text = ""  # compressed, or no text at all
    shown = one_line(text, 300)
    return Said(f"the upstream answered {status}: {shown}" if shown else "")


def _from_json(value: Any) -> Said:
    """Any of the vendors' envelopes, also Google's array of one, and the flat ones of self-hosted servers."""
    if isinstance(value, list):
        value = next((item for item in value if isinstance(item, dict)), {})
    if isinstance(value, str):
        return Said(value[:MAX_READ])
    if not isinstance(value, dict):
        return Said("")
    inner = value.get("error")
    if inner is None and isinstance(value.get("response"), dict):
        inner = value["response"].get("error")  # the event response.failed
    error = inner if isinstance(inner, dict) else value
    message = inner[:MAX_READ] if isinstance(inner, str) else _message(error)
    details = error.get("details")
    found = tuple(details) if isinstance(details, list) else (details,) if isinstance(details, dict) else ()
    codes = [error.get(name) for name in ("code", "type", "status", "statusCode")] + list(_reasons(found))
    words = frozenset(word.lower() for word in codes if isinstance(word, str))
    return Said(message, words, next(_statuses(codes), None), found)


def _message(error: Mapping[str, Any]) -> str:
    for name in ("message", "detail", "error_message", "msg", "errors", "title"):
        value = error.get(name)
        if isinstance(value, str) and value:
            return value[:MAX_READ]
        if value:
            return _written(value)  # FastAPI's list of what is wrong
    return ""


def _written(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()[:MAX_READ]
    except orjson.JSONEncodeError:  # nested deeper than a message is
        return ""


def _reasons(details: tuple[Any, ...]) -> Iterator[Any]:
    """Google's ErrorInfo.reason and Anthropic's details.error_code."""
    for item in details:
        if isinstance(item, dict):
            yield item.get("reason")
            yield item.get("error_code")


def _statuses(codes: list[Any]) -> Iterator[int]:
    """HTTP statuses among the codes, also those written as text."""
    for code in codes:
        if isinstance(code, str) and code.isascii() and code.isdigit():
            code = int(code[:4])
        if isinstance(code, int) and not isinstance(code, bool) and 400 <= code <= 599:
            yield code
