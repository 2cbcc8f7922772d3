"""One alternative of a Gemini reply while it grows: its parts → events of blocks that follow each other.

    {"text": "Hel"} {"text": "lo"}                     one text block
    {"text": …, "thought": true}                       a thinking block; its signature ends it
    {"functionCall": {"name", "args"}}                 a block each, whole; Vertex may send one in pieces
    {"text": "", "thoughtSignature": …}                belongs to the text before, and ends it

Why it ended is held back: some models say STOP in every chunk, and send more after it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from fastproxy.errors import FormatError
from fastproxy.formats import exact
from fastproxy.formats.events import (
    End,
    Event,
    Foreign,
    Logprobs,
    Media,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolBegin,
    ToolDelta,
)
from fastproxy.formats.gemini.call_ids import call_id
from fastproxy.formats.gemini.citations import read_citations
from fastproxy.formats.gemini.media import read_media
from fastproxy.formats.gemini.partial_args import PartialArguments
from fastproxy.formats.gemini.read_parts import read_part, unpack_signature
from fastproxy.formats.gemini.results import CallIds
from fastproxy.formats.gemini.words import FINAL_REASONS, NAME, REASONS

# What nonsense in a reply may raise on its way through the readers
UNREADABLE: Final = (AttributeError, KeyError, IndexError, TypeError, ValueError, FormatError, msgspec.ValidationError)
_SIGNED: Final = frozenset(("thought", "thoughtSignature"))
_METADATA: Final = ("groundingMetadata", "citationMetadata")


class Candidate:
    """One alternative while it grows."""

    __slots__ = ("_calls", "_finish", "_grown", "_id", "_index", "_kind", "_metadata", "_number", "_partial", "_texts")

    def __init__(self, index: int, response_id: str) -> None:
        self._index = index
        self._id = response_id
        self._number = -1  # of the block that is open
        self._kind = ""  # text, thought, or "" when the next part opens a new block
        self._texts: dict[int, list[str]] = {}
        self._grown: list[str] = []
        self._metadata: dict[str, Any] = {}
        self._finish: tuple[str, str | None] | None = None
        self._partial: PartialArguments | None = None
        self._calls = 0

    @property
    def is_silent(self) -> bool:
        """Whether it has said nothing."""
        return self._number < 0

    def take(self, said: dict[str, Any], events: list[Event]) -> None:
        content = said.get("content")
        if content is not None:
            for part in content.get("parts") or ():
                if len(part) == 1 and self._kind == "text" and type(text := part.get("text")) is str and text:
                    # one more piece of the text, which nearly every part is: 0.2 us instead of 0.4
                    self._grown.append(text)
                    events.append(TextDelta(self._number, text, choice=self._index))
                else:
                    self._part(part, events)
        if len(said) > 2 or content is None or "index" not in said:  # more than content and index
            self._rest(said, events)

    def _part(self, part: dict[str, Any], events: list[Event]) -> None:
        text = part.get("text")
        signature = part.get("thoughtSignature")
        if text is None:
            self._other(part, signature, events)
        elif type(text) is not str:
            raise TypeError("a text that is none")
        elif part.get("thought"):
            self._thought(text, signature, events)
        elif text or signature is not None:
            self._text(text, signature, events)

    def _text(self, text: str, signature: str | None, events: list[Event]) -> None:
        if self._kind != "text":
            self._open("text")
            self._grown = self._texts[self._number] = []
        self._grown.append(text)
        events.append(TextDelta(self._number, text, signature, choice=self._index))
        if signature is not None:
            self._kind = ""

    def _open(self, kind: str) -> int:
        self._number += 1
        self._kind = kind
        return self._number

    def _thought(self, text: str | None, signature: str | None, events: list[Event]) -> None:
        if self._kind != "thought" and (text or signature is not None):
            self._open("thought")
        if text:
            events.append(ThinkingDelta(self._number, text, choice=self._index))
        if signature is not None:
            issuer, thinking_id, bare = unpack_signature(signature)
            redacted = text is None and issuer != NAME
            said = ThinkingSignature(self._number, bare or "", issuer, redacted, thinking_id, choice=self._index)
            events.append(said)
            self._kind = ""

    def _other(self, part: dict[str, Any], signature: str | None, events: list[Event]) -> None:
        """A part without text."""
        call = part.get("functionCall")
        if call is not None:
            self._call(call, signature, events)
        elif part.keys() <= _SIGNED:
            if part.get("thought"):
                self._thought(None, signature, events)
            elif signature is not None:
                self._text("", signature, events)
        elif part.get("thought"):
            return  # an image that was only thought of
        elif "inlineData" in part or "fileData" in part:
            events.append(Media(self._open(""), read_media(part, ""), choice=self._index))
        else:
            known = read_part(part, "", CallIds())
            events.append(Foreign(self._open(""), known, choice=self._index))

    def _call(self, call: dict[str, Any], signature: str | None, events: list[Event]) -> None:
        if self._partial is None and not (call.get("willContinue") or call.get("partialArgs")):
            self._emit(call.get("id") or "", call.get("name") or "", call.get("args"), signature, events)
            return
        if self._partial is None or (call.get("name") and self._partial.name):
            self._flush(events)  # a new call has begun, so the one before is whole
            self._partial = PartialArguments()
        if self._partial.take(call, signature):
            self._flush(events)

    def _flush(self, events: list[Event]) -> None:
        held, self._partial = self._partial, None
        if held is not None and held.name:
            self._emit(held.call_id, held.name, held.arguments, held.signature, events)

    def _emit(self, given: str, name: str, arguments: Any, signature: str | None, events: list[Event]) -> None:
        text = exact.dumps(arguments or {}).decode()
        made = given or call_id(self._id, self._index, self._calls)
        self._calls += 1
        block = self._open("")
        events.append(ToolBegin(block, made, name, signature=signature, choice=self._index))
        events.append(ToolDelta(block, text, choice=self._index))

    def _rest(self, said: dict[str, Any], events: list[Event]) -> None:
        finish = said.get("finishReason")
        if finish:
            self._finish = (finish.upper(), said.get("finishMessage"))
        logprobs = said.get("logprobsResult")
        if logprobs:
            events.append(Logprobs(read_logprobs(logprobs), choice=self._index))
        for name in _METADATA:
            if said.get(name):
                self._metadata[name] = said[name]

    def close(self, events: list[Event], unsaid: End | None) -> End | None:
        """What ended it; `unsaid` where the upstream did not say."""
        if self._finish is None and unsaid is None:
            return None
        self._flush(events)
        if self._metadata:
            texts = {block: "".join(pieces) for block, pieces in self._texts.items()}
            events += _cited(self._index, self._metadata, texts)
        end = self._end(unsaid or End("other"))
        events.append(end)
        return end

    def _end(self, unsaid: End) -> End:
        reason, told = unsaid.reason, unsaid.explanation
        if self._finish is not None:
            word, message = self._finish
            reason, told = REASONS.get(word, "other"), message if isinstance(message, str) else None
        if self._calls and reason not in FINAL_REASONS:
            reason = "tool_calls"
        return End(reason, explanation=told, choice=self._index)


def _cited(index: int, metadata: dict[str, Any], texts: dict[int, str]) -> list[Event]:
    try:
        return list(read_citations(index, metadata, texts))
    except UNREADABLE:
        return []  # a reply is not lost for its footnotes


def read_logprobs(result: dict[str, Any]) -> tuple[dict[str, object], ...]:
    """logprobsResult as OpenAI's chat writes it."""
    tops = result.get("topCandidates") or []
    made: list[dict[str, object]] = []
    for place, chosen in enumerate(result.get("chosenCandidates") or ()):
        above = (tops[place].get("candidates") or ()) if place < len(tops) else ()
        made.append(_logprob(chosen) | {"top_logprobs": [_logprob(each) for each in above]})
    return tuple(made)


def _logprob(candidate: dict[str, Any]) -> dict[str, object]:
    token = candidate.get("token") or ""
    found = candidate.get("logProbability")
    return {"token": token, "logprob": 0.0 if found is None else found, "bytes": list(token.encode("utf-8", "replace"))}
