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
from fastproxy.formats.openai_chat.write_messages import bare_messages

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.gateway.translate import Translation

MAX_BYTES: Final = 4096  # of one, as JSON: a connection that waits holds five times that (200 KB of tools: 1 MB)
# The client's format → the fields that say something, and what they say.
_SAID: Final[dict[str, tuple[frozenset[str], Callable[[dict[str, Any]], list[tuple[str, str]] | None]]]] = {
    anthropic.NAME: (anthropic.SAID_IN, anthropic.bare_turns),
    gemini.NAME: (gemini.SAID_IN, gemini.bare_turns),
}


class Frame:
    """One frame, in both formats. It holds nothing that was said."""

    __slots__ = ("_bare_turns", "_fields", "_path", "_said_in", "_written", "size", "translation")

    def __init__(self, translation: Translation, written: dict[str, Any], path: bytes) -> None:
        self._said_in, self._bare_turns = _SAID[translation.source.NAME]
        self._fields = self._of(dict(translation.request.body))
        self.size = len(self._fields)
        # nothing that reads the reply needs to know what was said
        self.translation = copy(translation)
        self.translation.request = replace(translation.request, turns=(), body={})
        self._written = written | {"messages": []}
        self._path = path

    def put(self, body: dict[str, Any]) -> tuple[bytes, bytes] | None:
        """The upstream's body and its path; None for another frame, or for more than bare texts."""
        if self._of(body) != self._fields:
            return None
        said = self._bare_turns(body)
        messages = bare_messages(said) if said is not None else None
        if messages is None:
            return None
        return exact.dumps(self._written | {"messages": messages}), self._path

    def _of(self, body: dict[str, Any]) -> bytes:
        """As bytes, because 1, 1.0 and true are equal otherwise."""
        said_in = self._said_in
        return exact.dumps({name: value for name, value in body.items() if name not in said_in})


def frame_of(translation: Translation, written: dict[str, Any], path: bytes) -> Frame | None:
    """The frame of a request that has just been put in the upstream's words; None where it cannot stand alone."""
    request = translation.request
    if translation.source.NAME not in _SAID or translation.upstream.NAME != "openai-chat" or request.output is not None:
        return None
    said = _SAID[translation.source.NAME][1](dict(request.body))
    if said is None or bare_messages(said) != written.get("messages"):
        return None
    frame = Frame(translation, written, path)
    return frame if frame.size <= MAX_BYTES else None
