"""What a reply cost, between Anthropic's fields and the hub's buckets. A count that cannot be read is no count."""

from __future__ import annotations

from typing import Any

import msgspec

from fastproxy.formats.anthropic.words import WRITE_REPLY_TIERS
from fastproxy.formats.usage_fields import AnthropicUsage, Usage

Fields = dict[str, Any]


def read_counts(value: Any, before: AnthropicUsage | None = None) -> AnthropicUsage | None:
    """Counts, over those of an earlier event: they are cumulative, and a later one leaves out what did not change."""
    if not isinstance(value, dict):
        return before
    try:
        counts = msgspec.convert(value, AnthropicUsage, strict=False)
    except msgspec.ValidationError:
        return before
    return counts if before is None else before.then(counts)


def write_counts(usage: Usage | None) -> Fields:
    """All counts are there, because the SDK's types want them. Nothing known is nothing used."""
    usage = usage or Usage()
    counts: Fields = {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output,
    }
    if usage.cache_write_long:
        kept = usage.cache_write_long
        lives = {"ephemeral_5m_input_tokens": usage.cache_write - kept, "ephemeral_1h_input_tokens": kept}
        counts["cache_creation"] = lives
    if usage.reasoning:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return counts


def tier_of(service_tier: str | None) -> Fields:
    """The tier that served, if Anthropic has a word for it."""
    word = WRITE_REPLY_TIERS.get(service_tier or "")
    return {"service_tier": word} if word is not None else {}
