"""Requests of Gemini's clients, read; and written for Gemini again, which changes nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from fastproxy.errors import FormatError
from fastproxy.formats import gemini
from fastproxy.formats.chat import (
    Audio,
    ChatRequest,
    Document,
    Facts,
    Image,
    Opaque,
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
    Video,
)
from fastproxy.formats.notes import Notes
from tests.formats.gemini import golden

TARGET = Target("gemini-3-pro")


def read(body: dict[str, Any]) -> ChatRequest:
    return gemini.read_request(body, model="gemini-3-pro")


def shape(value: Any) -> Any:
    """Without originals, so that it can be compared to what was typed by hand."""
    if isinstance(value, tuple):
        return tuple(shape(each) for each in value)
    if isinstance(value, msgspec.Struct) and "original" in value.__struct_fields__:
        fields = {name: shape(getattr(value, name)) for name in value.__struct_fields__}
        return type(value)(**fields | {"original": None})
    return value


def read_part(part: Any, role: str = "user") -> Any:
    return shape(read({"contents": [{"role": role, "parts": [part]}]}).turns[0].parts)


@pytest.mark.parametrize("name", golden.REQUESTS)
def test_a_request_for_gemini_stays_the_clients_own(name: str) -> None:
    body = golden.request(name)
    notes = Notes()
    written, names = gemini.write_request(read(body), TARGET, notes)
    assert written == body
    assert list(written) == list(body)
    assert not notes
    assert not names


@pytest.mark.parametrize("name", golden.REQUESTS)
def test_the_request_says_where_it_came_from(name: str) -> None:
    body = golden.request(name)
    request = read(body)
    assert (request.format, request.model, request.stream) == ("gemini", "gemini-3-pro", False)
    assert request.body is body
    originals = [turn.original for turn in request.turns]
    assert all(original is not None and original.format == "gemini" for original in originals)


PNG = Source("image/png", data="aGk=")
PARTS: list[tuple[str, Any, Any]] = [
    ("text", {"text": "a"}, Text("a")),
    ("case 103 signed text", {"text": "", "thoughtSignature": "c2ln"}, Text("", "c2ln")),
    ("case 103 a signature alone", {"thoughtSignature": "c2ln"}, Text("", "c2ln")),
    ("case 101 thought", {"text": "a", "thought": True, "thoughtSignature": "c2ln"}, Thinking("a", "c2ln", "gemini")),
    ("image", {"inlineData": {"mimeType": "image/png", "data": "aGk="}}, Image(PNG)),
    (
        "case 25 resolution",
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}, "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"}},
        Image(PNG, "low"),
    ),
    (
        "URL-safe base64 without padding",
        {"inlineData": {"mimeType": "image/png", "data": "-_-_aGk"}},
        Image(Source("image/png", data="+/+/aGk=")),
    ),
    (
        "snake case",
        {"inline_data": {"mime_type": "audio/wav", "data": "aGk="}},
        Audio(Source("audio/wav", data="aGk=")),
    ),
    (
        "case 28 pdf",
        {"inlineData": {"mimeType": "application/pdf", "data": "aGk=", "displayName": "a.pdf"}},
        Document(Source("application/pdf", data="aGk=", filename="a.pdf")),
    ),
    (
        "text file",
        {"inlineData": {"mimeType": "text/plain", "data": "aMOk", "displayName": "a.txt"}},
        Document(Source("text/plain", filename="a.txt"), "hä", "a.txt"),
    ),
    (
        "text file that is none",
        {"inlineData": {"mimeType": "text/csv", "data": "/w=="}},
        Document(Source("text/csv", data="/w==")),
    ),
    (
        "film",
        {"fileData": {"fileUri": "https://youtu.be/x"}},
        Video(Source(url="https://youtu.be/x")),
    ),
    (
        "case 32 video",
        {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://b/f"}},
        Video(Source("video/mp4", url="gs://b/f")),
    ),
    (
        "call",
        {"functionCall": {"id": "c", "name": "f", "args": {"a": 1.0}}, "thoughtSignature": "c2ln"},
        ToolCall("c", "f", '{"a":1.0}', signature="c2ln"),
    ),
    ("call without arguments", {"functionCall": {"id": "c", "name": "f"}}, ToolCall("c", "f", "{}")),
    (
        "case 62 code",
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        Opaque("executableCode", "```\n1\n```"),
    ),
    (
        "case 62 its output",
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
        Opaque("codeExecutionResult", "Output of the code:\n1"),
    ),
    ("case 37 unknown kind", {"hologram": {}}, Opaque("hologram", is_known=False)),
]


@pytest.mark.parametrize(("part", "expected"), [row[1:] for row in PARTS], ids=[row[0] for row in PARTS])
def test_a_part_is_read(part: Any, expected: Any) -> None:
    assert read_part(part) == (expected,)


RESULTS: list[tuple[str, Any, Any]] = [
    ("case 54 output", {"output": "o"}, ToolResult("c", (Text("o"),), name="f")),
    ("case 54 error", {"error": "e"}, ToolResult("c", (Text("e"),), is_error=True, name="f")),
    ("case 54 object", {"a": 1, "b": "x"}, ToolResult("c", (Text('{"a":1,"b":"x"}'),), name="f")),
    ("case 54 output that is an object", {"output": {"a": 1}}, ToolResult("c", (Text('{"a":1}'),), name="f")),
    ("as Vercel wraps it", {"name": "f", "content": "o"}, ToolResult("c", (Text("o"),), name="f")),
    ("case 55 empty", {"output": ""}, ToolResult("c", name="f")),
    ("case 55 nothing", {}, ToolResult("c", name="f")),
]


@pytest.mark.parametrize(("response", "expected"), [row[1:] for row in RESULTS], ids=[row[0] for row in RESULTS])
def test_a_result_is_read(response: Any, expected: Any) -> None:
    assert read_part({"functionResponse": {"id": "c", "name": "f", "response": response}}) == (expected,)


def test_results_without_ids_belong_to_the_oldest_open_call_of_their_name() -> None:
    turns = read(golden.request("tool_loop_without_ids")).turns
    calls = [(part.id, part.name) for part in turns[1].parts if isinstance(part, ToolCall)]
    assert calls == [("call_0", "get_weather"), ("call_1", "get_weather"), ("call_2", "get_time")]
    results = [(part.call_id, part.is_error) for part in turns[2].parts if isinstance(part, ToolResult)]
    assert results == [("call_2", True), ("call_0", False), ("call_1", False)]
    assert turns[2].role == "tool"


def test_a_turn_with_results_and_a_text_is_the_users() -> None:
    turns = read(golden.request("tool_result_with_image")).turns
    assert [turn.role for turn in turns] == ["user", "assistant", "user"]
    assert shape(turns[2].parts[0]).parts[1].source.media_type == "image/png"


def test_a_thought_in_pieces_is_one_thought() -> None:
    turns = read(golden.request("thinking_budget")).turns
    assert shape(turns[1].parts)[0] == Thinking("Hm. Yes.", None, "gemini")
    assert shape(turns[1].parts)[1].text == "Answer."
    assert shape(turns[1].parts)[1].signature is not None


def test_the_settings_are_read() -> None:
    request = read(golden.request("system_multi_turn"))
    assert [turn.role for turn in request.turns] == ["system", "user", "assistant", "user"]
    assert (request.temperature, request.top_p, request.top_k, request.max_output) == (0.4, 0.9, 40, 256)
    assert (request.stop, request.seed, request.count, request.top_logprobs) == (("END", "\n\n"), 7, 2, 3)
    assert (request.presence_penalty, request.frequency_penalty) == (0.1, -0.1)
    assert (request.service_tier, request.store) == ("flex", False)
    assert set(request.extra) == {"safetySettings", "labels"}


def test_what_no_other_format_knows_is_extra_under_its_path() -> None:
    extra = read(golden.request("cached_content")).extra
    known = {"responseModalities", "speechConfig", "futureField"}
    assert set(extra) == {"cachedContent", "futureTop", *(f"generationConfig.{name}" for name in known)}
    assert "toolConfig.retrievalConfig" in read(golden.request("forced_tool")).extra


def test_snake_case_and_single_values_are_read_alike() -> None:
    request = read(golden.request("snake_case"))
    assert shape(request.turns[0]) == Turn("system", (Text("Be kind."),))
    assert (request.max_output, request.top_p) == (100, 0.5)
    assert shape(request.reasoning) == Reasoning("low")
    assert [(tool.name, tool.kind) for tool in request.tools] == [
        ("get_weather", "function"),
        ("googleSearch", "builtin"),
    ]
    assert shape(request.tool_choice) == ToolChoice("auto")


def test_a_tools_schema_is_read_as_json_schema() -> None:
    tools = read(golden.request("forced_tool")).tools
    assert tools[0].schema is not None
    assert tools[0].schema["properties"]["unit"] == {
        "type": ["string", "null"],
        "enum": ["celsius", "fahrenheit", None],
    }
    assert (
        tools[1].schema == golden.request("forced_tool")["tools"][0]["functionDeclarations"][1]["parametersJsonSchema"]
    )


CHOICES: list[tuple[Any, ToolChoice | None]] = [
    ({"mode": "AUTO"}, ToolChoice("auto")),
    ({"mode": "none"}, ToolChoice("none")),
    ({"mode": "ANY"}, ToolChoice("required")),
    ({"mode": "ANY", "allowedFunctionNames": ["a"]}, ToolChoice("tool", ("a",))),
    ({"mode": "ANY", "allowedFunctionNames": ["a", "b"]}, ToolChoice("allowed", ("a", "b"), required=True)),
    ({"mode": "VALIDATED"}, ToolChoice("auto")),
    ({"mode": "VALIDATED", "allowed_function_names": ["a"]}, ToolChoice("allowed", ("a",))),
    ({"mode": "MODE_UNSPECIFIED"}, None),
    ({}, None),
]


@pytest.mark.parametrize(("calling", "expected"), CHOICES, ids=str)
def test_case_43_the_choice_of_tools_is_read(calling: Any, expected: ToolChoice | None) -> None:
    body = {"contents": [], "toolConfig": {"functionCallingConfig": calling}}
    assert shape(read(body).tool_choice) == expected


@pytest.mark.parametrize("name", ["structured_output", "structured_output_json_schema"])
def test_case_80_the_format_of_the_output_is_read(name: str) -> None:
    output = read(golden.request(name)).output
    assert output is not None
    assert output.kind == "json_schema"
    assert output.schema is not None
    assert output.schema["required"] == ["title"]


WRONG: list[tuple[Any, str]] = [
    ({}, "field 'contents' is missing: expected an array"),
    ({"contents": 3}, "field 'contents' is 3: expected an array"),
    ({"contents": [3]}, "field 'contents[0]' is 3: expected an object"),
    ({"contents": [{"role": "wizard"}]}, "field 'contents[0].role' is 'wizard': expected 'user' or 'model'"),
    ({"contents": [{"parts": [{"text": 1}]}]}, "field 'contents[0].parts[0].text' is 1: expected a string"),
    (
        {"contents": [{"parts": [{"inline_data": {"data": True}}]}]},
        "field 'contents[0].parts[0].inline_data.data' is true: expected a string",
    ),
    (
        {"contents": [{"parts": [{"functionCall": {}}]}]},
        "field 'contents[0].parts[0].functionCall.name' is missing: expected a tool's name",
    ),
    (
        {"contents": [], "generationConfig": {"topK": "many"}},
        "field 'generationConfig.topK' is 'many': expected a number",
    ),
    (
        {"contents": [], "tools": [{"functionDeclarations": [{"name": 1}]}]},
        "field 'tools[0].functionDeclarations[0].name' is 1: expected a string",
    ),
]


@pytest.mark.parametrize(("body", "message"), WRONG, ids=[row[1] for row in WRONG])
def test_a_wrong_field_is_named_with_its_path(body: Any, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        read(body)
    assert caught.value.message == message


def test_arguments_too_deep_for_json_are_refused() -> None:
    nested: dict[str, Any] = {}
    for _ in range(400):
        nested = {"a": nested}
    with pytest.raises(FormatError, match="nested too deeply"):
        read({"contents": [{"parts": [{"functionCall": {"name": "f", "args": nested}}]}]})


def test_a_history_of_many_calls_is_read_and_written_in_time() -> None:
    many = 20_000
    calls = [{"functionCall": {"name": "f", "args": {}}} for _ in range(many)]
    results = [{"functionResponse": {"name": "f", "response": {}}} for _ in range(many)]
    thoughts = [{"text": "a", "thought": True} for _ in range(many)]
    contents = [{"role": "model", "parts": [*thoughts, *calls]}, {"role": "user", "parts": results[::-1]}]
    request = read({"contents": [{"parts": [{"text": "q"}]}, *contents]})
    foreign = replace(request, format="openai-chat")
    assert len(gemini.write_request(foreign, TARGET, Notes())[0]["contents"][2]["parts"]) == many


def own(body: dict[str, Any], facts: Facts = Facts(), **changed: Any) -> dict[str, Any]:  # noqa: B008 - it is frozen
    return gemini.write_request(replace(read(body), **changed), Target("m", facts), Notes())[0]


def test_only_what_was_replaced_is_written_anew() -> None:
    body = golden.request("system_multi_turn")
    turns = list(read(body).turns)
    turns[1] = Turn("user", (Text("masked"),))
    written = own(body, turns=tuple(turns))
    assert written["contents"][0] == {"role": "user", "parts": [{"text": "masked"}]}
    assert written["contents"][1:] == body["contents"][1:]
    assert {name: written[name] for name in body if name != "contents"} == {
        name: body[name] for name in body if name != "contents"
    }


def test_instructions_put_in_front_join_the_clients_own() -> None:
    body = golden.request("system_multi_turn")
    written = own(body, turns=(Turn("system", (Text("House rule."),)), *read(body).turns))
    texts = [part["text"] for part in written["systemInstruction"]["parts"]]
    assert texts == ["House rule.", "You are terse.", "Answer in German."]
    assert written["contents"] == body["contents"]


def test_a_setting_that_was_replaced_is_written_and_the_unknown_ones_stay() -> None:
    body = golden.request("cached_content")
    written = own(body, max_output=10)
    assert written["generationConfig"] == body["generationConfig"] | {"maxOutputTokens": 10}


def test_tools_that_were_added_or_taken_away() -> None:
    body = golden.request("forced_tool")
    tools = read(body).tools
    added = own(
        body, tools=(*tools, Tool("search", schema={"type": "object", "properties": {"q": {"type": "string"}}}))
    )
    names = [each["name"] for each in added["tools"][0]["functionDeclarations"]]
    assert names == ["get_weather", "get_time", "search"]
    assert "tools" not in own(body, tools=())


def test_extra_fields_that_were_taken_away_are_not_sent() -> None:
    assert "safetySettings" not in own(golden.request("system_multi_turn"), extra={})


def test_case_58_ids_are_left_out_where_the_api_does_not_know_them() -> None:
    written = own(golden.request("tool_loop"), Facts(call_ids=False))
    assert written["contents"][1]["parts"][1]["functionCall"] == {
        "name": "get_weather",
        "args": {"city": "Paris, FR", "days": 1},
    }
    assert "id" not in written["contents"][2]["parts"][0]["functionResponse"]


def test_fields_that_a_vendor_refuses_are_not_sent_and_told() -> None:
    target = Target("m", drop_fields=frozenset(("labels", "generationConfig.seed", "nothing")))
    body, notes = golden.request("system_multi_turn"), Notes()
    written, _ = gemini.write_request(read(body), target, notes)
    assert "labels" not in written
    assert "seed" not in written["generationConfig"]
    assert body == golden.request("system_multi_turn")
    assert {note.what for note in notes} == {"labels", "generationConfig.seed"}


def test_a_model_in_the_body_is_the_upstreams() -> None:
    body: dict[str, Any] = {"model": "models/mine", "contents": []}
    request = gemini.read_request(body)
    assert request.model == "mine"
    assert gemini.write_request(request, TARGET, Notes())[0]["model"] == "models/gemini-3-pro"


PATHS: list[tuple[str, bool, str]] = [
    ("gemini-3-pro", False, "/models/gemini-3-pro:generateContent"),
    ("gemini-3-pro", True, "/models/gemini-3-pro:streamGenerateContent?alt=sse"),
    ("models/gemini-3-pro", False, "/models/gemini-3-pro:generateContent"),
    ("a/b c?", False, "/models/a%2Fb%20c%3F:generateContent"),
    ("tunedModels/mine", False, "/tunedModels/mine:generateContent"),
]


@pytest.mark.parametrize(("model", "stream", "path"), PATHS, ids=[row[2] for row in PATHS])
def test_the_model_stands_in_the_path(model: str, stream: bool, path: str) -> None:
    assert gemini.upstream_path(Target(model), stream=stream) == path
