"""Stencils: a reply's bytes with holes for the words and the counts, so that other texts cost a join and no building.

A stencil is cut from a real reply whose words and counts are marks that occur nowhere else; so it works for every
format, plain or streamed, and can differ from the long way in nothing but what is filled in. Pure.

    blank_words, BLANK    what the marked reply is made of
    Stencil               cut once per head, model, kind of reply and second; filled for each request
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fastproxy.loadtest.mock_answer import encode
from fastproxy.loadtest.mock_reply import IDENT
from fastproxy.loadtest.mock_words import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_WORDS = 1000
BLANK = Tally(7_130_000_000_001, 23_170_000_000_003, 41_190_000_000_007, 97_230_000_000_013, 5_290_000_000_017)
_IDENT = IDENT.encode()
_WORD = re.compile(rb"((?:wOrD\d{4}mArK)+|\b\d{13,15}\b)")
_MARK = 12  # bytes of a word's mark
_SIZE = re.compile(rb"(content-length: )\d+")


def blank_words(count: int) -> tuple[str, ...]:
    """A mark for each word."""
    return tuple(f"wOrD{number:04d}mArK" for number in range(count))


def _numbers(tally: Tally) -> tuple[int, ...]:
    """Every count that any format shows."""
    plain = (tally.input, tally.cache_read, tally.cache_write, tally.output, tally.reasoning)
    return (*plain, tally.prompt, tally.prompt + tally.output, tally.output - tally.reasoning)


_COUNTS = len(_numbers(BLANK))


class Stencil:
    """`pieces` are the marked body's (a stream's events unframed), made with `blank` and so many words.

    Values are numbered: 0 the whole text, then the counts, then the words one by one; behind these, where a format has
    them (Google's), the totals that grow by one with each word.
    """

    def __init__(self, head: bytes, pieces: Iterable[bytes], blank: Tally, words: int, *, chunked: bool) -> None:
        self._values = {b"%d" % value: 1 + n for n, value in enumerate(_numbers(blank)) if value}
        self._words = words
        self._single = False
        self._growing = False
        self._base = blank.prompt + blank.reasoning
        self._parts: list[bytes] = []
        self._holes: list[tuple[int, int]] = []
        self._sizes: list[tuple[int, int, tuple[int, ...]]] = []
        self._format = b"%x" if chunked else b"%d"
        if chunked:
            self._parts.append(head)
            for piece in pieces:
                self._piece(b"", piece, b"\r\n", b"\r\n")
            self._parts.append(b"0\r\n\r\n")
        else:
            before, after = _SIZE.sub(rb"\1\0", head, count=1).split(b"\0")
            self._piece(before, b"".join(pieces), after, b"")

    def _piece(self, before: bytes, piece: bytes, between: bytes, after: bytes) -> None:
        """`before`, the size of the piece, `between`, the piece with its holes, `after`."""
        self._parts += [before, b"", between]
        size_at, fixed, used = len(self._parts) - 2, 0, []
        for number, part in enumerate(_WORD.split(piece)):
            found = self._found(part) if number % 2 else []
            for value in found:
                self._holes.append((len(self._parts), value))
                self._parts.append(b"")
            used += found
            if not found:
                fixed += len(part)
                self._parts.append(part)
        self._parts.append(after)
        if used:
            self._sizes.append((size_at, fixed, tuple(used)))
        else:
            self._parts[size_at] = self._format % fixed

    def _found(self, mark: bytes) -> list[int]:
        """The values that a mark stands for; none for a number that is not one of ours."""
        if mark[:1].isdigit():
            grown = int(mark) - self._base
            if 0 < grown <= self._words:
                self._growing = True
                return [_COUNTS + self._words + grown]
            return [self._values[mark]] if mark in self._values else []
        if len(mark) == self._words * _MARK:
            return [0]
        self._single = True
        numbers = (int(mark[at + 4 : at + 8]) for at in range(0, len(mark), _MARK))
        return [1 + _COUNTS + number for number in numbers]

    def fill(self, words: list[str], tally: Tally, ident: bytes) -> bytes:
        """The whole reply; `words` are as many as the marks were."""
        values = [b"", *[b"%d" % number for number in _numbers(tally)]]
        if self._single:
            # `","` cannot stand within an encoded text: its quotes are escaped. So one encoding serves all words.
            coded = encode(words)[2:-2].split(b'","')
            values[0] = b"".join(coded)
            values += coded
        else:
            values[0] = encode("".join(words))[1:-1]
        if self._growing:  # which only streams are, so the words are there
            base = tally.prompt + tally.reasoning
            values += [b"%d" % number for number in range(base + 1, base + 1 + self._words)]
        parts = self._parts.copy()
        for place, value in self._holes:
            parts[place] = values[value]
        lengths = list(map(len, values))
        for place, fixed, used in self._sizes:
            parts[place] = self._format % (fixed + sum([lengths[value] for value in used]))
        return b"".join(parts).replace(_IDENT, ident)
