"""The words of Chat Completions and the hub's, as total tables; what is in no table has a safe default.

    finish_reason  ←→  Reason      reasoning_effort  ←→  Effort      service_tier      issuers of thoughts

Sources: openai 3.54, types/chat and types/shared/reasoning_effort.py; the vendors' own words from their API pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastproxy.formats.chat import Effort
    from fastproxy.formats.events import Reason

NAME: Final = "openai-chat"

# ChatRequest field → the field of a body, for reports of losses
FIELDS: Final[Mapping[str, str]] = {
    "model": "model",
    "turns": "messages",
    "stream": "stream",
    "include_usage": "stream_options.include_usage",
    "tools": "tools",
    "tool_choice": "tool_choice",
    "parallel_tools": "parallel_tool_calls",
    "max_output": "max_completion_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "stop": "stop",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "logit_bias": "logit_bias",
    "top_logprobs": "top_logprobs",
    "count": "n",
    "reasoning": "reasoning_effort",
    "output": "response_format",
    "verbosity": "verbosity",
    "user": "user",
    "metadata": "metadata",
    "service_tier": "service_tier",
    "store": "store",
    "previous": "previous_response_id",
    "cache_key": "prompt_cache_key",
}

LOSSY: Final[Mapping[str, str]] = {
    "top_k": "no such field, except at some vendors",
    "previous": "no conversation is kept: the whole of it must be sent",
    "metadata": "taken only together with store",
    "adaptive thinking": "there are only efforts",
    "thinking budget": "there are only efforts",
    "thinking": "no field for earlier thoughts, except at some vendors",
    "thought signature": "only its issuer can read it",
    "builtin tool": "it runs at another vendor",
    "opaque": "only its own format has it",
    "cache": "breakpoints are known to few models",
    "citations": "no field in a request",
    "is_error": "a result has no such mark; it is said in words",
    "media in a tool result": "a result is text; moved into a user message behind it",
    "image by id": "an image is data or an address",
    "file of another vendor": "an id is only known where it was issued",
    "document by url": "a file is data or an id",
    "audio": "wav and mp3 as data only",
    "video": "no such part",
    "assistant media": "an assistant's message is text",
    "prefill": "an assistant's last message is not promised to be continued",
    "more than 4 stop": "at most four sequences",
    "foreign service tier": "no word for it",
}

# `function_call` is the deprecated twin of tool_calls. The rest are words of vendors that call themselves compatible:
# Mistral (model_length), Zhipu (sensitive), and upstreams that let Anthropic's and Google's words through.
REASON_OF: Final[Mapping[str, Reason]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "function_call": "tool_calls",
    "model_length": "context_window",
    "max_tokens": "length",
    "MAX_TOKENS": "length",
    "end_turn": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "STOP": "stop",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_calls",
    "tool_call": "tool_calls",
    "refusal": "refusal",
    "safety": "content_filter",
    "SAFETY": "content_filter",
    "sensitive": "content_filter",
    "pause_turn": "pause",
    "abort": "cancelled",
    "cancelled": "cancelled",
}
# These are no ends but failures; the status that they deserve.
FAILED: Final[Mapping[str, int]] = {"error": 502, "network_error": 502, "insufficient_system_resource": 503}
FINISH_OF: Final[Mapping[Reason, str]] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "context_window": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "pause": "stop",
    "bad_tool_call": "stop",
    "cancelled": "stop",
    "other": "stop",
}
# Reasons with which an explanation may come, to be told as a refusal
REFUSING: Final = ("refusal", "content_filter")
# These say why nothing more came, also when calls were made before.
STRONGER_THAN_CALLS: Final = frozenset(("length", "context_window", "content_filter", "refusal", "cancelled"))

EFFORTS: Final[tuple[Effort, ...]] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

# In requests and in replies; the words of Anthropic's replies and requests are understood too.
SERVICE_TIERS: Final[Mapping[str, str]] = {
    "auto": "auto",
    "default": "default",
    "flex": "flex",
    "scale": "scale",
    "priority": "priority",
    "fast": "fast",
    "standard": "default",
    "standard_only": "default",
    "batch": "flex",
}

# The format whose vendor made a thought, by what stands in its `format`: our own words and OpenRouter's.
ISSUER_OF: Final[Mapping[str, str]] = {
    "anthropic": "anthropic",
    "gemini": "gemini",
    "openai-responses": "openai-responses",
    "openai-chat": "openai-chat",
    "anthropic-claude-v1": "anthropic",
    "google-gemini-v1": "gemini",
    "openai-responses-v1": "openai-responses",
    "azure-openai-responses-v1": "openai-responses",
}

# Vendors of the catalogue ("" is one that nobody knows) that differ from OpenAI where it matters.
KNOWS_CUSTOM_TOOLS: Final = frozenset(("", "openai", "azure-openai"))
TAKES_TOP_K: Final = frozenset(("openrouter", "together", "fireworks", "huggingface", "hyperbolic", "vllm", "sglang"))
TAKES_REASONING_CONTENT: Final = frozenset(("deepseek",))  # and demands it in tool loops since V3.2
TAKES_REASONING_DETAILS: Final = frozenset(("openrouter",))
TAKES_CACHE_CONTROL: Final = frozenset(("openrouter",))


def reason_of(word: str) -> Reason:
    return REASON_OF.get(word, "other")
