"""Ollama's own API as Chat Completions (case 195)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fastproxy.errors import FormatError
from fastproxy.formats.ollama import DONE, Chunks, read_reply, write_request

MODEL = {"model": "qwen3:4b", "created_at": "2026-11-01T10:00:00.1234567Z"}
CALL = {"function": {"name": "get_weather", "arguments": {"city": "Zürich"}}}
END = {"done": True, "done_reason": "stop", "prompt_eval_count": 26, "eval_count": 298, "total_duration": 1}


def line(message: dict[str, Any] | None = None, **more: Any) -> bytes:
    said = {} if message is None else {"message": {"role": "assistant", "content": "", **message}}
    return orjson.dumps({**MODEL, **said, "done": False, **more})


def chunks(*lines: bytes) -> list[Any]:
    reader = Chunks("1")
    return [data if data == DONE else orjson.loads(data) for each in lines for data in reader.feed(each)]


def deltas(found: list[Any]) -> list[Any]:
    return [chunk["choices"][0]["delta"] for chunk in found if chunk != DONE and chunk["choices"]]


def test_case_195_text_and_thoughts() -> None:
    found = chunks(line({"thinking": "Hm"}), line({"content": "Hi"}), line({"content": ""}), line({}, **END))
    assert deltas(found) == [{"role": "assistant", "reasoning_content": "Hm"}, {"content": "Hi"}, {}]
    assert [chunk["choices"][0]["finish_reason"] for chunk in found[:-2]] == [None, None, "stop"]
    assert found[-2]["choices"] == []
    assert found[-2]["usage"] == {"prompt_tokens": 26, "completion_tokens": 298, "total_tokens": 324}
    assert found[-1] == DONE
    heads = {(chunk["id"], chunk["object"], chunk["created"], chunk["model"]) for chunk in found[:-1]}
    assert heads == {("chatcmpl-1", "chat.completion.chunk", 1_793_527_200, "qwen3:4b")}


def test_case_195_calls_get_ids_and_places_over_several_lines() -> None:
    found = chunks(line({"tool_calls": [CALL, CALL | {"id": "call_x"}]}), line({"tool_calls": [CALL]}), line({}, **END))
    calls = [call for delta in deltas(found) for call in delta.get("tool_calls", [])]
    assert [(call["index"], call["id"]) for call in calls] == [(0, "call_1_0"), (1, "call_x"), (2, "call_1_2")]
    assert calls[0]["function"] == {"name": "get_weather", "arguments": '{"city":"Zürich"}'}
    assert found[-3]["choices"][0]["finish_reason"] == "tool_calls"


def test_the_last_line_may_still_say_something() -> None:
    found = chunks(line({"content": "all"}, **END))
    assert deltas(found) == [{"role": "assistant", "content": "all"}, {}]


@pytest.mark.parametrize(
    ("reason", "expected"), [("stop", "stop"), ("length", "length"), ("load", "stop"), ("new", "stop"), (None, "stop")]
)
def test_reasons(reason: str | None, expected: str) -> None:
    found = chunks(line({}, **(END | {"done_reason": reason})))
    assert found[0]["choices"][0]["finish_reason"] == expected


def test_a_cut_stream_has_no_end() -> None:
    assert DONE not in chunks(line({"content": "Hi"}))


def test_no_counts_make_no_chunk_and_one_count_does() -> None:
    assert len(chunks(line({}, done=True))) == 2
    assert chunks(line({}, done=True, eval_count=3))[1]["usage"]["total_tokens"] == 3


def test_an_error_in_the_stream() -> None:
    assert chunks(b'{"error":"model \'x\' not found"}')[0]["error"]["message"] == "model 'x' not found"


@pytest.mark.parametrize("broken", [b"{", b"[]", b"1", b"\xff"])
def test_what_is_no_object_is_refused(broken: bytes) -> None:
    with pytest.raises(FormatError, match="a line of the upstream's"):
        Chunks("1").feed(broken)


def test_nonsense_in_a_line_does_no_harm() -> None:
    odd = {"message": {"content": 1, "thinking": None, "tool_calls": [1, {"function": 2}, {}]}, "created_at": 5}
    (chunk,) = Chunks("1").feed(orjson.dumps(odd))
    assert [call["function"]["name"] for call in orjson.loads(chunk)["choices"][0]["delta"]["tool_calls"]] == ["", ""]


def test_a_whole_reply() -> None:
    reply = read_reply(line({"content": "Hi", "thinking": "Hm", "tool_calls": [CALL]}, **END), "1")
    (choice,) = reply["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == "Hi"
    assert choice["message"]["reasoning_content"] == "Hm"
    assert choice["message"]["tool_calls"][0]["id"] == "call_1_0"
    assert reply["usage"]["completion_tokens"] == 298


def test_a_whole_error() -> None:
    assert read_reply(b'{"error":"no"}', "1")["error"]["message"] == "no"


def test_a_request() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    body = {
        "model": "qwen3",
        "stream": True,
        "max_tokens": 9,
        "temperature": 0.5,
        "stop": "x",
        "reasoning_effort": "none",
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "messages": [
            {"role": "developer", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "look"}, picture]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "1"},
        ],
    }
    assert write_request(body) == {
        "model": "qwen3",
        "stream": True,
        "options": {"num_predict": 9, "temperature": 0.5, "stop": ["x"]},
        "think": False,
        "format": {"type": "object"},
        "tools": body["tools"],
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "look", "images": ["AAAA"]},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": {"a": 1}}}],
            },
            {"role": "tool", "content": "1", "tool_name": "f"},
        ],
    }


def test_json_mode_and_a_stream_that_was_not_asked_for() -> None:
    body = {"model": "m", "messages": [], "response_format": {"type": "json_object"}}
    assert write_request(body) == {"model": "m", "messages": [], "stream": False, "format": "json"}


@pytest.mark.parametrize(
    "part",
    [{"type": "input_audio"}, {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}],
    ids=["audio", "an address"],
)
def test_what_it_cannot_take_is_refused(part: dict[str, Any]) -> None:
    with pytest.raises(FormatError, match="a part is neither"):
        write_request({"model": "m", "messages": [{"role": "user", "content": [part]}]})


def test_arguments_that_are_not_json_are_refused() -> None:
    call = {"id": "1", "function": {"name": "f", "arguments": "{"}}
    with pytest.raises(FormatError, match="arguments of tool 'f'"):
        write_request({"model": "m", "messages": [{"role": "assistant", "tool_calls": [call]}]})
