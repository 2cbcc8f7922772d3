"""The vendors: where each is, how its paths are written, what it speaks, and in which variables its key is kept.

Data only. 26 names work as `/{name}/…` (passthrough.py); those with `formats` also serve the unified entry under
`base_url`, which ends where the paths of the formats begin (`/chat/completions`, `/messages`, `/models/…`). An empty
`base_url` means that there is no address without the operator's account in it, so a channel must name one.
Other names under which people know a vendor stand in ALIASES.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Rule = Literal["verbatim", "bedrock", "azure", "vertex"]
Auth = Literal["bearer", "x-api-key", "x-goog-api-key", "api-key"]

CHAT: Final = ("openai-chat", "openai")  # the many that are OpenAI-compatible
OPENAI: Final = ("openai-chat", "openai-responses", "openai")
MIXED: Final = ("openai-chat", "openai-responses", "anthropic", "openai")


@dataclass(frozen=True, slots=True)
class Provider:
    """One vendor.

    `host` serves the transparent entry; its {parts} come from the client's path by `rule`, and `prefix` is put before
    the rest. `env` holds the variables of the key, the first set one wins; `env_base` those of the address, to which
    `version_path` is added unless it ends in it (SDKs differ in whether their base URL holds the version).
    """

    name: str
    host: str
    rule: Rule = "verbatim"
    prefix: str = ""
    base_url: str = ""
    formats: tuple[str, ...] = ()
    auth: Auth = "bearer"
    env: tuple[str, ...] = ()
    env_base: tuple[str, ...] = ()
    version_path: str = ""
    headers: tuple[tuple[str, str], ...] = ()


_ALL: Final = (
    Provider(
        "anthropic",
        "api.anthropic.com",
        base_url="https://api.anthropic.com/v1",
        formats=("anthropic",),
        auth="x-api-key",
        env=("ANTHROPIC_API_KEY",),
        env_base=("ANTHROPIC_BASE_URL",),
        version_path="/v1",
    ),
    # The unified entry uses Bedrock's OpenAI-shaped host, which takes a plain bearer key instead of SigV4.
    Provider(
        "aws-bedrock",
        "{runtime}.{region}.amazonaws.com",
        rule="bedrock",
        base_url="https://bedrock-mantle.us-east-1.api.aws/openai/v1",
        formats=OPENAI,
        env=("AWS_BEARER_TOKEN_BEDROCK",),
    ),
    Provider(
        "azure-openai",
        "{resource}.openai.azure.com",
        rule="azure",
        formats=OPENAI,
        auth="api-key",
        env=("AZURE_OPENAI_API_KEY",),
        env_base=("AZURE_OPENAI_ENDPOINT",),
        version_path="/openai/v1",
    ),
    Provider("cartesia", "api.cartesia.ai"),
    Provider(
        "cerebras",
        "api.cerebras.ai",
        base_url="https://api.cerebras.ai/v1",
        formats=CHAT,
        env=("CEREBRAS_API_KEY",),
    ),
    Provider(
        "cohere",
        "api.cohere.ai",
        base_url="https://api.cohere.ai/compatibility/v1",
        formats=CHAT,
        env=("COHERE_API_KEY", "CO_API_KEY"),
    ),
    Provider(
        "deepbricks",
        "api.deepbricks.ai",
        base_url="https://api.deepbricks.ai/v1",
        formats=CHAT,
        env=("DEEPBRICKS_API_KEY",),
    ),
    Provider(
        "deepseek",
        "api.deepseek.com",
        base_url="https://api.deepseek.com/v1",
        formats=CHAT,
        env=("DEEPSEEK_API_KEY",),
    ),
    Provider("elevenlabs", "api.elevenlabs.io"),
    Provider(
        "fireworks",
        "api.fireworks.ai",
        prefix="/inference",
        base_url="https://api.fireworks.ai/inference/v1",
        formats=OPENAI,
        env=("FIREWORKS_API_KEY",),
    ),
    # Google's own SDK lets GOOGLE_API_KEY win over GEMINI_API_KEY.
    Provider(
        "google-ai-studio",
        "generativelanguage.googleapis.com",
        base_url="https://generativelanguage.googleapis.com/v1beta",
        formats=("gemini",),
        auth="x-goog-api-key",
        env=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
        env_base=("GOOGLE_GEMINI_BASE_URL",),
        version_path="/v1beta",
    ),
    Provider("google-vertex-ai", "{location}-aiplatform.googleapis.com", rule="vertex", formats=("gemini",)),
    Provider(
        "grok",
        "api.x.ai",
        base_url="https://api.x.ai/v1",
        formats=OPENAI,
        env=("XAI_API_KEY", "GROK_API_KEY"),
    ),
    Provider(
        "groq",
        "api.groq.com",
        base_url="https://api.groq.com/openai/v1",
        formats=CHAT,
        env=("GROQ_API_KEY",),
        env_base=("GROQ_BASE_URL",),
        version_path="/openai/v1",
    ),
    Provider(
        "huggingface",
        "api-inference.huggingface.co",
        base_url="https://router.huggingface.co/v1",
        formats=CHAT,
        env=("HF_TOKEN", "HUGGINGFACE_API_KEY"),
    ),
    Provider(
        "hyperbolic",
        "api.hyperbolic.xyz",
        base_url="https://api.hyperbolic.xyz/v1",
        formats=CHAT,
        env=("HYPERBOLIC_API_KEY",),
    ),
    Provider(
        "jina",
        "api.jina.ai",
        base_url="https://api.jina.ai/v1",
        formats=("openai",),
        env=("JINA_API_KEY",),
    ),
    Provider(
        "jina-deepsearch",
        "deepsearch.jina.ai",
        base_url="https://deepsearch.jina.ai/v1",
        formats=CHAT,
    ),
    Provider(
        "mistral",
        "api.mistral.ai",
        base_url="https://api.mistral.ai/v1",
        formats=CHAT,
        env=("MISTRAL_API_KEY",),
    ),
    Provider(
        "openai",
        "api.openai.com",
        base_url="https://api.openai.com/v1",
        formats=OPENAI,
        env=("OPENAI_API_KEY",),
        env_base=("OPENAI_BASE_URL",),
    ),
    Provider(
        "openrouter",
        "openrouter.ai",
        prefix="/api",
        base_url="https://openrouter.ai/api/v1",
        formats=MIXED,
        env=("OPENROUTER_API_KEY",),
    ),
    Provider(
        "perplexity-ai",
        "api.perplexity.ai",
        base_url="https://api.perplexity.ai",
        formats=CHAT,
        env=("PERPLEXITY_API_KEY", "PPLX_API_KEY"),
    ),
    Provider("poe", "api.poe.com", base_url="https://api.poe.com/v1", formats=CHAT, env=("POE_API_KEY",)),
    Provider("replicate", "api.replicate.com"),
    Provider(
        "together",
        "api.together.xyz",
        base_url="https://api.together.xyz/v1",
        formats=CHAT,
        env=("TOGETHER_API_KEY",),
    ),
    Provider(
        "vercel",
        "ai-gateway.vercel.sh",
        base_url="https://ai-gateway.vercel.sh/v1",
        formats=MIXED,
        env=("AI_GATEWAY_API_KEY",),
    ),
)


def _by_name(providers: Iterable[Provider]) -> Mapping[str, Provider]:
    return MappingProxyType({provider.name: provider for provider in providers})


PROVIDERS: Final = _by_name(_ALL)
NAMES: Final = tuple(sorted(PROVIDERS))
ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "azure": "azure-openai",
        "bedrock": "aws-bedrock",
        "claude": "anthropic",
        "gemini": "google-ai-studio",
        "google": "google-ai-studio",
        "hf": "huggingface",
        "perplexity": "perplexity-ai",
        "togetherai": "together",
        "vertex": "google-vertex-ai",
        "vertex-ai": "google-vertex-ai",
        "x-ai": "grok",
        "xai": "grok",
    }
)


def find(name: str) -> Provider | None:
    """The provider of this name or alias, in any case."""
    lower = name.lower()
    return PROVIDERS.get(ALIASES.get(lower, lower))
