"""A conversation of bare texts takes a short way through the writer; it says what the long way says."""

from __future__ import annotations

import pytest

from fastproxy.formats.anthropic.order import _plain, write_conversation
from fastproxy.formats.anthropic.tools import write_tools
from fastproxy.formats.anthropic.write_blocks import BlockWriter
from fastproxy.formats.chat import ChatRequest, Citation, Original, Refusal, Target, Text, ToolChoice, ToolResult, Turn
from fastproxy.formats.notes import Notes

HELLO = Turn("user", (Text("Hi"),))
REPLY = Turn("assistant", (Text("Hello"),))
TARGET = Target("m")


def by_the_long_way(turns: tuple[Turn, ...], notes: Notes) -> list[dict[str, object]]:
    request = ChatRequest("openai-chat", "m", turns, {})
    writer = BlockWriter(request, TARGET, write_tools(request, TARGET, notes).names, notes)
    # a blank text beside each, which is left out, makes none of them bare
    padded = tuple(Turn(turn.role, (*turn.parts, *(Text(" ") for _ in turn.parts))) for turn in turns)
    return write_conversation(padded, writer, notes, prefill=True)


@pytest.mark.parametrize(
    "turns",
    [
        (HELLO,),
        (HELLO, REPLY, HELLO),
        (Turn("user", (Text("Hi \n"),)), REPLY, HELLO, REPLY, HELLO),
        (Turn("user", (Text("Hi", original=Original("gemini", {"text": "Hi", "x": 1})),)),),
    ],
)
def test_bare_texts_say_the_same_either_way(turns: tuple[Turn, ...]) -> None:
    notes = Notes()
    assert _plain(turns) == by_the_long_way(turns, notes)
    assert not notes


@pytest.mark.parametrize(
    "turns",
    [
        (),
        (REPLY,),
        (HELLO, REPLY),
        (HELLO, HELLO),
        (HELLO, REPLY, REPLY, HELLO),
        (Turn("user", (Text("Hi"),), "ann"),),
        (Turn("user", (Text("Hi"), Text("there"))),),
        (Turn("user", ()),),
        (Turn("user", (Text(" "),)),),
        (Turn("user", (Text("Hi", "sig"),)),),
        (Turn("user", (Text("Hi", None, (Citation("u"),)),)),),
        (Turn("user", (Text("Hi", cache="5m"),)),),
        (Turn("user", (Refusal("no"),)),),
        (Turn("tool", (ToolResult("a"),)),),
        (Turn("user", (Text("Hi", original=Original("anthropic", {"type": "text", "text": "Hi", "x": 1})),)),),
    ],
)
def test_whatever_is_more_goes_the_long_way(turns: tuple[Turn, ...]) -> None:
    assert _plain(turns) is None


def test_without_tools_and_calls_only_a_choice_has_something_to_say() -> None:
    notes = Notes()
    assert write_tools(ChatRequest("gemini", "m", (HELLO,), {}), TARGET, notes)[:2] == ([], None)
    assert not notes
    write_tools(ChatRequest("gemini", "m", (HELLO,), {}, tool_choice=ToolChoice("auto")), TARGET, notes)
    assert [note.what for note in notes] == ["tool_choice"]
