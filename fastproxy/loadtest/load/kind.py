"""A kind of request, made ready: how its bytes are made, how its reply is read, and whether it is right. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import msgspec

from fastproxy.formats.usage import json_reader
from fastproxy.loadtest.load.masking import masked_text
from fastproxy.loadtest.load.shapes import Format, Request
from fastproxy.loadtest.load.stream import StreamReader, shown

if TYPE_CHECKING:
    from collections import defaultdict

    from fastproxy.loadtest.load.shapes import Recorded
    from fastproxy.loadtest.load.template import Maker, Upgrade

_AI: Final = (Format.OPENAI_CHAT, Format.OPENAI_RESPONSES, Format.ANTHROPIC, Format.GEMINI)
_MISSING: Final = object()
Wrong = tuple[str, str]  # kind of error, text


class Kind:
    """One kind of request, and where its latencies are counted."""

    __slots__ = (
        "head_only", "keeps_body", "latencies", "maker", "plain", "read_usage", "request", "secrets", "streams",
        "talks", "upgrade",
    )  # fmt: skip

    def __init__(
        self, request: Request, maker: Maker, latencies: defaultdict[int, int], upgrade: Upgrade | None = None
    ) -> None:
        check = request.check
        self.request = request
        self.maker = maker
        self.latencies = latencies
        self.streams = request.stream
        self.talks = request.turns > 1
        self.head_only = request.method == "HEAD"
        self.upgrade = upgrade  # a WebSocket's
        self.secrets: tuple[str, ...] = ()  # credentials it sends, which a reply may echo
        counts_usage = request.format in _AI and not request.stream
        self.read_usage = json_reader(request.format.value) if counts_usage else None
        asks = bool(check.json or check.contains)
        self.keeps_body = not request.stream and (asks or counts_usage or self.talks)
        self.plain = not (request.stream or self.keeps_body or check.status or upgrade)

    def reader(self) -> StreamReader:
        check = self.request.check
        return StreamReader(
            self.request.format, keeps_text=self.talks or bool(check.contains), keeps_values=bool(check.json)
        )

    def tokens(self, body: bytes) -> int:
        usage = self.read_usage(body) if self.read_usage is not None else None
        return usage.output if usage is not None else 0

    def judge(self, status: int, body: bytes, reader: StreamReader | None) -> Wrong | None:
        """What is wrong with a reply that was framed well, without credentials; None when it is right."""
        wrong = self._judge(status, body, reader)
        return (wrong[0], masked_text(wrong[1], self.secrets)) if wrong is not None else None

    def _judge(self, status: int, body: bytes, reader: StreamReader | None) -> Wrong | None:
        check = self.request.check
        if status not in check.status if check.status else status >= 400:
            return "status", f"{status}: {shown(body)}"
        if self.upgrade is not None and status != 101:
            return "status", f"{status} instead of a WebSocket: {shown(body)}"
        if reader is not None:
            return self._judge_stream(reader)
        if check.contains and check.contains.encode() not in body:
            return "body", f"expected {check.contains!r} in {shown(body)}"
        if check.json:
            try:
                return _judge_json(check.json, [msgspec.json.decode(body)], body)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                return "body", f"not JSON ({error}): {shown(body)}"
        return None

    def _judge_stream(self, reader: StreamReader) -> Wrong | None:
        check = self.request.check
        if reader.error:
            return "error_event", reader.error
        if reader.fault:
            return "body", reader.fault
        if check.complete and not reader.ended:
            return "incomplete", f"the stream stopped after {reader.events} events without its end marker"
        if check.contains and check.contains not in "".join(reader.text):
            return "body", f"expected {check.contains!r} in {''.join(reader.text)[:100]}"
        return _judge_json(check.json, reader.values, b"its events") if check.json else None

    def said(self, body: bytes, reader: StreamReader | None) -> str:
        """What the assistant answered, for the next turn of a conversation."""
        if reader is not None:
            return "".join(reader.text)
        try:
            return _text_of(msgspec.json.decode(body))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ""


def _judge_json(expected: dict[str, Any], values: list[Any], body: bytes) -> Wrong | None:
    """Each path must hold in one of the values: a reply has one, a stream as many as it has events."""
    for path, wanted in expected.items():
        found = [_at(value, path) for value in values]
        if not any(item is not _MISSING and (wanted is None or item == wanted) for item in found):
            seen = next((item for item in found if item is not _MISSING), _MISSING)
            what = "nothing" if seen is _MISSING else json.dumps(seen)
            return "body", f"{path}: expected {json.dumps(wanted)}, got {what} in {shown(body)}"
    return None


def _at(value: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(value, dict):
            value = value.get(step, _MISSING)
        elif isinstance(value, list) and step.lstrip("-").isdigit() and -len(value) <= int(step) < len(value):
            value = value[int(step)]
        else:
            return _MISSING
    return value


_TEXTS: Final = (
    "choices.0.message.content",
    "content.0.text",
    "candidates.0.content.parts.0.text",
    "output.-1.content.0.text",
    "choices.0.text",
)


def _text_of(value: Any) -> str:
    found = (_at(value, path) for path in _TEXTS)
    return next((text for text in found if isinstance(text, str)), "")


def request_of(recorded: Recorded) -> Request:
    """What a recorded request is named and how its reply is read."""
    path = recorded.path.partition("?")[0]
    return Request(
        name=f"{recorded.method} {path}", method=recorded.method, format=recorded.format, stream=recorded.stream
    )
