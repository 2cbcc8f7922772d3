"""Whether one request after the other asks for the same model, without taking them apart.

A long conversation is sent again with every turn: 40 KB and more, of which routing needs one name. `peek` walks all of
it (0.3 us per KB). Once it has read one body of a client, the next can be judged by the bytes around that name:

    it begins as the last one began, up to and with its model     {"model":"gpt-5",…
    or it ends as the last one ended, from its model on           …,"model":"gpt-5","stream":true}
    and nowhere else in it stands what anybody could read as that name

In a JSON text, then, the name at that place is on the top level (the ending closes exactly one object, as it did
before), it is the only one, and its value is the one that was allowed. All its letters escape as \\u006X, so a text
without that has no other spelling, unless a reader takes what is no JSON: single quotes or none, trailing text, UTF-16,
letters in more bytes than they need. Java's do, so a small body must be JSON in UTF-8 (0.5 us), and in a large one, of
which nobody has the time to see that, no `model` may be followed by what could end a name, and no byte begin such a
letter. Whether it says anything else twice is the upstream's to judge here, where `peek` would refuse it. What is not
so easily seen is read whole: False says nothing.

A large body is searched by libc's `strstr` and `strcspn` (1 and 2 us for 40 KB, vectorised), because `bytes.find` needs
19. They end at a NUL, so there must be none; CPython puts one behind the last byte.
"""

from __future__ import annotations

import ctypes
import re
from typing import Any, Final

from fastproxy.formats.peek import asks_for, is_object, json_string

LARGE_BYTES: Final = 4096  # from here on libc searches, and a model is remembered for the next request: see admit.py
MAX_ENDING: Final = 512  # kept per connection
MAX_LESSONS: Final = 16  # small bodies of a client that are looked at for how they show their model
MAX_MENTIONS: Final = 12  # of the word, in a large body: more take longer than to read it whole

_libc = ctypes.PyDLL(None)  # without giving up the GIL for a microsecond
_find: Final[Any] = _libc.strstr
_find.argtypes, _find.restype = (ctypes.c_void_p, ctypes.c_char_p), ctypes.c_void_p
_span: Final[Any] = _libc.strcspn  # how far none of these bytes comes
_span.argtypes, _span.restype = (ctypes.c_void_p, ctypes.c_char_p), ctypes.c_size_t
_sample: Final = b"0"
_CONTENT: Final = _find(_sample, _sample) - id(_sample)  # where the bytes of a `bytes` are

_WORD: Final = b"model"
_NAME: Final = b'"model"'
_ESCAPED: Final = rb"\u006"
_OPENING: Final = re.compile(rb'\{[ \t\n\r]*+"model"[ \t\n\r]*+:[ \t\n\r]*+"[^"\\]*+"[ \t\n\r]*+[,}]')
_BRACE_OPENS, _BRACE_CLOSES = b"{}"
_BEFORE: Final = re.compile(rb",[ \t\n\r]*+$")
_ENDS_A_NAME: Final = re.compile(rb"\s*+(?:[\"'`:=/#\x80-\xff]|\Z)")
_LOOK: Final = 16  # bytes behind a word
# Bytes that begin no letter of UTF-8 in its shortest form, and two that do so with some successors only: an ASCII
# letter in three bytes is \xe0\x81 and one more, in four \xf0\x80\x81.
_NEVER_LEAD: Final = b"\xc0\xc1\xf8\xf9\xfa\xfb\xfc\xfd\xfe\xff"
_MAY_LEAD_ASTRAY: Final = _NEVER_LEAD + b"\xe0\xf0"


class SameModel:
    """The model that one client's last request asked for, and how its body showed it."""

    __slots__ = ("_ending", "_lessons", "_model", "_opening", "model")

    def __init__(self, model: str) -> None:
        self.model = model
        self._model = json_string(model)
        self._opening = b""
        self._ending = b""
        self._lessons = MAX_LESSONS

    def asked_by(self, data: bytes, start: int) -> bool:
        """Whether the JSON object from `start` to the end of `data` asks for that model, and surely for no other."""
        is_large = len(data) - start >= LARGE_BYTES
        if is_large and self.asked_at(id(data) + _CONTENT, data, start):
            return True
        body = data[start:]
        if not is_large and self._asked_in(body):
            return True
        if not asks_for(body, self._model):
            return False
        if is_large:
            self.learn(body)
        elif self._lessons:
            self._lessons -= 1
            self.learn(body)
        return True

    def _asked_in(self, body: bytes) -> bool:
        """As `asked_at`, for a small body. `partition`, because `find` reads its arguments by a format, and `in` raises
        and catches an error inside: 1 us of the 20 that a whole exchange takes between system calls."""
        opening, ending = self._opening, self._ending
        if opening:
            if body[: len(opening)] != opening:
                return False
            rest = body[len(opening) :]
        elif ending and body[-len(ending) :] == ending:
            rest = body[: -len(ending)]
        else:
            return False
        if rest.partition(_NAME)[1] or (rest.partition(b"\\")[1] and rest.partition(_ESCAPED)[1]):
            return False
        return is_object(body)

    def surely_asked_by(self, body: bytes) -> bool:
        """As `asked_by` for a large body that has not been read yet: False says nothing."""
        return self.learnt and self.asked_at(id(body) + _CONTENT, body, 0)

    @property
    def learnt(self) -> bool:
        """Whether `asked_at` can say anything."""
        return bool(self._opening or self._ending)

    def asked_at(self, address: int, data: bytes | memoryview, start: int) -> bool:
        """As `asked_by`, at a glance: False says nothing. `data` lies at `address`, and a NUL behind it."""
        opening, ending = self._opening, self._ending
        if opening:
            rest, only = start + len(opening), -1
            if data[start:rest] != opening or data[-1] != _BRACE_CLOSES:
                return False
        elif ending and bytes(data[-len(ending) :]) == ending:
            rest, only = start, len(data) - len(ending) + ending.index(_NAME) + 1
            if only < start or data[start] != _BRACE_OPENS:  # it may be the head that looks like an ending
                return False
        else:
            return False
        return _spells_plainly(address + start, len(data) - start) and _is_named_nowhere(address, data, rest, only)

    def learn(self, body: bytes) -> None:
        """Remember how a body shows its model, which somebody has read whole."""
        self._opening = self._ending = b""
        opening = _OPENING.match(body)
        if opening is not None:
            self._opening = opening[0]
            return
        at = body.find(_NAME)
        before = _BEFORE.search(body, max(0, at - 64), max(0, at))
        if before is None or len(body) - before.start() > MAX_ENDING:
            return
        ending = body[before.start() :]
        # Only on the top level does the rest of an object become one by a brace in front.
        if asks_for(b"{" + ending[1:].lstrip(), self._model):
            self._ending = ending


def _spells_plainly(begin: int, size: int) -> bool:
    """Whether there is no NUL, and no ASCII letter in more than one byte. Other mistakes hide no name."""
    if _span(begin, _MAY_LEAD_ASTRAY) == size:
        return True
    is_shortest = _find(begin, b"\xe0\x81") is None and _find(begin, b"\xf0\x80") is None
    return is_shortest and bool(_span(begin, _NEVER_LEAD) == size)


def _is_named_nowhere(address: int, data: bytes | memoryview, start: int, only: int) -> bool:
    """Whether no reader, however lenient, finds that name from `start` on, but for the one at `only`."""
    at: int | None = address + start
    for _ in range(MAX_MENTIONS):
        at = _find(at, _WORD)
        if at is None:
            return _find(address + start, _ESCAPED) is None
        place = at - address
        at += len(_WORD)
        behind = place + len(_WORD)
        if place != only and _ENDS_A_NAME.match(bytes(data[behind : behind + _LOOK])):
            return False
    return False
