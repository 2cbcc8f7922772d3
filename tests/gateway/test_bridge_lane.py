"""The lane of translations says what the ordinary way says: two stages, one without lanes, are asked the same."""

from __future__ import annotations

import json
from itertools import permutations
from typing import TYPE_CHECKING, Any, Final

import pytest
from msgspec import structs

from fastproxy.formats.chat import CHAT_FORMATS
from fastproxy.gateway import translate
from fastproxy.gateway.bridge_lane import BridgeLane
from fastproxy.shared import rows
from fastproxy.wire.inbound import State
from tests.formats.corpus import REPLIES, REQUESTS, STREAMS, Golden
from tests.gateway.gateway_stage import status_of
from tests.gateway.translating_stage import CHUNK_END, Translating, group_key
from tests.wire.fakes import wire_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastproxy.record import Record

PATHS: Final = {
    "openai-chat": "/v1/chat/completions",
    "openai-responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/m:generateContent",
}
KEY: Final = "fp-one"
WARM_UP: Final = 24
FETCHED: Final = ("https://", "gs://")  # a file at an address is the ordinary way's
USUAL: Final = {name: next(one for one in REQUESTS if one.format == name and "text" in one.name) for name in PATHS}
ANSWERS: Final = {name: [one for one in REPLIES if one.format == name] for name in CHAT_FORMATS}
PLAIN: Final = {name: next(one for one in ANSWERS[name] if one.path.stem == "reply_text").body() for name in ANSWERS}
STREAMED: Final = {name: next(one for one in STREAMS if one.format == name) for name in CHAT_FORMATS}
FAILED: Final = {"error": {"message": "slow down"}}
UNREADABLE: Final = {"choices": 3, "content": 3, "candidates": 3, "output": 3}
SAID_IN: Final = ("messages", "system", "contents", "systemInstruction", "system_instruction")
TIMES: Final = ("gateway_us", "started_at", "duration_ms", "ttft_ms")
PAIRS: Final = list(permutations(CHAT_FORMATS, 2))


def asked(golden: Golden, **more: Any) -> dict[str, Any]:
    body = {name: value for name, value in golden.body().items() if name not in ("stream", "stream_options")}
    return body | more if golden.format == "gemini" else {**body, "model": "m", **more}


@pytest.fixture(autouse=True)
def _same_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translate, "token_hex", lambda _: "5" * 32)
    monkeypatch.setattr(translate, "time", lambda: 1_790_000_000.0)


class Pair:
    """A stage with lanes and one without, both warm."""

    def __init__(self, client: str, upstream: str, lossy: str = "report") -> None:
        self.path = PATHS[client]
        self.fast, self.slow = (Translating(upstream, group_key(KEY, "a", lossy)) for _ in range(2))
        self.slow.world.lay = lambda exchange: None
        self.records: dict[Translating, list[Record]] = {self.fast: [], self.slow: []}
        for stage in self.records:
            stage.world.next_id = lambda: b"0" * 32  # type: ignore[method-assign]
            for _ in range(WARM_UP):
                assert stage.asks(self.path, asked(USUAL[client]), KEY)
                assert status_of(stage.replies(PLAIN[upstream])) == 200
        assert isinstance(self.fast.user.lane, BridgeLane)
        assert self.slow.user.lane is None

    def both(self) -> Iterator[Translating]:
        yield from (self.fast, self.slow)

    def ask(self, body: dict[str, Any]) -> bool:
        """Ask both; False when both have refused. What went up is the same."""
        sent = [(stage.asks(self.path, body, KEY), stage.upstream_head) for stage in self.both()]
        assert sent[0] == sent[1]
        if not sent[0][0]:
            assert self.fast.got() == self.slow.got() != b""
        return bool(sent[0][0])

    def reply(self, body: dict[str, Any], status: int = 200, lines: str = "") -> bytes:
        got = [stage.replies(body, status, lines) for stage in self.both()]
        assert got[0] == got[1]
        return got[0]


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_every_golden_goes_up_and_comes_back_the_same(client: str, upstream: str) -> None:
    taken = refused = 0
    for number, golden in enumerate(one for one in REQUESTS if one.format == client):
        body, answer = asked(golden), ANSWERS[upstream][number % len(ANSWERS[upstream])]
        if any(far in json.dumps(body) for far in FETCHED):
            continue
        pair = Pair(client, upstream)
        if pair.ask(body):
            taken += isinstance(pair.fast.user.exchange, BridgeLane)
            assert pair.reply(answer.body(), lines="x-request-id: theirs\r\n")
        else:
            refused += 1
    assert taken > 5 * refused


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_every_reply_comes_back_the_same(client: str, upstream: str) -> None:
    pair = Pair(client, upstream)
    for answer in ANSWERS[upstream]:
        assert pair.ask(asked(USUAL[client]))
        assert isinstance(pair.fast.user.exchange, BridgeLane)
        assert pair.reply(answer.body())


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_a_stream_begins_on_the_lane_and_goes_on_the_ordinary_way(client: str, upstream: str) -> None:
    pair = Pair(client, upstream)
    pair.path = pair.path.replace("generateContent", "streamGenerateContent?alt=sse")
    events = [part + "\n\n" for part in STREAMED[upstream].path.read_text(encoding="utf-8").split("\n\n") if part]
    for _ in range(WARM_UP):
        got = []
        for stage in pair.both():
            assert stage.asks(pair.path, asked(USUAL[client], **({} if client == "gemini" else {"stream": True})), KEY)
            stage.begins_stream()
            got.append(stage.streams(*events) + stage.ends_stream())
        assert got[0] == got[1]
        assert got[0].endswith(CHUNK_END)
    assert isinstance(pair.fast.user.lane, BridgeLane)


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
@pytest.mark.parametrize(
    ("status", "body"), [(429, FAILED), (500, {}), (200, FAILED), (200, UNREADABLE), (201, UNREADABLE)]
)
def test_what_is_no_reply_is_refused_the_same(client: str, upstream: str, status: int, body: dict[str, Any]) -> None:
    pair = Pair(client, upstream)
    assert pair.ask(asked(USUAL[client]))
    assert isinstance(pair.fast.user.exchange, BridgeLane)
    assert status_of(pair.reply(body, status, "retry-after: 7\r\n")) >= 400


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_the_record_is_the_same(client: str, upstream: str) -> None:
    pair = Pair(client, upstream)
    for stage in pair.both():
        stage.world.log = pair.records[stage].append
    assert pair.ask(asked(USUAL[client]))
    pair.reply(PLAIN[upstream])
    fast, slow = ([fields(record) for record in pair.records[stage]] for stage in pair.both())
    assert fast == slow
    assert len(fast) == 1
    assert fast[0]["output_tokens"] > 0
    tokens = slice(rows.TOKENS, rows.TOKENS + len(rows.FORMATS) * len(rows.TOKEN_KINDS))
    assert pair.fast.world.counts[tokens] == pair.slow.world.counts[tokens]
    assert pair.fast.world.counts[rows.REQUESTS] == pair.slow.world.counts[rows.REQUESTS]


def fields(record: Record) -> dict[str, Any]:
    return {name: value for name, value in structs.asdict(record).items() if name not in TIMES}


def conversations(client: str) -> list[dict[str, Any]]:
    """Other things to say in the same frame: bare texts, and what is more than that."""
    systems: list[dict[str, Any]]
    if client == "gemini":
        talks = [[{"role": role, "parts": [part]} for role, part in talk] for talk in TALKS]
        systems = [
            {},
            {"systemInstruction": {"parts": [{"text": "brief"}]}},
            {"system_instruction": "x"},
        ]
        return [{"contents": talk} | system for talk in talks for system in systems]
    roles = {"user": "user", "model": "assistant"}
    talks = [[{"role": roles[role], "content": part.get("text", [part])} for role, part in talk] for talk in TALKS]
    systems = [{}, {"system": "brief"}, {"system": []}]
    return [{"messages": talk} | system for talk in talks for system in systems]


TALKS: Final[list[list[tuple[str, dict[str, Any]]]]] = [
    [("user", {"text": "json?"})],
    [("user", {"text": "a"}), ("model", {"text": "b"}), ("user", {"text": "c"}), ("user", {"text": "d"})],
    [("user", {"text": ""})],
    [("user", {"text": "a"}), ("model", {"text": "b"})],
    [("user", {"type": "text", "text": "\ud83d\ude00 1.0"})],
    [("user", {"type": "unknown"})],
    [("user", {"text": " "})],
    [("model", {"text": "a"}), ("user", {"text": "b"})],
    [("user", {"text": "a"}), ("model", {"text": "b"}), ("model", {"text": "c"}), ("user", {"text": "d"})],
    [("user", {"text": "a", "thought": True})],
]


@pytest.mark.parametrize("client", ["anthropic", "gemini"])
def test_another_conversation_in_the_same_frame_goes_up_the_same(client: str) -> None:
    framed = 0
    for golden in (one for one in REQUESTS if one.format == client):
        body = asked(golden)
        if any(far in json.dumps(body) for far in FETCHED):
            continue
        pair = Pair(client, "openai-chat")
        frame = {name: value for name, value in body.items() if name not in SAID_IN}
        for talk in (*conversations(client), *conversations(client)):
            if pair.ask(frame | talk):
                pair.reply(PLAIN["openai-chat"])
            if pair.fast.user.state is not pair.slow.user.state or pair.fast.user.state is not State.HEAD:
                break
        framed += getattr(pair.fast.user.lane, "_frame", None) is not None
    assert framed > 5


@pytest.mark.parametrize(
    "changes",
    [
        [{"temperature": 1}, {"temperature": 1.0}, {"temperature": True}, {"temperature": 1}],
        [{"max_tokens": 9}, {"max_tokens": 8}, {"max_tokens": 9, "top_k": 3}, {"max_tokens": 9}],
        [{"metadata": {"user_id": "a"}}, {"metadata": {"user_id": "b"}}],
        [{"tools": [{"name": "f", "input_schema": {"type": "object"}}]}, {"tools": []}, {}],
        [{"stop_sequences": ["a"]}, {"stop_sequences": ["b"]}, {}],
        [{"stream": False}, {}, {"unknown": 1}, {}],
        [{"thinking": {"type": "enabled", "budget_tokens": 1024}}, {"thinking": {"type": "disabled"}}, {}],
    ],
)
def test_another_frame_is_seen(changes: list[dict[str, Any]]) -> None:
    pair = Pair("anthropic", "openai-chat")
    for number in range(3):
        for change in changes:
            body = {"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": f"say {number}"}]}
            if pair.ask(body | change):
                pair.reply(PLAIN["openai-chat"])


def test_another_model_is_not_for_the_lane() -> None:
    pair = Pair("anthropic", "openai-chat")
    assert not pair.ask(asked(USUAL["anthropic"], model="unserved"))


def test_a_strict_key_is_refused_on_the_lane_too() -> None:
    pair = Pair("anthropic", "openai-chat", lossy="strict")
    assert not pair.ask(asked(USUAL["anthropic"], top_k=3))
    assert pair.ask(asked(USUAL["anthropic"]))


def test_losses_are_named_on_the_lane_too() -> None:
    pair = Pair("anthropic", "openai-chat")
    for top_k in (3, None, 4):
        assert pair.ask(asked(USUAL["anthropic"], top_k=top_k))
        reply = pair.reply(PLAIN["openai-chat"])
        assert (b"x-fastproxy-lossy: top_k dropped" in reply) is (top_k is not None)


def test_a_client_that_leaves_cancels_what_the_lane_has_sent() -> None:
    stage = Pair("anthropic", "openai-chat").fast
    assert stage.asks("/v1/messages", asked(USUAL["anthropic"]), KEY)
    stage.user.connection_lost(None)
    assert wire_of(stage.peer).closed


def test_a_lane_that_waits_holds_no_prompt() -> None:
    pair = Pair("anthropic", "openai-chat")
    assert pair.ask(asked(USUAL["anthropic"]))
    pair.reply(PLAIN["openai-chat"])
    lane = pair.fast.user.lane
    assert isinstance(lane, BridgeLane)
    assert (lane._kept, lane._translation) == (b"", None)
    assert lane._frame is not None
    assert lane._frame.translation.request.turns == ()


def test_a_request_that_is_vouched_for_may_be_sent_twice_and_so_takes_no_lane() -> None:
    stage = Translating("openai-chat")
    text = json.dumps(asked(USUAL["anthropic"]))
    head = f"POST /v1/messages HTTP/1.1\r\nHost: a\r\nIdempotency-Key: 1\r\nContent-Length: {len(text)}\r\n\r\n"
    for _ in range(WARM_UP):
        stage.user.data_received((head + text).encode())
        stage.replies(PLAIN["openai-chat"])
    assert stage.user.lane is None
