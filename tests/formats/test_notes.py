"""What a translation lost is named in the words and at the places of the client's own body."""

from __future__ import annotations

from typing import Any

from fastproxy.formats.chat import ChatRequest, Original, Text
from fastproxy.formats.notes import MAX_NOTES, Notes, place_of

BODY: dict[str, Any] = {
    "max_tokens": 5,
    "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "a"}]}],
}
REQUEST = ChatRequest("anthropic", "m", (), BODY)
SECOND = Text("a", original=Original("anthropic", BODY["messages"][0]["content"][1]))


def test_fields_have_the_clients_names_and_nodes_their_places() -> None:
    notes = Notes()
    notes.clamp("max_output", "64000 is the most")
    notes.drop("top_k")
    notes.change(SECOND)
    assert notes.report(REQUEST, {"max_output": "max_tokens"}) == (
        "max_tokens clamped: 64000 is the most",
        "top_k dropped",
        "messages[0].content[1] changed",
    )


def test_a_place_is_that_of_the_value_itself_and_not_of_its_equal() -> None:
    first = Text("a", original=Original("anthropic", BODY["messages"][0]["content"][0]))
    assert (place_of(BODY, first), place_of(BODY, SECOND)) == ("messages[0].content[0]", "messages[0].content[1]")


def test_a_node_that_was_made_has_its_kind_for_a_place() -> None:
    assert place_of(BODY, Text("b")) == "text"


def test_the_same_thing_is_noted_once_and_a_flood_is_bounded() -> None:
    notes = Notes()
    for number in range(3 * MAX_NOTES):
        notes.drop("top_k")
        notes.drop(f"extra.{number}")
    assert len(list(notes)) == MAX_NOTES
    assert not Notes()


def test_of_one_thing_all_changes_are_told_and_that_it_is_gone_above_all() -> None:
    notes = Notes()
    notes.change(SECOND, "without its cache breakpoint")
    notes.change(SECOND, "without its citations")
    notes.change(SECOND, "without its citations")
    notes.clamp("reasoning", "effort low is sent")
    notes.drop("reasoning", "the model does not think")
    notes.change("reasoning", "nobody asks any more")
    assert notes.report(REQUEST, {}) == (
        "messages[0].content[1] changed: without its cache breakpoint, without its citations",
        "reasoning dropped: the model does not think",
    )


def test_what_somebody_else_sees_to_is_forgotten() -> None:
    notes = Notes()
    notes.drop("stop", "no stop sequences")
    notes.drop(SECOND)
    notes.forget("stop")
    assert notes.report(REQUEST, {}) == ("messages[0].content[1] dropped",)
