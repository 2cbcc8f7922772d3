"""The words of Gemini's generateContent beside those of the hub: total tables, and what this format cannot say.

Both ways of a table stand next to each other. Words are read in any case, as Google's own SDK reads them. Field names
come in camelCase or in snake_case, even mixed within one object: `named` says under which of the two a field is there.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastproxy.formats.chat import Effort
    from fastproxy.formats.events import Reason

NAME: Final = "gemini"

# FinishReason of google.genai.types
REASONS: Final[dict[str, Reason]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "ESCALATION": "content_filter",
    "PUP_LIMITED_DISABLED": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "MALFORMED_FUNCTION_CALL": "bad_tool_call",
    "UNEXPECTED_TOOL_CALL": "bad_tool_call",
    "TOO_MANY_TOOL_CALLS": "bad_tool_call",
    "MALFORMED_RESPONSE": "other",
    "MISSING_THOUGHT_SIGNATURE": "other",
    "OTHER": "other",
    "NO_IMAGE": "other",
    "IMAGE_OTHER": "other",
    "FINISH_REASON_UNSPECIFIED": "other",
}
FINISHES: Final[dict[Reason, str]] = {
    "stop": "STOP",
    "stop_sequence": "STOP",
    "length": "MAX_TOKENS",
    "context_window": "MAX_TOKENS",
    "tool_calls": "STOP",
    "content_filter": "SAFETY",
    "refusal": "SAFETY",
    "pause": "STOP",
    "bad_tool_call": "MALFORMED_FUNCTION_CALL",
    "cancelled": "OTHER",
    "other": "OTHER",
}
FINAL_REASONS: Final = frozenset(("length", "content_filter", "refusal"))  # which calls do not overrule

# ThinkingLevel; THINKING_LEVEL_UNSPECIFIED says nothing
EFFORTS: Final[dict[str, Effort]] = {
    "MINIMAL": "minimal",
    "LOW": "low",
    "MEDIUM": "medium",
    "HIGH": "high",
    "XHIGH": "xhigh",
}
LEVELS: Final[dict[Effort, str]] = {
    "none": "MINIMAL",  # Gemini 3 cannot be told not to think
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "HIGH",
    "max": "HIGH",
}

# (Part)MediaResolutionLevel beside an image's detail; unspecified says nothing
DETAILS: Final = {
    "MEDIA_RESOLUTION_LOW": "low",
    "MEDIA_RESOLUTION_MEDIUM": "auto",
    "MEDIA_RESOLUTION_HIGH": "high",
    "MEDIA_RESOLUTION_ULTRA_HIGH": "original",
}
RESOLUTIONS: Final = {
    "low": "MEDIA_RESOLUTION_LOW",
    "high": "MEDIA_RESOLUTION_HIGH",
    "original": "MEDIA_RESOLUTION_HIGH",  # ULTRA_HIGH is not for every model
}

# ServiceTier; the hub speaks OpenAI's words. "unspecified" and "auto" say nothing
TIERS_IN: Final = {"standard": "default", "flex": "flex", "priority": "priority"}
TIERS_OUT: Final = {
    "default": "standard",
    "standard": "standard",
    "standard_only": "standard",
    "flex": "flex",
    "priority": "priority",
}

# ChatRequest's fields as this format's clients know them
FIELDS: Final[dict[str, str]] = {
    "model": "model",
    "turns": "contents",
    "tools": "tools",
    "tool_choice": "toolConfig.functionCallingConfig",
    "max_output": "generationConfig.maxOutputTokens",
    "temperature": "generationConfig.temperature",
    "top_p": "generationConfig.topP",
    "top_k": "generationConfig.topK",
    "stop": "generationConfig.stopSequences",
    "seed": "generationConfig.seed",
    "presence_penalty": "generationConfig.presencePenalty",
    "frequency_penalty": "generationConfig.frequencyPenalty",
    "top_logprobs": "generationConfig.logprobs",
    "count": "generationConfig.candidateCount",
    "reasoning": "generationConfig.thinkingConfig",
    "output": "generationConfig.responseSchema",
    "service_tier": "serviceTier",
    "store": "store",
}

LOSSY: Final[dict[str, str]] = {
    "parallel_tools": "Gemini decides itself how many tools it calls",
    "logit_bias": "Gemini has no such field",
    "verbosity": "Gemini has no such field",
    "user": "Gemini has no such field",
    "metadata": "Gemini has no such field",
    "previous": "Gemini keeps no conversations",
    "cache_key": "Gemini caches by itself",
    "cache_control": "Gemini caches by itself",
    "name": "Gemini does not name participants",
    "refusal": "sent as text",
    "strict": "Gemini validates all calls or none",
    "thinking": "the thoughts of another vendor's model",
    "custom": "sent as a function with one text",
    "grammar": "told in the description only",
    "citations": "Gemini takes no citations",
    "opaque": "what only another vendor has",
    "extra": "Gemini has no such field",
}


@cache
def snake(name: str) -> str:
    """thoughtSignature → thought_signature. Only ever asked for names of ours, so the memo stays small."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def named(holder: Mapping[str, Any], name: str) -> str:
    """The name under which `holder` has the field `name`: as it stands, or in snake_case."""
    if name in holder:
        return name
    other = snake(name)
    return other if other in holder else name


def value_of(holder: Mapping[str, Any], name: str) -> Any:
    """An unchecked field under either of its names."""
    value = holder.get(name)
    return holder.get(snake(name)) if value is None else value
