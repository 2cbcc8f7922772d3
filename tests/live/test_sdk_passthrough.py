"""/{provider}/…: every vendor's path rule as a mock in its place receives it, what is taken out of a request, whose key
travels, and the official SDKs with nothing but another base URL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import openai
import pytest

from fastproxy.providers.catalogue import NAMES
from tests.live import sdk_calls
from tests.live.running import Gateway, Mock, command, mask, mocking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.live
OWN: Final = "sk-the-clients-own-0123456789"
GATEWAY_KEY: Final = "fp-key-of-the-gateway-0123456789"

# name → what a client asks for below /{name}, what the vendor gets
PATHS: Final = {
    "anthropic": ("/v1/messages?beta=true", "/v1/messages?beta=true"),
    "aws-bedrock": ("/bedrock-runtime/eu-west-3/model/a.b-v1:0/invoke", "/model/a.b-v1:0/invoke"),
    "azure-openai": ("/res/gpt-5/embeddings?api-version=1", "/openai/deployments/gpt-5/embeddings?api-version=1"),
    "cartesia": ("/tts/bytes", "/tts/bytes"),
    "cerebras": ("/v1/chat/completions", "/v1/chat/completions"),
    "cohere": ("/v2/chat", "/v2/chat"),
    "deepbricks": ("/v1/chat/completions", "/v1/chat/completions"),
    "deepseek": ("/chat/completions", "/chat/completions"),
    "elevenlabs": ("/v1/text-to-speech/voice?output_format=mp3", "/v1/text-to-speech/voice?output_format=mp3"),
    "fireworks": ("/v1/chat/completions", "/inference/v1/chat/completions"),
    "google-ai-studio": ("/v1beta/models/g:generateContent?alt=sse", "/v1beta/models/g:generateContent?alt=sse"),
    "google-vertex-ai": ("/projects/p/locations/us-central1/publishers/google/models/g:generateContent",
                         "/v1/projects/p/locations/us-central1/publishers/google/models/g:generateContent"),
    "grok": ("/v1/chat/completions", "/v1/chat/completions"),
    "groq": ("/openai/v1/chat/completions", "/openai/v1/chat/completions"),
    "huggingface": ("/models/gpt2", "/models/gpt2"),
    "hyperbolic": ("/v1/chat/completions", "/v1/chat/completions"),
    "jina": ("/v1/embeddings", "/v1/embeddings"),
    "jina-deepsearch": ("/v1/chat/completions", "/v1/chat/completions"),
    "mistral": ("/v1/chat/completions", "/v1/chat/completions"),
    "openai": ("/v1/chat/completions", "/v1/chat/completions"),
    "openrouter": ("/v1/chat/completions", "/api/v1/chat/completions"),
    "perplexity-ai": ("/chat/completions", "/chat/completions"),
    "poe": ("/v1/chat/completions", "/v1/chat/completions"),
    "replicate": ("/v1/predictions", "/v1/predictions"),
    "together": ("/v1/chat/completions", "/v1/chat/completions"),
    "vercel": ("/v1/chat/completions", "/v1/chat/completions"),
}  # fmt: skip
AWKWARD: Final = ("/v1/a%2Fb%3Ac//d;e=1", "/v1/x?key=a%20b&u=http://evil.example/", "/v1/caf%C3%A9/...", "/")
# The catalogue cannot say what these speak, so a channel of theirs names a format; the transparent entry does not care.
MUTE: Final = ("cartesia", "elevenlabs", "replicate")


@pytest.fixture(scope="module")
def shared_mock() -> Iterator[Mock]:
    with mocking() as mock:
        yield mock


@pytest.fixture
def mock(shared_mock: Mock) -> Mock:
    shared_mock.forget()
    return shared_mock


def channels(mock: Mock) -> list[dict[str, Any]]:
    formats: dict[str, dict[str, str]] = {name: {"format": "openai"} for name in MUTE}
    return [{"provider": name, "base_url": mock.url} | formats.get(name, {}) for name in NAMES]


@pytest.fixture(scope="module")
def gateway(shared_mock: Mock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = {"channels": channels(shared_mock)}
    with Gateway(tmp_path_factory.mktemp("providers"), config=config) as running:
        yield running


def arrived(mock: Mock) -> str:
    request = mock.newest()
    return str(request["path"]) + ("?" + str(request["query"]) if request["query"] else "")


def test_the_table_has_all_26() -> None:
    assert len(NAMES) == 26
    assert set(PATHS) == set(NAMES)


@pytest.mark.parametrize("name", PATHS)
def test_paths_follow_each_vendors_rule(gateway: Gateway, mock: Mock, name: str) -> None:
    asked, expected = PATHS[name]
    gateway.ask("GET", f"/{name}{asked}", headers={"authorization": f"Bearer {OWN}"})
    assert arrived(mock) == expected
    assert mock.newest()["headers"]["host"] == [f"127.0.0.1:{mock.port}"]


@pytest.mark.parametrize("name", ["openai", "anthropic", "cartesia", "fireworks", "openrouter"])
@pytest.mark.parametrize("path", AWKWARD)
def test_paths_keep_every_byte(gateway: Gateway, mock: Mock, name: str, path: str) -> None:
    gateway.ask("GET", f"/{name}{path}")
    prefix = {"fireworks": "/inference", "openrouter": "/api"}.get(name, "")
    assert arrived(mock) == prefix + path.replace("key=a%20b", "key=" + mask("a%20b"))


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/openai/../admin", 400),
        ("/openai/v1/%2e%2e/x", 400),
        ("/azure-openai/only-resource", 400),
        ("/google-vertex-ai/projects/p/zones/z", 400),
        ("/aws-bedrock/bedrock-runtime/EVIL.example/x", 400),
        ("/unknown-vendor/v1/x", 404),
        ("/openaix/v1/x", 404),
    ],
)
def test_paths_that_fit_no_rule_go_nowhere(gateway: Gateway, mock: Mock, target: str, status: int) -> None:
    assert gateway.ask("GET", target).status == status
    assert mock.last() == []


@pytest.mark.parametrize("alias", ["gemini", "claude", "xai", "OpenAI"])
def test_names_that_people_use(gateway: Gateway, mock: Mock, alias: str) -> None:
    gateway.ask("GET", f"/{alias}/v1/x")
    assert arrived(mock) == "/v1/x"


def test_an_address_with_a_path_keeps_it_as_a_prefix(mock: Mock, tmp_path_factory: pytest.TempPathFactory) -> None:
    bases = {"openai": "/inner/v1", "fireworks": "/inner/inference/v1", "anthropic": "/inner", "groq": "/openai/v1"}
    flags = [flag for name, base in bases.items() for flag in ("--provider", f"{name}@{mock.url}{base}")]
    expected = {"openai": "/inner/v1/x", "fireworks": "/inner/inference/v1/x", "anthropic": "/inner/v1/x",
                "groq": "/openai/v1/x"}  # fmt: skip
    with Gateway(tmp_path_factory.mktemp("prefixed"), *flags) as gateway:
        for name in bases:
            gateway.ask("GET", f"/{name}{'/openai' if name == 'groq' else ''}/v1/x")
            assert arrived(mock) == expected[name]


def test_every_provider_may_be_given_an_address_by_flag(mock: Mock) -> None:
    flags = [flag for name in NAMES for flag in ("--provider", f"{name}@{mock.url}")]
    done = command("check", *flags)
    assert done.returncode == 0, done.stderr


HIDDEN: Final = (
    "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Real-IP", "Forwarded", "Via",
    "CF-Connecting-IP", "CF-Ray", "CF-IPCountry", "CF-Visitor", "CDN-Loop", "True-Client-IP", "X-Client-IP",
    "X-Cluster-Client-IP", "Cookie", "X-Model-Provider", "Fastly-Client-IP", "X-Envoy-External-Address",
)  # fmt: skip
KEPT: Final = {
    "OpenAI-Organization": "org-of-the-client", "OpenAI-Beta": "assistants=v2", "User-Agent": "an-sdk/1.0",
    "X-Stainless-Lang": "python", "Accept": "application/json", "X-Custom": "one,two", "traceparent": "00-aa-bb-01",
}  # fmt: skip


def test_what_tells_of_the_client_is_taken_out(gateway: Gateway, mock: Mock) -> None:
    sent = (
        dict.fromkeys(HIDDEN, "203.0.113.7") | KEPT | {"Connection": "close, X-Hop", "X-Hop": "mine", "TE": "trailers"}
    )
    gateway.ask("GET", "/openai/v1/models", headers=sent)
    got = mock.newest()["headers"]
    assert "203.0.113.7" not in json.dumps(got)
    assert not {name.lower() for name in HIDDEN} - {"via"} & set(got)
    assert not {"x-hop", "connection", "te", "keep-alive"} & set(got)
    assert {name.lower(): [value] for name, value in KEPT.items()}.items() <= got.items()


@pytest.mark.parametrize("field", ["authorization", "x-api-key", "api-key", "x-goog-api-key"])
def test_the_clients_own_key_travels(gateway: Gateway, mock: Mock, field: str) -> None:
    gateway.ask("GET", "/cartesia/v1/x", headers={field: OWN})
    assert mock.newest()["headers"][field] == [mask(OWN)]


def test_a_key_in_the_query_travels(gateway: Gateway, mock: Mock) -> None:
    gateway.ask("GET", f"/google-ai-studio/v1beta/models?key={OWN}&pageSize=5")
    assert mock.newest()["query"] == f"key={mask(OWN)}&pageSize=5"


def test_replies_come_back_as_they_are(gateway: Gateway, mock: Mock) -> None:
    reply = gateway.ask("GET", "/openai/v1/models", headers={"authorization": f"Bearer {OWN}"})
    assert reply.status == 200
    assert reply.one("openai-organization")  # the account is the client's own
    missing = gateway.ask("GET", "/openai/nothing/here", headers={"authorization": f"Bearer {OWN}"})
    assert (missing.status, missing.json["error"]["code"]) == (404, "unknown_url")


# call → where its SDK's base URL points below the gateway
SDKS: Final[tuple[tuple[Callable[..., sdk_calls.Result], str], ...]] = (
    (sdk_calls.openai_chat, "/openai/v1"),
    (sdk_calls.openai_responses, "/openai/v1"),
    (sdk_calls.openai_chat, "/openrouter/v1"),
    (sdk_calls.openai_chat, "/fireworks/v1"),
    (sdk_calls.openai_chat, "/groq/openai/v1"),
    (sdk_calls.anthropic_messages, "/anthropic"),
    (sdk_calls.gemini_generate, "/google-ai-studio"),
)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(("call", "base"), SDKS)
def test_sdks_need_another_base_url_only(
    gateway: Gateway, mock: Mock, call: Callable[..., sdk_calls.Result], base: str, stream: bool
) -> None:
    direct = call(mock.url, OWN, stream)
    mock.forget()
    assert call(gateway.url + base, OWN, stream) == direct
    (request,) = mock.last()
    assert mask(OWN) in json.dumps(request["headers"])


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(
    ("call", "base", "wire_format"),
    [
        (sdk_calls.openai_chat, "/openai/v1", "openai-chat"),
        (sdk_calls.openai_responses, "/openai/v1", "openai-responses"),
        (sdk_calls.anthropic_messages, "/anthropic", "anthropic"),
        (sdk_calls.gemini_generate, "/google-ai-studio", "gemini"),
    ],
)
def test_usage_is_counted_here_too(  # noqa: PLR0913 - one row of the table and two axes
    gateway: Gateway, mock: Mock, call: Callable[..., sdk_calls.Result], base: str, wire_format: str, stream: bool
) -> None:  # fmt: skip
    before = gateway.tokens()
    call(gateway.url + base, OWN, stream)
    total = mock.books()["total"]
    kinds = ("input", "cache_read", "cache_write", "output", "reasoning")
    gateway.has_counted(before, {(wire_format, kind): total[f"{kind}_tokens"] for kind in kinds})


def test_the_lists_of_this_node(gateway: Gateway) -> None:
    assert gateway.ask("GET", "/providers").json == sorted(NAMES)
    assert gateway.ask("GET", "/health").status == 200
    assert "text/html" in gateway.ask("GET", "/").one("content-type")


def test_off_means_off(mock: Mock, tmp_path_factory: pytest.TempPathFactory) -> None:
    config = {"passthrough": "off", "channels": [{"provider": "openai", "base_url": f"{mock.url}/v1", "keys": [OWN]}]}
    with Gateway(tmp_path_factory.mktemp("off"), config=config) as gateway:
        with pytest.raises(openai.PermissionDeniedError):
            sdk_calls.openai_chat(f"{gateway.url}/openai/v1", OWN)
        assert gateway.ask("GET", "/cartesia/v1/x").status == 403
        assert mock.last() == []
        assert sdk_calls.openai_chat(gateway.url, "anything")[0]


@pytest.fixture(scope="module")
def guarded(shared_mock: Mock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = {
        "passthrough": "require-key",
        "channels": channels(shared_mock),
        "keys": [{"name": "k", "key": GATEWAY_KEY}],
    }
    with Gateway(tmp_path_factory.mktemp("guarded"), config=config) as running:
        yield running


@pytest.mark.parametrize("headers", [{}, {"authorization": f"Bearer {OWN}"}], ids=["none", "a provider's"])
def test_with_require_key_a_stranger_is_refused(guarded: Gateway, mock: Mock, headers: dict[str, str]) -> None:
    reply = guarded.ask("POST", "/openai/v1/chat/completions", {"model": "gpt-5"}, headers)
    assert (reply.status, reply.json["error"]["type"]) == (401, "authentication_error")
    assert mock.last() == []


@pytest.mark.parametrize("field", ["authorization", "x-api-key", "api-key", "x-goog-api-key", "?key="])
def test_the_gateways_own_key_never_reaches_a_vendor(guarded: Gateway, mock: Mock, field: str) -> None:
    target = "/openai/v1/models" + (f"?key={GATEWAY_KEY}" if field == "?key=" else "")
    value = f"Bearer {GATEWAY_KEY}" if field == "authorization" else GATEWAY_KEY
    guarded.ask("GET", target, headers={} if field == "?key=" else {field: value})
    (request,) = mock.last()
    assert mask(GATEWAY_KEY) not in json.dumps(request)
    assert GATEWAY_KEY not in json.dumps(request)
