"""What is asked once, of a channel that has it in another shape; and the older completions, of any chat channel."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from fastproxy.errors import UpstreamFailed
from fastproxy.formats.vectors import packed
from fastproxy.shared import rows
from fastproxy.snapshot import ChannelSpec, KeySpec, Snapshot
from tests.gateway.gateway_stage import ORIGIN, SECRET, Gateway, key, status_of, warm
from tests.gateway.translating_stage import CHUNK_END, Translating, body_of, data, group_key
from tests.wire.fakes import wire_of

if TYPE_CHECKING:
    from fastproxy.wire.outbound import Outbound
    from fastproxy.wire.pool import Pool

VALUES = [0.5, -0.25]
EMBED: dict[str, Any] = {"model": "m", "input": ["a", "b"]}
GEMINI_VECTORS: dict[str, Any] = {
    "embeddings": [{"values": VALUES}, {"values": [1.0, 0.0]}],
    "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3},
}
OPENAI_VECTORS: dict[str, Any] = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": VALUES}],
    "model": "theirs",
    "usage": {"prompt_tokens": 4, "total_tokens": 4},
}
RERANK: dict[str, Any] = {"model": "m", "query": "q", "documents": ["a", "b"]}
RANKED = [{"index": 1, "relevance_score": 0.9}]
CONTENT = {"content": {"parts": [{"text": "a"}]}}
CHAT_ANSWER: dict[str, Any] = {
    "content": [{"type": "text", "text": "hello"}],
    "id": "msg_1", "type": "message", "role": "assistant", "model": "theirs", "stop_reason": "end_turn",
    "usage": {"input_tokens": 7, "output_tokens": 2},
}  # fmt: skip


class OneVendor(Translating):
    """A gateway whose one channel is this vendor's, with these formats."""

    def __init__(
        self, provider: str, formats: tuple[str, ...], *keys: KeySpec, base: str = "/v1", rename: str = ""
    ) -> None:
        renames = {"m": rename} if rename else {}
        url = ORIGIN + base
        spec = ChannelSpec("c", provider, url, formats, "bearer", ("sk-up",), ("m",), rename=renames)
        snapshot = Snapshot(SECRET, "stage", {}, channels=(spec,), keys=keys, open_to_all=not keys)
        Gateway.__init__(self, snapshot)
        self.peer = warm(next(iter(self.world.pools.values())))
        self.user = self.client()

    def asked_for(self) -> bytes:
        """The path of what went up."""
        return self.upstream_head.split(b" ")[1]

    def tokens(self, wire_format: str) -> int:
        return self.world.counts[rows.TOKENS + rows.FORMATS.index(wire_format) * len(rows.TOKEN_KINDS)]


def google(*keys: KeySpec, rename: str = "") -> OneVendor:
    return OneVendor("google-ai-studio", ("gemini",), *keys, base="/v1beta", rename=rename)


def openai(*formats: str) -> OneVendor:
    return OneVendor("openai", formats or ("openai-chat", "openai"))


def cohere() -> OneVendor:
    return OneVendor("cohere", ("openai-chat", "openai"), base="/compatibility/v1")


class TestEmbeddings:
    @pytest.mark.parametrize("path", ["/v1/embeddings", "/embeddings"])
    def test_an_openai_client_asks_a_gemini_channel(self, path: str) -> None:
        stage = google()
        sent = stage.asks(path, EMBED | {"dimensions": 2})
        assert stage.asked_for() == b"/v1beta/models/m:batchEmbedContents"
        assert [each["content"]["parts"][0]["text"] for each in sent["requests"]] == ["a", "b"]
        reply = stage.replies(GEMINI_VECTORS)
        assert [each["embedding"] for each in body_of(reply)["data"]] == [VALUES, [1.0, 0.0]]
        assert body_of(reply)["model"] == "m"
        assert b"x-fastproxy-channel: c\r\n" in reply
        assert stage.tokens("gemini") == 3

    def test_base64_as_sdks_ask_for_it(self) -> None:
        stage = google()
        stage.asks("/v1/embeddings", EMBED | {"encoding_format": "base64"})
        assert body_of(stage.replies(GEMINI_VECTORS))["data"][0]["embedding"] == packed(VALUES)

    def test_the_channels_name_of_the_model_goes_up_and_the_clients_comes_back(self) -> None:
        stage = google(rename="gemini-embedding-001")
        sent = stage.asks("/v1/embeddings", EMBED)
        assert sent["requests"][0]["model"] == "models/gemini-embedding-001"
        assert stage.asked_for() == b"/v1beta/models/gemini-embedding-001:batchEmbedContents"
        assert body_of(stage.replies(GEMINI_VECTORS))["model"] == "m"

    @pytest.mark.parametrize("formats", [("openai-chat", "openai"), ("openai-chat",), ("openai",)])
    @pytest.mark.parametrize("verb", ["embedContent", "batchEmbedContents"])
    def test_a_gemini_client_asks_an_openai_channel(self, verb: str, formats: tuple[str, ...]) -> None:
        stage = openai(*formats)
        sent = stage.asks(f"/v1beta/models/m:{verb}", CONTENT if verb == "embedContent" else {"requests": [CONTENT]})
        assert (stage.asked_for(), sent) == (b"/v1/embeddings", {"model": "m", "input": ["a"]})
        reply = body_of(stage.replies(OPENAI_VECTORS))
        assert (reply.get("embedding") or reply["embeddings"][0]) == {"values": VALUES}
        assert reply["usageMetadata"]["promptTokenCount"] == 4
        assert sum(stage.tokens(name) for name in formats) == 4

    @pytest.mark.parametrize("make", [cohere, openai])
    def test_a_cohere_client_asks_either(self, make: Any) -> None:
        stage = make()
        stage.asks("/v2/embed", {"model": "m", "texts": ["a"], "input_type": "search_query"})
        if make is cohere:
            assert stage.asked_for() == b"/v2/embed"
            answer = {"id": "co", "embeddings": {"float": [VALUES]}, "meta": {"billed_units": {"input_tokens": 4}}}
            assert body_of(stage.replies(answer)) == answer
        else:
            assert stage.asked_for() == b"/v1/embeddings"
            assert body_of(stage.replies(OPENAI_VECTORS))["embeddings"] == {"float": [VALUES]}
        assert stage.tokens("openai") == 4

    def test_who_speaks_the_format_is_asked_as_it_is(self) -> None:
        stage = openai()
        assert stage.asks("/v1/embeddings", EMBED | {"input": [1, 2], "new": 1}) == EMBED | {"input": [1, 2], "new": 1}
        assert b"theirs" in stage.replies(OPENAI_VECTORS)

    def test_nobody_else_can_be_asked(self) -> None:
        stage = OneVendor("anthropic", ("anthropic",))
        assert stage.asks("/v1/embeddings", EMBED) == {}
        assert status_of(stage.got()) == 501

    def test_the_next_request_of_the_connection_is_translated_too(self) -> None:
        stage = google()
        for text in ("a", "b", "c"):
            sent = stage.asks("/v1/embeddings", EMBED | {"input": text})
            assert sent["requests"][0]["content"]["parts"] == [{"text": text}]
            stage.replies({"embeddings": [{"values": VALUES}]})
        assert stage.user.lane is None


class TestRefusals:
    @pytest.mark.parametrize(
        ("path", "body", "field"),
        [
            ("/v1/embeddings", EMBED | {"input": [1, 2]}, "input"),
            ("/v1/embeddings", {"model": "m"}, "input"),
            ("/v1/images/generations", {"model": "m", "prompt": "p", "n": 3}, "n"),
        ],
    )
    def test_a_bad_field_is_named_in_openais_words(self, path: str, body: dict[str, Any], field: str) -> None:
        stage = google()
        assert stage.asks(path, body) == {}
        refused = stage.got()
        assert (status_of(refused), body_of(refused)["error"]["param"]) == (400, field)

    def test_a_bad_field_is_named_in_geminis_words(self) -> None:
        stage = openai()
        assert stage.asks("/v1beta/models/m:batchEmbedContents", {"requests": [{}]}) == {}
        error = body_of(stage.got())["error"]
        assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
        assert "requests[0].content" in error["message"]

    @pytest.mark.parametrize(("status", "seen"), [(400, 400), (401, 502), (429, 429), (503, 503)])
    def test_an_upstreams_refusal_has_the_clients_words(self, status: int, seen: int) -> None:
        stage = google()
        stage.asks("/v1/embeddings", EMBED)
        reply = stage.replies({"error": {"code": status, "message": "no", "status": "X"}}, status, "retry-after: 7\r\n")
        assert status_of(reply) == seen
        assert body_of(reply)["error"].keys() == {"message", "type", "param", "code"}

    @pytest.mark.parametrize("body", [[], {}, {"embeddings": 5}, {"embeddings": [{}]}, {"embeddings": [{"values": 5}]}])
    def test_a_reply_of_another_shape_is_a_502_and_harms_nobody(self, body: Any) -> None:
        stage = google()
        stage.asks("/v1/embeddings", EMBED)
        assert status_of(stage.replies(body)) == 502
        assert stage.asks("/v1/embeddings", EMBED)

    def test_what_was_lost_is_named_or_refused(self) -> None:
        stage = google(group_key("fp-report", "a"), group_key("fp-strict", "a", "strict"))
        stage.asks("/v1/embeddings", EMBED | {"user": "u"}, "fp-report")
        assert b"x-fastproxy-lossy: user dropped\r\n" in stage.replies(GEMINI_VECTORS)
        assert stage.asks("/v1/embeddings", EMBED | {"user": "u"}, "fp-strict") == {}
        assert status_of(stage.got()) == 400

    def test_a_key_for_other_models_is_refused(self) -> None:
        stage = google(key("fp-narrow", "other"))
        assert stage.asks("/v1/embeddings", EMBED, "fp-narrow") == {}
        assert status_of(stage.got()) == 403

    def test_a_body_that_is_not_json_is_refused_whatever_it_looks_like(self) -> None:
        stage = google()
        text = json.dumps(EMBED).encode()
        head = f"POST /v1/embeddings HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}"
        stage.user.data_received(head.encode() + b"\r\n\r\n" + text)
        assert (status_of(stage.got()), wire_of(stage.peer).take()) == (400, b"")


class TestReranking:
    def test_a_jina_client_asks_cohere(self) -> None:
        stage = cohere()
        assert stage.asks("/v1/rerank", RERANK | {"top_n": 1}) == RERANK | {"top_n": 1}
        assert stage.asked_for() == b"/v2/rerank"
        reply = body_of(stage.replies({"id": "co", "results": RANKED, "meta": {"billed_units": {"search_units": 1}}}))
        assert reply["results"] == [RANKED[0] | {"document": {"text": "b"}}]
        assert (reply["model"], reply["meta"]) == ("m", {"billed_units": {"search_units": 1}})

    def test_a_cohere_client_asks_cohere(self) -> None:
        stage = cohere()
        stage.asks("/v2/rerank", RERANK | {"max_tokens_per_doc": 9})
        assert stage.asked_for() == b"/v2/rerank"
        answer = {"id": "co", "results": RANKED, "meta": {"billed_units": {"search_units": 1}}}
        assert body_of(stage.replies(answer)) == answer

    def test_a_cohere_client_asks_jina(self) -> None:
        stage = OneVendor("jina", ("openai",))
        assert stage.asks("/v2/rerank", RERANK) == RERANK | {"return_documents": False}
        assert stage.asked_for() == b"/v1/rerank"
        reply = body_of(stage.replies({"model": "j", "results": RANKED, "usage": {"total_tokens": 12}}))
        assert reply.keys() == {"id", "results", "meta"}
        assert stage.tokens("openai") == 12

    def test_a_jina_client_asks_jina_as_it_is(self) -> None:
        stage = OneVendor("jina", ("openai",))
        assert stage.asks("/v1/rerank", RERANK | {"own": 1}) == RERANK | {"own": 1}
        assert stage.asked_for() == b"/v1/rerank"


class TestCompletions:
    """Case 161."""

    def test_any_chat_channel_can_complete(self) -> None:
        stage = OneVendor("anthropic", ("anthropic",))
        sent = stage.asks("/v1/completions", {"model": "m", "prompt": "Once", "max_tokens": 9, "stop": "."})
        assert stage.asked_for() == b"/v1/messages"
        assert sent["messages"][0]["role"] == "user"
        assert (sent["max_tokens"], sent["stop_sequences"]) == (9, ["."])
        reply = body_of(stage.replies(CHAT_ANSWER))
        assert (reply["object"], reply["choices"][0]["text"]) == ("text_completion", "hello")
        assert (reply["choices"][0]["finish_reason"], reply["usage"]["total_tokens"]) == ("stop", 9)
        assert stage.tokens("anthropic") == 7

    def test_streams_too(self) -> None:
        stage = OneVendor("openai", ("openai-chat",))
        assert stage.asks("/v1/completions", {"model": "m", "prompt": "Once", "stream": True})["stream"] is True
        assert stage.asked_for() == b"/v1/chat/completions"
        stage.begins_stream()
        reply = stage.streams(
            chunk({"content": "hel"}), chunk({"content": "lo"}), chunk({}, "stop"), "data: [DONE]\n\n"
        )
        reply += stage.ends_stream()
        pieces = [json.loads(line[6:]) for line in reply.split(b"\n") if line.startswith(b"data: {")]
        assert "".join(piece["choices"][0]["text"] for piece in pieces) == "hello"
        assert pieces[-1]["choices"][0]["finish_reason"] == "stop"
        assert b"data: [DONE]\n\n" in reply
        assert reply.endswith(CHUNK_END)

    def test_a_stream_that_breaks_ends_in_openais_error(self) -> None:
        stage = OneVendor("openai", ("openai-chat",))
        stage.asks("/v1/completions", {"model": "m", "prompt": "Once", "stream": True})
        stage.begins_stream()
        reply = stage.streams(chunk({"content": "hel"})) + stage.ends_stream()
        assert b'"error":{' in reply
        assert b"[DONE]" not in reply
        assert not reply.endswith(CHUNK_END)

    @pytest.mark.parametrize("prompt", [[1, 2], ["a", "b"], 5, None])
    def test_prompts_that_are_no_text_are_named(self, prompt: Any) -> None:
        stage = OneVendor("anthropic", ("anthropic",))
        assert stage.asks("/v1/completions", {"model": "m", "prompt": prompt}) == {}
        refused = stage.got()
        assert (status_of(refused), body_of(refused)["error"]["param"]) == (400, "prompt")

    def test_who_has_them_is_asked_as_it_is(self) -> None:
        stage = openai()
        body = {"model": "m", "prompt": [1, 2]}
        assert stage.asks("/v1/completions", body) == body
        assert stage.asked_for() == b"/v1/completions"


@pytest.mark.parametrize(
    ("path", "body", "port"),
    [
        ("/v1/rerank", RERANK | {"model": "rerank-v3.5"}, 1),
        ("/v1/embeddings", EMBED | {"model": "gemini-embedding-001"}, 2),
        ("/v1/embeddings", EMBED | {"model": "text-embedding-3-small"}, 3),
        ("/v1/embeddings", EMBED | {"model": "somebodys-own"}, 1),
        ("/v1beta/models/text-embedding-3-small:embedContent", CONTENT, 3),
    ],
)
def test_among_channels_that_take_any_model_its_vendor_is_asked(path: str, body: dict[str, Any], port: int) -> None:
    vendors = (("cohere", "openai"), ("google-ai-studio", "gemini"), ("openai", "openai"))
    specs = [
        ChannelSpec(vendor, vendor, f"http://127.0.0.1:{place}/v1", (spoken,), "bearer", ("k",))
        for place, (vendor, spoken) in enumerate(vendors, 1)
    ]
    stage = Gateway(Snapshot(SECRET, "stage", {}, channels=tuple(specs), open_to_all=True))
    ends = {origin.port: warm(pool) for origin, pool in stage.world.pools.items()}
    text = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(text)}\r\n\r\n"
    stage.client().data_received(head.encode() + text)
    assert [place for place, outbound in ends.items() if wire_of(outbound).take()] == [port]


def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
    return data({"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def test_an_image_is_made_by_a_gemini_channel() -> None:
    stage = google()
    stage.asks("/v1/images/generations", {"model": "m", "prompt": "a pixel", "size": "1024x1024"})
    assert stage.asked_for() == b"/v1beta/models/m:generateContent"
    image = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
    reply = stage.replies({"candidates": [{"content": {"parts": [image]}}]})
    assert body_of(reply)["data"] == [{"b64_json": "iVBORw0KGgo="}]
    assert b"x-fastproxy-lossy" not in reply


async def _nobody(pool: Pool) -> Outbound:
    raise UpstreamFailed("refused", retry="if_unsent")


def test_a_second_channel_in_the_clients_own_shape_gets_the_clients_own_body() -> None:
    """The first cannot be reached; its body has been written by then."""

    async def scenario() -> None:
        google = ChannelSpec("g", "google-ai-studio", f"{ORIGIN}/v1beta", ("gemini",), "bearer", ("k",), ("m",))
        other = ChannelSpec("o", "openai", "http://127.0.0.1:8/v1", ("openai",), "bearer", ("k",), ("m",))
        first = msgspec.structs.replace(google, priority=2)
        stage = Gateway(Snapshot(SECRET, "stage", {}, channels=(first, other), open_to_all=True))
        pools = {origin.authority: pool for origin, pool in stage.world.pools.items()}
        pools["127.0.0.1:9"]._dial = _nobody
        second, client = warm(pools["127.0.0.1:8"]), stage.client()
        text = json.dumps(EMBED).encode()
        head = f"POST /v1/embeddings HTTP/1.1\r\nHost: a\r\nContent-Length: {len(text)}\r\n\r\n"
        client.data_received(head.encode() + text)
        for _ in range(6):
            await asyncio.sleep(0)
        assert wire_of(second).take().endswith(b"\r\n\r\n" + text)
        answer = b'{"data":[]}'
        second.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)
        assert wire_of(client).take().endswith(b"\r\n\r\n" + answer)

    asyncio.run(scenario())
