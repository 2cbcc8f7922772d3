"""Replies whose upstream does not say what they cost: estimated, marked, counted once, and never where it does say."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from fastproxy.formats.letters import estimate_text
from fastproxy.formats.said import asked
from fastproxy.shared import rows
from fastproxy.snapshot import ChannelSpec, Snapshot
from tests.gateway.gateway_stage import ORIGIN, SECRET, key, warm
from tests.gateway.translating_stage import PROVIDERS, Translating, data
from tests.wire.fakes import wire_of

if TYPE_CHECKING:
    from fastproxy.record import Record

TEXT = "a rather long answer of twelve words, which is what it needs"
TOKENS = estimate_text(TEXT)
HELLO = {"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": "what is it that you need?"}]}
ASKED = asked(json.dumps(HELLO).encode())


class Told(Translating):
    """A gateway that keeps its records."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.records: list[Record] = []
        self.world.log = self.records.append

    @property
    def counted(self) -> tuple[int, int, int, int]:
        """Input and output of all formats; replies that were estimated, replies that were not read."""
        kinds = len(rows.TOKEN_KINDS)
        counts = self.world.counts
        tokens = counts[rows.TOKENS : rows.TOKENS + len(rows.FORMATS) * kinds]
        return sum(tokens[::kinds]), sum(tokens[3::kinds]), counts[rows.USAGE_ESTIMATED], counts[rows.USAGE_UNREAD]

    def settled(self) -> tuple[int, int, bool]:
        """What the last record says: input, output, whether it is an estimate. It is all that was counted."""
        record = self.records[-1]
        return record.input_tokens, record.output_tokens, record.estimated


def chat(**usage: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], **usage}


def words(*, of: str = TEXT) -> list[str]:
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return [data({**chunk, "choices": [{"index": 0, "delta": {"content": f"{word} "}}]}) for word in of.split()]


END = data({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}) + "data: [DONE]\n\n"
REPORT = {"prompt_tokens": 7, "completion_tokens": 2}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"], ids=["bytes", "events"])
def test_a_whole_reply_without_counts(path: str) -> None:
    stage = Told("openai-chat")
    stage.asks(path, HELLO)
    stage.replies(chat())
    assert stage.settled() == (ASKED, TOKENS, True)
    assert stage.counted == (ASKED, TOKENS, 1, 0)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"], ids=["bytes", "events"])
def test_a_reply_with_counts_is_not_estimated(path: str) -> None:
    stage = Told("openai-chat")
    stage.asks(path, HELLO)
    stage.replies(chat(usage=REPORT))
    assert stage.settled() == (7, 2, False)
    assert stage.counted == (7, 2, 0, 0)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"], ids=["bytes", "events"])
def test_zeros_are_what_a_server_writes_that_does_not_count(path: str) -> None:
    stage = Told("openai-chat")
    stage.asks(path, HELLO)
    stage.replies(chat(usage={"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}))
    assert stage.settled() == (ASKED, TOKENS, True)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"], ids=["bytes", "events"])
def test_the_lanes_estimate_as_the_ordinary_way_does(path: str) -> None:
    stage = Told("openai-chat")
    for _ in range(60):
        stage.asks(path, HELLO)
        stage.replies(chat())
    assert {(record.input_tokens, record.output_tokens, record.estimated) for record in stage.records} == {
        (ASKED, TOKENS, True)
    }
    assert stage.user.lane is not None
    assert stage.counted == (60 * ASKED, 60 * TOKENS, 60, 0)


STREAMED = HELLO | {"stream": True}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"], ids=["bytes", "events"])
def test_a_stream_without_counts(path: str) -> None:
    stage = Told("openai-chat")
    stage.asks(path, STREAMED)
    stage.begins_stream()
    stage.streams(*words(), END)
    stage.ends_stream()
    assert stage.settled() == (ASKED, estimate_text(TEXT + " "), True)
    assert stage.counted[2:] == (1, 0)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"], ids=["bytes", "events"])
def test_a_stream_that_is_longer_than_what_is_kept_of_it(path: str) -> None:
    stage = Told("openai-chat")
    stage.asks(path, STREAMED)
    stage.begins_stream()
    for _ in range(40):
        stage.streams("".join(words()))
    stage.streams(END)
    stage.ends_stream()
    assert stage.settled()[::2] == (ASKED, True)
    assert stage.settled()[1] == pytest.approx(40 * TOKENS, rel=0.1)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"], ids=["bytes", "events"])
def test_a_stream_whose_client_left_cost_what_was_said_so_far(path: str) -> None:
    stage = Told("openai-chat")
    stage.asks(path, STREAMED)
    stage.begins_stream()
    stage.streams(*words(of="one two three"))
    stage.user.connection_lost(None)
    assert stage.settled() == (ASKED, estimate_text("one two three "), True)
    assert stage.records[-1].error_kind == "client_closed"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"], ids=["bytes", "events"])
def test_a_stream_that_failed_before_it_said_anything_is_not_estimated(path: str) -> None:
    stage = Told("openai-chat")
    stage.asks(path, STREAMED)
    stage.begins_stream()
    stage.user.connection_lost(None)
    assert stage.settled() == (0, 0, False)
    assert stage.counted == (0, 0, 0, 1)


BEGIN = {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "m",
         "content": [], "stop_reason": None, "usage": {"input_tokens": 50, "output_tokens": 1}}}  # fmt: skip
BLOCK = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
DELTA = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT}}
STOP = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}


def anthropic(*events: dict[str, Any]) -> list[str]:
    return [f"event: {event['type']}\n{data(event)}" for event in events]


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"], ids=["bytes", "events"])
def test_what_anthropics_beginning_says_is_kept_when_the_client_leaves(path: str) -> None:
    stage = Told("anthropic")
    stage.asks(path, STREAMED)
    stage.begins_stream()
    stage.streams(*anthropic(BEGIN, BLOCK, DELTA))
    stage.user.connection_lost(None)
    assert stage.settled() == (50, TOKENS, True)


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"], ids=["bytes", "events"])
def test_what_anthropics_end_says_is_true_when_the_client_leaves_behind_it(path: str) -> None:
    stage = Told("anthropic")
    stage.asks(path, STREAMED)
    stage.begins_stream()
    stage.streams(*anthropic(BEGIN, BLOCK, DELTA, STOP))
    stage.user.connection_lost(None)
    assert stage.settled() == (50, 4, False)


def test_a_compressed_stream_is_judged_by_what_is_in_it() -> None:
    stage = Told("openai-chat")
    stage.asks("/v1/chat/completions", STREAMED)
    packed = zlib.compress(("".join(words()) * 40 + END).encode())
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: deflate\r\n"
    stage.peer.data_received(head + b"Content-Length: %d\r\n\r\n" % len(packed) + packed)
    assert stage.settled()[::2] == (ASKED, True)
    assert stage.settled()[1] == pytest.approx(40 * TOKENS, rel=0.1)


@pytest.mark.parametrize(
    ("path", "body", "reply", "expected"),
    [
        ("/v1/embeddings", {"model": "m", "input": TEXT}, {"object": "list", "data": []}, (TOKENS, 0, True)),
        ("/v1/completions", {"model": "m", "prompt": TEXT}, {"choices": [{"text": TEXT}]}, (TOKENS, TOKENS, True)),
        ("/v1/moderations", {"model": "m", "input": TEXT}, {"results": []}, (0, 0, False)),
        ("/v1/images/generations", {"model": "m", "prompt": TEXT}, {"data": [{"b64_json": "AAAA"}]}, (0, 0, False)),
    ],
)
def test_only_what_is_charged_by_its_text_is_estimated(
    path: str, body: dict[str, Any], reply: dict[str, Any], expected: tuple[int, int, bool]
) -> None:
    stage = Told("openai-chat")
    spec = ChannelSpec(
        "o", PROVIDERS["openai-chat"], ORIGIN + "/v1", ("openai-chat", "openai"), "bearer", ("sk",), ("m",)
    )
    stage.world.install(Snapshot(SECRET, "stage", {}, channels=(spec,), open_to_all=True))
    stage.peer = warm(next(iter(stage.world.pools.values())))
    stage.asks(path, body)
    stage.replies(reply)
    assert stage.settled() == expected
    assert stage.counted[2:] == ((1, 0) if expected[2] else (0, 1))


def test_an_error_is_neither_estimated_nor_missed() -> None:
    stage = Told("openai-chat")
    stage.asks("/v1/chat/completions", HELLO)
    stage.replies({"error": {"message": "slow down"}}, 429)
    assert stage.settled() == (0, 0, False)
    assert stage.counted == (0, 0, 0, 0)


def test_a_large_prompt_is_judged_by_a_part_of_it() -> None:
    stage = Told("openai-chat")
    prompt = "one two three four five " * 20_000
    stage.asks("/v1/chat/completions", HELLO | {"messages": [{"role": "user", "content": prompt}]})
    stage.replies(chat())
    assert stage.settled()[0] == pytest.approx(estimate_text(prompt), rel=0.05)
    assert stage.settled()[1:] == (TOKENS, True)
    assert not wire_of(stage.user).closed


def test_a_prompt_that_has_been_passed_on_is_judged_by_its_size() -> None:
    """On /{provider}/… a body is relayed as it comes, and nothing of it is kept."""
    stage = Told("openai-chat")
    spec = ChannelSpec("o", "openai", ORIGIN, ("openai-chat",), "bearer", ("sk",))
    bases = {"openai": ORIGIN}
    keys = (key("mine"),)
    snapshot = Snapshot(
        SECRET, "stage", {}, channels=(spec,), keys=keys, provider_bases=bases, passthrough="require-key"
    )
    stage.world.install(snapshot)
    stage.peer = warm(next(iter(stage.world.pools.values())))
    body = json.dumps(HELLO | {"messages": [{"role": "user", "content": "word " * 200}]}).encode()
    head = "POST /openai/v1/chat/completions HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/json\r\n"
    head += f"Authorization: Bearer mine\r\nContent-Length: {len(body)}\r\n\r\n"
    stage.user.data_received(head.encode() + body[:50])
    stage.user.data_received(body[50:])
    assert wire_of(stage.peer).take().endswith(body)
    stage.replies(chat())
    assert stage.settled() == (len(body) // 4, TOKENS, True)
