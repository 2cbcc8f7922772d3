"""Streams of Chat Completions upstreams, well behaved and not."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastproxy.errors import FormatError
from fastproxy.formats.chat import Citation, Opaque, Original, Part, Refusal, Text, Thinking, ToolCall
from fastproxy.formats.events import (
    DONE,
    Begin,
    End,
    Event,
    Failure,
    InChoice,
    Reply,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolBegin,
    ToolDelta,
    UsageReport,
)
from fastproxy.formats.fold import fold
from fastproxy.formats.openai_chat import NAME, StreamReader
from fastproxy.formats.usage_fields import Usage

GOLDEN = Path(__file__).parents[2] / "golden" / "openai_chat"
STREAMS = sorted(GOLDEN.glob("stream_*.sse"))
Json = dict[str, Any]


def chunk(delta: Any, finish: str | None = None, index: int | None = 0, **top: Any) -> Json:
    choice = {"delta": delta, "finish_reason": finish} | ({} if index is None else {"index": index})
    return {"id": "up-1", "model": "real", "created": 7, "choices": [choice], **top}


def read(*chunks: Any, ended: bool = True, think_tags: bool = False) -> list[Event]:
    reader = StreamReader(think_tags=think_tags)
    events: list[Event] = []
    for item in chunks:
        events += reader.feed("", item if isinstance(item, bytes) else orjson.dumps(item))
    return events + (reader.end() if ended else [])


def told(*chunks: Any, think_tags: bool = False) -> list[Part]:
    """The parts of the reply, after a check that its events are in order."""
    events = read(*chunks, chunk({}, "stop"), b"[DONE]", think_tags=think_tags)
    check_order(events)
    parts = list(fold(events).choices[0].parts)
    return [type(part)(**{n: getattr(part, n) for n in part.__struct_fields__ if n != "original"}) for part in parts]


def check_order(events: list[Event]) -> None:
    """Blocks of a choice follow one another and never come back; a call begins before its arguments; one End, last."""
    last: dict[int, int] = {}
    ended: set[int] = set()
    for event in events:
        if not isinstance(event, InChoice):
            continue
        assert event.choice not in ended
        if isinstance(event, End):
            ended.add(event.choice)
        block = getattr(event, "block", None)
        if block is not None:
            before = last.get(event.choice, -1)
            assert block in (before, before + 1)
            assert isinstance(event, ToolBegin) == (block != before) or not isinstance(event, ToolBegin | ToolDelta)
            last[event.choice] = block


def call(**said: Any) -> Json:
    """A chunk with one element of tool_calls: `name` and `arguments` go into its function."""
    function = {name: said.pop(name) for name in ("name", "arguments") if name in said}
    return chunk({"tool_calls": [{**said, "function": function}]})


RESPONSES = {"id": "rs_1", "index": 0, "format": "openai-responses-v1"}
CITED = {"type": "url_citation", "url_citation": {"url": "u", "title": "t"}}
CITATION = Citation(url="u", title="t", original=Original(NAME, CITED))
A, B = ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", '{"y":2}')


@pytest.mark.parametrize(
    ("chunks", "parts"),
    [
        pytest.param(
            [call(index=0, id="a", name="f", arguments=""), call(index=0, arguments='{"x"'),
             call(index=0, arguments=":1}")],
            [A], id="as OpenAI does it",
        ),
        pytest.param([call(index=0, id="a", name="f", arguments='{"x":1}')], [A], id="case 139 whole in one chunk"),
        pytest.param(
            [call(index=0, id="a", name="f", arguments='{"x"'), call(index=1, id="b", name="g", arguments='{"y"'),
             call(index=0, arguments=":1}"), call(index=1, arguments=":2}")],
            [A, B], id="case 136 in turns",
        ),
        pytest.param(
            [call(index=0, id="a", name="f", arguments=""), call(index=1, id="b", name="g", arguments=""),
             call(index=1, arguments='{"y":2}'), call(index=0, arguments='{"x":1}')],
            [A, B], id="case 136 the second is ready first",
        ),
        pytest.param(
            [call(index=0, name="f"), call(index=0, arguments='{"x":1}'), call(index=0, id="a")], [A],
            id="case 137 a late id",
        ),
        pytest.param([call(index=0, id="a", arguments='{"x":1}'), call(index=0, name="f")], [A],
                     id="case 137 a late name"),
        pytest.param(
            [call(index=0, id="a", name="get_"), call(index=0, name="weather"), call(index=0, arguments="{}")],
            [ToolCall("a", "get_weather", "{}")], id="case 137 a name in pieces",
        ),
        pytest.param(
            [call(index=0, id="a", name="get"), call(index=0, name="get_weather", arguments="{}")],
            [ToolCall("a", "get_weather", "{}")], id="case 137 a name that grows",
        ),
        pytest.param(
            [call(index=0, id="a", name="f", arguments='{"x"'), call(index=0, id="a", name="f", arguments=":1}")], [A],
            id="case 137 id and name on every chunk",
        ),
        pytest.param(
            [call(id="a", name="f", arguments='{"x":1}'), call(id="b", name="g", arguments='{"y":2}')], [A, B],
            id="case 138 no index",
        ),
        pytest.param(
            [call(name="f", arguments='{"x":1}'), call(name="g", arguments='{"y":2}')],
            [ToolCall("", "f", '{"x":1}'), ToolCall("", "g", '{"y":2}')], id="case 138 no index and no id",
        ),
        pytest.param(
            [call(id="a", name="f", arguments='{"x"'), call(arguments=":1}"),
             call(id="b", name="g", arguments='{"y":2}')],
            [A, B], id="case 138 no index, pieces without an id",
        ),
        pytest.param(
            [call(index=0, id="a", name="f", arguments='{"x":1}'), call(index=0, id="b", name="g", arguments='{"y"'),
             call(index=0, arguments=":2}")],
            [A, B], id="case 138 every index is 0",
        ),
        pytest.param(
            [call(index=0, id="a", name="f", arguments='{"x":1}'), call(index=1, id="b", name="g", arguments='{"y":2}'),
             call(index=0, id="a", arguments="")],
            [A, B], id="an empty echo of a call that is over",
        ),
        pytest.param([call(index=0, id="a", name="f", arguments={"x": 1})], [A], id="arguments as an object"),
        pytest.param([call(index=0, id="a", name="f")], [ToolCall("a", "f", "")], id="no arguments at all"),
        pytest.param(
            [chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x":1}'}},
                                   {"index": 1, "id": "b", "function": {"name": "g", "arguments": '{"y":2}'}}]})],
            [A, B], id="two whole calls in one chunk",
        ),
        pytest.param(
            [chunk({"content": "I"}), call(index=0, id="a", name="f", arguments='{"x":1}'), chunk({"content": "O"}),
             call(index=1, id="b", name="g", arguments='{"y":2}')],
            [Text("I"), A, Text("O"), B], id="case 135 text, call, text, call",
        ),
        pytest.param(
            [call(index=0, id="a", name="f", arguments='{"x"'), chunk({"content": "O"}),
             call(index=0, arguments=":1}")],
            [A, Text("O")], id="text amid a call waits",
        ),
        pytest.param(
            [call(index=0, id="a", name="f", arguments="{broken"),
             call(index=1, id="b", name="g", arguments='{"y":2}')],
            [ToolCall("a", "f", "{broken"), B], id="arguments that never become JSON",
        ),
        pytest.param(
            [chunk({"reasoning_content": "t"}), chunk({"reasoning_content": "u", "content": None}),
             chunk({"content": "x"})],
            [Thinking("tu"), Text("x")], id="case 140",
        ),
        pytest.param(
            [chunk({"content": "x", "reasoning_content": "t"})], [Thinking("t"), Text("x")],
            id="case 140 both in one chunk",
        ),
        pytest.param(
            [chunk({"reasoning_content": "t"}), chunk({"reasoning_content": "", "thinking_blocks": [
                {"type": "thinking", "thinking": "", "signature": "s"}]}), chunk({"content": "x"})],
            [Thinking("t", "s", "anthropic"), Text("x")], id="case 105 LiteLLM's late signature",
        ),
        pytest.param(
            [chunk({"reasoning_content": "t"}), chunk({"reasoning_details": [
                {"type": "reasoning.text", "text": "t", "signature": "s", "format": "gemini", "index": 0}]})],
            [Thinking("t", "s", "gemini")], id="our own stream, which repeats a signed thought",
        ),
        pytest.param(
            [chunk({"reasoning_details": [{"type": "reasoning.text", "text": "a", "index": 0}]}),
             chunk({"reasoning_details": [{"type": "reasoning.text", "text": "b", "index": 1}]})],
            [Thinking("a"), Thinking("b")], id="two thoughts",
        ),
        pytest.param(
            [chunk({"reasoning_details": [{"type": "reasoning.summary", "summary": "a", **RESPONSES}]}),
             chunk({"reasoning_details": [{"type": "reasoning.encrypted", "data": "e", **RESPONSES}]}),
             chunk({"reasoning_details": [{"type": "reasoning.encrypted", "data": "f", **RESPONSES}]})],
            [Thinking("a", "e", "openai-responses", id="rs_1"),
             Thinking("", "f", "openai-responses", redacted=True, id="rs_1")], id="a summary's encrypted twin",
        ),
        pytest.param(
            [chunk({"annotations": [CITED, {"type": "file_citation"}, 3]}), chunk({"content": "x"})],
            [Text("x", citations=(CITATION,))], id="case 127 a citation before its text",
        ),
        pytest.param(
            [chunk({"content": "x"}), chunk({"refusal": "no"}), chunk({"annotations": [CITED]})],
            [Text("x"), Refusal("no")], id="case 127 a citation behind everything",
        ),
        pytest.param(
            [chunk({"content": "x", "extra_content": {"google": {"thought_signature": "c2ln"}}})], [Text("x", "c2ln")],
            id="case 103 Google's signature on a text",
        ),
        pytest.param(
            [chunk({"audio": {"id": "i", "data": "YQ=="}}), chunk({"audio": {"data": "Yg=="}})],
            [Opaque("audio", is_said=True)], id="sound in pieces that are padded",
        ),
        pytest.param([chunk({"audio": {"data": "Y="}}), chunk({"audio": {"data": "Yg=="}})],
                     [Opaque("audio", is_said=True)], id="sound that is no base64"),
        pytest.param([chunk({"content": [{"type": "text", "text": "x"}]})], [Text("x")], id="content as an array"),
        pytest.param([chunk(None), chunk({}), {"choices": [{"message": {"content": "x"}}]}], [Text("x")],
                     id="no delta"),
        pytest.param([{"choices": [{"text": "x"}]}], [Text("x")], id="case 161 the older text"),
        pytest.param([chunk({"content": "x"}, index=None)], [Text("x")], id="no index of the choice"),
        pytest.param([chunk({"content": 3}), chunk({"content": "x"})], [Text("x")], id="nonsense for content"),
        pytest.param([3, [1], {"choices": 5}, {"choices": [7]}, chunk({"content": "x"})], [Text("x")], id="nonsense"),
        pytest.param([b'{"choices":[{"delta":{"content":"\\ud83d"}}]}'], [Text("?")], id="case 38 half a pair"),
        pytest.param([b'{"choices":[{"delta":{"content":"\xff"}}]}'], [Text("\ufffd")], id="case 38 broken UTF-8"),
    ],
)  # fmt: skip
def test_parts(chunks: list[Any], parts: list[Part]) -> None:
    assert told(*chunks) == parts


def test_case_132_a_call_flows_while_it_comes() -> None:
    events = read(
        call(index=0, id="a", name="f", arguments=""),
        call(index=0, arguments="{"),
        call(index=0, arguments="}"),
        ended=False,
    )
    assert events[1:] == [ToolBegin(0, "a", "f"), ToolDelta(0, "{"), ToolDelta(0, "}")]


def test_case_134_and_196_usage_from_any_chunk_the_last_counts() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 1}
    events = read(
        chunk({"content": "x"}, usage={"prompt_tokens": 3, "completion_tokens": 0}),
        chunk({}, "stop", usage=usage),
        {"choices": [], "usage": None},
        b"[DONE]",
    )
    assert events[-2:] == [UsageReport(Usage(3, 0, 0, 1)), DONE]
    groq = read(chunk({"content": "x"}), chunk({}, "stop", x_groq={"id": "r", "usage": usage}), b"[DONE]")
    assert groq[-2:] == events[-2:]


@pytest.mark.parametrize(
    ("chunks", "is_done", "reason"),
    [
        ([chunk({"content": "x"}), chunk({}, "stop"), b"[DONE]"], True, "stop"),
        ([chunk({"content": "x"}), chunk({}, "stop")], True, "stop"),
        ([chunk({"content": "x"}, "length")], True, "length"),
        ([chunk({"content": "x"}), b"[DONE]"], True, "stop"),
        ([chunk({"content": "x"})], False, "other"),
        ([chunk({"content": "x"}, "stop"), chunk({"content": "y"}, index=1)], False, "other"),
        ([], False, "other"),
        ([chunk({"content": "x"}, "stop"), chunk({"content": "y"}, "stop"), b"[DONE]"], True, "stop"),
    ],
)  # fmt: skip
def test_case_178_only_what_ended_is_done(chunks: list[Any], is_done: bool, reason: str) -> None:
    events = read(*chunks)
    assert (DONE in events) is is_done
    assert fold(events).choices[0].reason == reason


def test_case_197_a_finish_on_every_chunk_ends_nothing_early() -> None:
    events = read(chunk({"content": "x"}, "stop"), chunk({"content": "y"}, "stop"), b"[DONE]")
    assert [type(event) for event in events[1:]] == [TextDelta, TextDelta, End, type(DONE)]


def test_a_cut_stream_gives_what_was_held() -> None:
    reader = StreamReader()
    reader.feed("", orjson.dumps(call(index=0, id="a", name="f")))
    reader.feed("", orjson.dumps({"choices": [], "usage": {"prompt_tokens": 1}}))
    assert reader.end() == [ToolBegin(0, "a", "f"), UsageReport(Usage(1))]
    assert reader.end() == []


def test_case_177_an_error_in_the_stream() -> None:
    events = read(chunk({"content": "x"}), {"error": {"message": "overloaded", "type": "overloaded_error"}}, b"[DONE]")
    assert events[-1] == Failure(529, "upstream_overloaded", "overloaded")
    assert DONE not in events
    beside = read({**chunk({"content": ""}, "error"), "error": {"message": "x", "code": 502}})
    assert [type(event) for event in beside] == [Failure]


def test_errors_without_the_word_are_errors_too() -> None:
    (failure,) = read({"object": "error", "message": "no", "code": 400}, b"", ended=False)
    assert isinstance(failure, Failure)
    assert (failure.status, failure.message) == (400, "no")


def test_a_finish_of_error_is_no_end() -> None:
    events = read(chunk({"content": "x"}, usage={"prompt_tokens": 1}), chunk({}, "error"), b"[DONE]")
    assert [type(event) for event in events] == [Begin, TextDelta, UsageReport, Failure]


def test_case_162_azures_chunks_without_choices() -> None:
    first = {"id": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}
    late = {"id": "", "model": "", "choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {}}]}
    events = read(first, {"choices": None}, chunk({"content": "x"}), chunk({}, "stop"), late, b"[DONE]")
    assert events == [Begin("up-1", "real", 7), TextDelta(0, "x"), End("stop"), DONE]


def test_case_159_choices_do_not_mix() -> None:
    events = read(chunk({"content": "a"}), chunk({"content": "b"}, index=1), chunk({"content": "c"}),
                  chunk({}, "stop"), chunk({}, "length", index=1), b"[DONE]")  # fmt: skip
    check_order(events)
    assert [(choice.parts, choice.reason) for choice in fold(events).choices] == [
        ((Text("ac"),), "stop"), ((Text("b"),), "length"),
    ]  # fmt: skip


def test_an_event_that_is_not_json_is_the_upstreams_fault() -> None:
    with pytest.raises(FormatError):
        StreamReader().feed("", b"{not json")


def test_nothing_follows_done() -> None:
    reader = StreamReader()
    reader.feed("", orjson.dumps(chunk({}, "stop")))
    assert reader.feed("", b" [DONE] ")[-1] is DONE
    assert reader.feed("", orjson.dumps(chunk({"content": "x"}))) == reader.end() == []


def test_sound_is_given_whole() -> None:
    events = read(chunk({"audio": {"id": "i", "data": "YQ=="}}), chunk({"audio": {"data": "Yg==", "transcript": "ab"}}))
    (part,) = fold(events).choices[0].parts
    assert part.original == Original(NAME, {"id": "i", "data": "YWI=", "transcript": "ab"})


def test_signatures_end_a_thought() -> None:
    item = {"type": "reasoning.text", "text": "t", "signature": "s", "format": "anthropic-claude-v1", "id": "i"}
    assert read(chunk({"reasoning_details": [item]}), ended=False)[1:] == [
        ThinkingDelta(0, "t"), ThinkingSignature(0, "s", "anthropic", id="i"),
    ]  # fmt: skip


THINK = "<think>\nWhy? a < b </thin\n</think>\n\nBecause <think> is a tag."


@settings(deadline=None)  # a busy machine is no fault
@given(st.lists(st.integers(0, len(THINK)), max_size=12))
def test_case_141_think_tags_are_found_however_the_text_is_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(THINK)]
    pieces = [THINK[start:end] for start, end in pairwise(places)]
    assert told(*(chunk({"content": piece}) for piece in pieces), think_tags=True) == [
        Thinking("Why? a < b </thin\n"), Text("Because <think> is a tag."),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("no tag", [Text("no tag")]),
        ("<thin", [Text("<thin")]),
        ("<think>never closed</th", [Thinking("never closed</th")]),
        ("<think></think>x", [Text("x")]),
        ("x <think>y</think>", [Text("x <think>y</think>")]),
    ],
)
def test_case_141_what_is_no_tag_stays(text: str, parts: list[Part]) -> None:
    assert told(chunk({"content": text}), think_tags=True) == parts
    assert told(*(chunk({"content": letter}) for letter in text), think_tags=True) == parts


def deltas_of(path: Path) -> list[Json]:
    lines = [line[6:] for line in path.read_text(encoding="utf-8").split("\n\n") if line]
    return [json.loads(line) for line in lines if line != "[DONE]"]


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_goldens_keep_their_order(path: Path) -> None:
    check_order(read(*deltas_of(path), b"[DONE]"))


def reply_of(chunks: list[Json]) -> Reply:
    return fold(read(*chunks, b"[DONE]"))


@settings(deadline=None)  # a busy machine is no fault
@given(st.sampled_from(STREAMS), st.data())
def test_i7_any_grouping_of_letters_into_deltas_gives_the_same_reply(path: Path, data: st.DataObject) -> None:
    chunks = deltas_of(path)
    split: list[Json] = []
    for item in chunks:
        delta = item["choices"][0]["delta"] if item["choices"] else {}
        text = delta.get("content")
        if text and delta.keys() <= {"content", "role"} and not item["choices"][0]["logprobs"]:
            cut = data.draw(st.integers(0, len(text)))
            deltas = [{**delta, "content": piece} for piece in (text[:cut], text[cut:])]
            split += [{**item, "choices": [{**item["choices"][0], "delta": half}]} for half in deltas]
        else:
            split.append(item)
    assert reply_of(split) == reply_of(chunks)


FRAGMENT = st.fixed_dictionaries(
    {},
    optional={
        "index": st.integers(0, 2),
        "id": st.sampled_from(("a", "b", "")),
        "name": st.sampled_from(("f", "g")),
        "arguments": st.sampled_from(("", "{", '"x":1', "}", "{}")),
    },
)


@settings(deadline=None)  # a busy machine is no fault
@given(st.lists(FRAGMENT | st.just(None), max_size=14))
def test_no_stream_of_calls_breaks_the_order(fragments: list[Json | None]) -> None:
    chunks = [chunk({"content": "t"}) if fragment is None else call(**fragment) for fragment in fragments]
    events = read(*chunks, chunk({}, "tool_calls"), b"[DONE]")
    check_order(events)
    assert sum(isinstance(event, End) for event in events) == 1
    said = "".join(fragment.get("arguments", "") for fragment in fragments if fragment is not None)
    heard = "".join(event.arguments for event in events if isinstance(event, ToolDelta))
    assert not Counter(heard) - Counter(said)
