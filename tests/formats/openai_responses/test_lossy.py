"""What this format cannot carry: the list is complete, and each loss is named to the client."""

from __future__ import annotations

import pytest

from fastproxy.formats.chat import (
    Audio,
    ChatRequest,
    Document,
    Image,
    Opaque,
    OutputFormat,
    Reasoning,
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
from fastproxy.formats.openai_responses import LOSSY, NAME
from tests.formats.openai_responses.asking import ANSWERED, CALLED, HELLO, PATCH, TOOL, asked, user, written

LOSSES: dict[str, ChatRequest] = {
    "stop": asked(stop=("x",)),
    "count": asked(count=2),
    "seed": asked(seed=1),
    "top_k": asked(top_k=1),
    "presence_penalty": asked(presence_penalty=0.1),
    "frequency_penalty": asked(frequency_penalty=0.1),
    "logit_bias": asked(logit_bias={"1": 1.0}),
    "extra": asked(extra={"safetySettings": []}),
    "turn.name": asked(Turn("user", (Text("hi"),), "ann")),
    "part.cache": asked(user(Text("hi", cache="5m"))),
    "audio": asked(user(Audio(Source("audio/wav", "AA")))),
    "video": asked(user(Video(Source("video/mp4", "AA")))),
    "opaque": asked(Turn("assistant", (Opaque("container_upload"),))),
    "assistant.image": asked(Turn("assistant", (Image(Source("image/png", "AA")),))),
    "thinking.foreign": asked(Turn("assistant", (Thinking("hm", "s", "anthropic"),))),
    "text.signature": asked(Turn("assistant", (Text("hi", signature="s"),)), HELLO),
    "document.context": asked(user(Document(Source("application/pdf", "AA"), context="c"))),
    "image.file_id": asked(user(Image(Source(file_id="file_1")))),
    "tool_result.is_error": asked(CALLED, user(ToolResult("c1", (), is_error=True))),
    "tool.builtin": asked(tools=(Tool("bash", kind="builtin"),)),
    "reasoning.budget": asked(reasoning=Reasoning(budget=2000)),
}


def test_every_declared_loss_has_its_request() -> None:
    assert LOSSES.keys() == LOSSY.keys()


@pytest.mark.parametrize("name", LOSSES)
def test_what_cannot_be_carried_is_named(name: str) -> None:
    notes = Notes()
    written(LOSSES[name], notes)
    assert len(list(notes)) == 1


def test_a_plain_request_loses_nothing() -> None:
    notes = Notes()
    parts = (Text("hi"), Image(Source("image/png", "AA")), Document(Source("application/pdf", "AA")))
    calls = Turn("assistant", (Thinking("", "gAAA", NAME), Text("x"), ToolCall("c1", "f", "{}")))
    settings = {
        "max_output": 100,
        "temperature": 0.1,
        "reasoning": Reasoning("low"),
        "output": OutputFormat("json_object"),
    }
    written(
        asked(user(*parts), calls, ANSWERED, tools=(TOOL, PATCH), tool_choice=ToolChoice("auto"), **settings), notes
    )
    assert not notes
