"""Reading Chat Completions requests: identity over the goldens, what each field becomes, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fastproxy.errors import FormatError
from fastproxy.formats.chat import (
    ChatRequest,
    Facts,
    Original,
    Part,
    Reasoning,
    Refusal,
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
from fastproxy.formats.openai_chat import NAME, read_request, write_request

GOLDEN = Path(__file__).parents[2] / "golden" / "openai_chat"
REQUESTS = sorted(GOLDEN.glob("request_*.json"))
Json = dict[str, Any]


def golden(name: str) -> Json:
    body: Json = json.loads((GOLDEN / f"request_{name}.json").read_text(encoding="utf-8"))
    return body


def read(name: str) -> ChatRequest:
    return read_request(golden(name))


def bare(part: Part) -> Part:
    """Without the originals, which identity tests look at."""
    if isinstance(part, ToolResult):
        part = replace(part, parts=tuple(bare(inner) for inner in part.parts))
    return replace(part, original=None)


def parts_of(body: Json, place: int = 0) -> list[Part]:
    return [bare(part) for part in read_request(body).turns[place].parts]


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.stem)
def test_what_is_read_is_written_back_as_it_was(path: Path) -> None:
    body = json.loads(path.read_text(encoding="utf-8"))
    notes = Notes()
    made, names = write_request(read_request(body), Target("upstream-model"), notes)
    assert made == {**body, "model": "upstream-model"}
    assert list(made) == list(body)
    assert not notes
    assert not names


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.stem)
def test_every_node_remembers_its_value(path: Path) -> None:
    request = read_request(json.loads(path.read_text(encoding="utf-8")))
    for turn in request.turns:
        assert turn.original is not None
        for node in (turn, *turn.parts):
            assert node.original is None or node.original.format == NAME
        assert all(part.original is not None for part in turn.parts)


def test_what_was_replaced_is_written_anew_and_the_rest_stays() -> None:
    body = golden("everything")
    request = replace(read_request(body), temperature=0.5, turns=(Turn("user", (Text("Bye"),)),))
    made, _ = write_request(request, Target("m"), Notes())
    assert made == {**body, "model": "m", "temperature": 0.5, "messages": [{"role": "user", "content": "Bye"}]}


def test_a_plugin_that_adds_a_turn_leaves_the_others_as_they_were() -> None:
    body = golden("tool_loop")
    request = read_request(body)
    added = replace(request, turns=(Turn("system", (Text("s"),)), *request.turns), stream=True, top_k=3)
    notes = Notes()
    made, _ = write_request(added, Target("m"), notes)
    assert made["messages"] == [{"role": "system", "content": "s"}, *body["messages"]]
    assert made["stream"] is True
    assert [note.what for note in notes] == ["top_k"]


def test_nodes_of_ours_keep_their_values_in_a_turn_that_was_replaced() -> None:
    body = golden("custom_tool")
    body["tools"].append({"type": "function", "function": {"name": "f", "x-mine": 1}})
    body["response_format"] = {"type": "json_object", "x-mine": 1}
    body["messages"][0]["content"] = ["a", {"type": "text", "text": "b", "x-mine": 1}]
    request = read_request(body)
    turns = tuple(replace(turn, original=None) for turn in request.turns)
    changed = replace(request, turns=turns, tools=request.tools[1:], output=replace(request.output, name="n"))  # type: ignore[type-var]  # the goldens have one
    made, _ = write_request(changed, Target("m"), Notes())
    first = [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "x-mine": 1}]
    assert made["messages"] == [{"role": "user", "content": first}, *body["messages"][1:]]
    assert made["tools"] == body["tools"][1:]
    assert made["response_format"] == body["response_format"]


def test_a_field_taken_away_is_not_sent() -> None:
    request = replace(read_request(golden("tool_loop")), tools=(), tool_choice=None)
    made, _ = write_request(request, Target("m"), Notes())
    assert made.keys() == {"model", "messages", "parallel_tool_calls"}


def test_model_and_stream_from_outside_win() -> None:
    request = read_request({"messages": [], "stream": False}, model="from-path", stream=True)
    assert (request.model, request.stream) == ("from-path", True)


def test_case_1_instructions_keep_their_places_and_roles() -> None:
    assert [turn.role for turn in read("multi_turn").turns] == ["system", "developer", "user", "assistant", "user"]
    assert read("multi_turn").turns[2].name == "ada"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"messages": []}, "field 'model' is missing: expected a string"),
        ({"model": "m"}, "field 'messages' is missing: expected an array"),
        ({"model": "m", "messages": {}}, "field 'messages' is an object: expected an array"),
        ({"model": "m", "messages": ["x"]}, "field 'messages[0]' is 'x': expected an object"),
        ({"model": "m", "messages": [{"content": "x"}]}, "field 'messages[0].role' is missing: expected a string"),
        ({"model": "m", "messages": [{"role": "boss"}]},
         "field 'messages[0].role' is 'boss': expected system, developer, user, assistant or tool"),
        ({"model": "m", "messages": [{"role": "user", "content": 3}]},
         "field 'messages[0].content' is 3: expected a string or an array"),
        ({"model": "m", "messages": [{"role": "tool", "content": "x"}]},
         "field 'messages[0].tool_call_id' is missing: expected a string"),
        ({"model": "m", "messages": [], "temperature": "hot"}, "field 'temperature' is 'hot': expected a number"),
        ({"model": "m", "messages": [], "temperature": True}, "field 'temperature' is true: expected a number"),
        ({"model": "m", "messages": [], "n": 0}, "field 'n' is 0: expected 1 or more"),
        ({"model": "m", "messages": [], "stop": [1]}, "field 'stop[0]' is 1: expected a string"),
        ({"model": "m", "messages": [], "tools": [{"type": "function"}]},
         "field 'tools[0].function' is missing: expected an object"),
        ({"model": "m", "messages": [], "tools": [{"type": "function", "function": {}}]},
         "field 'tools[0].function.name' is missing: expected a string"),
        ({"model": "m", "messages": [], "tool_choice": "maybe"},
         "field 'tool_choice' is 'maybe': expected auto, none, required or a tool"),
        ({"model": "m", "messages": [], "tool_choice": {"type": "function"}},
         "field 'tool_choice' is an object: expected auto, none, required or a tool's name"),
        ({"model": "m", "messages": [], "response_format": {"type": "json_schema"}},
         "field 'response_format.json_schema' is missing: expected an object"),
        ({"model": "m", "messages": [{"role": "assistant", "tool_calls": [{"id": "a", "function": {}}]}]},
         "field 'messages[0].tool_calls[0].function.name' is missing: expected a string"),
    ],
)  # fmt: skip
def test_case_183_what_is_refused_is_named(body: Json, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        read_request(body)
    assert caught.value.message == message


def test_case_12_calls_and_results() -> None:
    request = read("tool_loop")
    assert [bare(part) for part in request.turns[1].parts] == [
        ToolCall("call_w1", "get_weather", '{"city":"Oslo","unit":"c"}'),
        ToolCall("call_t1", "get_time", '{ "city": "Oslo" }'),
    ]
    assert [bare(turn.parts[0]) for turn in request.turns[2:]] == [
        ToolResult("call_w1", (Text('{"temp": 7.0}'),)),
        ToolResult("call_t1", (Text("14:05"),)),
    ]


def test_case_48_arguments_as_an_object_become_their_text() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": {"a": 1.0, "b": [None]}}}
    body = {"model": "m", "messages": [{"role": "assistant", "tool_calls": [call]}]}
    assert parts_of(body) == [ToolCall("a", "f", '{"a":1.0,"b":[null]}')]


def test_case_19_functions_are_upgraded() -> None:
    request = read("functions")
    first, second = request.turns[1].parts[0], request.turns[3].parts[0]
    assert isinstance(first, ToolCall)
    assert isinstance(second, ToolCall)
    assert first.id.startswith("call_")
    assert first.id != second.id
    results = [turn.parts[0] for turn in request.turns if turn.role == "tool"]
    assert [part.call_id for part in results if isinstance(part, ToolResult)] == [first.id, second.id]
    assert [tool.name for tool in request.tools] == ["get_weather"]
    assert request.tool_choice is not None
    assert (request.tool_choice.mode, request.tool_choice.names) == ("tool", ("get_weather",))


def test_case_92_thoughts_come_back_verbatim_and_first() -> None:
    parts = [bare(part) for part in read("thinking").turns[1].parts]
    assert parts == [
        Thinking("The user wants weather.", "EqQBCgIYAhIkZm9v+/==", "anthropic"),
        Thinking("", "EmwKAhgBEgy3va3pzix", "anthropic", redacted=True),
        Text("Let me look."),
        ToolCall("toolu_01A", "get_weather", '{"city":"Oslo"}'),
    ]


RESPONSES = {"id": "rs_1", "format": "openai-responses-v1"}


def detail(**said: Any) -> Json:
    return {"type": "reasoning.text", "format": "anthropic", **said}


@pytest.mark.parametrize(
    ("said", "thoughts"),
    [
        pytest.param({"reasoning_content": "a"}, [Thinking("a")], id="DeepSeek"),
        pytest.param({"reasoning": "a"}, [Thinking("a")], id="OpenRouter, plain"),
        pytest.param(
            {"thinking_blocks": [{"type": "thinking", "thinking": "a", "signature": "s"},
                                 {"type": "redacted_thinking", "data": "d"}]},
            [Thinking("a", "s", "anthropic"), Thinking("", "d", "anthropic", redacted=True)],
            id="LiteLLM",
        ),
        pytest.param(
            {"reasoning_details": [detail(text="", signature="s")]}, [Thinking("", "s", "anthropic")],
            id="case 93 signature alone",
        ),
        pytest.param(
            {"reasoning_details": [detail(text="a"), detail(text="b", signature="s"), detail(text="c")]},
            [Thinking("ab", "s", "anthropic"), Thinking("c", None, "anthropic")],
            id="pieces of a stream that a client collected",
        ),
        pytest.param(
            {"reasoning_details": [{"type": "reasoning.summary", "summary": "a", **RESPONSES},
                                   {"type": "reasoning.encrypted", "data": "e", **RESPONSES}]},
            [Thinking("a", "e", "openai-responses", id="rs_1")],
            id="case 97 a summary and its encrypted twin",
        ),
        pytest.param({"reasoning_details": [{"type": "new"}], "reasoning": "a"}, [Thinking("a")], id="new details"),
        pytest.param({"reasoning_details": [3, {}], "thinking_blocks": [{"type": "thinking"}]}, [], id="nonsense"),
    ],
)  # fmt: skip
def test_case_92_every_carrier_of_thoughts_is_read(said: Json, thoughts: list[Part]) -> None:
    body = {"model": "m", "messages": [{"role": "assistant", "content": None, **said}]}
    assert parts_of(body) == thoughts


def test_case_102_gemini_signatures_come_back_on_the_call_and_the_text() -> None:
    google = {"extra_content": {"google": {"thought_signature": "c2ln"}}}
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}, **google}
    body = {"model": "m", "messages": [{"role": "assistant", "content": "x", "tool_calls": [call], **google}]}
    assert parts_of(body) == [Text("x", "c2ln"), ToolCall("a", "f", "{}", signature="c2ln")]
    alone = {"model": "m", "messages": [{"role": "assistant", "content": "", **google}]}
    assert parts_of(alone) == [Text("", "c2ln")]


def test_case_16_refusals_in_the_history() -> None:
    request = read("refusal_history")
    assert [bare(part) for part in request.turns[1].parts] == [Refusal("I cannot help with that.")]
    assert [bare(part) for part in request.turns[3].parts] == [Refusal("Because.")]


def test_case_34_a_breakpoint_on_the_message_stands_behind_its_last_part() -> None:
    message = {"role": "user", "content": ["a", "b"], "cache_control": {"type": "ephemeral", "ttl": "5m"}}
    assert parts_of({"model": "m", "messages": [message]}) == [Text("a"), Text("b", cache="5m")]


def test_a_tool_of_another_kind_runs_at_the_vendor() -> None:
    (tool,) = read_request({"model": "m", "messages": [], "tools": [{"type": "web_search", "x": 1}]}).tools
    assert (tool.name, tool.kind) == ("web_search", "builtin")


def test_case_63_custom_tools() -> None:
    request = read("custom_tool")
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}
    tool = Tool(name="python", description="Runs code", kind="custom", grammar=grammar)
    assert [replace(tool, original=None) for tool in request.tools] == [tool]
    assert request.turns[1].parts[0] == ToolCall(
        "call_c1", "python", "print(1+1)", custom=True,
        original=Original(NAME, request.body["messages"][1]["tool_calls"][0]),
    )  # fmt: skip
    assert request.tool_choice is not None
    assert request.tool_choice.names == ("python",)


@pytest.mark.parametrize(
    ("asked", "choice"),
    [
        ({"tool_choice": "auto"}, ToolChoice(mode="auto")),
        ({"tool_choice": "none"}, ToolChoice(mode="none")),
        ({"tool_choice": "required"}, ToolChoice(mode="required")),
        ({"tool_choice": "any"}, ToolChoice(mode="required")),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, ToolChoice(mode="tool", names=("f",))),
        ({"tool_choice": {"type": "custom", "custom": {"name": "f"}}}, ToolChoice(mode="tool", names=("f",))),
        ({"function_call": "none"}, ToolChoice(mode="none")),
        ({"function_call": {"name": "f"}}, ToolChoice(mode="tool", names=("f",))),
        ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [
            {"type": "function", "function": {"name": "f"}}, {"type": "custom", "custom": {"name": "g"}}]}}},
         ToolChoice(mode="allowed", names=("f", "g"), required=True)),
    ],
)  # fmt: skip
def test_case_43_and_45_tool_choices(asked: Json, choice: ToolChoice) -> None:
    request = read_request({"model": "m", "messages": [], **asked})
    assert request.tool_choice is not None
    assert replace(request.tool_choice, original=None) == choice


@pytest.mark.parametrize(
    ("asked", "field", "value"),
    [
        pytest.param({"max_tokens": 5}, "max_output", 5, id="case 67 the old name"),
        pytest.param({"max_tokens": 5, "max_completion_tokens": 7}, "max_output", 7, id="case 67 both"),
        pytest.param({"max_tokens": 5.0}, "max_output", 5, id="a whole float"),
        pytest.param({"stop": "x"}, "stop", ("x",), id="case 73 one stop"),
        pytest.param({"stop": ["x", "y"]}, "stop", ("x", "y"), id="case 73 two"),
        pytest.param({"stop": None}, "stop", (), id="null says nothing"),
        pytest.param({"n": 3}, "count", 3, id="case 74"),
        pytest.param({"top_k": 40}, "top_k", 40, id="case 72"),
        pytest.param({"logprobs": True}, "top_logprobs", 0, id="case 75 logprobs alone"),
        pytest.param({"logprobs": True, "top_logprobs": 4}, "top_logprobs", 4, id="case 75"),
        pytest.param({"logprobs": False, "top_logprobs": 4}, "top_logprobs", None, id="case 75 off"),
        pytest.param({"user": "a"}, "user", "a", id="case 82"),
        pytest.param({"user": "a", "safety_identifier": "b"}, "user", "b", id="case 82 the newer name"),
        pytest.param({"service_tier": "flex"}, "service_tier", "flex", id="case 83"),
        pytest.param({"stream": True}, "include_usage", False, id="case 84 not asked"),
        pytest.param({"stream": True, "stream_options": {"include_usage": True}}, "include_usage", True, id="case 84"),
        pytest.param({"stream": False}, "include_usage", True, id="case 84 whole replies always count"),
        pytest.param({"prompt_cache_key": "k"}, "cache_key", "k", id="case 87"),
        pytest.param({"prompt_cache_retention": "24h"}, "extra", {"prompt_cache_retention": "24h"}, id="case 87 extra"),
        pytest.param({"prediction": {"a": 1}}, "extra", {"prediction": {"a": 1}}, id="case 86"),
        pytest.param({"brand_new": 1, "nothing": None}, "extra", {"brand_new": 1}, id="case 90"),
        pytest.param({"parallel_tool_calls": False}, "parallel_tools", False, id="case 46"),
        pytest.param({"response_format": {"type": "text"}}, "output", None, id="case 79 text"),
        pytest.param({"response_format": {"type": "new"}}, "extra", {"response_format": {"type": "new"}}, id="unknown"),
        pytest.param({"thinking": {"type": "new"}}, "extra", {"thinking": {"type": "new"}}, id="unknown thinking"),
        pytest.param({"reasoning": {"new": 1}}, "extra", {"reasoning": {"new": 1}}, id="unknown reasoning"),
        pytest.param({"reasoning_effort": "gigantic"}, "extra", {"reasoning_effort": "gigantic"}, id="unknown effort"),
    ],
)
def test_fields_inward(asked: Json, field: str, value: Any) -> None:
    assert getattr(read_request({"model": "m", "messages": [], **asked}), field) == value


@pytest.mark.parametrize(
    ("asked", "reasoning"),
    [
        ({"reasoning_effort": "xhigh"}, Reasoning(effort="xhigh")),
        ({"reasoning": {"effort": "low", "exclude": True}}, Reasoning(effort="low", show=False)),
        ({"reasoning": {"max_tokens": 2000}}, Reasoning(budget=2000)),
        ({"reasoning": {"enabled": False}}, Reasoning(effort="none")),
        ({"thinking": {"type": "enabled", "budget_tokens": 4000}}, Reasoning(budget=4000)),
        ({"thinking": {"type": "enabled"}}, Reasoning(budget=-1)),
        ({"thinking": {"type": "disabled"}}, Reasoning(budget=0)),
        ({"thinking": {"type": "adaptive"}}, Reasoning(adaptive=True)),
        ({"reasoning": {"enabled": True}}, Reasoning()),
        ({"include_reasoning": False}, Reasoning(show=False)),
    ],
)
def test_case_76_how_long_to_think(asked: Json, reasoning: Reasoning) -> None:
    request = read_request({"model": "m", "messages": [], **asked})
    assert request.reasoning is not None
    assert replace(request.reasoning, original=None) == reasoning


def test_case_80_structured_output() -> None:
    output = read("structured").output
    assert output is not None
    assert (output.kind, output.name, output.description, output.strict) == ("json_schema", "person", "A person", True)
    assert output.schema is not None
    assert output.schema["required"] == ["name", "age"]


def test_facts_are_obeyed_for_a_client_of_the_same_format_too() -> None:
    notes = Notes()
    facts = Facts(sampling=False, stop=False, max_output=50, efforts=("low", "high"))
    body = golden("everything")
    made, _ = write_request(read_request(body), Target("m", facts, drop_fields=frozenset(("logit_bias",))), notes)
    lost = {"temperature", "top_p", "stop", "logit_bias"}
    changed = {"model": "m", "max_completion_tokens": 50, "reasoning_effort": "low"}
    assert made == {key: value for key, value in body.items() if key not in lost} | changed
    assert {note.what for note in notes} == lost | {"max_output", "reasoning"}


JSON_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("type", "text", "role", "x")), inner),
    max_leaves=6,
)


@settings(deadline=None)  # a busy machine is no fault
@given(st.sampled_from(REQUESTS), st.data())
def test_any_damage_is_refused_or_read_but_never_crashes(path: Path, data: st.DataObject) -> None:
    body = json.loads(path.read_text(encoding="utf-8"))
    holder: Any = body
    for _ in range(data.draw(st.integers(1, 5))):
        places: list[Any] = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not places:
            break
        place = data.draw(st.sampled_from(places))
        if not isinstance(holder[place], dict | list):
            holder[place] = data.draw(JSON_VALUE)
            break
        holder = holder[place]
    try:
        request = read_request(body)
    except FormatError:
        return
    made, _ = write_request(request, Target("m"), Notes())
    assert made == {**body, "model": "m"}


@pytest.mark.parametrize("role", ["user", "assistant", "system", "developer"])
def test_a_role_and_a_text_are_read_like_a_message_with_more(role: str) -> None:
    """Two fields are read the short way; a third, of no meaning, leads the long way."""
    message = {"role": role, "content": "Hi"}
    short, long = (read_request({"model": "m", "messages": [said]}).turns[0] for said in (message, {**message, "x": 1}))
    assert (short.role, short.name, short.parts) == (long.role, long.name, long.parts)
    assert short.original == Original("openai-chat", message)
