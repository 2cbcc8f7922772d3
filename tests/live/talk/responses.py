"""Conversations with openai's Responses: stateless, create, parse, and the stream helper with its own accumulator."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import openai

from tests.live.talk.said import Call, Counts, Said, data_url, media_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.live.talk.said import Wish

_INCOMPLETE: Final = {"max_output_tokens": "length", "content_filter": "filter"}


class ResponsesTalker:
    def __init__(self, client: openai.OpenAI, wish: Wish) -> None:
        self._client = client
        self._wish = wish
        self._input: list[Any] = []

    def say(self, prompt: str, file: bytes | None = None) -> Said:
        content: Any = prompt
        if file is not None:
            part = {"type": "input_image", "image_url": data_url(file), "detail": "auto"}
            if media_type(file) == "application/pdf":
                part = {"type": "input_file", "filename": "paper.pdf", "file_data": data_url(file)}
            content = [{"type": "input_text", "text": prompt}, part]
        self._input.append({"role": "user", "content": content})
        return self._turn()

    def answer(self, results: Sequence[tuple[Call, str]]) -> Said:
        self._input += [{"type": "function_call_output", "call_id": call.id, "output": text} for call, text in results]
        return self._turn()

    def _turn(self) -> Said:
        reply = self._streamed() if self._wish.stream else self._whole()
        self._input += reply.output
        return _said(reply)

    def _whole(self) -> Any:
        if self._wish.schema:
            return self._client.responses.parse(**self._asked(), text_format=self._wish.schema)
        return self._client.responses.create(**self._asked())

    def _streamed(self) -> Any:
        schema: Any = {"text_format": self._wish.schema} if self._wish.schema else {}
        final, numbers = None, []
        with self._client.responses.stream(**self._asked(), **schema) as stream:
            for event in stream:
                numbers.append(event.sequence_number)
                if event.type == "response.failed":
                    told = event.response.error
                    raise openai.APIError(
                        told.message if told else "failed", stream._raw_stream.response.request, body=None
                    )
                if event.type in ("response.completed", "response.incomplete"):
                    final = event.response
        assert final is not None, "the stream ended without its last event"
        assert sorted(set(numbers)) == [*range(len(set(numbers)))], f"numbers are missing: {numbers[-5:]}"
        return final

    def _asked(self) -> dict[str, Any]:
        wish = self._wish
        asked: dict[str, Any] = {"model": wish.model, "input": self._input, "store": False, "max_output_tokens": 8000}
        if wish.system:
            asked["instructions"] = wish.system
        if wish.tools:
            asked["tools"] = [
                {"type": "function", "name": tool.name, "description": tool.description, "parameters": tool.schema,
                 "strict": True}
                for tool in wish.tools
            ]  # fmt: skip
        if wish.forced:
            asked["tool_choice"] = {"type": "function", "name": wish.forced}
        if wish.thinks:
            asked |= {"reasoning": {"effort": "medium", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}
        return asked


def _said(reply: Any) -> Said:
    calls = [
        Call(one.call_id, one.name, json.loads(one.arguments)) for one in reply.output if one.type == "function_call"
    ]
    thoughts = "".join(part.text for one in reply.output if one.type == "reasoning" for part in one.summary)
    ends = (
        _INCOMPLETE[reply.incomplete_details.reason] if reply.status == "incomplete" else "calls" if calls else "stop"
    )
    usage = reply.usage
    counts = (
        Counts(usage.input_tokens, usage.input_tokens_details.cached_tokens, usage.output_tokens) if usage else None
    )
    return Said(reply.output_text, thoughts, calls, ends, counts, getattr(reply, "output_parsed", None))
