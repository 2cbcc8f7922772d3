"""What Gemini cannot carry is declared, and told when it happens; all the rest survives being written and read."""

from __future__ import annotations

from typing import Any

import pytest

from fastproxy.formats import gemini
from fastproxy.formats.chat import (
    ChatRequest,
    Citation,
    Facts,
    Image,
    Opaque,
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
from tests.formats.gemini.asking import USER, F, asked, written
from tests.formats.gemini.test_request import shape

GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: NUMBER"}

FEATURES: dict[str, ChatRequest] = {
    "parallel_tools": asked(tools=(F,), parallel_tools=False),
    "logit_bias": asked(logit_bias={"1": 1.0}),
    "verbosity": asked(verbosity="low"),
    "user": asked(user="u"),
    "metadata": asked(metadata={"a": "b"}),
    "previous": asked(previous="resp_1"),
    "cache_key": asked(cache_key="k"),
    "cache_control": asked(Turn("user", (Text("q", cache="1h"),))),
    "name": asked(Turn("user", (Text("q"),), "Ada")),
    "refusal": asked(USER, Turn("assistant", (Refusal("no"),)), USER),
    "strict": asked(tools=(Tool("f", strict=True),)),
    "thinking": asked(USER, Turn("assistant", (Thinking("x", "s", "anthropic"), Text("a"))), USER),
    "custom": asked(tools=(Tool("f", kind="custom"),)),
    "grammar": asked(tools=(Tool("f", kind="custom", grammar=GRAMMAR),)),
    "citations": asked(Turn("user", (Text("q", citations=(Citation("u"),)),))),
    "opaque": asked(Turn("user", (Text("q"), Opaque("container_upload")))),
    "extra": asked(extra={"new_field": 1}),
}


def test_there_is_an_example_of_everything_that_is_declared() -> None:
    assert set(FEATURES) == set(gemini.LOSSY)


@pytest.mark.parametrize("feature", gemini.LOSSY)
def test_what_is_declared_is_told(feature: str) -> None:
    body, lost = written(FEATURES[feature])
    assert len(lost) == 1
    assert body["contents"]


def test_a_grammar_is_told_in_the_description() -> None:
    body, _ = written(FEATURES["grammar"])
    (declared,) = body["tools"][0]["functionDeclarations"]
    assert "start: NUMBER" in declared["parameters"]["properties"]["input"]["description"]


SCHEMA = {"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "required": ["a"]}
SURVIVING: dict[str, Any] = {
    "tools": (Tool("f", "does f", SCHEMA), Tool("g")),
    "tool_choice": ToolChoice("allowed", ("f", "g"), required=True),
    "max_output": 5,
    "temperature": 0.5,
    "top_p": 0.25,
    "top_k": 3,
    "stop": ("a",),
    "seed": 1,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "top_logprobs": 2,
    "count": 2,
    "reasoning": Reasoning("high", show=True),
    "output": OutputFormat("json_schema", SCHEMA),
    "service_tier": "flex",
    "store": False,
}
TURNS = (
    Turn("system", (Text("s"),)),
    Turn("user", (Text("q"), Image(Source("image/png", data="aGk="), "high"))),
    Turn("assistant", (Thinking("t", "c2ln", "gemini"), Text("a", "c2ln"), ToolCall("1", "f", "{}", signature="c2ln"))),
    Turn("tool", (ToolResult("1", (Text("r"),), name="f"),)),
    Turn("assistant", (ToolCall("2", "g", "{}", signature="c2ln"), ToolCall("3", "f", "{}"))),
    Turn("tool", (ToolResult("2", (Text("broken"),), is_error=True, name="g"), ToolResult("3", name="f"))),
)  # fmt: skip


def test_all_the_rest_survives() -> None:
    fields = {*SURVIVING, "format", "model", "turns", "body", "stream", "include_usage"}
    assert fields | (set(gemini.LOSSY) & set(ChatRequest.__struct_fields__)) == set(ChatRequest.__struct_fields__)
    request = ChatRequest("openai-chat", "m", TURNS, {}, **SURVIVING)
    notes = Notes()
    body, _ = gemini.write_request(request, Target("gemini-3-pro", Facts(thinking="level")), notes)
    assert not notes
    back = gemini.read_request(body)
    assert shape(back.turns) == TURNS
    for name, value in SURVIVING.items():
        assert shape(getattr(back, name)) == value, name
    assert not back.extra
