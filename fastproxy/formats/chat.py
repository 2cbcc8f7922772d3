"""The vocabulary of the hub, requests: what every chat format says, in words of none of them.

Each format reads its body into these words and writes its body from them, so four formats need eight translators and
not twelve. All nodes are frozen. A node that was read remembers the JSON value it came from (`original`): the writer
of the same format gives exactly that back, unknown fields and all, and a node that somebody replaced has no original.

    ChatRequest ── turns ── Turn(role, parts) ── Text Image Document Audio Video Thinking ToolCall ToolResult …
                ── tools ── Tool            ── sampling, limits, reasoning, output format, metadata
                ── extra: top-level fields that no other format has a word for

Roles: system, developer, user, assistant, tool. Turns stand in the client's order and are not merged; a format whose
rules ask for it merges while writing (turns.py). Texts of tool arguments stay JSON texts, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - msgspec reads the annotations
from typing import Any, Final, Literal

import msgspec

CHAT_FORMATS: Final = ("openai-chat", "openai-responses", "anthropic", "gemini")
Role = Literal["system", "developer", "user", "assistant", "tool"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Original(msgspec.Struct, frozen=True):
    """The JSON value a node was read from, and in which format."""

    format: str
    value: Any


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """What can be named in a report of losses: it knows its place in the client's body by its original."""

    original: Original | None = None

    def is_of(self, name: str) -> bool:
        """Whether it was read in the format `name`."""
        return self.original is not None and self.original.format == name


class Source(msgspec.Struct, frozen=True):
    """Where the bytes of a file are: exactly one of `data` (base64, no line breaks), `url`, `file_id`."""

    media_type: str = ""
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    filename: str | None = None


class Part(Node, frozen=True, kw_only=True):
    """A piece of a turn. `cache` asks for a prompt-cache breakpoint behind it: "5m" or "1h", "" for the default."""

    cache: str | None = None


class Text(Part, frozen=True):
    """`signature` is Gemini's thoughtSignature on a text part."""

    text: str
    signature: str | None = None
    citations: tuple[Citation, ...] = ()


class Image(Part, frozen=True):
    """`detail`: low, high, auto, original."""

    source: Source
    detail: str | None = None


class Document(Part, frozen=True):
    """A PDF or another file; `text` instead of a source when its content is plain text."""

    source: Source
    text: str | None = None
    title: str | None = None
    context: str | None = None


class Audio(Part, frozen=True):
    """`source.media_type` is audio/wav, audio/mp3 …"""

    source: Source


class Video(Part, frozen=True):
    """Only Gemini takes it."""

    source: Source


class Thinking(Part, frozen=True):
    """Reasoning of an earlier reply. `signature` is opaque, carried byte for byte, and only good for its `issuer`.

    `issuer` is the format whose vendor made it. `redacted`: there is no text, the signature is all. `id` is the item's
    id where the issuer gave one (Responses).
    """

    text: str
    signature: str | None = None
    issuer: str = ""
    redacted: bool = False
    id: str | None = None


class ToolCall(Part, frozen=True):
    """`arguments` is a JSON text as the model wrote it, or free text when `custom`. `signature`: as in Text."""

    id: str
    name: str
    arguments: str
    custom: bool = False
    signature: str | None = None


class ToolResult(Part, frozen=True):
    """`name` is the tool's, where the format says it; else look it up by `call_id` (turns.py)."""

    call_id: str
    parts: tuple[Part, ...] = ()
    is_error: bool = False
    name: str | None = None
    custom: bool = False


class Refusal(Part, frozen=True):
    """A model's refusal in an earlier reply."""

    text: str


class Opaque(Part, frozen=True):
    """What only one format has: built-in tool calls and their results, containers, unknown kinds.

    `kind` is its type's name; `summary` is text that may stand for it elsewhere, "" when there is none. Never a client
    tool call in disguise. `is_known`: the format documents it (else it is reported as unknown). `is_said`: the summary
    is what a reply says, such as the transcript of its sound, and not a step on the way there.
    """

    kind: str
    summary: str = ""
    is_known: bool = True
    is_said: bool = False


class Turn(Node, frozen=True):
    """One message, or one item of Responses. `name` is the participant's."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None


class Tool(Node, frozen=True):
    """`schema` is None when no parameters were declared. `kind`: function, custom (free text), builtin.

    A builtin tool runs at the vendor: `name` is its type's name and `original` the rest. `grammar` is the format of a
    custom tool's input as Responses write it.
    """

    name: str
    description: str | None = None
    schema: Mapping[str, Any] | None = None
    strict: bool | None = None
    kind: Literal["function", "custom", "builtin"] = "function"
    grammar: Mapping[str, Any] | None = None
    cache: str | None = None


class ToolChoice(Node, frozen=True):
    """`tool`: the one in `names`. `allowed`: only those in `names`, and at least one of them if `required`."""

    mode: Literal["auto", "none", "required", "tool", "allowed"]
    names: tuple[str, ...] = ()
    required: bool = False


class Reasoning(Node, frozen=True):
    """How long to think, in the words that were used: an effort, or a budget of tokens (0: off, -1: the model's
    choice).

    `show`: None where the client did not say, else whether it wants to see the thoughts. `adaptive`: the model decides
    whether to think at all.
    """

    effort: Effort | None = None
    budget: int | None = None
    show: bool | None = None
    adaptive: bool = False


class OutputFormat(Node, frozen=True):
    """A reply in JSON: any object, or one that fits `schema`."""

    kind: Literal["json_object", "json_schema"]
    schema: Mapping[str, Any] | None = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


class Citation(Node, frozen=True):
    """Where a stretch of the reply's text comes from. Offsets count characters of the text block it belongs to."""

    url: str = ""
    title: str = ""
    start: int | None = None
    end: int | None = None
    cited_text: str = ""


class ChatRequest(msgspec.Struct, frozen=True):
    """One request. None means that the client did not say; a writer must not invent a value unless its format asks.

    `format` is the client's, `extra` its top-level fields without a word here, `body` all of it as it was read.
    `include_usage`: the client wants counts in the stream (only openai-chat clients can refuse them). `top_logprobs`:
    None without logprobs. `previous` is previous_response_id.
    """

    format: str
    model: str
    turns: tuple[Turn, ...]
    body: Mapping[str, Any]
    stream: bool = False
    include_usage: bool = True
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    max_output: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: Mapping[str, float] | None = None
    top_logprobs: int | None = None
    count: int | None = None  # n
    reasoning: Reasoning | None = None
    output: OutputFormat | None = None
    verbosity: str | None = None
    user: str | None = None
    metadata: Mapping[str, Any] | None = None
    service_tier: str | None = None
    store: bool | None = None
    previous: str | None = None
    cache_key: str | None = None  # prompt_cache_key
    extra: Mapping[str, Any] = {}


class Facts(msgspec.Struct, frozen=True):
    """What a writer must know of the upstream's model. The defaults are those of a model that nobody knows.

    `thinking`: how the model is told to think: none, budget (tokens), adaptive (Anthropic's newer), effort (OpenAI),
    level (Gemini 3). `sampling`: temperature, top_p and top_k are taken. `both`: temperature and top_p together.
    """

    max_output: int | None = None
    context: int | None = None
    sampling: bool = True
    both: bool = True
    stop: bool = True
    prefill: bool = True
    tools: bool = True
    json_schema: bool = True
    json_with_tools: bool = True
    thinking: Literal["unknown", "none", "budget", "adaptive", "effort", "level"] = "unknown"
    efforts: tuple[Effort, ...] = ()  # those it takes; empty: all
    can_stop_thinking: bool = True
    forced_tools_with_thinking: bool = True
    call_ids: bool = True  # Gemini: functionCall.id is known to the API
    images: bool = True
    documents: bool = True
    audio: bool = True


class Target(msgspec.Struct, frozen=True):
    """Whom a request is written for. `model` is the upstream's name for it, `vendor` the provider's catalogue name."""

    model: str
    facts: Facts = Facts()
    vendor: str = ""
    default_max_output: int = 8192  # for a format that demands one, when nobody knows the model
    drop_fields: frozenset[str] = frozenset()  # body fields that this vendor refuses
    builtin_tools: str = "drop"  # what becomes of tools that run at another vendor: drop, map, refuse (builtins.py)
