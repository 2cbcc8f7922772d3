"""Whose a model is, by its name."""

from __future__ import annotations

import pytest

from fastproxy.providers.catalogue import find
from fastproxy.providers.homes import _HOMES, OWN_MODELS_ONLY, home_of


@pytest.mark.parametrize(
    ("model", "vendor"),
    [
        ("claude-sonnet-4-6", "anthropic"),
        ("gpt-5-mini", "openai"),
        ("o3", "openai"),
        ("o4-mini", "openai"),
        ("chatgpt-4o-latest", "openai"),
        ("gemini-2.5-pro", "google-ai-studio"),
        ("models/gemini-3-pro", "google-ai-studio"),
        ("grok-4", "grok"),
        ("sonar", "perplexity-ai"),
        ("text-embedding-3-small", "openai"),
        ("text-embedding-004", ""),  # Google's, but others have used the like
        ("rerank-v3.5", "cohere"),
        ("embed-multilingual-v3.0", "cohere"),
        ("rerank-2.5-lite", "voyage"),
        ("jina-embeddings-v3", "jina"),
        ("openai/gpt-5", ""),
        ("my-claude-3", ""),
        ("ocean", ""),
        ("", ""),
    ],
)
def test_a_name_tells_its_vendor_or_nobody(model: str, vendor: str) -> None:
    assert home_of(model) == vendor


def test_vendors_are_the_catalogues() -> None:
    for vendor in {vendor for _, vendor in _HOMES} | OWN_MODELS_ONLY:
        provider = find(vendor)
        assert provider is not None
        assert provider.name == vendor
