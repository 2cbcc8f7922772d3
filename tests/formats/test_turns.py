"""Conversations taken apart."""

from __future__ import annotations

from fastproxy.formats.chat import Role, Text, ToolCall, Turn
from fastproxy.formats.turns import plain_text, split_system


def turn(role: Role, *texts: str) -> Turn:
    return Turn(role, tuple(Text(text) for text in texts))


def test_instructions_are_taken_out_in_order_and_late_ones_are_said() -> None:
    late = turn("system", "late")
    split = split_system([turn("developer", "a"), turn("user", "hi"), late])
    assert split.instructions == (turn("developer", "a"), late)
    assert (split.rest, split.moved) == ((turn("user", "hi"),), (late,))


def test_plain_text_leaves_other_kinds_out() -> None:
    assert plain_text([Text("a"), ToolCall("1", "f", "{}"), Text("b")]) == "a\nb"
