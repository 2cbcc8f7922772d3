"""Whether one request after the other asks for the same model, without reading them whole.

A long conversation is sent again with every turn: 40 KB and more, of which routing needs one name. `peek` walks all of
it (0.3 us per KB), and takes a short one apart as well. Once it has read one body of a client, the next can be judged
by the bytes around that name:

    it begins as the last one began, up to and with its model     {"model":"gpt-5",…
    or it ends as the last one ended, from its model on           …,"model":"gpt-5","stream":true}
    and "model" stands nowhere else in it, in no spelling

In a JSON text, then, the name at that place is on the top level (the ending closes exactly one object, as it did
before), it is the only one, and its value is the one that was allowed. All its letters escape as \\u006X, so a text
without that has no other spelling. Whether the rest is JSON, says nothing twice and is valid UTF-8 is the upstream's to
judge here, where `peek` would refuse it. What is not so easily seen is read whole: False says nothing.

A large body is searched by libc's `strstr` (1 us for 40 KB, vectorised), because `bytes.find` needs 19. It ends at a
NUL, so there must be none; CPython puts one behind the last byte. A small one is not worth the calls: `bytes.find`.
"""

from __future__ import annotations

import ctypes
import re
from typing import Any, Final

from fastproxy.formats.peek import asks_for, json_string

QUICK_BYTES: Final = 4096  # from here on libc searches
MAX_ENDING: Final = 512  # kept per connection
MAX_LESSONS: Final = 16  # small bodies of a client that are looked at for how they show their model

_libc = ctypes.PyDLL(None)  # without giving up the GIL for a microsecond
_find: Final[Any] = _libc.strstr
_find.argtypes, _find.restype = (ctypes.c_void_p, ctypes.c_char_p), ctypes.c_void_p
_length: Final[Any] = _libc.strlen
_length.argtypes, _length.restype = (ctypes.c_void_p,), ctypes.c_size_t
_sample: Final = b"0"
_CONTENT: Final = _find(_sample, _sample) - id(_sample)  # where the bytes of a `bytes` are

_NAME: Final = b'"model"'
_ESCAPED: Final = rb"\u006"
_OPENING: Final = re.compile(rb'\{[ \t\n\r]*+"model"[ \t\n\r]*+:[ \t\n\r]*+"[^"\\]*+"[ \t\n\r]*+[,}]')
_BRACE_OPENS, _BRACE_CLOSES = b"{}"
_BEFORE: Final = re.compile(rb",[ \t\n\r]*+$")


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
        is_large = len(data) - start >= QUICK_BYTES
        if self.asked_at(id(data) + _CONTENT, data, start) if is_large else self._asked_in(data, start):
            return True
        body = data[start:]
        if not asks_for(body, self._model):
            return False
        if is_large or self._lessons:
            self._lessons -= not is_large
            self.learn(body)
        return True

    def _asked_in(self, data: bytes, start: int) -> bool:
        """As `asked_at`, for a small body. `partition`, because `find` reads its arguments by a format, and `in` raises
        and catches an error inside: 1 us of the 20 that a whole exchange takes between system calls."""
        opening, ending = self._opening, self._ending
        if opening:
            at = start + len(opening)
            if data[start:at] != opening or data[-1] != _BRACE_CLOSES:
                return False
            rest = data[at:]
        elif ending and data[-len(ending) :] == ending:
            rest = data[start : -len(ending)]
            if rest[:1] != b"{":  # nor where the head is a part of what looks like the ending
                return False
        else:
            return False
        if rest.partition(_NAME)[1]:
            return False
        return not rest.partition(b"\\")[1] or not rest.partition(_ESCAPED)[1]

    def surely_asked_by(self, body: bytes) -> bool:
        """As `asked_by` for a body that has not been read yet: False says nothing."""
        return self.learnt and self.asked_at(id(body) + _CONTENT, body, 0)

    @property
    def learnt(self) -> bool:
        """Whether `asked_at` can say anything."""
        return bool(self._opening or self._ending)

    def asked_at(self, address: int, data: bytes | memoryview, start: int) -> bool:
        """As `asked_by`, at a glance: False says nothing. `data` lies at `address`, and a NUL behind it."""
        opening, ending = self._opening, self._ending
        begin = address + start
        if opening:
            rest = begin + len(opening)
            if data[start : start + len(opening)] != opening or data[-1] != _BRACE_CLOSES:
                return False
            return _length(begin) == len(data) - start and _find(rest, _NAME) is None and _find(rest, _ESCAPED) is None
        if not ending or bytes(data[-len(ending) :]) != ending or data[start] != _BRACE_OPENS:
            return False
        only = address + len(data) - len(ending) + ending.index(_NAME)
        return _length(begin) == len(data) - start and _find(begin, _NAME) == only and _find(begin, _ESCAPED) is None

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
