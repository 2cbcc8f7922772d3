"""Bodies of Anthropic clients in the hub's words."""

from __future__ import annotations

from typing import Any

import pytest

from fastproxy.errors import FormatError
from fastproxy.formats import anthropic
from fastproxy.formats.carrier import pack
from fastproxy.formats.chat import (
    ChatRequest,
    Document,
    Image,
    Opaque,
    Reasoning,
    Source,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from tests.formats.anthropic.frames import golden


def of(name: str) -> ChatRequest:
    return anthropic.read_request(golden(f"request_{name}.json"))


def reading(**fields: Any) -> ChatRequest:
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    return anthropic.read_request(body | fields)


def parts_of(*blocks: dict[str, Any]) -> tuple[Any, ...]:
    return reading(messages=[{"role": "assistant", "content": list(blocks)}]).turns[0].parts


def bare(value: Any) -> Any:
    """A node and all below it without originals."""
    if isinstance(value, tuple):
        return tuple(map(bare, value))
    if hasattr(value, "original"):
        fields = {name: bare(getattr(value, name)) for name in value.__struct_fields__ if name != "original"}
        return type(value)(**fields)
    return value


def test_the_plain_fields() -> None:
    asked = of("multi_turn")
    assert (asked.format, asked.model, asked.stream) == ("anthropic", "claude-sonnet-4-5", True)
    assert (asked.max_output, asked.temperature, asked.top_p, asked.top_k) == (2048, 0.2, 0.9, 40)
    assert asked.stop == ("\n\nHuman:", "END")
    assert [turn.role for turn in asked.turns] == ["system", "user", "assistant", "user"]
    assert asked.extra == {}


def test_model_and_stream_may_come_from_outside() -> None:
    body = golden("request_text.json")
    del body["model"]
    asked = anthropic.read_request(body, model="m", stream=True)
    assert (asked.model, asked.stream) == ("m", True)


def test_case_4_blocks_of_the_system_keep_their_breakpoints() -> None:
    asked = of("cached")
    assert bare(asked.turns[0]) == Turn(
        "system", (Text("You review contracts."), Text("<contract>…</contract>", cache="1h"))
    )
    assert asked.turns[1].parts[0].cache == ""
    assert (asked.tools[1].cache, asked.tools[1].strict) == ("1h", True)
    assert (asked.user, asked.service_tier) == ("user_5f2b", "default")


def test_a_message_of_role_system_stays_in_its_place() -> None:
    assert [turn.role for turn in of("mid_system").turns] == ["system", "user", "system", "assistant"]


def test_case_28_29_documents() -> None:
    parts = of("pdf").turns[0].parts
    assert all(isinstance(part, Document) for part in parts[:4])
    assert bare(parts[1]) == Document(Source(url="https://example.com/terms.pdf"))
    assert bare(parts[2]) == Document(Source("text/plain"), "The grass is green. The sky is blue.", "Facts")
    assert bare(parts[3]) == Document(Source("text/plain"), "First chunk.\nSecond chunk.")
    report = parts[0]
    assert isinstance(report, Document)
    assert (report.title, report.context, report.cache) == ("Annual report", "Audited figures", "")
    assert report.source.media_type == "application/pdf"


def test_case_51_results_and_a_text_in_one_message() -> None:
    asked = of("tool_loop")
    assert asked.turns[2].role == "user"
    first, second, text = asked.turns[2].parts
    assert isinstance(first, ToolResult)
    assert [type(part) for part in first.parts] == [Text, Image]
    assert bare(second) == ToolResult("toolu_01B09q90qw90lq917835lq9", (Text("clock service is down"),), is_error=True)
    assert bare(text) == Text("Answer in one sentence.")


def test_a_message_of_nothing_but_results_is_a_tools_turn() -> None:
    assert of("thinking_tools").turns[2].role == "tool"


def test_case_49_the_input_of_a_call_keeps_its_order_and_its_numbers() -> None:
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {"b": 1.0, "a": 9007199254740993, "c": "ø"}}
    assert bare(parts_of(call)) == (ToolCall("t", "f", '{"b":1.0,"a":9007199254740993,"c":"ø"}'),)


def test_case_33_a_search_result_has_a_text_to_stand_for_it() -> None:
    part = of("search_results").turns[0].parts[0]
    assert isinstance(part, Opaque)
    assert part.summary == "API reference\nhttps://docs.example.com/api\nRequests carry a key."
    assert part.is_known


def test_case_37_62_blocks_of_its_own_are_opaque_and_never_calls() -> None:
    parts = of("server_tools").turns[1].parts
    assert [type(part) for part in parts] == [Opaque, Opaque, Text]
    unknown = of("unknown_fields").turns[0].parts[0]
    assert bare(unknown) == Opaque("hologram", is_known=False)


def test_case_61_tools_that_run_at_the_vendor() -> None:
    assert [(tool.name, tool.kind) for tool in of("server_tools").tools] == [
        ("web_search_20250305", "builtin"),
        ("bash_20250124", "builtin"),
    ]


@pytest.mark.parametrize(
    ("choice", "read", "parallel"),
    [
        ({"type": "auto"}, ToolChoice("auto"), None),
        ({"type": "any", "disable_parallel_tool_use": True}, ToolChoice("required"), False),
        ({"type": "tool", "name": "f", "disable_parallel_tool_use": False}, ToolChoice("tool", ("f",)), True),
        ({"type": "none"}, ToolChoice("none"), None),
    ],
    ids=lambda value: str(value.get("type")) if isinstance(value, dict) else "",
)
def test_case_43_46_tool_choice(choice: dict[str, Any], read: ToolChoice, parallel: bool | None) -> None:
    asked = reading(tool_choice=choice)
    assert (bare(asked.tool_choice), asked.parallel_tools) == (read, parallel)


@pytest.mark.parametrize(
    ("fields", "reasoning"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, Reasoning(budget=2048, show=True)),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048, "display": "omitted"}},
         Reasoning(budget=2048, show=False)),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}}, Reasoning(budget=0)),
        ({"thinking": {"type": "between_tools"}}, Reasoning(budget=0)),
        ({"thinking": {"type": "adaptive"}}, Reasoning(adaptive=True)),
        ({"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "max"}},
         Reasoning("max", show=True, adaptive=True)),
        ({"output_config": {"effort": "low"}}, Reasoning("low")),
        ({"output_config": {}}, None),
        ({"thinking": {"type": "from_the_future"}}, None),
    ],
    ids=str,
)  # fmt: skip
def test_case_76_thinking(fields: dict[str, Any], reasoning: Reasoning | None) -> None:
    assert bare(reading(**fields).reasoning) == reasoning


def test_case_93_94_thoughts_without_text() -> None:
    signed, redacted = parts_of(
        {"type": "thinking", "thinking": "", "signature": "Er=="}, {"type": "redacted_thinking", "data": "Em=="}
    )
    assert bare(signed) == Thinking("", "Er==", "anthropic")
    assert bare(redacted) == Thinking("", "Em==", "anthropic", redacted=True)


def test_case_96_97_a_foreign_signature_comes_back_whole() -> None:
    signature = pack("openai-responses", "rs_1", "gAAA.x=")
    seen, hidden, unsigned = parts_of(
        {"type": "thinking", "thinking": "I think", "signature": signature},
        {"type": "redacted_thinking", "data": pack("openai-responses", "rs_2", "gB")},
        {"type": "thinking", "thinking": "of nobody", "signature": ""},
    )
    assert bare(seen) == Thinking("I think", "gAAA.x=", "openai-responses", id="rs_1")
    assert bare(hidden) == Thinking("", "gB", "openai-responses", redacted=True, id="rs_2")
    assert bare(unsigned) == Thinking("of nobody")


def test_case_102_103_a_signature_goes_back_to_its_call_or_text() -> None:
    parts = parts_of(
        {"type": "text", "text": "Let me see."},
        {"type": "thinking", "thinking": "", "signature": pack("gemini", "~text", "sT")},
        {"type": "thinking", "thinking": "", "signature": pack("gemini", "~call", "sC")},
        {"type": "tool_use", "id": "t", "name": "f", "input": {}},
        {"type": "tool_use", "id": "u", "name": "f", "input": {}},
    )
    assert bare(parts) == (
        Text("Let me see.", "sT"),
        ToolCall("t", "f", "{}", signature="sC"),
        ToolCall("u", "f", "{}"),
    )


def test_a_signature_of_an_empty_text_gets_its_text_back() -> None:
    parts = parts_of({"type": "thinking", "thinking": "", "signature": pack("gemini", "~text", "s")})
    assert bare(parts) == (Text("", "s"),)


def test_case_90_unknown_fields_are_extra() -> None:
    extra = of("unknown_fields").extra
    assert set(extra) == {
        "container", "inference_geo", "speed", "context_management", "new_field", "thinking", "output_config",
    }  # fmt: skip
    assert extra["output_config"] == {"brand_new": True}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": 5}, "field 'model' is 5: expected a string"),
        ({"model": None}, "field 'model' is missing: expected a string"),
        ({"messages": None}, "field 'messages' is missing: expected an array"),
        ({"messages": ["x"]}, "field 'messages[0]' is 'x': expected an object"),
        ({"messages": [{"role": "bot", "content": ""}]},
         "field 'messages[0].role' is 'bot': expected one of user, assistant, system"),
        ({"messages": [{"role": "user", "content": 5}]},
         "field 'messages[0].content' is 5: expected a string or an array"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]},
         "field 'messages[0].content[0].type' is missing: expected a string"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]},
         "field 'messages[0].content[0].text' is 1: expected a string"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]},
         "field 'messages[0].content[0].source' is missing: expected an object"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "fax"}}]}]},
         "field 'messages[0].content[0].source.type' is 'fax': expected one of base64, url, file, text, content"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]},
         "field 'messages[0].content[0].tool_use_id' is missing: expected a string"),
        ({"max_tokens": "many"}, "field 'max_tokens' is 'many': expected a whole number"),
        ({"max_tokens": -1}, "field 'max_tokens' is -1: expected 0 or more"),
        ({"stop_sequences": ["a", 1]}, "field 'stop_sequences[1]' is 1: expected a string"),
        ({"tools": [{}]}, "field 'tools[0].name' is missing: expected a string"),
        ({"thinking": {"type": "enabled"}}, "field 'thinking.budget_tokens' is missing: expected a whole number"),
        ({"system": {}}, "field 'system' is an object: expected a string or an array"),
        ({"output_config": {"format": {"type": "json_schema"}}},
         "field 'output_config.format.schema' is missing: expected an object"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_case_183_a_wrong_field_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError) as caught:
        reading(**fields)
    assert caught.value.message == message
