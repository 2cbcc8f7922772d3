"""The vendors: where each is, how its paths are written, what it speaks, and in which variables its key is kept.

Data only. NAMES are the 26 that work as `/{name}/…` (passthrough.py); those with `formats` also serve the unified entry
under `base_url`, which ends where the paths of the formats begin (`/chat/completions`, `/messages`, `/models/…`). An
empty `base_url` means that there is no address without the operator's account in it, so a channel must name one.
Other names under which people know a vendor stand in ALIASES.

    provider.py                the shape of an entry
    catalogue_transparent.py   the 26
    catalogue_world.py         the unified entry only
    catalogue_china.py         likewise
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from fastproxy.providers.catalogue_china import CHINA
from fastproxy.providers.catalogue_transparent import TRANSPARENT
from fastproxy.providers.catalogue_world import WORLD
from fastproxy.providers.provider import Provider

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ALIASES", "NAMES", "PROVIDERS", "Provider", "find", "find_transparent"]

PROVIDERS: Final[Mapping[str, Provider]] = MappingProxyType(
    {provider.name: provider for provider in (*TRANSPARENT, *WORLD, *CHINA)}
)
NAMES: Final = tuple(sorted(provider.name for provider in TRANSPARENT))
ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "azure": "azure-openai",
        "baidu": "qianfan",
        "bedrock": "aws-bedrock",
        "bigmodel": "zhipu",
        "claude": "anthropic",
        "dashscope": "ali",
        "gemini": "google-ai-studio",
        "google": "google-ai-studio",
        "hf": "huggingface",
        "hunyuan": "tencent",
        "kimi": "moonshot",
        "perplexity": "perplexity-ai",
        "qwen": "ali",
        "tei": "text-embeddings-inference",
        "togetherai": "together",
        "vertex": "google-vertex-ai",
        "vertex-ai": "google-vertex-ai",
        "volcengine": "doubao",
        "x-ai": "grok",
        "xai": "grok",
        "yi": "lingyiwanwu",
        "zai": "z-ai",
    }
)


def find(name: str) -> Provider | None:
    """The provider of this name or alias, in any case."""
    lower = name.lower()
    return PROVIDERS.get(ALIASES.get(lower, lower))


def find_transparent(name: str) -> Provider | None:
    """The same among those that serve `/{name}/…`."""
    provider = find(name)
    return provider if provider is not None and provider.host else None
