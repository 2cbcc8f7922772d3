"""What a client repeats around its conversation: model, limits, tools. Translated once, it frames the next one too.

    the client's body      what is said (`messages`, `system`)   and the frame
    the upstream's body    `messages`                            and its own frame

While the frame is the same to the byte and nothing but text is said, on either side, the body for the upstream is the
last one with other messages, because no field of a frame is read or written with a look at a bare text. That saves half
of a short request's translation (bench/micro/test_lane.py).
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from fastproxy.formats import anthropic, exact, gemini
from fastproxy.formats.openai_chat.write_messages import plain_messages

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.formats.chat import Turn
    from fastproxy.gateway.translate import Translation

MAX_BYTES: Final = 4096  # of one, as JSON: a connection that waits holds five times that (200 KB of tools: 1 MB)
# The client's format → the fields that say something, and how they are read.
_SAID: Final[dict[str, tuple[frozenset[str], Callable[[dict[str, Any]], tuple[Turn, ...]]]]] = {
    anthropic.NAME: (anthropic.SAID_IN, anthropic.read_turns),
    gemini.NAME: (gemini.SAID_IN, gemini.read_turns),
}


class Frame:
    """One frame, in both formats. It holds nothing that was said."""

    __slots__ = ("_fields", "_path", "_read_turns", "_said_in", "_translation", "_written", "size")

    def __init__(self, translation: Translation, written: dict[str, Any], path: bytes) -> None:
        self._said_in, self._read_turns = _SAID[translation.source.NAME]
        self._fields = self._of(dict(translation.request.body))
        self.size = len(self._fields)
        self._translation = copy(translation)
        self._translation.request = replace(translation.request, turns=(), body={})
        self._written = written | {"messages": []}
        self._path = path

    def put(self, body: dict[str, Any]) -> tuple[Translation, bytes, bytes] | None:
        """The translation, the upstream's body and its path; None for another frame, or for more than bare texts.

        Raises: FormatError.
        """
        if self._of(body) != self._fields:
            return None
        turns = self._read_turns(body)
        messages = plain_messages(turns)
        if messages is None:
            return None
        translation = self._translation.again(turns, body)
        return translation, exact.dumps(self._written | {"messages": messages}), self._path

    def _of(self, body: dict[str, Any]) -> bytes:
        """As bytes, because 1, 1.0 and true are equal otherwise."""
        said_in = self._said_in
        return exact.dumps({name: value for name, value in body.items() if name not in said_in})


def frame_of(translation: Translation, written: dict[str, Any], path: bytes) -> Frame | None:
    """The frame of a request that has just been put in the upstream's words; None where it cannot stand alone."""
    request = translation.request
    if translation.source.NAME not in _SAID or translation.upstream.NAME != "openai-chat" or request.output is not None:
        return None
    if not translation.only_texts or plain_messages(request.turns) != written.get("messages"):
        return None
    frame = Frame(translation, written, path)
    return frame if frame.size <= MAX_BYTES else None
