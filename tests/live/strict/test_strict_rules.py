"""Every rule of the strict vendor bites: one broken request per rule, refused by exactly that rule."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.live.strict.dialogue import Refused
from tests.live.strict.issued import Issued
from tests.live.strict.rulebook import Request
from tests.live.strict.vendor import DIALECTS, dialect_of

if TYPE_CHECKING:
    from collections.abc import Callable

USER: Final[dict[str, Any]] = {"role": "user", "content": "hi"}
LONE: Final = base64.b64encode(b"never signed").decode()
OPEN: Final[dict[str, Any]] = {"type": "object", "properties": {"a": {"type": "string"}}}


def call(call_id: str = "c1", arguments: str = "{}") -> dict[str, Any]:
    function = {"name": "f", "arguments": arguments}
    return {"role": "assistant", "tool_calls": [{"id": call_id, "type": "function", "function": function}]}


def told(call_id: str = "c1") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": "x"}


def chat_tool(**fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", "parameters": OPEN, **fields}}


def tool_choice(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


CHAT: Final[list[tuple[str, dict[str, Any]]]] = [
    ("shape_is_the_sdks", {"top_k": 3}),
    ("shape_is_the_sdks", {"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]}),
    ("shape_is_the_sdks", {"messages": [{**USER, "tool_call_id": "x"}]}),
    ("shape_is_the_sdks", {"reasoning_effort": "extreme"}),
    ("shape_is_the_sdks", {"max_completion_tokens": "9"}),
    ("there_are_messages", {"messages": []}),
    ("reasoning_is_as_issued", {"messages": [USER, {"role": "assistant", "content": "a", "reasoning_content": "b"}]}),
    ("calls_are_text", {"messages": [USER, call(arguments="{"), told()]}),
    ("calls_are_text", {"messages": [USER, call("c" * 65), told("c" * 65)]}),
    ("calls_are_answered", {"messages": [USER, call()]}),
    ("calls_are_answered", {"messages": [USER, call(), USER, told()]}),
    ("calls_are_answered", {"messages": [USER, told()]}),
    ("assistants_say_something", {"messages": [USER, {"role": "assistant"}]}),
    ("tools_are_well_formed", {"tool_choice": "auto"}),
    ("tools_are_well_formed", {"tools": []}),
    ("tools_are_well_formed", {"tools": [chat_tool(name="a.b")]}),
    ("tools_are_well_formed", {"tools": [chat_tool(strict=True)]}),
    ("tools_are_well_formed", {"tools": [chat_tool()], "tool_choice": tool_choice("g")}),
    ("limits_are_of_the_models_kind", {"max_tokens": 5}),
    ("limits_are_of_the_models_kind", {"temperature": 0.5}),
    (
        "schema_is_well_formed",
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a b", "schema": {}}}},
    ),
    ("stream_options_need_a_stream", {"stream_options": {"include_usage": True}}),
]


def item_call(call_id: str = "c1", **fields: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": "f", "arguments": "{}", **fields}


def output(call_id: str = "c1") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": "x"}


WRONG: Final = {"type": "input_text", "text": "a"}
LOOSE: Final = {"type": "json_schema", "name": "a", "schema": OPEN, "strict": True}


def flat_tool(**fields: Any) -> dict[str, Any]:
    return {"type": "function", "name": "f", "parameters": OPEN, **fields}


RESPONSES: Final[list[tuple[str, dict[str, Any]]]] = [
    ("shape_is_the_sdks", {"messages": [USER]}),
    ("shape_is_the_sdks", {"input": [{"role": "tool", "content": "x"}]}),
    ("nothing_of_before_is_known", {"previous_response_id": "resp_1"}),
    ("there_is_input", {"input": []}),
    ("calls_are_text", {"input": [USER, item_call(arguments="no"), output()]}),
    ("calls_are_answered", {"input": [USER, item_call()]}),
    ("calls_are_answered", {"input": [USER, output()]}),
    ("calls_are_answered", {"input": [USER, item_call(), item_call(), output(), output()]}),
    ("ids_have_their_prefix", {"input": [USER, item_call(id="call_1"), output()]}),
    ("reasoning_is_as_issued", {"input": [USER, {"type": "reasoning", "id": "rs_1", "summary": []}]}),
    ("reasoning_is_as_issued", {"input": [USER, {"type": "reasoning", "id": "rs_1", "summary": [],
                                                 "encrypted_content": LONE}, item_call(), output()]}),
    ("assistants_say_output_text", {"input": [{"role": "assistant", "content": [WRONG]}]}),
    ("tools_are_well_formed", {"tool_choice": "required"}),
    ("tools_are_well_formed", {"tools": [flat_tool(strict=True)]}),
    ("tools_are_well_formed", {"tools": [flat_tool(), flat_tool()]}),
    ("schema_is_well_formed", {"text": {"format": LOOSE}}),
    ("limits_are_of_the_models_kind", {"max_output_tokens": 1}),
    ("limits_are_of_the_models_kind", {"temperature": 0.5}),
]  # fmt: skip


def use(call_id: str = "c1") -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": "f", "input": {}}


def result(call_id: str = "c1") -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, "content": "x"}


def turns(*contents: Any) -> dict[str, Any]:
    """Messages of user and assistant in turn."""
    return {"messages": [
        {"role": ("user", "assistant")[place % 2], "content": content} for place, content in enumerate(contents)
    ]}  # fmt: skip


TEXT: Final = {"type": "text", "text": "a"}
ON: Final = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
PNG: Final = base64.b64encode(b"\x89PNG....").decode()
PICTURE: Final = {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": PNG}}
MARK: Final = {"cache_control": {"type": "ephemeral"}}
ANTHROPIC: Final[list[tuple[str, dict[str, Any]]]] = [
    ("version_is_known", {"_version": "2020-01-01"}),
    ("sampling_fits_the_version", {"_version": "2026-10-21", "temperature": 1}),
    ("sampling_fits_the_version", {"temperature": 1.5}),
    ("shape_is_the_sdks", {"stream_options": {}}),
    ("shape_is_the_sdks", turns([{"type": "image_url", "image_url": {"url": "x"}}])),
    ("shape_is_the_sdks", turns("a", [{**use(), "index": 0}], [result()])),
    ("max_tokens_is_sane", {"max_tokens": 0}),
    ("first_message_is_the_users", {"messages": []}),
    ("first_message_is_the_users", {"messages": [{"role": "assistant", "content": "a"}, USER]}),
    ("roles_alternate", {"messages": [USER, USER]}),
    ("texts_are_not_empty", turns("")),
    ("texts_are_not_empty", turns("a", [{"type": "text", "text": " \n"}, use()], [result()])),
    ("calls_are_answered_at_once", turns("a", [use()])),
    ("calls_are_answered_at_once", turns("a", [use("c1"), use("c2")], [result("c1")])),
    ("calls_are_answered_at_once", turns("a", [use()], [TEXT, result()])),
    ("calls_are_answered_at_once", turns([result()])),
    ("call_ids_fit", turns("a", [use("c.1")], [result("c.1")])),
    ("thinking_is_as_issued", turns("a", [{"type": "thinking", "thinking": "b", "signature": LONE}, TEXT], "b")),
    ("thinking_is_as_issued", turns("a", [{"type": "redacted_thinking", "data": LONE}, TEXT], "b")),
    ("thinking_comes_first_in_a_loop", {**turns("a", [use()], [result()]), **ON}),
    ("thinking_fits_the_rest", {"thinking": {"type": "enabled", "budget_tokens": 9000}}),
    ("thinking_fits_the_rest", {**ON, "tools": [{"name": "f", "input_schema": OPEN}], "tool_choice": {"type": "any"}}),
    ("thinking_is_of_the_models_kind", {"thinking": {"type": "adaptive"}}),
    ("thinking_is_of_the_models_kind", {"output_config": {"effort": "low"}}),
    ("tools_are_well_formed", {"tool_choice": {"type": "auto"}}),
    ("tools_are_well_formed", {"tools": [{"name": "a.b", "input_schema": OPEN}]}),
    ("few_cache_breakpoints", turns([{**TEXT, **MARK}] * 5)),
    ("pictures_are_what_they_say", turns([PICTURE])),
]


def contents(*parts: Any) -> dict[str, Any]:
    """Contents of user and model in turn, a part each."""
    return {"contents": [
        {"role": ("user", "model")[place % 2], "parts": part if isinstance(part, list) else [part]}
        for place, part in enumerate(parts)
    ]}  # fmt: skip


SAID: Final = {"text": "a"}
ASKED: Final = {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "skip_thought_signature_validator"}
ANSWER: Final = {"functionResponse": {"name": "f", "response": {"output": "x"}}}
OTHER: Final = {"functionResponse": {"name": "g", "response": {"output": "x"}}}


def declared(**fields: Any) -> dict[str, Any]:
    return {"tools": [{"functionDeclarations": [{"name": "f", **fields}]}]}


GEMINI: Final[list[tuple[str, dict[str, Any]]]] = [
    ("shape_is_the_sdks", {"messages": []}),
    ("shape_is_the_sdks", {"generationConfig": {"maxTokens": 5}}),
    ("shape_is_the_sdks", contents({"text": "a", "type": "text"})),
    ("shape_is_the_sdks", {"generationConfig": {"thinkingConfig": {"thinkingLevel": "EXTREME"}}}),
    ("roles_are_user_and_model", {"contents": [{"role": "system", "parts": [SAID]}]}),
    ("roles_are_user_and_model", {"contents": [{"role": "model", "parts": [SAID]}]}),
    ("roles_are_user_and_model", {"contents": [{"role": "user", "parts": []}]}),
    ("parts_hold_one_thing", contents({"text": "a", "inlineData": {"mimeType": "image/png", "data": "AA=="}})),
    ("tools_are_well_formed", declared(name="1f")),
    ("tools_are_well_formed", declared(parameters={"type": "OBJECT", "additionalProperties": False})),
    ("tools_are_well_formed", declared(parameters={"type": "OBJECT", "properties": {"a": {"type": "ARRAY"}}})),
    ("tools_are_well_formed", {"tools": [*declared()["tools"], *declared(name="g")["tools"]]}),
    ("calling_config_fits_the_tools", {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}),
    ("responses_match_the_calls", contents(SAID, ASKED)),
    ("responses_match_the_calls", contents(SAID, ASKED, SAID)),
    ("responses_match_the_calls", contents(SAID, [ASKED, ASKED], ANSWER)),
    ("responses_match_the_calls", contents(SAID, ASKED, OTHER)),
    ("signatures_are_as_issued", contents(SAID, {**SAID, "thoughtSignature": LONE}, SAID)),
    ("first_call_of_a_step_is_signed", contents(SAID, {"functionCall": ASKED["functionCall"]}, ANSWER)),
    ("config_fits_the_model", {"generationConfig": {"responseSchema": {"type": "STRING"}}}),
    ("config_fits_the_model", {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW", "thinkingBudget": 5}}}),
]
OLLAMA_CALL: Final[dict[str, Any]] = {
    "role": "assistant", "content": "", "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": {}}}],
}  # fmt: skip
LOCAL_TOOL: Final = {"type": "function", "function": {"name": "a.b", "description": "", "parameters": {}}}
OLLAMA: Final[list[tuple[str, dict[str, Any]]]] = [
    ("shape_is_the_servers", {"tool_choice": "required"}),
    ("shape_is_the_servers", {"options": {"max_tokens": 5}}),
    ("shape_is_the_servers", {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}),
    ("there_are_messages", {"messages": []}),
    ("images_are_bare_base64", {"messages": [{**USER, "images": ["data:image/png;base64,AAAA"]}]}),
    ("images_are_bare_base64", {"messages": [{"role": "tool", "content": "", "images": ["AAAA"]}]}),
    ("calls_are_answered", {"messages": [USER, OLLAMA_CALL]}),
    ("calls_are_answered", {"messages": [USER, OLLAMA_CALL, {"role": "tool", "content": "x", "tool_call_id": "c1"}]}),
    ("thinking_is_as_issued", {"messages": [USER, {"role": "assistant", "content": "a", "thinking": "b"}]}),
    ("think_is_of_the_models_kind", {"think": "high"}),
    ("tools_are_well_formed", {"tools": [LOCAL_TOOL]}),
    ("format_is_json_or_a_schema", {"format": "json_schema"}),
]
BASES: Final[dict[str, dict[str, Any]]] = {
    "openai-chat": {"model": "gpt-5", "messages": [USER]},
    "openai-responses": {"model": "gpt-5", "input": "hi"},
    "anthropic": {"model": "claude-haiku-4-5", "max_tokens": 4096, "messages": [USER]},
    "gemini": contents(SAID),
    "ollama": {"model": "qwen3:4b", "messages": [USER], "stream": False},
}
BROKEN: Final = {
    "openai-chat": CHAT, "openai-responses": RESPONSES, "anthropic": ANTHROPIC, "gemini": GEMINI, "ollama": OLLAMA,
}  # fmt: skip
ROWS: Final = [(name, rule, change) for name, rows in BROKEN.items() for rule, change in rows]


def read(wire_format: str, change: dict[str, Any]) -> None:
    change = dict(change)
    headers = {"anthropic-version": change.pop("_version", "2023-06-01")}
    dialect = dialect_of(wire_format)
    request = Request({**BASES[wire_format], **change}, headers, Issued(wire_format), dialect.model, stream=False)
    dialect.rules.read(request)


@pytest.mark.parametrize(
    ("wire_format", "rule", "change"), ROWS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_broken_request_is_refused_by_the_rule_it_breaks(wire_format: str, rule: str, change: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        read(wire_format, change)
    assert refused.value.rule == rule, refused.value.message


@pytest.mark.parametrize("wire_format", BASES)
def test_the_whole_request_is_taken(wire_format: str) -> None:
    read(wire_format, {})


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.format)
def test_every_rule_has_its_broken_request(dialect: Any) -> None:
    rules: tuple[Callable[[Request], str], ...] = dialect.rules.RULES
    assert {rule.__name__ for rule in rules} == {rule for rule, _ in BROKEN[dialect.format]}
