"""Conversations taken apart, as several formats need it. Pure; turns and parts keep their originals.

split_system(turns)     the leading and scattered instructions, and the rest
join_assistants(turns)  what the assistant said in several turns, as one
plain_text(parts)       what a turn says in words
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from fastproxy.formats.chat import Part, Text, Turn

if TYPE_CHECKING:
    from collections.abc import Iterable

INSTRUCTING = ("system", "developer")


class Split(NamedTuple):
    """Instructions in order; `moved` are those that stood behind another turn."""

    instructions: tuple[Turn, ...]
    rest: tuple[Turn, ...]
    moved: tuple[Turn, ...]


def split_system(turns: Iterable[Turn]) -> Split:
    instructions: list[Turn] = []
    rest: list[Turn] = []
    moved: list[Turn] = []
    for turn in turns:
        if turn.role in INSTRUCTING:
            instructions.append(turn)
            if rest:
                moved.append(turn)
        else:
            rest.append(turn)
    return Split(tuple(instructions), tuple(rest), tuple(moved))


def only_texts(turns: Iterable[Turn]) -> bool:
    """Whether nothing but text is said, as in most requests: nothing has to be looked for among the parts then."""
    for turn in turns:
        for part in turn.parts:
            if type(part) is not Text:
                return False
    return True


def is_blank(turn: Turn) -> bool:
    """Whether it says nothing: texts of white space at most."""
    return not any(type(part) is not Text or part.text.strip() for part in turn.parts)


def join_assistants(turns: Iterable[Turn], but: str = "") -> list[Turn]:
    """Neighbouring turns of the assistant as one, texts on lines of their own: Responses have a turn per item.

    Those that were read in the format `but` stay as they are.
    """
    made: list[Turn] = []
    for is_one, run in groupby(turns, lambda turn: turn.role == "assistant" and not turn.is_of(but)):
        found = list(run)
        made += [_one(found)] if is_one else found
    return made


def _one(turns: list[Turn]) -> Turn:
    said = [turns[0], *(turn for turn in turns[1:] if turn.parts)]
    if len(said) == 1:
        return said[0]
    parts: list[Part] = []
    for turn in said:
        if parts and _is_text(parts[-1]) and _is_text(turn.parts[0]):
            parts.append(Text("\n"))
        parts += turn.parts
    return Turn("assistant", tuple(parts), next((turn.name for turn in said if turn.name), None))


def _is_text(part: Part) -> bool:
    return isinstance(part, Text) and bool(part.text)


def plain_text(parts: Iterable[Part]) -> str:
    """The texts of `parts`, joined by line breaks; other kinds are left out."""
    return "\n".join(part.text for part in parts if isinstance(part, Text))
