"""Bare texts take a short way to Chat Completions, which must say what the long way says."""

from __future__ import annotations

from typing import Any

import pytest

from fastproxy.formats.chat import (
    Citation,
    Original,
    Refusal,
    Target,
    Text,
    ToolCall,
    Turn,
)
from fastproxy.formats.notes import Notes
from fastproxy.formats.openai_chat.write_messages import _Writer, plain_messages
from fastproxy.formats.tool_names import ToolNames
from fastproxy.formats.turns import join_assistants

Json = dict[str, Any]
TARGET = Target("m")
CALL = ToolCall("a", "f", '{"x":1.0}')


def by_the_long_way(turns: tuple[Turn, ...], notes: Notes) -> list[Json]:
    return _Writer(TARGET, ToolNames(()), notes).write(join_assistants(turns, but="openai-chat"))


HELLO = Turn("user", (Text("Hi"),))


@pytest.mark.parametrize(
    "turns",
    [
        (HELLO,),
        (Turn("system", (Text("s"),)), HELLO),
        (Turn("developer", (Text("s", original=Original("gemini", {})),)), HELLO, HELLO),
        (HELLO, Turn("assistant", (Text("a"),)), HELLO),
    ],
)
def test_bare_texts_are_written_the_short_way_and_say_the_same(turns: tuple[Turn, ...]) -> None:
    notes = Notes()
    assert plain_messages(turns) == by_the_long_way(turns, notes)
    assert not notes


@pytest.mark.parametrize(
    "turns",
    [
        (),
        (HELLO, Turn("assistant", (Text("a"),))),
        (HELLO, Turn("assistant", (Text("a"),)), Turn("assistant", (Text("b"),)), HELLO),
        (Turn("user", (Text("Hi"),), "ann"),),
        (Turn("user", (Text("Hi"), Text("there"))),),
        (Turn("user", ()),),
        (Turn("tool", (Text("Hi"),)),),
        (Turn("user", (Text(""),)),),
        (Turn("user", (Text("Hi", "sig"),)),),
        (Turn("user", (Text("Hi", None, (Citation("u"),)),)),),
        (Turn("user", (Text("Hi", cache="5m"),)),),
        (Turn("user", (Refusal("no"),)),),
    ],
)
def test_whatever_is_more_than_bare_texts_goes_the_long_way(turns: tuple[Turn, ...]) -> None:
    assert plain_messages(turns) is None
