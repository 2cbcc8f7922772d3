"""What Ollama cannot carry: the list is complete, and each loss is named to the client; all the rest arrives."""

from __future__ import annotations

from typing import Any

import pytest

from fastproxy.formats.chat import (
    Audio,
    ChatRequest,
    Citation,
    Document,
    Image,
    Opaque,
    OutputFormat,
    Reasoning,
    Refusal,
    Source,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
    Video,
)
from fastproxy.formats.notes import Notes
from fastproxy.formats.ollama import LOSSY
from fastproxy.formats.ollama.words import OPTIONS
from tests.formats.ollama.lines import HELLO, TOOL, asked, user, written

PICTURE = Image(Source("image/png", "AA=="))
CALLED = Turn("assistant", (ToolCall("c1", "f", "{}"),))
LOSSES: dict[str, ChatRequest] = {
    "tool_choice": asked(tools=(TOOL,), tool_choice=ToolChoice("required")),
    "parallel_tools": asked(tools=(TOOL,), parallel_tools=False),
    "logit_bias": asked(logit_bias={"1": 1.0}),
    "count": asked(count=2),
    "verbosity": asked(verbosity="low"),
    "user": asked(user="u"),
    "metadata": asked(metadata={"a": "b"}),
    "service_tier": asked(service_tier="flex"),
    "store": asked(store=True),
    "previous": asked(previous="resp_1"),
    "cache_key": asked(cache_key="k"),
    "part.cache": asked(user(Text("q", cache="1h"))),
    "turn.name": asked(Turn("user", (Text("q"),), "Ada")),
    "reasoning": asked(reasoning=Reasoning("high")),
    "foreign thinking": asked(HELLO, Turn("assistant", (Thinking("x", "s", "anthropic"), Text("a"))), HELLO),
    "text.signature": asked(HELLO, Turn("assistant", (Text("a", "s"),)), HELLO),
    "call.signature": asked(HELLO, Turn("assistant", (ToolCall("c1", "f", "{}", signature="s"),))),
    "citations": asked(user(Text("q", citations=(Citation("u"),)))),
    "image by address": asked(user(Text("q"), Image(Source(url="https://x.example/a.png")))),
    "image.detail": asked(user(Image(Source("image/png", "AA=="), "high"))),
    "documents": asked(user(Text("q"), Document(Source("application/pdf", "AA==")))),
    "audio": asked(user(Text("q"), Audio(Source("audio/wav", "AA==")))),
    "video": asked(user(Text("q"), Video(Source("video/mp4", "AA==")))),
    "assistant media": asked(HELLO, Turn("assistant", (Text("a"), PICTURE)), HELLO),
    "media in a tool result": asked(HELLO, CALLED, user(ToolResult("c1", (Text("r"), PICTURE)))),
    "is_error": asked(HELLO, CALLED, user(ToolResult("c1", (Text("r"),), is_error=True))),
    "refusal": asked(HELLO, Turn("assistant", (Refusal("no"),)), HELLO),
    "opaque": asked(user(Text("q"), Opaque("container_upload"))),
    "tool.builtin": asked(tools=(Tool("bash", kind="builtin"),)),
    "tool.custom": asked(tools=(Tool("patch", kind="custom"),)),
    "tool.strict": asked(tools=(Tool("f", schema={"type": "object"}, strict=True),)),
    "extra": asked(extra={"new_field": 1}),
}


def test_every_declared_loss_has_its_request() -> None:
    assert LOSSES.keys() == LOSSY.keys()


@pytest.mark.parametrize("name", LOSSES)
def test_what_cannot_be_carried_is_named(name: str) -> None:
    notes = Notes()
    body = written(LOSSES[name], notes)
    assert len(list(notes)) == 1
    assert body["messages"]


CARRIED: dict[str, Any] = {
    "tools": (TOOL,),
    "tool_choice": ToolChoice("auto"),
    "max_output": 5,
    "temperature": 0.5,
    "top_p": 0.25,
    "top_k": 3,
    "stop": ("a", "b"),
    "seed": 1,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.25,
    "top_logprobs": 2,
    "reasoning": Reasoning(budget=0),
    "output": OutputFormat("json_schema", {"type": "object"}),
}


def test_all_the_rest_is_carried() -> None:
    """Every field of a request is either carried or among the losses."""
    beside = {"format", "model", "turns", "body", "stream", "include_usage"}
    lost = LOSSY.keys() & set(ChatRequest.__struct_fields__)
    assert beside | CARRIED.keys() | lost == set(ChatRequest.__struct_fields__)
    notes = Notes()
    body = written(asked(stream=True, **CARRIED), notes)
    assert not notes, list(notes)
    assert body == {
        "model": "m",
        "stream": True,
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"type": "function", "function": {"name": "f", "description": "does", "parameters": TOOL.schema}}],
        "options": {name: CARRIED[field] for field, name in OPTIONS.items()} | {"stop": ["a", "b"]},
        "format": {"type": "object"},
        "think": False,
        "logprobs": True,
        "top_logprobs": 2,
    }
