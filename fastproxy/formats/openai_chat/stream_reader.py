"""A Chat Completions stream as events.

    chunk with choices …        Begin, deltas of choice_reader.py
    finish_reason               remembered: some upstreams send it early, some on every chunk
    usage, on any chunk         remembered: the last one counts
    [DONE], or the end          what was held, End per choice, UsageReport, DONE

Without [DONE] it is over if every choice has its finish_reason; otherwise it was cut, and no Done is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from fastproxy.formats import checked
from fastproxy.formats.events import DONE, Begin, UsageReport
from fastproxy.formats.openai_chat.choice_reader import ChoiceReader
from fastproxy.formats.openai_chat.failures import error_of, failed_finish, read_failure
from fastproxy.formats.openai_chat.words import FAILED
from fastproxy.formats.usage_fields import OpenAIUsage

if TYPE_CHECKING:
    from fastproxy.formats.events import Event, Failure
    from fastproxy.formats.usage_fields import Usage

Json = dict[str, Any]


class StreamReader:
    """`feed` each SSE event, then `end`. `think_tags`: split <think>…</think> off the content."""

    __slots__ = ("_begun", "_choices", "_is_over", "_think_tags", "_usage")

    def __init__(self, *, think_tags: bool = False) -> None:
        self._think_tags = think_tags
        self._choices: dict[int, ChoiceReader] = {}
        self._begun = self._is_over = False
        self._usage: Json | None = None

    def feed(self, event: str, data: bytes) -> list[Event]:
        """The events of one SSE event. Raises: FormatError, if it is not JSON."""
        out: list[Event] = []
        if self._is_over or not data:
            return out
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError:
            if data.strip() == b"[DONE]":
                self.finish(out, is_over=True)
                return out
            chunk = _mended(data)
        if type(chunk) is dict:
            self.take(chunk, out)
        return out

    def take(self, chunk: Json, out: list[Event]) -> None:
        """One chunk."""
        usage = chunk.get("usage") or ("x_groq" in chunk and _aside(chunk["x_groq"]))
        if usage:
            self._usage = usage
        choices = chunk.get("choices")
        if (not choices or "error" in chunk) and (error := error_of(chunk)):
            self._fail(read_failure(error), out)
            return
        if choices and type(choices) is list:
            if not self._begun:
                self._begun = True
                out.append(begin_of(chunk))
            for choice in choices:
                if type(choice) is dict:
                    self._choice(choice, out)

    def _choice(self, choice: Json, out: list[Event]) -> None:
        index = choice.get("index") or 0
        reader = self._choices.get(index)
        if reader is None:
            reader = self._choices[index] = ChoiceReader(index, think_tags=self._think_tags)
        delta = choice.get("delta")
        if type(delta) is dict:
            if delta:
                reader.take(delta, out)
        else:
            reader.take(_instead(choice), out)
        logprobs = choice.get("logprobs")
        if logprobs:
            reader.logprobs(logprobs, out)
        finish = choice.get("finish_reason")
        if finish and type(finish) is str:
            if finish in FAILED:
                self._fail(failed_finish(finish), out)
            reader.finish = finish

    def _fail(self, failure: Failure, out: list[Event]) -> None:
        self._is_over = True
        usage = read_usage(self._usage)
        if usage is not None:
            out.append(UsageReport(usage))
        out.append(failure)

    def end(self) -> list[Event]:
        """The upstream has closed the stream."""
        out: list[Event] = []
        if not self._is_over:
            finished = bool(self._choices) and all(choice.finish for choice in self._choices.values())
            self.finish(out, is_over=finished)
        return out

    def finish(self, out: list[Event], *, is_over: bool) -> None:
        """Nothing more comes; `is_over`: because the upstream has said all."""
        if self._is_over:
            return
        self._is_over = True
        for choice in self._choices.values():
            choice.close(out, is_over=is_over)
        usage = read_usage(self._usage)
        if usage is not None:
            out.append(UsageReport(usage))
        if is_over:
            out.append(DONE)


def begin_of(chunk: Json) -> Begin:
    said_id, model, tier = chunk.get("id"), chunk.get("model"), chunk.get("service_tier")
    created = chunk.get("created")
    return Begin(
        said_id if isinstance(said_id, str) else "",
        model if isinstance(model, str) else "",
        int(created) if isinstance(created, int | float) else None,
        None,
        tier if isinstance(tier, str) else None,
    )


def read_usage(usage: Any) -> Usage | None:
    """Numbers that make no sense are no numbers."""
    if not isinstance(usage, dict):
        return None
    try:
        return msgspec.convert(usage, OpenAIUsage, strict=False).read()
    except msgspec.ValidationError:
        return None


def _aside(given: Any) -> Any:
    """The counts in x_groq: Groq's older streams put them there."""
    return given.get("usage") if isinstance(given, dict) else None


def _instead(choice: Json) -> Json:
    """What some upstreams send in place of a delta: the whole message, or the text of the older completions."""
    message = choice.get("message")
    if isinstance(message, dict):
        return message
    text = choice.get("text")
    return {"content": text} if isinstance(text, str) else {}


def _mended(data: bytes) -> Any:
    """JSON with broken UTF-8 or halves of surrogate pairs. Raises: FormatError."""
    text = data.decode("utf-8", "replace").encode()
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return checked.repaired(text, error, "an event of the upstream")
