"""Requests of clients of other formats, written for a Chat Completions upstream, and what is lost on the way."""

from __future__ import annotations

from typing import Any

import pytest

from fastproxy.formats.chat import (
    Audio,
    ChatRequest,
    Citation,
    Document,
    Image,
    Opaque,
    Original,
    OutputFormat,
    Part,
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
    Video,
)
from fastproxy.formats.notes import Notes
from fastproxy.formats.openai_chat import upstream_path, write_request

Json = dict[str, Any]
TARGET = Target("m")
CALL = ToolCall("a", "f", '{"x":1.0}')
OTHER = ToolCall("b", "g", "")


def ask(*turns: Turn, **fields: Any) -> ChatRequest:
    turns = turns or (Turn("user", (Text("Hi"),)),)
    return ChatRequest(**{"format": "anthropic", "model": "c", "turns": turns, "body": {}, **fields})


def wrote(request: ChatRequest, target: Target = TARGET) -> tuple[Json, list[str]]:
    """The body, and what was noted: the action and its subject."""
    notes = Notes()
    body, _ = write_request(request, target, notes)
    return body, [f"{note.action} {note.what if isinstance(note.what, str) else kind_of(note.what)}" for note in notes]


def kind_of(node: object) -> str:
    return type(node).__name__


def messages(*turns: Turn, target: Target = TARGET) -> tuple[list[Json], list[str]]:
    body, noted = wrote(ask(*turns), target)
    return body["messages"], noted


def user(*parts: Part) -> Turn:
    return Turn("user", parts)


def assistant(*parts: Part) -> Turn:
    return Turn("assistant", parts)


def results(*parts: Part) -> Turn:
    return Turn("tool", parts)


def as_call(call_id: str, name: str, arguments: str) -> Json:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


CALLED = {"role": "assistant", "content": None, "tool_calls": [as_call("a", "f", '{"x":1.0}'), as_call("b", "g", "{}")]}
OK_A = ToolResult("a", (Text("A"),))
OK_B = ToolResult("b", (Text("B"),))
TOOL_A = {"role": "tool", "tool_call_id": "a", "content": "A"}
TOOL_B = {"role": "tool", "tool_call_id": "b", "content": "B"}
PNG = Image(Source("image/png", "iVBO"))
PNG_PART = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}
TWO = assistant(CALL, OTHER)


@pytest.mark.parametrize(
    ("turns", "written", "noted"),
    [
        pytest.param(
            (Turn("system", (Text("a"), Text("b", cache=""))), user(Text("Hi"))),
            [{"role": "system", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
             {"role": "user", "content": "Hi"}],
            ["changed Text"],
            id="case 4 one system message, its breakpoint dropped",
        ),
        pytest.param(
            (Turn("system", (Text("a"),)), Turn("developer", (Text("b"),)), user(Text("Hi"))),
            [{"role": "system", "content": "a"}, {"role": "system", "content": "b"}, {"role": "user", "content": "Hi"}],
            [],
            id="case 5 instructions",
        ),
        pytest.param(
            (user(Text("Hi")), assistant(Text("He"), Text("llo"))),
            [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}],
            ["changed Turn"],
            id="case 10 prefill is kept and said",
        ),
        pytest.param(
            (assistant(Text("x"), CALL), results(OK_A), user(Text("go"))),
            [{"role": "assistant", "content": "x", "tool_calls": [as_call("a", "f", '{"x":1.0}')]}, TOOL_A,
             {"role": "user", "content": "go"}],
            [],
            id="case 49 arguments byte for byte",
        ),
        pytest.param(
            (Turn("user", (Text("Hi"),), "ada"),), [{"role": "user", "content": "Hi", "name": "ada"}], [],
            id="case 15 names are kept",
        ),
        pytest.param(
            (user(Text("Hi")), assistant(Text("x")), assistant(CALL), assistant(OTHER), results(OK_B), results(OK_A)),
            [{"role": "user", "content": "Hi"}, {**CALLED, "content": "x"}, TOOL_B, TOOL_A],
            [],
            id="case 17 and 60 items of one answer become one message, results keep their order",
        ),
        pytest.param(
            (TWO, user(OK_A, OK_B, Text("go"))), [CALLED, TOOL_A, TOOL_B, {"role": "user", "content": "go"}], [],
            id="case 51 results, then the user",
        ),
        pytest.param(
            (TWO, user(Text("go"), OK_B, OK_A)), [CALLED, TOOL_B, TOOL_A, {"role": "user", "content": "go"}], [],
            id="case 52 the wrong way round",
        ),
        pytest.param(
            (TWO, user(OK_B, Text("go"))),
            [CALLED, TOOL_B, {"role": "tool", "tool_call_id": "a", "content": "no result"},
             {"role": "user", "content": "go"}],
            ["changed ToolCall"],
            id="case 53 a missing result",
        ),
        pytest.param(
            (user(Text("Hi")), results(OK_A)),
            [{"role": "user", "content": "Hi"}, {"role": "user", "content": "[result of a] A"}],
            ["changed ToolResult"],
            id="case 53 an orphan",
        ),
        pytest.param((user(Text("Hi")), TWO), [{"role": "user", "content": "Hi"}, CALLED], [],
                     id="case 53 the last calls may be answered yet"),
        pytest.param(
            (assistant(CALL), results(OK_A), assistant(CALL), results(ToolResult("a", (Text("A2"),))), user(Text("k"))),
            [{"role": "assistant", "content": None, "tool_calls": [as_call("a", "f", '{"x":1.0}')]}, TOOL_A,
             {"role": "assistant", "content": None, "tool_calls": [as_call("a", "f", '{"x":1.0}')]},
             {**TOOL_A, "content": "A2"}, {"role": "user", "content": "k"}],
            [],
            id="an id that a vendor used twice",
        ),
        pytest.param(
            (TWO, results(OK_A, ToolResult("b", (Text("boom"),), is_error=True)), user(Text("k"))),
            [CALLED, TOOL_A, {**TOOL_B, "content": "Error: boom"}, {"role": "user", "content": "k"}],
            ["changed ToolResult"],
            id="case 54 errors are said",
        ),
        pytest.param(
            (TWO, results(OK_A, ToolResult("b")), user(Text("k"))),
            [CALLED, TOOL_A, {**TOOL_B, "content": ""}, {"role": "user", "content": "k"}],
            [],
            id="case 55 an empty result",
        ),
        pytest.param(
            (TWO, results(ToolResult("a", (Text("A"), PNG)), OK_B)),
            [CALLED, TOOL_A, TOOL_B,
             {"role": "user", "content": [{"type": "text", "text": "[from the result of a]"}, PNG_PART]}],
            ["moved Image"],
            id="case 27 an image in a result",
        ),
        pytest.param(
            (assistant(Refusal("No.")), user(Text("k"))),
            [{"role": "assistant", "content": None, "refusal": "No."}, {"role": "user", "content": "k"}],
            [],
            id="case 16 refusals",
        ),
        pytest.param(
            (user(Text("a")), assistant(Thinking("hm", "s", "anthropic")), user(Text("k"))),
            [{"role": "user", "content": "a"}, {"role": "user", "content": "k"}],
            ["dropped Thinking"],
            id="case 96 thoughts of others",
        ),
        pytest.param(
            (assistant(Text("x", "sig"), ToolCall("a", "f", "{}", signature="sig")), results(OK_A)),
            [{"role": "assistant", "content": "x", "tool_calls": [as_call("a", "f", "{}")]}, TOOL_A],
            ["changed Text", "changed ToolCall"],
            id="signatures of Gemini",
        ),
        pytest.param(
            (assistant(PNG, Text("x")), user(Text("k"))),
            [{"role": "assistant", "content": "x"}, {"role": "user", "content": "k"}],
            ["dropped Image"],
            id="an image that the model made",
        ),
        pytest.param(
            (assistant(Opaque("web_search_result", "found"), Opaque("container")), user(Text("k"))),
            [{"role": "assistant", "content": "found"}, {"role": "user", "content": "k"}],
            ["changed Opaque", "dropped Opaque"],
            id="case 62 built-in results, never a call",
        ),
        pytest.param(
            (Turn("system", (Text(""),)), user(Text("k"))), [{"role": "user", "content": "k"}], [],
            id="an instruction that says nothing",
        ),
        pytest.param(
            (Turn("assistant", (), "bo"), Turn("user", (Opaque("container"),)), user(Text("k"))),
            [{"role": "assistant", "content": "", "name": "bo"}, {"role": "user", "content": "k"}],
            ["dropped Opaque"],
            id="turns of which nothing is left",
        ),
        pytest.param(
            (assistant(Text("x", cache=""), CALL),
             results(ToolResult("a", (Text("1"), Text("2")), is_error=True, cache=""))),
            [{"role": "assistant", "content": "x", "tool_calls": [as_call("a", "f", '{"x":1.0}')]},
             {**TOOL_A, "content": [{"type": "text", "text": text} for text in ("Error:", "1", "2")]}],
            ["changed Text", "changed ToolResult"],
            id="case 35 breakpoints in a tool loop",
        ),
        pytest.param((user(Thinking("t"), Refusal("no"), Text("k")),),
                     [{"role": "user", "content": [{"type": "text", "text": "no"}, {"type": "text", "text": "k"}]}],
                     ["dropped Thinking"], id="parts in strange places"),
        pytest.param((Turn("user", ()),), [{"role": "user", "content": ""}], [], id="case 13 nothing at all"),
    ],
)  # fmt: skip
def test_turns_outward(turns: tuple[Turn, ...], written: list[Json], noted: list[str]) -> None:
    assert messages(*turns) == (written, noted)


@pytest.mark.parametrize(
    ("part", "written", "noted"),
    [
        pytest.param(PNG, PNG_PART, [], id="case 20"),
        pytest.param(
            Image(Source(url="https://x.test/a"), "low"),
            {"type": "image_url", "image_url": {"url": "https://x.test/a", "detail": "low"}}, [], id="case 21 and 25",
        ),
        pytest.param(Image(Source(file_id="f")), None, ["dropped Image"], id="case 26 an image by id"),
        pytest.param(Image(Source(url="gs://b/a.png")), None, ["dropped Image"], id="case 22 Google's own address"),
        pytest.param(
            Document(Source("application/pdf", "JVBE"), title="t.pdf"),
            {"type": "file", "file": {"filename": "t.pdf", "file_data": "data:application/pdf;base64,JVBE"}}, [],
            id="case 28",
        ),
        pytest.param(
            Document(Source("application/pdf", "JVBE"), title="Report"),
            {"type": "file", "file": {"filename": "Report.pdf", "file_data": "data:application/pdf;base64,JVBE"}}, [],
            id="case 28 a title is no filename",
        ),
        pytest.param(Document(Source(url="https://x.test/a.pdf")), None, ["dropped Document"], id="case 28 an address"),
        pytest.param(
            Document(Source(), text="body", title="Title", context="Context"),
            {"type": "text", "text": "Title\nContext\n\nbody"}, [], id="case 29",
        ),
        pytest.param(Document(Source(file_id="f")), None, ["dropped Document"], id="case 30 somebody's id"),
        pytest.param(
            Document(Source(file_id="f"), original=Original("openai-responses", {})),
            {"type": "file", "file": {"file_id": "f"}}, [], id="case 30 OpenAI's own id",
        ),
        pytest.param(
            Audio(Source("audio/mpeg", "UklG")),
            {"type": "input_audio", "input_audio": {"data": "UklG", "format": "mp3"}}, [], id="case 31",
        ),
        pytest.param(Audio(Source("audio/ogg", "T2dn")), None, ["dropped Audio"], id="case 31 another kind"),
        pytest.param(Video(Source(url="https://x.test/a")), None, ["dropped Video"], id="case 32"),
        pytest.param(
            Text("x", citations=(Citation(url="u"),)), {"type": "text", "text": "x"}, ["changed Text"], id="case 33"
        ),
        pytest.param(Opaque("weird", is_known=False), None, ["dropped Opaque"], id="case 37"),
    ],
)  # fmt: skip
def test_parts_outward(part: Part, written: Json | None, noted: list[str]) -> None:
    content = messages(user(Text("t"), part))[0][0]["content"]
    lead = {"type": "text", "text": "t"}
    assert content == ("t" if written is None else [lead, written])
    assert messages(user(Text("t"), part))[1] == noted


def test_case_36_one_text_is_a_string() -> None:
    assert messages(user(Text("Hi")))[0] == [{"role": "user", "content": "Hi"}]


def test_case_34_breakpoints_go_where_they_are_known() -> None:
    turn = user(Text("x", cache="1h"))
    for target, mark in (
        (Target("gpt-5.6-mini", vendor="openai"), {"prompt_cache_breakpoint": {"mode": "explicit"}}),
        (Target("gpt-6", vendor="openai"), {"prompt_cache_breakpoint": {"mode": "explicit"}}),
        (Target("claude", vendor="openrouter"), {"cache_control": {"type": "ephemeral", "ttl": "1h"}}),
    ):
        assert messages(turn, target=target) == (
            [{"role": "user", "content": [{"type": "text", "text": "x", **mark}]}], [],
        )  # fmt: skip
    for model in ("gpt-4.1", "o3", "gpt-5"):
        assert messages(turn, target=Target(model, vendor="openai"))[1] == ["changed Text"]


def test_case_92_thoughts_go_where_they_are_known() -> None:
    turns = (assistant(Thinking("a", "s", "anthropic"), Thinking("b"), CALL), results(OK_A))
    deepseek = messages(*turns, target=Target("m", vendor="deepseek"))
    assert deepseek[0][0]["reasoning_content"] == "ab"
    openrouter = messages(*turns, target=Target("m", vendor="openrouter"))
    assert openrouter[0][0]["reasoning_details"] == [
        {"type": "reasoning.text", "text": "a", "signature": "s", "format": "anthropic", "id": None, "index": 0}
    ]


TOOL = Tool(name="f", description="d", schema={"type": "object"}, strict=True)
TOOL_JSON = {
    "type": "function",
    "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True},
}
LARK = {"syntax": "lark", "definition": "x"}
PLAIN = Tool(name="g")
PLAIN_JSON = {"type": "function", "function": {"name": "g"}}


@pytest.mark.parametrize(
    ("fields", "written", "noted"),
    [
        pytest.param({"tools": (TOOL, PLAIN)}, {"tools": [TOOL_JSON, PLAIN_JSON]}, [], id="case 39 and 65"),
        *(
            pytest.param(
                {"tools": (PLAIN,), "tool_choice": choice}, {"tools": [PLAIN_JSON], "tool_choice": word}, [],
                id=f"case 43 {choice.mode}",
            )
            for choice, word in (
                (ToolChoice(mode="auto"), "auto"),
                (ToolChoice(mode="none"), "none"),
                (ToolChoice(mode="required"), "required"),
                (ToolChoice(mode="tool", names=("g",)), {"type": "function", "function": {"name": "g"}}),
                (ToolChoice(mode="allowed", names=("g",), required=True),
                 {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [
                     {"type": "function", "function": {"name": "g"}}]}}),
            )
        ),
        pytest.param({"tool_choice": ToolChoice(mode="required")}, {}, ["dropped tool_choice"], id="case 44"),
        pytest.param({"tool_choice": ToolChoice(mode="auto")}, {}, [], id="case 44 auto needs no tools"),
        pytest.param(
            {"tools": (PLAIN,), "tool_choice": ToolChoice(mode="tool", names=("web",))}, {"tools": [PLAIN_JSON]},
            ["dropped tool_choice"], id="case 44 a tool that is not there",
        ),
        pytest.param(
            {"tools": (PLAIN,), "parallel_tools": False}, {"tools": [PLAIN_JSON], "parallel_tool_calls": False}, [],
            id="case 46",
        ),
        pytest.param({"parallel_tools": False}, {}, [], id="case 46 without tools"),
        pytest.param({"tools": (Tool(name="web_search", kind="builtin"),)}, {}, ["dropped Tool"], id="case 61"),
        pytest.param(
            {"tools": (Tool(name="p", kind="custom", grammar={"type": "grammar", **LARK}),)},
            {"tools": [{"type": "custom", "custom": {"name": "p", "format": {"type": "grammar", "grammar": LARK}}}]},
            [], id="case 63",
        ),
        pytest.param(
            {"tools": (Tool(name="p", kind="custom", grammar={"type": "text"}),)},
            {"tools": [{"type": "custom", "custom": {"name": "p", "format": {"type": "text"}}}]}, [], id="case 63 text",
        ),
        pytest.param({"tools": (Tool(name="g", cache="5m"),)}, {"tools": [PLAIN_JSON]}, ["changed Tool"], id="case 35"),
        pytest.param({"max_output": 9}, {"max_completion_tokens": 9}, [], id="case 67"),
        pytest.param({"top_k": 4}, {}, ["dropped top_k"], id="case 72"),
        pytest.param({"stop": ("a",)}, {"stop": ["a"]}, [], id="case 73"),
        pytest.param({"stop": tuple("abcde")}, {"stop": ["a", "b", "c", "d"]}, ["clamped stop"], id="case 73 five"),
        pytest.param({"count": 2}, {"n": 2}, [], id="case 74"),
        pytest.param(
            {"seed": 1, "presence_penalty": 0.0, "frequency_penalty": 1.0, "logit_bias": {"1": 2}, "top_logprobs": 0},
            {"seed": 1, "presence_penalty": 0.0, "frequency_penalty": 1.0, "logit_bias": {"1": 2}, "logprobs": True},
            [], id="case 75",
        ),
        pytest.param({"top_logprobs": 3}, {"logprobs": True, "top_logprobs": 3}, [], id="case 75 top"),
        pytest.param({"reasoning": Reasoning(effort="max")}, {"reasoning_effort": "max"}, [], id="case 76"),
        pytest.param(
            {"reasoning": Reasoning(budget=4096)}, {"reasoning_effort": "medium"}, ["changed reasoning"], id="case 78"
        ),
        pytest.param({"reasoning": Reasoning(budget=0)}, {"reasoning_effort": "none"}, [], id="case 78 off"),
        pytest.param({"reasoning": Reasoning(budget=-1)}, {}, [], id="case 78 the model's choice"),
        pytest.param({"reasoning": Reasoning(adaptive=True)}, {}, ["changed reasoning"], id="case 76 adaptive"),
        pytest.param(
            {"output": OutputFormat(kind="json_schema", schema={"type": "object"}, name="a b", strict=True)},
            {"response_format": {"type": "json_schema", "json_schema": {
                "name": "a_b_8044f8a6", "schema": {"type": "object"}, "strict": True}}}, [], id="case 80",
        ),
        pytest.param({"user": "u"}, {"user": "u"}, [], id="case 82"),
        pytest.param({"metadata": {"a": "b"}}, {}, ["dropped metadata"], id="case 82 metadata without store"),
        pytest.param({"metadata": {"a": "b"}, "store": True}, {"store": True, "metadata": {"a": "b"}}, [], id="stored"),
        pytest.param({"store": False}, {}, [], id="case 85 not to store is the default here"),
        pytest.param({"service_tier": "standard_only"}, {"service_tier": "default"}, [], id="case 83"),
        pytest.param({"service_tier": "gold"}, {}, ["dropped service_tier"], id="case 83 unknown"),
        pytest.param(
            {"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}, [], id="case 84 forced"
        ),
        pytest.param({"previous": "resp_1"}, {}, ["dropped previous"], id="case 85"),
        pytest.param({"verbosity": "low"}, {"verbosity": "low"}, [], id="case 86"),
        pytest.param({"cache_key": "k"}, {"prompt_cache_key": "k"}, [], id="case 87"),
        pytest.param({"extra": {"container": 1}}, {}, ["dropped container"], id="case 90"),
        pytest.param(
            {"extra": {"prompt_cache_retention": "24h", "truncation": "auto",
                       "stream_options": {"include_obfuscation": False}},
             "format": "openai-responses", "stream": True},
            {"prompt_cache_retention": "24h", "stream": True,
             "stream_options": {"include_usage": True, "include_obfuscation": False}},
            ["dropped truncation"], id="case 85 and 87 fields that OpenAI's formats share",
        ),
    ],
)  # fmt: skip
def test_fields_outward(fields: Json, written: Json, noted: list[str]) -> None:
    body, notes = wrote(ask(**fields))
    assert body == {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **written}
    assert notes == noted


def test_case_79_json_mode_is_given_the_word_that_openai_asks_for() -> None:
    body, noted = wrote(ask(output=OutputFormat(kind="json_object")))
    assert body["response_format"] == {"type": "json_object"}
    assert "JSON" in body["messages"][0]["content"]
    assert noted == ["changed output"]
    assert wrote(ask(user(Text("as json")), output=OutputFormat(kind="json_object")))[1] == []


def test_case_82_long_labels_are_hashed_the_same_way_every_time() -> None:
    body, noted = wrote(ask(user="u" * 65, cache_key="k" * 65))
    assert body == wrote(ask(user="u" * 65, cache_key="k" * 65))[0]
    assert len(body["user"]) == len(body["prompt_cache_key"]) == 32
    assert noted == ["changed user", "changed cache_key"]


def test_case_63_a_custom_tool_elsewhere_is_a_function() -> None:
    turns = (assistant(ToolCall("a", "p", "print(1)", custom=True)), results(ToolResult("a", custom=True)))
    request = ask(*turns, tools=(Tool(name="p", kind="custom"),), tool_choice=ToolChoice(mode="tool", names=("p",)))
    body, noted = wrote(request, Target("m", vendor="mistral"))
    assert body["tools"][0]["function"]["parameters"]["required"] == ["input"]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "p"}}
    assert body["messages"][0]["tool_calls"][0]["function"] == {"name": "p", "arguments": '{"input":"print(1)"}'}
    assert noted == ["changed Tool"]


def test_case_40_and_41_names_are_changed_everywhere_and_back() -> None:
    names = ("mcp.server/tool", "mcp_server_tool", "mcp/server.tool", "x" * 70)
    turns = (assistant(ToolCall("a", names[0], "{}")), results(ToolResult("a")))
    request = ask(
        *turns, tools=tuple(Tool(name=name) for name in names), tool_choice=ToolChoice(mode="tool", names=names[:1])
    )
    body, back = write_request(request, TARGET, Notes())
    sent = [tool["function"]["name"] for tool in body["tools"]]
    assert [back.back(name) for name in sent] == list(names)
    assert len(set(sent)) == len(names)
    assert max(map(len, sent)) <= 64
    assert (
        body["tool_choice"]["function"]["name"] == body["messages"][0]["tool_calls"][0]["function"]["name"] == sent[0]
    )


@pytest.mark.parametrize(
    ("call_id", "vendor", "limit"),
    [("toolu_01", "openai", "toolu_01"), ("x" * 41, "openai", 37), ("", "openai", 37), ("call_1", "mistral", 9),
     ("abcdefgh1", "mistral", "abcdefgh1")],
)  # fmt: skip
def test_case_56_ids_that_a_vendor_refuses_are_changed_on_call_and_result(
    call_id: str, vendor: str, limit: Any
) -> None:
    turns = (assistant(ToolCall(call_id, "f", "{}")), results(ToolResult(call_id)), user(Text("k")))
    made = messages(*turns, target=Target("m", vendor=vendor))[0]
    sent = made[0]["tool_calls"][0]["id"]
    assert made[1]["tool_call_id"] == sent
    assert sent == limit if isinstance(limit, str) else len(sent) == limit


def test_case_72_top_k_goes_where_it_is_taken() -> None:
    assert wrote(ask(top_k=4), Target("m", vendor="together"))[0]["top_k"] == 4


def test_the_path_is_the_same_for_all() -> None:
    assert upstream_path(TARGET, stream=True) == upstream_path(TARGET, stream=False) == "/chat/completions"
