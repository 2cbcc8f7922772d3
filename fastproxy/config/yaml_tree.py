"""YAML text → a small tree in which every value knows its file, line and column.

    Scalar     text as it stands in the file, `${ENV}` expanded; `kind` is what YAML would have made of it
    Sequence   items
    Mapping    entries by name, each with the place of its name; merge keys (`<<`) are resolved

Values stay text: a schema knows better than YAML 1.1 what `off`, `010` or `12:30` mean. Only the composer of the safe
loader is used, so no tag can make an object; aliases that unfold without end are refused. Knows no setting by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from fastproxy.config.types import Place
from fastproxy.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping as AbstractMapping

    import yaml

MAXIMUM_FILE_BYTES = 64 << 20
MAXIMUM_NODES = 5_000_000  # 100,000 keys with eight fields are 2 million
MAXIMUM_DEPTH = 50
_CORE = "tag:yaml.org,2002:"
_SCALAR_KINDS = frozenset({"str", "int", "float", "bool", "null", "timestamp"})
_SEEN = {
    "str": "text",
    "int": "a number",
    "float": "a number",
    "bool": "a boolean",
    "null": "nothing",
    "timestamp": "a date",
}
_VARIABLE = re.compile(r"\$(\$\{)|\$\{([^}]*)(\}?)")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(:-(.*))?", re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Scalar:
    place: Place
    text: str
    kind: str  # str | int | float | bool | null | timestamp

    @property
    def seen(self) -> str:
        return _SEEN[self.kind]


@dataclass(frozen=True, slots=True)
class Sequence:
    place: Place
    items: tuple[Node, ...]

    @property
    def seen(self) -> str:
        return "a list"


@dataclass(frozen=True, slots=True)
class Mapping:
    place: Place
    entries: dict[str, tuple[Place, Node]]

    @property
    def seen(self) -> str:
        return "a mapping"


Node = Scalar | Sequence | Mapping


def read_yaml(file: str, environ: AbstractMapping[str, str]) -> Node | None:
    """The tree of a file; None when it holds nothing. Raises ConfigError."""
    text = _read_text(file)
    import yaml  # lazily: workers import config for its types, and must not pay for a YAML parser

    try:
        root = yaml.compose(text, Loader=_loader())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        told = _syntax_text(error) + _quoting_hint(text, line)
        raise ConfigError(told, file=file, line=line, column=column) from None
    except yaml.YAMLError as error:
        position = getattr(error, "position", 0)
        raise _at_offset(file, text[:position], "a control character cannot stand in YAML") from None
    return None if root is None else _Reader(file, environ).node(root, 0)


def _loader() -> type[yaml.SafeLoader]:
    """The safe loader, C if there is one, that counts depth: the C composer recurses without a limit of its own, and
    a few thousand brackets would end the master with a segmentation fault at reload.
    """
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # chosen at run time
        depth = 0

        def descend_resolver(self, current_node: yaml.Node | None, current_index: object) -> None:
            self.depth += 1
            if self.depth > MAXIMUM_DEPTH:
                mark = current_node.start_mark if current_node is not None else None
                raise yaml.MarkedYAMLError(None, None, f"nested more than {MAXIMUM_DEPTH} deep", mark)

        def ascend_resolver(self) -> None:
            self.depth -= 1

    return Loader


def _read_text(file: str) -> str:
    try:
        with open(file, "rb") as stream:
            data = stream.read(MAXIMUM_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=file) from None
    if len(data) > MAXIMUM_FILE_BYTES:
        raise ConfigError(f"has more than {MAXIMUM_FILE_BYTES} bytes", file=file)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", "replace")
        raise _at_offset(file, before, "expected UTF-8, seen other bytes") from None


def _at_offset(file: str, before: str, text: str) -> ConfigError:
    return ConfigError(text, file=file, line=before.count("\n") + 1, column=len(before) - before.rfind("\n"))


def _syntax_text(error: yaml.MarkedYAMLError) -> str:
    # Only the parser's own words: its snippet of the file could hold a secret.
    context = f" {error.context}" if error.context and "document" not in str(error.problem) else ""
    return f"not valid YAML: {error.problem or 'syntax error'}{context}"


def _quoting_hint(text: str, line: int) -> str:
    """Between brackets YAML takes the brace of a bare ${NAME} for its own; nobody sees that from its message."""
    lines = text.splitlines()
    return '; write "${NAME}" in quotes' if 0 < line <= len(lines) and "${" in lines[line - 1] else ""


class _Composed(Protocol):
    """What the composer returns, as far as it is used here."""

    tag: str
    value: object
    start_mark: yaml.Mark
    style: str | None


class _Reader:
    """One walk over one file; counts nodes because aliases can unfold a small file into a huge tree."""

    __slots__ = ("_environ", "_file", "_nodes")

    def __init__(self, file: str, environ: AbstractMapping[str, str]) -> None:
        self._file = file
        self._environ = environ
        self._nodes = 0

    def node(self, raw: object, depth: int) -> Node:
        composed = cast("_Composed", raw)
        place = Place("file", self._file, composed.start_mark.line + 1, composed.start_mark.column + 1)
        self._nodes += 1
        if depth > MAXIMUM_DEPTH or self._nodes > MAXIMUM_NODES:
            raise place.error("aliases or nesting unfold without end")
        kind = composed.tag.removeprefix(_CORE)
        if isinstance(composed.value, str):
            return self._scalar(composed.value, kind, place)
        if kind == "seq":
            items = cast("list[object]", composed.value)
            return Sequence(place, tuple(self.node(item, depth + 1) for item in items))
        if kind == "map":
            return self._mapping(cast("list[tuple[_Composed, object]]", composed.value), place, depth)
        raise _unknown_tag(composed.tag, place)

    def _scalar(self, text: str, kind: str, place: Place) -> Scalar:
        if kind not in _SCALAR_KINDS:
            raise _unknown_tag(kind, place)
        return Scalar(place, expand(text, self._environ, place) if "${" in text else text, kind)

    def _mapping(self, pairs: list[tuple[_Composed, object]], place: Place, depth: int) -> Mapping:
        entries: dict[str, tuple[Place, Node]] = {}
        merged: dict[str, tuple[Place, Node]] = {}
        for name, value in pairs:
            name_place = Place("file", self._file, name.start_mark.line + 1, name.start_mark.column + 1)
            if not isinstance(name.value, str):
                raise name_place.error("expected a name before the colon")
            node = self.node(value, depth + 1)
            if name.tag == f"{_CORE}merge":
                merged = _merged(node) | merged
            elif name.value in entries:
                first = entries[name.value][0]
                raise name_place.error(f"duplicate key {name.value!r}, first on line {first.line}")
            else:
                entries[name.value] = (name_place, node)
        return Mapping(place, merged | entries)


def _merged(node: Node) -> dict[str, tuple[Place, Node]]:
    """What `<<` brings in: one mapping, or several of which the earlier win."""
    if isinstance(node, Mapping):
        return dict(node.entries)
    if not isinstance(node, Sequence):
        raise node.place.error(f"<<: expected a mapping or a list of mappings, seen {node.seen}")
    entries: dict[str, tuple[Place, Node]] = {}
    for item in reversed(node.items):
        entries |= _merged(item)
    return entries


def _unknown_tag(tag: str, place: Place) -> ConfigError:
    return place.error(f"unsupported YAML tag {tag!r}; expected a plain value")


def expand(text: str, environ: AbstractMapping[str, str], place: Place) -> str:
    """`${NAME}` and `${NAME:-default}` (the default also stands in for an empty variable); `$${` is a literal `${`."""

    def replace(match: re.Match[str]) -> str:
        if match[1]:
            return "${"
        name = _NAME.fullmatch(match[2])
        if not match[3] or name is None:
            raise place.error("expected ${NAME} or ${NAME:-default}")
        value = environ.get(name[1])
        if name[2] is not None:
            return value or name[3]
        if value is None:
            raise place.error(f"environment variable {name[1]} is not set; expected it, or ${{{name[1]}:-default}}")
        return value

    return _VARIABLE.sub(replace, text)


def plain_value(node: Node) -> object:
    """The tree as YAML's own values, for sections whose schema is not ours (plugins, MCP servers)."""
    if isinstance(node, Mapping):
        return {name: plain_value(value) for name, (_, value) in node.entries.items()}
    if isinstance(node, Sequence):
        return [plain_value(item) for item in node.items]
    return _plain_scalar(node)


def _plain_scalar(node: Scalar) -> object:
    # Dates stay text; so does what a variable was expanded into, because its type would depend on its content.
    if node.kind not in ("null", "bool", "int", "float"):
        return node.text
    import yaml

    try:
        constructed: object = yaml.SafeLoader("").construct_object(yaml.ScalarNode(f"{_CORE}{node.kind}", node.text))
    except ValueError:
        raise node.place.error(f"expected {node.seen}, seen text") from None
    return constructed
