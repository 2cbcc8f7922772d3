"""Conversations with anthropic's messages: create, parse, and the stream helper with its own accumulator."""

from __future__ import annotations

import base64
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from tests.live.sdk_calls import anthropic_client
from tests.live.talk.said import Call, Counts, Said, media_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import anthropic

    from tests.live.talk.said import Wish

_ENDS: Final = {"end_turn": "stop", "tool_use": "calls", "max_tokens": "length", "refusal": "filter"}


class MessagesTalker:
    def __init__(self, client: anthropic.Anthropic, wish: Wish) -> None:
        self._client = client
        self._wish = wish
        self._messages: list[Any] = []

    def say(self, prompt: str, file: bytes | None = None) -> Said:
        content: Any = prompt
        if file is not None:
            kind = "document" if media_type(file) == "application/pdf" else "image"
            source = {"type": "base64", "media_type": media_type(file), "data": base64.b64encode(file).decode()}
            content = [{"type": kind, "source": source}, {"type": "text", "text": prompt}]
        self._messages.append({"role": "user", "content": content})
        return self._turn()

    def answer(self, results: Sequence[tuple[Call, str]]) -> Said:
        blocks = [{"type": "tool_result", "tool_use_id": call.id, "content": text} for call, text in results]
        self._messages.append({"role": "user", "content": blocks})
        return self._turn()

    def _turn(self) -> Said:
        reply = self._streamed() if self._wish.stream else self._whole()
        self._messages.append({"role": "assistant", "content": reply.content})
        return _said(reply)

    def _whole(self) -> Any:
        if self._wish.schema:
            return self._client.messages.parse(**self._asked(), output_format=self._wish.schema)
        return self._client.messages.create(**self._asked())

    def _streamed(self) -> Any:
        schema: Any = {"output_format": self._wish.schema} if self._wish.schema else {}
        with self._client.messages.stream(**self._asked(), **schema) as stream:
            names = [event.type for event in stream]
            assert names[-1] == "message_stop", f"the stream ended with {names[-1]}"
            return stream.get_final_message()

    def _asked(self) -> dict[str, Any]:
        wish = self._wish
        asked: dict[str, Any] = {"model": wish.model, "messages": self._messages, "max_tokens": 8000}
        if wish.system:
            asked["system"] = wish.system
        if wish.tools:
            asked["tools"] = [
                {"name": tool.name, "description": tool.description, "input_schema": tool.schema} for tool in wish.tools
            ]
        if wish.forced:
            asked["tool_choice"] = {"type": "tool", "name": wish.forced}
        if wish.thinks:
            asked["thinking"] = {"type": "enabled", "budget_tokens": 2048}
        return asked


def _said(reply: Any) -> Said:
    def of(kind: str) -> list[Any]:
        return [block for block in reply.content if block.type == kind]

    calls = [Call(block.id, block.name, block.input) for block in of("tool_use")]
    usage = reply.usage
    cached = usage.cache_read_input_tokens or 0
    counts = Counts(usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0), cached, usage.output_tokens)
    text = "".join(block.text for block in of("text"))
    thoughts = "".join(block.thinking for block in of("thinking"))
    return Said(text, thoughts, calls, _ENDS[reply.stop_reason], counts, getattr(reply, "parsed_output", None))


@contextmanager
def connect(base: str, key: str) -> Iterator[anthropic.Anthropic]:
    """A client; `base` ends in the version."""
    with anthropic_client(base.removesuffix("/v1"), key) as client:
        yield client
