"""One alternative of a reply, from deltas or from a whole message: both have the same fields, so one reader is enough.

    reasoning_details, thinking_blocks, reasoning_content, reasoning   →  ThinkingDelta, ThinkingSignature
    content (a string, or an array at Mistral's)                       →  TextDelta
    annotations → Cited      refusal → RefusalDelta      images → Media      audio → Foreign
    tool_calls, function_call                                          →  ToolBegin, ToolDelta  (call_queue.py)

Within one delta the fields are read in this order. What comes while calls are unfinished waits for their end, so that
blocks never interleave.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from fastproxy.errors import FormatError
from fastproxy.formats.chat import Citation, Image, Opaque, Original, Thinking
from fastproxy.formats.events import (
    Cited,
    End,
    Foreign,
    Logprobs,
    Media,
    RefusalDelta,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
)
from fastproxy.formats.openai_chat.call_queue import CallQueue
from fastproxy.formats.openai_chat.content import read_part
from fastproxy.formats.openai_chat.think_tags import ThinkTags
from fastproxy.formats.openai_chat.thoughts import read_thought
from fastproxy.formats.openai_chat.tools import signature_of
from fastproxy.formats.openai_chat.words import NAME, STRONGER_THAN_CALLS, reason_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.formats.events import Event, Reason

Json = dict[str, Any]
_Take: TypeAlias = "Callable[[ChoiceReader, Any, list[Event]], None]"


class ChoiceReader:
    """`take` deltas, then `close`. `finish` is the upstream's finish_reason so far."""

    __slots__ = (
        "_audio",
        "_block",
        "_calls",
        "_choice",
        "_citations",
        "_deferred",
        "_detail",
        "_has_calls",
        "_has_refused",
        "_kind",
        "_tags",
        "_thought",
        "finish",
    )

    def __init__(self, choice: int, *, think_tags: bool = False) -> None:
        self._choice = choice
        self._block = -1
        self._kind = ""  # of the open block
        self._calls = CallQueue(choice)
        self._has_calls = self._has_refused = False
        self._citations: list[Citation] = []  # before there is a text
        self._deferred: list[Json] = []  # deltas that came amid unfinished calls
        self._detail: tuple[Any, Any] | None = None  # index and id of the open thought
        self._thought: list[str] = []  # its text
        self._audio: list[Json] = []
        self._tags = ThinkTags() if think_tags else None
        self.finish: str | None = None

    def take(self, delta: Json, out: list[Event]) -> None:
        """Everything that a delta, or a message, says."""
        if (
            len(delta) == 1
            and self._kind == "text"
            and self._tags is None
            and type(text := delta.get("content")) is str
        ):
            # one more piece of the text, which nearly every delta is: 0.15 us instead of 0.5
            if text:
                out.append(TextDelta(self._block, text, choice=self._choice))
            return
        said = [name for name in delta if delta[name] and name != "role"]
        if not said:
            return
        if len(said) == 1 and self._goes_on_with(said[0], delta[said[0]], out):
            return
        thought = self._thoughts_of(delta)
        for name, take in _ORDER:
            value = thought if name == "" else delta.get(name)
            if value:
                self._take_one(name, take, value, out)
        if "extra_content" in delta and not self._calls.waiting and (signature := signature_of(delta)) is not None:
            self._open("text")
            out.append(TextDelta(self._block, "", signature, choice=self._choice))

    def _goes_on_with(self, name: str, value: Any, out: list[Event]) -> bool:
        """One more piece of what there was last, which nearly every delta is: 0.3 us instead of 1."""
        if name == "content" and self._kind == "text" and type(value) is str and self._tags is None:
            out.append(TextDelta(self._block, value, choice=self._choice))
            return True
        if name == "tool_calls":
            self._call(value, out)
            return True
        if name in _PLAIN_THOUGHTS and self._kind == "thinking" and type(value) is str:
            self._thought.append(value)
            out.append(ThinkingDelta(self._block, value, choice=self._choice))
            return True
        return False

    def _take_one(self, name: str, take: _Take, value: Any, out: list[Event]) -> None:
        if self._calls.waiting and name not in _CALLING:
            if not self._calls.is_settled():
                self._deferred.append({name: value})
                return
            self._block = self._calls.flush(self._block, out)
        take(self, value, out)

    def logprobs(self, given: Any, out: list[Event]) -> None:
        content = given.get("content") if isinstance(given, dict) else None
        if isinstance(content, list) and content:
            out.append(Logprobs(tuple(content), choice=self._choice))

    def close(self, out: list[Event], *, is_over: bool) -> None:
        """Send what was held; `is_over` says that the upstream ended the choice, and so it gets its End."""
        self._block = self._calls.flush(self._block, out)
        deferred, self._deferred = self._deferred, []
        for delta in deferred:
            for name, take in _ORDER:
                if name in delta:
                    take(self, delta[name], out)
        if self._tags is not None:
            for kind, text in self._tags.end():
                self._say(kind, text, out)
        if self._audio:
            self._end_audio(out)
        if is_over:
            out.append(End(self._reason(), choice=self._choice))

    def _reason(self) -> Reason:
        reason = reason_of(self.finish) if self.finish else "stop"
        if self._has_calls:
            return reason if reason in STRONGER_THAN_CALLS else "tool_calls"
        if self._has_refused and reason == "stop":
            return "refusal"
        return "stop" if reason == "tool_calls" else reason

    def _open(self, kind: str) -> None:
        """Make `kind` the kind of the open block."""
        if self._kind != kind:
            self._block += 1
            self._kind = kind

    # ---- one method per field of a delta

    def _thoughts_of(self, delta: Json) -> list[Thinking]:
        """The thoughts of a delta, said in whichever of four ways; signatures may come apart from the text."""
        found: list[Thinking] = []
        for name in ("reasoning_details", "thinking_blocks"):
            given = delta.get(name)
            if isinstance(given, list) and not found:
                found = [made for item in given if isinstance(item, dict) and (made := read_thought(item)) is not None]
        if any(thought.text for thought in found):
            return found
        for name in ("reasoning_content", "reasoning"):
            given = delta.get(name)
            if isinstance(given, str) and given:
                return [Thinking(given), *found]
        return found

    def _think(self, thoughts: list[Thinking], out: list[Event]) -> None:
        for thought in thoughts:
            if self._kind == "thinking" and not self._goes_on(thought):
                self._kind = ""
            if self._kind != "thinking":
                self._open("thinking")
                self._thought, self._detail = [], _mark(thought)
            text = "" if self._is_repeated(thought) else thought.text
            if text:
                self._thought.append(text)
                out.append(ThinkingDelta(self._block, text, choice=self._choice))
            if thought.signature is not None:
                self._sign(thought, out)

    def _goes_on(self, thought: Thinking) -> bool:
        """Whether a thought belongs to the open one."""
        if thought.redacted:  # the encrypted twin of a summary
            return thought.id is not None and self._detail is not None and self._detail[1] == thought.id
        mark = _mark(thought)
        return not thought.text or mark is None or self._detail in (None, mark)

    def _is_repeated(self, thought: Thinking) -> bool:
        """We say a signed thought once more whole, behind its deltas."""
        return thought.signature is not None and bool(self._thought) and "".join(self._thought) == thought.text

    def _sign(self, thought: Thinking, out: list[Event]) -> None:
        redacted = thought.redacted and not self._thought
        signature, issuer = thought.signature or "", thought.issuer
        out.append(ThinkingSignature(self._block, signature, issuer, redacted, thought.id, choice=self._choice))
        self._kind = ""

    def _content(self, content: Any, out: list[Event]) -> None:
        if isinstance(content, str):
            if self._tags is None:
                self._say("text", content, out)
            else:
                for kind, text in self._tags.feed(content):
                    self._say(kind, text, out)
        elif isinstance(content, list):
            for item in content:
                self._item(item, out)

    def _say(self, kind: str, text: str, out: list[Event]) -> None:
        if kind == "thinking":
            self._think([Thinking(text)], out)
            return
        self._open("text")
        out.append(TextDelta(self._block, text, choice=self._choice))
        if self._citations:
            citations, self._citations = self._citations, []
            out.extend(Cited(self._block, citation, choice=self._choice) for citation in citations)

    def _item(self, item: Any, out: list[Event]) -> None:
        """An element of content that is an array."""
        try:
            part = read_part(item, "content")
        except FormatError:
            return
        text = getattr(part, "text", None)
        if isinstance(part, Thinking):
            self._think([part], out)
        elif isinstance(part, Opaque):
            self._open("foreign")
            out.append(Foreign(self._block, part, choice=self._choice))
            self._kind = ""
        elif isinstance(part, Image):
            self._media(part, out)
        elif isinstance(text, str) and text:
            self._say("text", text, out)

    def _media(self, part: Image, out: list[Event]) -> None:
        self._kind = ""
        self._open("media")
        out.append(Media(self._block, part, choice=self._choice))

    def _cite(self, annotations: Any, out: list[Event]) -> None:
        for item in annotations if isinstance(annotations, list) else ():
            citation = _citation(item)
            if citation is None:
                continue
            if self._kind == "text":
                out.append(Cited(self._block, citation, choice=self._choice))
            elif self._block < 0 or self._kind == "thinking":
                self._citations.append(citation)

    def _refuse(self, refusal: Any, out: list[Event]) -> None:
        if isinstance(refusal, str):
            self._has_refused = True
            self._open("refusal")
            out.append(RefusalDelta(self._block, refusal, choice=self._choice))

    def _images(self, images: Any, out: list[Event]) -> None:
        for item in images if isinstance(images, list) else ():
            self._item(item, out)

    def _hear(self, audio: Any, _out: list[Event]) -> None:
        if isinstance(audio, dict):
            self._audio.append(audio)

    def _end_audio(self, out: list[Event]) -> None:
        """Sound is given whole: no other format has a word for its pieces."""
        audio: Json = {}
        for piece in self._audio:
            audio |= {name: value for name, value in piece.items() if value is not None}
        audio["data"] = _one_base64([str(piece["data"]) for piece in self._audio if piece.get("data")])
        audio["transcript"] = "".join(str(piece["transcript"]) for piece in self._audio if piece.get("transcript"))
        self._audio = []
        self._kind = ""
        self._open("foreign")
        part = Opaque("audio", audio["transcript"], is_said=True, original=Original(NAME, audio))
        out.append(Foreign(self._block, part, choice=self._choice))

    def _call(self, entries: Any, out: list[Event]) -> None:
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict):
                self._has_calls = True
                self._kind = ""
                self._block = self._calls.take(entry, self._block, out)

    def _call_function(self, call: Any, out: list[Event]) -> None:
        """The deprecated single call. It never has an id, so it is given an index of its own."""
        if isinstance(call, dict):
            self._call([{"index": "function_call", "function": call}], out)


def _mark(thought: Thinking) -> tuple[Any, Any] | None:
    """What tells one thought from the next in reasoning_details."""
    item = thought.original.value if thought.original is not None else None
    return (item.get("index"), thought.id) if isinstance(item, dict) and "index" in item else None


def _citation(item: Any) -> Citation | None:
    said = item.get("url_citation") if isinstance(item, dict) else None
    if not isinstance(said, dict) or not isinstance(said.get("url"), str):
        return None
    start, end = said.get("start_index"), said.get("end_index")
    title, quoted = said.get("title"), said.get("content")
    return Citation(
        url=said["url"],
        title=title if isinstance(title, str) else "",
        start=start if type(start) is int else None,
        end=end if type(end) is int else None,
        cited_text=quoted if isinstance(quoted, str) else "",
        original=Original(NAME, item),
    )


def _one_base64(pieces: list[str]) -> str:
    """Pieces of base64 as one; each may have been padded for itself."""
    if len(pieces) == 1 or not any(piece.endswith("=") for piece in pieces[:-1]):
        return "".join(pieces)
    try:
        return base64.b64encode(b"".join(base64.b64decode(piece) for piece in pieces)).decode()
    except ValueError:
        return "".join(pieces)


_PLAIN_THOUGHTS: Final = frozenset(("reasoning_content", "reasoning"))
_CALLING: Final = frozenset(("tool_calls", "function_call", "audio"))
# "" stands for the thoughts, which have four names
_ORDER: Final[tuple[tuple[str, _Take], ...]] = (
    ("", ChoiceReader._think),
    ("content", ChoiceReader._content),
    ("annotations", ChoiceReader._cite),
    ("refusal", ChoiceReader._refuse),
    ("images", ChoiceReader._images),
    ("audio", ChoiceReader._hear),
    ("function_call", ChoiceReader._call_function),
    ("tool_calls", ChoiceReader._call),
)
