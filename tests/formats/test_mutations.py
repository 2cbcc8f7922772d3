"""Golden bodies with something wrong in them, hundreds of ways: refused or understood, never a crash.

A client's request may only fail with a FormatError. A reply may also fail with what the gateway takes for an unreadable
one; it must not loop, and nothing else may come out. The mutations are the same in every run.
"""

from __future__ import annotations

import copy
import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from fastproxy.errors import FormatError
from fastproxy.formats.chat import CHAT_FORMATS
from fastproxy.formats.events import Failure
from fastproxy.formats.registry import CHAT
from fastproxy.wire.sse import SseReader
from tests.formats.corpus import (
    REPLIES,
    REQUESTS,
    STREAMS,
    Golden,
    written_reply,
    written_request,
    written_stream,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastproxy.formats.events import Event

PER_FILE = 12
UNREADABLE = (FormatError, ValueError, TypeError, KeyError, IndexError, AttributeError)
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 10**12, "", "x", "{}", "[]", "a" * 70, "tool_use", "assistant", "tool", "system",
    "function", "image_url", [], {}, [1], [None], [[]], [{}], {"a": 1}, {"type": "x"}, [{"type": "text"}],
    {"type": "text", "text": "t"},
)  # fmt: skip


def name_of(golden: Golden) -> str:
    return golden.name


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything below `value`."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def mutated(body: Any, chance: random.Random) -> Any:
    """A copy with one to three things removed, doubled, swapped or replaced."""
    body = copy.deepcopy(body)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        found = list(places(body))
        if not found:
            break
        *steps, last = chance.choice(found)
        holder = body
        for step in steps:
            holder = holder[step]
        way = chance.random()
        if way < 0.25:
            del holder[last]
        elif way < 0.35 and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[last]))
        else:
            holder[last] = copy.deepcopy(chance.choice(VALUES))
    return body


@pytest.mark.parametrize("golden", REQUESTS, ids=name_of)
def test_a_request_is_refused_or_understood(golden: Golden) -> None:
    chance = random.Random(golden.name)
    for _ in range(PER_FILE):
        body = mutated(golden.body(), chance)
        try:
            request = CHAT[golden.format].read_request(body, model="m" if golden.format == "gemini" else "")
        except FormatError:
            continue
        for target in CHAT_FORMATS:
            try:
                made, notes = written_request(request, target)
            except FormatError:
                continue
            json.dumps(made)
            assert all(notes.report(request, CHAT[golden.format].FIELDS))


@pytest.mark.parametrize("golden", REPLIES, ids=name_of)
def test_a_reply_is_unreadable_or_understood(golden: Golden) -> None:
    chance = random.Random(golden.name)
    for _ in range(PER_FILE):
        body = mutated(golden.body(), chance)
        try:
            events = CHAT[golden.format].read_reply(body)
            write_all(events)
        except UNREADABLE:
            continue


@pytest.mark.parametrize("golden", STREAMS, ids=name_of)
def test_a_stream_is_unreadable_or_understood(golden: Golden) -> None:
    chance = random.Random(golden.name)
    sse = SseReader()
    whole = sse.feed(golden.path.read_bytes()) + sse.end()
    for _ in range(PER_FILE):
        stream = list(whole)
        place = chance.randrange(len(stream))
        name, data = stream[place]
        if data[:1] == b"{":
            stream[place] = (name, json.dumps(mutated(json.loads(data), chance)).encode())
        way = chance.random()
        if way < 0.15:
            del stream[place]
        elif way < 0.3:
            stream.insert(chance.randrange(len(stream)), stream[place])
        elif way < 0.35:
            stream[place] = (name, chance.choice((b"", b"x", b"null", b"[1]", b"{}", b'"x"')))
        reader = CHAT[golden.format].StreamReader()
        try:
            events = [event for name, data in stream for event in reader.feed(name, data)] + reader.end()
            write_all(events)
        except UNREADABLE:
            continue


def write_all(events: list[Event]) -> None:
    if not any(isinstance(event, Failure) for event in events):
        for target in CHAT_FORMATS:
            json.dumps(written_reply(events, target))
            written_stream(events, target)
