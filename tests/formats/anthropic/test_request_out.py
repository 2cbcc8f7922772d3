"""Requests of other clients as the Messages API takes them: order, tools, images, limits."""

from __future__ import annotations

from typing import Any

import pytest

from fastproxy.errors import FormatError
from fastproxy.formats import anthropic
from fastproxy.formats.anthropic.cached import limit_breakpoints
from fastproxy.formats.chat import (
    Audio,
    ChatRequest,
    Document,
    Facts,
    Image,
    Opaque,
    Original,
    Part,
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
    Video,
)
from fastproxy.formats.custom_tools import wrap_custom
from fastproxy.formats.notes import Notes
from tests.formats.anthropic.frames import WEATHER, body_and_notes, body_of, golden, request, user

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
HI = user(Text("Hi"))
CALL = ToolCall("t1", "get_weather", '{"city":"Oslo"}')
USE = {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"city": "Oslo"}}


def assistant(*parts: Part) -> Turn:
    return Turn("assistant", parts)


def result(call_id: str, text: str = "ok") -> Turn:
    return Turn("tool", (ToolResult(call_id, (Text(text),)),))


def answer(call_id: str, text: str = "ok", **fields: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, "content": text, **fields}


def messages(*turns: Turn, **facts: Any) -> list[Any]:
    found: list[Any] = body_of(request(*turns), **facts)["messages"]
    return found


def test_case_1_instructions_stand_on_top_in_order() -> None:
    turns = Turn("system", (Text("One"),)), HI, Turn("developer", (Text("Two"),))
    body, notes = body_and_notes(request(*turns))
    assert body["system"] == [{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}]
    assert body["messages"] == [{"role": "user", "content": "Hi"}]
    assert notes == ("turn moved: instructions stand before the conversation",)


def test_case_36_one_plain_instruction_is_a_string() -> None:
    body = body_of(request(Turn("system", (Text("Be brief"),)), HI))
    assert body == {
        "model": "claude",
        "max_tokens": 8192,
        "system": "Be brief",
        "messages": [{"role": "user", "content": "Hi"}],
    }


def test_case_6_neighbours_of_one_role_are_merged() -> None:
    assert messages(HI, user(Text("there")), assistant(Text("a")), assistant(Text("b")), user(Text("c"))) == [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "there"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "user", "content": "c"},
    ]


@pytest.mark.parametrize("turns", [(), (assistant(Text("Hello")), HI)], ids=["case 9 nobody", "case 8 assistant"])
def test_a_user_begins(turns: tuple[Turn, ...]) -> None:
    body, notes = body_and_notes(request(*turns))
    assert body["messages"][0] == {"role": "user", "content": "…"}
    assert notes == ("turns changed: a user's message was put in front",)


def test_case_10_14_a_last_assistant_message_begins_the_reply() -> None:
    assert messages(HI, assistant(Text("Well, \n")))[-1] == {"role": "assistant", "content": "Well,"}
    body, notes = body_and_notes(request(HI, assistant(Text("Well"))), prefill=False)
    assert body["messages"][-1] == {"role": "user", "content": "Continue."}
    assert len(notes) == 1


@pytest.mark.parametrize("text", ["", " \n"])
def test_case_11_116_no_empty_text_beside_calls(text: str) -> None:
    found = messages(HI, assistant(Text(text), CALL), result("t1"))
    assert found[1] == {"role": "assistant", "content": [USE]}


def test_case_13_an_empty_user_message_is_merged_or_replaced() -> None:
    body, notes = body_and_notes(request(HI, assistant(Text("a")), user(Text(""))))
    assert body["messages"][-1] == {"role": "user", "content": "…"}
    assert notes == ("turn changed: it is empty",)
    assert messages(HI, user(Text(""))) == [{"role": "user", "content": "Hi"}]
    assert messages(HI, assistant(CALL), result("t1"), user(Text(" ")))[-1]["content"] == [answer("t1")]


def test_case_15_16_names_and_refusals() -> None:
    body, notes = body_and_notes(request(Turn("user", (Text("Hi"),), "ada"), assistant(Refusal("No.")), HI))
    assert body["messages"][1] == {"role": "assistant", "content": "No."}
    assert notes == ("turn changed: participants have no names", "refusal changed: sent as text")


# Tools


def test_case_39_a_tool_without_parameters() -> None:
    body = body_of(request(HI, tools=(Tool("now"), WEATHER, Tool("f", schema={"properties": {}}, strict=True))))
    assert body["tools"] == [
        {"name": "now", "input_schema": {"type": "object", "properties": {}}},
        {"name": "get_weather", "input_schema": WEATHER.schema, "description": "Tells the weather."},
        {"name": "f", "input_schema": {"type": "object", "properties": {}}, "strict": True},
    ]


def test_case_65_strict_only_where_schemas_are_enforced() -> None:
    body, notes = body_and_notes(request(HI, tools=(Tool("f", strict=True),)), json_schema=False)
    assert "strict" not in body["tools"][0]
    assert notes == ("tool changed: this model does not enforce schemas",)


def test_case_40_41_names_that_do_not_fit_are_changed_and_changed_back() -> None:
    tools = (Tool("mcp.server/tool"), Tool("mcp.server.tool"), Tool("x" * 65))
    turns = HI, assistant(ToolCall("t1", "mcp.server/tool", "{}")), result("t1")
    asked = request(*turns, tools=tools, tool_choice=ToolChoice("tool", ("mcp.server.tool",)))
    body, names = anthropic.write_request(asked, Target("claude"), Notes())
    written = [tool["name"] for tool in body["tools"]]
    assert len(set(written)) == 3
    assert [names.back(name) for name in written] == [tool.name for tool in tools]
    assert body["messages"][1]["content"][0]["name"] == written[0]
    assert body["tool_choice"]["name"] == written[1]


@pytest.mark.parametrize(
    ("choice", "parallel", "written"),
    [
        (ToolChoice("auto"), None, {"type": "auto"}),
        (ToolChoice("none"), False, {"type": "none"}),
        (ToolChoice("required"), True, {"type": "any"}),
        (ToolChoice("tool", ("get_weather",)), False,
         {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (None, True, None),
    ],
    ids=["auto", "none", "required", "tool", "case 46 no choice", "parallel"],
)  # fmt: skip
def test_case_43_46_tool_choice(choice: ToolChoice | None, parallel: bool | None, written: Any) -> None:
    asked = request(HI, tools=(WEATHER,), tool_choice=choice, parallel_tools=parallel)
    assert body_of(asked).get("tool_choice") == written


def test_case_44_a_choice_without_tools_is_dropped() -> None:
    body, notes = body_and_notes(request(HI, tool_choice=ToolChoice("required"), parallel_tools=False))
    assert "tool_choice" not in body
    assert notes == ("tool_choice dropped: there are no tools",)


@pytest.mark.parametrize(("required", "kind"), [(True, "any"), (False, "auto")])
def test_case_45_allowed_tools_are_those_that_are_left(required: bool, kind: str) -> None:
    choice = ToolChoice("allowed", ("now",), required)
    body, notes = body_and_notes(request(HI, tools=(WEATHER, Tool("now")), tool_choice=choice))
    assert [tool["name"] for tool in body["tools"]] == ["now"]
    assert body["tool_choice"] == {"type": kind}
    assert notes == ("tool_choice changed: the other tools are left out",)


@pytest.mark.parametrize(
    ("text", "given"),
    [("", {}), ('{"a":1.0}', {"a": 1.0}), ("[1]", {"_raw": [1]}), ('{"a":', {"_raw": '{"a":'})],
)
def test_case_48_arguments_become_an_object(text: str, given: Any) -> None:
    found = messages(HI, assistant(ToolCall("t1", "f", text)), result("t1"))
    assert found[1]["content"][0]["input"] == given


def test_case_50_60_results_stand_first_in_the_order_of_the_calls() -> None:
    calls = CALL, ToolCall("t2", "now", "")
    found = messages(HI, assistant(Text("Both."), *calls), result("t2", "noon"), result("t1"), user(Text("Well?")))
    assert found[1]["content"][1:] == [USE, {"type": "tool_use", "id": "t2", "name": "now", "input": {}}]
    assert found[2] == {
        "role": "user",
        "content": [answer("t1"), answer("t2", "noon"), {"type": "text", "text": "Well?"}],
    }
    assert len(found) == 3


def test_case_52_results_behind_a_text_are_moved_for_an_anthropic_client_too() -> None:
    body = golden("request_thinking_tools.json")
    body["messages"][2]["content"].insert(0, {"type": "text", "text": "Here:"})
    asked, notes = anthropic.read_request(body), Notes()
    made, _ = anthropic.write_request(asked, Target("claude"), notes)
    assert [block["type"] for block in made["messages"][2]["content"]] == ["tool_result", "text"]
    assert made["messages"][:2] == body["messages"][:2]
    assert notes.report(asked, {}) == ("messages[2] moved: results of tools stand first",)


def test_case_53_a_missing_result_is_told_and_an_orphan_becomes_a_text() -> None:
    calls = assistant(CALL, ToolCall("t2", "now", "{}"))
    asked = request(HI, calls, result("t1"), result("t9", "late"), tools=(WEATHER,))
    body, notes = body_and_notes(asked)
    assert body["messages"][2]["content"] == [
        answer("t1"),
        answer("t2", "no result", is_error=True),
        {"type": "text", "text": "Result of the tool call t9:"},
        {"type": "text", "text": "late"},
    ]
    assert notes[0] == "toolcall changed: it has no result: one that says so was added"
    assert notes[1] == "toolresult changed: no call before it: sent as text"


def test_an_id_that_was_used_twice_is_answered_twice() -> None:
    found = messages(HI, assistant(CALL), result("t1", "a"), assistant(CALL), result("t1", "b"))
    assert found[2]["content"] == [answer("t1", "a")]
    assert found[3]["content"] == [{**USE, "id": "t1_2"}]
    assert found[4]["content"] == [answer("t1_2", "b")]


def test_a_result_that_comes_later_is_brought_to_its_call() -> None:
    found = messages(HI, assistant(CALL), user(Text("Wait")), assistant(Text("Yes?")), result("t1"), user(Text("Now")))
    assert found[2]["content"] == [answer("t1"), {"type": "text", "text": "Wait"}]
    assert [message["role"] for message in found] == ["user", "assistant", "user", "assistant", "user"]


def test_case_54_55_errors_and_empty_results() -> None:
    failed = Turn("tool", (ToolResult("t1", (Text("broke"),), is_error=True),))
    assert messages(HI, assistant(CALL), failed)[2]["content"] == [answer("t1", "broke", is_error=True)]
    empty = Turn("tool", (ToolResult("t1", (Text(""),)),))
    assert messages(HI, assistant(CALL), empty)[2]["content"] == [{"type": "tool_result", "tool_use_id": "t1"}]


def test_case_27_a_result_holds_images() -> None:
    shown = Turn("tool", (ToolResult("t1", (Text("See"), Image(Source("image/png", data=PNG)))),))
    content = messages(HI, assistant(CALL), shown)[2]["content"][0]["content"]
    assert [block["type"] for block in content] == ["text", "image"]


def test_case_56_ids_that_do_not_fit_are_changed_on_both_sides() -> None:
    call_id = "call:1|" + "x" * 80
    found = messages(HI, assistant(ToolCall(call_id, "f", "{}")), result(call_id))
    used, answered = found[1]["content"][0]["id"], found[2]["content"][0]["tool_use_id"]
    assert used == answered
    assert used.replace("_", "").isalnum()
    assert len(used) <= 64


def test_case_61_62_what_runs_at_another_vendor_is_left_out() -> None:
    turn = assistant(Opaque("web_search_call"), Opaque("note", "It said so."), Text("Done."))
    body, notes = body_and_notes(request(HI, turn, HI, tools=(Tool("web_search", kind="builtin"),)))
    assert "tools" not in body
    assert [block["text"] for block in body["messages"][1]["content"]] == ["It said so.", "Done."]
    assert notes == (
        "tool dropped: runs at another vendor",
        "opaque dropped: no web_search_call in messages",
        "opaque changed: sent as text",
    )


def test_case_63_a_custom_tool_takes_one_string() -> None:
    tool = Tool(
        "sql", "Runs SQL.", kind="custom", grammar={"type": "grammar", "syntax": "lark", "definition": "s: /.+/"}
    )
    turns = HI, assistant(ToolCall("t1", "sql", "SELECT 1", custom=True)), result("t1")
    body, notes = body_and_notes(request(*turns, tools=(tool,)))
    assert body["tools"] == [{"name": "sql", "description": "Runs SQL.", "input_schema": wrap_custom(tool)}]
    assert body["messages"][1]["content"][0]["input"] == {"input": "SELECT 1"}
    assert notes == ("tool changed: free text travels as one string argument",)


def test_calls_in_messages_want_their_tools_declared() -> None:
    body, _ = body_and_notes(request(HI, assistant(CALL), result("t1")))
    assert body["tools"] == [{"name": "get_weather", "input_schema": {"type": "object"}}]
    assert body["tool_choice"] == {"type": "none"}


# Images, documents and their kin


@pytest.mark.parametrize(
    ("source", "written"),
    [
        (Source("image/png", data=PNG), {"type": "base64", "media_type": "image/png", "data": PNG}),
        (Source("image/jpeg", data=PNG), {"type": "base64", "media_type": "image/png", "data": PNG}),
        (Source("image/jpg", data="AAAA"), {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}),
        (Source("IMAGE/WEBP; x=1", data="_-8"), {"type": "base64", "media_type": "image/webp", "data": "/+8="}),
        (Source("", data="UklGRiQAAABXRUJQVlA4"), {"type": "base64", "media_type": "image/webp",
                                                  "data": "UklGRiQAAABXRUJQVlA4"}),
        (Source(url="https://example.com/a.png"), {"type": "url", "url": "https://example.com/a.png"}),
    ],
    ids=["case 20", "case 23 mislabelled", "jpg", "case 24 parameters and alphabet", "webp", "case 21"],
)  # fmt: skip
def test_images(source: Source, written: dict[str, str]) -> None:
    assert messages(user(Image(source)))[0]["content"] == [{"type": "image", "source": written}]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (Image(Source("image/bmp", data="Qk0=")), "an image of type image/bmp: expected JPEG, PNG, GIF or WebP"),
        (Image(Source(url="gs://b/a.png")), "an address of another kind: expected http or https"),
        (Image(Source(file_id="file-1")), "a file of another provider: expected its bytes or its address"),
        (Document(Source(file_id="file-1")), "a file of another provider: expected its bytes or its address"),
        (Document(Source("application/zip", data="UEsD")), "a file of type application/zip: expected a PDF or a text"),
    ],
    ids=["case 20", "gs", "case 30", "case 30 document", "zip"],
)
def test_what_the_api_refuses_is_refused_with_its_place(part: Any, message: str) -> None:
    value = {"type": "file"}
    body = {"messages": [{"role": "user", "content": [value]}]}
    placed = type(part)(**{name: getattr(part, name) for name in part.__struct_fields__ if name != "original"},
                        original=Original("openai-chat", value))  # fmt: skip
    asked = ChatRequest(format="openai-chat", model="m", turns=(user(placed),), body=body)
    with pytest.raises(FormatError) as caught:
        body_of(asked)
    assert caught.value.message == f"field 'messages[0].content[0]' is {message}"


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (Document(Source("application/pdf", data="JVBERi0x", filename="a.pdf")),
         {"type": "document", "title": "a.pdf",
          "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0x"}}),
        (Document(Source("text/markdown", data="IyBIaQ==")),
         {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "# Hi"}}),
        (Document(Source(), "Some text", "Title", "Context"),
         {"type": "document", "title": "Title", "context": "Context",
          "source": {"type": "text", "media_type": "text/plain", "data": "Some text"}}),
        (Document(Source(url="https://example.com/a.pdf")),
         {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}),
    ],
    ids=["pdf", "text file", "text", "url"],
)  # fmt: skip
def test_case_28_29_documents(part: Document, block: dict[str, Any]) -> None:
    assert messages(user(part))[0]["content"] == [block]


@pytest.mark.parametrize(
    ("part", "facts", "note"),
    [
        (Audio(Source("audio/wav", data="UklG")), {}, "audio dropped: no audio in messages"),
        (Video(Source(url="https://example.com/a.mp4")), {}, "video dropped: no video in messages"),
        (Image(Source("image/png", data=PNG)), {"images": False}, "image dropped: this model takes no images"),
        (Document(Source(), "x"), {"documents": False}, "document dropped: this model takes no documents"),
    ],
    ids=["case 31", "case 32", "images", "documents"],
)
def test_what_the_model_cannot_take_is_left_out(part: Part, facts: dict[str, Any], note: str) -> None:
    body, notes = body_and_notes(request(user(Text("Hi"), part)), **facts)
    assert body["messages"] == [{"role": "user", "content": "Hi"}]
    assert notes == (note,)


def test_case_25_detail_is_noted() -> None:
    _, notes = body_and_notes(request(user(Image(Source("image/png", data=PNG), "high"))))
    assert notes == ("image changed: images have no detail",)


def test_an_assistants_image_is_left_out() -> None:
    body, notes = body_and_notes(request(HI, assistant(Text("See"), Image(Source("image/png", data=PNG))), HI))
    assert body["messages"][1]["content"] == "See"
    assert notes == ("image dropped: no files in an assistant's message",)


# Cache


def marked(text: str, ttl: str = "") -> Text:
    return Text(text, cache=ttl)


def test_case_34_four_breakpoints_are_kept() -> None:
    turns = Turn("system", (marked("s", "1h"),)), user(*(marked(str(place)) for place in range(5)))
    tools = (Tool("f", cache="1h"),)
    body, notes = body_and_notes(request(*turns, tools=tools))
    assert body["tools"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert body["system"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert [block["text"] for block in body["messages"][0]["content"] if "cache_control" in block] == ["3", "4"]
    assert notes == ("cache_control changed: 4 breakpoints at most",)


def test_case_34_an_hour_does_not_follow_five_minutes() -> None:
    turns = Turn("system", (marked("s"),)), user(marked("u", "1h"))
    body, notes = body_and_notes(request(*turns))
    assert body["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral", "ttl": "5m"}
    assert notes == ("cache_control changed: an hour cannot follow five minutes",)


def test_breakpoints_inside_results_count() -> None:
    inner = [{"type": "text", "text": str(place), "cache_control": {"type": "ephemeral"}} for place in range(5)]
    body = {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": inner}]}]}
    limit_breakpoints(body, Notes())
    assert [block["text"] for block in inner if "cache_control" in block] == ["1", "2", "3", "4"]


# Thoughts in the history


def test_case_92_thoughts_come_first_and_unchanged() -> None:
    thought = Thinking("I think", "Er==", "anthropic")
    redacted = Thinking("", "Em==", "anthropic", redacted=True)
    found = messages(HI, assistant(Text("So"), thought, redacted, CALL), result("t1"))
    assert found[1]["content"] == [
        {"type": "thinking", "thinking": "I think", "signature": "Er=="},
        {"type": "redacted_thinking", "data": "Em=="},
        {"type": "text", "text": "So"},
        USE,
    ]


@pytest.mark.parametrize(
    "thought",
    [
        Thinking("x", "gAAA", "openai-responses"),
        Thinking("x"),
        Thinking("x", None, "anthropic"),
        Thinking("", "s", "gemini"),
    ],
    ids=["foreign", "unsigned", "lost", "gemini"],
)
def test_case_96_only_its_own_signatures_are_sent(thought: Thinking) -> None:
    body, notes = body_and_notes(request(HI, assistant(thought, Text("So")), HI))
    assert body["messages"][1] == {"role": "assistant", "content": "So"}
    assert notes == ("thinking dropped: only its own signatures",)


def test_case_96_an_anthropic_clients_foreign_thoughts_are_left_out() -> None:
    body = golden("request_thinking_tools.json")
    body["messages"][1]["content"][0]["signature"] = "fp1.openai-responses.rs_1.gAAA"
    body["messages"][1]["content"].insert(2, {"type": "thinking", "thinking": "", "signature": "fp1.gemini.~call.sC"})
    asked, notes = anthropic.read_request(body), Notes()
    made, _ = anthropic.write_request(asked, Target("claude"), notes)
    assert [block["type"] for block in made["messages"][1]["content"]] == ["redacted_thinking", "tool_use"]
    assert made["messages"][1]["content"][1] == body["messages"][1]["content"][3]
    assert len(list(notes)) == 2


def test_drop_fields_of_a_provider() -> None:
    target = Target("claude", Facts(), drop_fields=frozenset({"temperature", "metadata"}))
    body, notes = body_and_notes(request(HI, temperature=0.5), target)
    assert "temperature" not in body
    assert notes == ("temperature dropped: this provider refuses it",)
