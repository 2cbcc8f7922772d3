"""Texts with variables are filled where they should be, and wrong ones are told with their place."""

from __future__ import annotations

import json
import re
import timeit
from typing import TYPE_CHECKING

import httptools
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastproxy.loadtest.load.bodies import AI_FORMATS, default_body, default_path
from fastproxy.loadtest.load.shapes import Format, Plan, Recorded, Request
from fastproxy.loadtest.load.template import (
    Template,
    TemplateError,
    compile_recorded,
    compile_request,
    compile_upgrade,
    join_target,
    substitute,
)
from fastproxy.loadtest.load.variables import Values

if TYPE_CHECKING:
    from collections.abc import Mapping

DATA = {"said": ('she said "no"\\',), "objects": ('{"a": 1}',), "odd": ("a b/ü?",)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain {text}", "plain {text}"),
        ("{{n}}{{ n }}", "77"),
        ('{"a":{"b":{{n}}}}', '{"a":{"b":7}}'),
        ("{{{n}}}", "{7}"),
        ("{{{{n}}", "{{n}}"),
        ("ü{{n}}ü", "ü7ü"),
    ],
)
def test_variables_are_filled_in(text: str, expected: str) -> None:
    values = Values(0)
    values.begin(7)
    for form in (text, text.encode()):
        assert Template(form).fill(values).decode() == expected
    assert (Template(text).static is None) is ("7" in expected)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a\nbc {{nn}}", "line 2, column 4: unknown variable 'nn'; expected one of choice, line, n, "),
        ("{{}}", "line 1, column 1: unknown variable ''"),
        ("x {{n", "line 1, column 3: '{{' without '}}'; write {{{{ for two braces"),
        ("{{n:3}}", "{{n}}: takes no argument, seen '3'"),
        ("{{random:5}}", "{{random}}: expected LOW:HIGH, seen '5'"),
        ("{{random:a:b}}", "{{random}}: expected whole numbers, seen 'a:b'"),
        ("{{random:5:1}}", "that does not go down, seen '5:1'"),
        ("{{choice:}}", "{{choice}}: expected a|b|c, seen nothing"),
        ("{{line:users}}", "{{line}}: no data file is called 'users'; given: empty"),
        ("{{line:empty}}", "{{line}}: the data file 'empty' is empty"),
        ("{{text:-1}}", "a range from 0"),
        ("{{text:2000000}}", "at most 1000000 words, seen 2000000"),
    ],
)
def test_what_cannot_be_filled_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(TemplateError, match=re.escape(told)):
        Template(text, {"empty": ()})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"q": "{{line:said}}"}', {"q": DATA["said"][0]}),
        ('{"o": {{line:objects}}}', {"o": {"a": 1}}),
        ('{"q\\"{{n}}": "\\\\{{line:said}}", "o": {{line:objects}}}', {'q"0': "\\" + DATA["said"][0], "o": {"a": 1}}),
        ('["{{choice:\\"}}", "{{text:5}}"]', None),
    ],
)
def test_what_stands_in_a_json_string_is_escaped_for_it(body: str, expected: object) -> None:
    found = json.loads(Template(body, DATA, json=True).fill(Values(0)))
    assert expected is None or found == expected


@given(st.text(), st.text(min_size=1), st.booleans())
@settings(deadline=None, derandomize=True)
def test_any_text_survives_in_json(before: str, line: str, ascii_only: bool) -> None:
    literal = json.dumps(before, ensure_ascii=ascii_only).replace("{{", "{{{{")
    body = f'{{"a": [{literal}, {{}}], "b": "x{{{{line:x}}}}y", "c": {{{{n}}}}}}'
    found = json.loads(Template(body, {"x": (line,)}, json=True).fill(Values(0)))
    assert found == {"a": [before, {}], "b": f"x{line}y", "c": 0}


def test_variables_of_the_user_are_replaced_first() -> None:
    variables = {"who": '"{{line:said}}"', "model": "m"}
    assert substitute("{{model}} {{ who }} {{n}} {{{{model}}", variables) == 'm "{{line:said}}" {{n}} {{{{model}}'
    assert substitute('{"a": "{{who}}"}', variables, json=True) == '{"a": "\\"{{line:said}}\\""}'


# --- whole requests -----------------------------------------------------------------------------------------------


class Parsed:
    """A request as a server's parser sees it."""

    def __init__(self, data: bytes) -> None:
        self.url = b""
        self.body = b""
        self.fields: list[tuple[str, str]] = []
        self.complete = 0
        parser = httptools.HttpRequestParser(self)
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.complete += 1
        self.method = parser.get_method().decode()
        self.headers = dict(self.fields)
        assert len(self.headers) == len(self.fields), "a field stands twice"

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.decode().lower(), value.decode()))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete += 1


def plan(url: str = "http://host:81", *, trace: bool = True, keep_alive: bool = True) -> Plan:
    data: Mapping[str, tuple[str, ...]] = DATA
    return Plan(url, trace=trace, keep_alive=keep_alive, data=dict(data))


def made(request: Request, whole: Plan) -> Parsed:
    parsed = Parsed(compile_request(request, whole).make(3))
    assert parsed.complete == 1
    return parsed


def test_a_request_where_nothing_varies_but_its_trace() -> None:
    request = Request(path="/a b", headers=(("X-A", "b"),), body='{"q": 1}')
    maker = compile_request(request, plan())
    first, second = Parsed(maker.make(1)), Parsed(maker.make(2))
    assert (first.method, first.url, first.body) == ("POST", b"/a%20b", b'{"q": 1}')
    traces = [parsed.headers.pop("traceparent") for parsed in (first, second)]
    assert traces[0] != traces[1]
    assert first.headers == second.headers
    assert first.headers == {
        "host": "host:81",
        "user-agent": "fastproxy-bench",
        "accept": "*/*",
        "content-type": "application/json",
        "x-a": "b",
        "content-length": "8",
    }


def test_without_a_trace_the_bytes_are_the_same() -> None:
    maker = compile_request(Request(method="GET"), plan(trace=False))
    assert maker.make(1) is maker.make(2)
    assert Parsed(maker.make(1)).headers.keys() == {"host", "user-agent", "accept"}


def test_everything_may_vary() -> None:
    request = Request(
        method="PUT", path="/{{line:odd}}/{{n}}?q={{n}}", headers=(("x-n", "{{n}}"),), body="{{line:said}} {{n}}"
    )
    found = made(request, plan("http://[::1]:8/base?k=v"))
    assert (found.method, found.url) == ("PUT", b"/base/a%20b/%C3%BC?/3?k=v&q=3")
    assert found.body.decode() == DATA["said"][0] + " 3"
    assert found.headers["content-length"] == str(len(found.body))
    assert (found.headers["host"], found.headers["x-n"]) == ("[::1]:8", "3")


@pytest.mark.parametrize(
    ("request_", "keep_alive", "expected", "absent"),
    [
        (Request(method="GET"), True, {}, {"content-length", "content-type", "connection"}),
        (Request(method="POST"), True, {"content-length": "0"}, {"content-type"}),
        (Request(method="DELETE"), False, {"connection": "close"}, {"content-length"}),
        (Request(body="x"), True, {"content-type": "application/octet-stream"}, set()),
        (Request(stream=True, body="[]"), True, {"accept": "text/event-stream"}, set()),
        (Request(format=Format.ANTHROPIC, body="{{n}}"), True, {"anthropic-version": "2023-06-01"}, set()),
        (
            Request(headers=(("Host", "h"), ("Accept", "a/b"), ("TraceParent", "t"), ("User-Agent", "u"))),
            True,
            {"host": "h", "accept": "a/b", "traceparent": "t", "user-agent": "u"},
            set(),
        ),
    ],
)
def test_fields_follow_the_request_and_what_it_names_wins(
    request_: Request, keep_alive: bool, expected: dict[str, str], absent: set[str]
) -> None:
    headers = made(request_, plan(keep_alive=keep_alive)).headers
    assert {name: headers.get(name) for name in expected} == expected
    assert not absent & headers.keys()


@pytest.mark.parametrize(
    "request_",
    [
        Request(method="GE T"),
        Request(headers=(("a b", "c"),)),
        Request(headers=(("a", "c\r\nd: e"),)),
        Request(body="{{x}}"),
        Request(path="/{{x}}"),
        Request(format=Format.OPENAI_CHAT, turns=2, body="no json"),
        Request(format=Format.OPENAI_CHAT, turns=2, body="{}"),
        Request(turns=2, body='{"messages": []}'),
    ],
)
def test_what_is_no_request_is_refused(request_: Request) -> None:
    with pytest.raises(TemplateError):
        compile_request(request_, plan())


@pytest.mark.parametrize("kind", AI_FORMATS)
def test_each_turn_says_again_what_was_said(kind: Format) -> None:
    body = default_body(kind, "m", False, 9)
    request = Request(
        path=default_path(kind, "m", False), body=body, format=kind, turns=3, headers=(("s", "{{uuid}}"),)
    )
    maker = compile_request(request, plan())
    turns = [Parsed(maker.make(5, turn, ["yes", "no"][:turn])) for turn in range(3)]
    other = Parsed(maker.make(6, 1, ["yes"]))
    assert len({turn.headers["s"] for turn in turns}) == 1 != len({turns[0].headers["s"], other.headers["s"]})
    assert len({turn.headers["traceparent"] for turn in turns}) == 3
    name = {Format.OPENAI_RESPONSES: "input", Format.GEMINI: "contents"}.get(kind, "messages")
    lists = [json.loads(turn.body)[name] for turn in turns[1:]]
    assert lists[1][: len(lists[0])] == lists[0]
    assert len(lists[1]) == len(lists[0]) + 2
    first = json.dumps(json.loads(turns[0].body)[name])
    assert json.dumps(lists[0]).startswith(first[:-1]) or kind is Format.OPENAI_RESPONSES
    assert json.loads(other.body)[name] != lists[0]
    missing = json.loads(Parsed(maker.make(5, 2, [])).body)[name]
    assert len(missing) == len(lists[1])


def test_a_recording_is_no_template() -> None:
    recorded = Recorded(
        0, "POST", "/v1/messages?x={{{n}}", (("x", "{{y"), ("content-type", "a/b")), b"\xff{{z", Format.ANTHROPIC
    )
    found = Parsed(compile_recorded(recorded, plan("https://host/v1")).make(0))
    assert (found.url, found.body) == (b"/v1/messages?x={{{n}}", b"\xff{{z")
    assert (found.headers["x"], found.headers["content-type"]) == ("{{y", "a/b")
    assert "traceparent" in found.headers
    bare = compile_recorded(msgspec.structs.replace(recorded, method="GET", body=b"", headers=()), plan(trace=False))
    assert "content-length" not in Parsed(bare.make(0)).headers


def test_a_websocket_begins_with_an_upgrade_and_sends_bodies() -> None:
    request = Request(path="/chat/{{n}}", body="ping {{n}}", format=Format.WEBSOCKET, headers=(("x-n", "{{n}}"),))
    assert compile_request(request, plan()).make(8) == b"ping 8"
    upgrade = compile_upgrade(request, plan("ws://host/base"))
    (data, accept), (_, other) = upgrade.make(8), upgrade.make(9)
    found = Parsed(data)
    assert (found.method, found.url, found.complete) == ("GET", b"/base/chat/8", 2)
    assert (found.headers["upgrade"], found.headers["connection"]) == ("websocket", "Upgrade")
    assert len(found.headers["sec-websocket-key"]) == 24
    assert len(accept) == 28
    assert accept != other


def test_the_accept_value_is_that_of_the_rfc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastproxy.loadtest.load.template.fresh_bytes", lambda size: b"the sample nonce"[:size])
    _, accept = compile_upgrade(Request(format=Format.WEBSOCKET), plan(trace=False)).make(0)
    assert accept == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, section 1.3


CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    ("url", "path", "kind", "expected"),
    [
        ("http://h", "", Format.HTTP, "/"),
        ("http://h/", "", Format.HTTP, "/"),
        ("http://h/a/", "", Format.HTTP, "/a/"),
        ("http://h/a/?q=1", "", Format.HTTP, "/a/?q=1"),
        ("http://h/a/", "/b?x=2", Format.HTTP, "/a/b?x=2"),
        ("http://h/a?q=1", "b?x=2", Format.HTTP, "/a/b?q=1&x=2"),
        ("http://h/api/health", "/health", Format.HTTP, "/api/health/health"),
        ("http://h", CHAT, Format.OPENAI_CHAT, CHAT),
        ("http://h/", CHAT, Format.OPENAI_CHAT, CHAT),
        ("http://h/v1/", CHAT, Format.OPENAI_CHAT, CHAT),
        ("http://h/openai/v1", CHAT, Format.OPENAI_CHAT, "/openai/v1/chat/completions"),
        ("http://h/openai", CHAT, Format.OPENAI_CHAT, "/openai/v1/chat/completions"),
        ("http://h/x/chat/completions", CHAT, Format.OPENAI_CHAT, "/x/chat/completions"),
        ("http://h/v1", "/v1beta/models/m:g?alt=sse", Format.GEMINI, "/v1/models/m:g?alt=sse"),
    ],
)
def test_addresses_and_paths_are_joined_as_users_mean_them(url: str, path: str, kind: Format, expected: str) -> None:
    assert join_target(url, path, kind) == expected


@pytest.mark.parametrize(
    ("body", "bound_us"),
    [('{"model": "gpt-5"}', 3.0), (default_body(Format.OPENAI_CHAT, "gpt-5", True, 200), 12.0)],
)
def test_a_request_costs_next_to_nothing(body: str, bound_us: float) -> None:
    maker = compile_request(Request(path=CHAT, body=body, format=Format.OPENAI_CHAT), plan())
    best = min(timeit.repeat(lambda: maker.make(1), number=2000, repeat=9)) / 2000 * 1e6
    assert best < bound_us  # 0.6 and 2.6 on a quiet machine; tests run on busy ones
