"""Conversations with google-genai's chats, whose history is the SDK's own: each chunk of a stream is a content."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from google.genai import types

from tests.live.sdk_calls import gemini_client
from tests.live.talk.said import Call, Counts, Said, media_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from google import genai

    from tests.live.talk.said import Wish

_ENDS: Final = {types.FinishReason.STOP: "stop", types.FinishReason.MAX_TOKENS: "length",
                types.FinishReason.SAFETY: "filter", types.FinishReason.PROHIBITED_CONTENT: "filter"}  # fmt: skip


class GeminiTalker:
    def __init__(self, client: genai.Client, wish: Wish) -> None:
        self._wish = wish
        self._chat = client.chats.create(model=wish.model, config=_config(wish))

    def say(self, prompt: str, file: bytes | None = None) -> Said:
        parts: list[Any] = [prompt]
        if file is not None:
            parts.append(types.Part.from_bytes(data=file, mime_type=media_type(file)))
        return self._turn(parts)

    def answer(self, results: Sequence[tuple[Call, str]]) -> Said:
        return self._turn([
            types.Part(function_response=types.FunctionResponse(
                id=call.id or None, name=call.name, response={"output": text}
            ))
            for call, text in results
        ])  # fmt: skip

    def _turn(self, parts: list[Any]) -> Said:
        if not self._wish.stream:
            return _said([self._chat.send_message(parts)], self._wish)
        return _said([*self._chat.send_message_stream(parts)], self._wish)


def _config(wish: Wish) -> types.GenerateContentConfig:
    by_hand = types.AutomaticFunctionCallingConfig(disable=True)
    asked: dict[str, Any] = {"max_output_tokens": 8000, "automatic_function_calling": by_hand}
    if wish.system:
        asked["system_instruction"] = wish.system
    if wish.tools:
        functions = [
            types.FunctionDeclaration(name=tool.name, description=tool.description, parameters_json_schema=tool.schema)
            for tool in wish.tools
        ]
        asked["tools"] = [types.Tool(function_declarations=functions)]
    if wish.forced:
        calling = types.FunctionCallingConfig(
            mode=types.FunctionCallingConfigMode.ANY, allowed_function_names=[wish.forced]
        )
        asked["tool_config"] = types.ToolConfig(function_calling_config=calling)
    if wish.schema:
        asked |= {"response_mime_type": "application/json", "response_schema": wish.schema}
    if wish.thinks:
        amount: Any = {"thinking_level": types.ThinkingLevel.HIGH}
        if "2.5" in wish.model:  # the generation before has a budget
            amount = {"thinking_budget": 2048}
        asked["thinking_config"] = types.ThinkingConfig(include_thoughts=True, **amount)
    return types.GenerateContentConfig(**asked)


def _said(replies: list[types.GenerateContentResponse], wish: Wish) -> Said:
    candidates = [one for reply in replies for one in reply.candidates or ()]
    parts = [part for one in candidates if one.content for part in one.content.parts or ()]
    calls = [
        Call(part.function_call.id or "", part.function_call.name or "", part.function_call.args or {})
        for part in parts if part.function_call
    ]  # fmt: skip
    reason = candidates[-1].finish_reason
    assert reason is not None, "the stream ended without its finish reason"
    text = "".join(part.text for part in parts if part.text and not part.thought)
    thoughts = "".join(part.text for part in parts if part.text and part.thought)
    usage = replies[-1].usage_metadata
    counts = None if usage is None else Counts(usage.prompt_token_count or 0, usage.cached_content_token_count or 0,
                              (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0))  # fmt: skip
    parsed = wish.schema.model_validate_json(text) if wish.schema else None
    if wish.schema and not wish.stream:
        assert replies[0].parsed == parsed
    return Said(text, thoughts, calls, "calls" if calls else _ENDS[reason], counts, parsed)


@contextmanager
def connect(base: str, key: str) -> Iterator[genai.Client]:
    """A client; `base` ends in the version."""
    root, _, version = base.rpartition("/")
    with gemini_client(root, key, api_version=version) as client:
        yield client
