"""The path rules of all providers by table, and the proof that no path leads to a host its provider does not own."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.errors import BadRequest, NoRoute
from fastproxy.providers.catalogue import NAMES, PROVIDERS
from fastproxy.providers.passthrough import HIDDEN_FROM_PROVIDERS, Target, rebase, resolve

VERBATIM = {
    "anthropic": "api.anthropic.com",
    "cartesia": "api.cartesia.ai",
    "cerebras": "api.cerebras.ai",
    "cohere": "api.cohere.ai",
    "deepbricks": "api.deepbricks.ai",
    "deepseek": "api.deepseek.com",
    "elevenlabs": "api.elevenlabs.io",
    "google-ai-studio": "generativelanguage.googleapis.com",
    "grok": "api.x.ai",
    "groq": "api.groq.com",
    "huggingface": "api-inference.huggingface.co",
    "hyperbolic": "api.hyperbolic.xyz",
    "jina": "api.jina.ai",
    "jina-deepsearch": "deepsearch.jina.ai",
    "mistral": "api.mistral.ai",
    "openai": "api.openai.com",
    "perplexity-ai": "api.perplexity.ai",
    "poe": "api.poe.com",
    "replicate": "api.replicate.com",
    "together": "api.together.xyz",
    "vercel": "ai-gateway.vercel.sh",
}
PREFIXED = {"fireworks": ("api.fireworks.ai", b"/inference"), "openrouter": ("openrouter.ai", b"/api")}
REWRITING = {"aws-bedrock", "azure-openai", "google-vertex-ai"}
# what a path may hold, and must still hold when it leaves
EXACT = (
    b"/v1/chat/completions",
    b"/",
    b"/v1/x?key=a%20b&alt=sse&u=http://evil.example/",
    b"/v1/models/a%2Fb%3AgenerateContent",
    b"/v1//double///slash/",
    b"//evil.example/x",
    b"/@evil.example/",
    b"/:8443@evil.example",
    b"/v1/a%2etxt?x=/../y",
    b"/v1/caf\xc3\xa9/%E2%82%AC;p=1",
    b"/v1/...",
    b"/v1/.hidden/..x/x..",
    b"/v1/%00%0d%0ahost:%20evil.example",
)


def test_every_provider_has_a_row() -> None:
    assert {*VERBATIM, *PREFIXED, *REWRITING} == set(NAMES)


@pytest.mark.parametrize("path", EXACT)
@pytest.mark.parametrize(("name", "host"), VERBATIM.items())
def test_verbatim_providers_keep_every_byte(name: str, host: str, path: bytes) -> None:
    assert resolve(name, path) == Target(name, f"https://{host}", path)


@pytest.mark.parametrize("path", EXACT)
@pytest.mark.parametrize("name", PREFIXED)
def test_prefixed_providers_keep_every_byte_behind_the_prefix(name: str, path: bytes) -> None:
    host, prefix = PREFIXED[name]
    assert resolve(name, path) == Target(name, f"https://{host}", prefix + path)


@pytest.mark.parametrize(
    ("name", "rest", "host", "path"),
    [
        ("aws-bedrock", b"/bedrock-runtime/eu-west-3/model/a.b-v1:0/invoke?x=1",
         "bedrock-runtime.eu-west-3.amazonaws.com", b"/model/a.b-v1:0/invoke?x=1"),
        ("aws-bedrock", b"/bedrock/us-east-1/", "bedrock.us-east-1.amazonaws.com", b"/"),
        ("aws-bedrock", b"/bedrock/us-east-1", "bedrock.us-east-1.amazonaws.com", b"/"),
        ("aws-bedrock", b"/bedrock/us-east-1?a=1", "bedrock.us-east-1.amazonaws.com", b"/?a=1"),
        ("aws-bedrock", b"/bedrock/us-east-1//x%2F", "bedrock.us-east-1.amazonaws.com", b"//x%2F"),
        ("aws-bedrock", b"/model/a%3A0/converse-stream", "bedrock-runtime.us-east-1.amazonaws.com",
         b"/model/a%3A0/converse-stream"),
        ("aws-bedrock", b"", "bedrock-runtime.us-east-1.amazonaws.com", b"/"),
        # another service of AWS is a path of the default host, not a host
        ("aws-bedrock", b"/s3/us-east-1/secret", "bedrock-runtime.us-east-1.amazonaws.com", b"/s3/us-east-1/secret"),
        ("azure-openai", b"/my-res1/gpt-5/chat/completions?api-version=2026-01-01", "my-res1.openai.azure.com",
         b"/openai/deployments/gpt-5/chat/completions?api-version=2026-01-01"),
        ("azure-openai", b"/r/d%2Fe/x", "r.openai.azure.com", b"/openai/deployments/d%2Fe/x"),
        ("azure-openai", b"/r/d", "r.openai.azure.com", b"/openai/deployments/d"),
        ("azure-openai", b"/r/d?x=/y", "r.openai.azure.com", b"/openai/deployments/d?x=/y"),
        ("google-vertex-ai", b"/projects/p/locations/europe-west4/publishers/google/models/m:generateContent?alt=sse",
         "europe-west4-aiplatform.googleapis.com",
         b"/v1/projects/p/locations/europe-west4/publishers/google/models/m:generateContent?alt=sse"),
        ("google-vertex-ai", b"/projects/p/locations/l", "l-aiplatform.googleapis.com", b"/v1/projects/p/locations/l"),
        ("google-vertex-ai", b"/v1beta1/projects/p/locations/l/x", "l-aiplatform.googleapis.com",
         b"/v1beta1/projects/p/locations/l/x"),
        ("google-vertex-ai", b"/projects/p/locations/global/x", "aiplatform.googleapis.com",
         b"/v1/projects/p/locations/global/x"),
    ],
)  # fmt: skip
def test_rewriting_providers(name: str, rest: bytes, host: str, path: bytes) -> None:
    assert resolve(name, rest) == Target(name, f"https://{host}", path)


BAD_LABELS = (
    b"", b"-a", b"a-", b"a" * 64, b"A", b"US-EAST-1", b"a.b", b"a%2eb", b"a_b", b"a@b", b"a:1", b"a#", b"a\\", b"%61",
    b"evil.example%2f", b"..", b"%2e%2e", b"a\xc3\xa9", b"a b", b"a\n", b"a\r\nb", b"[::1]", b"{region}", b"a\0",
)  # fmt: skip


@pytest.mark.parametrize("label", BAD_LABELS)
@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("aws-bedrock", b"/bedrock-runtime/%b/x"),
        ("azure-openai", b"/%b/deployment/x"),
        ("google-vertex-ai", b"/projects/p/locations/%b/x"),
    ],
)
def test_a_part_of_the_host_is_one_plain_label(name: str, form: bytes, label: bytes) -> None:
    with pytest.raises(BadRequest):
        resolve(name, form % label)


@pytest.mark.parametrize("runtime", [b"bedrock.evil.example", b"bedrock-", b"bedrock%2e", b"bedrock@x", b"bedrockX"])
def test_a_runtime_is_one_plain_label(runtime: bytes) -> None:
    with pytest.raises(BadRequest):
        resolve("aws-bedrock", b"/%b/us-east-1/x" % runtime)


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("azure-openai", b""),
        ("azure-openai", b"/resource"),
        ("azure-openai", b"/resource/"),
        ("azure-openai", b"/resource?a/b"),
        ("google-vertex-ai", b"/"),
        ("google-vertex-ai", b"/projects/p/locations"),
        ("google-vertex-ai", b"/projects//locations/l/x"),
        ("google-vertex-ai", b"/projects/p/zones/l/x"),
        ("google-vertex-ai", b"/v1/projects/p/x"),
        ("aws-bedrock", b"/bedrock-runtime"),
        ("openai", b"evil.example/"),
        ("openai", b".evil.example/"),
        ("openai", b":443/"),
        ("openai", b"#x"),
    ],
)
def test_a_path_that_does_not_fit_is_refused(name: str, rest: bytes) -> None:
    with pytest.raises(BadRequest):
        resolve(name, rest)


@pytest.mark.parametrize("step", [b"..", b"%2e%2e", b"%2E.", b".%2e", b"..;x", b"..%2f", b"..%5Cx", b"..\\"])
@pytest.mark.parametrize("form", [b"/%b", b"/v1/%b/x", b"/v1%%2f%b/", b"/x\\%b?y"])
@pytest.mark.parametrize("name", ["openai", "openrouter", "aws-bedrock"])
def test_no_path_steps_up(name: str, form: bytes, step: bytes) -> None:
    with pytest.raises(BadRequest):
        resolve(name, form % step)


@pytest.mark.parametrize("name", ["nobody", "", "openai.evil.example", "api.openai.com", "x" * 500])
def test_an_unknown_provider_is_told_the_known_ones(name: str) -> None:
    with pytest.raises(NoRoute) as caught:
        resolve(name, b"/v1/x")
    assert caught.value.status == 404
    assert all(known in caught.value.message for known in NAMES)
    assert len(caught.value.message) < 500


def test_names_are_case_insensitive_and_may_be_aliases() -> None:
    assert resolve("OpenAI", b"/v1/x") == resolve("openai", b"/v1/x")
    assert resolve("Gemini", b"/v1/x").name == "google-ai-studio"


@pytest.mark.parametrize(("rest", "path"), [(b"", b"/"), (b"?a=1", b"/?a=1"), (b"/", b"/")])
def test_an_empty_path_is_the_root(rest: bytes, path: bytes) -> None:
    assert resolve("openai", rest).path == path


OWNED = {name: re.compile(re.escape(p.host).replace(r"\{", "{").replace(r"\}", "}")) for name, p in PROVIDERS.items()}
OWNED |= {
    "aws-bedrock": re.compile(r"bedrock[a-z0-9-]*\.[a-z0-9-]+\.amazonaws\.com"),
    "azure-openai": re.compile(r"[a-z0-9-]+\.openai\.azure\.com"),
    "google-vertex-ai": re.compile(r"([a-z0-9-]+-)?aiplatform\.googleapis\.com"),
}


WORDS = (
    b"/", b"//", b"..", b"%2e", b"@", b":", b"?", b"evil.example", b"bedrock-runtime", b"us-east-1", b"projects",
    b"locations", b"a", b"%2f", b"\\", b".", b"\0", b"-",
)  # fmt: skip


@given(st.sampled_from(NAMES), st.lists(st.sampled_from(WORDS), max_size=12))
def test_whatever_the_path_the_host_is_the_providers(name: str, words: list[bytes]) -> None:
    try:
        target = resolve(name, b"/" + b"".join(words))
    except BadRequest:
        return
    parts = urlsplit(target.origin)
    assert parts.scheme == "https"
    assert OWNED[name].fullmatch(parts.netloc)
    assert parts.path == ""
    assert target.path.startswith(b"/")


@pytest.mark.parametrize(
    ("name", "rest", "base_url", "origin", "path"),
    [
        ("openai", b"/v1/x?y", "http://127.0.0.1:1/v1", "http://127.0.0.1:1", b"/v1/x?y"),
        ("openai", b"/v1/x", "http://127.0.0.1:1", "http://127.0.0.1:1", b"/v1/x"),
        ("openai", b"/v1/x", "http://127.0.0.1:1/", "http://127.0.0.1:1", b"/v1/x"),
        ("openai", b"/v1/x", "https://h/gw/v1/", "https://h/gw", b"/v1/x"),
        ("openai", b"/v1/x", "https://h/gw", "https://h/gw", b"/v1/x"),
        ("openai", b"/v1/x", "http://[::1]:80/v1", "http://[::1]:80", b"/v1/x"),
        ("groq", b"/openai/v1/x", "http://h/openai/v1", "http://h", b"/openai/v1/x"),
        ("openrouter", b"/v1/x", "http://h/api/v1", "http://h", b"/api/v1/x"),
        ("openrouter", b"/v1/x", "http://h", "http://h", b"/api/v1/x"),
        ("perplexity-ai", b"/chat/completions", "http://h/p", "http://h/p", b"/chat/completions"),
        ("google-ai-studio", b"/v1beta/models", "http://h/v1beta", "http://h", b"/v1beta/models"),
        ("aws-bedrock", b"/bedrock-runtime/eu-west-1/model/m/invoke", "http://h:2", "http://h:2", b"/model/m/invoke"),
        ("azure-openai", b"/res/dep/x", "http://h:2", "http://h:2", b"/openai/deployments/dep/x"),
        ("cartesia", b"/tts", "http://h:2/v1", "http://h:2/v1", b"/tts"),
    ],
)
def test_rebase(name: str, rest: bytes, base_url: str, origin: str, path: bytes) -> None:
    assert rebase(resolve(name, rest), base_url) == Target(name, origin, path)


def test_hidden_names_are_lower_case_and_leave_the_credential_alone() -> None:
    from_the_specification = {
        b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip", b"cf-connecting-ip",
        b"cf-connecting-ipv6", b"cf-pseudo-ipv4", b"true-client-ip", b"cf-ray", b"cf-ipcountry", b"forwarded", b"via",
        b"cookie", b"x-client-ip", b"fastly-client-ip", b"x-model-provider",
    }  # fmt: skip
    kept = {b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key", b"host", b"user-agent", b"traceparent"}
    assert from_the_specification <= HIDDEN_FROM_PROVIDERS
    assert not kept & HIDDEN_FROM_PROVIDERS
    assert all(name == name.lower() for name in HIDDEN_FROM_PROVIDERS)
