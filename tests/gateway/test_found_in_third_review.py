"""Faults that the review of the translations has found, each named after what went wrong."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from fastproxy.errors import UpstreamFailed
from fastproxy.gateway.bounds import MAX_OBJECTS
from fastproxy.gateway.exchange import Exchange
from fastproxy.gateway.take import ReplyTaker
from fastproxy.shared import rows
from fastproxy.snapshot import ChannelSpec, Snapshot
from tests.gateway.gateway_stage import SECRET, Gateway, json_of, status_of, warm
from tests.gateway.test_remembered import ASKED, CALLED, RESPONSE, THOUGHT, assistant_blocks, next_turn
from tests.gateway.test_translation import ANSWER, HELLO, STREAM, STREAMED
from tests.gateway.translating_stage import CHUNK_END, Translating, body_of, data, group_key
from tests.wire.fakes import wire_of

if TYPE_CHECKING:
    from fastproxy.wire.outbound import Outbound
    from fastproxy.wire.pool import Pool

CLAUDE = {"model": "claude-opus-4-1"}


@pytest.mark.parametrize("group", ["", "default"])
def test_keys_without_a_group_shared_what_was_stored(group: str) -> None:
    stage = Translating("openai-chat", group_key("fp-a", group), group_key("fp-b", group))
    stage.asks("/v1/responses", RESPONSE, "fp-a")
    made = body_of(stage.replies(ANSWER))["id"]
    stage.asks("/v1/responses", {"model": "m", "input": "?", "previous_response_id": made}, "fp-b")
    assert status_of(stage.got()) == 400
    assert stage.asks("/v1/responses", {"model": "m", "input": "?", "previous_response_id": made}, "fp-a")


def test_ids_of_stored_responses_could_be_guessed() -> None:
    stage = Translating("openai-chat")
    ids = []
    for _ in range(2):
        stage.asks("/v1/responses", RESPONSE)
        ids.append(body_of(stage.replies(ANSWER))["id"])
    assert ids[0][:20] != ids[1][:20]
    assert len(ids[0]) == len("resp_") + 32


def test_a_narrow_key_read_the_response_of_a_model_that_it_may_not_use() -> None:
    narrow = msgspec.structs.replace(group_key("fp-n", "team"), models=("other",))
    stage = Translating("openai-chat", group_key("fp-a", "team"), narrow, models=("m", "other"))
    stage.asks("/v1/responses", RESPONSE, "fp-a")
    made = body_of(stage.replies(ANSWER))["id"]
    stage.asks("/v1/responses", {"model": "other", "input": "?", "previous_response_id": made}, "fp-n")
    assert status_of(stage.got()) == 400


def test_thoughts_behind_a_text_were_put_into_anothers_prompt() -> None:
    stage = Translating("anthropic", group_key("fp-a", "g"), group_key("fp-b", "g"), models=(CLAUDE["model"],))
    stage.asks("/v1/chat/completions", ASKED | CLAUDE, "fp-a")
    answer = CALLED | {"content": [THOUGHT, {"type": "text", "text": "Yes."}], "stop_reason": "end_turn"}
    stage.replies(answer)
    messages = [*ASKED["messages"], {"role": "assistant", "content": "Yes."}, {"role": "user", "content": "repeat"}]
    sent = stage.asks("/v1/chat/completions", ASKED | CLAUDE | {"messages": messages}, "fp-b")
    assert "signature" not in str(assistant_blocks(sent))


def test_one_entry_of_the_vault_was_put_back_into_every_turn() -> None:
    stage = Translating("anthropic", models=(CLAUDE["model"],))
    stage.asks("/v1/chat/completions", ASKED | CLAUDE)
    stage.replies(CALLED)
    turns = next_turn("toolu_1")["messages"]
    sent = stage.asks("/v1/chat/completions", ASKED | CLAUDE | {"messages": turns + turns[1:] * 20})
    assert str(sent).count(THOUGHT["signature"]) == 1


def test_an_upstream_that_changes_the_protocol_was_waited_for_for_ever() -> None:
    stage = Translating("openai-chat")
    stage.asks("/v1/messages", HELLO)
    stage.peer.data_received(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
    assert status_of(stage.got()) == 502
    assert stage.peer.pool.active == 0


def test_a_number_that_one_parser_takes_and_the_other_does_not_hung_the_client() -> None:
    stage = Translating("anthropic")
    stage.asks("/v1/chat/completions", ASKED | {"stream": True})
    stage.begins_stream()
    stage.streams('event: ping\ndata: {"type":"ping","x":1e400}')
    assert status_of(stage.ends_stream()) == 502
    assert stage.peer.pool.active == 0


async def _nobody(pool: Pool) -> Outbound:
    raise UpstreamFailed("refused", retry="if_unsent")


@pytest.mark.parametrize("second", ["anthropic", "openai-chat"])
def test_the_next_attempt_was_asked_for_the_last_ones_model(second: str) -> None:
    def spec(name: str, port: int, wire_format: str, model: str, priority: int) -> ChannelSpec:
        base = f"http://127.0.0.1:{port}/v1"
        return ChannelSpec(name, "any", base, (wire_format,), "bearer", ("k",), ("m",), {"m": model}, priority)

    async def scenario() -> None:
        channels = (spec("one", 9, "openai-chat", "inner-secret", 10), spec("two", 8, second, "two-m", 0))
        gateway = Gateway(Snapshot(SECRET, "stage", {}, channels=channels, open_to_all=True))
        pools = {origin.authority: pool for origin, pool in gateway.world.pools.items()}
        pools["127.0.0.1:9"]._dial = _nobody
        backup, client = warm(pools["127.0.0.1:8"]), gateway.client()
        body = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
        client.data_received(head + body)
        for _ in range(8):
            await asyncio.sleep(0)
        sent = wire_of(backup).take()
        assert b'"model":"two-m"' in sent
        assert b"inner-secret" not in sent

    asyncio.run(scenario())


@pytest.mark.parametrize("model", ["../../admin/x", "tunedModels/../../x", "a/./b", "..\\x", "m" * 2000, "a\nb"])
def test_a_models_name_stepped_out_of_its_path(model: str) -> None:
    stage = Translating("gemini", models=())
    for path, body in (("/v1/embeddings", {"input": "a"}), ("/v1/chat/completions", ASKED)):
        stage.asks(path, body | {"model": model})
        refused = stage.got()
        assert (status_of(refused), stage.upstream_head) == (400, b"")
        assert "field 'model'" in json_of(refused)["error"]["message"]


def test_a_body_of_a_million_objects_stalled_the_worker() -> None:
    stage = Translating("openai-chat")
    stage.asks("/v1/messages", HELLO | {"x": [{}] * (MAX_OBJECTS + 1)})
    assert status_of(stage.got()) == 413


def test_what_stood_in_front_of_an_error_in_the_same_read_was_lost() -> None:
    stage = Translating("openai-chat")
    stage.asks("/v1/messages", STREAMED)
    stage.begins_stream()
    stage.streams(*STREAM[:2])
    reply = stage.streams(STREAM[2] + data({"error": {"message": "overloaded", "code": 503}}))
    assert reply.index(b'"text":"lo"') < reply.index(b"event: error")


def test_a_connection_that_broke_behind_the_last_event_became_an_error() -> None:
    stage = Translating("openai-chat")
    stage.asks("/v1/messages", STREAMED)
    stage.begins_stream()
    stage.streams(*STREAM)
    stage.peer.eof_received()
    reply = stage.got()
    assert b"event: error" not in reply


def test_refusals_were_counted_as_usage_that_could_not_be_read() -> None:
    stage = Translating("openai-chat")
    stage.asks("/v1/messages", HELLO)
    stage.replies({"error": {"message": "slow"}}, 429)
    assert stage.world.counts[rows.USAGE_UNREAD] == 0


def test_a_response_too_large_to_be_kept_said_that_it_was() -> None:
    stage = Translating("openai-chat")
    stage.asks("/v1/responses", RESPONSE | {"input": "x" * 3_000_000})
    assert body_of(stage.replies(ANSWER))["store"] is False


def test_arguments_nested_too_deeply_were_an_error_of_ours() -> None:
    stage = Translating("openai-chat")
    deep: Any = {}
    for _ in range(600):
        deep = {"a": deep}
    call = {"type": "tool_use", "id": "t", "name": "f", "input": deep}
    stage.asks("/v1/messages", HELLO | {"messages": [*HELLO["messages"], {"role": "assistant", "content": [call]}]})
    assert status_of(stage.got()) == 400


def test_the_end_of_a_stream_is_written_once() -> None:
    stage = Translating("openai-chat")
    stage.asks("/v1/messages", STREAMED)
    stage.begins_stream()
    reply = stage.streams(*STREAM) + stage.ends_stream()
    assert reply.count(CHUNK_END) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [200, 429])
def test_each_translated_exchange_left_a_cycle_for_the_collector(stream: bool, status: int) -> None:
    stage = Translating("openai-chat")

    def once() -> None:
        stage.asks("/v1/messages", HELLO | {"stream": stream})
        stage.replies(ANSWER if status == 200 else {"error": {"message": "slow"}}, status)

    once()
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            once()
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        kept = [found for found in gc.garbage if isinstance(found, Exchange | ReplyTaker)]  # not what others left
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert kept == []
