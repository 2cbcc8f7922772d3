"""Schemas of structured output as the API takes them: joined, closed, and never recursive (case 80)."""

from __future__ import annotations

from typing import Any

import pytest

from fastproxy.formats.anthropic.schema import closed_schema, recurs
from fastproxy.formats.chat import ChatRequest, Facts, OutputFormat, Target, Text, Turn
from fastproxy.formats.notes import Notes
from fastproxy.formats.registry import CHAT

A = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
B = {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]}
BOTH = {
    "type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a", "b"],
    "additionalProperties": False,
}  # fmt: skip
NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}


@pytest.mark.parametrize(
    ("schema", "closed"),
    [
        pytest.param({"allOf": [A, B]}, BOTH, id="two branches"),
        pytest.param({**A, "allOf": [B]}, BOTH, id="a branch beside its object"),
        pytest.param({"allOf": [{"allOf": [A]}, B]}, BOTH, id="nested"),
        pytest.param(
            {"$defs": {"a": A}, "allOf": [{"$ref": "#/$defs/a"}, B]},
            {"$defs": {"a": A | {"additionalProperties": False}}, **BOTH}, id="a branch by reference",
        ),
    ],
)  # fmt: skip
def test_an_object_can_fit_all_of_its_branches(schema: dict[str, Any], closed: dict[str, Any]) -> None:
    made = closed_schema(schema, Notes())
    made["required"] = sorted(made["required"])
    made["properties"] = dict(sorted(made["properties"].items()))
    assert made == closed


def test_what_the_api_does_not_enforce_is_told_in_words() -> None:
    made = closed_schema({"type": "object", "patternProperties": {"^x": {"type": "string"}}}, Notes())
    assert "patternProperties" not in made
    assert "^x" in made["description"]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"$defs": {"node": NODE}, "$ref": "#/$defs/node"}, True),
        ({"type": "object", "properties": {"again": {"$ref": "#"}}}, True),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"}, True),
        ({"$defs": {"a": A}, "properties": {"x": {"$ref": "#/$defs/a"}, "y": {"$ref": "#/$defs/a"}}}, False),
        ({"$ref": "https://other.test/schema"}, False),
        ({"properties": {"$ref": {"type": "string"}}}, False),
        ({}, False),
    ],
)
def test_a_circle_of_references_is_seen(schema: dict[str, Any], expected: bool) -> None:
    assert recurs(schema) is expected


def test_a_recursive_schema_is_asked_for_as_the_input_of_a_tool() -> None:
    output = OutputFormat("json_schema", {"$defs": {"node": NODE}, "$ref": "#/$defs/node"})
    request = ChatRequest("openai-chat", "m", (Turn("user", (Text("hi"),)),), {}, output=output)
    notes = Notes()
    body, _ = CHAT["anthropic"].write_request(request, Target("m", Facts(json_schema=True)), notes)
    assert "output_config" not in body
    assert body["tool_choice"]["name"] == body["tools"][0]["name"]
    assert [note.why for note in notes] == ["its schema is recursive or too deep: asked for as the input of a tool"]
