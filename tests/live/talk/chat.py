"""Conversations with openai's chat completions: create, parse, and the stream helper with its own accumulator."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import openai

from tests.live.talk.said import Call, Counts, Said, data_url, media_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.live.talk.said import Wish

_ENDS: Final = {"stop": "stop", "tool_calls": "calls", "length": "length", "content_filter": "filter"}


class ChatTalker:
    def __init__(self, client: openai.OpenAI, wish: Wish) -> None:
        self._client = client
        self._wish = wish
        self._messages: list[Any] = [{"role": "system", "content": wish.system}] if wish.system else []

    def say(self, prompt: str, file: bytes | None = None) -> Said:
        content: Any = prompt
        if file is not None:
            part: Any = {"type": "image_url", "image_url": {"url": data_url(file)}}
            if media_type(file) == "application/pdf":
                part = {"type": "file", "file": {"filename": "paper.pdf", "file_data": data_url(file)}}
            content = [{"type": "text", "text": prompt}, part]
        self._messages.append({"role": "user", "content": content})
        return self._turn()

    def answer(self, results: Sequence[tuple[Call, str]]) -> Said:
        self._messages += [{"role": "tool", "tool_call_id": call.id, "content": text} for call, text in results]
        return self._turn()

    def _turn(self) -> Said:
        try:
            reply = self._streamed() if self._wish.stream else self._whole()
        except openai.LengthFinishReasonError as error:
            reply = error.completion
        except openai.ContentFilterFinishReasonError:
            return Said("", ends="filter")
        choice = reply.choices[0]
        message = _without_parsed(choice.message)
        if self._wish.forgets:
            message = _known(message)
        self._messages.append(message)
        return _said(reply, choice)

    def _whole(self) -> Any:
        if self._wish.schema:
            return self._client.chat.completions.parse(**self._asked(), response_format=self._wish.schema)
        return self._client.chat.completions.create(**self._asked())

    def _streamed(self) -> Any:
        schema: Any = {"response_format": self._wish.schema} if self._wish.schema else {}
        options: Any = {"include_usage": True}
        with self._client.chat.completions.stream(**self._asked(), **schema, stream_options=options) as stream:
            for _ in stream:
                pass
            return stream.get_final_completion()

    def _asked(self) -> dict[str, Any]:
        wish = self._wish
        asked: dict[str, Any] = {"model": wish.model, "messages": self._messages, "max_completion_tokens": 8000}
        if wish.tools:
            asked["tools"] = [
                {"type": "function", "function": {"name": tool.name, "description": tool.description,
                                                  "parameters": tool.schema, "strict": True}}
                for tool in wish.tools
            ]  # fmt: skip
        if wish.forced:
            asked["tool_choice"] = {"type": "function", "function": {"name": wish.forced}}
        if wish.thinks:
            asked["reasoning_effort"] = "medium"
        return asked


def _without_parsed(message: Any) -> Any:
    """What the stream helper adds to a message is not for sending."""
    plain = message.model_dump(exclude_none=True, exclude={"parsed"})
    for call in plain.get("tool_calls", ()):
        call["function"].pop("parsed_arguments", None)
        call.pop("index", None)
    return plain


def _known(message: dict[str, Any]) -> dict[str, Any]:
    kept = _only(message, ("role", "content", "tool_calls"))
    if "tool_calls" in kept:
        kept["tool_calls"] = [
            {"id": call["id"], "type": "function", "function": _only(call["function"], ("name", "arguments"))}
            for call in kept["tool_calls"]
        ]
    return kept


def _only(fields: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: fields[name] for name in names if name in fields}


def _said(reply: Any, choice: Any) -> Said:
    usage, message = reply.usage, choice.message
    calls = [Call(one.id, one.function.name, json.loads(one.function.arguments)) for one in message.tool_calls or ()]
    details = usage and usage.prompt_tokens_details
    counts = (
        Counts(usage.prompt_tokens, (details and details.cached_tokens) or 0, usage.completion_tokens)
        if usage
        else None
    )
    thoughts = getattr(message, "reasoning_content", None) or ""
    return Said(
        message.content or "", thoughts, calls, _ENDS[choice.finish_reason], counts, getattr(message, "parsed", None)
    )
