"""Scripted replies: which rule a request falls under, and which of its replies is next. No files, no sockets.

The first rule that matches decides; a request without one is answered as ever. Positions are counted per process, for
all requests of a rule together or for each key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    from fastproxy.loadtest.mock_chaos import Window

_MOST_POSITIONS = 100_000


class Order(Enum):
    """What comes after the last reply: the first, the last again, or what the mock says without a script."""

    CYCLE = "cycle"
    LAST = "last"
    ONCE = "once"
    WEIGHTED = "weighted"  # each time any of them, by weight


@dataclass(frozen=True, slots=True)
class Scripted:
    """One reply: the fields of Behaviour that it sets."""

    changes: Mapping[str, object]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Question:
    """What rules look at. `text` is the newest text of the prompt."""

    path: str
    model: str
    key: str
    stream: bool
    text: str


@dataclass(frozen=True, slots=True)
class Rule:
    """Globs; `contains` is a part of the newest text, `stream` None takes both."""

    replies: tuple[Scripted, ...]
    path: str = "*"
    model: str = "*"
    key: str = "*"
    contains: str = ""
    stream: bool | None = None
    order: Order = Order.CYCLE
    per_key: bool = False

    def matches(self, question: Question) -> bool:
        """True when the request is this rule's."""
        return (
            fnmatchcase(question.path, self.path)
            and fnmatchcase(question.model, self.model)
            and fnmatchcase(question.key, self.key)
            and self.contains in question.text
            and self.stream in (None, question.stream)
        )


@dataclass(slots=True)
class Script:
    """All rules, and how far each has come."""

    rules: tuple[Rule, ...] = ()
    chaos: tuple[Window, ...] = ()
    _positions: dict[tuple[int, str], int] = field(default_factory=dict)

    def choose(self, question: Question, rng: random.Random) -> Mapping[str, object]:
        """What the script wants changed for this request; nothing without a rule."""
        for number, rule in enumerate(self.rules):
            if rule.matches(question):
                return self._next(rule, (number, question.key if rule.per_key else ""), rng)
        return {}

    def _next(self, rule: Rule, place: tuple[int, str], rng: random.Random) -> Mapping[str, object]:
        if rule.order is Order.WEIGHTED:
            weights = [reply.weight for reply in rule.replies]
            return rng.choices(rule.replies, weights)[0].changes
        position = self._positions.get(place, 0)
        if position == 0 and len(self._positions) >= _MOST_POSITIONS:
            del self._positions[next(iter(self._positions))]
        self._positions[place] = position + 1
        last = len(rule.replies) - 1
        if position <= last:
            return rule.replies[position].changes
        if rule.order is Order.ONCE:
            return {}
        return rule.replies[last if rule.order is Order.LAST else position % (last + 1)].changes
