"""What must hold for every entry of the catalogue, so that a new one is tested before it has a test of its own."""

from __future__ import annotations

import re
from string import Formatter
from urllib.parse import urlsplit

import pytest

from fastproxy.providers.catalogue import ALIASES, NAMES, PROVIDERS, Provider, find, find_transparent

FORMATS = {"openai-chat", "openai-responses", "anthropic", "gemini", "openai"}
EVERY = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=lambda provider: provider.name)


def test_all_26_are_there() -> None:
    expected = (
        "anthropic aws-bedrock azure-openai cartesia cerebras cohere deepbricks deepseek elevenlabs fireworks "
        "google-ai-studio google-vertex-ai grok groq huggingface hyperbolic jina jina-deepsearch mistral openai "
        "openrouter perplexity-ai poe replicate together vercel"
    )
    assert tuple(expected.split()) == NAMES


def test_the_openai_compatible_types_of_the_checklist_are_there() -> None:
    expected = (
        "ai360 ali antling azure baichuan baidu cloudflare deepseek doubao google google-openai groq jina lingyiwanwu "
        "minimax mistral moonshot novita ollama openai openrouter qianfan sangfor siliconflow stepfun streamlake "
        "tencent text-embeddings-inference xai xunfei zhipu zhipu-coding"
    )
    assert [name for name in expected.split() if find(name) is None] == []


def test_a_vendor_without_a_host_has_no_transparent_entry() -> None:
    assert {name for name, provider in PROVIDERS.items() if not provider.host} == set(PROVIDERS) - set(NAMES)
    assert find("moonshot") is not None
    assert find_transparent("moonshot") is None
    assert find_transparent("OpenAI") is PROVIDERS["openai"]
    assert find_transparent("nobody") is None


@EVERY
def test_an_entry_is_sound(provider: Provider) -> None:
    assert PROVIDERS[provider.name] is provider
    assert re.fullmatch(r"[a-z0-9-]+", provider.name)
    assert set(provider.formats) <= FORMATS
    assert provider.host == "" or re.fullmatch(r"[a-z0-9.-]+", re.sub(r"\{[a-z]+\}", "x", provider.host))
    assert provider.host or provider.formats
    assert provider.prefix == "" or re.fullmatch(r"/[a-z]+", provider.prefix)
    assert (provider.rule == "verbatim") == ("{" not in provider.host)


OF_THE_OPERATOR = {"azure-openai", "cloudflare", "google-vertex-ai", "sangfor"}
ON_THIS_MACHINE = {"lm-studio", "ollama", "vllm"}


@EVERY
def test_the_unified_address_is_https_without_a_final_slash(provider: Provider) -> None:
    if not provider.base_url:
        assert not provider.formats or provider.name in OF_THE_OPERATOR
        assert not provider.env or provider.env_base, "a key alone must not make a channel that cannot start"
        return
    parts = urlsplit(provider.base_url)
    local = provider.name in ON_THIS_MACHINE
    assert (parts.scheme, parts.hostname == "localhost") == (("http", True) if local else ("https", False))
    assert (parts.query, parts.fragment, parts.username) == ("", "", None)
    assert not provider.base_url.endswith("/")
    assert provider.formats
    if provider.version_path:
        assert provider.base_url.endswith(provider.version_path)


@EVERY
def test_the_address_of_both_entries_is_the_same_vendor(provider: Provider) -> None:
    moved = {"aws-bedrock", "huggingface"}  # their OpenAI-shaped entry stands elsewhere
    if provider.base_url and provider.host and provider.name not in moved:
        assert urlsplit(provider.base_url).hostname == provider.host
        assert urlsplit(provider.base_url).path.startswith(provider.prefix)


def test_no_variable_belongs_to_two() -> None:
    variables = [name for provider in PROVIDERS.values() for name in (*provider.env, *provider.env_base)]
    assert len(variables) == len(set(variables))
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]+", name) for name in variables)
    assert {"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"} <= set(variables)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("openai", "openai"),
        ("OpenAI", "openai"),
        ("gemini", "google-ai-studio"),
        ("GOOGLE", "google-ai-studio"),
        ("vertex", "google-vertex-ai"),
        ("xai", "grok"),
        ("azure", "azure-openai"),
        ("claude", "anthropic"),
        ("", None),
        ("openai ", None),
        ("open-ai.com", None),
    ],
)
def test_names_and_aliases_in_any_case(name: str, found: str | None) -> None:
    provider = find(name)
    assert (provider.name if provider else None) == found


def test_aliases_hide_no_provider_and_lead_somewhere() -> None:
    assert not set(ALIASES) & set(PROVIDERS)
    assert set(ALIASES.values()) <= set(PROVIDERS)


def test_host_parts_are_known_to_their_rule() -> None:
    parts = {
        provider.rule: {field for _, field, _, _ in Formatter().parse(provider.host) if field}
        for provider in PROVIDERS.values()
    }
    expected = {"verbatim": set(), "bedrock": {"runtime", "region"}, "azure": {"resource"}, "vertex": {"location"}}
    assert parts == expected
