"""Requests of other formats, written for an upstream that speaks Responses; and what the upstream's model refuses."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from fastproxy.formats.chat import (
    Citation,
    Document,
    Facts,
    Image,
    Opaque,
    Original,
    OutputFormat,
    Reasoning,
    Refusal,
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
from fastproxy.formats.openai_responses import NAME, read_request, upstream_path, write_request
from fastproxy.formats.tool_names import fitting_id
from tests.formats.openai_responses.asking import ANSWERED, CALLED, FIXED, HELLO, PATCH, TOOL, asked, user, written


def items(*turns: Turn, notes: Notes | None = None) -> Any:
    return written(asked(*turns), notes)["input"]


def said(*content: Any, role: str = "user") -> dict[str, Any]:
    text = content[0] if len(content) == 1 and isinstance(content[0], str) else list(content)
    return {"type": "message", "role": role, "content": text}


def output(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": []}


def call(name: str, call_id: str, arguments: str = "{}") -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def result(call_id: str, value: Any) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": value}


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        pytest.param((HELLO,), [said("hi")], id="case 36 one text is a string"),
        pytest.param(
            (user(Text("a"), Text("b")),),
            [said({"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"})],
            id="case 117 texts stay apart",
        ),
        pytest.param(
            (Turn("system", (Text("s"),)), HELLO, Turn("system", (Text("t"),))),
            [said("s", role="system"), said("hi"), said("t", role="system")],
            id="case 3 several instructions stay in place",
        ),
        pytest.param(
            (Turn("system", (Text("s"),)),), [said("s", role="system")], id="case 9 instructions alone are the input"
        ),
        pytest.param(
            (HELLO, Turn("assistant", (Text("a"), Refusal("no"))), HELLO),
            [said("hi"), said(output("a"), {"type": "refusal", "refusal": "no"}, role="assistant"), said("hi")],
            id="case 16 refusal in the history",
        ),
        pytest.param(
            (
                Turn(
                    "assistant",
                    (
                        Thinking("hm", "gAAA", NAME, id="rs_1"),
                        Text("Let me look."),
                        ToolCall("c1", "f", ""),
                        ToolCall("c2", "g", '{"x":1}'),
                    ),
                ),
                user(ToolResult("c2"), ToolResult("c1", (Text("21"),)), Text("So?")),
            ),
            [
                {
                    "type": "reasoning",
                    "id": "rs_1",
                    "summary": [{"type": "summary_text", "text": "hm"}],
                    "encrypted_content": "gAAA",
                },
                said(output("Let me look."), role="assistant"),
                call("f", "c1"),
                call("g", "c2", '{"x":1}'),
                result("c2", ""),
                result("c1", "21"),
                said("So?"),
            ],
            id="case 48, 51, 55, 60, 97 reasoning, message, calls; results in the client's order",
        ),
        pytest.param(
            (CALLED, user(Text("So?"), ToolResult("c1", (Text("21"),)))),
            [call("f", "c1", '{"a":1.0}'), result("c1", "21"), said("So?")],
            id="case 49, 52 results first",
        ),
        pytest.param(
            (CALLED, user(ToolResult("c1", (Text("see"), Image(Source("image/png", "iVBO")))))),
            [
                call("f", "c1", '{"a":1.0}'),
                result(
                    "c1",
                    [
                        {"type": "input_text", "text": "see"},
                        {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,iVBO"},
                    ],
                ),
            ],
            id="case 27 an image in a result",
        ),
        pytest.param(
            (CALLED, user(ToolResult("c1", (Text("a"), Text("b"))))),
            [call("f", "c1", '{"a":1.0}'), result("c1", "a\nb")],
            id="case 27 texts of a result are one",
        ),
        pytest.param(
            (CALLED, user(ToolResult("c1", (Text("no such city"),), is_error=True))),
            [call("f", "c1", '{"a":1.0}'), result("c1", "Error:\nno such city")],
            id="case 54 a failed call",
        ),
        pytest.param(
            (CALLED, HELLO, user(Text("x"))),
            [call("f", "c1", '{"a":1.0}'), result("c1", "no result"), said("hi"), said("x")],
            id="case 53 missing result",
        ),
        pytest.param(
            (HELLO, user(ToolResult("lost", (Text("21"),)))),
            [said("hi"), said("[result of lost]\n21")],
            id="case 53 orphan result",
        ),
        pytest.param(
            (Turn("assistant", (Text(""), ToolCall("c1", "f", "{}"))), ANSWERED),
            [call("f", "c1"), result("c1", "21")],
            id="case 12, 116 no empty text",
        ),
        pytest.param(
            (Turn("assistant", (ToolCall("call.1/x", "f", "{}"),)), user(ToolResult("call.1/x", (Text("21"),)))),
            [call("f", fitting_id("call.1/x")), result(fitting_id("call.1/x"), "21")],
            id="case 56 an id that does not fit",
        ),
        pytest.param(
            (user(Document(Source("application/pdf", "JVBE"), title="a.pdf")),),
            [
                said(
                    {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"},
                )
            ],
            id="case 28 PDF",
        ),
        pytest.param(
            (user(Document(Source(url="https://e.org/a.pdf"))),),
            [said({"type": "input_file", "file_url": "https://e.org/a.pdf"})],
            id="case 28 PDF by address",
        ),
        pytest.param(
            (user(Document(Source(), text="body", title="Title", context="Of")),),
            [said("Title\n\nOf\n\nbody")],
            id="case 29 text document",
        ),
        pytest.param(
            (user(Image(Source(url="https://e.org/a.png"), "low")),),
            [said({"type": "input_image", "detail": "low", "image_url": "https://e.org/a.png"})],
            id="case 25, 26 image",
        ),
        pytest.param(
            (
                Turn("assistant", (ToolCall("c1", "patch", "-a", custom=True),)),
                user(ToolResult("c1", (Text("ok"),), custom=True)),
            ),
            [
                {"type": "custom_tool_call", "call_id": "c1", "name": "patch", "input": "-a"},
                {"type": "custom_tool_call_output", "call_id": "c1", "output": "ok"},
            ],
            id="case 63 custom call",
        ),
        pytest.param(
            (Turn("assistant", (Text("See.", citations=(Citation("https://e.org", "E", 0, 3),)),)), HELLO),
            [
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [
                        {
                            "type": "output_text",
                            "text": "See.",
                            "annotations": [
                                {
                                    "type": "url_citation",
                                    "url": "https://e.org",
                                    "title": "E",
                                    "start_index": 0,
                                    "end_index": 3,
                                }
                            ],
                        }
                    ],
                },
                said("hi"),
            ],
            id="case 127 citations",
        ),
        pytest.param(
            (Turn("assistant", (Opaque("server_tool_use", "searched: faust"), Opaque("container"))), HELLO),
            [said(output("searched: faust"), role="assistant"), said("hi")],
            id="case 62 another vendor's tools are told, never called",
        ),
        pytest.param((user(),), [said("")], id="case 13 empty content"),
    ],
)
def test_turns_become_items(turns: tuple[Turn, ...], expected: list[Any]) -> None:
    assert items(*turns) == expected


def test_case_3_a_single_leading_instruction_goes_on_top() -> None:
    body = written(asked(Turn("system", (Text("Be brief"),)), HELLO))
    assert body == FIXED | {"instructions": "Be brief", "input": [said("hi")]}


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({"stream": True}, {"stream": True}),
        ({"max_output": 4096}, {"max_output_tokens": 4096}),
        ({"max_output": 1}, {"max_output_tokens": 16}),
        ({"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5, "top_p": 0.9}),
        ({"top_logprobs": 2}, {"top_logprobs": 2, "include": [*FIXED["include"], "message.output_text.logprobs"]}),
        ({"reasoning": Reasoning("max")}, {"reasoning": {"effort": "max"}}),
        ({"reasoning": Reasoning("low", show=True)}, {"reasoning": {"effort": "low", "summary": "auto"}}),
        ({"reasoning": Reasoning(budget=1024)}, {"reasoning": {"effort": "low"}}),
        ({"reasoning": Reasoning(budget=10_000)}, {"reasoning": {"effort": "high"}}),
        ({"reasoning": Reasoning(budget=32_768, show=True)}, {"reasoning": {"effort": "high", "summary": "auto"}}),
        ({"reasoning": Reasoning(budget=0, show=True)}, {"reasoning": {"effort": "none"}}),
        ({"reasoning": Reasoning(budget=-1)}, {}),
        ({"reasoning": Reasoning(adaptive=True)}, {}),
        ({"output": OutputFormat("json_object")}, {"text": {"format": {"type": "json_object"}}}),
        ({"output": OutputFormat("json_schema", {"type": "object"})},
         {"text": {"format": {"type": "json_schema", "name": "reply", "schema": {"type": "object"},
                              "strict": False}}}),
        ({"output": OutputFormat("json_schema", {"a": 1}, "n", "d", True), "verbosity": "low"},
         {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"a": 1}, "description": "d",
                              "strict": True},
                   "verbosity": "low"}}),
        ({"user": "u", "metadata": {"n": 1}}, {"safety_identifier": "u", "metadata": {"n": "1"}}),
        ({"service_tier": "standard_only"}, {"service_tier": "default"}),
        ({"service_tier": "tomorrow"}, {}),
        ({"store": True, "cache_key": "k"}, {"store": True, "prompt_cache_key": "k"}),
        ({"count": 1}, {}),
        ({"tool_choice": ToolChoice("required"), "parallel_tools": False}, {}),
    ],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
def test_cases_44_to_87_settings(fields: dict[str, Any], body: dict[str, Any]) -> None:
    assert written(asked(**fields)) == FIXED | {"input": [said("hi")]} | body


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        pytest.param(
            (TOOL,),
            [{"type": "function", "name": "f", "description": "does", "parameters": {"type": "object"},
              "strict": False}],
            id="case 39, 65 what is not said to be strict is not",
        ),
        pytest.param(
            (Tool("f", strict=True),),
            [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": True}],
            id="case 39 no parameters",
        ),
        pytest.param(
            (PATCH,),
            [{"type": "custom", "name": "patch", "format": dict(PATCH.grammar or {})}],
            id="case 63 custom",
        ),
        pytest.param((Tool("web_search_20250305", kind="builtin"),), None, id="case 61 another vendor's tool"),
    ],
)  # fmt: skip
def test_tools(tools: tuple[Tool, ...], expected: list[Any] | None) -> None:
    assert written(asked(tools=tools)).get("tools") == expected


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ToolChoice("auto"), "auto"),
        (ToolChoice("none"), "none"),
        (ToolChoice("required"), "required"),
        (ToolChoice("tool", ("f",)), {"type": "function", "name": "f"}),
        (ToolChoice("tool", ("patch",)), {"type": "custom", "name": "patch"}),
        (ToolChoice("tool", ("gone",)), None),
        (ToolChoice("allowed", ("f", "patch")), {"type": "allowed_tools", "mode": "auto", "tools": [
            {"type": "function", "name": "f"}, {"type": "custom", "name": "patch"}]}),
        (ToolChoice("allowed", ("f",), required=True), {"type": "allowed_tools", "mode": "required", "tools": [
            {"type": "function", "name": "f"}]}),
    ],
)  # fmt: skip
def test_cases_43_to_46_tool_choice(choice: ToolChoice, expected: Any) -> None:
    body = written(asked(tools=(TOOL, PATCH), tool_choice=choice, parallel_tools=False))
    assert (body.get("tool_choice"), body["parallel_tool_calls"]) == (expected, False)


def test_cases_40_and_41_names_that_do_not_fit_are_changed_everywhere() -> None:
    turns = (Turn("assistant", (ToolCall("c1", "mcp.files/read", "{}"),)), ANSWERED)
    tools = (Tool("mcp.files/read"), Tool("mcp_files_read"))
    request = asked(*turns, tools=tools, tool_choice=ToolChoice("tool", ("mcp.files/read",)))
    body, names = write_request(request, Target("m"), Notes())
    name = body["tools"][0]["name"]
    assert name != "mcp_files_read"
    assert [item.get("name") for item in body["input"][:1]] == [body["tool_choice"]["name"]] == [name]
    assert names.back(name) == "mcp.files/read"


def test_case_99_encrypted_reasoning_is_not_asked_of_a_model_that_does_not_think() -> None:
    body = written(asked(reasoning=Reasoning("low")), facts=Facts(thinking="none"))
    assert ("include" in body, "reasoning" in body) == (False, False)


@pytest.mark.parametrize("format_name", ["openai-chat", "gemini"])
def test_extra_fields_of_chat_that_mean_the_same_pass(format_name: str) -> None:
    notes = Notes()
    extra = {"prompt_cache_retention": "24h", "stream_options": {"include_usage": True, "include_obfuscation": False}}
    body = written(replace(asked(extra=extra | {"prediction": {}}), format=format_name), notes)
    assert ("prompt_cache_retention" in body) is (format_name == "openai-chat")
    assert body["stream_options"] == {"include_obfuscation": False}
    assert "prediction" in [note.what for note in notes]


def test_a_file_of_openai_passes_from_chat_to_responses() -> None:
    image = Image(Source(file_id="file-1"), original=Original("openai-chat", {}))
    assert items(user(image)) == [said({"type": "input_image", "detail": "auto", "file_id": "file-1"})]


OWN = {"model": "x", "input": "hi", "temperature": 0.5, "top_p": 0.9, "max_output_tokens": 9000,
       "reasoning": {"effort": "xhigh", "summary": "auto"}, "tools": [{"type": "function", "name": "f"}],
       "tool_choice": "auto", "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}}}  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "changed"),
    [
        (Facts(), {}),
        (Facts(sampling=False), {"temperature": None, "top_p": None}),
        (Facts(both=False), {"top_p": None}),
        (Facts(max_output=4000), {"max_output_tokens": 4000}),
        (Facts(efforts=("low", "medium", "high")), {"reasoning": {"effort": "high", "summary": "auto"}}),
        (Facts(efforts=("none", "low")), {"reasoning": {"effort": "low", "summary": "auto"}}),
        (Facts(thinking="none"), {"reasoning": None}),
        (Facts(tools=False), {"tools": None, "tool_choice": None}),
        (Facts(json_schema=False), {"text": {"format": {"type": "json_object"}}}),
    ],
)
def test_cases_67_and_70_what_the_model_refuses_is_not_sent(facts: Facts, changed: dict[str, Any]) -> None:
    notes = Notes()
    expected = {name: value for name, value in (OWN | {"model": "m"} | changed).items() if value is not None}
    assert written(read_request(OWN), notes, facts=facts) == expected
    assert bool(notes) is bool(changed)


def test_a_model_that_cannot_stop_thinking_thinks_as_little_as_it_can() -> None:
    request = asked(reasoning=Reasoning("none"))
    assert written(request, facts=Facts(can_stop_thinking=False))["reasoning"] == {"effort": "low"}
    known = Facts(can_stop_thinking=False, efforts=("none", "minimal", "low"))
    assert written(request, facts=known)["reasoning"] == {"effort": "minimal"}


def test_fields_that_a_vendor_refuses_are_dropped() -> None:
    notes = Notes()
    body = written(asked(), notes, drop_fields=frozenset(("store", "include", "absent")))
    assert body == {"model": "m", "input": [said("hi")]}
    assert sorted(str(note.what) for note in notes) == ["include", "store"]


def test_the_path_is_the_same_for_all() -> None:
    assert upstream_path(Target("m"), stream=True) == upstream_path(Target("n"), stream=False) == "/responses"


def test_parts_of_a_turn_that_somebody_changed_are_written_as_they_came() -> None:
    content = [{"type": "input_text", "text": "a", "x": 1}, {"type": "input_text", "text": "b"}]
    asked_of = {"role": "user", "content": content}
    told = {"role": "assistant", "content": [{"type": "output_text", "text": "c", "x": 2}]}
    called = call("f", "c1") | {"status": "completed"}
    answered = result("c1", "21") | {"x": 3}
    request = read_request({"model": "x", "instructions": "s", "input": [asked_of, told, called, answered]})
    lead, *rest = request.turns
    changed = (rest[0], lead, *(Turn(turn.role, turn.parts) for turn in rest))
    assert written(replace(request, turns=changed))["input"] == [
        asked_of, said("s", role="system"), {"type": "message"} | asked_of,
        {"type": "message"} | told, called, answered,
    ]  # fmt: skip


def test_case_63_a_call_that_was_wrapped_elsewhere_is_unwrapped() -> None:
    turns = (Turn("assistant", (ToolCall("c1", "patch", '{"input":"-a"}'),)), ANSWERED)
    kinds = [item["type"] for item in written(asked(*turns, tools=(PATCH,)))["input"]]
    assert kinds == ["custom_tool_call", "custom_tool_call_output"]


def test_a_refusal_that_a_user_quotes_is_text() -> None:
    assert items(user(Refusal("No."))) == [said("No.")]


def test_a_breakpoint_behind_a_tool_is_named() -> None:
    notes = Notes()
    written(asked(tools=(replace(TOOL, cache="5m"),)), notes)
    assert len(list(notes)) == 1


def test_a_choice_that_somebody_took_out_is_gone() -> None:
    assert "tool_choice" not in written(replace(read_request(OWN), tool_choice=None))


def test_case_10_a_prefill_is_kept_and_named() -> None:
    notes = Notes()
    assert items(HELLO, Turn("assistant", (Text("Once"),)), notes=notes)[-1] == said(output("Once"), role="assistant")
    assert [note.why for note in notes] == ["the model may not continue this text"]


def test_a_model_without_eyes_gets_no_images() -> None:
    notes = Notes()
    request = asked(user(Text("hi"), Image(Source("image/png", "AA")), Document(Source("application/pdf", "AA"))))
    body = written(request, notes, facts=Facts(images=False, documents=False))
    assert body["input"] == [said("hi")]
    assert len(list(notes)) == 2


LOGGED = "message.output_text.logprobs"
REFUSING = Target("gpt-5", drop_fields=frozenset(("top_logprobs",)))


@pytest.mark.parametrize(
    ("fields", "left", "named"),
    [
        ({"top_logprobs": 2, "include": [LOGGED]}, {}, ["top_logprobs", "include"]),
        ({"include": [LOGGED]}, {}, ["include"]),
        (
            {"top_logprobs": 2, "include": [LOGGED, "file_search_call.results"]},
            {"include": ["file_search_call.results"]},
            ["top_logprobs", "include"],
        ),
        ({"include": ["file_search_call.results"]}, {"include": ["file_search_call.results"]}, []),
    ],
)
def test_dropped_probabilities_were_still_included(fields: dict[str, Any], left: Any, named: list[str]) -> None:
    """A model that refuses top_logprobs refuses to include them, too."""
    request, notes = read_request({"model": "m", "input": "hi", **fields}), Notes()
    body, _ = write_request(request, REFUSING, notes)
    assert {name: value for name, value in body.items() if name not in ("model", "input")} == left
    assert [note.what for note in notes] == named


def test_what_another_clients_probabilities_had_included_goes_under_their_own_name() -> None:
    for count in (0, 2):
        notes = Notes()
        body, _ = write_request(asked(top_logprobs=count), REFUSING, notes)
        assert body["include"] == FIXED["include"]
        assert [note.what for note in notes] == ["top_logprobs"]
