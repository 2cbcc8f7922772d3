"""Events into the stream that a client of this format reads.

Every event has its `event:` line: without it the SDK skips them all. A block is opened by its first content and closed
by whatever comes next; message_delta is held until Done, when the counts are known. Only the first alternative is told.

    Begin → message_start     TextDelta …→ content_block_start, _delta…, _stop     Done → message_delta, message_stop
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from fastproxy.formats import exact
from fastproxy.formats.anthropic.counts import tier_of, write_counts
from fastproxy.formats.anthropic.read_blocks import CALL_MARK, TEXT_MARK
from fastproxy.formats.anthropic.reply import write_end
from fastproxy.formats.anthropic.reply_blocks import citation_block, made_id, other_block, outward
from fastproxy.formats.carrier import pack
from fastproxy.formats.events import (
    Begin,
    Cited,
    Done,
    End,
    Foreign,
    Media,
    RefusalDelta,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolBegin,
    ToolDelta,
    UsageReport,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.formats.events import Event, ReplyContext
    from fastproxy.formats.usage_fields import Usage

_dumps = orjson.dumps
_END: Final = b"}}\n\n"
_DELTA: Final = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":'
_STOP: Final = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'


def framed(name: str, body: dict[str, Any]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + exact.dumps({"type": name, **body}) + b"\n\n"


class StreamWriter:
    """One reply. After Done nothing more is written."""

    __slots__ = (
        "_block", "_context", "_end", "_has_begun", "_has_refusal", "_index", "_is_custom", "_is_done", "_kind",
        "_prefix", "_summary_part", "_text_signature", "_usage",
    )  # fmt: skip

    def __init__(self, context: ReplyContext) -> None:
        self._context = context
        self._has_begun = False
        self._is_done = False
        self._has_refusal = False
        self._end = End("other")
        self._usage: Usage | None = None
        self._index = -1  # of the client's block
        # the open block
        self._block = -1  # its number in the events
        self._kind = ""  # text, thinking, tool; "" when none is open
        self._prefix = b""
        self._is_custom = False
        self._summary_part = 0
        self._text_signature: str | None = None

    def write(self, event: Event) -> bytes:
        if self._is_done or getattr(event, "choice", 0) != 0:
            return b""
        if type(event) is TextDelta and self._block == event.block and self._kind == "text" and event.signature is None:
            return self._prefix + _dumps(event.text) + _END if event.text else b""
        take = _TAKES.get(type(event))
        return take(self, event) if take is not None else b""

    def _begin(self, event: Begin) -> bytes:
        if self._has_begun:
            return b""
        self._has_begun = True
        self._usage = event.usage
        usage = {**write_counts(event.usage), **tier_of(event.service_tier)}
        message: dict[str, Any] = {
            "id": "msg_" + self._context.id,
            "type": "message",
            "role": "assistant",
            "model": self._context.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }
        return framed("message_start", {"message": message})

    def _open(self, block: int, kind: str, content: dict[str, Any]) -> bytes:
        """Closes what is open and begins a block of the client's."""
        begun = b"" if self._has_begun else self._begin(Begin())
        closed = self._close()
        self._index += 1
        self._block, self._kind = block, kind
        self._prefix = _DELTA % self._index + _DELTAS.get(kind, b"")
        return begun + closed + framed("content_block_start", {"index": self._index, "content_block": content})

    def _close(self) -> bytes:
        kind, self._kind = self._kind, ""
        if not kind:
            return b""
        closed = _STOP % self._index
        if kind == "tool" and self._is_custom:
            self._is_custom = False
            closed = self._prefix + _dumps('"}') + _END + closed
        signature, self._text_signature = self._text_signature, None
        if signature is not None:
            closed += self._carrier(TEXT_MARK, signature)
        return closed

    def _is_open(self, block: int, kind: str) -> bool:
        return self._block == block and self._kind == kind

    def _text(self, event: TextDelta) -> bytes:
        written = self._plain(event.block, event.text)
        if event.signature is None:
            return written
        if self._is_open(event.block, "text"):
            self._text_signature = event.signature
            return written
        return written + self._start() + self._close() + self._carrier(TEXT_MARK, event.signature)

    def _start(self) -> bytes:
        return b"" if self._has_begun else self._begin(Begin())

    def _plain(self, block: int, text: str) -> bytes:
        if not text:
            return b""
        opened = b"" if self._is_open(block, "text") else self._open(block, "text", {"type": "text", "text": ""})
        return opened + self._prefix + _dumps(text) + _END

    def _refusal(self, event: RefusalDelta) -> bytes:
        self._has_refusal = True
        return self._plain(event.block, event.text)

    def _thinking(self, event: ThinkingDelta) -> bytes:
        if not event.text or not self._context.show_thinking:
            return b""
        is_open = self._is_open(event.block, "thinking")
        text = "\n\n" + event.text if is_open and event.part != self._summary_part else event.text
        self._summary_part = event.part
        opened = b"" if is_open else self._open_thought(event.block)
        return opened + self._prefix + _dumps(text) + _END

    def _open_thought(self, block: int) -> bytes:
        return self._open(block, "thinking", {"type": "thinking", "thinking": "", "signature": ""})

    def _signature(self, event: ThinkingSignature) -> bytes:
        signature = outward(event.issuer, event.id, event.signature)
        if event.redacted:
            return self._whole(event.block, {"type": "redacted_thinking", "data": signature})
        if not signature:
            return b""
        opened = b"" if self._is_open(event.block, "thinking") else self._open_thought(event.block)
        return opened + self._signed(signature)

    def _signed(self, signature: str) -> bytes:
        return _DELTA % self._index + b'{"type":"signature_delta","signature":' + _dumps(signature) + _END

    def _carrier(self, mark: str, signature: str) -> bytes:
        """A thinking block of its own for a signature that belongs to its neighbour."""
        opened = self._open_thought(self._block)
        return opened + self._signed(pack("gemini", mark, signature)) + self._close()

    def _tool(self, event: ToolBegin) -> bytes:
        carried = b""
        if event.signature is not None:
            carried = self._start() + self._close() + self._carrier(CALL_MARK, event.signature)
        call_id = event.id or made_id(self._context, event.block)
        block = {"type": "tool_use", "id": call_id, "name": event.name, "input": {}}
        opened = self._open(event.block, "tool", block)
        self._is_custom = event.custom
        return carried + opened + (self._prefix + _dumps('{"input":"') + _END if event.custom else b"")

    def _arguments(self, event: ToolDelta) -> bytes:
        if not event.arguments or not self._is_open(event.block, "tool"):
            return b""
        if self._is_custom:
            return self._prefix + _dumps(_dumps(event.arguments)[1:-1].decode()) + _END
        return self._prefix + _dumps(event.arguments) + _END

    def _cited(self, event: Cited) -> bytes:
        opened = b""
        if not self._is_open(event.block, "text"):
            if event.block <= self._block:
                return b""  # its text is over
            opened = self._open(event.block, "text", {"type": "text", "text": ""})
        delta = {"type": "citations_delta", "citation": citation_block(event.citation)}
        return opened + framed("content_block_delta", {"index": self._index, "delta": delta})

    def _other(self, event: Media | Foreign) -> bytes:
        block = other_block(event.part)
        if block is None:
            return b""
        if block.get("type") == "text":
            return self._plain(event.block, block["text"])
        return self._whole(event.block, block)

    def _whole(self, block: int, content: dict[str, Any]) -> bytes:
        """A block that has no deltas; the input of a call that a server runs is one."""
        given = content.get("input")
        if not isinstance(given, dict):
            return self._open(block, "whole", content) + self._close()
        opened = self._open(block, "tool", {**content, "input": {}})
        return opened + self._prefix + _dumps(exact.dumps(given).decode()) + _END + self._close()

    def _held(self, event: End) -> bytes:
        self._end = event
        return self._start() + self._close()

    def _count(self, event: UsageReport) -> bytes:
        self._usage = event.usage
        return b""

    def _done(self, event: Done) -> bytes:
        begun = self._start() + self._close()
        self._is_done = True
        delta = write_end(self._end, has_refusal=self._has_refusal)
        told = framed("message_delta", {"delta": delta, "usage": write_counts(self._usage)})
        return begun + told + b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


_DELTAS: Final = {
    "text": b'{"type":"text_delta","text":',
    "thinking": b'{"type":"thinking_delta","thinking":',
    "tool": b'{"type":"input_json_delta","partial_json":',
}
_TAKES: Final[dict[type[Event], Callable[[StreamWriter, Any], bytes]]] = {
    Begin: StreamWriter._begin,
    TextDelta: StreamWriter._text,
    ThinkingDelta: StreamWriter._thinking,
    ThinkingSignature: StreamWriter._signature,
    ToolBegin: StreamWriter._tool,
    ToolDelta: StreamWriter._arguments,
    RefusalDelta: StreamWriter._refusal,
    Cited: StreamWriter._cited,
    Media: StreamWriter._other,
    Foreign: StreamWriter._other,
    End: StreamWriter._held,
    UsageReport: StreamWriter._count,
    Done: StreamWriter._done,
}
