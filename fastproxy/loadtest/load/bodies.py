"""What a request says when nobody wrote it: prose, bodies, paths and headers of the four AI formats. Pure.

    Prose            English-looking words from a seed; a random stretch of any length for the price of a slice
    default_body     template text of a request with a prompt of so many words; every request gets other words
    conversation     a first body and what was said since → the body of the next turn, all before it included

Prose holds quotes, accents and line ends, as prompts do: what a gateway must unescape decides what it costs.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, Final

import msgspec

from fastproxy.loadtest.load.shapes import Format

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Json = dict[str, Any]

DEFAULT_PROMPT_WORDS: Final = 24
QUESTION_WORDS: Final = 30  # of the user's second turn and all later ones
MAX_TOKENS: Final = 1024
SYSTEM: Final = "You are a careful assistant. Answer in one short paragraph."
SILENCE: Final = "(no answer)"  # stands for an empty reply: vendors refuse empty texts
AI_FORMATS: Final = (Format.OPENAI_CHAT, Format.OPENAI_RESPONSES, Format.ANTHROPIC, Format.GEMINI)
DEFAULT_MODELS: Final = {
    Format.OPENAI_CHAT: "gpt-5",
    Format.OPENAI_RESPONSES: "gpt-5",
    Format.ANTHROPIC: "claude-sonnet-4-6",
    Format.GEMINI: "gemini-2.5-flash",
}
_PATHS: Final = {
    Format.OPENAI_CHAT: "/v1/chat/completions",
    Format.OPENAI_RESPONSES: "/v1/responses",
    Format.ANTHROPIC: "/v1/messages",
}
_VOCABULARY: Final = (
    "the a of to in and that is was for it with as on be at by this had not are but from or have an they which one "
    "you were all her she there would their we him been has when who will more no if out so said what its about into "
    "than them can only other time new some could these two may first then do any my now such like our over man me "
    "even most made after also did many before must through years where much your way well down should because each "
    "just those people how too little state good very make world still own see work long here get both between life "
    "being under never day same another know while last might us great old year off come since against go came right "
    "used take three house school system program question number night point hand part place case week company group "
    "problem fact money story month study book business issue side kind head service friend father power hour game "
    "café naïve Zürich façade résumé jalapeño"
)
_WORDS: Final = _VOCABULARY.split()
_BEGIN_WORDS: Final = 4096


class Prose:
    """Words from a seed. Plain prose is one line; escaped prose is the same as it stands inside a JSON string."""

    __slots__ = ("_escaped", "_plain", "_seed", "_size")

    def __init__(self, seed: int | str) -> None:
        self._seed = seed
        self._grow(_BEGIN_WORDS)

    def _grow(self, size: int) -> None:
        words = _sentences(Random(self._seed), size)  # begins with the words that there were
        self._size = size
        self._plain = _Text([word.replace("\n", "") for word in words])
        self._escaped = _Text([msgspec.json.encode(word)[1:-1].decode() for word in words])

    def take(self, rng: Random, count: int, *, escaped: bool = False) -> bytes:
        """So many words in a row from a random place: 0.4 us, however many."""
        size = max(_BEGIN_WORDS, 1 << (2 * count - 1).bit_length()) if count else _BEGIN_WORDS
        if size > self._size:
            self._grow(size)
        # within a size that only the count decides, or what was said once could not be said again after growing
        first = int(rng.random() * (size - count))
        return (self._escaped if escaped else self._plain).words(first, count)


class _Text:
    """Words with one space between them, and where each begins."""

    __slots__ = ("_starts", "_text")

    def __init__(self, words: Sequence[str]) -> None:
        encoded = [word.encode() for word in words]
        self._text = b" ".join(encoded) + b" "
        self._starts = [0]
        for word in encoded:
            self._starts.append(self._starts[-1] + len(word) + 1)

    def words(self, first: int, count: int) -> bytes:
        return self._text[self._starts[first] : max(self._starts[first], self._starts[first + count] - 1)]


def _sentences(rng: Random, size: int) -> list[str]:
    """Words with the marks around them: capitals, full stops, now and then a quotation or the end of a paragraph."""
    words: list[str] = []
    while len(words) < size:
        sentence = rng.choices(_WORDS, k=rng.randint(5, 18))
        if rng.random() < 0.2:
            quoted = rng.randrange(1, len(sentence))
            sentence[quoted] = f'"{sentence[quoted]}"'
        sentence[0] = sentence[0].capitalize()
        sentence[-1] += ".\n\n" if rng.random() < 0.15 else "."
        words += sentence
    return words[:size]


# --- one request --------------------------------------------------------------------------------------------------


def default_path(kind: Format, model: str, stream: bool) -> str:
    """Where a format's requests go; nothing for formats without a place of their own. Gemini's model is in it."""
    if kind is Format.GEMINI:
        return f"/v1beta/models/{model}:{'streamGenerateContent?alt=sse' if stream else 'generateContent'}"
    return _PATHS.get(kind, "")


def default_headers(kind: Format) -> tuple[tuple[str, str], ...]:
    return (("anthropic-version", "2023-06-01"),) if kind is Format.ANTHROPIC else ()


def credential(kind: Format, key: str) -> tuple[str, str]:
    """The header in which the format's vendor takes a key."""
    if kind is Format.ANTHROPIC:
        return "x-api-key", key
    if kind is Format.GEMINI:
        return "x-goog-api-key", key
    return "authorization", f"Bearer {key}"


def default_body(kind: Format, model: str, stream: bool, prompt_words: str | int = DEFAULT_PROMPT_WORDS) -> str:
    """Template text; `prompt_words` is a number, or "50:2000" for one between. Raises KeyError without a format."""
    return msgspec.json.encode(_BODIES[kind](model, stream, f"{{{{text:{prompt_words}}}}}")).decode()


def _chat(model: str, stream: bool, prompt: str) -> Json:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": prompt}]
    streamed = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    return {"model": model, "messages": messages, **streamed}


def _responses(model: str, stream: bool, prompt: str) -> Json:
    return {"model": model, "instructions": SYSTEM, "input": prompt, **({"stream": True} if stream else {})}


def _anthropic(model: str, stream: bool, prompt: str) -> Json:
    messages = [{"role": "user", "content": prompt}]
    body = {"model": model, "max_tokens": MAX_TOKENS, "system": SYSTEM, "messages": messages}
    return {**body, **({"stream": True} if stream else {})}


def _gemini(_model: str, _stream: bool, prompt: str) -> Json:
    return {"systemInstruction": {"parts": [{"text": SYSTEM}]}, "contents": [_gemini_turn("user", prompt)]}


_BODIES: Final[dict[Format, Callable[[str, bool, str], Json]]] = {
    Format.OPENAI_CHAT: _chat,
    Format.OPENAI_RESPONSES: _responses,
    Format.ANTHROPIC: _anthropic,
    Format.GEMINI: _gemini,
}


# --- conversations ------------------------------------------------------------------------------------------------

_LISTS: Final = {
    Format.OPENAI_CHAT: "messages",
    Format.OPENAI_RESPONSES: "input",
    Format.ANTHROPIC: "messages",
    Format.GEMINI: "contents",
}


def conversation(kind: Format, first: bytes, replies: Sequence[str], questions: Sequence[str]) -> bytes:
    """The body after these replies, each followed by the next question. Raises ValueError for a body that cannot grow.

    Without replies the first body is returned as it is. The beginning is the same in every turn, as prompt caches
    expect it.
    """
    if not replies:
        return first
    name = _LISTS.get(kind, "")
    body = msgspec.json.decode(first)
    turns = body.get(name) if isinstance(body, dict) else None
    if kind is Format.OPENAI_RESPONSES and isinstance(turns, str):
        turns = [{"role": "user", "content": turns}]
    if not isinstance(turns, list):
        raise ValueError(f"a conversation in {kind.value} needs a body with a list {name!r}")
    told, asked = ("model", "user") if kind is Format.GEMINI else ("assistant", "user")
    write = _gemini_turn if kind is Format.GEMINI else _turn
    for reply, question in zip(replies, questions, strict=True):
        turns += [write(told, reply or SILENCE), write(asked, question)]
    return msgspec.json.encode({**body, name: turns})


def _turn(role: str, text: str) -> Json:
    return {"role": role, "content": text}


def _gemini_turn(role: str, text: str) -> Json:
    return {"role": role, "parts": [{"text": text}]}
