"""Ollama's replies, whole and in lines (case 195)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.errors import FormatError
from fastproxy.formats.chat import Text, Thinking, ToolCall
from fastproxy.formats.events import (
    DONE,
    Begin,
    Done,
    End,
    Failure,
    Logprobs,
    Reason,
    TextDelta,
    ThinkingDelta,
    ToolBegin,
    ToolDelta,
    UsageReport,
)
from fastproxy.formats.fold import fold
from fastproxy.formats.ollama import StreamReader, read_reply
from fastproxy.formats.ollama.words import REASON_OF
from fastproxy.formats.usage_fields import Usage
from tests.formats.ollama.lines import CALL, CREATED, END, HEAD, heard, line

if TYPE_CHECKING:
    from fastproxy.formats.events import Event

STREAM = b"".join(
    (
        line({"thinking": "H"}),
        line({"thinking": "m 🤔"}),
        line({"content": "It is "}),
        line({"content": "“fine”\n\u2028 \u0085"}),
        line({"tool_calls": [CALL, CALL | {"id": "call_x"}]}),
        line({"tool_calls": [CALL]}),
        line({}, **END),
    )
)
WHOLE = {
    **HEAD,
    "message": {
        "role": "assistant",
        "thinking": "Hm 🤔",
        "content": "It is “fine”\n\u2028 \u0085",
        "tool_calls": [CALL, CALL | {"id": "call_x"}, CALL],
    },
    **END,
}


def test_case_195_a_stream() -> None:
    arguments = '{"city":"Zürich"}'
    assert heard([STREAM]) == [
        Begin("", "qwen3:4b", CREATED),
        ThinkingDelta(0, "H"),
        ThinkingDelta(0, "m 🤔"),
        TextDelta(1, "It is "),
        TextDelta(1, "“fine”\n\u2028 \u0085"),
        ToolBegin(2, "", "get_weather"),
        ToolDelta(2, arguments),
        ToolBegin(3, "call_x", "get_weather"),
        ToolDelta(3, arguments),
        ToolBegin(4, "", "get_weather"),
        ToolDelta(4, arguments),
        End("tool_calls"),
        UsageReport(Usage(input=26, output=298)),
        DONE,
    ]


def test_a_stream_is_its_reply_in_pieces() -> None:
    reply = fold(read_reply(WHOLE))
    assert fold(heard([STREAM])) == reply
    thinking, text, *calls = reply.choices[0].parts
    assert (thinking, text) == (Thinking("Hm 🤔"), Text("It is “fine”\n\u2028 \u0085"))
    assert [call.id for call in calls if isinstance(call, ToolCall)] == ["", "call_x", ""]


def test_byte_by_byte() -> None:
    assert heard(bytes([byte]) for byte in STREAM) == heard([STREAM])


@given(st.lists(st.integers(1, 60), max_size=60))
def test_any_split_gives_the_same_events(sizes: list[int]) -> None:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(STREAM[at : at + size])
        at += size
    assert heard([*pieces, STREAM[at:]]) == heard([STREAM])


def test_a_stream_that_is_cut_anywhere_has_no_end() -> None:
    lines = STREAM.splitlines(keepends=True)
    for count in range(len(lines)):
        assert not any(isinstance(event, Done | End) for event in heard(lines[:count]))


def test_the_last_line_may_still_say_something_and_need_not_end() -> None:
    events = heard([line({"content": "all"}, **END).rstrip()])
    assert [type(event) for event in events] == [Begin, TextDelta, End, UsageReport, Done]


def test_what_follows_the_end_is_not_heard() -> None:
    assert heard([STREAM, line({"content": "more"})]) == heard([STREAM])


@pytest.mark.parametrize(("word", "reason"), [*REASON_OF.items(), ("new", "other"), (None, "stop"), (5, "stop")])
def test_every_reason(word: Any, reason: Reason) -> None:
    assert reason in get_args(Reason)
    assert End(reason) in heard([line({}, **(END | {"done_reason": word}))])


@pytest.mark.parametrize(("word", "reason"), [("stop", "tool_calls"), ("length", "length"), (None, "tool_calls")])
def test_a_reply_with_calls_ends_for_them_unless_it_was_too_long(word: str | None, reason: Reason) -> None:
    assert End(reason) in heard([line({"tool_calls": [CALL]}, **(END | {"done_reason": word}))])


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({}, None),
        ({"eval_count": 3}, Usage(output=3)),  # the prompt lay in the server's cache
        ({"prompt_eval_count": 3}, Usage(input=3)),
        ({"prompt_eval_count": "3", "eval_count": -1}, None),
    ],
)
def test_counts(counts: dict[str, Any], usage: Usage | None) -> None:
    assert fold(heard([line({}, done=True, **counts)])).usage == usage


def test_logprobs() -> None:
    token = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}
    assert Logprobs((token,)) in heard([line({"content": "Hi"}, logprobs=[token, 1])])


def test_numbers_keep_their_text() -> None:
    arguments = '{"nth":0.0,"big":123456789012345678901234567890,"price":1.50}'
    said = b'{"message":{"tool_calls":[{"function":{"name":"f","arguments":%b}}]},"done":true}' % arguments.encode()
    assert ToolDelta(0, arguments) in heard([said])


@pytest.mark.parametrize("before", [b"", line({"content": "Hi"})])
def test_an_error_in_the_stream_ends_it(before: bytes) -> None:
    *_, last = heard([before, b'{"error":"model \'x\' not found"}\n', STREAM])
    assert isinstance(last, Failure)
    assert last.message == "model 'x' not found"


def test_a_whole_error() -> None:
    (failure,) = read_reply({"error": "no"})
    assert isinstance(failure, Failure)


@pytest.mark.parametrize("body", [{}, {"message": "hi"}, {"done": True}])
def test_what_is_no_reply_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(FormatError, match="no message"):
        read_reply(body)


@pytest.mark.parametrize("broken", [b"{", b"[]", b"1", b"\xff"])
def test_what_is_no_object_is_refused(broken: bytes) -> None:
    with pytest.raises(FormatError, match="a line of the upstream's"):
        StreamReader().feed("", broken)


def test_nonsense_in_a_line_does_no_harm() -> None:
    odd = {"message": {"content": 1, "thinking": None, "tool_calls": [1, {"function": 2}, {}]}, "created_at": 5}
    events: list[Event] = StreamReader().feed("", json.dumps(odd).encode())
    assert [event.name for event in events if isinstance(event, ToolBegin)] == ["", ""]
