"""Readers on hand-made nodes: what each takes, and where its error points."""

from __future__ import annotations

import pytest

from fastproxy.config.readers import many, scalar, section, some, table, values_of
from fastproxy.config.types import Budget, Place
from fastproxy.config.values import parse_boolean, parse_number, parse_text
from fastproxy.config.yaml_tree import Mapping, Node, Scalar, Sequence
from fastproxy.errors import ConfigError

PLACE = Place("file", "f", 1, 1)
TEXT = scalar(parse_text)


def text(value: str, kind: str = "str", line: int = 1) -> Scalar:
    return Scalar(Place("file", "f", line, 1), value, kind)


def mapping(**nodes: Node) -> Mapping:
    return Mapping(PLACE, {name: (Place("file", "f", 7, 7), node) for name, node in nodes.items()})


def test_values() -> None:
    assert TEXT(text("5", "int"), "a") == "5"
    assert scalar(parse_boolean, booleans=True)(text("off", "bool"), "a") is False
    assert many(TEXT)(Sequence(PLACE, ()), "a") == ()
    assert some(TEXT)(text("x"), "a") == ("x",)
    assert table(str.lower, parse_text)(mapping(A=text("x")), "a") == {"a": "x"}
    assert values_of(mapping(x=text("y")), "", {"x": TEXT}) == {"x": "y"}
    assert section(Budget, {"amount": scalar(parse_number)}, "amount")(mapping(amount=text("2")), "a") == Budget(2)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("a.b", "f:3:1: a.b: expected text, seen nothing"), ("", "f:3:1: expected text, seen nothing")],
)
def test_an_empty_path_is_not_printed(path: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TEXT(text(" ", line=3), path)
    assert str(caught.value) == expected


def test_unknown_keys_point_at_their_name() -> None:
    with pytest.raises(ConfigError) as caught:
        values_of(mapping(amuont=text("2")), "budget", {"amount": TEXT})
    assert str(caught.value) == "f:7:7: unknown key 'budget.amuont'; did you mean 'amount'?"
