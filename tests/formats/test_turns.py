"""Conversations in the order that formats ask for."""

from __future__ import annotations

import pytest

from fastproxy.formats.chat import Role, Text, ToolCall, ToolResult, Turn
from fastproxy.formats.turns import answered, called_names, merged, plain_text, split_system


def turn(role: Role, *texts: str) -> Turn:
    return Turn(role, tuple(Text(text) for text in texts))


def calls(*names: str) -> Turn:
    return Turn("assistant", tuple(ToolCall(name, f"tool {name}", "{}") for name in names))


def results(*names: str) -> Turn:
    return Turn("tool", tuple(ToolResult(name) for name in names))


def test_instructions_are_taken_out_in_order_and_late_ones_are_said() -> None:
    late = turn("system", "late")
    split = split_system([turn("developer", "a"), turn("user", "hi"), late])
    assert split.instructions == (turn("developer", "a"), late)
    assert (split.rest, split.moved) == ((turn("user", "hi"),), (late,))


@pytest.mark.parametrize(
    ("turns", "as_user", "expected"),
    [
        ([turn("user", "a"), turn("user", "b")], False, (turn("user", "a", "b"),)),
        ([turn("user", "a"), turn("assistant", "b")], False, (turn("user", "a"), turn("assistant", "b"))),
        ([results("1"), results("2")], False, (results("1", "2"),)),
        ([results("1"), turn("user", "a")], True, (Turn("user", (ToolResult("1"), Text("a"))),)),
        ([Turn("user", (Text("a"),), "ann"), Turn("user", (Text("b"),), "bob")], False,
         (Turn("user", (Text("a"),), "ann"), Turn("user", (Text("b"),), "bob"))),
    ],
)  # fmt: skip
def test_neighbours_of_one_role_are_joined(turns: list[Turn], as_user: bool, expected: tuple[Turn, ...]) -> None:
    assert merged(turns, tool_as_user=as_user) == expected


def test_results_stand_behind_their_calls_in_the_calls_order() -> None:
    user = Turn("user", (ToolResult("b"), Text("go on"), ToolResult("a")))
    found = answered([turn("user", "hi"), calls("a", "b"), user])
    assert found.turns == (turn("user", "hi"), calls("a", "b"), results("a", "b"), turn("user", "go on"))
    assert (found.orphans, found.missing) == ((), ())


def test_an_id_that_is_used_again_gets_its_own_result() -> None:
    first, second = ToolResult("a", (Text("1"),)), ToolResult("a", (Text("2"),))
    turns = [calls("a"), Turn("tool", (first,)), turn("user", "?"), calls("a", "b"), Turn("tool", (second,))]
    found = answered([*turns, turn("user", "!")])
    assert [each.parts for each in found.turns if each.role == "tool"] == [(first,), (second,)]
    assert found.orphans == ()
    assert [call.id for call in found.missing] == ["b"]


def test_a_late_result_is_that_of_the_last_call_and_one_too_many_is_an_orphan() -> None:
    late, more = ToolResult("a", (Text("1"),)), ToolResult("a", (Text("2"),))
    early = calls("a")
    found = answered([early, turn("user", "?"), calls("a"), Turn("tool", (late, more)), turn("user", "!")])
    assert [each.parts for each in found.turns if each.role == "tool"] == [(late,)]
    assert found.turns[3].parts == (late,)
    assert found.orphans == (more,)
    assert found.missing == early.parts


def test_two_calls_of_one_turn_with_the_same_id_have_a_result_each() -> None:
    first, second = ToolResult("a", (Text("1"),)), ToolResult("a", (Text("2"),))
    found = answered([calls("a", "a"), Turn("tool", (first, second))])
    assert found.turns[1].parts == (first, second)
    assert (found.orphans, found.missing) == ((), ())


def test_orphans_and_gaps_are_said_but_the_last_calls_may_still_be_answered() -> None:
    found = answered([calls("a"), turn("user", "?"), results("x"), calls("last")])
    assert found.turns == (calls("a"), turn("user", "?"), calls("last"))
    assert found.orphans == (ToolResult("x"),)
    assert [call.id for call in found.missing] == ["a"]


def test_names_of_tools_are_found_by_the_ids_of_their_calls() -> None:
    assert called_names([calls("a"), results("a"), calls("b")]) == {"a": "tool a", "b": "tool b"}


def test_plain_text_leaves_other_kinds_out() -> None:
    assert plain_text([Text("a"), ToolCall("1", "f", "{}"), Text("b")]) == "a\nb"
