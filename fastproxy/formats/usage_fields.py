"""Where each wire format writes what a reply cost, and what its numbers mean. Structs for msgspec, no searching.

Vendors count differently; here all become `Usage`, whose buckets are disjoint:
    OpenAI     prompt and input tokens include what was read from and written to the cache
    Anthropic  input tokens exclude both
    Gemini     promptTokenCount includes cached content but not tool results; candidatesTokenCount excludes thoughts
A number that is negative, fractional or beyond 2^40 makes the whole count unreadable rather than wrong.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 40)] | None


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens. The first four are disjoint and add up to all that was processed; `reasoning` is a part of `output`, and
    `cache_write_long` of `cache_write`: what is kept for an hour (Anthropic) or twelve (OpenAI), and costs more.
    """

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    cache_write_long: int = 0


NOTHING: Final = Usage()  # of what costs no tokens, or does not say


class Lifetimes(msgspec.Struct, frozen=True, gc=False):
    """Cache writes by how long they are kept, as OpenAI and Anthropic name them."""

    ttl_30m_tokens: Count = None
    ttl_12h_tokens: Count = None
    ephemeral_5m_input_tokens: Count = None
    ephemeral_1h_input_tokens: Count = None


class Estimated(Usage, frozen=True, gc=False):
    """Counted here, because the upstream has not said it, or not all of it."""


class Details(msgspec.Struct, frozen=True, gc=False):
    """The finer counts of OpenAI and Anthropic, which name the parts of input and output alike."""

    cached_tokens: Count = None
    cache_write_tokens: Count = None
    cache_write_tokens_details: Lifetimes | None = None
    reasoning_tokens: Count = None
    thinking_tokens: Count = None


NO_DETAILS: Final = Details()


class OpenAIUsage(msgspec.Struct, frozen=True, gc=False):
    """Chat and embeddings say prompt and completion, Responses, images and audio say input and output."""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    input_tokens: Count = None
    output_tokens: Count = None
    total_tokens: Count = None
    prompt_cache_hit_tokens: Count = None  # DeepSeek
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None
    input_tokens_details: Details | None = None
    output_tokens_details: Details | None = None

    def read(self) -> Usage | None:
        # Written out, because it runs for every metered reply: 0.2 us, with max() and helpers it was 0.45.
        prompt = self.prompt_tokens if self.prompt_tokens is not None else self.input_tokens
        output = self.completion_tokens if self.completion_tokens is not None else self.output_tokens
        total = self.total_tokens
        if not prompt and not output:  # zeros are what servers write that do not count
            return Usage(input=total) if total else None  # rerankers know only the total
        spent = self.prompt_tokens_details or self.input_tokens_details or NO_DETAILS
        made = self.completion_tokens_details or self.output_tokens_details or NO_DETAILS
        cached = spent.cached_tokens if spent.cached_tokens is not None else self.prompt_cache_hit_tokens or 0
        written, reasoning = spent.cache_write_tokens or 0, made.reasoning_tokens or 0
        prompt, output = prompt or 0, output or 0
        if total is not None and total - prompt > output:
            output = total - prompt  # xAI's and Google's completion_tokens leave reasoning out, their total does not
        if reasoning > output:
            output += reasoning
        fresh = prompt - cached - written
        lives = spent.cache_write_tokens_details
        kept = min(lives.ttl_12h_tokens or 0, written) if lives is not None else 0
        return Usage(fresh if fresh > 0 else 0, cached, written, output, reasoning, kept)


class AnthropicUsage(msgspec.Struct, frozen=True, gc=False):
    """The same names in replies, message_start and message_delta; the later event leaves out what did not change."""

    input_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_creation_input_tokens: Count = None
    cache_creation: Lifetimes | None = None
    output_tokens: Count = None
    output_tokens_details: Details | None = None

    def read(self) -> Usage | None:
        if self.input_tokens is None and self.output_tokens is None:
            return None
        thinking = (self.output_tokens_details or NO_DETAILS).thinking_tokens or 0
        output, written, lives = self.output_tokens or 0, self.cache_creation_input_tokens, self.cache_creation
        kept = (lives.ephemeral_1h_input_tokens or 0) if lives is not None else 0
        if written is None:  # older imitations tell the parts only
            written = kept + ((lives.ephemeral_5m_input_tokens or 0) if lives is not None else 0)
        return Usage(
            self.input_tokens or 0,
            self.cache_read_input_tokens or 0,
            written,
            output,
            min(thinking, output),
            min(kept, written),
        )

    def then(self, later: AnthropicUsage) -> AnthropicUsage:
        """This, overwritten by what a later event says; the counts are cumulative."""
        said = {name: value for name, value in msgspec.structs.asdict(later).items() if value is not None}
        return msgspec.structs.replace(self, **said)


class GeminiUsage(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """generateContent and its kin."""

    prompt_token_count: Count = None
    cached_content_token_count: Count = None
    tool_use_prompt_token_count: Count = None
    candidates_token_count: Count = None
    thoughts_token_count: Count = None
    total_token_count: Count = None

    def read(self) -> Usage | None:
        if self.prompt_token_count is None and self.candidates_token_count is None:
            return None if self.total_token_count is None else Usage(input=self.total_token_count)
        prompt = (self.prompt_token_count or 0) + (self.tool_use_prompt_token_count or 0)
        cached, thoughts = self.cached_content_token_count or 0, self.thoughts_token_count or 0
        return Usage(max(0, prompt - cached), cached, 0, (self.candidates_token_count or 0) + thoughts, thoughts)


class InteractionUsage(msgspec.Struct, frozen=True, gc=False):
    """Gemini's interactions."""

    total_input_tokens: Count = None
    total_output_tokens: Count = None
    total_thought_tokens: Count = None
    total_cached_tokens: Count = None
    total_tool_use_tokens: Count = None

    def read(self) -> Usage | None:
        if self.total_input_tokens is None and self.total_output_tokens is None:
            return None
        cached, thoughts = self.total_cached_tokens or 0, self.total_thought_tokens or 0
        spent = (self.total_input_tokens or 0) + (self.total_tool_use_tokens or 0)
        return Usage(max(0, spent - cached), cached, 0, (self.total_output_tokens or 0) + thoughts, thoughts)


class OpenAIHolder(msgspec.Struct, frozen=True, gc=False):
    """A reply, or the object inside an event."""

    usage: OpenAIUsage | None = None


class OpenAIEvent(msgspec.Struct, frozen=True, gc=False):
    """A reply or a stream event: chat has the counts on top, Responses inside, Groq's older streams aside."""

    usage: OpenAIUsage | None = None
    response: OpenAIHolder | None = None
    x_groq: OpenAIHolder | None = None

    def found(self) -> OpenAIUsage | None:
        return self.usage or (self.response or _NOBODY).usage or (self.x_groq or _NOBODY).usage


_NOBODY: Final = OpenAIHolder()


class AnthropicHolder(msgspec.Struct, frozen=True, gc=False):
    """The message inside message_start."""

    usage: AnthropicUsage | None = None


class AnthropicEvent(msgspec.Struct, frozen=True, gc=False):
    """A reply or message_delta (on top), or message_start (inside)."""

    usage: AnthropicUsage | None = None
    message: AnthropicHolder | None = None

    def found(self) -> AnthropicUsage | None:
        return self.usage or (self.message.usage if self.message is not None else None)


class InteractionHolder(msgspec.Struct, frozen=True, gc=False):
    """The interaction inside its last event."""

    usage: InteractionUsage | None = None


class GeminiEvent(msgspec.Struct, frozen=True, gc=False):
    """A reply or a piece of a streamed one."""

    usage_metadata: GeminiUsage | None = msgspec.field(default=None, name="usageMetadata")
    usage: InteractionUsage | None = None
    interaction: InteractionHolder | None = None

    def found(self) -> GeminiUsage | InteractionUsage | None:
        return self.usage_metadata or self.usage or (self.interaction.usage if self.interaction is not None else None)


def _first(one: int | None, other: int | None) -> int | None:
    return other if one is None else one
