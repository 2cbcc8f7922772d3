"""What the upstream's model or vendor cannot do is not asked of it."""

from __future__ import annotations

from typing import Any

import pytest

from fastproxy.formats.chat import (
    Audio,
    ChatRequest,
    Document,
    Facts,
    Image,
    OutputFormat,
    Part,
    Reasoning,
    Source,
    Target,
    Text,
    Tool,
    ToolChoice,
    Turn,
)
from fastproxy.formats.notes import Notes
from fastproxy.formats.openai_chat import write_request

Json = dict[str, Any]
PLAIN = Tool(name="g")
PNG = Image(Source("image/png", "iVBO"))


def ask(*turns: Turn, **fields: Any) -> ChatRequest:
    turns = turns or (Turn("user", (Text("Hi"),)),)
    return ChatRequest(**{"format": "anthropic", "model": "c", "turns": turns, "body": {}, **fields})


def wrote(request: ChatRequest, target: Target) -> tuple[Json, list[str]]:
    """The body, and what was noted: the action and its subject."""
    notes = Notes()
    body, _ = write_request(request, target, notes)
    return body, [f"{note.action} {note.what if isinstance(note.what, str) else kind_of(note.what)}" for note in notes]


def kind_of(node: object) -> str:
    return type(node).__name__


@pytest.mark.parametrize(
    ("facts", "fields", "written", "noted"),
    [
        (Facts(sampling=False), {"temperature": 1.0, "top_p": 0.5}, {}, ["dropped temperature", "dropped top_p"]),
        (Facts(both=False), {"temperature": 1.0, "top_p": 0.5}, {"temperature": 1.0}, ["dropped top_p"]),
        (Facts(both=False), {"top_p": 0.5}, {"top_p": 0.5}, []),
        (Facts(stop=False), {"stop": ("a",)}, {}, ["dropped stop"]),
        (Facts(max_output=5), {"max_output": 9}, {"max_completion_tokens": 5}, ["clamped max_output"]),
        (Facts(efforts=("low", "medium", "high", "xhigh")), {"reasoning": Reasoning(budget=60000)},
         {"reasoning_effort": "xhigh"}, ["changed reasoning"]),
        (Facts(thinking="none"), {"reasoning": Reasoning(effort="low")}, {}, ["dropped reasoning"]),
        (Facts(thinking="none"), {"reasoning": Reasoning(budget=0)}, {}, []),
        (Facts(efforts=("low", "medium", "high")), {"reasoning": Reasoning(effort="max")}, {"reasoning_effort": "high"},
         ["clamped reasoning"]),
        (Facts(efforts=("low", "medium", "high")), {"reasoning": Reasoning(effort="minimal")},
         {"reasoning_effort": "low"}, ["clamped reasoning"]),
        (Facts(can_stop_thinking=False), {"reasoning": Reasoning(effort="none")}, {"reasoning_effort": "minimal"},
         ["clamped reasoning"]),
        (Facts(efforts=("none",), can_stop_thinking=False), {"reasoning": Reasoning(effort="low")}, {},
         ["dropped reasoning"]),
        (Facts(tools=False), {"tools": (PLAIN,), "tool_choice": ToolChoice(mode="auto")}, {}, ["dropped tools"]),
    ],
)  # fmt: skip
def test_case_70_what_the_model_cannot_do_is_not_asked(
    facts: Facts, fields: Json, written: Json, noted: list[str]
) -> None:
    body, notes = wrote(ask(**fields), Target("m", facts))
    assert body == {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **written}
    assert notes == noted


@pytest.mark.parametrize(
    ("facts", "kind"), [(Facts(json_schema=False), {"type": "json_object"}), (Facts(json_with_tools=False), None)]
)
def test_case_80_and_81_a_schema_that_cannot_be_enforced_is_asked_for(facts: Facts, kind: Json | None) -> None:
    output = OutputFormat(kind="json_schema", schema={"type": "object", "title": "T"})
    body, noted = wrote(ask(tools=(PLAIN,), output=output), Target("m", facts))
    assert body.get("response_format") == kind
    assert '"title":"T"' in body["messages"][0]["content"]
    assert noted == ["changed output"]


@pytest.mark.parametrize(
    ("part", "facts"),
    [
        (PNG, Facts(images=False)),
        (Document(Source("application/pdf", "JVBE")), Facts(documents=False)),
        (Audio(Source("audio/wav", "UklG")), Facts(audio=False)),
    ],
)
def test_media_that_the_model_cannot_take_are_dropped(part: Part, facts: Facts) -> None:
    body, noted = wrote(ask(Turn("user", (part, Text("x")))), Target("m", facts))
    assert body["messages"] == [{"role": "user", "content": "x"}]
    assert noted == [f"dropped {kind_of(part)}"]


def test_fields_that_a_vendor_refuses_go_and_the_limit_takes_its_old_name() -> None:
    drop = frozenset(("max_completion_tokens", "seed", "stream_options"))
    body, noted = wrote(ask(max_output=9, seed=1, stream=True), Target("m", drop_fields=drop))
    assert body == {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True, "max_tokens": 9}
    assert noted == ["dropped seed"]  # the client has not asked for stream_options
