"""The official SDKs against channels that have an operation in another shape only: what they see is what the vendor's
own SDK sees of the same vendor, which is a mock here."""

from __future__ import annotations

import base64
import json
from array import array
from typing import TYPE_CHECKING, Any, Final

import openai
import pytest
from google.genai import errors as google_errors

from fastproxy.formats.vectors import numbers_of
from fastproxy.loadtest.mock_vectors import vector
from tests.live import sdk_calls
from tests.live.running import Gateway, Mock, MockOptions, mocking

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live
CLIENT: Final = "fp-client-key-0123456789"
UP: Final = {
    name: f"sk-upstream-{name}-0123456789"
    for name in ("google", "openai", "claude", "cohere", "jina", "busy", "painter")
}
DIMENSIONS: Final = 64
SCRIPT: Final = {
    "rules": [
        {"key": UP["busy"], "replies": [{"status": 429, "message": "slow down", "retry_after": 3}]},
        {"key": UP["painter"], "replies": [{"images": 1}]},
    ]
}


def config(mock: Mock) -> dict[str, Any]:
    def channel(name: str, provider: str, path: str, model: str) -> dict[str, Any]:
        return {"name": name, "provider": provider, "keys": [UP[name]], "base_url": mock.url + path,
                "models": [f"on-{name}"], "rename": {f"on-{name}": model}}  # fmt: skip

    return {
        "channels": [
            channel("google", "google-ai-studio", "/v1beta", "gemini-embedding-001"),
            channel("openai", "openai", "/v1", "text-embedding-3-small"),
            channel("claude", "anthropic", "/v1", "claude-sonnet-4-6"),
            channel("cohere", "cohere", "/compatibility/v1", "rerank-v3.5"),
            channel("jina", "jina", "/v1", "jina-reranker-v2-base-multilingual"),
            channel("busy", "openai", "/v1", "text-embedding-3-small"),
            channel("painter", "google-ai-studio", "/v1beta", "gemini-2.5-flash-image"),
        ],
        "keys": [{"name": "client", "key": CLIENT}],
    }


@pytest.fixture(scope="module")
def shared_mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mock]:
    script = tmp_path_factory.mktemp("script") / "script.json"
    script.write_text(json.dumps(SCRIPT), encoding="utf-8")
    with mocking(MockOptions(keys=tuple(UP.values()), script=str(script))) as mock:
        yield mock


@pytest.fixture
def mock(shared_mock: Mock) -> Mock:
    shared_mock.forget()
    return shared_mock


@pytest.fixture(scope="module")
def gateway(shared_mock: Mock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("one-shot"), config=config(shared_mock)) as running:
        yield running


def expected(*texts: str) -> list[list[float]]:
    """What the mock gives for these, as float32."""
    return [vector(text, DIMENSIONS).tolist() for text in texts]


def as_float32(vectors: list[list[float]]) -> list[list[float]]:
    return [array("f", each).tolist() for each in vectors]


@pytest.mark.parametrize("encoding", [None, "float", "base64"])
def test_openais_sdk_gets_geminis_embeddings_to_the_last_bit(
    gateway: Gateway, mock: Mock, encoding: str | None
) -> None:
    asked: Any = {} if encoding is None else {"encoding_format": encoding}  # the SDK's own default is base64
    with sdk_calls.openai_client(gateway.url, CLIENT) as client:
        reply = client.embeddings.create(model="on-google", input=["one", "two"], dimensions=DIMENSIONS, **asked)
    vectors = [numbers_of(item.embedding) for item in sorted(reply.data, key=lambda item: item.index)]
    assert as_float32(vectors) == expected("one", "two")
    assert reply.usage.total_tokens == 0  # the mock's Gemini does not count
    assert mock.newest()["path"] == "/v1beta/models/gemini-embedding-001:batchEmbedContents"


def test_googles_sdk_gets_openais_embeddings_to_the_last_bit(gateway: Gateway, mock: Mock) -> None:
    before = gateway.tokens()
    vectors = sdk_calls.gemini_embed(gateway.url, CLIENT, model="on-openai")
    assert as_float32(vectors) == expected("one", "two")
    assert mock.newest()["path"] == "/v1/embeddings"
    after = gateway.tokens()
    assert after["openai", "input"] > before["openai", "input"]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_openais_sdk_completes_with_a_chat_model(gateway: Gateway, mock: Mock, stream: bool) -> None:
    text, usage = sdk_calls.openai_completions(gateway.url, CLIENT, stream, model="on-claude")
    assert text.startswith("Mock answer to: Say hello")
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens"] == 20
    assert mock.newest()["path"] == "/v1/messages"


def test_token_ids_for_another_vendor_are_a_bad_request_of_openais(gateway: Gateway, mock: Mock) -> None:
    with sdk_calls.openai_client(gateway.url, CLIENT) as client, pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model="on-google", input=[1, 2, 3])
    assert refused.value.param == "input"
    assert mock.requests() == 0


def test_a_vendors_refusal_is_an_error_of_the_sdks_own(gateway: Gateway) -> None:
    with (
        sdk_calls.gemini_client(gateway.url, CLIENT) as client,
        pytest.raises(google_errors.ClientError) as refused,
    ):
        client.models.embed_content(model="on-busy", contents="a")
    assert (refused.value.code, refused.value.status) == (429, "RESOURCE_EXHAUSTED")


@pytest.mark.parametrize(
    ("model", "path", "asked"),
    [
        ("on-cohere", "/v1/rerank", "/v2/rerank"),
        ("on-cohere", "/v2/rerank", "/v2/rerank"),
        ("on-jina", "/v1/rerank", "/v1/rerank"),
        ("on-jina", "/v2/rerank", "/v1/rerank"),
    ],
)
def test_either_reranker_in_either_shape(gateway: Gateway, mock: Mock, model: str, path: str, asked: str) -> None:
    body = {"model": model, "query": "q", "documents": ["a", "b", "c"], "top_n": 2}
    reply = gateway.ask("POST", path, body, {"authorization": f"Bearer {CLIENT}"})
    assert reply.status == 200, reply
    results = json.loads(reply.body)["results"]
    assert [(result["index"], result["relevance_score"]) for result in results] == [(0, 0.99), (1, 0.495)]
    assert mock.newest()["path"] == asked


def test_openais_sdk_gets_an_image_from_gemini(gateway: Gateway, mock: Mock) -> None:
    with sdk_calls.openai_client(gateway.url, CLIENT) as client:
        reply = client.images.generate(model="on-painter", prompt="a pixel", size="1024x1024")
    assert reply.data
    assert base64.b64decode(reply.data[0].b64_json or "").startswith(b"\x89PNG")
    assert reply.usage is not None
    assert mock.newest()["path"] == "/v1beta/models/gemini-2.5-flash-image:generateContent"
