"""Official SDKs through the unified entry of a real gateway to a strict mock: what they see, what the mock sees, what
is counted. A direct call to the mock is the oracle: through the gateway an SDK must see the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import anthropic
import openai
import pytest
from google.genai import errors as google_errors

from tests.live import sdk_calls
from tests.live.running import Gateway, Mock, MockOptions, mask, mocking

pytestmark = pytest.mark.live
Call = Callable[..., sdk_calls.Result]
CLIENT: Final = "fp-client-key-0123456789"
NARROW: Final = "fp-narrow-key-0123456789"
UP: Final = {name: f"sk-upstream-{name}-0123456789" for name in ("openai", "second", "anthropic", "gemini")}
MODELS: Final = ["gpt-5", "gpt-5-mini", "gpt-3.5-turbo-instruct", "text-embedding-3-small", "omni-moderation-latest",
                 "gpt-image-1", "tts-1", "whisper-1"]  # fmt: skip
CONVERSATIONS: Final = (
    sdk_calls.openai_chat,
    sdk_calls.openai_completions,
    sdk_calls.openai_responses,
    sdk_calls.anthropic_messages,
    sdk_calls.gemini_generate,
)
VENDORS: Final = dict(zip(CONVERSATIONS, ("openai", "openai", "openai", "anthropic", "gemini"), strict=True))


def config(mock: Mock) -> dict[str, Any]:
    return {
        "channels": [
            {"name": "openai-main", "provider": "openai", "keys": [UP["openai"]], "base_url": f"{mock.url}/v1",
             "models": MODELS, "rename": {"company-model": "gpt-5"}, "priority": 10},
            {"name": "second", "provider": "groq", "keys": [UP["second"]], "base_url": f"{mock.url}/openai/v1",
             "models": ["gpt-5"]},
            {"name": "claude", "provider": "anthropic", "keys": [UP["anthropic"]], "base_url": f"{mock.url}/v1",
             "rename": {"company-claude": "claude-sonnet-4-6"}},
            {"name": "google", "provider": "google-ai-studio", "keys": [UP["gemini"]], "base_url": f"{mock.url}/v1beta",
             "rename": {"company-gemini": "gemini-2.5-flash"}},
        ],
        "keys": [
            {"name": "client", "key": CLIENT},
            {"name": "narrow", "key": NARROW, "models": ["gpt-5-mini"]},
        ],
    }  # fmt: skip


@pytest.fixture(scope="module")
def shared_mock() -> Iterator[Mock]:
    with mocking(MockOptions(keys=tuple(UP.values()))) as mock:
        yield mock


@pytest.fixture
def mock(shared_mock: Mock) -> Mock:
    shared_mock.forget()
    return shared_mock


@pytest.fixture(scope="module")
def gateway(shared_mock: Mock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("unified"), config=config(shared_mock)) as running:
        yield running


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("call", CONVERSATIONS)
def test_conversations_are_the_same_as_without_a_gateway(
    gateway: Gateway, mock: Mock, call: Call, stream: bool
) -> None:
    direct = call(mock.url, UP[VENDORS[call]], stream)
    assert call(gateway.url, CLIENT, stream) == direct


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("call", CONVERSATIONS)
def test_credentials_are_exchanged(gateway: Gateway, mock: Mock, call: Call, stream: bool) -> None:
    call(gateway.url, CLIENT, stream)
    (request,) = mock.last()
    shown = json.dumps(request)
    assert mask(UP[VENDORS[call]]) in shown
    assert mask(CLIENT) not in shown
    assert CLIENT not in shown


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (sdk_calls.openai_chat, openai.AuthenticationError),
        (sdk_calls.openai_responses, openai.AuthenticationError),
        (sdk_calls.openai_embeddings, openai.AuthenticationError),
        (sdk_calls.anthropic_messages, anthropic.AuthenticationError),
        (sdk_calls.gemini_generate, google_errors.ClientError),
    ],
)
@pytest.mark.parametrize("key", ["fp-wrong-key-0123456789", UP["openai"]], ids=["unknown", "the upstream's"])
def test_a_wrong_key_is_the_sdks_own_error(
    gateway: Gateway, mock: Mock, call: Call, expected: type[Exception], key: str
) -> None:
    with pytest.raises(expected) as refused:
        call(gateway.url, key)
    assert getattr(refused.value, "status_code", None) or getattr(refused.value, "code", None) == 401
    assert mock.last() == []


@pytest.mark.parametrize("field", ["authorization", "x-api-key", "api-key", "x-goog-api-key", "?key="])
def test_a_client_key_may_come_in_any_vendors_way(gateway: Gateway, mock: Mock, field: str) -> None:
    target, headers = "/v1/chat/completions", {}
    if field == "?key=":
        target += f"?key={CLIENT}"
    else:
        headers[field] = f"Bearer {CLIENT}" if field == "authorization" else CLIENT
    assert gateway.ask("POST", target, CHAT, headers).status == 200
    request = mock.newest()
    assert request["query"] == ""
    assert request["headers"]["authorization"] == [f"Bearer {mask(UP['openai'])}"]
    assert not {"x-api-key", "api-key", "x-goog-api-key"} & set(request["headers"])


CHAT: Final = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}
BEARER: Final = {"authorization": f"Bearer {CLIENT}"}


def test_two_different_credentials_are_refused(gateway: Gateway, mock: Mock) -> None:
    reply = gateway.ask("POST", "/v1/chat/completions", CHAT, BEARER | {"x-api-key": "another"})
    assert (reply.status, reply.json["error"]["type"]) == (400, "invalid_request_error")
    assert mock.last() == []


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(
    ("call", "alias", "real"),
    [
        (sdk_calls.openai_chat, "company-model", "gpt-5"),
        (sdk_calls.openai_responses, "company-model", "gpt-5"),
        (sdk_calls.anthropic_messages, "company-claude", "claude-sonnet-4-6"),
        (sdk_calls.gemini_generate, "company-gemini", "gemini-2.5-flash"),
    ],
)
def test_models_are_renamed(  # noqa: PLR0913 - one row of the table and two axes
    gateway: Gateway, mock: Mock, call: Any, alias: str, real: str, stream: bool
) -> None:
    call(gateway.url, CLIENT, stream, model=alias)
    request = mock.newest()
    assert alias not in json.dumps(request)
    assert real in (request["path"] if call is sdk_calls.gemini_generate else json.loads(request["body"])["model"])


@pytest.mark.parametrize(("wanted", "key"), [("second", "second"), ("groq", "second"), ("openai", "openai"),
                                             ("openai-main", "openai")])  # fmt: skip
def test_a_channel_or_provider_may_be_chosen(gateway: Gateway, mock: Mock, wanted: str, key: str) -> None:
    sdk_calls.openai_chat(gateway.url, CLIENT, headers={"X-Model-Provider": wanted})
    request = mock.newest()
    assert request["headers"]["authorization"] == [f"Bearer {mask(UP[key])}"]
    assert "x-model-provider" not in request["headers"]


def test_an_unknown_choice_is_refused(gateway: Gateway, mock: Mock) -> None:
    with pytest.raises(openai.APIStatusError, match="nowhere"):
        sdk_calls.openai_chat(gateway.url, CLIENT, headers={"X-Model-Provider": "nowhere"})
    assert mock.last() == []


MESSAGE: Final = {"model": "claude-sonnet-4-6", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
CONTENTS: Final = {"contents": [{"parts": [{"text": "hi"}]}]}
VERSION: Final = {"anthropic-version": "2023-06-01"}


@pytest.mark.parametrize(
    ("target", "body", "arrives"),
    [
        ("/v1/chat/completions", CHAT, "/v1/chat/completions"),
        ("/chat/completions", CHAT, "/v1/chat/completions"),
        ("/v1/responses", {"model": "gpt-5", "input": "hi"}, "/v1/responses"),
        ("/responses", {"model": "gpt-5", "input": "hi"}, "/v1/responses"),
        ("/embeddings", {"model": "text-embedding-3-small", "input": "hi"}, "/v1/embeddings"),
        ("/v1/messages", MESSAGE, "/v1/messages"),
        ("/v1/v1/messages", MESSAGE, "/v1/messages"),
        ("/messages", MESSAGE, "/v1/messages"),
        ("/v1/messages/count_tokens", MESSAGE, "/v1/messages/count_tokens"),
        ("/v1/v1/messages/count_tokens", MESSAGE, "/v1/messages/count_tokens"),
        ("/v1/models/gemini-2.5-flash:generateContent", CONTENTS, "/v1beta/models/gemini-2.5-flash:generateContent"),
        ("/v1beta/models/gemini-2.5-flash:countTokens", CONTENTS, "/v1beta/models/gemini-2.5-flash:countTokens"),
    ],
)
def test_paths_that_are_tolerated(gateway: Gateway, mock: Mock, target: str, body: object, arrives: str) -> None:
    assert gateway.ask("POST", target, body, BEARER | (VERSION if "messages" in target else {})).status == 200
    assert mock.newest()["path"] == arrives


def test_an_encoded_colon_reaches_gemini(gateway: Gateway, mock: Mock) -> None:
    target = "/v1/models/gemini-2.5-flash%3AgenerateContent"
    assert gateway.ask("POST", target, CONTENTS, {"x-goog-api-key": CLIENT}).status in (200, 404)
    assert "generateContent" in mock.newest()["path"]


def test_an_openai_client_without_v1_in_its_base_url(gateway: Gateway, mock: Mock) -> None:
    with openai.OpenAI(api_key=CLIENT, base_url=gateway.url, max_retries=0) as client:
        assert client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": "hi"}]).id
        assert "gpt-5" in [model.id for model in client.models.list()]


def test_an_anthropic_client_with_v1_in_its_base_url(gateway: Gateway, mock: Mock) -> None:
    assert sdk_calls.anthropic_messages(f"{gateway.url}/v1", CLIENT)[0].startswith("Mock answer")


OTHERS: Final[dict[Callable[[str, str], object], str]] = {
    sdk_calls.openai_embeddings: "openai",
    sdk_calls.openai_models: "openai",
    sdk_calls.openai_moderation: "openai",
    sdk_calls.openai_image: "openai",
    sdk_calls.openai_speech: "openai",
    sdk_calls.openai_transcription: "openai",
    sdk_calls.openai_files: "openai",
    sdk_calls.openai_batch: "openai",
    sdk_calls.openai_response_life: "openai",
    sdk_calls.anthropic_count_tokens: "anthropic",
    sdk_calls.anthropic_models: "anthropic",
    sdk_calls.gemini_generate_v1beta: "gemini",
    sdk_calls.gemini_embed: "gemini",
    sdk_calls.gemini_count_tokens: "gemini",
    sdk_calls.gemini_models: "gemini",
}


@pytest.mark.parametrize("call", OTHERS)
def test_the_other_operations(gateway: Gateway, mock: Mock, call: Callable[[str, str], object]) -> None:
    direct = call(mock.url, UP[OTHERS[call]])
    mock.forget()
    assert call(gateway.url, CLIENT) == direct
    for request in mock.last():
        assert mask(UP[OTHERS[call]]) in json.dumps(request["headers"])


def test_one_model_by_its_name(gateway: Gateway, mock: Mock) -> None:
    assert sdk_calls.openai_model(gateway.url, CLIENT, "gpt-5") == "gpt-5"


@pytest.mark.parametrize(
    ("call", "expected"),
    [(sdk_calls.openai_chat, openai.NotFoundError), (sdk_calls.openai_responses, openai.NotFoundError)],
)
def test_an_unknown_model_is_not_found(
    gateway: Gateway, mock: Mock, call: Any, expected: type[openai.APIError]
) -> None:
    with pytest.raises(expected, match="no-such-model") as refused:
        call(gateway.url, CLIENT, model="no-such-model")
    assert refused.value.code == "model_not_found"
    assert mock.last() == []


def test_a_key_may_use_its_models_only(gateway: Gateway, mock: Mock) -> None:
    assert sdk_calls.openai_chat(gateway.url, NARROW, model="gpt-5-mini")[0]
    with pytest.raises(openai.PermissionDeniedError, match="gpt-5"):
        sdk_calls.openai_chat(gateway.url, NARROW)
    with pytest.raises(google_errors.ClientError, match="PERMISSION_DENIED"):
        sdk_calls.gemini_generate(gateway.url, NARROW)
    assert len(mock.last()) == 1


def test_a_missing_model_names_the_field(gateway: Gateway, mock: Mock) -> None:
    reply = gateway.ask("POST", "/v1/chat/completions", {"messages": []}, BEARER)
    assert reply.status == 400
    assert reply.json["error"]["param"] == "model"


@pytest.mark.parametrize("status", [400, 401, 429, 500, 529])
def test_upstream_errors_pass_as_they_are(gateway: Gateway, mock: Mock, status: int) -> None:
    wish = {"x-mock-status": str(status), "x-mock-retry-after": "7"}
    with pytest.raises(openai.APIStatusError, match="told to fail") as failed:
        sdk_calls.openai_chat(gateway.url, CLIENT, headers=wish)
    assert failed.value.status_code == status
    assert failed.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("target", "body", "channel"),
    [
        ("/v1/chat/completions", CHAT, "openai-main"),
        ("/v1/chat/completions", CHAT | {"stream": True}, "openai-main"),
        ("/v1/messages", MESSAGE, "claude"),
        ("/v1beta/models/gemini-2.5-flash:generateContent", CONTENTS, "google"),
    ],
)
def test_replies_say_who_answered_and_hide_the_account(
    gateway: Gateway, mock: Mock, target: str, body: object, channel: str
) -> None:
    reply = gateway.ask("POST", target, body, BEARER | VERSION)
    assert reply.status == 200
    assert reply.one("x-fastproxy-channel") == channel
    assert reply.one("x-fastproxy-attempts") == "1"
    assert len(reply.one("x-request-id")) >= 16
    seen = json.dumps(reply.headers) + reply.raw.decode()
    assert not [key for key in UP.values() if key in seen]
    assert str(mock.port) not in json.dumps(reply.headers)
    assert not {"openai-organization", "anthropic-organization-id", "set-cookie"} & set(reply.headers)


def test_request_ids_are_new_each_time(gateway: Gateway, mock: Mock) -> None:
    ids = {gateway.ask("POST", "/v1/chat/completions", CHAT, BEARER).one("x-request-id") for _ in range(3)}
    assert len(ids) == 3


def test_openais_sdk_finds_the_request_id(gateway: Gateway, mock: Mock) -> None:
    with sdk_calls.openai_client(gateway.url, CLIENT) as client:
        chat: Any = CHAT
        assert client.chat.completions.create(**chat)._request_id


def test_anthropics_sdk_finds_the_request_id(gateway: Gateway, mock: Mock) -> None:
    """Its SDK reads `request-id`; the gateway is the one whom a user will name it to."""
    with sdk_calls.anthropic_client(gateway.url, CLIENT) as client:
        message: Any = MESSAGE
        assert client.messages.create(**message)._request_id
        with pytest.raises(anthropic.APIStatusError) as failed:
            client.messages.create(**message, extra_headers={"x-mock-status": "529"})
        assert failed.value.request_id


TOKEN_KINDS: Final = ("input", "cache_read", "cache_write", "output", "reasoning")


@pytest.mark.parametrize("wish", [{}, {"x-mock-usage": "input=70,cached=20,written=10,output=50,reasoning=30"}],
                         ids=["small", "every bucket"])  # fmt: skip
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(
    ("call", "wire_format"),
    [
        (sdk_calls.openai_chat, "openai-chat"),
        (sdk_calls.openai_responses, "openai-responses"),
        (sdk_calls.anthropic_messages, "anthropic"),
        (sdk_calls.gemini_generate, "gemini"),
    ],
)
def test_tokens_counted_are_those_of_the_mocks_books(  # noqa: PLR0913 - one row of the table and two axes
    gateway: Gateway, mock: Mock, call: Any, wire_format: str, stream: bool, wish: dict[str, str]
) -> None:
    before = gateway.tokens()
    for _ in range(3):
        call(gateway.url, CLIENT, stream, headers=wish)
    total = mock.books()["total"]
    assert total["requests"] == 3
    gateway.has_counted(before, {(wire_format, kind): total[f"{kind}_tokens"] for kind in TOKEN_KINDS})


def test_tokens_of_embeddings_and_old_completions(gateway: Gateway, mock: Mock) -> None:
    before = gateway.tokens()
    sdk_calls.openai_embeddings(gateway.url, CLIENT)
    sdk_calls.openai_completions(gateway.url, CLIENT)
    sdk_calls.openai_completions(gateway.url, CLIENT, True)
    total = mock.books()["total"]
    gateway.has_counted(before, {("openai", kind): total[f"{kind}_tokens"] for kind in TOKEN_KINDS})


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_a_chat_model_of_openais_completes_by_chat(gateway: Gateway, mock: Mock, stream: bool) -> None:
    """OpenAI itself answers 404 there."""
    before = gateway.tokens()
    text, usage = sdk_calls.openai_completions(gateway.url, CLIENT, stream, model="gpt-5")
    assert text.startswith("Mock answer to: Say hello")
    assert mock.newest()["path"] == "/v1/chat/completions"
    total = mock.books()["total"]
    assert usage["completion_tokens"] == total["output_tokens"]
    gateway.has_counted(before, {("openai-chat", kind): total[f"{kind}_tokens"] for kind in TOKEN_KINDS})


def test_what_costs_nothing_is_not_counted(gateway: Gateway, mock: Mock) -> None:
    sdk_calls.openai_response_life(gateway.url, CLIENT)  # its look-ups repeat the usage of what was made
    sdk_calls.anthropic_count_tokens(gateway.url, CLIENT)
    sdk_calls.gemini_count_tokens(gateway.url, CLIENT)
    sdk_calls.openai_chat(gateway.url, CLIENT)
    before = gateway.tokens()
    mock.forget()
    sdk_calls.openai_models(gateway.url, CLIENT)
    sdk_calls.anthropic_count_tokens(gateway.url, CLIENT)
    sdk_calls.openai_chat(gateway.url, CLIENT)
    total = mock.books()["endpoints"]["chat/completions"]
    gateway.has_counted(before, {("openai-chat", kind): total[f"{kind}_tokens"] for kind in TOKEN_KINDS})


@pytest.fixture(scope="module")
def chat_only(shared_mock: Mock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One channel that speaks chat completions and nothing else, given by flags."""
    flags = ("--provider", f"mistral={UP['openai']}@{shared_mock.url}/v1", "--key", CLIENT)
    with Gateway(tmp_path_factory.mktemp("chat-only"), *flags) as running:
        yield running


def test_flags_alone_make_a_gateway(chat_only: Gateway, mock: Mock) -> None:
    assert sdk_calls.openai_chat(chat_only.url, CLIENT, True)[0].startswith("Mock answer")
    with pytest.raises(openai.AuthenticationError):
        sdk_calls.openai_chat(chat_only.url, "fp-other")


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (sdk_calls.openai_responses, "Mock answer"),
        (sdk_calls.anthropic_messages, "Mock answer"),
        (sdk_calls.gemini_generate, "Mock answer"),
    ],
)
def test_a_format_that_no_channel_speaks_is_translated(
    chat_only: Gateway, mock: Mock, call: Any, expected: str
) -> None:
    assert call(chat_only.url, CLIENT)[0].startswith(expected)
    assert [request["path"] for request in mock.last()] == ["/v1/chat/completions"]


@pytest.mark.parametrize("call", [sdk_calls.anthropic_count_tokens, sdk_calls.gemini_count_tokens])
def test_tokens_are_estimated_where_nobody_counts_them(chat_only: Gateway, mock: Mock, call: Any) -> None:
    assert 1 <= call(chat_only.url, CLIENT) < 100
    assert mock.last() == []


def test_what_is_not_translated_is_501_in_the_clients_format(chat_only: Gateway) -> None:
    bearer = {"authorization": f"Bearer {CLIENT}"}
    found = chat_only.ask("POST", "/v1/messages/batches", MESSAGE, bearer | VERSION).json
    assert (found["type"], found["error"]["type"]) == ("error", "api_error")
    assert "speaks anthropic, and 'messages_batches' is not translated" in found["error"]["message"]
    found = chat_only.ask("POST", "/v1beta/models/g:predict", CONTENTS, bearer).json
    assert (found["error"]["code"], found["error"]["status"]) == (501, "UNIMPLEMENTED")
    found = chat_only.ask("POST", "/v1/responses/compact", {"model": "gpt-5", "input": "hi"}, bearer).json
    assert found["error"]["code"] == "not_implemented"


VARIABLES: Final = (
    ("OPENAI_API_KEY", "OPENAI_BASE_URL", "/v1", sdk_calls.openai_chat),
    ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "", sdk_calls.anthropic_messages),
    ("GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL", "", sdk_calls.gemini_generate),
)


def test_vendors_variables_make_channels(mock: Mock, tmp_path_factory: pytest.TempPathFactory) -> None:
    environ = {key: UP["openai"] for key, _, _, _ in VARIABLES}
    environ |= {base: mock.url + path for _, base, path, _ in VARIABLES}
    with Gateway(tmp_path_factory.mktemp("env"), environ=environ) as gateway:
        for *_, call in VARIABLES:
            assert call(gateway.url, "no-key-is-asked-for-on-loopback")[0].startswith("Mock answer")
            assert mask(UP["openai"]) in json.dumps(mock.newest())
