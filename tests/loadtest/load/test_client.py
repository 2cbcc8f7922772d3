"""Every way in which a reply can be framed is read to its last byte; every way in which it can go wrong has a name."""

from __future__ import annotations

import asyncio
import os
import resource
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import trustme

from fastproxy.loadtest.load.histogram import percentile, total
from fastproxy.loadtest.load.shapes import Check, Format, Request
from tests.loadtest.load.targets import JSON, Client, balanced, chunked, counted, framed, run, serving, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fastproxy.loadtest.load.generator import Generator

pytestmark = pytest.mark.real_time

EVENT = b'data: {"choices":[{"delta":{"content":"word"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
STREAM = Request(body="{}", format=Format.OPENAI_CHAT, stream=True)


def replies(data: bytes) -> Callable[[Client, bytes], None]:
    return lambda client, _request: client.reply(data)


def in_bytes(data: bytes) -> Callable[[Client, bytes], None]:
    def behave(client: Client, _request: bytes) -> None:
        for at in range(len(data)):
            client.loop.call_later(at * 0.0005, client.transport.write, data[at : at + 1])

    return behave


def then_close(data: bytes) -> Callable[[Client, bytes], None]:
    def behave(client: Client, _request: bytes) -> None:
        client.reply(data)
        client.close()

    return behave


def then_reset(client: Client, _request: bytes) -> None:
    client.reset()


def silence(_client: Client, _request: bytes) -> None:
    """It never answers."""


@pytest.mark.parametrize(
    ("behave", "connections"),
    [
        pytest.param(replies(framed(JSON)), 2, id="content-length"),
        pytest.param(replies(chunked(JSON[:5], JSON[5:])), 2, id="chunked"),
        pytest.param(replies(framed(b"")), 2, id="empty"),
        pytest.param(replies(b"HTTP/1.1 204 None\r\n\r\n"), 2, id="no content"),
        pytest.param(replies(b"HTTP/1.1 100 Continue\r\n\r\n" + framed(JSON)), 2, id="interim"),
        pytest.param(in_bytes(framed(b"{}")), 2, id="byte by byte"),
        pytest.param(then_close(b"HTTP/1.1 200 OK\r\n\r\n" + JSON), 10, id="ends with the connection"),
        pytest.param(then_close(framed(JSON, extra="connection: close\r\n")), 10, id="says close"),
        pytest.param(replies(framed(JSON, extra="connection: close\r\n")), 10, id="says close, leaves it to us"),
    ],
)
def test_each_way_of_framing_is_read(behave: Callable[[Client, bytes], None], connections: int) -> None:
    with serving(behave) as url:
        tally = run(counted(url, count=10))
    assert tally.errors == {}, tally.error_examples
    assert (tally.done, tally.sent, total(tally.latency)) == (10, 10, 10)
    assert tally.connections == connections


def test_a_reply_to_head_has_no_body() -> None:
    with serving(replies(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n")) as url:
        tally = run(counted(url, Request(method="HEAD"), count=6))
    assert (tally.done, tally.errors, tally.connections) == (6, {}, 2)


ERRORS = [
    ("status", replies(framed(b"no", 500)), Request(), "500: no"),
    ("status", replies(framed(JSON, 201)), Request(check=Check(status=(200,))), "201"),
    ("reset", then_reset, Request(), "reset"),
    ("closed", then_close(b""), Request(), "before the reply began"),
    ("incomplete", then_close(framed(JSON)[:-3]), Request(), "middle of the reply"),
    ("incomplete", then_close(chunked(JSON, end=False)), Request(), "middle of the reply"),
    ("incomplete", then_close(b"HTTP/1.1 100 Continue\r\n\r\n" + framed(JSON)[:-3]), Request(), "middle"),
    ("timeout", silence, Request(), "no reply within 0.3 s"),
    ("protocol", replies(b"SSH-2.0-OpenSSH_9.2\r\n"), Request(), "not a reply"),
    ("protocol", replies(framed(JSON) * 2), Request(), "second reply"),
    ("protocol", replies(b"HTTP/1.1 101 Go\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"), Request(), "switch"),
    ("body", replies(framed(b'{"ok":tru')), Request(check=Check(json={"ok": True})), "not JSON"),
    ("body", replies(framed(JSON)), Request(check=Check(json={"items.0.n": 2})), "items.0.n: expected 2, got 1"),
    ("body", replies(framed(JSON)), Request(check=Check(json={"none": None})), "none: expected null, got nothing"),
    ("body", replies(framed(JSON)), Request(check=Check(contains="mice")), "'mice'"),
    ("incomplete", replies(chunked(EVENT * 3)), STREAM, "after 3 events"),
    ("incomplete", then_close(chunked(EVENT * 3, end=False)), STREAM, "middle of the reply"),
    ("error_event", replies(chunked(EVENT, b'data: {"error":{"message":"mice"}}\n\n', DONE)), STREAM, "mice"),
    ("body", replies(chunked(EVENT, b'data: {"choi\n\n', DONE)), STREAM, "not an event"),
]


@pytest.mark.parametrize(("kind", "behave", "request_", "text"), ERRORS)
def test_each_fault_is_found_and_named(
    kind: str, behave: Callable[[Client, bytes], None], request_: Request, text: str
) -> None:
    seen: list[bytes] = []
    with serving(behave, seen) as url:
        tally = run(counted(url, request_, count=4, timeout_s=0.3))
    assert tally.errors == {kind: 4}, tally.error_examples
    assert text in tally.error_examples[kind]
    assert (tally.done, total(tally.latency)) == (0, 4 if kind == "timeout" else 0)
    assert balanced(tally)
    assert len(seen) == 4, "a request that failed was sent again"


def test_what_is_right_passes_the_same_checks() -> None:
    check = Check(status=(200,), json={"ok": True, "items.0.n": 1, "items": None}, contains="items")
    with serving(replies(framed(JSON))) as url:
        assert run(counted(url, Request(check=check), count=4)).done == 4
    streamed = Request(format=Format.OPENAI_CHAT, stream=True, check=Check(contains="wordword", json={"choices": None}))
    with serving(replies(chunked(EVENT, EVENT, DONE))) as url:
        assert run(counted(url, streamed, count=4)).done == 4


def test_a_connection_that_breaks_between_requests_is_opened_again() -> None:
    """The server closes after each reply without a word, while the client thinks."""
    with serving(then_close(framed(JSON))) as url:
        tally = run(counted(url, Request(think_s=0.03), count=6))
    assert (tally.done, tally.errors, tally.connections) == (6, {}, 6)


def test_nobody_listens() -> None:
    with serving(silence) as url:
        pass
    tally = run(counted(url, count=4))
    assert tally.errors == {"connect": 4}
    assert balanced(tally)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def test_tls_is_spoken_and_verified(authority: trustme.CA, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with serving(replies(framed(JSON)), tls=context) as url:
        trusting = run(counted(url, count=6, ca_file=str(tmp_path / "ca.pem")))
        careless = run(counted(url, count=6, verify=False))
        careful = run(counted(url, count=2))
    assert (trusting.done, trusting.connections, careless.done) == (6, 2, 6)
    assert careful.errors == {"tls": 2}
    assert "CERTIFICATE_VERIFY_FAILED" in careful.error_examples["tls"]


def test_tls_to_a_plain_server_is_an_error() -> None:
    with serving(silence, greeting=b"220 mail.example ready\r\n") as url:
        tally = run(counted(url.replace("http:", "https:"), count=2))
    assert tally.errors == {"tls": 2}


def test_without_keep_alive_each_request_has_its_connection() -> None:
    seen: list[bytes] = []

    def behave(client: Client, request: bytes) -> None:
        client.reply(framed(JSON, extra="connection: close\r\n"))
        client.close()

    with serving(behave, seen) as url:
        tally = run(counted(url, count=10, keep_alive=False))
    assert (tally.done, tally.connections, total(tally.connect)) == (10, 10, 10)
    assert all(b"\r\nconnection: close\r\n" in request for request in seen)


def test_a_slow_reader_takes_its_time() -> None:
    body = bytes(2_000_000)
    with serving(replies(framed(body))) as url:
        fast = run(counted(url, count=1, connections=1))
        slow = run(counted(url, Request(read_bytes_per_s=4_000_000), count=1, connections=1))
    assert (fast.done, slow.done) == (1, 1)
    assert max(slow.latency) > max(fast.latency)
    assert slow.wall > 300_000, "2 MB at 4 MB/s take half a second, less what is in buffers"


def test_clients_that_leave_are_no_errors() -> None:
    with serving(silence) as url:
        tally = run(counted(url, Request(abort_share=1.0, abort_after_s=0.05), count=6))
    assert (tally.aborted, tally.sent, tally.errors, tally.done) == (6, 6, {}, 0)


def test_timeouts_vanished_from_the_percentiles() -> None:
    """Half of the requests hang: that half of the latencies is at least the time after which we gave up."""

    def behave(client: Client, _request: bytes) -> None:
        if client.number % 2:
            client.reply()

    with serving(behave) as url:
        tally = run(counted(url, Request(name="it"), count=8, connections=1, timeout_s=0.3))
    assert (tally.done, tally.errors) == (4, {"timeout": 4})
    assert total(tally.latency) == total(tally.by_request["it"]) == total(tally.service) == 8
    assert percentile(tally.latency, 0.4) < 290_000 < percentile(tally.latency, 0.6)
    assert sum(total(second.latency) for second in tally.seconds) == 8


def test_an_interim_reply_counted_as_the_first_byte() -> None:
    def behave(client: Client, _request: bytes) -> None:
        client.reply(b"HTTP/1.1 100 Continue\r\n\r\n")
        client.later(0.1)

    with serving(behave) as url:
        tally = run(counted(url, count=4))
    assert (tally.done, total(tally.first_byte)) == (4, 4)
    assert percentile(tally.first_byte, 0.01) >= 90_000


def test_an_interim_reply_in_the_same_read_left_no_first_byte() -> None:
    with serving(replies(b"HTTP/1.1 103 Early\r\n\r\n" + framed(JSON))) as url:
        tally = run(counted(url, count=4))
    assert percentile(tally.first_byte, 1) == percentile(tally.latency, 1)


@contextmanager
def no_more_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_our_own_limits_were_blamed_on_the_target() -> None:
    limit = no_more_files()

    def during(generator: Generator) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(0.15, limit.__enter__)
        loop.call_later(0.5, limit.__exit__, None, None, None)

    with serving(silence) as url:
        pass
    tally = run(timed(url.replace("localhost", "127.0.0.1"), 0.7, 1), during)
    assert set(tally.errors) == {"connect", "other"}, "the first ones were refused by the target"
    assert "the harness's own limit" in tally.error_examples["other"]
    assert "file descriptors" in tally.error_examples["other"]
