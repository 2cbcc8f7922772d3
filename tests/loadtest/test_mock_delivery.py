"""How replies travel: pace, stalls, cuts, injected errors; and HTTP/1.1 itself, byte for byte."""

from __future__ import annotations

import hashlib
import json
import ssl
import time
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from fastproxy.loadtest.mock import MockOptions
from tests.loadtest.mock_process import BEARER, Answer, ask, chunks, connect, exchange, read_all, request, serving

if TYPE_CHECKING:
    import pathlib

pytestmark = pytest.mark.real_time

PATH = "/v1/chat/completions"
CHAT: dict[str, Any] = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}
STREAM = CHAT | {"stream": True}


def timed(port: int, body: object, **wishes: str) -> tuple[Answer, float]:
    """The reply and its milliseconds."""
    start = time.monotonic()
    reply = ask(
        port, "POST", PATH, body, BEARER | {f"x-mock-{name.replace('_', '-')}": v for name, v in wishes.items()}
    )
    return reply, (time.monotonic() - start) * 1000


@pytest.mark.parametrize("body", [CHAT, STREAM], ids=["plain", "stream"])
def test_latency(port: int, body: object) -> None:
    reply, took = timed(port, body, latency="120")
    assert reply.status == 200
    assert 115 <= took < 1000


@pytest.mark.parametrize(
    ("wishes", "least"),
    [({"tokens": "11", "tps": "100"}, 100), ({"tokens": "11", "chunk_delay": "10"}, 100), ({"stall": "90@2"}, 90)],
)
def test_a_stream_takes_its_time(port: int, wishes: dict[str, str], least: float) -> None:
    reply, took = timed(port, STREAM, **wishes)
    assert chunks(reply.raw)[-1] == b"data: [DONE]\n\n"
    assert least - 5 <= took < least + 900


def test_a_plain_reply_takes_as_long_as_its_words(port: int) -> None:
    assert 95 <= timed(port, CHAT, tokens="10", tps="100")[1] < 1000


def test_wishes_may_stand_in_the_query(port: int) -> None:
    reply = ask(port, "POST", PATH + "?x-mock-tokens=3", CHAT, BEARER)
    assert reply.json["choices"][0]["message"]["content"] == "Mock answer to:"


def test_events_arrive_one_by_one(port: int) -> None:
    with connect(port) as client:
        client.sendall(request("POST", PATH, STREAM, BEARER | {"x-mock-stall": "5000@3"}))
        data = b""
        while data.count(b"data: ") < 3:
            data += client.recv(65536)
    assert data.count(b"data: ") == 3
    assert data.endswith(b"\n\n\r\n")


@pytest.mark.parametrize("after", [1, 4])
def test_fin_without_the_end(port: int, after: int) -> None:
    data = exchange(port, request("POST", PATH, STREAM, BEARER | {"x-mock-fin": str(after)}))
    assert data.count(b"data: ") == after
    assert not data.endswith(b"0\r\n\r\n")


def test_fin_in_the_middle_of_a_plain_body(port: int) -> None:
    data = exchange(port, request("POST", PATH, CHAT, BEARER | {"x-mock-fin": "1"}))
    reply = read_all(data)
    assert 0 < len(reply.raw) < int(reply.one("content-length"))


def test_fin_before_the_head(port: int) -> None:
    assert exchange(port, request("POST", PATH, CHAT, BEARER | {"x-mock-fin": "0"})) == b""


@pytest.mark.parametrize("after", [0, 2])
def test_cut_is_a_reset(port: int, after: int) -> None:
    with connect(port) as client:
        client.sendall(request("POST", PATH, STREAM, BEARER | {"x-mock-cut": str(after)}))
        received: list[bytes] = []
        with pytest.raises(ConnectionResetError):
            received.extend(iter(lambda: client.recv(65536), b""))
    assert b"".join(received).count(b"data: ") == after


@pytest.mark.parametrize("status", [400, 429, 500, 503, 529])
def test_wished_status(port: int, status: int) -> None:
    reply = ask(port, "POST", PATH, CHAT, BEARER | {"x-mock-status": str(status)})
    assert reply.status == status
    assert ("retry-after" in reply.headers) == (status in (429, 503, 529))
    assert ask(port, "GET", "/echo", None, {"x-mock-status": str(status)}).status == status


def test_error_rate_is_exact_and_even() -> None:
    with serving(MockOptions(error_rate=0.25, error_status=502)) as port:
        statuses = [ask(port, "POST", PATH, CHAT, BEARER).status for _ in range(12)]
        books = ask(port, "GET", "/_books").json["total"]
    assert statuses == [200, 200, 200, 502] * 3
    assert (books["requests"], books["errors"]) == (9, 3)


def test_options_set_what_requests_do_not() -> None:
    with serving(MockOptions(tokens=2, latency_ms=60, keys=("sk-only",), models=("m1",))) as port:
        assert ask(port, "POST", PATH, CHAT, BEARER).status == 401
        start = time.monotonic()
        reply = ask(port, "POST", PATH, CHAT, {"authorization": "Bearer sk-only"})
        assert time.monotonic() - start >= 0.055
        assert reply.json["choices"][0]["message"]["content"] == "Mock answer"
        models = ask(port, "GET", "/v1/models", None, {"authorization": "Bearer sk-only"}).json
    assert [model["id"] for model in models["data"]] == ["m1"]


# HTTP/1.1


def test_keep_alive_and_pipelining_keep_the_order(port: int) -> None:
    wishes = [{"x-mock-latency": "60"}, {}, {"x-mock-tokens": "1"}, {}]
    bodies = [CHAT, CHAT | {"model": "second"}, STREAM, CHAT | {"model": "last"}]
    sent = [request("POST", PATH, body, BEARER | wish) for body, wish in zip(bodies, wishes, strict=True)]
    data = exchange(port, b"".join(sent[:-1]) + request("POST", PATH, bodies[-1], BEARER, close=True))
    assert data.count(b"HTTP/1.1 200 OK") == 4
    order = [b'"model":"gpt-5"', b'"model":"second"', b"chat.completion.chunk", b'"model":"last"']
    assert [data.index(mark) for mark in order] == sorted(data.index(mark) for mark in order)


def test_a_long_line_of_pipelined_requests(port: int) -> None:
    first = request("GET", "/echo/first", None, {"x-mock-latency": "50"})
    many = b"".join(request("GET", f"/echo/{n}") for n in range(100))
    data = exchange(port, first + many + request("GET", "/echo/last", close=True))
    found = [part.split(b'"')[0] for part in data.split(b'"path":"')[1:]]
    assert found == [b"/echo/first", *(b"/echo/%d" % n for n in range(100)), b"/echo/last"]


def test_requests_byte_by_byte_and_chunked(port: int) -> None:
    body = json.dumps(CHAT).encode()
    framed = b"5\r\n" + body[:5] + b"\r\n%x;ext=1\r\n" % len(body[5:]) + body[5:] + b"\r\n0\r\ntrailer: x\r\n\r\n"
    headers = BEARER | {"content-type": "application/json", "transfer-encoding": "chunked"}
    data = request("POST", PATH, None, headers, close=True) + framed
    with connect(port) as client:
        for n in range(len(data)):
            client.sendall(data[n : n + 1])
        reply = read_all(b"".join(iter(lambda: client.recv(65536), b"")))
    assert reply.status == 200


def test_head_has_no_body(port: int) -> None:
    reply = ask(port, "HEAD", "/v1/models", None, BEARER)
    assert (reply.status, reply.raw) == (200, b"")
    assert int(reply.one("content-length")) > 0
    assert ask(port, "HEAD", "/v1/models", None, BEARER | {"x-mock-latency": "1"}).raw == b""


def test_http_10_gets_a_stream_without_chunks(port: int) -> None:
    data = exchange(port, request("POST", PATH, STREAM, BEARER).replace(b"HTTP/1.1", b"HTTP/1.0"))
    reply = read_all(data)
    assert reply.one("connection") == "close"
    assert "transfer-encoding" not in reply.headers
    assert reply.raw.endswith(b"data: [DONE]\n\n")


def test_expect_100_continue(port: int) -> None:
    body = json.dumps(CHAT).encode()
    whole = request("POST", PATH, body, BEARER | {"content-type": "application/json", "expect": "100-continue"})
    with connect(port) as client:
        client.sendall(whole[: -len(body)])
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        assert client.recv(20).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "no host header"),
        (b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", "host: sent 2 times"),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", ""),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "only chunked"),
        (b"GET / HTTP/1.1\r\nhost: a\r\nauthorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n", "sent 2 times"),
        (b"nonsense\r\n\r\n", "not HTTP"),
    ],
)
def test_bad_framing_is_refused_and_closed(port: int, data: bytes, text: str) -> None:
    reply = read_all(exchange(port, data))
    assert reply.status == 400
    assert reply.one("connection") == "close"
    assert text in reply.json["error"]["message"]


def test_a_half_closed_client_gets_its_late_reply(port: int) -> None:
    with connect(port) as client:
        client.sendall(request("POST", PATH, CHAT, BEARER | {"x-mock-latency": "50"}))
        client.shutdown(1)
        assert read_all(b"".join(iter(lambda: client.recv(65536), b""))).status == 200


def test_an_upgrade_that_is_not_taken_is_plain_http(port: int) -> None:
    offer = {"connection": "upgrade, http2-settings", "upgrade": "h2c", "http2-settings": "AA"}
    data = exchange(port, request("GET", "/echo/1", None, offer) + request("GET", "/echo/2", close=True))
    assert data.count(b"HTTP/1.1 200 OK") == 2


def test_tls(tmp_path: pathlib.Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    options = MockOptions(certificate=str(tmp_path / "cert.pem"), private_key=str(tmp_path / "key.pem"))
    with serving(options) as port, context.wrap_socket(connect(port), server_hostname="127.0.0.1") as client:
        client.sendall(request("POST", PATH, STREAM, BEARER, close=True))
        reply = read_all(b"".join(iter(lambda: client.recv(65536), b"")))
    assert chunks(reply.raw)[-1] == b"data: [DONE]\n\n"


# The mock's own pages


def test_echo(port: int) -> None:
    body = bytes(range(256)) * 4096
    reply = ask(port, "PUT", "/echo/a%20b?c=d", body, {"x-twice": "1", "X-Twice": "2"})
    assert reply.json == {
        "method": "PUT",
        "path": "/echo/a%20b?c=d",
        "headers": {
            "host": ["mock.test"],
            "connection": ["close"],
            "content-length": [str(len(body))],
            "x-twice": ["1", "2"],
        },
        "body_sha256": hashlib.sha256(body).hexdigest(),
        "body_length": len(body),
    }


def test_last_shows_what_arrived_without_secrets(port: int) -> None:
    ask(port, "POST", PATH, CHAT, BEARER)
    ask(port, "GET", "/v1/models?key=AIza-secret-key", None, {"x-two": "1", "X-TWO": "2"})
    chat, models, _ = ask(port, "GET", "/_last").json
    assert (chat["method"], chat["path"], json.loads(chat["body"])) == ("POST", PATH, CHAT)
    assert chat["headers"]["authorization"][0].startswith("Bearer sk-t...")
    assert models["headers"]["x-two"] == ["1", "2"]
    assert models["query"].startswith("key=AIza...")
    assert "0123456789" not in str(chat)
    assert "secret" not in str(models)


def test_last_is_bounded(port: int) -> None:
    exchange(port, request("GET", "/echo") * 400 + request("GET", "/echo", close=True))
    assert len(ask(port, "GET", "/_last").json) == 256
