"""Error bodies by table, and read by the SDKs' own types."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.types import ErrorResponse
from google.genai.errors import APIError, ClientError, ServerError
from openai._streaming import SSEDecoder
from openai.types.responses import ResponseErrorEvent
from openai.types.shared import ErrorObject

from fastproxy.formats.errors import status_for, stream_error, write_error

OPENAI = ("openai-chat", "openai-responses", "openai")
# status, kind, OpenAI type, OpenAI code, Anthropic type, Gemini status
TABLE = [
    (400, "bad_request", "invalid_request_error", None, "invalid_request_error", "INVALID_ARGUMENT"),
    (401, "unauthorized", "authentication_error", "invalid_api_key", "authentication_error", "UNAUTHENTICATED"),
    (402, "out_of_budget", "insufficient_quota", "insufficient_quota", "billing_error", "INVALID_ARGUMENT"),
    (403, "forbidden", "permission_error", "permission_denied", "permission_error", "PERMISSION_DENIED"),
    (404, "no_route", "invalid_request_error", "not_found", "not_found_error", "NOT_FOUND"),
    (404, "model_not_found", "invalid_request_error", "model_not_found", "not_found_error", "NOT_FOUND"),
    (405, "bad_request", "invalid_request_error", "method_not_allowed", "invalid_request_error", "INVALID_ARGUMENT"),
    (408, "timeout", "invalid_request_error", "request_timeout", "timeout_error", "DEADLINE_EXCEEDED"),
    (413, "too_large", "invalid_request_error", "request_too_large", "request_too_large", "INVALID_ARGUMENT"),
    (414, "too_large", "invalid_request_error", None, "invalid_request_error", "INVALID_ARGUMENT"),
    (429, "limited", "rate_limit_error", "rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED"),
    (429, "out_of_budget", "rate_limit_error", "insufficient_quota", "rate_limit_error", "RESOURCE_EXHAUSTED"),
    (429, "upstream_quota", "insufficient_quota", "insufficient_quota", "rate_limit_error", "RESOURCE_EXHAUSTED"),
    (429, "upstream_limited", "rate_limit_error", "rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED"),
    (431, "too_large", "invalid_request_error", None, "invalid_request_error", "INVALID_ARGUMENT"),
    (500, "internal", "server_error", None, "api_error", "INTERNAL"),
    (501, "no_route", "invalid_request_error", "not_implemented", "api_error", "UNIMPLEMENTED"),
    (502, "upstream_auth", "server_error", "upstream_auth", "api_error", "UNAVAILABLE"),
    (502, "upstream_failed", "server_error", "upstream_failed", "api_error", "UNAVAILABLE"),
    (503, "overloaded", "server_error", "overloaded", "overloaded_error", "UNAVAILABLE"),
    (503, "upstream_overloaded", "server_error", "overloaded", "overloaded_error", "UNAVAILABLE"),
    (504, "upstream_timeout", "server_error", "upstream_timeout", "timeout_error", "DEADLINE_EXCEEDED"),
    (529, "overloaded", "server_error", "overloaded", "overloaded_error", "UNAVAILABLE"),
]
MESSAGE = "field 'model' is missing: \"é\"\u2028\n"


def body_of(wire_format: str, status: int, kind: str, message: str = MESSAGE) -> Any:
    content_type, body = write_error(wire_format, status, kind, message, "req_1")
    assert content_type == b"application/json"
    return json.loads(body)


@pytest.mark.parametrize(("status", "kind", "openai", "code", "anthropic", "gemini"), TABLE)
def test_every_status_has_its_words(  # noqa: PLR0913 - one row of the table
    status: int, kind: str, openai: str, code: str | None, anthropic: str, gemini: str
) -> None:
    for wire_format in OPENAI:
        error = ErrorObject.model_validate(body_of(wire_format, status, kind)["error"], strict=True)
        assert (error.type, error.code, error.param, error.message) == (openai, code, "model", MESSAGE)
    seen = body_of("anthropic", status, kind)
    assert seen == {"type": "error", "error": {"type": anthropic, "message": MESSAGE}, "request_id": "req_1"}
    error = body_of("gemini", status, kind)["error"]
    assert (error["code"], error["status"], error["message"]) == (status_for("gemini", status), gemini, MESSAGE)


@pytest.mark.parametrize(
    ("wire_format", "status", "sent"),
    [
        ("anthropic", 503, 529),
        ("anthropic", 529, 529),
        ("anthropic", 502, 502),
        ("openai-chat", 529, 503),
        ("openai-responses", 529, 503),
        ("openai", 529, 503),
        ("gemini", 529, 503),
        ("gemini", 503, 503),
        ("openai-chat", 429, 429),
        ("edge", 529, 529),
        ("edge", 503, 503),
    ],
)
def test_case_166_overload_has_each_vendors_number(wire_format: str, status: int, sent: int) -> None:
    assert status_for(wire_format, status) == sent


@pytest.mark.parametrize(
    ("wire_format", "words"),
    [
        ("anthropic", "prompt is too long"),
        ("gemini", "The input token count exceeds the maximum number of tokens allowed"),
    ],
)
def test_case_173_a_long_prompt_is_said_in_the_words_that_clients_look_for(wire_format: str, words: str) -> None:
    text = "this model's maximum context length is 8192 tokens"
    for said in (text, f"{words}: {text}"):
        error = body_of(wire_format, 400, "context_length_exceeded", said)["error"]
        assert error["message"] == f"{words}: {text}"
        assert f"{words}: {text}".encode() in stream_error(wire_format, 400, "context_length_exceeded", said, "req_1")
    assert body_of(wire_format, 400, "bad_request", text)["error"]["message"] == text


@pytest.mark.parametrize("wire_format", OPENAI)
def test_case_173_openai_clients_look_for_a_code(wire_format: str) -> None:
    error = body_of(wire_format, 400, "context_length_exceeded", "prompt is too long")["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "context_length_exceeded")


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 429, 500, 503, 504, 529])
def test_anthropics_types_know_ours(status: int) -> None:
    seen = ErrorResponse.model_validate(body_of("anthropic", status, "x"))
    assert type(seen.error).__name__ != "dict"
    assert seen.request_id == "req_1"


@pytest.mark.parametrize(("status", "kind"), [(400, ClientError), (429, ClientError), (503, ServerError)])
def test_googles_errors_read_ours(status: int, kind: type[APIError]) -> None:
    error = kind(status, body_of("gemini", status, "limited"))
    assert (error.code, error.message) == (status, MESSAGE)
    assert error.status in ("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "UNAVAILABLE")


def test_the_field_is_named_only_when_the_message_begins_with_it() -> None:
    assert body_of("openai", 400, "bad_request", "body is empty")["error"]["param"] is None


def test_at_the_edge_it_is_a_line_of_text() -> None:
    content_type, body = write_error("edge", 502, "upstream_failed", "the upstream\r\nclosed é", "req_1")
    assert (content_type, body) == (b"text/plain; charset=utf-8", "the upstream closed é\n".encode())


def events(data: bytes) -> list[tuple[str | None, Any]]:
    """As the SDK splits them."""
    return [(event.event, json.loads(event.data)) for event in SSEDecoder().iter_bytes(iter([data])) if event.data]


HALF = b'data: {"id":"x","choices":[]}\n\n: ping\n'


@pytest.mark.parametrize("before", [b"", b"data: {}\n\n", HALF])
@pytest.mark.parametrize(
    ("wire_format", "name", "place"),
    [
        ("openai-chat", None, ["error", "message"]),
        ("openai", None, ["error", "message"]),
        ("openai-responses", "error", ["error", "message"]),
        ("anthropic", "error", ["error", "message"]),
        ("gemini", None, ["error", "message"]),
    ],
)
def test_one_event_in_a_stream(wire_format: str, name: str | None, place: list[str], before: bytes) -> None:
    written = stream_error(wire_format, 504, "upstream_timeout", "too slow", "req_1")
    seen_name, value = events(before + written)[-1]
    assert seen_name == name
    for key in place:
        value = value[key]
    assert value == "too slow"
    assert written.endswith((b"\n\n", b"\r\n\r\n"))


def test_a_half_written_event_does_not_swallow_ours() -> None:
    written = stream_error("anthropic", 502, "upstream_truncated", "broke off", "req_1")
    lines = (b'event: content_block_delta\ndata: {"type":"con' + written).split(b"\n\n")
    assert lines[-2].startswith(b"event: error\ndata: ")


def test_responses_read_the_flat_event() -> None:
    _, value = events(stream_error("openai-responses", 502, "upstream_failed", "broke", "req_1"))[0]
    event = ResponseErrorEvent.model_validate(value)
    assert (event.type, event.code, event.message) == ("error", "server_error", "broke")
    assert value["error"]["code"] == "upstream_failed"


@pytest.mark.parametrize(
    ("status", "code"), [(529, "server_error"), (503, "server_error"), (429, "rate_limit_exceeded")]
)
def test_case_176_an_event_of_responses_had_a_code_that_is_none_of_theirs(status: int, code: str) -> None:
    _, value = events(stream_error("openai-responses", status, "upstream_overloaded", "broke", "req_1"))[0]
    assert value["code"] == code


@pytest.mark.parametrize("wire_format", [*OPENAI, "anthropic", "gemini"])
def test_an_event_is_one_line_of_data(wire_format: str) -> None:
    written = stream_error(wire_format, 502, "upstream_failed", "a\r\nb\n\ndata: {}", "r\n")
    assert written.count(b"data: {") - written.count(b"data: {}") == 1
    assert written.strip().count(b"\n") == written.strip().count(b"event: ")


def test_googles_stream_reader_splits_lines_on_more() -> None:
    written = stream_error("gemini", 502, "upstream_failed", "a\u2028b\u2029c", "req_1")
    assert len(written.decode().strip().splitlines()) == 1
