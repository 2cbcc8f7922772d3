"""What the strict vendor understands of a request and what it answers, in words of none of the four formats.

Ask     who spoke last and what they said, the results of tools since then, pictures, the schema, the wish to think
Say     thoughts, text and calls of one reply, and why it ends
Fault   a reply that fails: before it begins, in the middle, or by being cut
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Ends = Literal["stop", "calls", "length", "filter"]


class Refused(Exception):
    """A request that the vendor would answer with 400. `rule` is the name of the function that says so."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(f"{rule}: {message}")
        self.rule = rule
        self.message = message


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool has said, with the call it answers."""

    call_id: str
    name: str
    arguments: dict[str, Any]
    text: str


@dataclass(slots=True)
class Ask:
    """A request as a model would understand it. `transcript` is (role, text) of all turns that hold text."""

    model: str
    system: str = ""
    prompt: str = ""
    results: list[Result] = field(default_factory=list)
    media: list[bytes] = field(default_factory=list)
    tools: dict[str, Any] = field(default_factory=dict)  # name → schema of the parameters
    forced: str | None = None
    schema: dict[str, Any] | None = None
    thinks: bool = False
    stream: bool = False
    usage_in_stream: bool = True
    transcript: list[tuple[str, str]] = field(default_factory=list)

    def heard(self, role: str, text: str) -> None:
        """A turn's text. What a user says begins a new step: earlier results are history."""
        self.transcript.append((role, text))
        if role == "user":
            self.prompt = text
            self.results.clear()


@dataclass(frozen=True, slots=True)
class Thought:
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """`arguments` is JSON text, with spaces and an order of its own that nobody may change."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Say:
    """A reply. Its usage is the same in all formats: 120 tokens in, 20 of them cached, 30 out, 10 of them thoughts."""

    parts: tuple[Thought | Text | Call, ...]
    ends: Ends = "stop"
    trouble: Literal["", "break", "cut", "half"] = ""
    mixed: bool = False  # the pieces of its calls come interleaved, where the format allows that

    @property
    def thoughts(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Thought))

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def calls(self) -> list[Call]:
        return [part for part in self.parts if isinstance(part, Call)]


@dataclass(frozen=True, slots=True)
class Fault:
    """A refusal with this status. `kind`: rate, busy, context."""

    status: int
    kind: str
    message: str
    retry_after: int | None = None


INPUT, CACHED, OUTPUT, REASONING = 120, 20, 30, 10
