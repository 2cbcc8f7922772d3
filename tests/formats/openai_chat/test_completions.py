"""Case 161: the older text completions, answered by chat models."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types import Completion, completion_create_params

from fastproxy.errors import FormatError
from fastproxy.formats.chat import Target, Text, Thinking, ToolCall
from fastproxy.formats.events import (
    DONE,
    Begin,
    Choice,
    End,
    Event,
    Logprobs,
    Reply,
    ReplyContext,
    TextDelta,
    ThinkingDelta,
    UsageReport,
)
from fastproxy.formats.notes import Notes
from fastproxy.formats.openai_chat import write_request
from fastproxy.formats.openai_chat.completions import (
    _READ,
    CompletionStreamWriter,
    read_completion_request,
    write_completion_reply,
)
from fastproxy.formats.usage_fields import Usage

Json = dict[str, Any]
CONTEXT = ReplyContext("0a1b", "alias", 5)
ECHO = ReplyContext("0a1b", "alias", 5, echo={"prompt": "Once", "echo": True})
TOKENS: tuple[dict[str, object], ...] = (
    {"token": " up", "logprob": -0.5, "top_logprobs": [{"token": " up", "logprob": -0.5}]},
    {"token": "on", "logprob": -1.0},
)


def test_a_prompt_is_a_users_turn() -> None:
    body = {
        "model": "m", "prompt": "Once", "max_tokens": 5, "stop": "END", "logprobs": 2, "n": 2, "echo": True,
        "suffix": "end", "best_of": 3, "temperature": 0.5, "stream": True, "stream_options": {"include_usage": True},
    }  # fmt: skip
    request = read_completion_request(body)
    assert [(turn.role, [part.text for part in turn.parts if isinstance(part, Text)]) for turn in request.turns] == [
        ("user", ["Once"])
    ]
    assert (request.max_output, request.stop, request.top_logprobs, request.count) == (5, ("END",), 2, 2)
    assert request.extra == {"suffix": "end", "best_of": 3}
    assert request.include_usage


def test_it_goes_upstream_as_chat() -> None:
    notes = Notes()
    request = read_completion_request({"model": "m", "prompt": ["Once"], "max_tokens": 5, "suffix": "x"})
    body, _ = write_request(request, Target("real"), notes)
    assert body == {"model": "real", "messages": [{"role": "user", "content": "Once"}], "max_completion_tokens": 5}
    assert [note.what for note in notes] == ["suffix"]


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ([1, 2], "field 'prompt' is an array of token ids: expected one text"),
        (["a", "b"], "field 'prompt' is an array of 2 prompts: expected one text"),
        ([[1]], "field 'prompt' is an array: expected a string"),
        ([], "field 'prompt' is an array of 0 prompts: expected one text"),
        (None, "field 'prompt' is missing: expected a string"),
    ],
)
def test_what_is_no_text_is_refused(prompt: Any, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        read_completion_request({"model": "m", "prompt": prompt})
    assert caught.value.message == message


def test_every_field_of_the_sdk_is_read_or_kept_as_extra() -> None:
    fields = set(completion_create_params.CompletionCreateParamsBase.__annotations__)
    assert fields - _READ == {"best_of", "suffix"}


def test_a_whole_reply() -> None:
    choice = Choice((Thinking("t"), Text("a"), Text("b"), ToolCall("c", "f", "{}")), "tool_calls")
    body = write_completion_reply(Reply("up", "real", (choice,), usage=Usage(3, 0, 0, 2)), CONTEXT)
    assert body["choices"] == [{"text": "ab", "index": 0, "logprobs": None, "finish_reason": "stop"}]
    assert (body["id"], body["object"], body["usage"]["total_tokens"]) == ("cmpl-0a1b", "text_completion", 5)
    assert Completion.model_validate(body, strict=True).model == "alias"


def test_echo_and_logprobs() -> None:
    choice = Choice((Text(" upon"),), "length", logprobs=TOKENS)
    (made,) = write_completion_reply(Reply("up", "real", (choice,)), ECHO)["choices"]
    assert made == {"text": "Once upon", "index": 0, "finish_reason": "length", "logprobs": {
        "tokens": [" up", "on"], "token_logprobs": [-0.5, -1.0], "top_logprobs": [{" up": -0.5}, {}],
        "text_offset": [4, 7]}}  # fmt: skip


def streamed(*events: Event, context: ReplyContext = CONTEXT) -> list[Json]:
    writer = CompletionStreamWriter(context)
    lines = b"".join(writer.write(event) for event in events).decode().split("\n\n")
    assert lines.pop() == ""
    assert lines.pop() == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def test_a_stream() -> None:
    events = (Begin(), ThinkingDelta(0, "t"), TextDelta(1, " up"), TextDelta(1, ""), TextDelta(1, "on"), End("stop"),
              UsageReport(Usage(3, 0, 0, 2)), DONE, DONE)  # fmt: skip
    *rest, last = streamed(*events)
    assert [(c["choices"][0]["text"], c["choices"][0]["finish_reason"]) for c in rest] == [
        (" up", None), ("on", None), ("", "stop"),
    ]  # fmt: skip
    assert [item["usage"] for item in rest] == [None] * 3
    assert (last["choices"], last["usage"]["total_tokens"]) == ([], 5)
    for item in (rest[-1], last):  # the SDK's type does not know that finish_reason is null before the end
        Completion.model_validate(item)


def test_a_stream_with_echo_and_logprobs_for_who_asked_no_usage() -> None:
    context = ReplyContext("0a1b", "alias", 5, include_usage=False, echo={"prompt": ["Once"], "echo": True})
    found = streamed(TextDelta(0, " up"), Logprobs(TOKENS[:1]), Logprobs(TOKENS[1:]), End("stop"),
                     UsageReport(Usage(1)), DONE, context=context)  # fmt: skip
    assert [item["choices"][0]["text"] for item in found] == ["Once", " up", "", "", ""]
    assert [item["choices"][0]["logprobs"]["text_offset"] for item in found[2:4]] == [[4], [7]]
    assert not any("usage" in item for item in found)
