"""What Chat Completions cannot carry is declared and noted; everything else comes back as it was."""

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
    Part,
    Reasoning,
    Refusal,
    Source,
    Target,
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
from fastproxy.formats.openai_chat import LOSSY, read_request, write_request

Json = dict[str, Any]
CALL = ToolCall("a", "f", '{"x":1.0}')
PNG = Image(Source("image/png", "iVBO"))


def ask(*turns: Turn, **fields: Any) -> ChatRequest:
    turns = turns or (Turn("user", (Text("Hi"),)),)
    return ChatRequest(**{"format": "anthropic", "model": "c", "turns": turns, "body": {}, **fields})


def wrote(request: ChatRequest) -> tuple[Json, list[str]]:
    """The body, and the reasons of what was noted."""
    notes = Notes()
    body, _ = write_request(request, Target("m"), notes)
    return body, [note.why for note in notes]


def user(*parts: Part) -> Turn:
    return Turn("user", parts)


def assistant(*parts: Part) -> Turn:
    return Turn("assistant", parts)


def results(*parts: Part) -> Turn:
    return Turn("tool", parts)


IN_TURN = assistant(Thinking("t", "s", "anthropic"), Text("x"))
LOST: dict[str, ChatRequest] = {
    "top_k": ask(top_k=1),
    "previous": ask(previous="resp_1"),
    "metadata": ask(metadata={"a": "b"}),
    "adaptive thinking": ask(reasoning=Reasoning(adaptive=True)),
    "thinking budget": ask(reasoning=Reasoning(budget=5000)),
    "thinking": ask(IN_TURN, user(Text("k"))),
    "thought signature": ask(assistant(Text("x", "sig")), user(Text("k"))),
    "builtin tool": ask(tools=(Tool(name="web_search", kind="builtin"),)),
    "opaque": ask(user(Opaque("container"), Text("k"))),
    "cache": ask(user(Text("k", cache=""))),
    "citations": ask(user(Text("k", citations=(Citation(url="u"),)))),
    "is_error": ask(assistant(CALL), results(ToolResult("a", is_error=True))),
    "media in a tool result": ask(assistant(CALL), results(ToolResult("a", (PNG,)))),
    "image by id": ask(user(Image(Source(file_id="f")), Text("k"))),
    "file of another vendor": ask(user(Document(Source(file_id="f")), Text("k"))),
    "document by url": ask(user(Document(Source(url="https://x.test")), Text("k"))),
    "audio": ask(user(Audio(Source("audio/ogg", "T2dn")), Text("k"))),
    "video": ask(user(Video(Source(url="https://x.test")), Text("k"))),
    "assistant media": ask(assistant(PNG, Text("x")), user(Text("k"))),
    "prefill": ask(assistant(Text("x"))),
    "more than 4 stop": ask(stop=tuple("abcde")),
    "foreign service tier": ask(service_tier="gold"),
}


@pytest.mark.parametrize("feature", sorted(LOST))
def test_what_is_declared_lossy_is_noted(feature: str) -> None:
    assert wrote(LOST[feature])[1] != []


def test_the_declaration_is_complete() -> None:
    assert set(LOST) == set(LOSSY)


KEPT: Json = {
    "tools": (Tool(name="f", description="d", schema={"type": "object"}, strict=False), Tool(name="c", kind="custom")),
    "tool_choice": ToolChoice(mode="allowed", names=("f", "c"), required=True), "parallel_tools": True,
    "max_output": 10, "temperature": 0.5, "top_p": 0.9, "stop": ("a", "b"), "seed": 3, "presence_penalty": 0.1,
    "frequency_penalty": 0.2, "logit_bias": {"5": 1}, "top_logprobs": 2, "count": 2, "stream": True,
    "reasoning": Reasoning(effort="low"), "output": OutputFormat(kind="json_schema", schema={"a": 1}, name="n"),
    "verbosity": "high", "user": "u", "service_tier": "priority", "store": True, "metadata": {"k": "v"},
    "cache_key": "k",
}  # fmt: skip
TURNS = (
    Turn("system", (Text("s"),)),
    Turn("user", (Text("u"), Image(Source("image/png", "iVBO"), "high"), Audio(Source("audio/wav", "UklG")),
                  Document(Source("application/pdf", "JVBE", filename="a.pdf"), title="a.pdf")), "ada"),
    Turn("assistant", (Text("t"), Refusal("r"), ToolCall("a", "f", "{ }"), ToolCall("b", "c", "free", custom=True))),
    Turn("tool", (ToolResult("a", (Text("1"), Text("2"))),)),
    Turn("tool", (ToolResult("b", (Text("3"),)),)),
    Turn("user", (Text("k"),)),
)  # fmt: skip


def without_originals(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(without_originals(item) for item in value)
    if hasattr(value, "__struct_fields__"):
        fields = {name: getattr(value, name) for name in value.__struct_fields__ if name != "original"}
        return type(value)(**{name: without_originals(item) for name, item in fields.items()})
    return value


def test_everything_else_survives_writing_and_reading() -> None:
    body, noted = wrote(ask(*TURNS, **KEPT))
    assert noted == []
    read = read_request(body)
    assert without_originals(read.turns) == TURNS
    for field, value in KEPT.items():
        assert without_originals(getattr(read, field)) == value, field
    assert read.extra == {}
