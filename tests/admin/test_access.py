"""The decision: path, headers and peer in, yes or a refusal out."""

from __future__ import annotations

import json

import pytest
from starlette.datastructures import Headers

from fastproxy.admin.access import LOCAL, SECURITY_HEADERS, Access, Guard, foreign_change, is_loopback
from tests.admin.cells import ask

KEY = "k-0123456789"
LOCAL_HOST = {"host": "127.0.0.1:9090"}


def verdict(access: Access, path: str, headers: dict[str, str], peer: str | None) -> int:
    reply = access.refusal(path, Headers(headers), peer)
    return 200 if reply is None else reply.status_code


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.255.0.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("128.0.0.1", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("host", "bound", "expected"),
    [
        ("127.0.0.1:9090", "127.0.0.1", 200),
        ("127.0.0.1", "127.0.0.1", 200),
        ("localhost:9090", "127.0.0.1", 200),
        ("LocalHost:1", "127.0.0.1", 200),
        ("[::1]:9090", "127.0.0.1", 200),
        ("[::1]", "::1", 200),
        ("127.0.0.2:9090", "127.0.0.2", 200),
        ("127.0.0.2:9090", "127.0.0.1", 403),
        ("evil.example:9090", "127.0.0.1", 403),
        ("evil.example", "::1", 403),
        ("localhost.evil.example", "localhost", 403),
        ("127.0.0.1:9090@evil.example", "127.0.0.1", 403),
        ("127.0.0.1 evil.example", "127.0.0.1", 403),
        ("[::1", "127.0.0.1", 403),
        ("", "127.0.0.1", 403),
        ("evil.example", "0.0.0.0", 200),  # reachable by many names; a public path asks for none of them
        ("evil.example", "", 200),  # no browser speaks to a Unix socket
    ],
)
def test_a_name_that_is_not_ours_is_refused_on_loopback(host: str, bound: str, expected: int) -> None:
    for key in (None, KEY):
        assert verdict(Access(key, bound), "/metrics", {"host": host}, "127.0.0.1") == expected


def test_a_request_with_two_hosts_or_none_is_refused_on_loopback() -> None:
    two = Headers(raw=[(b"host", b"127.0.0.1"), (b"host", b"evil.example")])
    for headers in (two, Headers({})):
        reply = Access(None, "127.0.0.1").refusal("/metrics", headers, "127.0.0.1")
        assert reply is not None
        assert reply.status_code == 403


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (f"Bearer {KEY}", 200),
        (f"bearer  {KEY} ", 200),
        (f"Bearer {KEY}x", 401),
        (f"Bearer {KEY[:-1]}", 401),
        (f"Bearer {KEY} {KEY}", 401),
        (f"Basic {KEY}", 401),
        (KEY, 401),
        ("Bearer ", 401),
        ("Bearer", 401),
        ("", 401),
        ("Bearer \xe9\xff", 401),
    ],
)
def test_the_key_is_asked_of_everybody(authorization: str, expected: int) -> None:
    access = Access(KEY, "0.0.0.0")
    for peer in ("127.0.0.1", "203.0.113.9", None):
        assert verdict(access, "/api/status", {**LOCAL_HOST, "authorization": authorization}, peer) == expected


def test_two_keys_in_one_request_are_refused() -> None:
    raw = [(b"host", b"127.0.0.1"), (b"authorization", b"Bearer " + KEY.encode()), (b"authorization", b"Bearer no")]
    reply = Access(KEY, "127.0.0.1").refusal("/", Headers(raw=raw), "127.0.0.1")
    assert reply is not None
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("peer", "bound", "headers", "expected"),
    [
        ("127.0.0.1", "127.0.0.1", {}, 200),
        ("::1", "::", {}, 200),
        ("::ffff:127.0.0.1", "::", {}, 200),
        ("203.0.113.9", "0.0.0.0", {}, 403),
        ("172.17.0.1", "0.0.0.0", {}, 403),
        (None, "127.0.0.1", {}, 403),
        (None, "", {}, 200),
        ("127.0.0.1", "0.0.0.0", {"host": "evil.example"}, 403),
        ("127.0.0.1", "127.0.0.1", {"x-forwarded-for": "127.0.0.1"}, 403),
        ("127.0.0.1", "127.0.0.1", {"Forwarded": "for=127.0.0.1"}, 403),
        ("127.0.0.1", "127.0.0.1", {"via": "1.1 front"}, 403),
        ("127.0.0.1", "127.0.0.1", {"authorization": "Bearer anything"}, 200),
    ],
)
def test_without_a_key_only_this_machine_reads(
    peer: str | None, bound: str, headers: dict[str, str], expected: int
) -> None:
    for key in (None, ""):
        assert verdict(Access(key, bound), "/api/status", {**LOCAL_HOST, **headers}, peer) == expected


@pytest.mark.parametrize(
    "path", ["/metrics/", "/METRICS", "//metrics", "/metrics/..", "/api/health/", "/api", "/nothing"]
)
def test_only_the_exact_public_paths_are_open(path: str) -> None:
    assert verdict(Access(KEY, "0.0.0.0"), path, LOCAL_HOST, "127.0.0.1") == 401


def test_a_refusal_carries_the_headers_and_says_nothing_about_the_key() -> None:
    async def app(*_: object) -> None:
        raise AssertionError("the application was reached")

    answer = ask(Guard(app, Access(KEY, "0.0.0.0")), "/api/status", LOCAL_HOST, "203.0.113.9")
    assert answer.status == 401
    assert json.loads(answer.body)["error"]["kind"] == "unauthorized"
    assert KEY.encode() not in answer.body
    assert SECURITY_HEADERS.items() <= answer.headers.items()


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", None, "203.0.113.9"])
@pytest.mark.parametrize("path", ["/api/groups", "/api/keys/x", "/api/logs", "/api/publications", "/nothing"])
def test_without_a_key_nobody_asks_for_tenants(path: str, peer: str | None) -> None:
    bound = "" if peer is None else "127.0.0.1"
    assert path not in LOCAL
    reply = Access(None, bound).refusal(path, Headers(LOCAL_HOST), peer)
    assert reply is not None
    assert reply.status_code == 403
    assert b"set FASTPROXY_ADMIN_KEY" in bytes(reply.body)
    assert verdict(Access(KEY, bound), path, {**LOCAL_HOST, "authorization": f"Bearer {KEY}"}, peer) == 200


JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("GET", {"origin": "https://evil.example"}, None),
        ("HEAD", FORM, None),
        ("POST", {}, None),
        ("DELETE", {}, None),
        ("POST", {"content-length": "0"}, None),
        ("POST", {**JSON, "content-length": "2"}, None),
        ("PATCH", {"content-type": "Application/JSON; charset=utf-8", "content-length": "2"}, None),
        ("POST", {"content-length": "2"}, 415),
        ("POST", {"transfer-encoding": "chunked"}, 415),
        ("POST", {**FORM, "content-length": "2"}, 415),
        ("POST", {"content-type": "text/plain", "content-length": "0"}, 415),
        ("PATCH", {"content-type": "text/plain; application/json", "content-length": "2"}, 415),
        ("PUT", {"content-type": "multipart/form-data; boundary=x", "content-length": "2"}, 415),
        ("POST", {**JSON, "origin": "http://127.0.0.1:9090"}, None),
        ("POST", {**JSON, "origin": "https://127.0.0.1:9090"}, None),
        ("POST", {**JSON, "origin": "https://evil.example"}, 403),
        ("DELETE", {"origin": "http://127.0.0.1:9091"}, 403),
        ("PATCH", {**JSON, "origin": "http://127.0.0.1"}, 403),
        ("POST", {**JSON, "origin": "null"}, 403),
        ("POST", {**JSON, "origin": ""}, 403),
        ("POST", {**JSON, "origin": "http://[127.0.0.1:9090"}, 403),
        ("POST", {**JSON, "origin": "http://127.0.0.1:9090@evil.example"}, 403),
        ("TRACE", {"origin": "https://evil.example"}, 403),
    ],
)
def test_what_a_page_of_another_site_could_send_is_refused(
    method: str, headers: dict[str, str], expected: int | None
) -> None:
    reply = foreign_change(method, Headers({"host": "127.0.0.1:9090", **headers}))
    assert (reply.status_code if reply is not None else None) == expected


def test_two_content_types_or_origins_are_refused() -> None:
    host = (b"host", b"127.0.0.1:9090")
    types = [(b"content-type", b"application/json"), (b"content-type", b"text/plain")]
    origins = [(b"origin", b"http://127.0.0.1:9090"), (b"origin", b"https://evil.example")]
    for raw in (types, origins):
        assert foreign_change("POST", Headers(raw=[host, *raw])) is not None
