"""Requests for /api/chat."""

from __future__ import annotations

from typing import Any

import pytest

from fastproxy.formats import ollama
from fastproxy.formats.chat import (
    Document,
    Image,
    Opaque,
    OutputFormat,
    Reasoning,
    Source,
    Target,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from fastproxy.formats.notes import Notes
from fastproxy.formats.registry import CHAT
from tests.formats.corpus import REQUESTS, Golden
from tests.formats.ollama.lines import HELLO, TOOL, asked, user, written

PNG = Image(Source("image/png", "AAAA"))
OTHER = Tool("g", schema={"type": "object"})


def messages(*turns: Turn, **facts: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = written(asked(*turns), **facts)["messages"]
    return found


def test_a_conversation() -> None:
    assert messages(
        Turn("developer", (Text("be"), Text("brief"))),
        user(Text("look"), PNG, Text("there")),
        Turn("assistant", (Thinking("Hm"), Text("a"), Text("b"), ToolCall("c1", "f", '{"a":1.50}'))),
        user(ToolResult("c1", (Text("r"),)), Text("and?")),
    ) == [
        {"role": "system", "content": "be\nbrief"},
        {"role": "user", "content": "look\nthere", "images": ["AAAA"]},
        {
            "role": "assistant",
            "content": "ab",
            "thinking": "Hm",
            "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": {"a": 1.5}}}],
        },
        {"role": "tool", "content": "r", "tool_name": "f", "tool_call_id": "c1"},
        {"role": "user", "content": "and?"},
    ]


def test_results_stand_in_the_order_of_their_calls_whoever_gave_them_how() -> None:
    """Older models know them by their order only."""
    calls = Turn("assistant", (ToolCall("c1", "f", "{}"), ToolCall("c2", "g", "{}")))
    results = [Turn("tool", (ToolResult(each, (Text(each),)),)) for each in ("c2", "c1")]
    assert [message["tool_call_id"] for message in messages(HELLO, calls, *results)[2:]] == ["c1", "c2"]


def test_neighbouring_items_of_the_assistant_are_one_message() -> None:
    items = (Thinking("Hm"), Text("a"), ToolCall("c1", "f", "{}"), ToolCall("c2", "f", "{}"))
    (_, message, _) = messages(HELLO, *(Turn("assistant", (item,)) for item in items), HELLO)
    assert (message["thinking"], message["content"], len(message["tool_calls"])) == ("Hm", "a", 2)


def test_pictures_of_results_follow_behind_all_of_them() -> None:
    calls = Turn("assistant", (ToolCall("c1", "f", "{}"), ToolCall("c2", "f", "{}")))
    made = messages(HELLO, calls, user(ToolResult("c1", (PNG,)), ToolResult("c2", (Text("r"),))))
    assert [message["role"] for message in made] == ["user", "assistant", "tool", "tool", "user"]
    assert made[-1]["images"] == ["AAAA"]


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (Document(Source(), text="t", title="T", context="C"), "T\nC\n\nt"),
        (Document(Source(), text="t"), "t"),
        (Opaque("x", "found it"), "found it"),
    ],
)
def test_what_can_be_told_is_told(part: Any, said: str) -> None:
    assert messages(user(part)) == [{"role": "user", "content": said}]


def test_a_turn_of_which_nothing_is_left_is_left_out() -> None:
    assert (
        messages(HELLO, Turn("assistant", (Opaque("x"),)), user(PNG), HELLO, images=False)
        == [{"role": "user", "content": "hi"}] * 2
    )


@pytest.mark.parametrize(
    ("arguments", "there"),
    [('{"a":1}', {"a": 1}), ("", {}), (" ", {}), ('{"a', {"_raw": '{"a'}), ("[1]", {"_raw": [1]})],
)
def test_arguments_are_an_object(arguments: str, there: Any) -> None:
    notes = Notes()
    body = written(asked(HELLO, Turn("assistant", (ToolCall("c", "f", arguments),))), notes)
    assert body["messages"][1]["tool_calls"][0]["function"]["arguments"] == there
    assert bool(notes) is ("_raw" in there)


def test_a_custom_tool_is_a_function_with_one_text() -> None:
    patch = Tool("patch", kind="custom")
    body = written(asked(HELLO, Turn("assistant", (ToolCall("c", "patch", "*** x", custom=True),)), tools=(patch,)))
    assert body["messages"][1]["tool_calls"][0]["function"]["arguments"] == {"input": "*** x"}
    assert body["tools"][0]["function"]["parameters"]["required"] == ["input"]


CHOICES = {
    "auto": (ToolChoice("auto"), ["f", "g"], False),
    "none": (ToolChoice("none"), [], False),
    "any": (ToolChoice("required"), ["f", "g"], True),
    "one": (ToolChoice("tool", ("g",)), ["g"], True),
    "some": (ToolChoice("allowed", ("f",)), ["f"], False),
    "one of some": (ToolChoice("allowed", ("f", "g"), required=True), ["f", "g"], True),
    "unknown": (ToolChoice("tool", ("h",)), ["f", "g"], False),
}


@pytest.mark.parametrize(("choice", "offered", "is_told"), CHOICES.values(), ids=CHOICES)
def test_a_choice_is_made_by_what_is_offered(choice: ToolChoice, offered: list[str], is_told: bool) -> None:
    body = written(asked(tools=(TOOL, OTHER), tool_choice=choice))
    assert [tool["function"]["name"] for tool in body.get("tools", ())] == offered
    assert ("must call" in body["messages"][0]["content"]) is is_told


THOUGHTS = [
    ("unknown", Reasoning("high"), True, 1),
    ("unknown", Reasoning("none"), False, 0),
    ("unknown", Reasoning(budget=4000), True, 1),
    ("unknown", Reasoning(budget=-1), True, 0),
    ("unknown", Reasoning(adaptive=True), True, 0),
    ("unknown", Reasoning(show=True), None, 0),
    ("effort", Reasoning("medium"), "medium", 0),
    ("effort", Reasoning("xhigh"), "high", 1),
    ("effort", Reasoning("none"), "low", 1),
    ("effort", Reasoning(budget=20_000), "high", 1),
    ("effort", Reasoning(budget=1024), "low", 1),
    ("effort", Reasoning(budget=-1), True, 0),
    ("none", Reasoning("high"), None, 1),
    ("none", Reasoning("none"), None, 0),
]


@pytest.mark.parametrize(("style", "wish", "think", "lost"), THOUGHTS)
def test_how_long_to_think(style: str, wish: Reasoning, think: Any, lost: int) -> None:
    notes = Notes()
    assert written(asked(reasoning=wish), notes, thinking=style).get("think") == think
    assert len(list(notes)) == lost


def test_json_of_any_kind() -> None:
    assert written(asked(output=OutputFormat("json_object")))["format"] == "json"


def test_ollamas_own_fields_pass_and_the_clients_word_is_above_its_options() -> None:
    extra = {"options": {"num_ctx": 8192, "temperature": 1}, "keep_alive": "10m", "truncate": False}
    notes = Notes()
    body = written(asked(temperature=0.5, extra=extra), notes)
    assert not notes
    assert body["options"] == {"num_ctx": 8192, "temperature": 0.5}
    assert (body["keep_alive"], body["truncate"]) == ("10m", False)


@pytest.mark.parametrize(
    ("fields", "facts", "left"),
    [
        ({"temperature": 0.5, "top_k": 3, "seed": 1}, {"sampling": False}, {"options": {"seed": 1}}),
        ({"max_output": 9000}, {"max_output": 4096}, {"options": {"num_predict": 4096}}),
        ({"tools": (TOOL,)}, {"tools": False}, {}),
    ],
)
def test_what_the_model_cannot_do_is_taken_back(fields: Any, facts: Any, left: Any) -> None:
    notes = Notes()
    body = written(asked(**fields), notes, **facts)
    assert {name: body[name] for name in ("options", "tools") if name in body} == left
    assert notes


def test_what_the_operator_says_the_upstream_refuses_goes() -> None:
    target = Target("m", drop_fields=frozenset(("think",)))
    notes = Notes()
    body, _ = ollama.write_request(asked(reasoning=Reasoning(budget=0)), target, notes)
    assert "think" not in body
    assert notes


@pytest.mark.parametrize("golden", REQUESTS, ids=lambda golden: golden.name)
def test_every_golden_request_is_taken(golden: Golden) -> None:
    """Nothing but strings, and objects where Ollama's server would refuse anything else; each loss has a name."""
    request, notes = golden.request(), Notes()
    body, names = ollama.write_request(request, Target("m"), notes)
    for message in body["messages"]:
        assert message["role"] in ("system", "user", "assistant", "tool")
        assert isinstance(message["content"], str)
        assert all(isinstance(image, str) and "," not in image for image in message.get("images", ()))
        assert all(isinstance(call["function"]["arguments"], dict) for call in message.get("tool_calls", ()))
    calls = [part for turn in request.turns for part in turn.parts if isinstance(part, ToolCall)]
    made = [call["function"]["name"] for message in body["messages"] for call in message.get("tool_calls", ())]
    assert made == [names.there(call.name) for call in calls]
    assert "None" not in " ".join(notes.report(request, CHAT[golden.format].FIELDS))
