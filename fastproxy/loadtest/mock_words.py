"""What the mock says, and how many tokens it counts: a pure function of the request and a seed. No clock, no chance.

A token is one word. The text begins with an excerpt of the question, so that a test sees which request it answers.

    Tally    the counts of one exchange, in disjoint buckets: input + cache_read + cache_write is the whole prompt;
             `reasoning` is told apart from, but contained in, `output`
"""

from __future__ import annotations

import random
import re
import zlib
from typing import Any

import msgspec

_WORDS = (
    *("amber", "basin", "cedar", "delta", "ember", "fjord", "grove", "haven", "inlet", "jetty", "knoll", "larch"),
    *("meadow", "north", "ocean", "pine", "quartz", "river", "slate", "tundra", "upland", "valley", "willow"),
    *("yonder", "zenith", "arbor", "brook", "coral", "dune", "estuary", "fern", "glade"),
)
_ENDLESS = [" " + word for word in _WORDS] * 2
_EXCERPT = 8
_PIECE = re.compile(r"\s*\S+|\s+$")
_ROOTS = ("system", "systemInstruction", "system_instruction", "instructions", "tools", "messages", "contents")
_PROMPTS = ("input", "prompt", "query", "documents", "content")
_INSIDE = ("content", "parts", "text", "input", "output", "arguments", "name", "description")


class Tally(msgspec.Struct, frozen=True):
    """Token counts of one exchange. (A Struct is made in 0.1 µs, a dataclass in 0.7; every call makes some.)"""

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0

    @property
    def prompt(self) -> int:
        """All prompt tokens, however they were billed."""
        return self.input + self.cache_read + self.cache_write


NOTHING = Tally()


def prompt_texts(body: dict[str, Any]) -> list[str]:
    """Every text of a request in order, whatever its format."""
    found: list[str] = []
    for name in (*_ROOTS, *_PROMPTS):
        if name in body:
            _collect(body[name], found)
    return found


def _collect(value: object, found: list[str]) -> None:
    if isinstance(value, str):
        found.append(value)
    elif isinstance(value, list):
        for item in value:
            _collect(item, found)
    elif isinstance(value, dict):
        for name in _INSIDE:
            if name in value:
                _collect(value[name], found)


def count(texts: list[str]) -> int:
    """Input tokens: a quarter of the characters, rounded up, at least one."""
    return max(1, (sum(map(len, texts)) + 3) // 4)


def tally(texts: list[str], words: int) -> Tally:
    """Default counts: a quarter of the prompt is read from cache, an eighth written; reasoning is a quarter on top."""
    prompt = count(texts)
    read, written = prompt // 4, prompt // 8
    reasoning = words // 4
    return Tally(prompt - read - written, read, written, words + reasoning, reasoning)


def answer(texts: list[str], words: int, seed: int | None = None) -> list[str]:
    """The reply's text in `words` pieces, one per token; another seed makes another text behind the excerpt."""
    last = texts[-1] if texts else ""
    said = ["Mock", " answer", " to:"] + [" " + word for word in last[:400].split()[:_EXCERPT]]
    wanted = max(0, words - len(said))
    if wanted and seed is not None:
        return [*said, *_chosen(last, wanted, seed)]
    start = zlib.crc32(last.encode("utf-8", "replace")) % len(_WORDS)
    filler = _ENDLESS * (wanted // len(_WORDS) + 2) if wanted > len(_WORDS) else _ENDLESS
    return [*said[:words], *filler[start : start + wanted]]


def thinking(texts: list[str], words: int, seed: int | None = None) -> list[str]:
    """What it thinks before it speaks."""
    chosen = _chosen(texts[-1] if texts else "", words, seed or 0)
    return ["Thinking", *chosen][:words]


def pieces(text: str) -> list[str]:
    """A given text in words; nothing is lost or added."""
    return _PIECE.findall(text)


def _chosen(last: str, words: int, seed: int) -> list[str]:
    rng = random.Random(zlib.crc32(last.encode("utf-8", "replace")) ^ seed << 32)
    return [" " + word for word in rng.choices(_WORDS, k=words)]
