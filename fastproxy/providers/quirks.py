"""What the vendors who call themselves OpenAI-compatible do differently, as data; and the Target made of it.

Which words a reply uses (finish reasons, names of the reasoning field, where the counts stand) the readers of
formats/openai_chat accept from everybody; here stands who says what, for whoever must know before a reply is there.

    drop        fields of a chat completions body that the vendor answers with 400 or 422
    limit       the name of the output limit; where it is max_tokens, the newer name is among Target.drop_fields, and
                the writer uses this one instead
    reasoning   the field of a message that holds the thoughts
    tags        thoughts may come inside the content, between <think> and </think>
    usage       where a stream's counts stand: last (a chunk of their own), choice (the last one with choices), every,
                in_choice (choices[0].usage), x_groq, done (Ollama's own API)
    framing     how a stream is cut: sse, ndjson (Ollama's own API), event_stream (Bedrock's InvokeModel)
    finish      words for the end that OpenAI does not have → OpenAI's

A quirk without a line here is not known; a vendor without one behaves like OpenAI, but calls the limit max_tokens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from fastproxy.formats.chat import Target
from fastproxy.providers.catalogue import find
from fastproxy.providers.models import facts, known, operators

if TYPE_CHECKING:
    from collections.abc import Mapping

Limit = Literal["max_tokens", "max_completion_tokens"]
Place = Literal["last", "choice", "every", "in_choice", "x_groq", "done"]
Framing = Literal["sse", "ndjson", "event_stream"]

_NONE: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """One vendor's."""

    drop: frozenset[str] = _NONE
    limit: Limit = "max_tokens"
    reasoning: str = "reasoning_content"
    tags: bool = False
    usage: Place = "last"
    framing: Framing = "sse"
    finish: tuple[tuple[str, str], ...] = ()


def _fields(names: str) -> frozenset[str]:
    return frozenset(names.split())


# fields of OpenAI's own that others know nothing of; the strict ones refuse them all
_OPENAI_ONLY: Final = (
    "store metadata service_tier prediction modalities audio verbosity web_search_options logit_bias logprobs "
    "top_logprobs user safety_identifier prompt_cache_retention prompt_cache_options stream_options"
)

PLAIN: Final = Quirks()
# ai.google.dev/gemini-api/docs/openai; 400 "Unknown name": page-assist#418, ChatterUI#227, RPGBox#2 (2026-08)
_GOOGLE: Final = Quirks(drop=_fields("frequency_penalty presence_penalty seed logit_bias store metadata user"))
QUIRKS: Final[Mapping[str, Quirks]] = MappingProxyType(
    {
        "openai": Quirks(limit="max_completion_tokens"),
        "azure-openai": Quirks(limit="max_completion_tokens"),
        "aws-bedrock": Quirks(limit="max_completion_tokens"),
        "vercel": Quirks(limit="max_completion_tokens", reasoning="reasoning"),
        "openrouter": Quirks(reasoning="reasoning"),
        # inference-docs.cerebras.ai/resources/openai: 400 for these; 2026-11
        "cerebras": Quirks(
            limit="max_completion_tokens",
            drop=_fields("frequency_penalty presence_penalty logit_bias prompt_cache_key verbosity store"),
            reasoning="reasoning",
        ),
        # docs.cohere.com/docs/compatibility-api, "unsupported parameters"; 2026-11
        "cohere": Quirks(
            drop=_fields(
                "store metadata logit_bias top_logprobs n modalities prediction audio service_tier parallel_tool_calls"
            ),
        ),
        # api-docs.deepseek.com: finish_reason insufficient_system_resource, prompt_cache_hit_tokens
        "deepseek": Quirks(finish=(("insufficient_system_resource", "stop"),)),
        "fireworks": Quirks(usage="choice"),
        # console.groq.com/docs/openai: 400 for these, messages[].name and n > 1; reasoning_format=parsed; 2026-11
        "groq": Quirks(
            limit="max_completion_tokens",
            drop=_fields("logit_bias logprobs top_logprobs"),
            reasoning="reasoning",
            tags=True,
            usage="x_groq",
        ),
        "google-ai-studio": _GOOGLE,
        "google-openai": _GOOGLE,
        "grok": Quirks(limit="max_completion_tokens", usage="every"),
        "huggingface": Quirks(tags=True),
        "hyperbolic": Quirks(tags=True),
        # 422 extra_forbidden: eca#231 and #315 (max_completion_tokens), avante.nvim#2347 (stream_options; it counts
        # without), openclaude#739 (store; 2026-04); the schema of docs.mistral.ai/api has no others of these.
        # Thoughts come as parts of the content, and seed is random_seed.
        "mistral": Quirks(
            drop=_fields(f"{_OPENAI_ONLY} seed") - {"metadata", "prediction"},
            usage="choice",
            finish=(("model_length", "length"), ("error", "stop")),
        ),
        # docs.perplexity.ai: counts in every chunk, thoughts of sonar-reasoning between tags
        "perplexity-ai": Quirks(
            drop=_fields("logit_bias logprobs top_logprobs n seed store metadata stop"),
            tags=True,
            usage="every",
        ),
        "together": Quirks(tags=True, usage="choice", finish=(("eos", "stop"),)),
        # docs.ollama.com/openai for /v1, docs.ollama.com/api/chat for the native one
        "ollama": Quirks(drop=_fields("logit_bias n user"), reasoning="reasoning", tags=True),
        # platform.moonshot.cn; docs.bigmodel.cn; platform.minimaxi.com; 2026
        "moonshot": Quirks(usage="in_choice"),
        "zhipu": Quirks(finish=(("sensitive", "content_filter"), ("network_error", "stop"))),
        "z-ai": Quirks(finish=(("sensitive", "content_filter"), ("network_error", "stop"))),
        "zhipu-coding": Quirks(finish=(("sensitive", "content_filter"), ("network_error", "stop"))),
        "minimax": Quirks(drop=_fields("presence_penalty frequency_penalty logit_bias"), tags=True, usage="choice"),
        "qianfan": Quirks(finish=(("normal", "stop"),)),
        "siliconflow": Quirks(usage="every"),
        "novita": Quirks(tags=True),
        "nvidia": Quirks(tags=True),
        "sambanova": Quirks(drop=_fields("logit_bias logprobs top_logprobs n presence_penalty seed"), tags=True),
    }
)

_REASONING: Final = r"(?:gpt-(?:[5-9]|\d\d)(?!-chat)|o\d+)(?![\da-z])"
# Where only some models of a vendor refuse a field, by the wire format of the body.
_OF_MODELS: Final = (
    # docs.x.ai: presencePenalty, frequencyPenalty and stop are not for reasoning models
    (
        "grok",
        "openai-chat",
        r"grok-(?:[4-9]|3-mini|code|build)(?!.*non-reasoning)",
        "presence_penalty frequency_penalty",
    ),
    # Google Cloud's pages of Gemini 3.5 Flash-Lite and 3.6 Flash: custom penalties are an error; 2026-11
    ("", "gemini", r"gemini-(?:3\.5-flash-lite|3\.[6-9]|[4-9]|flash|pro)", "presencePenalty frequencyPenalty"),
    # labels are known to Vertex alone
    ("google-ai-studio", "gemini", r"", "labels"),
    # OpenAI's reasoning models have no penalties, biases or probabilities, and the o series no choice of parallel calls
    ("", "openai-chat", _REASONING, "presence_penalty frequency_penalty logit_bias logprobs top_logprobs"),
    ("", "openai-responses", _REASONING, "top_logprobs"),
    ("openai", "openai-chat", _REASONING, "max_tokens"),
    ("azure-openai", "openai-chat", _REASONING, "max_tokens"),
    ("", "openai-chat", r"o\d+(?![\da-z])", "parallel_tool_calls"),
    ("", "openai-responses", r"o\d+(?![\da-z])", "parallel_tool_calls"),
)
_MODEL_RULES: Final = tuple(
    (vendor, wire, re.compile(rf"(?:.*/)?(?:{pattern})"), _fields(names)) for vendor, wire, pattern, names in _OF_MODELS
)


# Whose /completions knows the models that were made for it and answers 404 for a chat model ("This is a chat model and
# not supported in the v1/completions endpoint"). Elsewhere the server that runs the model serves both; 2026-11.
_COMPLETES_FEW: Final = frozenset(("openai", "azure-openai"))


def completes(vendor: str, model: str, overrides: Mapping[str, Mapping[str, Any]] = {}) -> bool:
    """Whether the vendor's /completions may take the model; a chat model that is known as one is asked by chat."""
    provider = find(vendor)
    name = provider.name if provider is not None else vendor.lower()
    entry = known(str(operators(model, overrides).get("like", model)), name) if name in _COMPLETES_FEW else None
    return entry is None or entry.kind != "chat"


def is_choosy(vendor: str) -> bool:
    """Whether `completes` depends on the model."""
    provider = find(vendor)
    return provider is not None and provider.name in _COMPLETES_FEW


@lru_cache(256)
def quirks(vendor: str) -> Quirks:
    """Those of the vendor with this name or alias."""
    provider = find(vendor)
    return QUIRKS.get(provider.name if provider is not None else vendor.lower(), PLAIN)


def target(vendor: str, model: str, wire_format: str, overrides: Mapping[str, Mapping[str, Any]] = {}) -> Target:
    """What a writer must know of the vendor's model, to write a request for it in `wire_format`.

    `overrides` as in models.facts; besides, `drop_fields` there adds to the vendor's and `default_max_output` is taken.
    Raises: ValueError for a field or a value that makes no sense.
    """
    provider = find(vendor)
    name = provider.name if provider is not None else vendor.lower()
    told = operators(model, overrides)
    more, default = told.get("drop_fields", ()), told.get("default_max_output", 8_192)
    if not isinstance(more, list | tuple | set | frozenset) or not all(isinstance(each, str) for each in more):
        raise ValueError("facts of a model: drop_fields must be a list of names")
    if not isinstance(default, int) or default < 1:
        raise ValueError("facts of a model: default_max_output must be a positive number")
    return Target(
        model=model,
        facts=facts(name, model, wire_format, overrides),
        vendor=name,
        default_max_output=default,
        drop_fields=_dropped(name, str(told.get("like", model)).lower(), wire_format).union(more),
    )


def _dropped(vendor: str, model: str, wire_format: str) -> frozenset[str]:
    found = _NONE
    if wire_format == "openai-chat":
        known = QUIRKS.get(vendor, PLAIN)
        found = known.drop | ({"max_completion_tokens"} if known.limit == "max_tokens" else _NONE)
    for whose, wire, pattern, names in _MODEL_RULES:
        if wire == wire_format and whose in ("", vendor) and pattern.match(model):
            found |= names
    return found
