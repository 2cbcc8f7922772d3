"""A whole reply is its events added up, however its texts were cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.formats.chat import Citation, Image, Opaque, Refusal, Source, Text, Thinking, ToolCall
from fastproxy.formats.events import (
    DONE,
    Begin,
    Choice,
    Cited,
    End,
    Event,
    Foreign,
    Logprobs,
    Media,
    RefusalDelta,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolBegin,
    ToolDelta,
    UsageReport,
)
from fastproxy.formats.fold import fold
from fastproxy.formats.usage_fields import Usage

CITATION = Citation("https://a.test", "A", 0, 2)
PICTURE = Image(Source("image/png", "AAAA"))
SEARCH = Opaque("web_search_call")


@pytest.mark.parametrize(
    ("events", "parts"),
    [
        ([TextDelta(0, "a"), TextDelta(0, "b")], (Text("ab"),)),
        ([TextDelta(0, "a"), TextDelta(1, "b")], (Text("a"), Text("b"))),
        ([TextDelta(0, "a"), TextDelta(0, "", "sig")], (Text("a", "sig"),)),
        ([TextDelta(0, "ab"), Cited(0, CITATION)], (Text("ab", None, (CITATION,)),)),
        ([ToolBegin(0, "c1", "f")], (ToolCall("c1", "f", ""),)),
        ([ToolBegin(0, "c1", "f", True, "s"), ToolDelta(0, "x")], (ToolCall("c1", "f", "x", True, "s"),)),
        ([ThinkingDelta(0, "a"), ThinkingDelta(0, "b", 1)], (Thinking("a\n\nb"),)),
        (
            [ThinkingDelta(0, "a"), ThinkingSignature(0, "sig", "anthropic", id="rs_1")],
            (Thinking("a", "sig", "anthropic", False, "rs_1"),),
        ),
        ([ThinkingSignature(0, "data", "anthropic", True)], (Thinking("", "data", "anthropic", True),)),
        ([RefusalDelta(0, "no"), RefusalDelta(0, "!")], (Refusal("no!"),)),
        ([Media(0, PICTURE), Foreign(1, SEARCH)], (PICTURE, SEARCH)),
    ],
)
def test_deltas_become_parts(events: list[Event], parts: tuple[object, ...]) -> None:
    assert fold([*events, End("stop")]).choices == (Choice(parts, "stop"),)  # type: ignore[arg-type]


def test_the_frame_of_a_reply() -> None:
    words: tuple[dict[str, object], ...] = ({"token": "a"},)
    reply = fold(
        [Begin("id", "m", 7, Usage(5)), TextDelta(0, "a", choice=1), TextDelta(0, "b"), Logprobs(words),
         End("stop_sequence", "END"), End("refusal", None, "why", choice=1), UsageReport(Usage(5, output=2)), DONE]
    )  # fmt: skip
    assert (reply.id, reply.model, reply.created, reply.usage) == ("id", "m", 7, Usage(5, output=2))
    assert reply.choices[0] == Choice((Text("b"),), "stop_sequence", "END", None, words)
    assert reply.choices[1] == Choice((Text("a"),), "refusal", None, "why")


def test_the_counts_at_the_start_stand_until_there_are_better_ones() -> None:
    assert fold([Begin(usage=Usage(5))]).usage == Usage(5)


def test_a_reply_without_an_end_has_one_choice_that_ended_somehow() -> None:
    assert fold([Begin("id")]).choices == (Choice((), "other"),)


@given(st.text(), st.lists(st.integers(0, 40)))
def test_where_a_text_was_cut_does_not_matter(text: str, cuts: list[int]) -> None:
    places = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    pieces = [text[a:b] for a, b in pairwise(places)] or [text]
    assert fold([TextDelta(0, piece) for piece in pieces]).choices[0].parts == (Text(text),)
