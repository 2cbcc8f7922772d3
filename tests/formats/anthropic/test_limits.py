"""What a model takes of thinking, sampling, output formats and lengths, and what a client is told of the rest."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.formats import anthropic
from fastproxy.formats.anthropic.thinking import BUDGETS, nearest_effort
from fastproxy.formats.chat import (
    Audio,
    Facts,
    Image,
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
    Video,
)
from fastproxy.formats.notes import Notes
from tests.formats.anthropic.frames import WEATHER, body_and_notes, body_of, golden, request, user

HI = user(Text("Hi"))
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
PERSON = OutputFormat("json_schema", SCHEMA, "person", strict=True)


@pytest.mark.parametrize(
    ("asked", "facts", "written", "note"),
    [
        (None, {}, 8192, False),
        (None, {"max_output": 64000}, 64000, False),
        (100, {"max_output": 64000}, 100, False),
        (99999, {"max_output": 64000}, 64000, True),
    ],
    ids=["nobody knows", "case 66 the model's", "case 199 asked", "clamped"],
)
def test_max_tokens_is_always_there(asked: int | None, facts: dict[str, Any], written: int, note: bool) -> None:
    body, notes = body_and_notes(request(HI, max_output=asked), **facts)
    assert body["max_tokens"] == written
    assert bool(notes) == note


@pytest.mark.parametrize(
    ("reasoning", "facts", "thinking", "effort"),
    [
        (Reasoning("high"), {}, {"type": "adaptive"}, "high"),
        (Reasoning("minimal"), {"thinking": "adaptive"}, {"type": "adaptive"}, "low"),
        (Reasoning("max"), {"thinking": "adaptive", "efforts": ("low", "high")}, {"type": "adaptive"}, "high"),
        (Reasoning("low"), {"thinking": "adaptive", "efforts": ("medium", "high")}, {"type": "adaptive"}, "medium"),
        (Reasoning("none"), {"thinking": "adaptive"}, {"type": "disabled"}, None),
        (Reasoning("none"), {"thinking": "adaptive", "can_stop_thinking": False}, {"type": "adaptive"}, "low"),
        (Reasoning(budget=0), {}, {"type": "disabled"}, None),
        (Reasoning(budget=20000), {"thinking": "adaptive"}, {"type": "adaptive"}, "high"),
        (Reasoning(budget=-1), {"thinking": "adaptive"}, {"type": "adaptive"}, None),
        (Reasoning("medium", show=True), {}, {"type": "adaptive", "display": "summarized"}, "medium"),
        (Reasoning("medium", show=False), {}, {"type": "adaptive", "display": "omitted"}, "medium"),
        (Reasoning(show=True), {}, None, None),
        (Reasoning("high"), {"thinking": "none"}, None, None),
        (Reasoning("none"), {"thinking": "none"}, None, None),
        (Reasoning("medium"), {"thinking": "budget"}, {"type": "enabled", "budget_tokens": 4096}, None),
        (Reasoning(budget=3000), {}, {"type": "enabled", "budget_tokens": 3000}, None),
        (Reasoning(budget=10), {"thinking": "budget"}, {"type": "enabled", "budget_tokens": 1024}, None),
        (Reasoning(budget=-1), {"thinking": "budget"}, {"type": "enabled", "budget_tokens": 4096}, None),
    ],
    ids=str,
)  # fmt: skip
def test_case_76_78_thinking(reasoning: Reasoning, facts: dict[str, Any], thinking: Any, effort: str | None) -> None:
    body = body_of(request(HI, reasoning=reasoning), **facts)
    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == effort


@pytest.mark.parametrize(
    ("limit", "facts", "max_tokens", "budget"),
    [
        (None, {}, 16384 + 8192, 16384),
        (None, {"max_output": 64000}, 64000, 16384),
        (None, {"max_output": 8192}, 8192, 6553),
        (4000, {}, 4000, 3200),
        (1100, {}, 1100, 1024),
        (1024, {}, 1024, None),
    ],
    ids=["raised", "fits", "model's limit", "lowered", "least", "off"],
)
def test_case_68_a_budget_lies_below_max_tokens(
    limit: int | None, facts: dict[str, Any], max_tokens: int, budget: int | None
) -> None:
    asked = request(HI, reasoning=Reasoning("high"), max_output=limit)
    body = body_of(asked, thinking="budget", **facts)
    assert body["max_tokens"] == max_tokens
    assert body.get("thinking", {}).get("budget_tokens") == budget


@given(st.integers(1, 200_000), st.integers(1, 200_000))
def test_a_budget_is_always_one_that_the_api_takes(budget: int, limit: int) -> None:
    body = body_of(request(HI, reasoning=Reasoning(budget=budget), max_output=limit), thinking="budget")
    if "thinking" in body:
        assert 1024 <= body["thinking"]["budget_tokens"] < body["max_tokens"] == limit


def test_every_budget_of_the_table_is_nearest_to_its_own_effort() -> None:
    for effort, budget in BUDGETS.items():
        assert nearest_effort(budget) == ("low" if effort == "minimal" else effort)


@pytest.mark.parametrize(
    ("first", "facts", "is_on"),
    [
        ((), {"thinking": "budget"}, False),
        ((Thinking("x", "Er==", "anthropic"),), {"thinking": "budget"}, True),
        ((), {"thinking": "adaptive"}, True),
    ],
    ids=["lost", "kept", "adaptive"],
)
def test_case_95_a_tool_loop_whose_thoughts_are_lost(first: Any, facts: dict[str, Any], is_on: bool) -> None:
    turns = HI, Turn("assistant", (*first, ToolCall("t", "f", "{}"))), Turn("tool", (ToolResult("t"),))
    body, notes = body_and_notes(request(*turns, tools=(Tool("f"),), reasoning=Reasoning("medium")), **facts)
    assert ("thinking" in body) == is_on
    assert notes == (() if is_on else ("reasoning dropped: the thoughts before the last tool call are missing",))


def test_an_earlier_turn_may_have_lost_its_thoughts() -> None:
    turns = HI, Turn("assistant", (Text("Hello"),)), HI
    assert "thinking" in body_of(request(*turns, reasoning=Reasoning("medium")), thinking="budget")


@pytest.mark.parametrize(
    ("facts", "choice"),
    [
        ({"thinking": "budget"}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"thinking": "adaptive", "forced_tools_with_thinking": False},
         {"type": "auto", "disable_parallel_tool_use": True}),
        ({"thinking": "adaptive"}, {"type": "any", "disable_parallel_tool_use": True}),
        ({"thinking": "none"}, {"type": "any", "disable_parallel_tool_use": True}),
    ],
    ids=["budget", "unknown", "adaptive", "a model that takes it", "a model that does not think"],
)  # fmt: skip
def test_case_47_a_model_that_thinks_is_not_forced(facts: dict[str, Any], choice: dict[str, Any]) -> None:
    asked = request(
        HI, tools=(WEATHER,), tool_choice=ToolChoice("required"), parallel_tools=False, reasoning=Reasoning("low")
    )
    assert body_of(asked, **facts)["tool_choice"] == choice


@pytest.mark.parametrize(
    ("asked", "facts", "written", "noted"),
    [
        ({"temperature": 1.7}, {}, {"temperature": 1}, "temperature clamped: 1 is the highest"),
        ({"temperature": 0, "top_k": 5}, {}, {"temperature": 0, "top_k": 5}, None),
        ({"temperature": 0.5, "top_p": 0.9}, {"both": False}, {"temperature": 0.5},
         "top_p dropped: this model takes it or temperature, not both"),
        ({"top_p": 0.9}, {"both": False}, {"top_p": 0.9}, None),
        ({"top_k": 5}, {"sampling": False}, {}, "top_k dropped: this model refuses it"),
        ({"temperature": 1, "reasoning": Reasoning("low")}, {}, {"temperature": 1}, None),
        ({"temperature": 0.3, "reasoning": Reasoning("low")}, {}, {},
         "temperature dropped: a model that thinks refuses it"),
        ({"top_p": 0.5, "reasoning": Reasoning("low")}, {}, {}, "top_p dropped: a model that thinks refuses it"),
        ({"top_p": 0.96, "reasoning": Reasoning("none")}, {}, {"top_p": 0.96}, None),
    ],
    ids=["case 69", "plain", "case 71 both", "one", "case 70", "thinking 1", "thinking 0.3", "thinking top_p", "off"],
)  # fmt: skip
def test_sampling(asked: dict[str, Any], facts: dict[str, Any], written: dict[str, Any], noted: str | None) -> None:
    body, notes = body_and_notes(request(HI, **asked), **facts)
    assert {name: body[name] for name in ("temperature", "top_p", "top_k") if name in body} == written
    assert notes == ((noted,) if noted else ())


def test_case_73_white_space_alone_does_not_stop() -> None:
    body, notes = body_and_notes(request(HI, stop=("END", " \n")))
    assert body["stop_sequences"] == ["END"]
    assert notes == ("stop changed: white space alone does not stop",)


def test_case_82_the_user() -> None:
    assert body_of(request(HI, user="u-1"))["metadata"] == {"user_id": "u-1"}
    body, notes = body_and_notes(request(HI, user="ada@example.com"))
    assert body["metadata"]["user_id"].startswith("user_")
    assert "ada" not in body["metadata"]["user_id"]
    assert notes == ("user changed: an e-mail address is sent as its hash",)


@pytest.mark.parametrize(
    ("asked", "written"),
    [("auto", "auto"), ("default", "standard_only"), ("priority", "auto"), ("flex", None), ("scale", None)],
)
def test_case_83_service_tier(asked: str, written: str | None) -> None:
    assert body_of(request(HI, service_tier=asked)).get("service_tier") == written


# JSON


def test_case_80_a_schema_goes_into_the_output_config() -> None:
    body, notes = body_and_notes(request(HI, output=PERSON, reasoning=Reasoning("low")))
    assert body["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}}
    assert notes == ()


def test_a_schema_is_closed_and_its_bounds_are_told() -> None:
    schema = {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "minimum": 1, "description": "How many"},
            "of": {"oneOf": [{"type": "string", "format": "color"}, {"type": "null"}]},
        },
        "$defs": {"x": {"type": "array", "items": {"type": "object"}, "minItems": 3}},
    }
    body, notes = body_and_notes(request(HI, output=OutputFormat("json_schema", schema)))
    assert body["output_config"]["format"]["schema"] == {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "description": 'How many\n\n{"minimum":1}'},
            "of": {"anyOf": [{"type": "string", "description": '{"format":"color"}'}, {"type": "null"}]},
        },
        "$defs": {
            "x": {
                "type": "array",
                "items": {"type": "object", "additionalProperties": False},
                "description": '{"minItems":3}',
            }
        },
        "additionalProperties": False,
    }
    assert notes == ("output changed: objects of the schema are closed, bounds are told in words",)
    assert "additionalProperties" not in schema


def test_case_80_an_older_model_answers_through_a_tool() -> None:
    body = body_of(request(HI, output=PERSON), json_schema=False)
    assert anthropic.json_tool(body) == anthropic.JSON_TOOL == "json_output"
    assert body["tools"][0]["input_schema"] == SCHEMA
    assert body["tool_choice"] == {"type": "tool", "name": "json_output", "disable_parallel_tool_use": True}
    assert "output_config" not in body


def test_beside_other_tools_one_of_them_must_be_called() -> None:
    own = Tool("json_output")
    body = body_of(request(HI, output=PERSON, tools=(WEATHER, own)), json_schema=False)
    assert anthropic.json_tool(body) == "json_output_"
    assert body["tool_choice"] == {"type": "any"}
    assert anthropic.json_tool(body_of(request(HI, tools=(own,)))) == ""


def test_a_forced_answer_is_given_without_thinking() -> None:
    asked = request(HI, output=PERSON, reasoning=Reasoning("high"))
    body, notes = body_and_notes(asked, json_schema=False)
    assert "thinking" not in body
    assert body["tool_choice"]["type"] == "tool"
    assert notes == ("reasoning dropped: a model that thinks cannot be forced to answer in JSON",)


@pytest.mark.parametrize(
    ("turns", "system"),
    [
        ((HI,), "Reply with one JSON object"),
        ((Turn("system", (Text("Be kind"),)), HI), "Be kind\n\nReply with one JSON object"),
    ],
    ids=["alone", "behind others"],
)
def test_case_79_json_is_asked_for_in_words(turns: tuple[Turn, ...], system: str) -> None:
    body, notes = body_and_notes(request(*turns, output=OutputFormat("json_object")))
    assert body["system"].startswith(system)
    assert notes == ("output changed: JSON is asked for in words",)


# Facts bind an Anthropic client too


@pytest.mark.parametrize(
    ("name", "facts", "gone", "there"),
    [
        ("multi_turn", {"sampling": False}, ("temperature", "top_p", "top_k"), {}),
        ("multi_turn", {"both": False}, ("top_p",), {}),
        ("multi_turn", {"max_output": 1000}, (), {"max_tokens": 1000}),
        ("adaptive", {"thinking": "none"}, ("thinking", "output_config"), {}),
        ("adaptive", {"thinking": "budget"}, ("output_config",),
         {"thinking": {"type": "enabled", "budget_tokens": 32768}}),
        ("thinking_tools", {"thinking": "adaptive"}, (),
         {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "high"}}),
    ],
    ids=str,
)  # fmt: skip
def test_facts_bind_an_anthropic_client_too(
    name: str, facts: dict[str, Any], gone: tuple[str, ...], there: dict[str, Any]
) -> None:
    body, notes = golden(f"request_{name}.json"), Notes()
    made, _ = anthropic.write_request(anthropic.read_request(body), Target("m", Facts(**facts)), notes)
    assert body.keys() - made.keys() == set(gone)
    assert {field: made[field] for field in there} == there
    assert bool(notes) or facts == {"thinking": "budget"}  # an effort means a budget there


@pytest.mark.parametrize(
    ("facts", "config"),
    [({}, {"effort": "xhigh"}), ({"efforts": ("low", "high")}, {"effort": "high"}), ({"thinking": "none"}, None)],
    ids=["kept", "clamped", "dropped"],
)
def test_an_effort_alone_does_not_begin_to_think(facts: dict[str, Any], config: dict[str, Any] | None) -> None:
    body = golden("request_text.json") | {"output_config": {"effort": "xhigh"}}
    made, _ = anthropic.write_request(anthropic.read_request(body), Target("m", Facts(**facts)), Notes())
    assert made.get("output_config") == config
    assert "thinking" not in made


def test_case_89_the_headers_of_a_body_of_ours() -> None:
    asked = request(HI)
    assert anthropic.request_headers(asked, body_of(asked), Facts()) == {"anthropic-version": "2023-06-01"}


def test_the_path() -> None:
    assert anthropic.upstream_path(Target("m"), stream=True) == "/messages"


# What is lost


LOST: dict[str, dict[str, Any]] = {
    "seed": {"seed": 7},
    "presence_penalty": {"presence_penalty": 0.5},
    "frequency_penalty": {"frequency_penalty": 0.0},
    "logit_bias": {"logit_bias": {"50256": -100}},
    "top_logprobs": {"top_logprobs": 0},
    "count": {"count": 2},
    "verbosity": {"verbosity": "low"},
    "metadata": {"metadata": {"run": "1"}},
    "store": {"store": True},
    "previous": {"previous": "resp_1"},
    "cache_key": {"cache_key": "k"},
    "name": {"turns": (Turn("user", (Text("Hi"),), "ada"),)},
    "refusal": {"turns": (HI, Turn("assistant", (Refusal("No."),)), HI)},
    "audio": {"turns": (HI, user(Audio(Source("audio/wav", data="UklG"))))},
    "video": {"turns": (HI, user(Video(Source(url="https://example.com/a.mp4"))))},
    "detail": {"turns": (user(Image(Source(url="https://example.com/a.png"), "low")),)},
    "json_object": {"output": OutputFormat("json_object")},
    "foreign_signature": {"turns": (HI, Turn("assistant", (Thinking("x", "s", "gemini"), Text("a"))), HI)},
    "foreign_builtin": {"tools": (Tool("web_search", kind="builtin"),)},
    "custom": {"tools": (Tool("sql", kind="custom"),)},
    "allowed": {"tools": (WEATHER, Tool("now")), "tool_choice": ToolChoice("allowed", ("now",))},
}


def test_the_list_of_losses_is_proved_whole() -> None:
    assert LOST.keys() == anthropic.LOSSY.keys()


@pytest.mark.parametrize("feature", LOST)
def test_a_loss_is_told(feature: str) -> None:
    fields = dict(LOST[feature])
    _, notes = body_and_notes(request(*fields.pop("turns", (HI,)), **fields))
    assert len(notes) == 1
    assert anthropic.LOSSY[feature] in notes[0]


def test_case_75_90_unknown_fields_of_another_format_are_told() -> None:
    _, notes = body_and_notes(request(HI, extra={"prediction": {"type": "content"}, "unset": None}))
    assert notes == ("prediction dropped",)


def test_everything_else_survives() -> None:
    asked = request(
        Turn("system", (Text("Be kind", cache="1h"),)),
        user(Text("Hi"), Image(Source(url="https://example.com/a.png"))),
        Turn("assistant", (Thinking("x", "s", "anthropic"), Text("a"), ToolCall("t", "get_weather", '{"a":1}'))),
        Turn("user", (ToolResult("t", (Text("r"),), is_error=True), Text("b", cache=""))),
        stream=True, tools=(WEATHER,), tool_choice=ToolChoice("auto"), parallel_tools=False, max_output=2048,
        reasoning=Reasoning("high", show=True), top_p=0.97, stop=("END",), output=PERSON, user="u-1",
        service_tier="default",
    )  # fmt: skip
    body, notes = body_and_notes(asked)
    assert notes == ()
    again = anthropic.read_request(body)
    assert body_of(again) == body
    for name in ("stream", "parallel_tools", "max_output", "top_p", "stop", "user", "service_tier"):
        assert getattr(again, name) == getattr(asked, name)
    assert (again.reasoning.effort, again.reasoning.show) == ("high", True)  # type: ignore[union-attr]
    assert again.output.schema == SCHEMA  # type: ignore[union-attr]
    assert [[type(part) for part in turn.parts] for turn in again.turns] == [
        [type(part) for part in turn.parts] for turn in asked.turns
    ]
