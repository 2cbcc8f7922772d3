"""The official SDKs straight against the mock: they accept what it sends, and it accepts what they send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors as google_errors

from tests.live import sdk_calls
from tests.loadtest.mock_process import KEY, ask

pytestmark = pytest.mark.timeout(30)
Call = Callable[..., sdk_calls.Result]
SPOKEN: list[tuple[Call, str, dict[str, Any]]] = [
    (sdk_calls.openai_chat, "Mock answer to: Say hello to Ada", {"prompt_tokens": 7, "completion_tokens": 20}),
    (sdk_calls.openai_completions, "Mock answer to: Say hello", {"prompt_tokens": 3, "completion_tokens": 20}),
    (sdk_calls.openai_responses, "Mock answer to: Say hello to Ada", {"input_tokens": 4, "output_tokens": 20}),
    (sdk_calls.anthropic_messages, "Mock answer to: Say hello to Ada", {"input_tokens": 3, "output_tokens": 20}),
    (
        sdk_calls.gemini_generate,
        "Mock answer to: Say hello to Ada",
        {"prompt_token_count": 4, "candidates_token_count": 16, "thoughts_token_count": 4, "total_token_count": 24},
    ),
]


@pytest.fixture
def url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(("call", "begins", "counts"), SPOKEN, ids=[call.__name__ for call, _, _ in SPOKEN])
def test_conversation(url: str, call: Call, begins: str, counts: dict[str, Any], stream: bool) -> None:
    text, usage = call(url, KEY, stream)
    assert text.startswith(begins)
    assert len(text.split()) == 16
    assert {name: usage.get(name) for name in counts} == counts


@pytest.mark.parametrize("call", [call for call, _, _ in SPOKEN], ids=lambda call: call.__name__)
def test_a_stream_says_what_the_plain_reply_says(url: str, call: Call) -> None:
    plain, streamed = call(url, KEY), call(url, KEY, True)
    assert plain[0] == streamed[0]
    assert {k: v for k, v in plain[1].items() if k in streamed[1]} == {
        k: v for k, v in streamed[1].items() if k in plain[1]
    }


def test_usage_details_of_each_format(url: str) -> None:
    wish = {"x-mock-usage": "input=70,cached=20,written=10,output=50,reasoning=30"}
    chat = sdk_calls.openai_chat(url, KEY, headers=wish)[1]
    assert (chat["prompt_tokens"], chat["completion_tokens"], chat["total_tokens"]) == (100, 50, 150)
    assert chat["prompt_tokens_details"]["cached_tokens"] == 20
    assert chat["completion_tokens_details"]["reasoning_tokens"] == 30
    responses = sdk_calls.openai_responses(url, KEY, True, headers=wish)[1]
    assert responses["input_tokens_details"] == {"cached_tokens": 20, "cache_write_tokens": 10}
    assert (responses["input_tokens"], responses["output_tokens_details"]) == (100, {"reasoning_tokens": 30})
    messages = sdk_calls.anthropic_messages(url, KEY, True, headers=wish)[1]
    assert (messages["input_tokens"], messages["cache_read_input_tokens"]) == (70, 20)
    assert (messages["cache_creation_input_tokens"], messages["output_tokens"]) == (10, 50)
    gemini = sdk_calls.gemini_generate(url, KEY, True, headers=wish)[1]
    assert (gemini["prompt_token_count"], gemini["cached_content_token_count"]) == (100, 20)
    assert (gemini["candidates_token_count"], gemini["thoughts_token_count"]) == (20, 30)


def test_gemini_has_two_version_prefixes(url: str) -> None:
    assert sdk_calls.gemini_generate(url, KEY) == sdk_calls.gemini_generate_v1beta(url, KEY)


def test_embeddings_are_the_same_in_both_encodings(url: str) -> None:
    packed, usage = sdk_calls.openai_embeddings(url, KEY)
    plain, _ = sdk_calls.openai_embeddings(url, KEY, encoding="float")
    assert packed == plain
    assert [len(vector) for vector in packed] == [64, 64]
    assert packed[0] != packed[1]
    assert usage == {"prompt_tokens": 2, "total_tokens": 2}
    assert [len(vector) for vector in sdk_calls.gemini_embed(url, KEY)] == [64, 64]


def test_three_shapes_of_one_model_list(url: str) -> None:
    names = sdk_calls.openai_models(url, KEY)
    assert "gpt-5" in names
    assert sdk_calls.anthropic_models(url, KEY) == names
    assert sdk_calls.gemini_models(url, KEY) == ["models/" + name for name in names]
    assert sdk_calls.openai_model(url, KEY, "openai/gpt-oss-120b") == "openai/gpt-oss-120b"


def test_counting(url: str) -> None:
    assert sdk_calls.anthropic_count_tokens(url, KEY) == 4
    assert sdk_calls.gemini_count_tokens(url, KEY) == 4


def test_the_other_openai_operations(url: str) -> None:
    assert sdk_calls.openai_response_life(url, KEY) == ("response", "message", "cancelled")
    assert sdk_calls.openai_moderation(url, KEY) is False
    assert sdk_calls.openai_image(url, KEY).startswith("iVBOR")
    assert sdk_calls.openai_speech(url, KEY).startswith(b"ID3")
    assert sdk_calls.openai_transcription(url, KEY).startswith("Mock answer")
    assert sdk_calls.openai_files(url, KEY) == ("in.jsonl", 8, b'{"custom_id":"mock"}\n')
    assert sdk_calls.openai_batch(url, KEY) == ("validating", "completed")


def test_errors_arrive_as_the_sdks_own_exceptions(url: str) -> None:
    with pytest.raises(openai.RateLimitError) as limited:
        sdk_calls.openai_chat(url, KEY, headers={"x-mock-status": "429", "x-mock-retry-after": "7"})
    assert limited.value.response.headers["retry-after"] == "7"
    with pytest.raises(anthropic.APIStatusError, match="overloaded_error") as overloaded:
        sdk_calls.anthropic_messages(url, KEY, headers={"x-mock-status": "529"})
    assert overloaded.value.status_code == 529
    with pytest.raises(google_errors.ServerError, match="UNAVAILABLE"):
        sdk_calls.gemini_generate(url, KEY, headers={"x-mock-status": "503"})
    with pytest.raises(openai.NotFoundError):
        sdk_calls.openai_model(url, KEY, "no-such-model")


@pytest.mark.parametrize("wish", ["x-mock-cut", "x-mock-fin"])
def test_a_cut_stream_is_seen_by_the_sdk(url: str, wish: str) -> None:
    with pytest.raises(openai.APIConnectionError):
        sdk_calls.openai_chat(url, KEY, True, headers={wish: "3"})


def test_the_books_add_up_after_sdk_calls(url: str, port: int) -> None:
    usages = [sdk_calls.openai_chat(url, KEY, stream)[1] for stream in (False, True)]
    total = ask(port, "GET", "/_books").json["total"]
    assert total["requests"] == 2
    prompts = total["input_tokens"] + total["cache_read_tokens"] + total["cache_write_tokens"]
    assert prompts == sum(usage["prompt_tokens"] for usage in usages)
    assert total["output_tokens"] == sum(usage["completion_tokens"] for usage in usages)
