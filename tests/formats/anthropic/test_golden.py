"""The corpus of real requests, replies and streams: nothing is lost on the way through the hub."""

from __future__ import annotations

import pytest
from anthropic.types import Message

from fastproxy.formats import anthropic
from fastproxy.formats.chat import Target
from fastproxy.formats.events import DONE
from fastproxy.formats.fold import fold
from fastproxy.formats.notes import Notes
from tests.formats.anthropic.frames import CONTEXT, GOLDEN, golden, read, written

REQUESTS = sorted(path.name for path in GOLDEN.glob("request_*.json"))
REPLIES = sorted(path.stem.removeprefix("reply_") for path in GOLDEN.glob("reply_*.json"))


@pytest.mark.parametrize("name", REQUESTS)
def test_an_anthropic_clients_request_is_written_as_it_was(name: str) -> None:
    """Cases 4, 62, 64, 90: unknown fields, server tools and cache breakpoints are all there."""
    body, notes = golden(name), Notes()
    made, names = anthropic.write_request(anthropic.read_request(body), Target("other"), notes)
    assert made == {**body, "model": "other"}
    assert list(made) == list(body)
    assert not names
    assert not notes


@pytest.mark.parametrize("name", REPLIES)
def test_a_stream_adds_up_to_the_whole_reply(name: str) -> None:
    events = read((GOLDEN / f"stream_{name}.sse").read_bytes())
    assert fold(events) == fold(anthropic.read_reply(golden(f"reply_{name}.json")))
    assert events.count(DONE) == 1
    assert events[-1] is DONE


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_goes_out_as_it_came(name: str) -> None:
    body = golden(f"reply_{name}.json")
    made = anthropic.write_reply(fold(anthropic.read_reply(body)), CONTEXT)
    same = ("type", "role", "content", "stop_reason", "stop_sequence")
    assert {field: made[field] for field in same} == {field: body[field] for field in same}
    counts = {field: value for field, value in body["usage"].items() if field in made["usage"]}
    assert made["usage"] == counts
    assert (made["id"], made["model"]) == ("msg_5f2b", "claude")
    Message.model_validate(made)


@pytest.mark.parametrize("name", REPLIES)
def test_what_is_streamed_to_a_client_equals_what_is_sent_whole(name: str) -> None:
    events = anthropic.read_reply(golden(f"reply_{name}.json"))
    writer = anthropic.StreamWriter(CONTEXT)
    streamed = fold(read(b"".join(writer.write(event) for event in events)))
    assert streamed == fold(anthropic.read_reply(anthropic.write_reply(fold(events), CONTEXT)))


@pytest.mark.parametrize("name", REPLIES)
def test_a_stream_has_one_beginning_and_one_end(name: str) -> None:
    said = written(read((GOLDEN / f"stream_{name}.sse").read_bytes()))
    kinds = [body["type"] for body in said]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert all(kinds.count(once) == 1 for once in ("message_start", "message_delta", "message_stop"))
    starts = [body["index"] for body in said if body["type"] == "content_block_start"]
    stops = [body["index"] for body in said if body["type"] == "content_block_stop"]
    assert starts == stops == list(range(len(starts)))
