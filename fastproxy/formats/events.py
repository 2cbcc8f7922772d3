"""The vocabulary of the hub, replies: a whole reply is its events listed, so streaming is not a second language.

    Begin  (TextDelta | ThinkingDelta | Signature | ToolBegin | ToolDelta | …)*  End per choice  UsageReport  Done

`block` numbers the blocks of one choice from 0 on: a delta with a new number begins a new block. Blocks of a choice
never interleave (serial.py sees to it for a format that can). A stream that ends without Done has been cut.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from fastproxy.formats.chat import Citation, Part  # noqa: TC001 - msgspec reads the annotations
from fastproxy.formats.usage_fields import Usage  # noqa: TC001

# Why a reply ended, in words of none of the formats. `other` is any word that we do not know.
Reason = Literal[
    "stop", "stop_sequence", "length", "context_window", "tool_calls", "content_filter", "refusal", "pause",
    "bad_tool_call", "cancelled", "other",
]  # fmt: skip
REASONS: Final[tuple[Reason, ...]] = (
    "stop", "stop_sequence", "length", "context_window", "tool_calls", "content_filter", "refusal", "pause",
    "bad_tool_call", "cancelled", "other",
)  # fmt: skip


class Event(msgspec.Struct, frozen=True, gc=False):
    """Anything that a reply says."""


class InChoice(Event, frozen=True, kw_only=True):
    """What belongs to one of several alternatives (n > 1)."""

    choice: int = 0


class Begin(Event, frozen=True):
    """The upstream's id and name of the model; `usage` where a format tells of the input at the start."""

    id: str = ""
    model: str = ""
    created: int | None = None
    usage: Usage | None = None
    service_tier: str | None = None


class TextDelta(InChoice, frozen=True):
    """`signature`: Gemini's thoughtSignature; the text may then be empty."""

    block: int
    text: str
    signature: str | None = None


class ThinkingDelta(InChoice, frozen=True):
    """`part` counts the paragraphs of a summary (Responses)."""

    block: int
    text: str
    part: int = 0


class ThinkingSignature(InChoice, frozen=True):
    """Ends a thinking block. Opaque; see chat.Thinking. `redacted`: the block has no text at all."""

    block: int
    signature: str
    issuer: str
    redacted: bool = False
    id: str | None = None


class ToolBegin(InChoice, frozen=True):
    """A call of a client's tool; its arguments follow in pieces, perhaps none."""

    block: int
    id: str
    name: str
    custom: bool = False
    signature: str | None = None


class ToolDelta(InChoice, frozen=True):
    """A piece of the arguments' JSON text, or of a custom tool's input."""

    block: int
    arguments: str


class RefusalDelta(InChoice, frozen=True):
    """The model says that it will not."""

    block: int
    text: str


class Cited(InChoice, frozen=True):
    """A citation for the text block with this number."""

    block: int
    citation: Citation


class Media(InChoice, frozen=True):
    """A whole image or sound that the model has made, as a part of the request's vocabulary."""

    block: int
    part: Part


class Foreign(InChoice, frozen=True):
    """A block that only one format has (chat.Opaque), whole."""

    block: int
    part: Part


class Logprobs(InChoice, frozen=True):
    """As OpenAI's chat writes them: [{token, logprob, bytes, top_logprobs}]."""

    content: tuple[dict[str, object], ...]


class End(InChoice, frozen=True):
    """A choice is complete. `stop_sequence`: which one matched; `explanation`: why the model refused."""

    reason: Reason
    stop_sequence: str | None = None
    explanation: str | None = None


class UsageReport(Event, frozen=True):
    """Cumulative: the last one counts."""

    usage: Usage


class Failure(Event, frozen=True):
    """The upstream reports an error inside a reply with status 200. Nothing follows."""

    status: int
    kind: str
    message: str
    retry_after: int | None = None


class Done(Event, frozen=True):
    """The upstream said that this was all, in its own way."""


DONE: Final = Done()


class Choice(msgspec.Struct, frozen=True):
    """One alternative of a whole reply: the parts as a history would hold them."""

    parts: tuple[Part, ...]
    reason: Reason
    stop_sequence: str | None = None
    explanation: str | None = None
    logprobs: tuple[dict[str, object], ...] = ()


class Reply(msgspec.Struct, frozen=True):
    """A whole reply: what the events add up to (fold.py)."""

    id: str
    model: str
    choices: tuple[Choice, ...]
    created: int | None = None
    usage: Usage | None = None
    service_tier: str | None = None


class ReplyContext(msgspec.Struct, frozen=True):
    """What a writer of replies needs from outside, because formats know neither clock nor chance.

    `id` is a fresh random hex string: each format puts its own prefix before it. `model` is the name that the client
    used. `created` in Unix seconds. `include_usage`: openai-chat only. `functions`: the client used the deprecated
    functions, so calls go back as function_call. `as_array`: Gemini's stream without alt=sse. `echo` is the client's
    own body, of which Responses repeat some fields. `show_thinking`: False for a client that asked not to see it.
    """

    id: str
    model: str
    created: int
    include_usage: bool = True
    functions: bool = False
    as_array: bool = False
    show_thinking: bool = True
    custom_tools: frozenset[str] = frozenset()  # of openai clients: calls of these go back as custom calls
    echo: dict[str, object] = {}
