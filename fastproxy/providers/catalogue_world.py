"""Vendors around the world, and servers on one's own machine, that are OpenAI-compatible.

They have the unified entry only. Data only; see provider.py for what the fields mean.
"""

from __future__ import annotations

from typing import Final

from fastproxy.providers.provider import CHAT, OPENAI, Provider

WORLD: Final = (
    Provider("ai21", base_url="https://api.ai21.com/studio/v1", formats=CHAT, env=("AI21_API_KEY",)),
    # the address holds the account: https://api.cloudflare.com/client/v4/accounts/{account}/ai/v1, or an AI Gateway's
    Provider("cloudflare", formats=CHAT),
    Provider("deepinfra", base_url="https://api.deepinfra.com/v1/openai", formats=CHAT, env=("DEEPINFRA_API_KEY",)),
    # Google's own OpenAI-shaped door to Gemini; the key is google-ai-studio's, so it is named in the configuration
    Provider(
        "google-openai",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        formats=CHAT,
    ),
    # GITHUB_TOKEN is set in every CI job, so it must not make a channel by itself
    Provider("github-models", base_url="https://models.github.ai/inference", formats=CHAT),
    Provider("nebius", base_url="https://api.studio.nebius.com/v1", formats=CHAT, env=("NEBIUS_API_KEY",)),
    Provider("novita", base_url="https://api.novita.ai/v3/openai", formats=CHAT, env=("NOVITA_API_KEY",)),
    Provider(
        "nvidia",
        base_url="https://integrate.api.nvidia.com/v1",
        formats=CHAT,
        env=("NVIDIA_API_KEY", "NVIDIA_NIM_API_KEY"),
    ),
    Provider("sambanova", base_url="https://api.sambanova.ai/v1", formats=CHAT, env=("SAMBANOVA_API_KEY",)),
    Provider("text-embeddings-inference", base_url="https://api.text-embeddings.net", formats=("openai",)),
    Provider("z-ai", base_url="https://api.z.ai/api/paas/v4", formats=CHAT, env=("ZAI_API_KEY",)),
    Provider("voyage", base_url="https://api.voyageai.com/v1", formats=("openai",), env=("VOYAGE_API_KEY",)),
    # on one's own machine, where no key is asked for
    Provider("lm-studio", base_url="http://localhost:1234/v1", formats=CHAT),
    # with `format: ollama` a channel speaks its own API, which begins above /v1
    Provider("ollama", base_url="http://localhost:11434/v1", formats=CHAT),
    Provider("vllm", base_url="http://localhost:8000/v1", formats=OPENAI),
)
