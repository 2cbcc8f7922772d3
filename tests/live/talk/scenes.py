"""The capabilities, one function each: a conversation that fails unless everything came through, in any format.

Used twice: straight to the strict vendor, which proves the scene and the vendor, and through the gateway on every pair
of formats, which proves the translation. `TABLE` is also the columns of docs/formats.md.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from tests.live.sdk_calls import openai_client
from tests.live.strict.scenarios import CITIES, LONG, THOUGHT, digest, key_after
from tests.live.talk import chat, gemini, messages, responses
from tests.live.talk.said import Counts, Said, Sdk, Talker, Tool, Wish

if TYPE_CHECKING:
    from collections.abc import Callable


SDKS: Final = {
    "openai-chat": Sdk(openai_client, chat.ChatTalker),
    "openai-responses": Sdk(openai_client, responses.ResponsesTalker),
    "anthropic": Sdk(messages.connect, messages.MessagesTalker),
    "gemini": Sdk(gemini.connect, gemini.GeminiTalker),
}
NEXT_KEY: Final = Tool("next_key", "Gives the key behind a key.", ("key", "nth", "note"))
WEATHER: Final = Tool("weather", "Tells the weather of a city.", ("city",))
STEPS: Final = 10


class Address(BaseModel):
    street: str
    zip: int


class Person(BaseModel):
    """What structured output is asked for: nested, with a list."""

    name: str
    age: int
    admin: bool
    score: float
    addresses: list[Address]


def png(width: int, height: int) -> bytes:
    """A grey picture that every vendor would open."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = b"".join(b"\0" + bytes((row * 7 + place) % 256 for place in range(width)) for row in range(height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def text(begin: Callable[..., Talker], cached: int = 20) -> None:
    """The system prompt and the user's words arrive, the reply and its counts come back."""
    said = begin(system="Be brief – and kind.").say("Hello, wörld")
    assert said.text == "I heard “Hello, wörld” and was told “Be brief – and kind.” 🦜"
    assert (said.ends, said.counts) == ("stop", Counts(120, cached, 30))


def history(begin: Callable[..., Talker]) -> None:
    """Three turns: who said what stays in order."""
    talker = begin()
    first = talker.say("My name is Ada.").text
    second = talker.say("I live in Rome.").text
    third = talker.say("Who am I? [[history]]").text
    assert third.splitlines() == [
        "user: My name is Ada.", f"assistant: {first}", "user: I live in Rome.", f"assistant: {second}",
        "user: Who am I? [[history]]",
    ]  # fmt: skip


def unicode(begin: Callable[..., Talker]) -> None:
    """A long text of many scripts, with every character that a reader of lines takes for an end."""
    assert begin().say("Tell me more [[long]]").text == LONG


def vision(begin: Callable[..., Talker]) -> None:
    """The picture arrives byte for byte."""
    picture = png(61, 37)
    assert begin().say("What is this? [[see]]", picture).text == f"I see {digest(picture)}"


def documents(begin: Callable[..., Talker]) -> None:
    """So does a PDF."""
    paper = b"%PDF-1.7\n" + bytes(range(256)) + b"\n%%EOF\n"
    assert begin().say("What is this? [[see]]", paper).text == f"I see {digest(paper)}"


def tool_loop(begin: Callable[..., Talker]) -> None:
    """Ten calls, each with the result of the one before."""
    _loop(begin(tools=(NEXT_KEY, WEATHER)), thinks=False)


def thinking_loop(begin: Callable[..., Talker]) -> None:
    """The same, thinking before every call: thoughts and signatures go round ten times."""
    _loop(begin(tools=(NEXT_KEY, WEATHER), thinks=True), thinks=True)


def _loop(talker: Talker, *, thinks: bool) -> None:
    said, key = talker.say(f"Find the last key. [[steps {STEPS}]]"), "start"
    assert said.text == "One moment. "
    for nth in range(STEPS):
        assert [call.name for call in said.calls] == ["next_key"]
        assert said.calls[0].arguments == {"key": key, "nth": nth, "note": "ü"}
        assert said.ends == "calls"
        _has_thought(said, nth, thinks)
        key = key_after(key)
        said = talker.answer([(said.calls[0], key)])
    assert (said.text, said.calls, said.ends) == (f"The last key is {key}", [], "stop")
    _has_thought(said, STEPS, thinks)


def _has_thought(said: Said, nth: int, thinks: bool) -> None:
    assert said.thoughts == (f"{THOUGHT} ({nth})" if thinks else "")


def parallel_tools(begin: Callable[..., Talker]) -> None:
    """Three calls in one turn, answered in order: each answer reaches its call."""
    talker = begin(tools=(WEATHER,))
    said = talker.say("How is the weather? [[parallel]]")
    assert [(call.name, call.arguments) for call in said.calls] == [("weather", {"city": city}) for city in CITIES]
    said = talker.answer([(call, f"{place} °C") for place, call in enumerate(said.calls)])
    assert said.text == "; ".join(f"{city}: {place} °C" for place, city in enumerate(CITIES))


def forced_tool(begin: Callable[..., Talker]) -> None:
    """The tool that must be called is the one that the vendor is told to call."""
    said = begin(tools=(NEXT_KEY, WEATHER), forced="next_key").say("Go on. [[forced]]")
    assert [call.name for call in said.calls] == ["next_key"]


def structured_output(begin: Callable[..., Talker]) -> None:
    """The SDK parses the reply into its model, because the vendor got the schema."""
    said = begin(schema=Person).say("Who is it? [[json]]")
    words = "naïve “text”"
    expected: Any = {"name": words, "age": 42, "admin": True, "score": 2.5, "addresses": [{"street": words, "zip": 42}]}
    assert said.parsed == Person(**expected)


def thinking(begin: Callable[..., Talker]) -> None:
    """Thoughts are told apart from the text, and a next turn takes them back."""
    talker = begin(thinks=True)
    said = talker.say("Think, then speak.")
    assert (said.thoughts, said.text) == (f"{THOUGHT} (0)", "I heard “Think, then speak.” and was told “” 🦜")
    assert talker.say("Again.").text == "I heard “Again.” and was told “” 🦜"


def why_it_ended(begin: Callable[..., Talker]) -> None:
    """Too long, and refused."""
    assert begin().say("Go on [[ends length]]").ends == "length"
    assert begin().say("Go on [[ends filter]]").ends == "filter"


TABLE: Final[dict[str, Callable[[Callable[..., Talker]], None]]] = {
    "text": text,
    "history": history,
    "unicode": unicode,
    "vision": vision,
    "documents": documents,
    "tool loop": tool_loop,
    "parallel tools": parallel_tools,
    "forced tool": forced_tool,
    "structured output": structured_output,
    "thinking": thinking,
    "thinking loop": thinking_loop,
    "why it ended": why_it_ended,
}

__all__ = ["SDKS", "TABLE", "Wish"]
