"""Every admitted request leaves one BEGIN before a byte goes upstream and one END before its client has the last."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from fastproxy import payloads
from fastproxy.errors import UpstreamFailed
from fastproxy.gateway.books import MAX_CONTEXTS, Books
from fastproxy.gateway.exchange import Exchange
from fastproxy.payloads import BEGIN, BODY, END, PROGRESS
from fastproxy.snapshot import BodyRule, ChannelSpec, Snapshot
from fastproxy.wire.pool import Pool
from tests.gateway.chat_replies import CHAT, EVENTS, HEAD, MESSAGES, WHOLE
from tests.gateway.gateway_stage import SECRET, key, status_of, warm
from tests.gateway.translating_stage import CHUNK_END, Translating
from tests.wire.fakes import Wire, wire_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.gateway.table import Attempt
    from fastproxy.payloads import Ended


@dataclass
class Notebook:
    """A journal that remembers how much had been written to either side when something was put into it."""

    user: Wire
    peer: Wire
    lines: list[tuple[int, bytes, int, int]] = field(default_factory=list)
    is_open: bool = True
    has_room: bool = True
    max_payload: int = 1 << 20

    def append(self, kind: int, payload: bytes) -> bool:
        if self.has_room:
            self.lines.append((kind, payload, len(self.user.sent), len(self.peer.sent)))
        return self.has_room

    def tick(self) -> None:
        """Nothing to look after."""

    def kinds(self) -> list[int]:
        return [line[0] for line in self.lines]

    def ends(self) -> list[Ended]:
        return [payloads.decode_end(payload) for kind, payload, _, _ in self.lines if kind == END]


def stage(*, refuses: bool = True, bodies: tuple[BodyRule, ...] = (), **settings: Any) -> tuple[Translating, Notebook]:
    gateway = Translating("openai-chat", key("k1"), **settings)
    if bodies:
        gateway.world.install(msgspec.structs.replace(gateway.snapshot, bodies=bodies))
        gateway.peer = gateway.warm_all().popitem()[1]
    notebook = Notebook(wire_of(gateway.user), wire_of(gateway.peer))
    gateway.world.books = Books(notebook, refuses=refuses)  # type: ignore[arg-type]  # it stands in for a Journal
    return gateway, notebook


def stream() -> list[bytes]:
    chunks = [f"{len(event.encode()):x}\r\n{event}\r\n".encode() for event in EVENTS]
    return [(HEAD % ("text/event-stream", "Transfer-Encoding: chunked")).encode(), *chunks, CHUNK_END]


def counted_stream() -> list[bytes]:
    text = "".join(EVENTS)
    return [(HEAD % ("text/event-stream", f"Content-Length: {len(text)}")).encode(), *map(str.encode, EVENTS)]


def until_close() -> list[bytes]:
    return [(HEAD % ("text/event-stream", "Connection: close")).encode(), *map(str.encode, EVENTS), b""]


def at_once() -> list[bytes]:
    text = json.dumps(WHOLE).encode()
    return [(HEAD % ("application/json", f"Content-Length: {len(text)}")).encode() + text]


def in_pieces() -> list[bytes]:
    (whole,) = at_once()
    return [whole[:90], whole[90:130], whole[130:]]


def pumped() -> list[bytes]:
    body = b"\0" * 200_000
    return [(HEAD % ("audio/mpeg", f"Content-Length: {len(body)}")).encode() + body[:10], body[10:]]


WAYS: Final[dict[str, tuple[str, dict[str, Any], Callable[[], list[bytes]]]]] = {
    "relayed at once": ("/v1/chat/completions", CHAT, at_once),
    "relayed in pieces": ("/v1/chat/completions", CHAT, in_pieces),
    "relayed stream": ("/v1/chat/completions", {**CHAT, "stream": True}, stream),
    "relayed counted stream": ("/v1/chat/completions", {**CHAT, "stream": True}, counted_stream),
    "relayed until close": ("/v1/chat/completions", {**CHAT, "stream": True}, until_close),
    "translated at once": ("/v1/messages", MESSAGES, at_once),
    "translated in pieces": ("/v1/messages", MESSAGES, in_pieces),
    "translated stream": ("/v1/messages", {**MESSAGES, "stream": True}, stream),
    "translated whole into a stream": ("/v1/messages", {**MESSAGES, "stream": True}, at_once),
    "translated stream into a whole": ("/v1/messages", MESSAGES, stream),
}


def plays(gateway: Translating, reads: list[bytes]) -> None:
    for read in reads:
        if read:
            gateway.peer.data_received(read)
        else:
            gateway.peer.eof_received()


@pytest.mark.parametrize("way", WAYS)
def test_a_begin_stands_before_the_request_and_an_end_before_the_last_byte(way: str) -> None:
    path, body, reply = WAYS[way]
    gateway, notebook = stage()
    gateway.user.data_received(request(path, body))
    assert notebook.kinds() == [BEGIN]
    assert notebook.lines[0][3] == 0, "it is in the journal before the upstream is asked"
    assert notebook.peer.sent
    plays(gateway, reply())
    assert notebook.kinds() == [BEGIN, END]
    assert notebook.lines[1][2] < len(notebook.user.sent), "the client had all of it before the END"
    (ended,) = notebook.ends()
    begun = payloads.decode_begin(notebook.lines[0][1])
    assert (ended.request_id, ended.context, ended.numbers.started_at) == (
        begun.request_id, begun.context, begun.started_at
    )  # fmt: skip
    assert (ended.numbers.input_tokens, ended.numbers.output_tokens, ended.estimated) == (11, 7, False)
    assert (ended.numbers.status, ended.numbers.attempts, ended.unusual.error_kind) == (200, 1, "")
    assert (ended.context.key_name, ended.context.model, ended.context.channel) == ("k1", "m", "c")
    assert ended.stream is body.get("stream", False)
    assert f"x-request-id: {ended.request_id}".encode() in bytes(notebook.user.sent)


def request(path: str, body: dict[str, Any], lines: str = "") -> bytes:
    text = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/json\r\nAuthorization: Bearer k1\r\n"
    return f"{head}{lines}Content-Length: {len(text)}\r\n\r\n".encode() + text


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_a_lane_keeps_the_same_books(path: str) -> None:
    gateway, notebook = stage()
    body = MESSAGES if path == "/v1/messages" else CHAT
    for number in range(40):
        gateway.user.data_received(request(path, body, f"User-Agent: one\r\ntraceparent: {number}\r\n"))
        plays(gateway, at_once())
        notebook.peer.take()
        assert notebook.kinds()[-2:] == [BEGIN, END]
        assert notebook.lines[-1][2] < len(notebook.user.sent)
    assert gateway.user.lane is not None
    ends = notebook.ends()
    assert len({ended.request_id for ended in ends}) == len(ends) == 40
    assert len({ended.context for ended in ends}) == 1
    assert {ended.numbers[4:9] for ended in ends} == {(11, 0, 0, 7, 0)}
    assert len({(ended.numbers.bytes_in, ended.numbers.bytes_out, ended.numbers.status) for ended in ends}) == 1


def test_another_user_agent_on_a_warm_connection_is_recorded_as_such() -> None:
    gateway, notebook = stage()
    agents = ["one"] * 20 + ["one-and-two", "one", "two", "one"]
    for agent in agents:
        gateway.user.data_received(request("/v1/chat/completions", CHAT, f"User-Agent: {agent}\r\n"))
        plays(gateway, at_once())
    assert [ended.context.user_agent for ended in notebook.ends()] == agents


def test_texts_that_clients_choose_are_remembered_within_bounds() -> None:
    gateway, notebook = stage()
    gateway.world.lay = lambda exchange: None
    agents = [f"agent {number}" for number in range(MAX_CONTEXTS + 2)] + ["a" * 10_000, "agent 0", "agent 0"]
    attempts: set[Attempt] = set()
    for agent in agents:
        gateway.user.data_received(request("/v1/chat/completions", CHAT, f"User-Agent: {agent}\r\n"))
        exchange = gateway.user.exchange
        plays(gateway, at_once())
        assert isinstance(exchange, Exchange)
        attempts.add(exchange.the_attempt())
    (attempt,) = attempts
    assert [ended.context.user_agent for ended in notebook.ends()] == [agent[:256] for agent in agents]
    assert 0 < len(attempt.contexts) <= MAX_CONTEXTS
    assert not any(b"a" * 100 in packed for packed in attempt.contexts.values())


def test_a_lane_whose_reply_is_unusual_goes_on_with_the_begin_it_has() -> None:
    gateway, notebook = stage()
    replies = [at_once()] * 20 + [in_pieces(), stream(), at_once(), until_close()]
    for reply in replies:
        gateway.user.data_received(request("/v1/chat/completions", CHAT))
        plays(gateway, reply)
    assert notebook.kinds() == [BEGIN, END] * len(replies)
    ids = [payloads.decode_begin(line[1]).request_id for line in notebook.lines[::2]]
    assert ids == [ended.request_id for ended in notebook.ends()]


REFUSED: Final = [
    ("/v1/chat/completions", CHAT, "k2", 401, 0),  # nobody knows it
    ("/v1/chat/completions", {"messages": []}, "k1", 400, 0),  # no model
    ("/v1/chat/completions", {**CHAT, "model": "other"}, "k1", 404, 1),  # admitted, but there is no channel for it
    ("/v1/models", {}, "k1", 200, 1),  # ours to answer
]


@pytest.mark.parametrize(("path", "body", "credential", "status", "records"), REFUSED)
def test_what_never_goes_upstream(path: str, body: dict[str, Any], credential: str, status: int, records: int) -> None:
    gateway, notebook = stage()
    gateway.asks(path, body, credential, "POST" if body else "GET")
    assert status_of(gateway.got()) == status
    assert notebook.kinds() == [END] * records
    assert [ended.numbers.status for ended in notebook.ends()] == [status] * records


def test_an_upstreams_error_and_a_client_that_leaves_are_in_the_books() -> None:
    gateway, notebook = stage()
    gateway.user.data_received(request("/v1/messages", MESSAGES))
    gateway.replies({"error": {"message": "no", "type": "x", "code": "rate_limit_exceeded"}}, 429)
    gateway.user.data_received(request("/v1/chat/completions", {**CHAT, "stream": True}))
    plays(gateway, stream()[:3])
    gateway.user.connection_lost(ConnectionResetError())
    first, second = notebook.ends()
    assert (first.numbers.status, first.unusual.error_kind) == (429, "upstream_limited")
    assert (second.numbers.status, second.unusual.error_kind, second.estimated) == (200, "client_closed", True)
    assert second.numbers.output_tokens > 0


def test_a_cut_stream_is_no_success() -> None:
    gateway, notebook = stage()
    gateway.user.data_received(request("/v1/chat/completions", {**CHAT, "stream": True}))
    plays(gateway, [*counted_stream()[:2], b": no\n" * 52])
    (ended,) = notebook.ends()
    assert ended.unusual.error_kind == "upstream_truncated"


@pytest.mark.parametrize("is_warm", [False, True])
def test_nothing_is_taken_that_cannot_be_written_down(is_warm: bool) -> None:
    gateway, notebook = stage()
    for _ in range(20 * is_warm):
        gateway.user.data_received(request("/v1/chat/completions", CHAT))
        plays(gateway, at_once())
    notebook.peer.take()
    gateway.got()
    notebook.has_room = notebook.is_open = False
    gateway.user.data_received(request("/v1/chat/completions", CHAT))
    assert status_of(gateway.got()) == 503
    assert not notebook.peer.take()
    notebook.has_room = notebook.is_open = True
    gateway.user.data_received(request("/v1/chat/completions", CHAT))
    plays(gateway, at_once())
    assert status_of(gateway.got()) == 200


def test_with_the_policy_count_requests_go_on() -> None:
    gateway, notebook = stage(refuses=False)
    notebook.has_room = notebook.is_open = False
    gateway.user.data_received(request("/v1/chat/completions", CHAT))
    plays(gateway, at_once())
    assert status_of(gateway.got()) == 200


def test_an_end_without_room_is_written_when_there_is_some() -> None:
    gateway, notebook = stage()
    gateway.user.data_received(request("/v1/chat/completions", CHAT))
    notebook.has_room = False
    plays(gateway, at_once())
    assert status_of(gateway.got()) == 200
    notebook.has_room = True
    assert gateway.world.books is not None
    gateway.world.books.tick()
    assert notebook.kinds() == [BEGIN, END]


def test_a_long_reply_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway, notebook = stage()
    gateway.user.data_received(request("/v1/chat/completions", {**CHAT, "stream": True}))
    plays(gateway, stream()[:3])
    books, exchange = gateway.world.books, gateway.user.exchange
    assert books is not None
    assert isinstance(exchange, Exchange)
    books.progress([exchange])
    books.progress([exchange])
    assert notebook.kinds() == [BEGIN, PROGRESS], "not more than once a second"
    far = payloads.decode_end(notebook.lines[1][1])
    assert (far.numbers.status, far.estimated, far.stream) == (200, True, True)
    assert far.numbers.output_tokens > 0
    assert far.numbers.bytes_out > 0
    plays(gateway, stream()[3:])
    books.progress([exchange])
    assert notebook.kinds() == [BEGIN, PROGRESS, END]
    assert notebook.ends()[0].numbers.output_tokens == 7


def test_an_attempt_that_did_not_serve_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    specs = [
        ChannelSpec(name, "openai", f"http://127.0.0.1:{port}/v1", ("openai-chat",), "bearer", priority=port)
        for name, port in (("first", 9), ("second", 8))
    ]
    gateway, _ = stage()
    gateway.world.install(Snapshot(SECRET, "stage", {}, channels=tuple(specs), open_to_all=True))
    (second,) = (pool for origin, pool in gateway.world.pools.items() if origin.authority.endswith(":8"))

    async def cannot(pool: Pool) -> None:
        raise UpstreamFailed("refused", retry="if_unsent")

    monkeypatch.setattr(Pool, "open", cannot)

    async def play() -> Ended:
        gateway.peer = warm(second)
        notebook = Notebook(wire_of(gateway.user), wire_of(gateway.peer))
        gateway.world.books = Books(notebook, refuses=True)  # type: ignore[arg-type]  # it stands in for a Journal
        gateway.user.data_received(request("/v1/chat/completions", CHAT))
        for _ in range(5):  # turns of the loop: the opening that fails is a task
            await asyncio.sleep(0)
        plays(gateway, at_once())
        (ended,) = notebook.ends()
        return ended

    ended = asyncio.run(play())
    assert (ended.context.channel, ended.numbers.attempts) == ("second", 2)
    ((number, channel, provider, model, spoken, _, kind, _),) = map(msgspec.structs.astuple, ended.unusual.earlier)
    assert (number, channel, provider, model, spoken, kind) == (
        1, "first", "openai", "m", "openai-chat", "upstream_failed"
    )  # fmt: skip


BODIES: Final = [
    ("off", 200, []),
    ("errors", 200, []),
    ("errors", 400, [0, 1]),
    ("all", 200, [0, 1]),
]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize(("keep", "status", "sides"), BODIES)
def test_bodies_are_kept_by_rule_and_without_secrets(keep: str, status: int, sides: list[int], path: str) -> None:
    gateway, notebook = stage(bodies=(BodyRule("off", models=("x*",)), BodyRule(keep)))
    said = {"role": "user", "content": "my key is sk-abcdefghijklmnop, and the channel's sk-up-secret"}
    asked = {**MESSAGES, "messages": [said]}
    for _ in range(3):
        gateway.user.data_received(request(path, asked))
        gateway.replies(WHOLE if status == 200 else {"error": {"message": "bad password=hunter22"}}, status)
    kept = [payloads.decode_body(line[1]) for line in notebook.lines if line[0] == BODY]
    assert [body.side for body in kept] == sides * 3
    everything = b"".join(line[1] for line in notebook.lines)
    assert b"sk-abcdefghijklmnop" not in everything
    assert b"hunter22" not in everything
    if kept:
        assert json.loads(kept[0].data)["messages"][0]["role"] == "user"


def test_a_body_is_cut_to_its_size_and_no_secret_is_cut_in_two() -> None:
    gateway, notebook = stage(bodies=(BodyRule("all", request_size=100, reply_size=40),))
    said = {"role": "user", "content": "x" * 20 + " sk-abcdefghijklmnopqrstuvwxyz0123456789 " + "y" * 99}
    gateway.user.data_received(request("/v1/chat/completions", {**CHAT, "messages": [said]}))
    plays(gateway, at_once())
    asked, replied = (payloads.decode_body(line[1]) for line in notebook.lines if line[0] == BODY)
    assert (len(asked.data), asked.truncated, len(replied.data), replied.truncated) == (100, True, 40, True)
    assert b"sk-abc" not in asked.data
    assert replied.size == len(json.dumps(WHOLE))


def test_a_request_that_is_refused_for_want_of_room_leaves_nothing_to_be_written_later() -> None:
    gateway, notebook = stage()
    notebook.has_room = False
    gateway.user.data_received(request("/v1/chat/completions", CHAT))
    assert status_of(gateway.got()) == 503
    notebook.has_room = True
    assert gateway.world.books is not None
    gateway.world.books.tick()
    assert notebook.kinds() == []
