"""A model's reply as clients that streamed it send it back, made one again.

google-genai's chats keep every chunk of a stream as a `model` content of its own:

    model [thought "thi"]  model [thought "nk"]  model [thought "" signed]  model [text "Hel"]  model [text "lo"]
    →  assistant [Thinking "think" signed, Text "Hello"]

A thought ends with its signature, and so does a text. What was made of several has no original; the turn's is the list
of its contents, which go back to Gemini as they came.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from fastproxy.formats.chat import Original, Part, Text, Thinking, Turn
from fastproxy.formats.gemini.words import NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_IN_PIECES: Final = (Text, Thinking)


def joined_turns(turns: Iterable[Turn]) -> Iterator[Turn]:
    """Neighbouring turns of the assistant as one, what came in pieces joined; all others as they are."""
    for is_model, group in groupby(turns, key=lambda turn: turn.role == "assistant"):
        if not is_model:
            yield from group
            continue
        run = list(group)
        parts = tuple(joined_parts(part for turn in run for part in turn.parts))
        values = [turn.original.value for turn in run if turn.original is not None]
        yield Turn("assistant", parts, original=Original(NAME, values if len(values) > 1 else values[0]))


def contents_of(turn: Turn) -> list[Any]:
    """The contents that a turn of this format was read from."""
    value = turn.original.value if turn.original is not None else []
    return value if isinstance(value, list) else [value]


def joined_parts(parts: Iterable[Part]) -> Iterator[Part]:
    held: list[Part] = []
    for part in parts:
        if held and not _continues(held[-1], part):
            yield _whole(held)
            held = []
        held.append(part)
    if held:
        yield _whole(held)


def _continues(before: Part, part: Part) -> bool:
    if type(before) is not type(part) or not isinstance(before, _IN_PIECES) or before.signature is not None:
        return False
    return not (isinstance(part, Thinking) and part.redacted)


def _whole(pieces: list[Part]) -> Part:
    """The last piece carries the signature and says whose it is."""
    if len(pieces) == 1:
        return pieces[0]
    text = "".join(piece.text for piece in pieces if isinstance(piece, _IN_PIECES))
    return replace(pieces[-1], text=text, original=None)
