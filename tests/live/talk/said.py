"""A conversation as a user of an official SDK holds it, in words that fit all four: what to ask for, what was said.

Wish    model, system prompt, tools, schema, thinking
Said    text, thoughts, calls, why it ended, counts
Talker  say(prompt, file) and answer(results); it keeps the history in its SDK's own types
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Tool:
    """All parameters are strings."""

    name: str
    description: str
    parameters: tuple[str, ...]

    @property
    def schema(self) -> dict[str, Any]:
        """Closed and complete, as strict tools have to be."""
        properties = {name: {"type": "string", "description": f"the {name}"} for name in self.parameters}
        return {"type": "object", "properties": properties, "required": [*self.parameters],
                "additionalProperties": False}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wish:
    """What a conversation is held with. `forced`: the name of the tool that the model must call. `forgets`: the client
    sends back of a message only what OpenAI's reference names (openai-chat only)."""

    model: str
    stream: bool = False
    system: str = ""
    tools: tuple[Tool, ...] = ()
    schema: type[BaseModel] | None = None
    thinks: bool = False
    forced: str | None = None
    forgets: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Counts:
    """`input` with what was cached, `output` with the thoughts."""

    input: int
    cached: int
    output: int


@dataclass(frozen=True, slots=True)
class Said:
    """`ends`: stop, calls, length or filter. `parsed`: what the SDK has made of a reply in JSON."""

    text: str
    thoughts: str = ""
    calls: list[Call] = field(default_factory=list)
    ends: str = "stop"
    counts: Counts | None = None
    parsed: BaseModel | None = None


class Talker(Protocol):
    """One conversation. A file is a PNG or a PDF."""

    def say(self, prompt: str, file: bytes | None = None) -> Said: ...

    def answer(self, results: Sequence[tuple[Call, str]]) -> Said: ...


def media_type(file: bytes) -> str:
    return "application/pdf" if file.startswith(b"%PDF") else "image/png"


def data_url(file: bytes) -> str:
    return f"data:{media_type(file)};base64,{base64.b64encode(file).decode()}"


class Sdk(NamedTuple):
    """`connect` takes a base URL with its version and a key and gives a client; `talker` a client and a wish."""

    connect: Callable[[str, str], AbstractContextManager[Any]]
    talker: Callable[[Any, Wish], Talker]
