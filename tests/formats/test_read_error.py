"""Refusals of upstreams as they really look, by table: peers' cases 165-174, 180, 182."""

from __future__ import annotations

import json
import time
from typing import Any, get_args

import pytest
from anthropic.types.shared import ErrorType
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseError

from fastproxy.formats.errors import write_error
from fastproxy.formats.read_error import KINDS, WORDS, Failed, read_error, read_failure

NOW = 1_792_567_680.0
GOOGLE = "type.googleapis.com/google.rpc."


def read(wire_format: str, status: int, body: Any, headers: dict[str, str] | None = None) -> Failed:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_error(wire_format, status, headers or {"content-type": "application/json"}, data, now=NOW)


def openai(message: str, type_: str = "invalid_request_error", code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": type_, "param": None, "code": code}}


def anthropic(message: str, type_: str = "invalid_request_error", **more: Any) -> dict[str, Any]:
    return {"type": "error", "error": {"type": type_, "message": message, **more}, "request_id": "req_x"}


def gemini(code: int, message: str, status: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


def broken(code: str) -> dict[str, Any]:
    """A response that failed, as Responses tell of it."""
    return {"object": "response", "status": "failed", "error": {"code": code, "message": "x"}}


QUOTA_MINUTE = {"@type": GOOGLE + "QuotaFailure", "violations": [{"quotaId": "RequestsPerMinutePerProject"}]}
QUOTA_DAY = {"@type": GOOGLE + "QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerDayPerProject"}]}
RETRY = {"@type": GOOGLE + "RetryInfo", "retryDelay": "34.07s"}
BAD_KEY = {"@type": GOOGLE + "ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
EXCEEDED = "You exceeded your current quota, please check your plan and billing details."
TOO_LONG = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."
TOO_MANY = "The input token count (9) exceeds the maximum number of tokens allowed (8)."
TOO_LONG_KIND = "context_length_exceeded"
SPENT = {"error_code": "enforced_spend_limit_reached"}
TPM = "Request too large for gpt-6 on tokens per min (TPM): Limit 30000, Requested 40000."

# format, status, body, → client's status, kind
TABLE = [
    # 165-168: the formats' own words
    ("openai-chat", 400, openai("Unknown parameter: 'x'."), 400, "bad_request"),
    ("openai-chat", 404, openai("The model `x` does not exist", code="model_not_found"), 404, "model_not_found"),
    ("openai-chat", 403, openai("no access", code="model_not_found"), 404, "model_not_found"),
    ("openai-responses", 404, openai("Previous response with id 'r' not found."), 404, "bad_request"),
    ("openai-chat", 429, openai(TPM, "tokens", "rate_limit_exceeded"), 429, "upstream_limited"),
    ("openai-chat", 500, openai("The server had an error", "server_error"), 500, "upstream_failed"),
    ("openai-chat", 503, openai("The engine is overloaded", "server_error"), 503, "upstream_overloaded"),
    ("openai-chat", 422, {"detail": [{"loc": ["body", "x"], "msg": "field required"}]}, 422, "bad_request"),
    ("anthropic", 400, anthropic("max_tokens: Field required"), 400, "bad_request"),
    ("anthropic", 404, anthropic("model: claude-x", "not_found_error"), 404, "model_not_found"),
    ("anthropic", 409, anthropic("conflict", "conflict_error"), 409, "bad_request"),
    ("anthropic", 413, anthropic("Request exceeds the maximum size", "request_too_large"), 413, "too_large"),
    ("anthropic", 429, anthropic("would exceed your rate limit", "rate_limit_error"), 429, "upstream_limited"),
    ("anthropic", 500, anthropic("Internal server error", "api_error"), 500, "upstream_failed"),
    ("anthropic", 504, anthropic("timed out", "timeout_error"), 504, "upstream_timeout"),
    ("anthropic", 529, anthropic("Overloaded", "overloaded_error"), 529, "upstream_overloaded"),
    ("anthropic", 500, anthropic("Overloaded", "overloaded_error"), 529, "upstream_overloaded"),
    ("gemini", 400, gemini(400, "Invalid JSON payload", "INVALID_ARGUMENT"), 400, "bad_request"),
    ("gemini", 400, [gemini(400, "The file is not in an ACTIVE state", "FAILED_PRECONDITION")], 400, "bad_request"),
    ("gemini", 400, gemini(400, "User location is not supported for the API use.", "FAILED_PRECONDITION"), 502,
     "upstream_auth"),
    ("gemini", 404, gemini(404, "models/x is not found for API version v1", "NOT_FOUND"), 404, "model_not_found"),
    ("gemini", 429, [gemini(429, EXCEEDED, "RESOURCE_EXHAUSTED", QUOTA_MINUTE, RETRY)], 429, "upstream_limited"),
    ("gemini", 499, gemini(499, "cancelled", "CANCELLED"), 502, "upstream_failed"),
    ("gemini", 503, gemini(503, "The model is overloaded.", "UNAVAILABLE"), 503, "upstream_overloaded"),
    ("gemini", 504, gemini(504, "Deadline expired", "DEADLINE_EXCEEDED"), 504, "upstream_timeout"),
    ("gemini", 501, gemini(501, "no", "UNIMPLEMENTED"), 501, "upstream_failed"),
    # 170: not ours, not JSON
    ("openai-chat", 521, b"", 502, "upstream_failed"),
    ("openai-chat", 408, b"", 504, "upstream_timeout"),
    ("openai-chat", 407, b"", 502, "upstream_failed"),
    ("openai-chat", 302, b"", 502, "upstream_failed"),
    ("openai-chat", 418, b"teapot", 400, "bad_request"),
    # 171: our key is bad
    ("openai-chat", 401, openai("Incorrect API key", code="invalid_api_key"), 502, "upstream_auth"),
    ("openai-responses", 403, openai("Country not supported"), 502, "upstream_auth"),
    ("anthropic", 401, anthropic("invalid x-api-key", "authentication_error"), 502, "upstream_auth"),
    ("anthropic", 403, anthropic("forbidden", "permission_error"), 502, "upstream_auth"),
    ("gemini", 400, gemini(400, "API key not valid.", "INVALID_ARGUMENT", BAD_KEY), 502, "upstream_auth"),
    ("gemini", 403, gemini(403, "Permission denied", "PERMISSION_DENIED"), 502, "upstream_auth"),
    ("openai-chat", 401, b"Unauthorized", 502, "upstream_auth"),
    # 172: our money is spent
    ("openai-chat", 429, openai(EXCEEDED, "insufficient_quota", "insufficient_quota"), 429, "upstream_quota"),
    ("openai-chat", 402, openai("Insufficient Balance", "unknown_error"), 429, "upstream_quota"),
    ("openai-chat", 402, {"error": {"message": "requires more credits", "code": 402}}, 429, "upstream_quota"),
    ("openai-chat", 403, {"error": {"message": "Key limit exceeded", "code": 403}}, 429, "upstream_quota"),
    ("anthropic", 400, anthropic("Your credit balance is too low to access"), 429, "upstream_quota"),
    ("anthropic", 400, anthropic("You have reached your specified API usage limits."), 429, "upstream_quota"),
    ("anthropic", 402, anthropic("pay", "billing_error"), 429, "upstream_quota"),
    ("anthropic", 403, anthropic("no", details=SPENT), 429, "upstream_quota"),
    ("gemini", 429, gemini(429, EXCEEDED, "RESOURCE_EXHAUSTED", QUOTA_DAY, RETRY), 429, "upstream_quota"),
    # 173: too long a prompt
    ("openai-chat", 400, openai(TOO_LONG, code="context_length_exceeded"), 400, TOO_LONG_KIND),
    ("openai-chat", 400, {"object": "error", "message": TOO_LONG, "code": 400}, 400, TOO_LONG_KIND),
    ("openai-responses", 400, openai("Your input exceeds the context window of this model."), 400, TOO_LONG_KIND),
    ("anthropic", 400, anthropic("prompt is too long: 210000 tokens > 200000 maximum"), 400, TOO_LONG_KIND),
    ("anthropic", 400, anthropic("input length and `max_tokens` exceed context limit: 1 + 2 > 2"), 400, TOO_LONG_KIND),
    ("gemini", 400, gemini(400, TOO_MANY, "INVALID_ARGUMENT"), 400, TOO_LONG_KIND),
    ("openai-chat", 413, {"error": "Input is too long for requested model."}, 400, TOO_LONG_KIND),
    # 174, 180: an error under a status of success
    ("openai-chat", 200, {"error": {"message": "slow down", "code": 429}}, 429, "upstream_limited"),
    ("openai-chat", 200, {"error": {"message": "slow down", "code": "429"}}, 429, "upstream_limited"),
    ("openai-chat", 200, openai("bad", code="invalid_api_key"), 502, "upstream_auth"),
    ("openai-chat", 200, {"error": "something"}, 502, "upstream_failed"),
    ("openai-responses", 200, broken("rate_limit_exceeded"), 429, "upstream_limited"),
    ("openai-responses", 200, broken("server_error"), 500, "upstream_failed"),
    ("openai-responses", 200, broken("invalid_image"), 400, "bad_request"),
    ("openai-responses", 200, {"type": "response.failed", "response": broken("invalid_prompt")}, 400, "bad_request"),
    ("anthropic", 200, anthropic("Overloaded", "overloaded_error"), 529, "upstream_overloaded"),
    ("gemini", 200, {"error": {"message": "x", "status": "UNAVAILABLE"}}, 503, "upstream_overloaded"),
]  # fmt: skip


@pytest.mark.parametrize(("wire_format", "status", "body", "out", "kind"), TABLE)
def test_refusals(wire_format: str, status: int, body: Any, out: int, kind: str) -> None:
    failed = read(wire_format, status, body)
    assert (failed.status, failed.kind) == (out, kind)
    assert failed.message
    is_the_requests_fault = kind in ("bad_request", "too_large", TOO_LONG_KIND) and status != 409
    assert failed.retryable is not is_the_requests_fault


def test_every_kind_is_in_the_table() -> None:
    assert {row[4] for row in TABLE} == KINDS


@pytest.mark.parametrize("word", get_args(ErrorType))
def test_anthropics_words_are_known(word: str) -> None:
    assert word in WORDS or word.startswith("memory_")  # of another service


@pytest.mark.parametrize("code", get_args(ResponseError.model_fields["code"].annotation))
def test_case_180_responses_codes_have_a_status(code: str) -> None:
    failed = read("openai-responses", 200, {"status": "failed", "error": {"code": code, "message": "x"}})
    expected = {"server_error": 500, "rate_limit_exceeded": 429, "vector_store_timeout": 504}.get(code, 400)
    assert failed.status == expected


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b"", "", "the upstream answered 502 without a message"),
        (b"  \n", "text/plain", "the upstream answered 502 without a message"),
        (b"{}", "application/json", "the upstream answered 502 without a message"),
        (b"[]", "application/json", "the upstream answered 502 without a message"),
        (b"null", "application/json", "the upstream answered 502: null"),
        (b"\x1f\x8b\x08\xff\xfe\x00\xf0\x9f", "application/json", "the upstream answered 502 without a message"),
        (b"upstream\r\nconnect   error", "text/plain", "the upstream answered 502: upstream connect error"),
        (b'{"error": {"message": "cut o', "", 'the upstream answered 502: {"error": {"message": "cut o'),
        (b"<html><title>Bad gateway</title>", "text/html", "the upstream answered 502: Bad gateway"),
        (b"<!doctype html><p>Sorry</p>", "", "the upstream answered 502: Sorry"),
        (b'"just text"', "application/json", "just text"),
    ],
)  # fmt: skip
def test_case_170_bodies_that_are_no_envelope(body: bytes, content_type: str, message: str) -> None:
    assert read("anthropic", 502, body, {"Content-Type": content_type}).message == message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "m"}}, "m"),
        ({"error": "m"}, "m"),
        ({"message": "m", "type": "x"}, "m"),
        ({"detail": "m"}, "m"),
        ({"detail": [{"msg": "m"}]}, '[{"msg":"m"}]'),
        ({"statusCode": 502, "message": "m"}, "m"),
        ([{"error": {"message": "m"}}], "m"),
        ({"error": {"error_message": "m"}}, "m"),
    ],
)
def test_messages_of_many_envelopes(body: Any, message: str) -> None:
    assert read("openai-chat", 502, body).message == message


def test_case_171_the_client_never_sees_a_401_of_the_upstream() -> None:
    for status in (401, 403):
        failed = read("openai-chat", status, openai("Incorrect API key provided: sk-proj-****1a2b."))
        assert failed.status == 502
        expected = "the upstream refused the gateway's own credentials: Incorrect API key provided: [redacted]"
        assert failed.message.startswith(expected)


def test_case_182_secrets_are_redacted_in_every_kind_of_body() -> None:
    text = "call to http://10.1.2.3:8000/v1 with Bearer abc123def456 and sk-abcdefghij failed"
    for body in (openai(text), {"detail": [text]}, text.encode(), b"<p>" + text.encode() + b"</p>"):
        message = read("openai-chat", 500, body).message
        assert "10.1.2.3" not in message
        assert "abc123" not in message
        assert "sk-abc" not in message


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (429, {"Retry-After": "7"}, b"", 7),
        (503, {"retry-after-ms": "2500"}, b"", 3),
        (503, {"Retry-After": "Wed, 21 Oct 2026 07:28:09 GMT"}, b"", 9),
        (429, {}, [gemini(429, "slow", "RESOURCE_EXHAUSTED", RETRY)], 35),
        (400, {"Retry-After": "7"}, b"", None),
        (429, {}, b"", None),
    ],
)
def test_case_169_when_to_come_back(status: int, headers: dict[str, str], body: Any, expected: int | None) -> None:
    assert read("gemini", status, body, headers).retry_after == expected


@pytest.mark.parametrize(("wire_format", "status", "body", "out", "kind"), [row for row in TABLE if row[1] == 200])
def test_case_174_what_is_parsed_already(wire_format: str, status: int, body: Any, out: int, kind: str) -> None:
    failed, failure = read(wire_format, status, body), read_failure(wire_format, body)
    assert (failure.status, failure.kind, failure.message) == (out, kind, failed.message)


def test_a_quota_text_in_a_server_error_is_a_server_error() -> None:
    assert read("openai-chat", 500, openai(EXCEEDED)).kind == "upstream_failed"


@pytest.mark.parametrize("name", ["message", "detail", "details", "error"])
@pytest.mark.parametrize("wire_format", ["openai-chat", "gemini"])
def test_deep_and_long_bodies_are_survived(wire_format: str, name: str) -> None:
    for status in (200, 400, 429):
        deep = b'{"%b": %b%b}' % (name.encode(), b"[" * 1000, b"]" * 1000)
        wide = json.dumps({"error": {name: "prompt maximum exceeds input token count " * 20_000}}).encode()
        for body in (deep, b'{"error": %b}' % deep, wide, b"[" * 100_000):
            began = time.process_time()
            assert len(read(wire_format, status, body).message) <= 2100
            assert time.process_time() - began < 0.5


NAMES = st.sampled_from(["error", "message", "code", "type", "status", "details", "response", "reason", "@type"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner)
)


@given(JSON | st.binary(), st.integers(200, 599), st.sampled_from(["openai-chat", "anthropic", "gemini"]))
def test_no_body_is_too_strange(body: Any, status: int, wire_format: str) -> None:
    failed = read(wire_format, status, body)
    assert 400 <= failed.status <= 599
    assert failed.status not in (401, 403)
    assert failed.kind in KINDS
    assert failed.message
    write_error("anthropic", failed.status, failed.kind, failed.message, "req_1")
