"""YAML with positions: variables, merge keys, what is not YAML, and files that unfold without end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fastproxy.config import yaml_tree
from fastproxy.config.types import Place
from fastproxy.config.yaml_tree import Mapping, Scalar, Sequence, expand, plain_value, read_yaml
from fastproxy.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from fastproxy.config.yaml_tree import Node

ENVIRON = {"NAME": "value", "EMPTY": "", "TRICK": "${NAME}"}
HERE = Place("file", "f.yaml", 3, 7)


def read(tmp_path: Path, text: str | bytes) -> Node | None:
    file = tmp_path / "f.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_yaml(str(file), ENVIRON)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${NAME}", "value"),
        ("a-${NAME}-${NAME}-b", "a-value-value-b"),
        ("${NAME:-other}", "value"),
        ("${EMPTY}", ""),
        ("${EMPTY:-other}", "other"),
        ("${MISSING:-other}", "other"),
        ("${MISSING:-}", ""),
        ("${MISSING:-a:-b}", "a:-b"),
        ("$${NAME}", "${NAME}"),
        ("$NAME $ {NAME}", "$NAME $ {NAME}"),
        ("${TRICK}", "${NAME}"),
    ],
)
def test_variables(text: str, expected: str) -> None:
    assert expand(text, ENVIRON, HERE) == expected


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("${MISSING}", "environment variable MISSING is not set; expected it, or ${MISSING:-default}"),
        ("${NAME", "expected ${NAME} or ${NAME:-default}"),
        ("${}", "expected ${NAME} or ${NAME:-default}"),
        ("${1X}", "expected ${NAME} or ${NAME:-default}"),
        ("${NAME-x}", "expected ${NAME} or ${NAME:-default}"),
    ],
)
def test_refused_variables(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        expand(text, ENVIRON, HERE)
    assert str(caught.value) == f"f.yaml:3:7: {error}"


def test_every_value_knows_its_position(tmp_path: Path) -> None:
    root = read(tmp_path, "a:\n  - x: off\n    y: '${NAME}'\n  - 010\n")
    assert isinstance(root, Mapping)
    place, items = root.entries["a"]
    assert (place.line, place.column) == (1, 1)
    assert isinstance(items, Sequence)
    first, second = items.items
    assert isinstance(first, Mapping)
    name, value = first.entries["y"]
    assert (name.line, name.column) == (3, 5)
    assert value == Scalar(Place("file", str(tmp_path / "f.yaml"), 3, 8), "value", "str")
    assert isinstance(second, Scalar)
    assert (second.text, second.kind, second.place.line) == ("010", "int", 4)


def test_columns_count_characters_and_ignore_a_byte_order_mark(tmp_path: Path) -> None:
    root = read(tmp_path, b"\xef\xbb\xbf" + "ä: {ö: x}\n".encode())
    assert isinstance(root, Mapping)
    _, inner = root.entries["ä"]
    assert isinstance(inner, Mapping)
    assert inner.entries["ö"][1].place.column == 8


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_is_no_error(tmp_path: Path, text: str) -> None:
    root = read(tmp_path, text)
    assert root is None or (isinstance(root, Scalar) and root.kind == "null")


def test_merge_keys(tmp_path: Path) -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: *a, x: 3}\nd: {x: 4, <<: [*b, *a]}\n"
    root = read(tmp_path, text)
    assert root is not None
    assert plain_value(root) == {
        "a": {"x": 1, "y": 1},
        "b": {"y": 2, "z": 2},
        "c": {"x": 3, "y": 1},
        "d": {"x": 4, "y": 2, "z": 2},
    }


def test_plain_values(tmp_path: Path) -> None:
    root = read(tmp_path, "{a: 1, b: 1.5, c: true, d: null, e: text, f: 2027-01-01, g: '1', h: '${NAME}', i: [1, {}]}")
    assert root is not None
    assert plain_value(root) == {
        "a": 1, "b": 1.5, "c": True, "d": None, "e": "text", "f": "2027-01-01", "g": "1", "h": "value", "i": [1, {}],
    }  # fmt: skip


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 10)}]\n" for n in range(9)
)

BAD = [
    ("a: [1", 2, 1, "not valid YAML: did not find expected ',' or ']' while parsing a flow sequence"),
    ("a: b: c", 1, 5, "not valid YAML: mapping values are not allowed in this context"),
    (
        "a:\n\t- b",
        2,
        1,
        "not valid YAML: found character that cannot start any token while scanning for the next token",
    ),
    ('x: 1\na: "x', 2, 6, "not valid YAML: found unexpected end of stream while scanning a quoted scalar"),
    ("a: *x", 1, 4, "not valid YAML: found undefined alias"),
    ("a: 1\n---\nb: 1\n", 2, 1, "not valid YAML: but found another document"),
    ("x: 1\na: \x01", 2, 4, "a control character cannot stand in YAML"),
    (b"x: 1\na: \xff", 2, 4, "expected UTF-8, seen other bytes"),
    ("x: 1\ny: {a: 1, b: 2, a: 3}\n", 2, 17, "duplicate key 'a', first on line 2"),
    ("x: 1\ny: 2\nx: 3\n", 3, 1, "duplicate key 'x', first on line 1"),
    ("? [a]\n: b\n", 1, 3, "expected a name before the colon"),
    (
        "a: !!python/object/apply:os.system [id]",
        1,
        4,
        "unsupported YAML tag 'tag:yaml.org,2002:python/object/apply:os.sy",
    ),
    ("a: !secret x", 1, 4, "unsupported YAML tag '!secret'"),
    ("a: !!set {x, y}", 1, 4, "unsupported YAML tag 'tag:yaml.org,2002:set'; expected a plain value"),
    ("a: {<<: 5}", 1, 9, "<<: expected a mapping or a list of mappings, seen a number"),
    ("a: &a [*a]", 1, 4, "aliases or nesting unfold without end"),
    (
        "x: 1\na: {b: ${NAME}}",
        2,
        9,
        "not valid YAML: did not find expected ',' or '}' while parsing a flow mapping; write",
    ),
    ("a: ${MISSING}", 1, 4, "environment variable MISSING is not set"),
]


@pytest.mark.parametrize(("text", "line", "column", "error"), BAD)
def test_bad_yaml_is_told_with_its_position(
    tmp_path: Path, text: str | bytes, line: int, column: int, error: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'f.yaml'}:{line}:{column}: {error}")


def test_a_billion_laughs_are_not_laughed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_tree, "MAXIMUM_NODES", 20_000)
    with pytest.raises(ConfigError, match="unfold without end"):
        read(tmp_path, LAUGHS)


def test_deep_nesting_is_an_error_not_a_crash(tmp_path: Path) -> None:
    for opening, closing in (("[", "]"), ("{a: ", "}")):
        for depth in (60, 900, 100_000):
            with pytest.raises(ConfigError):
                read(tmp_path, opening * depth + closing * depth)


def test_a_syntax_error_does_not_repeat_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, "keys: ['sk-very-secret\n")
    assert "secret" not in str(caught.value)


def test_unreadable_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = str(tmp_path / "none.yaml")
    with pytest.raises(ConfigError) as caught:
        read_yaml(missing, {})
    assert str(caught.value) == f"{missing}: cannot be read: No such file or directory"
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_yaml(str(tmp_path), {})
    monkeypatch.setattr(yaml_tree, "MAXIMUM_FILE_BYTES", 10)
    with pytest.raises(ConfigError, match="has more than 10 bytes"):
        read(tmp_path, "a: 12345678\n")
