"""The configuration file as a whole: its values, and the place of each, so that `check` can say where it came from.

Places have dotted names: "workers", "limits.max_body", "channels.openai-main.weight" (list items by their own name),
"routes[0].upstream" (by index, for what has no name).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastproxy.config.readers import expect_mapping, values_of
from fastproxy.config.schema import TOP
from fastproxy.config.yaml_tree import Mapping, Node, Scalar, Sequence, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Mapping as AbstractMapping

    from fastproxy.config.types import Place

_LISTS_OF_SECTIONS = frozenset({"channels", "models", "groups", "keys", "routes"})


@dataclass(frozen=True, slots=True)
class Draft:
    """Settings in the making: values by the names of config.schema.TOP, places by dotted name. The file comes first;
    variables and flags are laid over it by config.py.
    """

    values: dict[str, object] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)

    def forget(self, prefix: str) -> None:
        """What the file said below this path no longer holds."""
        for path in [path for path in self.places if path.startswith(prefix)]:
            del self.places[path]


def read_file(file: str, environ: AbstractMapping[str, str]) -> Draft:
    """Raises ConfigError."""
    root = read_yaml(file, environ)
    if root is None or (isinstance(root, Scalar) and root.kind == "null"):
        return Draft()
    return Draft(values_of(root, "", TOP), dict(_places(expect_mapping(root, ""))))


def _places(root: Mapping) -> Iterator[tuple[str, Place]]:
    for name, (_, node) in root.entries.items():
        if isinstance(node, Sequence) and name in _LISTS_OF_SECTIONS:
            for index, item in enumerate(node.items):
                yield from _item_places(name, index, item)
        else:
            yield name, node.place
        if isinstance(node, Mapping):
            yield from _inner_places(name, node)


def _inner_places(path: str, node: Mapping) -> Iterator[tuple[str, Place]]:
    """Of a section's keys, and of those of a section in it (ledger.retention.records)."""
    for key, (_, value) in node.entries.items():
        yield f"{path}.{key}", value.place
        if isinstance(value, Mapping):
            yield from ((f"{path}.{key}.{name}", inner.place) for name, (_, inner) in value.entries.items())


def _item_places(section: str, index: int, item: Node) -> Iterator[tuple[str, Place]]:
    """The first of two items with one name keeps the name: the second is an error that points at itself."""
    path = _item_path(section, index, item)
    yield f"{section}[{index}]", item.place
    yield path, item.place
    if isinstance(item, Mapping):
        yield from ((f"{path}.{key}", value.place) for key, (_, value) in item.entries.items())


def _item_path(section: str, index: int, item: Node) -> str:
    if isinstance(item, Mapping):
        for key in ("name", "provider"):
            entry = item.entries.get(key)
            if entry is not None and isinstance(entry[1], Scalar):
                return f"{section}.{entry[1].text}"
    return f"{section}[{index}]"
