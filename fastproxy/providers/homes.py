"""Which vendor a model's name belongs to, for channels that take any model: `claude-…` goes to Anthropic's first.

Data. A name that begins with none of these, or names its vendor itself ("meta-llama/…"), belongs to nobody.
"""

from __future__ import annotations

import re
from typing import Final

_HOMES: Final = (
    (re.compile(r"claude-"), "anthropic"),
    (
        re.compile(
            r"(?:gpt-|chatgpt-|o[1-9](?:-|$)|codex-|computer-use-|text-embedding-(?:3-|ada-)|(?:omni|text)-moderation-)"
        ),
        "openai",
    ),
    (re.compile(r"(?:models/)?(?:gemini|gemma)-"), "google-ai-studio"),
    (re.compile(r"grok-"), "grok"),
    (re.compile(r"deepseek-"), "deepseek"),
    (re.compile(r"(?:mistral|codestral|ministral|magistral|pixtral|devstral)-"), "mistral"),
    (re.compile(r"(?:command-|c4ai-|(?:embed|rerank)-(?:english-|multilingual-|v\d))"), "cohere"),
    (re.compile(r"jina-(?!deepsearch)"), "jina"),
    (re.compile(r"(?:voyage-|rerank-(?:lite-)?\d)"), "voyage"),
    (re.compile(r"sonar(?:-|$)"), "perplexity-ai"),
)

# Who serves nobody else's models; behind the other names there may be any server that speaks their format.
OWN_MODELS_ONLY: Final = frozenset(("anthropic", "google-ai-studio"))


def home_of(model: str) -> str:
    """The catalogue name of the vendor, "" when the name does not tell."""
    return next((vendor for pattern, vendor in _HOMES if pattern.match(model)), "")
