"""What is written down in tests/golden/cross is what our code makes, however a stream arrives; and every case has one.

A failure here is a change that clients would see. If it is meant: python -m tests.formats.write_goldens, and read what
git then shows.
"""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from fastproxy.formats import exact
from fastproxy.formats.events import ReplyContext
from tests.formats.corpus import ROOT
from tests.formats.cross_variants import VARIANTS
from tests.formats.crossing import (
    CROSS,
    Input,
    byte_by_byte,
    events_in,
    inputs,
    outcome,
    three_events_per_read,
    whole,
)
from tests.formats.golden_text import WIDTH, text_of
from tests.formats.sdk_types import check_event, check_reply, check_request
from tests.formats.write_goldens import stale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CONTEXT = ReplyContext("00ff", "m", 0)
INPUTS = inputs()
COMMAND = "python -m tests.formats.write_goldens"
CASES = ROOT / "cases.md"
MOST_BYTES = 3_000_000
EVERY_CASE = 206
MOST_SHOWN = 60  # lines of a difference


def name_of(value: object) -> str:
    return value.name if isinstance(value, Input) else getattr(value, "__name__", str(value))


def check(given: Input, text: str) -> None:
    name = given.written.relative_to(ROOT.parent.parent)
    assert given.written.exists(), f"{name} is missing; to write it: {COMMAND}"
    before = given.written.read_text(encoding="utf-8")
    if before != text:
        lines = difflib.unified_diff(before.splitlines(), text.splitlines(), "written down", "made now", "", "", 2, "")
        shown = "\n".join(list(lines)[:MOST_SHOWN])
        pytest.fail(f"{name} says something else; if this is meant: {COMMAND}\n{shown}", pytrace=False)


@pytest.mark.parametrize("given", INPUTS, ids=name_of)
def test_an_outcome_is_as_it_is_written_down(given: Input) -> None:
    check(given, text_of(outcome(given)))


@pytest.mark.parametrize("feed", [whole, byte_by_byte, three_events_per_read], ids=name_of)
@pytest.mark.parametrize("given", [given for given in INPUTS if given.kind == "stream"], ids=name_of)
def test_a_stream_may_arrive_in_any_pieces(given: Input, feed: Callable[[bytes], Iterable[bytes]]) -> None:
    check(given, text_of(outcome(given, feed)))


def test_the_ways_to_arrive_differ() -> None:
    data = b"".join(b"event: a\r\ndata: %d\r\n\r\n" % number for number in range(7))
    ways = [list(feed(data)) for feed in (whole, byte_by_byte, three_events_per_read)]
    assert all(b"".join(pieces) == data for pieces in ways)
    assert [len(pieces) for pieces in ways] == [1, len(data), 3]
    assert ways[2][0].count(b"data") == 3
    assert ways[2][0].endswith(b"event: a\r\n")


def test_nothing_is_written_down_for_what_is_gone() -> None:
    assert stale() == [], f"to remove them: {COMMAND}"
    assert VARIANTS.keys() <= {given.name for given in INPUTS}


def test_what_is_written_down_stays_small() -> None:
    assert sum(path.stat().st_size for path in CROSS.rglob("*.json")) < MOST_BYTES


# said in words that the vendor's SDK does not know, and why
BEYOND_THE_SDK = {
    ("anthropic/odd_stream_unknown_events", "anthropic"),  # what is unknown passes within its own format
    ("anthropic/request_cached", "openai-chat openrouter"),  # cache_control, which OpenRouter takes
}


@pytest.mark.parametrize("given", [given for given in INPUTS if given.kind != "error"], ids=name_of)
def test_what_is_written_is_valid_for_the_vendors_sdk(given: Input) -> None:
    for label, made in json.loads(given.written.read_text(encoding="utf-8")).items():
        if (given.name, label) not in BEYOND_THE_SDK:
            judge(given.kind, label.split()[0], made)


def judge(kind: str, target: str, made: Any) -> None:
    if kind == "stream":
        for event in made:
            if isinstance(event, dict) and not is_refusal(event) and event.get("type") != "ping":
                check_event(target, event)
    elif kind == "reply" and not is_refusal(made):
        check_reply(target, made)
    elif kind == "request" and isinstance(made.get("body"), dict):
        check_request(target, made["body"])


def is_refusal(made: dict[str, Any]) -> bool:
    """An error in the place of a reply: an HTTP status and a body."""
    return made.keys() == {"status", "body"}


# --- the cases ----------------------------------------------------------------------------------------------------


def rows() -> list[tuple[int, list[str]]]:
    """The table of cases: number, and what shows it; "none yet" stands with its reason."""
    lines = re.findall(r"(?m)^\| (\d+) \|[^|]+\| ([^|]+) \|$", CASES.read_text(encoding="utf-8"))
    return [(int(number), re.findall(r"`([^`]+)`", shown) or [shown]) for number, shown in lines]


def test_every_case_has_a_row() -> None:
    assert [number for number, _ in rows()] == list(range(1, EVERY_CASE + 1))


def test_what_shows_a_case_exists() -> None:
    """`package/input`, `package/input variant`, or `file::name` below tests/, with * for the whole file."""
    faults = [f"case {number}: {one}" for number, shown in rows() for one in shown if not is_there(one)]
    assert faults == []


def is_there(shown: str) -> bool:
    file, _, name = shown.partition("::")
    if name:
        path = ROOT.parent / file
        return path.exists() and (name == "*" or f"def {name}(" in path.read_text(encoding="utf-8"))
    if shown.startswith("none yet: "):
        return True
    given, _, variant = shown.partition(" ")
    path = CROSS / f"{given}.json"
    return path.exists() and (not variant or f'"{variant}":' in path.read_text(encoding="utf-8"))


def test_what_is_not_there_is_found() -> None:
    assert is_there("anthropic/request_text")
    assert is_there("anthropic/stream_text gemini as array")
    for fault in (
        "anthropic/nothing",
        "anthropic/request_text gemini x",
        "nothing.py::*",
        "test_record.py::test_x",
        "x",
    ):
        assert not is_there(fault)


# --- the form -----------------------------------------------------------------------------------------------------


def test_the_form_keeps_order_and_escapes_ends_of_lines() -> None:
    assert text_of({"b": [1, {}], "a": "\u2028ø\x85"}) == '{"b": [1, {}], "a": "\\u2028ø\\u0085"}\n'
    assert (
        text_of(exact.loads('{"b": [1e3, 1.50, 12345678901234567890123]}'))
        == '{"b": [1e3, 1.50, 12345678901234567890123]}\n'
    )
    long = text_of({"b": ["x" * WIDTH], "a": 1})
    assert long == '{\n "b": [\n  "' + "x" * WIDTH + '"\n ],\n "a": 1\n}\n'


def test_an_event_is_json_only_where_that_tells_every_byte() -> None:
    def said(stream: bytes) -> list[object]:
        return events_in(stream, CONTEXT)

    assert said(b'data: {"a":1}\n\ndata: [DONE]\n\n') == [{"a": 1}, "data: [DONE]"]
    assert said(b'event: x\ndata: {"type":"x"}\n\n') == [{"type": "x"}]
    for odd in ('event: y\ndata: {"type":"x"}', 'data: {"type":"x"}', 'data: {"a": 1}', 'event: x\ndata: {"a":1}'):
        assert said(odd.encode() + b"\n\n") == [odd]
