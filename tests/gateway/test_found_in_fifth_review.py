"""What the fifth review of the gateway found: records and credentials."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from fastproxy.errors import UpstreamFailed
from fastproxy.gateway.books import MAX_PROGRESS, Books
from fastproxy.gateway.exchange import Exchange
from fastproxy.payloads import BEGIN, BODY, END, PROGRESS, REPLY, REQUEST, decode_begin, decode_body, decode_end
from fastproxy.snapshot import BodyRule, ChannelSpec, RouteSpec, Snapshot
from fastproxy.wire.pool import Pool
from tests.gateway.chat_replies import CHAT, HEAD, MESSAGES, WHOLE
from tests.gateway.gateway_stage import ORIGIN, SECRET, Gateway, key, status_of, unified
from tests.gateway.test_books import Notebook, at_once, plays, request, stage, stream
from tests.wire.fakes import wire_of

if TYPE_CHECKING:
    from fastproxy.wire.inbound import Inbound
    from fastproxy.wire.outbound import Outbound

OURS: Final = "0123456789abcdef0123456789abcdef"  # looks like nothing that a pattern would find
NAMED: Final = f"Key {OURS} is not valid here"
ONE: Final = ("openai-chat",)


def watched(gateway: Gateway) -> tuple[Inbound, Outbound, Notebook]:
    """A client, the one warm upstream connection, and the books of both."""
    user, (peer,) = gateway.client(), gateway.warm_all().values()
    notebook = Notebook(wire_of(user), wire_of(peer))
    gateway.world.books = Books(notebook, refuses=True)  # type: ignore[arg-type]  # it stands in for a Journal
    return user, peer, notebook


def nested(depth: int) -> bytes:
    """A request with a tool whose parameters are so deep."""
    parameters = '{"a":' * depth + "1" + "}" * depth
    body = '{"model":"m","messages":[],"tools":[{"function":{"parameters":' + parameters + "}}]}"
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer k1\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.mark.parametrize("leaves", [False, True])
def test_an_estimate_of_a_deeply_nested_request_left_no_end_and_its_bytes_counted_as_held(leaves: bool) -> None:
    admitted = 0
    for depth in range(850, 1000):  # which ones can be read, but not written, depends on how deep the stack is
        gateway, notebook = stage()
        whole = nested(depth)
        gateway.user.data_received(whole[:2000])
        gateway.user.data_received(whole[2000:])
        if not notebook.lines:
            break
        admitted += 1
        if leaves:
            plays(gateway, stream()[:2])
            gateway.user.connection_lost(None)
        else:
            plays(gateway, [(HEAD % ("application/json", "Content-Length: 2")).encode() + b"{}"])
            assert status_of(gateway.got()) == 200
        assert notebook.kinds() == [BEGIN, END]
        assert gateway.world.buffered_bytes == 0
    assert 10 < admitted < 150


def test_the_long_name_of_a_model_in_six_failed_attempts_did_not_fit_into_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    channels = [
        ChannelSpec(f"c{port}", "google-ai-studio", f"http://127.0.0.1:{port}/v1beta", ("gemini",), "bearer")
        for port in range(1, 7)
    ]
    gateway = Gateway(Snapshot(SECRET, "stage", {}, channels=tuple(channels), open_to_all=True))

    async def cannot(pool: Pool) -> None:
        raise UpstreamFailed("refused", retry="if_unsent")

    monkeypatch.setattr(Pool, "open", cannot)

    async def play() -> tuple[bytes, Notebook]:
        user = gateway.client()
        notebook = Notebook(wire_of(user), wire_of(user))
        gateway.world.books = Books(notebook, refuses=True)  # type: ignore[arg-type]  # it stands in for a Journal
        user.data_received(request(f"/v1beta/models/{'m' * 15_000}:generateContent", {"contents": []}))
        for _ in range(20):  # turns of the loop: each opening that fails is a task
            await asyncio.sleep(0)
        return wire_of(user).take(), notebook

    reply, notebook = asyncio.run(play())
    assert status_of(reply) == 502
    (ended,) = notebook.ends()
    assert (ended.numbers.attempts, len(ended.unusual.earlier)) == (6, 5)


def packed(text: str, coding: str) -> bytes:
    return gzip.compress(text.encode()) if coding == "gzip" else b"\x8b\x02\x80" + text.encode()


def failing(status: int, text: str, coding: str, *, lines: str = "", is_chunked: bool = False) -> list[bytes]:
    body = packed(text, coding) if coding else text.encode()
    lines += f"Content-Encoding: {coding}\r\n" if coding else ""
    framing = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {len(body)}"
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{lines}{framing}\r\n\r\n".encode()
    if is_chunked:
        return [head, b"%x\r\n%b\r\n" % (len(body), body), b"0\r\n\r\n"]
    return [head + body[:20], body[20:]] if coding == "gzip" else [head + body]


def lending(path: str, **settings: Any) -> tuple[Inbound, Outbound, Notebook, bytes]:
    channel = ChannelSpec("c", "openai", ORIGIN + "/v1", ONE, "bearer", (OURS,), **settings)
    snapshot = Snapshot(SECRET, "stage", {}, channels=(channel,), keys=(key("k1"),))
    asked = request(path, MESSAGES if path == "/v1/messages" else CHAT, "Accept-Encoding: gzip, br\r\n")
    return *watched(Gateway(snapshot)), asked


@pytest.mark.parametrize("warm", [0, 40])
@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("coding", ["gzip", "br", ""])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_an_error_that_is_packed_or_translated_named_the_credential_of_the_channel(
    path: str, coding: str, is_chunked: bool, warm: int
) -> None:
    user, peer, notebook, asked = lending(path)
    for _ in range(warm):
        user.data_received(asked)
        peer.data_received(at_once()[0])
        wire_of(user).take()
    user.data_received(asked)
    said = json.dumps({"error": {"message": NAMED, "type": "x"}})
    status, told = (401, 502) if coding == "br" else (429, 429)
    for read in failing(status, said, coding, lines=f"X-Denied: {OURS}\r\n", is_chunked=is_chunked):
        peer.data_received(read)
    reply = wire_of(user).take()
    head, _, body = reply.partition(b"\r\n\r\n")
    assert status_of(reply) == told
    assert OURS.encode() not in reply
    assert b"content-encoding" not in head.lower()
    if path == "/v1/chat/completions" and coding == "gzip":
        assert body == said.replace(OURS, "*" * len(OURS)).encode()
        assert b"content-length: %d\r\n" % len(body) in reply
    assert notebook.kinds() == [BEGIN, END] * (warm + 1)
    user.data_received(asked)
    peer.data_received(at_once()[0])
    assert status_of(wire_of(user).take()) == 200, "the connection goes on"


@pytest.mark.parametrize(("coding", "secrets"), [("gzip", ()), ("br", (OURS.encode(),))])
def test_a_packed_error_goes_on_as_it_is_without_a_credential_or_where_it_cannot_be_read(
    coding: str, secrets: tuple[bytes, ...]
) -> None:
    gateway = unified()
    user, (peer,) = gateway.client(), gateway.warm_all().values()
    user.data_received(request("/v1/chat/completions", CHAT))
    gateway.world.table.channels[0].attempts["openai-chat"].secrets = secrets
    for read in failing(429, "{}", coding):
        peer.data_received(read)
    assert wire_of(user).take().partition(b"\r\n\r\n")[2] == packed("{}", coding)


def test_a_user_agent_that_ends_like_the_last_one_was_recorded_as_that() -> None:
    gateway, notebook = stage()
    agents = ["bar"] * 40 + ["foo bar", "bar"]
    for agent in agents:
        gateway.user.data_received(request("/v1/chat/completions", CHAT, f"X-By: bar\r\nUser-Agent: {agent}\r\n"))
        plays(gateway, at_once())
    assert [ended.context.user_agent for ended in notebook.ends()] == agents


def test_a_long_reply_of_an_edge_route_left_a_progress_that_nothing_would_end() -> None:
    channel = ChannelSpec("c", "openai", ORIGIN + "/v1", ONE, "bearer", (OURS,))
    route = RouteSpec((ORIGIN,), path="/files/")
    gateway = Gateway(Snapshot(SECRET, "stage", {}, channels=(channel,), routes=(route,), keys=(key("k1"),)))
    user, peer, notebook = watched(gateway)
    user.data_received(b"GET /files/large HTTP/1.1\r\nHost: a.test\r\n\r\n")
    peer.data_received((HEAD % ("audio/mpeg", "Content-Length: 100")).encode() + b"half")
    assert isinstance(user.exchange, Exchange)
    assert gateway.world.books is not None
    gateway.world.books.progress([user.exchange])
    assert notebook.kinds() == []


def test_the_same_long_replies_took_every_turn_to_say_how_far_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway, notebook = stage()
    exchanges = []
    for _ in range(MAX_PROGRESS + 10):
        gateway.peer, user = gateway.warm_all().popitem()[1], gateway.client()
        user.data_received(request("/v1/chat/completions", {**CHAT, "stream": True}))
        plays(gateway, stream()[:2])
        assert isinstance(user.exchange, Exchange)
        exchanges.append(user.exchange)
    books = gateway.world.books
    assert books is not None
    monkeypatch.setattr("fastproxy.gateway.books.PROGRESS_NS", 0)
    for _ in range(2):
        books.progress(exchanges)
    told = {decode_end(payload).request_id for kind, payload, _, _ in notebook.lines if kind == PROGRESS}
    assert told == {decode_begin(payload).request_id for kind, payload, _, _ in notebook.lines if kind == BEGIN}


def test_routes_of_models_with_endless_names_were_remembered() -> None:
    channel = ChannelSpec("c", "google-ai-studio", ORIGIN + "/v1beta", ("gemini",), "bearer")
    gateway = Gateway(Snapshot(SECRET, "stage", {}, channels=(channel,), open_to_all=True))
    for length, known in ((10_000, 0), (100, 1)):
        gateway.warm_all()
        gateway.client().data_received(request(f"/v1beta/models/{'m' * length}:generateContent", {"contents": []}))
        assert len(gateway.world.table.routed) == known


def kept_of(notebook: Notebook, side: int) -> bytes:
    (found,) = [body for kind, payload, _, _ in notebook.lines if kind == BODY and (body := decode_body(payload))][
        side:
    ][:1]
    assert found.side == side
    return found.data


KEPT: Final = [
    ("application/json", "gzip", json.dumps(WHOLE).encode()),
    ("application/json", "br", b""),
    ("application/json", "", json.dumps(WHOLE).encode()),
    ("audio/mpeg", "", b""),
]


@pytest.mark.parametrize("in_pieces", [False, True])
@pytest.mark.parametrize(("kind", "coding", "kept"), KEPT)
def test_packed_and_binary_replies_were_kept_as_noise(kind: str, coding: str, kept: bytes, in_pieces: bool) -> None:
    gateway, notebook = stage(bodies=(BodyRule("all"),))
    gateway.user.data_received(request("/v1/chat/completions", CHAT))
    text = json.dumps(WHOLE)
    body = packed(text, coding) if coding else text.encode()
    lines = f"Content-Encoding: {coding}\r\n" if coding else ""
    head = (HEAD % (kind, f"{lines}Content-Length: {len(body)}")).encode()
    plays(gateway, [head, body[:9], body[9:]] if in_pieces else [head + body])
    assert kept_of(notebook, REPLY) == kept


def test_a_file_in_a_form_that_is_translated_was_kept_as_noise() -> None:
    channel = ChannelSpec("c", "google-ai-studio", ORIGIN + "/v1beta", ("gemini",), "bearer", (OURS,), ("m",))
    snapshot = Snapshot(SECRET, "stage", {}, channels=(channel,), keys=(key("k1"),), bodies=(BodyRule("all"),))
    user, peer, notebook = watched(Gateway(snapshot))
    named = "--B\r\nContent-Disposition: form-data; name="
    form = f'{named}"model"\r\n\r\nm\r\n{named}"file"; filename="a.wav"\r\n\r\nRIFF\0\0WAVE\r\n--B--\r\n'
    head = "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer k1\r\n"
    head += f"Content-Type: multipart/form-data; boundary=B\r\nContent-Length: {len(form)}\r\n\r\n"
    user.data_received((head + form).encode())
    assert wire_of(peer).sent
    reply = b'{"candidates":[{"content":{"parts":[{"text":"hi"}]},"finishReason":"STOP"}]}'
    peer.data_received((HEAD % ("application/json", f"Content-Length: {len(reply)}")).encode() + reply)
    sides = [decode_body(payload).side for kind, payload, _, _ in notebook.lines if kind == BODY]
    assert sides == [REPLY]


def test_half_a_secret_stood_at_the_end_of_a_kept_body_that_was_mostly_secrets() -> None:
    channel = ChannelSpec("c", "openai", ORIGIN + "/v1", ONE, "bearer", (OURS,))
    rule = BodyRule("all", request_size=4000)
    user, peer, notebook = watched(
        Gateway(Snapshot(SECRET, "stage", {}, channels=(channel,), keys=(key("k1"),), bodies=(rule,)))
    )
    for shift in range(len(OURS)):
        notebook.lines.clear()
        said = {"role": "user", "content": "x" * shift + f"{OURS} " * 1000}
        user.data_received(request("/v1/chat/completions", {**CHAT, "messages": [said]}))
        peer.data_received(at_once()[0])
        assert OURS[:8].encode() not in kept_of(notebook, REQUEST)


def test_a_body_that_a_small_ring_has_no_frame_for_was_lost_instead_of_cut() -> None:
    gateway, notebook = stage(bodies=(BodyRule("all", request_size=1 << 20),))
    notebook.max_payload = 1000
    said = {"role": "user", "content": "x" * 5000}
    gateway.user.data_received(request("/v1/chat/completions", {**CHAT, "messages": [said]}))
    plays(gateway, at_once())
    sizes = [len(payload) for kind, payload, _, _ in notebook.lines if kind == BODY]
    assert sizes[0] == 1000
    assert max(sizes) <= notebook.max_payload
