"""Gemini's replies → events: a whole reply is a stream of one chunk.

candidates[]                    see candidate.py; why one ended is told at the end of the stream
usageMetadata                   cumulative, in every chunk: the last one counts
promptFeedback.blockReason      no candidates: the prompt was refused
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson

from fastproxy.formats import checked, exact
from fastproxy.formats.events import DONE, Begin, End, Event, Failure, UsageReport
from fastproxy.formats.gemini.candidate import UNREADABLE, Candidate
from fastproxy.formats.gemini.words import NAME
from fastproxy.formats.read_error import read_error
from fastproxy.formats.usage_fields import GeminiUsage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastproxy.formats.usage_fields import Usage


class StreamReader:
    """One stream. `feed` never raises: what cannot be read is a Failure."""

    __slots__ = ("_begun", "_blocked", "_candidates", "_failed", "_id", "_is_whole", "_usage")

    def __init__(self, *, is_whole: bool = False) -> None:
        """`is_whole`: the one chunk is the reply, which tells its counts at the end."""
        self._is_whole = is_whole
        self._begun = False
        self._failed = False
        self._id = ""
        self._usage: dict[str, Any] | None = None
        self._blocked: End | None = None
        self._candidates: dict[int, Candidate] = {}

    def feed(self, event: str, data: bytes) -> list[Event]:
        if self._failed:
            return []
        try:
            return self.take(exact.loads(data))
        except orjson.JSONDecodeError as error:
            return self._mended(data, error) if data != b"[DONE]" else []
        except UNREADABLE:
            return self._fail(Failure(502, "upstream_failed", "the upstream sent an event that cannot be read"))

    def _mended(self, data: bytes, error: orjson.JSONDecodeError) -> list[Event]:
        """Half a surrogate pair becomes a question mark."""
        try:
            return self.take(checked.repaired(data, error))
        except UNREADABLE:
            return self._fail(Failure(502, "upstream_failed", "the upstream sent an event that cannot be read"))

    def take(self, chunk: Any) -> list[Event]:
        """One chunk, as it was parsed. An array holds several."""
        if type(chunk) is list:
            return [event for each in chunk for event in self.take(each)]
        if "error" in chunk and chunk["error"] is not None:
            return self._fail(read_failure(chunk["error"]))
        events: list[Event] = []
        if not self._begun:
            self._begun = True
            self._id = chunk.get("responseId") or ""
            self._usage = chunk.get("usageMetadata")
            # what the prompt cost is known from the first chunk on
            usage = None if self._is_whole else read_usage(self._usage)
            events.append(Begin(self._id, chunk.get("modelVersion") or "", usage=usage))
        else:
            self._usage = chunk.get("usageMetadata") or self._usage
        for said in chunk.get("candidates") or ():
            index = said.get("index") or 0
            candidate = self._candidates.get(index)
            if candidate is None:
                candidate = self._candidates[index] = Candidate(index, self._id)
            candidate.take(said, events)
        if "promptFeedback" in chunk:
            self._block(chunk["promptFeedback"])
        return events

    def _block(self, feedback: Any) -> None:
        if feedback is not None and feedback.get("blockReason"):
            told = feedback.get("blockReasonMessage") or f"the prompt was blocked: {feedback['blockReason']}"
            self._blocked = End("content_filter", explanation=told)

    def _fail(self, failure: Failure) -> list[Event]:
        self._failed = True
        return [failure]

    def end(self) -> list[Event]:
        return self.finish(self._blocked)

    def _is_nothing(self, ends: Sequence[End | None]) -> bool:
        """Whether there is nothing but calls that Google itself could not read."""
        is_bad = bool(ends) and all(end is not None and end.reason == "bad_tool_call" for end in ends)
        return is_bad and all(candidate.is_silent for candidate in self._candidates.values())

    def finish(self, unsaid: End | None) -> list[Event]:
        """`unsaid` ends a choice of which the upstream did not say why it ended; without it such a reply was cut."""
        if self._failed:
            return []
        events: list[Event] = []
        ends = [candidate.close(events, self._blocked or unsaid) for candidate in self._candidates.values()]
        if not self._candidates and (end := self._blocked or unsaid) is not None:
            ends.append(end)
            events.append(end)
        if (usage := read_usage(self._usage)) is not None:
            events.append(UsageReport(usage))
        if self._is_nothing(ends):
            return [event for event in events if isinstance(event, UsageReport)] + self._fail(_NO_CALL)
        if ends and None not in ends:
            events.append(DONE)
        return events


_NO_CALL: Final = Failure(502, "upstream_failed", "the upstream's model called a tool in a way that cannot be read")


def read_usage(said: Any) -> Usage | None:
    if not isinstance(said, dict):
        return None
    try:
        return msgspec.convert(said, GeminiUsage, strict=False).read()
    except msgspec.ValidationError:
        return None


def read_failure(error: Any) -> Failure:
    """An error object inside a reply of status 200, with the wait that its details ask for."""
    said = read_error(NAME, 200, {}, exact.dumps({"error": error}), now=0.0)
    return Failure(said.status, said.kind, said.message, said.retry_after)
