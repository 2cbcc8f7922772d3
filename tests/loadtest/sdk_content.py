"""What the official SDKs read out of rich replies: text, thinking, tool calls, images; plain and streamed.

Every function takes (base_url, key, stream, headers) and gives a Said, so that one table serves all formats.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from google.genai import types

from tests.live.sdk_calls import anthropic_client, gemini_client, openai_client

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"enum": ["C", "F"]}},
    "required": ["city", "days", "unit"],
}
ARGUMENTS = {"city": "mock", "days": 1, "unit": "C"}
TOOL = {"name": "get_weather", "description": "The weather."}


@dataclass
class Said:
    text: str = ""
    thinking: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    images: list[bytes] = field(default_factory=list)
    finish: str = ""
    usage: dict[str, Any] = field(default_factory=dict)


def chat(url: str, key: str, stream: bool, headers: Mapping[str, str]) -> Said:
    tools: Any = [{"type": "function", "function": {**TOOL, "parameters": SCHEMA}}]
    asked: Any = {"model": "gpt-5", "messages": [{"role": "user", "content": "Rome?"}], "tools": tools}
    said = Said()
    with openai_client(url, key, headers) as client:
        if not stream:
            reply = client.chat.completions.create(**asked)
            message = reply.choices[0].message
            said.text, said.finish = message.content or "", reply.choices[0].finish_reason
            said.thinking = getattr(message, "reasoning_content", "")
            functions: list[Any] = [call.function for call in message.tool_calls or () if call.type == "function"]
            said.calls = [(function.name, json.loads(function.arguments)) for function in functions]
            return said
        parts: dict[int, list[str]] = {}
        for chunk in client.chat.completions.create(**asked, stream=True):
            delta = chunk.choices[0].delta
            said.text += delta.content or ""
            said.thinking += getattr(delta, "reasoning_content", "")
            said.finish = chunk.choices[0].finish_reason or said.finish
            for call in delta.tool_calls or ():
                assert call.function
                part = parts.setdefault(call.index, [call.function.name or "", ""])
                part[1] += call.function.arguments or ""
        said.calls = [(name, json.loads(text)) for name, text in parts.values()]
        return said


def responses(url: str, key: str, stream: bool, headers: Mapping[str, str]) -> Said:
    tools: Any = [{"type": "function", **TOOL, "parameters": SCHEMA, "strict": False}]
    asked: Any = {"model": "gpt-5", "input": "Rome?", "tools": tools}
    text, fragments, thought = "", "", ""
    with openai_client(url, key, headers) as client:
        if stream:
            with client.responses.stream(**asked) as events:
                for event in events:
                    text += event.delta if event.type == "response.output_text.delta" else ""
                    fragments += event.delta if event.type == "response.function_call_arguments.delta" else ""
                    thought += event.delta if event.type == "response.reasoning_summary_text.delta" else ""
                    last: Any = event
            assert last.type in ("response.completed", "response.incomplete"), last
            reply: Any = last.response  # get_final_response() knows no incomplete ones
        else:
            reply = client.responses.create(**asked)
    items = {kind: [item for item in reply.output if item.type == kind] for kind in ("function_call", "reasoning")}
    calls = [(item.name, json.loads(item.arguments)) for item in items["function_call"]]
    thinking = "".join(part.text for item in items["reasoning"] for part in item.summary)
    if stream:
        assert (text, thought) == (reply.output_text, thinking)
        assert fragments == "".join(item.arguments for item in items["function_call"])
    finish = "tool_calls" if calls else "length" if reply.status == "incomplete" else "stop"
    return Said(reply.output_text, thinking, calls, finish=finish)


def messages(url: str, key: str, stream: bool, headers: Mapping[str, str]) -> Said:
    tools: Any = [{**TOOL, "input_schema": SCHEMA}]
    asked: Any = {"model": "claude-sonnet-4-6", "max_tokens": 99, "tools": tools}
    asked["messages"] = [{"role": "user", "content": "Rome?"}]
    with anthropic_client(url, key, headers) as client:
        if stream:
            with client.messages.stream(**asked) as events:
                for _ in events:
                    pass
                reply: Any = events.get_final_message()
        else:
            reply = client.messages.create(**asked)
    text = "".join(block.text for block in reply.content if block.type == "text")
    thinking = "".join(block.thinking for block in reply.content if block.type == "thinking")
    assert all(block.signature for block in reply.content if block.type == "thinking")
    calls = [(block.name, block.input) for block in reply.content if block.type == "tool_use"]
    finish = {"tool_use": "tool_calls", "end_turn": "stop", "max_tokens": "length"}[reply.stop_reason]
    return Said(text, thinking, calls, finish=finish)


def gemini(url: str, key: str, stream: bool, headers: Mapping[str, str]) -> Said:
    function: Any = {**TOOL, "parameters_json_schema": SCHEMA}
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[function])],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    asked: Any = {"model": "gemini-2.5-flash", "contents": "Rome?", "config": config}
    said = Said()
    with gemini_client(url, key, headers) as client:
        replies = (
            client.models.generate_content_stream(**asked) if stream else [client.models.generate_content(**asked)]
        )
        for reply in replies:
            assert reply.candidates
            candidate = reply.candidates[0]
            assert candidate.content
            said.finish = candidate.finish_reason.value if candidate.finish_reason else said.finish
            for part in candidate.content.parts or ():
                if part.function_call:
                    said.calls.append((part.function_call.name or "", part.function_call.args))
                elif part.inline_data:
                    said.images.append(part.inline_data.data or b"")
                elif part.thought:
                    said.thinking += part.text or ""
                else:
                    said.text += part.text or ""
    finishes = {"STOP": "tool_calls" if said.calls else "stop", "MAX_TOKENS": "length"}
    said.finish = finishes[said.finish]
    return said
