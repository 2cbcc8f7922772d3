"""Anthropic's stream into events, one SSE event at a time.

    message_start → (content_block_start → content_block_delta* → content_block_stop)* → message_delta → message_stop

Blocks are numbered as they come, whatever index they bear. A block that only this format has is put together and
given whole. Counts of message_start and message_delta are merged by field. Only message_stop says that it is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from fastproxy.errors import FormatError
from fastproxy.formats import checked, exact
from fastproxy.formats.anthropic.counts import read_counts
from fastproxy.formats.anthropic.read_blocks import opaque, read_citation
from fastproxy.formats.anthropic.reply import (
    block_events,
    is_client_call,
    read_begin,
    read_end,
    redacted_event,
    signature_event,
)
from fastproxy.formats.anthropic.words import NAME
from fastproxy.formats.events import (
    DONE,
    Begin,
    Cited,
    Event,
    Failure,
    Foreign,
    TextDelta,
    ThinkingDelta,
    ToolBegin,
    ToolDelta,
    UsageReport,
)
from fastproxy.formats.read_error import read_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.formats.usage_fields import AnthropicUsage

Said = dict[str, Any]


class StreamReader:
    """`unwrap_tool`: the tool whose input is the reply (tools.json_tool): its calls become text."""

    __slots__ = (
        "_block", "_cited", "_counts", "_has_arguments", "_has_calls", "_has_ended", "_is_done", "_kind", "_pieces",
        "_start", "_unwrap",
    )  # fmt: skip

    def __init__(self, unwrap_tool: str = "") -> None:
        self._unwrap = unwrap_tool
        self._counts: AnthropicUsage | None = None
        self._has_calls = False
        self._has_ended = False
        self._is_done = False
        # the open block
        self._block = -1
        self._kind = ""  # text, thinking, tool, unwrapped, foreign; "" between blocks
        self._start: Said = {}
        self._pieces: list[str] = []
        self._has_arguments = False
        self._cited: list[Event] = []  # they may come before the text that they are for

    def feed(self, event: str, data: bytes) -> list[Event]:
        try:
            said = exact.loads(data)
        except orjson.JSONDecodeError as error:
            if self._is_done or data.strip() in (b"", b"[DONE]"):
                return []
            try:
                said = checked.repaired(data, error)
            except FormatError:
                return [Failure(502, "upstream_failed", "the upstream sent an event that is not valid JSON")]
        if not isinstance(said, dict) or self._is_done:
            return []
        kind = said.get("type")
        take = _TAKES.get(kind if isinstance(kind, str) else event)
        return take(self, said) if take is not None else []

    def end(self) -> list[Event]:
        """What an upstream has not said with message_stop is not guessed."""
        return []

    def _message_start(self, said: Said) -> list[Event]:
        message = said.get("message")
        if not isinstance(message, dict):
            return []
        begin = read_begin(message)
        self._counts = read_counts(message.get("usage"))
        usage = self._counts.read() if self._counts is not None else None
        return [Begin(begin.id, begin.model, None, usage, begin.service_tier)]

    def _block_start(self, said: Said) -> list[Event]:
        value = said.get("content_block")
        if not isinstance(value, dict):
            return []
        events = self._close()
        self._block += 1
        self._start = value
        kind = value.get("type")
        if kind in ("text", "thinking"):
            self._kind = kind
            return events + list(block_events(value, self._block, ""))
        if kind == "redacted_thinking":
            data = value.get("data")
            return [*events, redacted_event(self._block, data if isinstance(data, str) else "")]
        if not is_client_call(value):
            self._kind = "foreign"
            return events
        name = value.get("name")
        if self._unwrap and name == self._unwrap:
            self._kind = "unwrapped"
            return events
        self._kind = "tool"
        self._has_calls = True
        call_id = value.get("id")
        begun = ToolBegin(
            self._block, call_id if isinstance(call_id, str) else "", name if isinstance(name, str) else ""
        )
        return [*events, begun]

    def _block_delta(self, said: Said) -> list[Event]:
        delta = said.get("delta")
        if not isinstance(delta, dict):
            return []
        kind = delta.get("type")
        if kind == "text_delta" and self._kind == "text":
            text = delta.get("text")
            return [TextDelta(self._block, text)] if text and isinstance(text, str) else []
        if kind == "input_json_delta" and self._kind == "tool":
            piece = delta.get("partial_json")
            if not piece or not isinstance(piece, str):
                return []
            self._has_arguments = True
            return [ToolDelta(self._block, piece)]
        if kind == "thinking_delta" and self._kind == "thinking":
            text = delta.get("thinking")
            return [ThinkingDelta(self._block, text)] if text and isinstance(text, str) else []
        return self._rare_delta(str(kind), delta)

    def _rare_delta(self, kind: str, delta: Said) -> list[Event]:
        if self._kind == "foreign":
            self._grow(delta)
        elif kind == "signature_delta" and self._kind == "thinking":
            signature = delta.get("signature")
            return [signature_event(self._block, signature)] if signature and isinstance(signature, str) else []
        elif kind == "citations_delta" and self._kind == "text":
            citation = delta.get("citation")
            self._cited += [Cited(self._block, read_citation(citation))] if isinstance(citation, dict) else []
        elif kind == "input_json_delta" and self._kind == "unwrapped":
            piece = str(delta.get("partial_json") or "")
            self._has_arguments = self._has_arguments or bool(piece)
            return [TextDelta(self._block, piece)] if piece else []
        elif kind in _KINDS_OF_DELTAS and self._kind != _KINDS_OF_DELTAS[kind]:
            return self._unannounced(_KINDS_OF_DELTAS[kind], {"delta": delta})
        return []

    def _unannounced(self, kind: str, said: Said) -> list[Event]:
        """Some imitations leave out content_block_start."""
        events = self._block_start({"content_block": {"type": kind}})
        return events + self._block_delta(said)

    def _grow(self, delta: Said) -> None:
        """A block of this format's own: JSON is gathered, texts are joined, all else is set."""
        if delta.get("type") == "input_json_delta":
            self._pieces.append(str(delta.get("partial_json") or ""))
            return
        grown = dict(self._start)
        for name, value in delta.items():
            if name != "type":
                before = grown.get(name)
                both = isinstance(before, str) and isinstance(value, str)
                grown[name] = f"{before}{value}" if both else value
        self._start = grown

    def _block_stop(self, said: Said) -> list[Event]:
        return self._close()

    def _close(self) -> list[Event]:
        """Ends the open block: arguments that came all at once or not at all are told, foreign blocks are whole."""
        kind, start = self._kind, self._start
        events: list[Event] = []
        if kind in ("tool", "unwrapped") and not self._has_arguments:
            given = exact.dumps(start.get("input") or {}).decode()
            events.append(ToolDelta(self._block, given) if kind == "tool" else TextDelta(self._block, given))
        elif kind == "foreign":
            events.append(Foreign(self._block, opaque(self._whole())))
        if self._cited:
            events += self._cited
            self._cited = []
        self._kind, self._start, self._pieces, self._has_arguments = "", {}, [], False
        return events

    def _whole(self) -> Said:
        text = "".join(self._pieces)
        if not text:
            return self._start
        try:
            return {**self._start, "input": exact.loads(text)}
        except orjson.JSONDecodeError:
            return self._start

    def _message_delta(self, said: Said) -> list[Event]:
        events = self._close()
        delta = said.get("delta")
        if isinstance(delta, dict) and delta.get("stop_reason") is not None and not self._has_ended:
            self._has_ended = True
            events.append(read_end(delta, has_calls=self._has_calls, unwrap_tool=self._unwrap))
        if isinstance(said.get("usage"), dict):
            self._counts = read_counts(said["usage"], self._counts)
            usage = self._counts.read() if self._counts is not None else None
            events += [UsageReport(usage)] if usage is not None else []
        return events

    def _message_stop(self, said: Said) -> list[Event]:
        events = self._close()
        if not self._has_ended:
            events.append(read_end({}, has_calls=self._has_calls))
        self._is_done = True
        return [*events, DONE]

    def _error(self, said: Said) -> list[Event]:
        self._is_done = True
        return [read_failure(NAME, said)]


_KINDS_OF_DELTAS: Final = {"text_delta": "text", "thinking_delta": "thinking"}
_TAKES: Final[dict[str, Callable[[StreamReader, Said], list[Event]]]] = {
    "content_block_delta": StreamReader._block_delta,
    "content_block_start": StreamReader._block_start,
    "content_block_stop": StreamReader._block_stop,
    "message_start": StreamReader._message_start,
    "message_delta": StreamReader._message_delta,
    "message_stop": StreamReader._message_stop,
    "error": StreamReader._error,
}
