"""Stop sequences that the upstream does not know: the reply is cut here, streamed or whole (case 73)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fastproxy.formats.chat import Citation, Target
from fastproxy.formats.events import (
    DONE,
    Begin,
    Cited,
    End,
    Event,
    Failure,
    Logprobs,
    TextDelta,
    ThinkingDelta,
    ToolBegin,
    UsageReport,
)
from fastproxy.formats.fold import fold
from fastproxy.formats.notes import Notes
from fastproxy.formats.registry import CHAT
from fastproxy.formats.stopping import Cut, Stopping, unsent_stops
from fastproxy.formats.usage_fields import Usage

USAGE = UsageReport(Usage(input=3, output=9))
ENDED = End("stop")


def cut(stops: tuple[str, ...], *events: Event) -> list[Event]:
    made = Cut(stops)
    return made.feed(events) + made.end()


def said(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


CASES = [
    pytest.param(("END",), ["one END two"], "one ", "END", id="inside a delta"),
    pytest.param(("END",), ["one E", "N", "D two"], "one ", "END", id="across deltas"),
    pytest.param(("END",), ["END"], "", "END", id="nothing before it"),
    pytest.param(("END",), ["one EN", "Do", " E", "N"], "one ", "END", id="the second letter decides"),
    pytest.param(("END",), ["one EN", "d", " E", "N"], "one ENd EN", None, id="only beginnings"),
    pytest.param(("aab",), ["aa", "aab"], "aa", "aab", id="a beginning that begins again"),
    pytest.param(("abc", "b"), ["xabc"], "xa", "b", id="the one that is complete first"),
    pytest.param(("c", "abc"), ["xabc"], "x", "abc", id="of two that end together the longer"),
    pytest.param(("\n\n",), ["a\n", "b\n", "\n", "c"], "a\nb", "\n\n", id="line breaks"),
]


@pytest.mark.parametrize(("stops", "pieces", "text", "stop"), CASES)
def test_the_text_ends_before_the_sequence(stops: tuple[str, ...], pieces: list[str], text: str, stop: str) -> None:
    made = cut(stops, Begin(), *(TextDelta(0, piece) for piece in pieces), ENDED, USAGE, DONE)
    assert said(made) == text
    assert [event for event in made if isinstance(event, End)] == [End("stop_sequence", stop) if stop else ENDED]
    assert made[-2:] == [USAGE, DONE]


@pytest.mark.parametrize(("stops", "pieces", "text", "stop"), CASES)
def test_any_split_gives_the_same(stops: tuple[str, ...], pieces: list[str], text: str, stop: str) -> None:
    letters = [TextDelta(0, letter) for letter in "".join(pieces)]
    whole = cut(stops, TextDelta(0, "".join(pieces)), ENDED, DONE)
    split = cut(stops, *letters, ENDED, DONE)
    assert fold(whole) == fold(split)


def test_what_follows_in_the_choice_is_not_told_and_other_choices_go_on() -> None:
    made = cut(
        ("X",), TextDelta(0, "aXb"), ToolBegin(1, "c", "n"), TextDelta(0, "other", choice=1), ENDED,
        End("length", choice=1), DONE,
    )  # fmt: skip
    assert made == [
        TextDelta(0, "a"), End("stop_sequence", "X"), TextDelta(0, "other", choice=1), End("length", choice=1), DONE,
    ]  # fmt: skip


def test_only_the_answer_is_looked_through_and_blocks_are_apart() -> None:
    events = [ThinkingDelta(0, "XY"), TextDelta(1, "a X"), TextDelta(2, "Y"), ENDED]
    assert cut(("XY",), *events) == [
        ThinkingDelta(0, "XY"), TextDelta(1, "a "), TextDelta(1, "X"), TextDelta(2, "Y"), ENDED,
    ]  # fmt: skip


def test_what_is_held_comes_before_whatever_belongs_behind_it() -> None:
    cited, logged = Cited(0, Citation("https://a.test/")), Logprobs(({"token": "X"},))
    assert cut(("XY",), TextDelta(0, "X"), cited, TextDelta(0, "X"), logged, ENDED) == [
        TextDelta(0, "X"), cited, TextDelta(0, "X"), logged, ENDED,
    ]  # fmt: skip


def test_tokens_told_between_the_pieces_hid_a_sequence() -> None:
    one, two, three = (Logprobs(({"token": word},)) for word in ("a E", "N", "D b"))
    made = cut(("END",), TextDelta(0, "a E"), one, TextDelta(0, "N"), two, TextDelta(0, "D b"), three, ENDED)
    assert made == [TextDelta(0, "a "), End("stop_sequence", "END")]
    made = cut(("END",), TextDelta(0, "a E"), one, TextDelta(0, "N"), two, TextDelta(0, "d"), three, ENDED)
    assert made == [TextDelta(0, "a "), TextDelta(0, "ENd"), one, two, three, ENDED]


def test_held_text_came_behind_the_failure_of_its_reply() -> None:
    failed = Failure(502, "upstream_failed", "gone")
    assert cut(("XY",), TextDelta(0, "aX"), failed) == [TextDelta(0, "a"), TextDelta(0, "X"), failed]


@pytest.mark.parametrize("odd", [1.5, [1], "x", True])
def test_a_field_of_the_clients_called_options_was_taken_for_ollamas(odd: Any) -> None:
    body = asked("a") | {"stop": None, "options": odd, "generationConfig": odd}
    request = CHAT["openai-chat"].read_request(asked("a"))
    assert unsent_stops(request, body) == ("a",)


def test_a_reply_that_breaks_off_loses_nothing_of_its_text() -> None:
    assert cut(("XY",), TextDelta(0, "aX")) == [TextDelta(0, "a"), TextDelta(0, "X")]


def test_a_signed_text_is_not_held() -> None:
    assert cut(("XY",), TextDelta(0, "aX", "sig"), ENDED) == [TextDelta(0, "aX", "sig"), ENDED]


def asked(*stops: str) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stop": list(stops)}


@pytest.mark.parametrize(
    ("upstream", "stops", "left"),
    [
        ("openai-responses", ("a", "b"), ("a", "b")),
        ("openai-responses", ("a", "", "a"), ("a",)),
        ("anthropic", ("a", "\n\n"), ("\n\n",)),
        ("gemini", tuple("abcdefg"), ("f", "g")),
        ("openai-chat", tuple("abcdefg"), ("e", "f", "g")),
        ("openai-responses", tuple(map(str, range(65))), ()),
        ("openai-responses", ("x" * 257,), ()),
    ],
)
def test_what_the_upstream_is_not_told_is_left(upstream: str, stops: tuple[str, ...], left: tuple[str, ...]) -> None:
    # a Messages client, because chat itself takes four only
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "stop_sequences": stops}
    source = CHAT["openai-chat"] if upstream == "anthropic" else CHAT["anthropic"]
    given = asked(*stops) if upstream == "anthropic" else orjson.loads(orjson.dumps(body))
    request = source.read_request(given)
    made, _ = CHAT[upstream].write_request(request, Target("m"), Notes())
    assert unsent_stops(request, made) == left


def test_a_format_that_stops_reads_streams_and_whole_replies_alike() -> None:
    item = {"type": "message", "id": "msg_1", "role": "assistant",
            "content": [{"type": "output_text", "text": "one STOP two", "annotations": []}]}  # fmt: skip
    usage = {"input_tokens": 1, "output_tokens": 5}
    response = {"id": "r", "status": "completed", "output": [item], "usage": usage}
    stopping = Stopping(CHAT["openai-responses"], ("STOP",))
    whole = fold(stopping.read_reply(response))
    reader = stopping.StreamReader()
    events: list[Event] = []
    for event in (
        {"type": "response.created", "response": {"id": "r"}},
        {"type": "response.output_item.added", "output_index": 0, "item": item | {"content": []}},
        *({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": piece}
          for piece in ("one S", "TO", "P tw", "o")),
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": response},
    ):  # fmt: skip
        events += reader.feed("", orjson.dumps(event))
    streamed = fold(events + reader.end())
    assert streamed == whole
    assert whole.choices[0].reason == "stop_sequence"
    assert whole.choices[0].stop_sequence == "STOP"
    assert whole.usage is not None
    assert whole.usage.output == 5
