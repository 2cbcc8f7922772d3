"""The invariants of the hub, over every golden file of every format.

I1  fold(stream) == fold(whole reply)             I4  usage is conserved in every format
I2  write(read(x)) == x in the same format        I6  every written stream ends once
I3  opaque bytes survive a client's round trip    I7  the reading does not depend on the split
and all that is written for another format is valid for that vendor's own SDK types
"""

from __future__ import annotations

import base64
import json
import random
import re
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from fastproxy.formats.chat import (
    CHAT_FORMATS,
    Audio,
    Document,
    Image,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Video,
)
from fastproxy.formats.events import (
    Begin,
    Choice,
    Done,
    End,
    Failure,
    RefusalDelta,
    TextDelta,
    ThinkingDelta,
    ToolBegin,
    ToolDelta,
)
from fastproxy.formats.fold import fold
from fastproxy.formats.registry import CHAT
from fastproxy.wire.sse import SseReader
from tests.formats.corpus import (
    REPLIES,
    REQUESTS,
    ROOT,
    STREAMS,
    Golden,
    crossed,
    data_of,
    events_of,
    plain,
    said,
    texts_in,
    written_reply,
    written_request,
    written_stream,
)
from tests.formats.sdk_types import check_event, check_reply, check_request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastproxy.formats.chat import ChatRequest
    from fastproxy.formats.events import Event, Reply
    from fastproxy.formats.notes import Notes


def name_of(value: object) -> str:
    return value.name if isinstance(value, Golden) else str(value)


every_request = pytest.mark.parametrize("golden", REQUESTS, ids=name_of)
every_reply = pytest.mark.parametrize("golden", REPLIES, ids=name_of)
every_stream = pytest.mark.parametrize("golden", STREAMS, ids=name_of)
every_format = pytest.mark.parametrize("target", CHAT_FORMATS)


def there_and_back(golden: Golden, target: str) -> tuple[ChatRequest, ChatRequest, Notes] | None:
    """A golden request, what the target's reader makes of it as written there, and what was noted."""
    found = crossed(golden, target)
    if found is None:
        return None
    request, body, notes = found
    return request, CHAT[target].read_request(body, model="m"), notes


@every_format
@pytest.mark.parametrize("kind", ["request_*.json", "reply_*.json", "stream_*.sse"])
def test_the_corpus_covers_every_format(target: str, kind: str) -> None:
    assert len(list((ROOT / target.replace("-", "_")).glob(kind))) >= 8


# --- requests -----------------------------------------------------------------------------------------------------


@every_request
def test_i2_a_request_in_its_own_format_is_itself(golden: Golden) -> None:
    request = golden.request()
    body, notes = written_request(request, golden.format, request.model)
    assert body == golden.body()
    assert not notes, list(notes)


@every_format
@every_request
def test_a_request_written_for_another_vendor_is_valid_there(golden: Golden, target: str) -> None:
    found = crossed(golden, target)
    if found is not None and target != golden.format:
        check_request(target, found[1])


@every_format
@every_request
def test_what_is_lost_is_named(golden: Golden, target: str) -> None:
    """Every line of the report has a name that the client knows, or says what kind of thing it was."""
    found = crossed(golden, target)
    if found is None:
        return
    for line in found[2].report(found[0], CHAT[golden.format].FIELDS):
        assert re.match(r"\S+ (dropped|moved|clamped|changed)(: \S|$)", line), line
        assert len(line) < 400
        assert "None" not in line


@every_format
@every_request
def test_no_text_of_the_conversation_disappears_without_a_note(golden: Golden, target: str) -> None:
    found = there_and_back(golden, target)
    if found is None:
        return
    request, again, notes = found
    if not notes:
        assert spoken(again.turns) == spoken(request.turns)


@every_format
@every_request
def test_tools_calls_and_results_arrive(golden: Golden, target: str) -> None:
    """Each function, each call with its arguments, and as many results, in the conversation's order."""
    found = there_and_back(golden, target)
    if found is None:
        return
    request, again, _ = found
    choice = request.tool_choice
    names = [tool.name for tool in request.tools if tool.kind == "function"]
    if choice is not None and choice.mode == "allowed" and len(again.tools) < len(names):
        names = [name for name in names if name in choice.names]  # the others are left out where no word forbids them
    assert [tool.name for tool in again.tools if tool.name in names] == names
    assert called(again.turns) == called(request.turns)
    assert answers(again.turns) == answers(request.turns)


def called(turns: Iterable[Any]) -> list[tuple[str, Any]]:
    parts = [part for turn in turns for part in turn.parts]
    return [(part.name, plain_arguments(part)) for part in parts if isinstance(part, ToolCall)]


def answers(turns: Iterable[Any]) -> int:
    return sum(isinstance(part, ToolResult) for turn in turns for part in turn.parts)


@every_format
@every_request
def test_no_file_disappears_without_a_note(golden: Golden, target: str) -> None:
    found = there_and_back(golden, target)
    if found is None:
        return
    request, again, notes = found
    if not notes:
        assert files(again.turns) == files(request.turns)


def files(turns: Iterable[Any]) -> int:
    parts = [part for turn in turns for part in turn.parts]
    inner = [one for part in parts if isinstance(part, ToolResult) for one in part.parts]
    return sum(isinstance(part, Image | Document | Audio | Video) for part in [*parts, *inner])


def spoken(turns: Iterable[Any]) -> list[str]:
    parts = [part for turn in turns for part in turn.parts]
    return sorted(part.text for part in parts if isinstance(part, Text | Refusal) and part.text)


# --- replies ------------------------------------------------------------------------------------------------------


@every_reply
def test_i1_a_stream_is_its_reply_in_pieces(golden: Golden) -> None:
    whole, streamed = fold(golden.reply_events()), fold(golden.streamed().stream_events())
    assert said(streamed) == said(whole)


@every_stream
def test_a_whole_stream_is_done(golden: Golden) -> None:
    events = golden.stream_events()
    assert [type(event) for event in events if isinstance(event, Done)] == [Done]
    assert isinstance(events[-1], Done)
    assert not any(isinstance(event, Failure) for event in events)


@every_format
@every_reply
def test_a_reply_is_valid_for_every_clients_sdk(golden: Golden, target: str) -> None:
    check_reply(target, written_reply(golden.reply_events(), target))


@every_format
@every_stream
def test_a_stream_is_valid_for_every_clients_sdk(golden: Golden, target: str) -> None:
    for name, value in data_of(written_stream(golden.stream_events(), target)):
        if value != b"[DONE]" and name != "ping":
            check_event(target, value)
            assert name == ("" if target in ("openai-chat", "gemini") else value["type"])


@every_format
@every_reply
def test_both_writers_say_the_same(golden: Golden, target: str) -> None:
    """What a client reads from a stream is what it reads from the whole reply."""
    events = golden.reply_events()
    whole = fold(CHAT[target].read_reply(written_reply(events, target)))
    streamed = fold(events_of(target, [written_stream(events, target)]))
    assert said(streamed)["choices"] == said(whole)["choices"]
    assert streamed.usage == whole.usage


@every_format
@every_stream
def test_i1_a_client_reads_the_same_whether_the_vendor_streamed_or_not(golden: Golden, target: str) -> None:
    """Vendors stream some things in another order than a whole reply has them, such as citations before their text."""
    events = golden.stream_events()
    whole = golden.whole()
    streamed = fold(events_of(target, [written_stream(events, target)]))
    told = fold(CHAT[target].read_reply(written_reply(whole.reply_events(), target)))
    assert said(streamed)["choices"] == said(told)["choices"]
    assert streamed.usage == told.usage


@every_format
@every_reply
def test_texts_and_calls_arrive(golden: Golden, target: str) -> None:
    """All that was said is there in its order; a format without images or refusals may have said more in words."""
    reply = fold(golden.reply_events())
    again = fold(CHAT[target].read_reply(written_reply(golden.reply_events(), target)))
    choices = reply.choices[:1] if target in ("anthropic", "openai-responses") else reply.choices
    assert len(again.choices) == len(choices)
    for before, after in zip(choices, again.choices, strict=True):
        place = 0
        for text in texts_of(before):
            place = "".join(texts_of(after)).find(text, place)
            assert place >= 0, text
        assert calls_of(after) == calls_of(before)


def texts_of(choice: Choice) -> list[str]:
    return [part.text for part in choice.parts if isinstance(part, Text | Refusal)]


def calls_of(choice: Choice) -> list[tuple[str, Any]]:
    return [(part.name, plain_arguments(part)) for part in choice.parts if isinstance(part, ToolCall)]


def plain_arguments(call: ToolCall) -> Any:
    """Without white space: Anthropic and Gemini carry objects, and a custom call's text in one of its own."""
    try:
        found = json.loads(call.arguments or "{}")
    except ValueError:
        return call.arguments
    return found["input"] if isinstance(found, dict) and found.keys() == {"input"} else found


# --- I3: opaque bytes ---------------------------------------------------------------------------------------------


def seals(reply: Reply, target: str) -> list[str]:
    """The signatures of the first choice; without those on texts, which are optional, where they are known lost."""
    kinds = Thinking | ToolCall if "text.signature" in CHAT[target].LOSSY else Thinking | ToolCall | Text
    parts = reply.choices[0].parts
    return [part.signature for part in parts if isinstance(part, kinds) and part.signature]


@every_format
@every_reply
def test_i3_opaque_bytes_come_back_through_every_client(golden: Golden, target: str) -> None:
    reply = fold(golden.reply_events())
    opaque = seals(reply, target)
    if not opaque:
        return
    history = next_request(target, written_reply(golden.reply_events(), target))
    request = CHAT[target].read_request(history, model="client-model")
    body, _ = written_request(request, golden.format, vendor="openrouter")
    sent = {bare(text) for text in texts_in(body)}
    assert {bare(seal) for seal in opaque} <= sent


def bare(text: str) -> str:
    """Gemini's SDK re-encodes base64 with the other alphabet; the bytes are the same."""
    try:
        return base64.urlsafe_b64decode(text.translate({43: 45, 47: 95}) + "==").hex()
    except ValueError:
        return text


def next_request(target: str, reply: dict[str, Any]) -> dict[str, Any]:
    """What the client sends next: its question, the reply as it got it, results for the calls, another question."""
    return {
        "openai-chat": _next_chat,
        "openai-responses": _next_response,
        "anthropic": _next_message,
        "gemini": _next_content,
    }[target](reply)


def _next_chat(reply: dict[str, Any]) -> dict[str, Any]:
    message = reply["choices"][0]["message"]
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": "ok"} for call in message.get("tool_calls") or ()
    ]
    return {
        "model": "m",
        "messages": [{"role": "user", "content": "q"}, message, *results, {"role": "user", "content": "r"}],
    }


def _next_response(reply: dict[str, Any]) -> dict[str, Any]:
    output = reply["output"]
    results = [
        {"type": item["type"] + "_output", "call_id": item["call_id"], "output": "ok"}
        for item in output
        if item["type"] in ("function_call", "custom_tool_call")
    ]
    return {
        "model": "m",
        "input": [{"role": "user", "content": "q"}, *output, *results, {"role": "user", "content": "r"}],
    }


def _next_message(reply: dict[str, Any]) -> dict[str, Any]:
    results: list[dict[str, Any]] = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": "ok"}
        for block in reply["content"]
        if block["type"] == "tool_use"
    ]
    turns = [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": reply["content"]},
        {"role": "user", "content": [*results, {"type": "text", "text": "r"}]},
    ]
    return {"model": "m", "max_tokens": 4096, "messages": turns}


def _next_content(reply: dict[str, Any]) -> dict[str, Any]:
    model_turn = reply["candidates"][0]["content"]
    calls = [part["functionCall"] for part in model_turn.get("parts", ()) if "functionCall" in part]
    results: list[dict[str, Any]] = [
        {"functionResponse": {key: call[key] for key in ("id", "name") if key in call} | {"response": {"output": "ok"}}}
        for call in calls
    ]
    question, other = {"role": "user", "parts": [{"text": "q"}]}, {"role": "user", "parts": [*results, {"text": "r"}]}
    return {"contents": [question, model_turn, other]}


# --- I4, I6, I7 ---------------------------------------------------------------------------------------------------


@every_format
@every_reply
def test_i4_usage_is_conserved(golden: Golden, target: str) -> None:
    cost = fold(golden.reply_events()).usage
    if cost is None:
        return
    events = golden.reply_events()
    for again in (
        fold(CHAT[target].read_reply(written_reply(events, target))).usage,
        fold(events_of(target, [written_stream(events, target)])).usage,
    ):
        assert again is not None
        assert again.output == cost.output
        assert again.cache_read == cost.cache_read
        assert again.reasoning == cost.reasoning
        assert again.input + again.cache_write == cost.input + cost.cache_write
        assert target == "gemini" or again.cache_write == cost.cache_write  # Gemini has no word for it


@every_format
@every_stream
def test_i6_every_stream_ends_once(golden: Golden, target: str) -> None:
    events = golden.stream_events()
    written = data_of(written_stream(events, target))
    values = [value for _, value in written]
    choices = len(fold(events).choices)
    if target == "openai-chat":
        assert values.count(b"[DONE]") == 1
        assert values[-1] == b"[DONE]"
        ends = [choice for value in values[:-1] for choice in value["choices"] if choice.get("finish_reason")]
        assert len(ends) == choices
    elif target == "gemini":
        ends = [one for value in values for one in value.get("candidates", ()) if one.get("finishReason")]
        assert len(ends) == choices
    else:
        last = ("message_stop",) if target == "anthropic" else ("response.completed", "response.incomplete")
        assert [value["type"] for value in values if value["type"] in last] == [values[-1]["type"]]


@every_format
@every_stream
def test_i6_a_cut_stream_has_no_end(golden: Golden, target: str) -> None:
    events = [event for event in golden.stream_events() if not isinstance(event, Done)]
    written = written_stream(events, target)
    ends = (b"[DONE]", b'"message_stop"', b'"response.completed"', b'"response.incomplete"')
    assert not any(end in written for end in ends)


@every_stream
def test_i7_the_split_does_not_matter(golden: Golden) -> None:
    data = golden.path.read_bytes()
    whole = plain(golden.stream_events())
    assert plain(events_of(golden.format, (data[at : at + 1] for at in range(len(data))))) == whole
    assert plain(events_of(golden.format, [data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")])) == whole
    chance = random.Random(golden.name)  # the same cuts every time
    for _ in range(20):
        cuts = sorted(chance.randrange(len(data)) for _ in range(chance.randrange(1, 12)))
        pieces = [data[first:last] for first, last in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        assert plain(events_of(golden.format, pieces)) == whole


@every_stream
def test_i7_a_stream_that_is_cut_anywhere_is_no_whole_one(golden: Golden) -> None:
    """At any event but the last ones: the reader may know that the upstream had finished, nothing else."""
    sse = SseReader()
    events = sse.feed(golden.path.read_bytes()) + sse.end()
    for count in range(len(events) // 2):
        reader = CHAT[golden.format].StreamReader()
        read: list[Event] = [event for name, data in events[:count] for event in reader.feed(name, data)]
        assert not any(isinstance(event, Done) for event in read + reader.end())


@every_format
@every_reply
def test_i7_the_grouping_of_deltas_does_not_matter(golden: Golden, target: str) -> None:
    events = golden.reply_events()
    expected = said(fold(events_of(target, [written_stream(events, target)])))
    finer = [piece for event in events for piece in in_letters(event)]
    assert said(fold(events_of(target, [written_stream(finer, target)]))) == expected


def in_letters(event: Event) -> list[Event]:
    if isinstance(event, TextDelta) and event.signature is None:
        return [replace(event, text=letter) for letter in event.text]
    if isinstance(event, ThinkingDelta | RefusalDelta):
        return [replace(event, text=letter) for letter in event.text]
    if isinstance(event, ToolDelta):
        return [replace(event, arguments=letter) for letter in event.arguments]
    return [event]


@every_format
@pytest.mark.parametrize(
    "text", ['"\\\n\r\t\x00\x7f', "\u2028\u2029\x85", "\ud7ff\ue000😀é", "data: x\n\nevent: y", "</script>"]
)
def test_every_text_survives_every_stream(text: str, target: str) -> None:
    events = [Begin("id", "m"), TextDelta(0, text), ThinkingDelta(1, text), ToolBegin(2, "call_1", "f"),
              ToolDelta(2, json.dumps({"a": text})), End("tool_calls"), Done()]  # fmt: skip
    stream = written_stream(events, target)
    assert (
        text not in ("\u2028\u2029\x85",)
        or target != "gemini"
        or len(stream.decode().splitlines()) == stream.count(b"\n")
    )
    parts = fold(events_of(target, [stream])).choices[0].parts
    assert [part.text for part in parts if isinstance(part, Text)] == [text]
    assert [part.text for part in parts if isinstance(part, Thinking)] == [text]
    assert [json.loads(part.arguments) for part in parts if isinstance(part, ToolCall)] == [{"a": text}]
