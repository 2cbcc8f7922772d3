"""Case 42: JSON Schema down to Gemini's Schema, and up again."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest
from google.genai import types

from fastproxy.formats.gemini.schema import MAX_SIZE, lower
from fastproxy.formats.gemini.schema_up import raise_up

TABLE: list[tuple[str, Any, Any]] = [
    ("types in capitals", {"type": "string"}, {"type": "STRING"}),
    ("case 42 nullable type", {"type": ["string", "null"]}, {"type": "STRING", "nullable": True}),
    (
        "case 42 several types",
        {"type": ["string", "integer", "null"]},
        {"nullable": True, "anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]},
    ),
    ("case 42 const is an enum", {"const": "a"}, {"type": "STRING", "enum": ["a"]}),
    ("case 42 enum of texts", {"type": "string", "enum": ["a", ""]}, {"type": "STRING", "enum": ["a"]}),
    ("case 42 enum with null", {"enum": ["a", None]}, {"type": "STRING", "enum": ["a"], "nullable": True}),
    (
        "case 42 enum of numbers is told",
        {"type": "integer", "enum": [1, 2], "description": "Size."},
        {"type": "INTEGER", "description": "Size. One of [1,2]."},
    ),
    ("case 42 const of another type", {"const": True}, {"type": "BOOLEAN", "description": "One of [true]."}),
    ("case 42 array without items", {"type": "array"}, {"type": "ARRAY", "items": {"type": "STRING"}}),
    (
        "case 42 tuple",
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "number"}, {"type": "string"}]},
        {"type": "ARRAY", "items": {"anyOf": [{"type": "STRING"}, {"type": "NUMBER"}]}},
    ),
    ("case 42 format kept", {"type": "string", "format": "date-time"}, {"type": "STRING", "format": "date-time"}),
    ("case 42 format dropped", {"type": "string", "format": "email"}, {"type": "STRING"}),
    ("case 42 format of numbers", {"type": "integer", "format": "int64"}, {"type": "INTEGER", "format": "int64"}),
    (
        "case 42 unsupported keywords",
        {"$schema": "x", "type": "object", "additionalProperties": False, "properties": {"a": {"exclusiveMinimum": 1}}},
        {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
    ),
    (
        "case 42 reference in place",
        {"type": "object", "properties": {"p": {"$ref": "#/$defs/P"}}, "$defs": {"P": {"type": "number"}}},
        {"type": "OBJECT", "properties": {"p": {"type": "NUMBER"}}},
    ),
    (
        "case 42 reference with words beside it",
        {"$ref": "#/definitions/a~1b", "description": "mine", "definitions": {"a/b": {"type": "number"}}},
        {"type": "NUMBER", "description": "mine"},
    ),
    (
        "case 42 allOf",
        {
            "allOf": [
                {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
                {"properties": {"b": {"type": "integer"}}, "required": ["b"]},
            ]
        },
        {
            "type": "OBJECT",
            "properties": {"a": {"type": "STRING"}, "b": {"type": "INTEGER"}},
            "required": ["a", "b"],
        },
    ),
    (
        "case 42 anyOf with null",
        {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "T"},
        {"type": "STRING", "nullable": True, "title": "T"},
    ),
    (
        "case 42 oneOf",
        {"oneOf": [{"type": "string"}, {"type": "integer"}], "description": "d"},
        {"description": "d", "anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]},
    ),
    (
        "case 42 what stands beside anyOf goes into each",
        {"type": "object", "properties": {"a": {"type": "string"}}, "anyOf": [{"required": ["a"]}, {}]},
        {
            "anyOf": [
                {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}, "required": ["a"]},
                {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
            ]
        },
    ),
    (
        "required names only what is there",
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "b"]},
        {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}, "required": ["a"]},
    ),
    ("object without a type", {"properties": {"a": True}}, {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}),
    ("a property with a keyword's name", {"properties": {"$ref": {"type": "number"}}},
     {"type": "OBJECT", "properties": {"$ref": {"type": "NUMBER"}}}),
    ("a Schema of Google's own stays", {"type": "STRING", "nullable": True}, {"type": "STRING", "nullable": True}),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_schema_becomes_what_gemini_knows(schema: Any, expected: Any) -> None:
    made = lower(schema).schema
    assert made == expected
    types.Schema.model_validate(made)


@pytest.mark.parametrize(
    ("schema", "lost"),
    [
        ({"type": "object", "additionalProperties": {"type": "string"}, "not": {}}, ("additionalProperties", "not")),
        ({"type": "object", "additionalProperties": False}, ()),
        ({"type": "number", "exclusiveMinimum": 0, "$comment": "no", "$schema": "no"}, ("exclusiveMinimum",)),
        ({"$ref": "https://example.org/schema"}, ("$ref", "any type")),
        ({"$ref": "#/nowhere"}, ("$ref", "any type")),
        ({"type": "string"}, ()),
    ],
    ids=["keywords", "no others", "silent ones", "remote", "dangling", "nothing"],
)  # fmt: skip
def test_what_is_left_out_is_named(schema: Any, lost: tuple[str, ...]) -> None:
    assert lower(schema).lost == lost


RECURSIVE: list[Any] = [
    {"$ref": "#"},
    {"type": "object", "properties": {"next": {"$ref": "#"}}},
    {"$defs": {"N": {"properties": {"n": {"$ref": "#/$defs/N"}}}}, "$ref": "#/$defs/N"},
    {"allOf": [{"$ref": "#"}]},
    {"anyOf": [{"$ref": "#"}, {"type": "string"}]},
    {"$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}, "$ref": "#/$defs/A"},
]


@pytest.mark.parametrize("schema", RECURSIVE, ids=str)
def test_a_schema_that_refers_to_itself_ends(schema: Any) -> None:
    assert lower(schema).recursive


def test_the_same_reference_twice_is_no_circle() -> None:
    schema = {
        "properties": {"a": {"$ref": "#/$defs/N"}, "b": {"$ref": "#/$defs/N"}},
        "$defs": {"N": {"type": "number"}},
    }
    assert not lower(schema).recursive


@pytest.mark.parametrize("kind", ["properties", "allOf", "anyOf"])
def test_references_that_multiply_are_bounded(kind: str) -> None:
    defs: dict[str, Any] = {"d0": {"type": "string"}}
    for level in range(1, 40):
        below = [{"$ref": f"#/$defs/d{level - 1}"}, {"$ref": f"#/$defs/d{level - 1}"}]
        defs[f"d{level}"] = (
            {"properties": dict(zip("ab", below, strict=True))} if kind == "properties" else {kind: below}
        )
    lowered = lower({"$ref": "#/$defs/d39", "$defs": defs})
    assert lowered.recursive
    assert len(repr(lowered.schema)) < 100 * MAX_SIZE


@pytest.mark.parametrize(
    "heavy",
    [
        {"type": "string", "enum": ["word"] * 5000},
        {"type": "string", "description": "long" * 50_000},
        {"type": "object", "properties": {"name" * 50_000: {}}},
        {"type": "object", "properties": {"a": {}}, "required": ["a"] * 5000},
        {"type": "array", "default": ["word"] * 5000},
    ],
    ids=["enum", "description", "name", "required", "default"],
)
def test_a_heavy_schema_that_is_referred_to_a_thousand_times_is_bounded(heavy: dict[str, Any]) -> None:
    many = {str(place): {"$ref": "#/$defs/heavy"} for place in range(1000)}
    made = lower({"type": "object", "properties": many, "$defs": {"heavy": heavy}}).schema
    assert len(orjson.dumps(made)) < 3_000_000


def test_a_deep_schema_is_bounded() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(500):
        schema = {"type": "array", "items": schema}
    assert lower(schema).recursive


def test_nonsense_never_breaks_it() -> None:
    chance = random.Random(42)
    words = [
        "type",
        "enum",
        "const",
        "properties",
        "required",
        "items",
        "anyOf",
        "oneOf",
        "allOf",
        "$ref",
        "format",
        "a",
    ]

    def anything(depth: int) -> Any:
        kind = chance.randrange(7 if depth else 4)
        if kind < 4:
            return chance.choice([None, True, 3, 2.5, "string", "#", "#/properties/a", "", []])
        if kind == 4:
            return [anything(depth - 1) for _ in range(3)]
        return {chance.choice(words): anything(depth - 1) for _ in range(4)}

    for _ in range(3000):
        lowered = lower(anything(4))
        assert isinstance(lowered.schema, dict)


def test_the_order_of_properties_can_be_kept() -> None:
    schema = {"type": "object", "properties": {"why": {"type": "string"}, "answer": {"type": "string"}}}
    assert lower(schema, ordered=True).schema["propertyOrdering"] == ["why", "answer"]


UP: list[tuple[str, Any, Any]] = [
    ("types", {"type": "STRING"}, {"type": "string"}),
    ("nullable", {"type": "INTEGER", "nullable": True}, {"type": ["integer", "null"]}),
    ("nullable enum", {"type": "STRING", "enum": ["a"], "nullable": True},
     {"type": ["string", "null"], "enum": ["a", None]}),
    ("nullable anyOf", {"anyOf": [{"type": "STRING"}], "nullable": True},
     {"anyOf": [{"type": "string"}, {"type": "null"}]}),
    ("numbers as texts", {"type": "ARRAY", "minItems": "2", "items": {"type": "NUMBER"}},
     {"type": "array", "minItems": 2, "items": {"type": "number"}}),
    ("snake case", {"any_of": [{"type": "STRING"}], "max_items": 3}, {"anyOf": [{"type": "string"}], "maxItems": 3}),
    ("no type", {"type": "TYPE_UNSPECIFIED", "description": "d"}, {"description": "d"}),
    ("JSON Schema stays", {"type": ["string", "null"], "additionalProperties": False},
     {"type": ["string", "null"], "additionalProperties": False}),
    ("a property called type",
     {"type": "OBJECT", "properties": {"type": {"type": "STRING"}}, "propertyOrdering": ["type"]},
     {"type": "object", "properties": {"type": {"type": "string"}}}),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "expected"), [row[1:] for row in UP], ids=[row[0] for row in UP])
def test_gemini_s_schema_becomes_json_schema(schema: Any, expected: Any) -> None:
    assert raise_up(schema) == expected


def test_up_and_down_is_the_same_again() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {
            "a": {"type": "STRING", "nullable": True, "enum": ["x", "y"]},
            "b": {"type": "ARRAY", "items": {"type": "INTEGER", "format": "int32"}, "minItems": 1},
            "c": {"anyOf": [{"type": "NUMBER"}, {"type": "BOOLEAN"}], "nullable": True},
        },
        "required": ["a"],
    }
    assert lower(raise_up(schema)).schema == schema
