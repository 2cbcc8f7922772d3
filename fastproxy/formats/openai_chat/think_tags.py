"""`<think>…</think>` at the beginning of a text: thoughts that DeepSeek's and Qwen's models write into the content.

Feed the text in any pieces; the same text gives the same thoughts and words however it is cut. Only a tag at the very
beginning counts, so a model that talks about the tag is not misread.
"""

from __future__ import annotations

from typing import Final, Literal

OPEN: Final = "<think>"
CLOSE: Final = "</think>"
Kind = Literal["thinking", "text"]


class ThinkTags:
    """The splitter of one choice."""

    __slots__ = ("_held", "_state")

    def __init__(self) -> None:
        self._state = "start"  # then opened, thinking, gap, text; or text at once
        self._held = ""

    def feed(self, text: str) -> list[tuple[Kind, str]]:
        """What is certain by now."""
        if self._state == "text":
            return [("text", text)]
        self._held += text
        found: list[tuple[Kind, str]] = []
        if self._state == "start":
            self._start()
        self._skip_space("opened", "thinking")
        if self._state == "thinking":
            self._think(found)
        self._skip_space("gap", "text")
        if self._state == "text" and self._held:
            found.append(("text", self._held))
            self._held = ""
        return found

    def end(self) -> list[tuple[Kind, str]]:
        """What was held because it could have been a tag."""
        held, self._held = self._held, ""
        kind: Kind = "thinking" if self._state == "thinking" else "text"
        return [(kind, held)] if held else []

    def _skip_space(self, state: str, following: str) -> None:
        """Leave `state` with the first character that is no white space."""
        if self._state == state:
            self._held = self._held.lstrip()
            if self._held:
                self._state = following

    def _start(self) -> None:
        bare = self._held.lstrip()
        if bare.startswith(OPEN):
            self._held = bare[len(OPEN) :]
            self._state = "opened"
        elif not OPEN.startswith(bare):
            self._state = "text"

    def _think(self, found: list[tuple[Kind, str]]) -> None:
        thought, tag, rest = self._held.partition(CLOSE)
        if tag:
            self._held, self._state = rest, "gap"
        else:
            kept = next((n for n in range(len(CLOSE) - 1, 0, -1) if thought.endswith(CLOSE[:n])), 0)
            self._held = thought[len(thought) - kept :]
            thought = thought[: len(thought) - kept]
        if thought:
            found.append(("thinking", thought))
