"""Whose tokenizer a model has, as far as it is known, and how a text is counted with it in bounded time. Pure.

OpenAI publishes its tokenizers, so its models are counted exactly. The other vendors do not; what they make of a text
is told by a factor on the count of o200k:

    Claude up to 4.6, Haiku 4.5     1.2    English 16 %, mathematics 21 %, code 30 % more (a comparison of 2025 on
                                           Claude 3.5 and GPT-4o); on the low side, because most of a prompt is prose
    Claude Opus 4.7 and later       1.56   1.2 × the "approximately 30 percent more" of Anthropic's page on token
                                           counting, 2026
    Gemini, and whatever is unknown 1.0    vocabularies of 100,000 to 260,000 entries: within 15 % on prose and code

An encoder turns a text into tokens. It is an argument, because loading one means files and time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sized

    Encode = Callable[[str], Sized]

WHOLE_CHARS: Final = 262_144  # a longer text is counted on its beginning; 0.25 s for the worst there is
TOTAL_CHARS: Final = 1_048_576  # of one request, as the sum of its texts

_OF_GPT_4: Final = re.compile(
    r"(?:ft:)?(?:gpt-4(?:-|\Z)|gpt-3\.?5|davinci-002|babbage-002|text-embedding-(?:ada-002|3-)|text-moderation)"
)
_OF_OPENAI: Final = re.compile(r"(?:ft:)?(?:gpt-|chatgpt-|codex-|computer-use|omni-moderation|o\d(?:-|\Z))")
_CLAUDE_VERSION: Final = re.compile(r"claude-(?:[a-z]+-)?(\d+)(?:[-.](\d)(?!\d))?")
_CLAUDE: Final = 1.2
_NEWER_CLAUDE: Final = 1.56


O200K: Final = "o200k_base"
CL100K: Final = "cl100k_base"


class Ruler(NamedTuple):
    """How a model's tokens are counted. `is_openai`: its own tokenizer, and its rules for what stands around texts."""

    vocabulary: str
    factor: float
    is_openai: bool


GPT_4: Final = Ruler(CL100K, 1.0, True)
GPT: Final = Ruler(O200K, 1.0, True)
OTHER: Final = Ruler(O200K, 1.0, False)


def bare(model: str) -> str:
    """The model's name without its vendor: openai/gpt-4o, models/gemini-2.5-pro, us.anthropic.claude-…"""
    name = model.rpartition("/")[2].lower()
    place = name.find("claude-")
    return name[place:] if place > 0 else name


def ruler(model: str) -> Ruler:
    """For any name, also none."""
    name = bare(model)
    if _OF_GPT_4.match(name):
        return GPT_4
    if _OF_OPENAI.match(name):
        return GPT
    if name.startswith("claude"):
        return Ruler(O200K, _NEWER_CLAUDE if _has_newer_tokenizer(name) else _CLAUDE, False)
    return OTHER


def _has_newer_tokenizer(name: str) -> bool:
    """Opus from 4.7 on, and every family from 5 on."""
    found = _CLAUDE_VERSION.match(name)
    if found is None:
        return "mythos" in name
    major, minor = int(found[1]), int(found[2] or 0)
    return 5 <= major < 1000 or (major == 4 and minor >= 7 and "opus" in name)


class Counter:
    """Counts the texts of one request. `counter(text)` gives tokens; from TOTAL_CHARS on, by the rate of those before.

    Not thread-safe, and nothing for an event loop: a mebibyte takes 30 ms, and up to 1 s if it was made to.
    """

    __slots__ = ("_chars", "_encode", "_tokens")

    def __init__(self, encode: Encode) -> None:
        self._encode = encode
        self._chars = 0
        self._tokens = 0

    def __call__(self, text: str) -> int:
        size = len(text)
        whole = min(size, WHOLE_CHARS, TOTAL_CHARS - self._chars)
        if whole <= 0:
            return -(-size * self._tokens // self._chars) if self._chars else 0
        tokens = len(self._encode(text if whole == size else text[:whole]))
        self._chars += whole
        self._tokens += tokens
        return tokens if whole == size else -(-size * tokens // whole)
