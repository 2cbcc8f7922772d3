"""Replies as events: a whole one is a stream of a single line.

    {"message": {"content": "Hi"}, "done": false}                          Begin, TextDelta
    {"message": {"thinking": "Hm"}, …}                                     ThinkingDelta
    {"message": {"tool_calls": [{"id", "function": {name, arguments}}]}}   ToolBegin, ToolDelta: always whole
    {"logprobs": [{token, logprob, bytes, top_logprobs}], …}               Logprobs
    {"done": true, "done_reason": "stop", "eval_count": 9, …}              End, UsageReport, Done
    {"error": "model not found"}                                           Failure

A stream that ends without `done` was cut. Servers before 0.12 give calls no ids; whoever reads on makes some up.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from fastproxy.errors import FormatError
from fastproxy.formats import checked, exact
from fastproxy.formats.events import (
    DONE,
    Begin,
    End,
    Logprobs,
    TextDelta,
    ThinkingDelta,
    ToolBegin,
    ToolDelta,
    UsageReport,
)
from fastproxy.formats.ollama.words import NAME, REASON_OF
from fastproxy.formats.read_error import read_failure
from fastproxy.formats.usage_fields import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastproxy.formats.events import Event, Reason


def read_reply(body: dict[str, Any]) -> list[Event]:
    """Begin … End, UsageReport, Done; or Failure alone. Raises: FormatError when it is neither."""
    if "error" not in body and not isinstance(body.get("message"), dict):
        raise FormatError("field 'message' of the upstream's reply is no message")
    reader = StreamReader()
    events: list[Event] = []
    reader.take({"done": True, **body}, events)
    return events


class StreamReader:
    """`feed` each line, then `end`."""

    __slots__ = ("_begun", "_block", "_calls", "_is_over", "_kind")

    def __init__(self) -> None:
        self._begun = self._is_over = False
        self._block = -1  # the one that is open
        self._kind = ""  # the field that it comes from
        self._calls = False

    def feed(self, event: str, data: bytes) -> list[Event]:
        """The events of one line. Raises: FormatError, if it is no JSON object."""
        if self._is_over:
            return []
        try:
            told = exact.loads(data)
        except orjson.JSONDecodeError as error:
            told = checked.repaired(data, error, "a line of the upstream's")
        if not isinstance(told, dict):
            raise FormatError("a line of the upstream's is not an object")
        out: list[Event] = []
        self.take(told, out)
        return out

    def end(self) -> list[Event]:
        """The upstream has closed the stream; whether it was whole, its last line has said."""
        self._is_over = True
        return []

    def take(self, told: Mapping[str, Any], out: list[Event]) -> None:
        """One line, parsed."""
        if told.get("error"):
            self._is_over = True
            out.append(read_failure(NAME, {"error": told["error"]}))
            return
        if not self._begun:
            self._begun = True
            out.append(Begin("", _text(told.get("model")), _seconds(told.get("created_at"))))
        message = told.get("message")
        if isinstance(message, dict):
            self._message(message, out)
        if logprobs := told.get("logprobs"):
            out.append(Logprobs(tuple(item for item in logprobs if isinstance(item, dict))))
        if told.get("done") is True:
            self._finish(told, out)

    def _message(self, message: Mapping[str, Any], out: list[Event]) -> None:
        if text := _text(message.get("thinking")):
            out.append(ThinkingDelta(self._open("thinking"), text))
        if text := _text(message.get("content")):
            out.append(TextDelta(self._open("content"), text))
        for call in message.get("tool_calls") or ():
            if isinstance(call, dict):
                self._call(call, out)

    def _open(self, kind: str) -> int:
        """The block that a piece of this kind belongs to; each call is one of its own."""
        if kind != self._kind or kind == "call":
            self._kind = kind
            self._block += 1
        return self._block

    def _call(self, call: Mapping[str, Any], out: list[Event]) -> None:
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        self._calls = True
        block = self._open("call")
        out.append(ToolBegin(block, _text(call.get("id")), _text(function.get("name"))))
        out.append(ToolDelta(block, _arguments(function.get("arguments"))))

    def _finish(self, told: Mapping[str, Any], out: list[Event]) -> None:
        self._is_over = True
        reason: Reason = REASON_OF.get(_text(told.get("done_reason")), "other")
        out.append(End("tool_calls" if self._calls and reason != "length" else reason))
        usage = _usage(told)
        if usage is not None:
            out.append(UsageReport(usage))
        out.append(DONE)


def _arguments(given: Any) -> str:
    """The JSON text of what is an object here. Raises: FormatError."""
    if isinstance(given, str):
        return given
    try:
        return exact.dumps(given if given is not None else {}).decode()
    except TypeError:
        raise FormatError("the arguments of a tool call are nested too deeply") from None


def _usage(told: Mapping[str, Any]) -> Usage | None:
    """None when nothing was counted. A prompt that lay wholly in the server's cache has no prompt_eval_count."""
    prompt, output = _count(told.get("prompt_eval_count")), _count(told.get("eval_count"))
    return None if prompt is None and output is None else Usage(input=prompt or 0, output=output or 0)


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= 1 << 40 else None


def _seconds(moment: Any) -> int | None:
    try:
        return int(datetime.fromisoformat(moment).timestamp())
    except (TypeError, ValueError, OverflowError):
        return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
