"""Whole replies of Chat Completions, read and written; the stream of the same reply says the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from fastproxy.errors import FormatError
from fastproxy.formats.chat import Audio, Citation, Image, Opaque, Part, Refusal, Source, Text, Thinking, ToolCall
from fastproxy.formats.events import DONE, Choice, Event, Failure, Reason, Reply, ReplyContext
from fastproxy.formats.fold import fold
from fastproxy.formats.openai_chat import StreamReader, read_reply, write_reply
from fastproxy.formats.usage_fields import Usage

GOLDEN = Path(__file__).parents[2] / "golden" / "openai_chat"
REPLIES = sorted(path.stem.removeprefix("reply_") for path in GOLDEN.glob("reply_*.json"))
CONTEXT = ReplyContext("0a1b", "alias", 1700000000)
Json = dict[str, Any]


def golden(name: str) -> Json:
    body: Json = json.loads((GOLDEN / f"reply_{name}.json").read_text(encoding="utf-8"))
    return body


def streamed(name: str) -> Reply:
    reader = StreamReader()
    text = (GOLDEN / f"stream_{name}.sse").read_text(encoding="utf-8")
    events = [e for line in text.split("\n\n") if line for e in reader.feed("", line.removeprefix("data: ").encode())]
    return fold(events + reader.end())


def bare(part: Part) -> Part:
    """Without originals."""
    fields = {name: getattr(part, name) for name in part.__struct_fields__ if name != "original"}
    if isinstance(part, Text):
        fields["citations"] = tuple(
            Citation(url=c.url, title=c.title, start=c.start, end=c.end) for c in part.citations
        )
    return type(part)(**fields)


def parts_of(body: Json, **options: Any) -> list[Part]:
    return [bare(part) for part in fold(read_reply(body, **options)).choices[0].parts]


def message(finish: str | None = "stop", **said: Any) -> Json:
    return {"id": "x", "choices": [{"index": 0, "message": {"role": "assistant", **said}, "finish_reason": finish}]}


@pytest.mark.parametrize("name", REPLIES)
def test_i1_the_stream_folds_to_the_whole_reply(name: str) -> None:
    assert streamed(name) == fold(read_reply(golden(name)))


@pytest.mark.parametrize("name", sorted(set(REPLIES) - {"function_call"}))  # whose empty id is filled
def test_what_is_read_and_written_reads_the_same_again(name: str) -> None:
    reply = fold(read_reply(golden(name)))
    again = fold(read_reply(write_reply(reply, CONTEXT)))
    assert [[bare(part) for part in choice.parts] for choice in again.choices] == [
        [bare(part) for part in choice.parts] for choice in reply.choices
    ]
    assert [choice.logprobs for choice in again.choices] == [choice.logprobs for choice in reply.choices]
    assert again.usage == reply.usage


@pytest.mark.parametrize("name", REPLIES)
def test_the_sdk_reads_what_is_written(name: str) -> None:
    body = write_reply(fold(read_reply(golden(name))), CONTEXT)
    assert ChatCompletion.model_validate(body, strict=True).model == "alias"


PNG = golden("image")["choices"][0]["message"]["images"][0]["image_url"]["url"].partition(",")[2]


@pytest.mark.parametrize(
    ("name", "parts", "reason"),
    [
        ("text", [Text("Hei! Mitä kuuluu? 🙂")], "stop"),
        ("two_calls", [Text("I will look."), ToolCall("call_w1", "get_weather", '{"city":"Oslo","unit":"c"}'),
                       ToolCall("call_t1", "get_time", '{"city":"Oslo"}')], "tool_calls"),
        ("thinking", [Thinking("Finnish for hello is hei.", "EqQBCgIYAhIkZm9v+/==", "anthropic"),
                      Thinking("", "EmwKAhgBEgy3va3pzix", "anthropic", redacted=True), Text("Hei."),
                      ToolCall("call_t1", "get_time", '{"city":"Oslo"}')], "tool_calls"),
        ("reasoning_content", [Thinking("One plus one."), Text("Two.")], "stop"),
        ("refusal", [Refusal("I cannot help with that.")], "refusal"),
        ("filter", [Text("Once upon")], "content_filter"),
        ("length", [Text("A very long story beg")], "length"),
        ("citations", [Text("Oslo is in Norway.", citations=(
            Citation(url="https://example.com/oslo", title="Oslo", start=0, end=4),))], "stop"),
        ("custom_call", [ToolCall("call_c1", "python", 'print("hi")\n', custom=True)], "tool_calls"),
        ("function_call", [ToolCall("", "get_weather", '{"city":"Oslo"}')], "tool_calls"),
        ("image", [Text("Here it is."), Image(Source("image/png", PNG))], "stop"),
        ("audio", [Opaque("audio", "Hello there.", is_said=True)], "stop"),
    ],
)  # fmt: skip
def test_replies_inward(name: str, parts: list[Part], reason: Reason) -> None:
    choice = fold(read_reply(golden(name))).choices[0]
    assert [bare(part) for part in choice.parts] == parts
    assert choice.reason == reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(message("stop", tool_calls=[{"id": "a", "function": {"name": "f", "arguments": "{}"}}]),
                     "tool_calls", id="case 203 stop with calls"),
        pytest.param(message("length", tool_calls=[{"id": "a", "function": {"name": "f", "arguments": "{"}}]),
                     "length", id="cut in the arguments"),
        pytest.param(message("tool_calls", content="x"), "stop", id="calls that are not there"),
        pytest.param(message(None, content="x"), "stop", id="case 107 null"),
        pytest.param(message("stop", refusal="no"), "refusal", id="case 130"),
        pytest.param(message("weird", content="x"), "other", id="an unknown word"),
    ],
)  # fmt: skip
def test_reasons_inward(body: Json, reason: Reason) -> None:
    assert fold(read_reply(body)).choices[0].reason == reason


@pytest.mark.parametrize(
    ("said", "parts"),
    [
        pytest.param({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, [Text("ab")],
                     id="content as an array"),
        pytest.param({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "t"}]},
                                  {"type": "text", "text": "a"}]}, [Thinking("t"), Text("a")], id="Mistral's thoughts"),
        pytest.param({"content": [{"type": "reference", "reference_ids": [1]}, {"type": "text", "text": "a"}]},
                     [Opaque("reference", is_known=False), Text("a")], id="an unknown part"),
        pytest.param({"content": [{"nonsense": 1}, {"type": "text", "text": "a"}]}, [Text("a")], id="a broken part"),
        pytest.param({"content": "a", "reasoning_content": "t"}, [Thinking("t"), Text("a")], id="thoughts come first"),
        pytest.param({"content": "a", "reasoning": "t", "reasoning_content": "t"}, [Thinking("t"), Text("a")],
                     id="the same thought under two names"),
        pytest.param({"tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
                     [ToolCall("", "f", '{"a":1}')], id="arguments as an object, no id"),
        pytest.param({"tool_calls": [{"id": "a", "function": {"name": "f"}}, {"id": "a", "function": {"name": "g"}}]},
                     [ToolCall("a", "f", ""), ToolCall("a", "g", "")], id="an id twice"),
        pytest.param({"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"},
                                      "extra_content": {"google": {"thought_signature": "c2ln"}}}]},
                     [ToolCall("a", "f", "{}", signature="c2ln")], id="Google's signature"),
        pytest.param({"content": None}, [], id="nothing"),
    ],
)  # fmt: skip
def test_quirks_of_vendors(said: Json, parts: list[Part]) -> None:
    assert parts_of(message("stop", **said)) == parts


def test_case_141_think_tags_are_split_on_request() -> None:
    body = message("stop", content="<think>\nhm</think>\n\nYes")
    assert parts_of(body) == [Text("<think>\nhm</think>\n\nYes")]
    assert parts_of(body, think_tags=True) == [Thinking("hm"), Text("Yes")]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"message": "slow down", "code": 429}}, 429),
        ({"error": {"message": "x", "type": "overloaded_error"}, "choices": []}, 529),
        ({"error": "boom"}, 502),
        ({"object": "error", "message": "no", "type": "BadRequestError", "code": 400}, 400),
        ({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}, "choices": None}, 502),
    ],
)
def test_case_174_an_error_with_status_200_is_one(body: Json, status: int) -> None:
    (failure,) = read_reply(body)
    assert isinstance(failure, Failure)
    assert failure.status == status


@pytest.mark.parametrize("body", [{"id": "x", "choices": []}, {"choices": "x"}, {}, {"choices": ["x"]}], ids=str)
def test_what_is_no_reply_is_refused(body: Json) -> None:
    with pytest.raises(FormatError, match="field 'choices'"):
        read_reply(body)


@pytest.mark.parametrize(
    ("said", "finish"),
    [({"content": "hi"}, "stop"), ({"content": "hi", "refusal": None, "annotations": []}, "length"),
     ({"content": "hi", "role": "assistant"}, "content_filter")],
)  # fmt: skip
def test_a_bare_text_read_directly_is_what_the_streams_reader_makes_of_it(said: Json, finish: str) -> None:
    body = {**message(finish, **said), "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
    reader, through = StreamReader(), list[Event]()
    reader.take(body, through)
    reader.finish(through, is_over=True)
    assert read_reply(body) == through


@pytest.mark.parametrize(
    ("finish", "said"),
    [("stop", {"content": "hi", "reasoning_content": "hm"}), ("tool_calls", {"content": "hi"}), (None, {"content": ""}),
     ("stop", {"content": "hi", "refusal": "no"}), ("stop", {"content": [{"type": "text", "text": "hi"}]})],
)  # fmt: skip
def test_whatever_is_more_than_a_bare_text_is_read_like_a_stream(finish: str | None, said: Json) -> None:
    body = message(finish, **said)
    reader, through = StreamReader(), list[Event]()
    reader.take(body, through)
    reader.finish(through, is_over=True)
    assert fold(read_reply(body)) == fold(through)


def test_a_finish_that_is_an_error_is_a_failure() -> None:
    *_, failure = read_reply(message("insufficient_system_resource", content="x"))
    assert isinstance(failure, Failure)
    assert failure.status == 503


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5,
          "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
          "completion_tokens_details": {"reasoning_tokens": 2}}, Usage(3, 4, 3, 5, 2)),
        ({"prompt_tokens": "10", "completion_tokens": 5.0}, Usage(10, 0, 0, 5)),
        ({"prompt_tokens": -1}, None),
        (None, None),
        ([], None),
    ],
)  # fmt: skip
def test_case_120_usage_inward(usage: Any, read: Usage | None) -> None:
    assert fold(read_reply({**message(content="x"), "usage": usage})).usage == read


ANTHROPIC = {"format": "anthropic", "id": None}


def wrote(*parts: Part, context: ReplyContext = CONTEXT, **said: Any) -> Json:
    choice = Choice(parts, **{"reason": "stop", **said})
    choices: list[Json] = write_reply(Reply("up", "real", (choice,)), context)["choices"]
    return choices[0]


def call(number: int, name: str = "f", **said: Any) -> ToolCall:
    return ToolCall(f"c{number}", name, '{"a":1}', **said)


def test_case_118_ids_and_names_are_ours() -> None:
    body = write_reply(Reply("up", "real", (Choice((Text("x"),), "stop"),), created=5), CONTEXT)
    assert (body["id"], body["object"], body["created"], body["model"]) == (
        "chatcmpl-0a1b", "chat.completion", 1700000000, "alias",
    )  # fmt: skip
    assert "usage" not in body


@pytest.mark.parametrize(
    ("parts", "said", "message_", "finish"),
    [
        pytest.param((), {}, {"content": ""}, "stop", id="case 114 nothing is an empty text"),
        pytest.param((call(0),), {"reason": "tool_calls"}, {"content": None, "tool_calls": [
            {"id": "c0", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}]}, "tool_calls",
            id="calls alone"),
        pytest.param((Text("a"), call(0), Text("b"), ToolCall("", "g", "")), {"reason": "tool_calls"},
            {"content": "ab", "tool_calls": [
                {"id": "c0", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
                {"id": "call_0a1b_1", "type": "function", "function": {"name": "g", "arguments": "{}"}}]},
            "tool_calls", id="case 115 and 117, an empty id, no arguments"),
        pytest.param((Refusal("no"),), {"reason": "refusal"}, {"content": None, "refusal": "no"}, "stop",
            id="case 110 a refusal in the model's words"),
        pytest.param((), {"reason": "refusal", "explanation": "because"}, {"content": None, "refusal": "because"},
            "content_filter", id="case 106 its explanation"),
        pytest.param((Text("x"),), {"reason": "stop_sequence", "stop_sequence": "END"}, {"content": "x"}, "stop",
            id="case 129"),
        pytest.param((Thinking("t", "s", "anthropic"), Thinking("", "d", "anthropic", redacted=True), Text("x")), {},
            {"content": "x", "reasoning_content": "t", "reasoning_details": [
                {"type": "reasoning.text", "text": "t", "signature": "s", **ANTHROPIC, "index": 0},
                {"type": "reasoning.encrypted", "data": "d", **ANTHROPIC, "index": 1}]}, "stop",
            id="case 91 and 94"),
        pytest.param((Thinking("t", "e", "openai-responses", id="rs_1"),), {}, {"content": "", "reasoning_content": "t",
            "reasoning_details": [{"type": "reasoning.text", "text": "t", "signature": "e", "id": "rs_1", "index": 0,
                                   "format": "openai-responses"}]}, "stop", id="case 97 and 202"),
        pytest.param((Thinking("t"), Text("x")), {}, {"content": "x", "reasoning_content": "t"}, "stop",
            id="case 101 thoughts without a signature"),
        pytest.param((Text("ab"), Text("cde", citations=(
                Citation(url="u", title="t", start=1, end=2), Citation(url="v"), Citation(title="no address")))), {},
            {"content": "abcde", "annotations": [
                {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 3, "end_index": 4}},
                {"type": "url_citation", "url_citation": {"url": "v", "title": "", "start_index": 2, "end_index": 5}}]},
            "stop", id="case 127"),
        pytest.param((Image(Source("image/png", "iVBO")), Image(Source(file_id="f"))), {}, {"content": "", "images": [
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}, "index": 0}]}, "stop",
            id="case 128"),
        pytest.param((Audio(Source("audio/wav", "UklG")),), {}, {"content": "", "audio": {
            "id": "audio_0a1b", "data": "UklG", "expires_at": 1700000000, "transcript": ""}}, "stop", id="sound"),
        pytest.param((Opaque("web_search_call"),), {}, {"content": ""}, "stop", id="a block that only one format has"),
        pytest.param((Text("x", "c2ln"), call(0, signature="c2lo")), {"reason": "tool_calls"}, {
            "content": "x", "extra_content": {"google": {"thought_signature": "c2ln"}}, "tool_calls": [
                {"id": "c0", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'},
                 "extra_content": {"google": {"thought_signature": "c2lo"}}}]}, "tool_calls", id="case 102"),
    ],
)  # fmt: skip
def test_replies_outward(parts: tuple[Part, ...], said: Json, message_: Json, finish: str) -> None:
    expected = {"role": "assistant", "refusal": None, **message_}
    assert wrote(*parts, **said) == {"index": 0, "message": expected, "logprobs": None, "finish_reason": finish}


def test_case_19_functions_go_back_as_they_came() -> None:
    context = ReplyContext("0a1b", "alias", 1, functions=True)
    made = wrote(call(0), call(1), reason="tool_calls", context=context)
    assert made["finish_reason"] == "function_call"
    assert made["message"]["function_call"] == {"name": "f", "arguments": '{"a":1}'}
    assert "tool_calls" not in made["message"]


@pytest.mark.parametrize("custom", [True, False])
def test_case_63_custom_calls_go_back_unwrapped(custom: bool) -> None:
    context = ReplyContext("0a1b", "alias", 1, custom_tools=frozenset(("p",)))
    arguments = "print(1)" if custom else '{"input":"print(1)"}'
    made = wrote(ToolCall("a", "p", arguments, custom=custom), context=context)
    assert made["message"]["tool_calls"] == [
        {"id": "a", "type": "custom", "custom": {"name": "p", "input": "print(1)"}}
    ]


def test_thoughts_are_hidden_from_who_does_not_want_them() -> None:
    context = ReplyContext("0a1b", "alias", 1, show_thinking=False)
    assert wrote(Thinking("t", "s", "anthropic"), context=context)["message"].keys() == {"role", "content", "refusal"}


def test_case_119_usage_outward() -> None:
    reply = Reply("x", "m", (Choice((), "stop"),), usage=Usage(5, 3, 2, 7, 4), service_tier="batch")
    body = write_reply(reply, CONTEXT)
    assert body["usage"] == {
        "prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 17,
        "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }  # fmt: skip
    assert body["service_tier"] == "flex"


def test_case_126_logprobs() -> None:
    tokens = ({"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": []},)
    assert wrote(Text("a"), logprobs=tokens)["logprobs"] == {"content": list(tokens), "refusal": None}


def test_a_reply_without_messages_is_read_like_a_stream() -> None:
    assert fold(read_reply({"choices": [{"text": "a", "finish_reason": "stop"}, {"text": "b"}]})).choices == (
        Choice((Text("a"),), "stop"), Choice((Text("b"),), "stop"),
    )  # fmt: skip


def test_a_reply_ends_with_done() -> None:
    assert read_reply(message(content="x"))[-1] is DONE
