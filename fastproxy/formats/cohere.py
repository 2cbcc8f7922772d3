"""What Cohere's second API says beside its results: `meta`, with what was counted.

meta.tokens.input_tokens, meta.billed_units.input_tokens    where it tells of tokens; reranking is billed by search
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from fastproxy.formats.checked import mapping
from fastproxy.formats.question import counted
from fastproxy.formats.usage_fields import Count, OpenAIUsage, Usage

# A channel's base URL ends with one of these, and the second API's paths begin where it ends.
BASES: Final = ("/compatibility/v1", "/v1", "/v2")


class Counts(msgspec.Struct, frozen=True):
    """`meta.tokens` and `meta.billed_units`."""

    input_tokens: Count = None
    output_tokens: Count = None


def usage_of(reply: dict[str, Any]) -> Usage | None:
    """What a reply of Cohere's cost, or of a vendor who counts as OpenAI does."""
    found = counted(reply.get("usage"), OpenAIUsage)
    if found is not None:
        return found.read()
    meta = mapping(reply, "meta") or {}
    for name in ("tokens", "billed_units"):
        told = counted(meta.get(name), Counts)
        if told is not None and told.input_tokens is not None:
            return Usage(input=told.input_tokens, output=told.output_tokens or 0)
    return None


def meta_of(usage: Usage | None) -> dict[str, Any]:
    """As Cohere would write it."""
    made: dict[str, Any] = {"api_version": {"version": "2"}}
    return made if usage is None else made | {"tokens": {"input_tokens": usage.input, "output_tokens": usage.output}}
