"""Names of models, and patterns of names (`gpt-*`): whether one is among those that somebody may use.

A star stands for any characters, also none, and nothing else is special: names of models hold dots, slashes, brackets.
Letters count as they are. The cost does not grow with what a client may write: names are searched from left to right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_KNOWN: Final = 256  # names whose answer is remembered: clients choose them
MAX_KNOWN_LENGTH: Final = 128
ALL: Final = "*"


class Models:
    """Those that stand in each of several lists: a key's, and its group's."""

    __slots__ = ("_known", "_lists")

    def __init__(self, lists: Iterable[Iterable[str]]) -> None:
        self._lists = [_Names(each) for each in lists]
        self._known: dict[str, bool] = {}

    def __contains__(self, model: object) -> bool:
        if not isinstance(model, str):
            return False
        found = self._known.get(model)
        if found is None:
            found = all(each.has(model) for each in self._lists)
            if len(model) <= MAX_KNOWN_LENGTH:
                if len(self._known) >= MAX_KNOWN:
                    self._known.clear()
                self._known[model] = found
        return found

    def named(self) -> Iterator[str]:
        """Those that are called by their name; there may be any number of others."""
        for model in {name for each in self._lists for name in each.exact}:
            if model in self:
                yield model


def models_of(*lists: Iterable[str]) -> Models | None:
    """None when all of the lists allow everything."""
    limiting = [tuple(each) for each in lists]
    limiting = [each for each in limiting if ALL not in each]
    return Models(limiting) if limiting else None


class _Names:
    __slots__ = ("_patterns", "exact")

    def __init__(self, names: Iterable[str]) -> None:
        names = tuple(names)
        self.exact = frozenset(name for name in names if ALL not in name)
        self._patterns = [name.split(ALL) for name in names if ALL in name]

    def has(self, model: str) -> bool:
        return model in self.exact or any(_fits(pattern, model) for pattern in self._patterns)


def _fits(pattern: list[str], name: str) -> bool:
    """`pattern`: what stands between the stars."""
    first, *middle, last = pattern
    at, end = len(first), len(name) - len(last)
    if at > end or not name.startswith(first) or not name.endswith(last):
        return False
    for part in middle:
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True
