"""Tools of other formats, their calls and results, written for Gemini."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai import types

from fastproxy.formats import gemini
from fastproxy.formats.chat import (
    Facts,
    Image,
    Target,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from fastproxy.formats.gemini.write_parts import NO_SIGNATURE
from fastproxy.formats.notes import Notes
from tests.formats.gemini.asking import (
    ASSISTANT,
    DATA,
    LEVEL,
    UNKNOWN,
    USER,
    F,
    G,
    Q,
    asked,
    call,
    contents,
    model,
    result,
    user,
    written,
)

RESULTS: list[tuple[str, str, bool, Any]] = [
    ("case 54 text", "18 °C", False, {"output": "18 °C"}),
    ("case 54 error", "broken", True, {"error": "broken"}),
    ("case 54 object", '{"a": 1}', False, {"a": 1}),
    ("case 54 error that is an object", '{"a": 1}', True, {"error": {"a": 1}}),
    ("case 54 array", "[1]", False, {"output": "[1]"}),
    ("case 54 half an object", '{"a":', False, {"output": '{"a":'}),
    ("case 55 empty", "", False, {"output": ""}),
]


@pytest.mark.parametrize(
    ("text", "is_error", "response"), [row[1:] for row in RESULTS], ids=[row[0] for row in RESULTS]
)
def test_a_result_is_an_object(text: str, is_error: bool, response: Any) -> None:
    made = contents(USER, Turn("assistant", (call("c"),)), Turn("tool", (result("c", text, is_error=is_error),)))
    assert made[2] == user({"functionResponse": {"id": "c", "name": "f", "response": response}})


ARGUMENTS: list[tuple[str, ToolCall, Any, bool]] = [
    ("case 48 object", call("c", "f", '{"a":1}'), {"a": 1}, False),
    ("case 48 empty", call("c", "f", ""), {}, False),
    ("case 48 invalid", call("c", "f", '{"a":'), {"_raw": '{"a":'}, True),
    ("case 48 no object", call("c", "f", "[1]"), {"_raw": [1]}, True),
    ("case 48 too deep", call("c", "f", '{"a":' * 300 + "1" + "}" * 300), None, True),
    ("case 63 custom", ToolCall("c", "f", "free text", custom=True), {"input": "free text"}, False),
]


@pytest.mark.parametrize(
    ("made", "args", "is_lossy"), [row[1:] for row in ARGUMENTS], ids=[row[0] for row in ARGUMENTS]
)
def test_arguments_are_an_object(made: ToolCall, args: Any, is_lossy: bool) -> None:
    body, lost = written(asked(USER, Turn("assistant", (made,)), Turn("tool", (result("c"),))))
    expected = {"_raw": made.arguments} if args is None else args
    assert body["contents"][1]["parts"][0]["functionCall"]["args"] == expected
    assert bool(lost) == is_lossy


def test_cases_57_and_60_results_stand_in_the_order_of_their_calls_with_their_names() -> None:
    made = contents(
        USER,
        Turn("assistant", (call("c1", "f"), call("c2", "g"))),
        Turn("tool", (result("c2", "two"),)),
        Turn("tool", (result("c1", "one"),)),
        USER,
    )
    assert made[2:] == [
        user(
            {"functionResponse": {"id": "c1", "name": "f", "response": {"output": "one"}}},
            {"functionResponse": {"id": "c2", "name": "g", "response": {"output": "two"}}},
            Q,
        )
    ]


def test_case_58_without_ids_the_order_tells_which_result_is_whose() -> None:
    turns = (USER, Turn("assistant", (call("c1"), call("c2"))), Turn("tool", (result("c2", "2"), result("c1", "1"))))
    made = contents(*turns, facts=Facts(call_ids=False))
    assert made[1] == model({"functionCall": {"name": "f", "args": {}}}, {"functionCall": {"name": "f", "args": {}}})
    assert [part["functionResponse"]["response"]["output"] for part in made[2]["parts"]] == ["1", "2"]
    assert all("id" not in part["functionResponse"] for part in made[2]["parts"])


def test_ids_that_repeat_in_a_conversation_are_not_mixed_up() -> None:
    step = (Turn("assistant", (call("call_0"),)), Turn("tool", (result("call_0", "first"),)))
    again = (Turn("assistant", (call("call_0"),)), Turn("tool", (result("call_0", "second"),)))
    made = contents(USER, *step, *again)
    outputs = [content["parts"][0]["functionResponse"]["response"]["output"] for content in made[2::2]]
    assert outputs == ["first", "second"]


def test_case_53_a_result_without_its_call_is_sent_as_text() -> None:
    body, lost = written(asked(USER, Turn("tool", (ToolResult("lost", (Text("r"),), name="f"),))))
    assert body["contents"] == [user(Q, {"text": "Result of the tool f: r"})]
    assert lost == ("toolresult changed: a result without its call: sent as text",)


def test_case_53_a_call_without_a_result_gets_one_unless_it_is_the_last_word() -> None:
    body, lost = written(asked(USER, Turn("assistant", (call("c"),)), USER))
    assert body["contents"][2]["parts"] == [
        {"functionResponse": {"id": "c", "name": "f", "response": {"error": "no result"}}},
        Q,
    ]
    assert lost == ("toolcall changed: it has no result",)
    assert len(contents(USER, Turn("assistant", (call("c"),)))) == 2


WITH_IMAGE = (USER, Turn("assistant", (call("c"),)), Turn("tool", (ToolResult("c", (Text("t"), Image(DATA))),)))
INLINE = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}


def test_case_27_an_image_in_a_result_stands_inside_for_gemini_3() -> None:
    made = contents(*WITH_IMAGE, facts=LEVEL)
    assert made[2]["parts"][0]["functionResponse"]["parts"] == [INLINE]
    types.Content.model_validate(made[2])


def test_case_27_an_image_in_a_result_stands_behind_it_before_gemini_3() -> None:
    body, lost = written(asked(*WITH_IMAGE))
    assert body["contents"][2]["parts"][1:] == [{"text": "What the tool f gave besides:"}, INLINE]
    assert lost == ("image moved: behind the result of its tool",)


def test_case_27_images_of_results_stand_behind_all_results() -> None:
    results = (ToolResult("c", (Image(DATA),)), ToolResult("d", (Text("t"),)))
    made = contents(USER, Turn("assistant", (call("c"), call("d"))), Turn("tool", results), USER)
    assert [next(iter(part)) for part in made[2]["parts"]] == [
        "functionResponse", "functionResponse", "text", "inlineData", "text",
    ]  # fmt: skip


def signatures(*turns: Turn, facts: Facts = LEVEL) -> list[Any]:
    parts = [part for content in contents(*turns, facts=facts) for part in content["parts"] if "functionCall" in part]
    return [part.get("thoughtSignature") for part in parts]


def test_case_102_a_signature_stays_on_its_call() -> None:
    turns = (
        USER,
        Turn("assistant", (call("a", signature="c2ln"), call("b"))),
        Turn("tool", (result("a"), result("b"))),
    )
    assert signatures(*turns) == ["c2ln", None]


def test_case_104_lost_signatures_of_the_current_turn_are_stood_in_for() -> None:
    old = (USER, Turn("assistant", (call("o"),)), Turn("tool", (result("o"),)), ASSISTANT)
    steps = (
        USER,
        Turn("assistant", (call("a"), call("b"))),
        Turn("tool", (result("a"), result("b"))),
        Turn("assistant", (Text("now"), call("c"))),
        Turn("tool", (result("c"),)),
    )
    assert signatures(*old, *steps) == [None, NO_SIGNATURE, None, NO_SIGNATURE]
    assert signatures(*old, *steps, facts=Facts()) == [None] * 4
    assert "toolcall changed: its thought signature is lost" in written(asked(*steps), LEVEL)[1]


def test_case_39_all_functions_go_into_one_entry() -> None:
    body, lost = written(asked(tools=(F, G)))
    schema = {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}
    declared = [{"name": "f", "description": "does f", "parameters": schema}, {"name": "g"}]
    assert body["tools"] == [{"functionDeclarations": declared}]
    assert "toolConfig" not in body
    assert not lost


@pytest.mark.parametrize("schema", [{}, {"type": "object"}, {"type": "object", "properties": {}}], ids=str)
def test_case_39_no_parameters_are_left_out(schema: dict[str, Any]) -> None:
    body, _ = written(asked(tools=(Tool("f", schema=schema),)))
    assert body["tools"] == [{"functionDeclarations": [{"name": "f"}]}]


def test_cases_40_and_41_names_that_do_not_fit_are_changed_everywhere_and_back() -> None:
    names = ("mcp.server/tool", "mcp.server tool", "9lives", "fine.name")
    request = asked(
        USER,
        Turn("assistant", tuple(call(str(at), name) for at, name in enumerate(names))),
        Turn("tool", tuple(result(str(at)) for at in range(4))),
        tools=tuple(Tool(name) for name in names),
        tool_choice=ToolChoice("tool", ("9lives",)),
    )
    body, there = gemini.write_request(request, Target("m"), Notes())
    sent = [each["name"] for each in body["tools"][0]["functionDeclarations"]]
    assert len(set(sent)) == 4
    assert sent[3] == "fine.name"
    assert [there.back(name) for name in sent] == list(names)
    assert [part["functionCall"]["name"] for part in body["contents"][1]["parts"]] == sent
    assert [part["functionResponse"]["name"] for part in body["contents"][2]["parts"]] == sent
    assert body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == [sent[2]]


def test_a_second_tool_of_one_name_is_left_out_and_told() -> None:
    body, lost = written(asked(tools=(F, Tool("f", "another"), G)))
    assert [each["name"] for each in body["tools"][0]["functionDeclarations"]] == ["f", "g"]
    assert lost == ("tool dropped: another tool has its name",)


def test_case_42_a_recursive_schema_is_sent_as_it_is() -> None:
    schema = {"type": "object", "properties": {"next": {"$ref": "#"}}}
    body, lost = written(asked(tools=(Tool("f", schema=schema),)))
    assert body["tools"][0]["functionDeclarations"] == [{"name": "f", "parametersJsonSchema": schema}]
    assert len(lost) == 1


CHOICES: list[tuple[str, ToolChoice, Any]] = [
    ("auto", ToolChoice("auto"), {"mode": "AUTO"}),
    ("none", ToolChoice("none"), {"mode": "NONE"}),
    ("required", ToolChoice("required"), {"mode": "ANY"}),
    ("one tool", ToolChoice("tool", ("f",)), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ("case 45 allowed", ToolChoice("allowed", ("f",)), {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
    (
        "case 45 allowed and required",
        ToolChoice("allowed", ("f", "g"), required=True),
        {"mode": "ANY", "allowedFunctionNames": ["f", "g"]},
    ),
]


@pytest.mark.parametrize(("choice", "expected"), [row[1:] for row in CHOICES], ids=[row[0] for row in CHOICES])
def test_case_43_the_choice_of_tools_is_written(choice: ToolChoice, expected: Any) -> None:
    body, _ = written(asked(tools=(F, G), tool_choice=choice))
    assert body["toolConfig"] == {"functionCallingConfig": expected}
    types.ToolConfig.model_validate(body["toolConfig"])


def test_case_44_a_choice_without_tools_is_left_out() -> None:
    body, lost = written(asked(tool_choice=ToolChoice("required")))
    assert "toolConfig" not in body
    assert lost == ("tool_choice dropped: there is no such function",)


def test_case_44_a_choice_of_a_tool_that_is_no_function_is_left_out() -> None:
    body, lost = written(asked(tools=(F,), tool_choice=ToolChoice("tool", ("web_search",))))
    assert "toolConfig" not in body
    assert lost == ("tool_choice dropped: there is no such function",)


def test_case_46_calls_one_at_a_time_cannot_be_asked_for() -> None:
    assert len(written(asked(tools=(F,), parallel_tools=False))[1]) == 1
    assert not written(asked(tools=(F,), parallel_tools=True))[1]


def test_case_61_a_tool_of_another_vendor_is_left_out() -> None:
    body, lost = written(asked(tools=(Tool("web_search", kind="builtin"),)))
    assert "tools" not in body
    assert len(lost) == 1


@pytest.mark.parametrize("facts", [UNKNOWN, LEVEL], ids=["unknown", "Gemini 3"])
def test_case_61_googles_tools_do_not_stand_beside_functions(facts: Facts) -> None:
    body, lost = written(asked(tools=(F, Tool("web_search", kind="builtin"))), facts)
    assert [list(entry) for entry in body["tools"]] == [["functionDeclarations"]]
    assert len(lost) == 1


def test_case_63_a_custom_tool_is_a_function_with_one_text() -> None:
    body, lost = written(asked(tools=(Tool("sql", "runs SQL", kind="custom"),)))
    declared = body["tools"][0]["functionDeclarations"][0]
    assert declared["parameters"]["required"] == ["input"]
    assert declared["parameters"]["properties"]["input"]["type"] == "STRING"
    assert lost == ("tool changed: sent as a function with one text",)


def test_case_65_strict_is_validated_for_all() -> None:
    body, lost = written(asked(tools=(Tool("f", strict=True), G)))
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}
    assert lost == ("strict changed: VALIDATED for all tools",)
