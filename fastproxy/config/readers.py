"""How one YAML node becomes one value: small readers, and the ways to join them into sections.

    Reader = (node, path) → value      path is the setting's dotted name, for errors: "channels[0].weight"; empty
                                       for a flag or variable, whose place names it already

    scalar(parser)      text through a pure parser of config.values or config.urls
    many(reader)        a list          some(reader)  a list, or one item alone
    table(parsers)      names → values, both through parsers
    section(kind, …)    a mapping with known keys → a frozen dataclass

Every refusal is a ConfigError with the position of what is wrong: the name for an unknown key, the value for a bad
value, the mapping for a missing key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastproxy.config.values import suggest
from fastproxy.config.yaml_tree import Mapping, Node, Scalar, Sequence

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping as AbstractMapping

    Parser = Callable[[str], object]
    Reader = Callable[[Node, str], object]
    Fields = AbstractMapping[str, Reader]


def scalar(parser: Parser, *, booleans: bool = False, expected: str = "text") -> Reader:
    """Numbers and dates are taken as the text that they are. A bare `yes` or `off` only where `booleans` says that
    the setting knows such words; elsewhere YAML would have changed a name behind its author's back.
    """

    def read(node: Node, path: str) -> object:
        if not isinstance(node, Scalar) or node.kind == "null" or (node.kind == "bool" and not booleans):
            raise node.place.error(f"{path}: expected {expected}, seen {node.seen}")
        return _parsed(parser, node, path)

    return read


def _parsed(parser: Parser, node: Scalar, path: str) -> object:
    try:
        return parser(node.text)
    except ValueError as error:
        raise node.place.error(f"{path}: {error}" if path else str(error)) from None


def many(reader: Reader) -> Reader:
    def read(node: Node, path: str) -> object:
        if not isinstance(node, Sequence):
            raise node.place.error(f"{path}: expected a list, seen {node.seen}")
        return tuple(reader(item, f"{path}[{index}]") for index, item in enumerate(node.items))

    return read


def some(reader: Reader) -> Reader:
    """A list that must not be empty, or one item without its list."""
    as_list = many(reader)

    def read(node: Node, path: str) -> object:
        if not isinstance(node, Sequence):
            return (reader(node, path),)
        if not node.items:
            raise node.place.error(f"{path}: expected at least one item, seen an empty list")
        return as_list(node, path)

    return read


def table(name_parser: Parser, value_parser: Parser) -> Reader:
    """A mapping whose names are the user's own."""
    read_value = scalar(value_parser)

    def read(node: Node, path: str) -> object:
        entries: dict[object, object] = {}
        for name, (place, value) in expect_mapping(node, path).entries.items():
            parsed = _parsed(name_parser, Scalar(place, name, "str"), path)
            if parsed in entries:
                raise place.error(f"{path}: duplicate name {name!r}")
            entries[parsed] = read_value(value, f"{path}.{name}")
        return entries

    return read


def expect_mapping(node: Node, path: str) -> Mapping:
    if not isinstance(node, Mapping):
        raise node.place.error(f"{path or 'the file'}: expected a mapping, seen {node.seen}")
    return node


def values_of(node: Node, path: str, fields: Fields) -> dict[str, object]:
    """The values of a mapping whose keys must all be known."""
    values: dict[str, object] = {}
    for name, (place, value) in expect_mapping(node, path).entries.items():
        reader = fields.get(name)
        dotted = f"{path}.{name}" if path else name
        if reader is None:
            raise place.error(f"unknown key {dotted!r}{suggest(name, fields)}")
        values[name] = reader(value, dotted)
    return values


def section(kind: Callable[..., object], fields: Fields, *required: str) -> Reader:
    """A mapping that becomes one object; its keys are the object's field names."""

    def read(node: Node, path: str) -> object:
        values = values_of(node, path, fields)
        for name in required:
            if name not in values:
                raise node.place.error(f"{path}: missing key {name!r}")
        return kind(**values)

    return read
