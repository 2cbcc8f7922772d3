"""Requests of the Responses API, read: what becomes of each item, what is refused and where, and what comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from fastproxy.errors import FormatError
from fastproxy.formats.carrier import pack
from fastproxy.formats.chat import (
    Audio,
    Document,
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
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from fastproxy.formats.notes import Notes
from fastproxy.formats.openai_responses import NAME, read_request, write_request
from tests.formats.openai_responses.goldens import REQUESTS, load

READ_SEAL = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}


def turns_of(*items: Any) -> tuple[Turn, ...]:
    return read_request({"model": "m", "input": list(items)}).turns


def bare(value: Any) -> Any:
    """`value` and what is in it without their originals."""
    if isinstance(value, tuple):
        return tuple(bare(one) for one in value)
    if not hasattr(value, "__struct_fields__"):
        return value
    kept = {name: bare(getattr(value, name)) for name in value.__struct_fields__ if name != "original"}
    return type(value)(**kept)


@pytest.mark.parametrize("name", REQUESTS)
def test_case_90_what_was_read_is_written_as_it_came(name: str) -> None:
    body = load(name)
    before = json.dumps(body)
    notes = Notes()
    written, names = write_request(read_request(body), Target(body["model"]), notes)
    assert json.dumps(written, sort_keys=True) == json.dumps(body, sort_keys=True)
    assert json.dumps(body) == before, "the client's body is nobody's to change"
    assert (bool(notes), bool(names)) == (False, False)


@pytest.mark.parametrize("name", REQUESTS)
def test_every_node_knows_where_it_came_from(name: str) -> None:
    request = read_request(load(name))
    nodes = [*request.turns, *request.tools, *(part for turn in request.turns for part in turn.parts)]
    inner = [part for node in nodes if isinstance(node, ToolResult) for part in node.parts]
    found = [node.original for node in [*nodes, *inner]]
    assert all(original is not None and original.format == NAME for original in found)


@pytest.mark.parametrize(
    ("item", "turn"),
    [
        pytest.param(
            {"role": "developer", "content": "Be brief"},
            Turn("developer", (Text("Be brief"),)),
            id="case 3 roles are kept",
        ),
        pytest.param(
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
            Turn("assistant", (Refusal("No."),)),
            id="case 16 refusal",
        ),
        pytest.param(
            {"type": "function_call", "id": "fc_9", "call_id": "c1", "name": "f", "arguments": '{"a": 1.0}'},
            Turn("assistant", (ToolCall("c1", "f", '{"a": 1.0}'),)),
            id="case 17, 49, 59 call_id counts, arguments stay text",
        ),
        pytest.param(
            {"type": "function_call", "call_id": "c1", "name": "find", "namespace": "mcp__crm", "arguments": ""},
            Turn("assistant", (ToolCall("c1", "mcp__crm__find", ""),)),
            id="case 17 a namespace is a part of the name",
        ),
        pytest.param(
            {"type": "function_call_output", "call_id": "c1", "output": ""},
            Turn("tool", (ToolResult("c1"),)),
            id="case 55 empty result",
        ),
        pytest.param(
            {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "21"}]},
            Turn("tool", (ToolResult("c1", (Text("21"),)),)),
            id="case 27 result of parts",
        ),
        pytest.param(
            {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "-a\n+b"},
            Turn("assistant", (ToolCall("c2", "patch", "-a\n+b", custom=True),)),
            id="case 63 custom call",
        ),
        pytest.param(
            {"type": "custom_tool_call_output", "call_id": "c2", "output": "ok"},
            Turn("tool", (ToolResult("c2", (Text("ok"),), custom=True),)),
            id="case 63 custom result",
        ),
        pytest.param(
            READ_SEAL,
            Turn("assistant", (Thinking("", "gAAA", NAME, id="rs_1"),)),
            id="case 97 own reasoning",
        ),
        pytest.param(
            READ_SEAL | {"encrypted_content": pack("anthropic", None, "EqQB"), "summary": [{"text": "hm"}]},
            Turn("assistant", (Thinking("hm", "EqQB", "anthropic"),)),
            id="case 96 what we carried for another vendor",
        ),
        pytest.param(
            READ_SEAL | {"encrypted_content": pack("anthropic", "redacted", "EqQB")},
            Turn("assistant", (Thinking("", "EqQB", "anthropic", redacted=True),)),
            id="case 94 redacted thinking comes back redacted",
        ),
        pytest.param(
            READ_SEAL | {"encrypted_content": pack(NAME, "rs_real", "gAAA")},
            Turn("assistant", (Thinking("", "gAAA", NAME, id="rs_real"),)),
            id="case 97 own reasoning under our id",
        ),
        pytest.param(
            READ_SEAL | {"encrypted_content": pack("gemini", "text:", "s+/=")},
            Turn("assistant", (Text("", "s+/="),)),
            id="case 103 what Gemini signed of the text in front",
        ),
        pytest.param(
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "UklG", "format": "mp3"}}]},
            Turn("user", (Audio(Source("audio/mp3", "UklG")),)),
            id="case 31 sound",
        ),
        pytest.param(
            {"id": "msg_1"},
            Turn("assistant", (Opaque("item_reference"),)),
            id="case 17 reference without a type",
        ),
        pytest.param(
            {"type": "web_search_call", "id": "ws", "action": {"type": "search", "query": "faust"}},
            Turn("assistant", (Opaque("web_search_call", "[web search: faust]"),)),
            id="case 62 built-in calls are no client's calls",
        ),
        pytest.param(
            {"type": "of_tomorrow"}, Turn("user", (Opaque("of_tomorrow", is_known=False),)), id="case 155 unknown item"
        ),
        pytest.param(
            {"role": "user", "content": [{"type": "hologram"}]},
            Turn("user", (Opaque("hologram", is_known=False),)),
            id="case 37 unknown part",
        ),
        pytest.param(
            {"role": "user", "content": [{"type": "input_image", "image_url": "data:IMAGE/PNG;x=1;base64, iV\nBO"}]},
            Turn("user", (Image(Source("image/png", "iVBO")),)),
            id="case 24, 26 data URI",
        ),
        pytest.param(
            {"role": "user", "content": [{"type": "input_file", "file_data": "JVBE", "filename": "a.pdf"}]},
            Turn("user", (Document(Source("application/pdf", "JVBE", filename="a.pdf")),)),
            id="case 28 bare base64 is a PDF",
        ),
    ],
)
def test_an_item_is_a_turn_of_its_own(item: dict[str, Any], turn: Turn) -> None:
    assert bare(turns_of(item)) == (turn,)


def test_case_5_instructions_come_first() -> None:
    request = read_request({"model": "m", "instructions": "Be brief", "input": "hi"})
    assert bare(request.turns) == (Turn("system", (Text("Be brief"),)), Turn("user", (Text("hi"),)))


def test_case_18_the_previous_response_is_named() -> None:
    assert read_request(load("request_stateful")).previous == "resp_68e3"


def test_a_signature_of_gemini_finds_its_call_again() -> None:
    carried = {"type": "reasoning", "summary": [], "encrypted_content": pack("gemini", "call:c.1", "sig+/=")}
    call = {"type": "function_call", "call_id": "c.1", "name": "f", "arguments": "{}"}
    carrying, called = turns_of(carried, call)
    assert carrying.parts == ()
    assert bare(called.parts) == (ToolCall("c.1", "f", "{}", signature="sig+/="),)


def test_settings_are_read_into_words() -> None:
    body = {
        "model": "gpt-5",
        "stream": True,
        "max_output_tokens": 100,
        "reasoning": {"effort": "xhigh", "summary": "auto"},
        "text": {
            "format": {"type": "json_schema", "name": "n", "schema": {"a": 1}, "strict": True},
            "verbosity": "low",
        },
        "parallel_tool_calls": False,
        "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
        "include": ["message.output_text.logprobs"],
        "user": "u",
        "safety_identifier": "s",
        "truncation": "auto",
    }
    request = read_request(body)
    assert (request.stream, request.max_output, request.parallel_tools) == (True, 100, False)
    assert bare(request.reasoning) == Reasoning("xhigh", show=True)
    assert bare(request.output) == OutputFormat("json_schema", {"a": 1}, "n", None, True)
    assert bare(request.tool_choice) == ToolChoice("allowed", ("f",), required=True)
    assert (request.verbosity, request.top_logprobs, request.user) == ("low", 0, "s")
    assert request.extra == {"truncation": "auto"}, "case 90: only what has no word"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"input": "x"}, "field 'model' is missing"),
        ({"model": "m", "input": 7}, "field 'input' is 7: expected a string or an array of items"),
        ({"model": "m", "input": ["x"]}, "field 'input[0]' is 'x': expected an object"),
        ({"model": "m", "input": [{"role": "robot", "content": ""}]}, "field 'input[0].role' is 'robot'"),
        ({"model": "m", "input": [{"role": "user", "content": 1}]}, "field 'input[0].content' is 1"),
        ({"model": "m", "input": [{"role": "user", "content": [1]}]}, "field 'input[0].content[0]' is 1"),
        ({"model": "m", "input": [{"role": "user", "content": [{"type": "input_image"}]}]},
         "field 'input[0].content[0].image_url' is missing"),
        ({"model": "m", "input": [{"type": "function_call", "name": "f"}]}, "field 'input[0].call_id' is missing"),
        ({"model": "m", "input": [{"type": "reasoning", "summary": "x"}]}, "field 'input[0].summary' is 'x'"),
        ({"model": "m", "tools": [{"name": "f"}]}, "field 'tools[0].type' is missing"),
        ({"model": "m", "tools": [{"type": "function"}]}, "field 'tools[0].name' is missing"),
        ({"model": "m", "tools": [{"type": "namespace", "name": "n", "tools": [3]}]}, "field 'tools[0].tools[0]' is 3"),
        ({"model": "m", "tool_choice": "maybe"}, "field 'tool_choice' is 'maybe'"),
        ({"model": "m", "text": {"format": {"type": "xml"}}}, "field 'text.format.type' is 'xml'"),
        ({"model": "m", "max_output_tokens": 0}, "field 'max_output_tokens' is 0: expected 1 or more"),
        ({"model": "m", "temperature": "hot"}, "field 'temperature' is 'hot': expected a number"),
        ({"model": "m", "stream": "yes"}, "field 'stream' is 'yes': expected a boolean"),
    ],
)  # fmt: skip
def test_case_183_what_is_wrong_is_named_with_its_path(body: dict[str, Any], said: str) -> None:
    with pytest.raises(FormatError) as caught:
        read_request(body)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("change", "body"),
    [
        ({"max_output": 50}, {"max_output_tokens": 50}),
        ({"temperature": None}, {"temperature": None}),
        ({"temperature": 0.1}, {"temperature": 0.1}),
        ({"verbosity": "high"}, {"text": {"format": {"type": "json_object"}, "verbosity": "high"}}),
        ({"output": None}, {"text": {"verbosity": "low"}}),
        ({"user": "other"}, {"user": None, "safety_identifier": "other"}),
        ({"reasoning": Reasoning("low")}, {"reasoning": {"effort": "low"}}),
        ({"extra": {"added": 1}}, {"added": 1, "truncation": None}),
        ({"stream": True}, {"stream": True}),
        ({"tools": ()}, {"tools": None}),
        ({"turns": (Turn("user", (Text("bye"),)),)}, {"input": [
            {"type": "message", "role": "user", "content": "bye"}], "instructions": None}),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_what_somebody_changed_is_written_and_nothing_else(change: dict[str, Any], body: dict[str, Any]) -> None:
    """None in `body` stands for a field that is gone."""
    said = {
        "model": "m",
        "instructions": "Be brief",
        "input": "hi",
        "temperature": 0.5,
        "text": {"format": {"type": "json_object"}, "verbosity": "low"},
        "user": "u",
        "truncation": "auto",
        "tools": [{"type": "function", "name": "f"}],
    }
    written, _ = write_request(replace(read_request(said), **change), Target("other"), Notes())
    expected = said | body | {"model": "other"}
    assert written == {name: value for name, value in expected.items() if value is not None}


def test_a_tool_taken_out_of_a_namespace_stays_out() -> None:
    request = read_request(load("request_builtin"))
    kept = tuple(tool for tool in request.tools if tool.name != "crm__free")
    written, _ = write_request(replace(request, tools=kept), Target("m"), Notes())
    space = next(tool for tool in written["tools"] if tool["type"] == "namespace")
    assert [tool["name"] for tool in space["tools"]] == ["find"]


def test_text_of_stored_reasoning_is_not_sent_to_openai() -> None:
    item = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
    request = read_request({"model": "m", "input": [item, {"role": "user", "content": "hi"}]})
    assert bare(request.turns[0].parts) == (Thinking("hm", None, NAME),)
    assert write_request(request, Target("m"), Notes())[0]["input"] == [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("carried", "sent"),
    [
        (pack(NAME, "rs_real", "gAAA"), [READ_SEAL | {"id": "rs_real"}]),
        (pack("anthropic", None, "EqQB"), []),
        (pack("gemini", "call:c1", "sig"), []),
        (pack("gemini", "text:", "sig"), []),
    ],
)  # fmt: skip
def test_case_96_only_its_own_reasoning_goes_back_to_a_vendor(carried: str, sent: list[Any]) -> None:
    notes = Notes()
    item = {"type": "reasoning", "id": "rs_ours", "summary": [], "encrypted_content": carried}
    written, _ = write_request(read_request({"model": "m", "input": [item]}), Target("m"), notes)
    assert written["input"] == sent
    assert bool(notes) is (sent == [])


def test_originals_are_the_values_themselves() -> None:
    body = load("request_tool_loop")
    first = read_request(body).turns[0]
    assert first.original == Original(NAME, body["input"][0])
    assert first.original is not None
    assert first.original.value is body["input"][0]
