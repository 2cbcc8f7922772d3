"""Numbers keep their text on the way through: as arguments of tools, in schemas and in replies."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from fastproxy.errors import FormatError
from fastproxy.formats import checked, exact
from fastproxy.formats.chat import Target
from fastproxy.formats.convert import convert_request
from fastproxy.formats.events import ReplyContext, ToolDelta
from fastproxy.formats.fold import fold
from fastproxy.formats.registry import CHAT
from tests.formats.corpus import ROOT

if TYPE_CHECKING:
    from pathlib import Path

ODD = '{"a":1.50,"b":1e3,"c":123456789012345678901234567890,"d":-1E-7,"e":1.0,"f":[0.10,18446744073709551616],"z":1}'
TARGET = Target("some-model")
CORPUS = [
    (name, path)
    for folder, name in (
        ("anthropic", "anthropic"), ("gemini", "gemini"), ("openai_chat", "openai-chat"),
        ("openai_responses", "openai-responses"),
    )
    for path in sorted((ROOT / folder).glob("re*.json"))
]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["1.0", "1.50", "1e3", "1E+5", "1e400", "-0.0", "1e16", "0.1", "18446744073709551616", "-9223372036854775809"],
)
def test_a_number_is_written_as_it_was_read(text: str) -> None:
    assert exact.dumps(exact.loads(text)) == text.encode()


@pytest.mark.parametrize("text", ["NaN", "[1", '"\\ud83d"', "\xff"])
def test_what_is_no_json_is_refused_as_ever(text: str) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        exact.loads(text.encode("latin-1"))


def test_a_value_too_deep_beside_a_large_integer_is_a_type_error() -> None:
    deep: Any = 1 << 70
    for _ in range(300):
        deep = [deep]
    with pytest.raises(TypeError):
        exact.dumps(deep)


def test_half_a_surrogate_pair_does_not_cost_a_number_its_text() -> None:
    loaded = checked.load(b'{"a":"\\ud83d","b":1.50,"c":"\\\\ud83d"}')
    assert exact.dumps(loaded) == b'{"a":"?","b":1.50,"c":"\\\\ud83d"}'
    with pytest.raises(FormatError):
        checked.load(b'{"a":"\\ud83d","b":NaN}')


def test_a_setting_of_an_odd_spelling_is_a_plain_number() -> None:
    loaded = checked.load(b'{"temperature":0.70,"top_p":1e400}')
    assert type(checked.number(loaded, "temperature")) is float
    with pytest.raises(FormatError, match="top_p"):
        checked.number(loaded, "top_p")


SCHEMA = '{"type":"object","properties":{"n":{"type":"integer","maximum":1e3,"minimum":-123456789012345678901}}}'
REQUESTS = {
    "openai-chat": """{"model":"m","temperature":0.70,"messages":[{"role":"user","content":"hi"},
        {"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":
        {"name":"add","arguments":ARGUMENTS_TEXT}}]},{"role":"tool","tool_call_id":"call_1","content":"{\\"x\\":1.50}"}],
        "tools":[{"type":"function","function":{"name":"add","parameters":SCHEMA}}]}""",
    "openai-responses": """{"model":"m","temperature":0.70,"input":[{"role":"user","content":"hi"},
        {"type":"function_call","call_id":"call_1","name":"add","arguments":ARGUMENTS_TEXT},
        {"type":"function_call_output","call_id":"call_1","output":"{\\"x\\":1.50}"}],
        "tools":[{"type":"function","name":"add","parameters":SCHEMA}]}""",
    "anthropic": """{"model":"m","max_tokens":9,"temperature":0.70,"messages":[{"role":"user","content":"hi"},
        {"role":"assistant","content":[{"type":"tool_use","id":"call_1","name":"add","input":ARGUMENTS}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":"{\\"x\\":1.50}"}]}],
        "tools":[{"name":"add","input_schema":SCHEMA}]}""",
    "gemini": """{"generationConfig":{"temperature":0.70},"contents":[{"role":"user","parts":[{"text":"hi"}]},
        {"role":"model","parts":[{"functionCall":{"id":"call_1","name":"add","args":ARGUMENTS}}]},
        {"role":"user","parts":[{"functionResponse":{"id":"call_1","name":"add","response":{"x":1.50}}}]}],
        "tools":[{"functionDeclarations":[{"name":"add","parametersJsonSchema":SCHEMA}]}]}""",
}
PAIRS = [(source, target) for source in REQUESTS for target in CHAT]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_arguments_and_schemas_of_a_request_keep_their_numbers(source: str, target: str) -> None:
    text = REQUESTS[source].replace("ARGUMENTS_TEXT", orjson.dumps(ODD).decode())
    body = checked.load(text.replace("ARGUMENTS", ODD).replace("SCHEMA", SCHEMA).encode())
    made, _ = convert_request(body, source, target, TARGET)
    said = exact.dumps(made).decode()
    assert ODD in said or orjson.dumps(ODD).decode() in said
    assert '"maximum":1e3' in said
    assert '"minimum":-123456789012345678901' in said
    assert '{"x":1.50}' in said or '{\\"x\\":1.50}' in said


REPLIES = {
    "openai-chat": """{"id":"x","choices":[{"index":0,"finish_reason":"tool_calls","message":{"role":"assistant",
        "tool_calls":[{"id":"call_1","type":"function","function":{"name":"add","arguments":ARGUMENTS_TEXT}}]},
        "logprobs":{"content":[{"token":"a","logprob":-1e-05,"bytes":null,"top_logprobs":[]}]}}]}""",
    "openai-responses": """{"id":"x","status":"completed","output":[{"type":"function_call","id":"fc_1",
        "call_id":"call_1","name":"add","arguments":ARGUMENTS_TEXT}]}""",
    "anthropic": """{"id":"x","type":"message","stop_reason":"tool_use","content":[{"type":"tool_use","id":"call_1",
        "name":"add","input":ARGUMENTS},{"type":"server_tool_use","id":"s","name":"web_search","input":{"q":1.50}}]}""",
    "gemini": """{"responseId":"x","candidates":[{"index":0,"finishReason":"STOP","content":{"role":"model","parts":
        [{"functionCall":{"name":"add","args":ARGUMENTS}}]},"avgLogprobs":-0.10,"logprobsResult":{"chosenCandidates":
        [{"token":"a","logProbability":-1e-05}]}}]}""",
}


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_arguments_of_a_reply_keep_their_numbers_streamed_or_whole(source: str, target: str) -> None:
    text = REPLIES[source].replace("ARGUMENTS_TEXT", orjson.dumps(ODD).decode()).replace("ARGUMENTS", ODD)
    events = CHAT[source].read_reply(checked.load(text.encode()))
    assert "".join(event.arguments for event in events if type(event) is ToolDelta) == ODD
    echo = checked.load(b'{"temperature":0.70,"top_p":1e-1}')  # which Responses repeat
    context = ReplyContext("abc", "m", 1, echo=echo)
    whole = exact.dumps(CHAT[target].write_reply(fold(events), context)).decode()
    writer = CHAT[target].StreamWriter(context)
    streamed = b"".join(writer.write(event) for event in events).decode()
    for said in (whole, streamed):
        assert ODD in said or orjson.dumps(ODD).decode() in said


def test_an_imitation_that_streams_a_call_whole_keeps_its_numbers() -> None:
    frames = {
        "anthropic": '{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"c","name":"add",'
        f'"input":{ODD}}}}}',
        "gemini": f'{{"candidates":[{{"content":{{"parts":[{{"functionCall":{{"name":"add","args":{ODD}}}}}]}}}}]}}',
    }
    for name, frame in frames.items():
        reader = CHAT[name].StreamReader()
        events = [
            *reader.feed("", frame.encode()),
            *reader.feed("content_block_stop", b'{"type":"content_block_stop"}'),
        ]
        assert [event.arguments for event in events if type(event) is ToolDelta] == [ODD]


def strange(value: Any) -> Any:
    """The same with a number that keeps its text, and one that is too large, in every object."""
    if isinstance(value, dict):
        kept = {name: strange(item) for name, item in value.items()}
        return kept | {"x_odd": exact.loads("1.50"), "x_big": 10**25}
    return [strange(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("name", "path"), CORPUS, ids=[f"{name}:{path.stem}" for name, path in CORPUS])
def test_no_number_is_too_strange_to_be_written(name: str, path: Path) -> None:
    found = json.loads(path.read_text("utf-8"))
    body = checked.load(exact.dumps(strange(found))) if isinstance(found, dict) else {}
    for other in CHAT:
        with contextlib.suppress(FormatError):
            if path.stem.startswith("request"):
                exact.dumps(convert_request(body, name, other, TARGET)[0])
            else:
                events = CHAT[name].read_reply(body)
                context = ReplyContext("abc", "m", 1, echo=checked.load(b'{"temperature":0.70,"metadata":{"a":1e3}}'))
                exact.dumps(CHAT[other].write_reply(fold(events), context))
                writer = CHAT[other].StreamWriter(context)
                assert b"".join(writer.write(event) for event in events)
