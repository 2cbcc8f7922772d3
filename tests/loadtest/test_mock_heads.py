"""Known heads: the short way gives what the long way gives, for every way a request can arrive and differ."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from fastproxy.loadtest.mock import MockOptions
from tests.loadtest.mock_process import BEARER, ask, connect, exchange, request, serving

PATH = "/v1/chat/completions"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def chat(word: str, **more: Any) -> dict[str, Any]:
    return {"model": "gpt-5", "messages": [{"role": "user", "content": word}], **more}


def say(word: str, trace: str = TRACE, **headers: str) -> bytes:
    return request("POST", PATH, chat(word), BEARER | {"traceparent": trace, **headers})


def answers(data: bytes) -> list[str]:
    """The third and fourth word of each reply."""
    return [part.split(b'"')[0].decode() for part in data.split(b'"content":"')[1:]]


def converse(port: int, *sent: bytes) -> bytes:
    """Each request in a write of its own, its reply read before the next."""
    received = b""
    with connect(port) as client:
        for data in sent:
            client.sendall(data)
            part = b""
            while not part.endswith(b"}") or b"\r\n\r\n" not in part:
                part += client.recv(65536)
            received += part
    return received


def test_a_known_head_gets_the_answer_to_its_own_body(port: int) -> None:
    data = converse(port, *(say(word) for word in ("one", "two", "one", "six", "two")))
    assert [text.split()[3][:3] for text in answers(data)] == ["one", "two", "one", "six", "two"]
    idents = [part[:24] for part in data.split(b"chatcmpl-")[1:]]
    assert len(set(idents)) == 5
    assert ask(port, "GET", "/_books").json["total"]["requests"] == 5


def test_trace_ids_differ_and_are_shown_as_they_were(port: int) -> None:
    traces = [TRACE[:-4] + f"{n:02x}01"[-4:] for n in range(3)]
    converse(port, *(say("one", trace) for trace in traces))
    assert [item["headers"]["traceparent"][0] for item in ask(port, "GET", "/_last").json[:3]] == traces
    last = ask(port, "GET", "/_last").json[2]
    assert (last["path"], json.loads(last["body"]), last["headers"]["host"]) == (PATH, chat("one"), ["mock.test"])
    assert last["headers"]["authorization"][0].startswith("Bearer sk-t...")


@pytest.mark.parametrize("cut", [1, 30, 120, -5], ids=str)
def test_a_known_head_in_two_reads_is_parsed(port: int, cut: int) -> None:
    one, two = say("one"), say("two")
    with connect(port) as client:
        client.sendall(one)
        received = client.recv(65536)
        client.sendall(two[:cut])
        assert ask(port, "GET", "/echo").status == 200  # by now the mock has read the first part
        client.sendall(two[cut:])
        received += client.recv(65536)
    assert [text.split()[3][:3] for text in answers(received)] == ["one", "two"]


def test_known_heads_in_one_read_are_parsed(port: int) -> None:
    data = exchange(port, say("one") + say("two") + request("GET", "/echo", close=True))
    assert [text.split()[3][:3] for text in answers(data)] == ["one", "two"]
    data = converse(port, say("one"), say("one", **{"x-mock-tokens": "1"}), say("one"))
    assert answers(data)[1] == "Mock"


def test_a_body_that_is_refused_behind_a_known_head(port: int) -> None:
    good = json.dumps(chat("one")).encode()
    bad = good.replace(b'"user"', b'"usex"')
    headers = BEARER | {"content-type": "application/json"}
    sent = [request("POST", PATH, body, headers) for body in (good, bad, good, bad)]
    data = converse(port, *sent[:3])
    assert [part[:3] for part in data.split(b"HTTP/1.1 ")[1:]] == [b"200", b"400", b"200"]
    books = ask(port, "GET", "/_books").json["total"]
    assert (books["requests"], books["errors"]) == (2, 1)


def test_known_heads_are_late_like_others() -> None:
    with serving(MockOptions(latency="uniform:30:40")) as port:
        begun = time.monotonic()
        data = converse(port, *(say(word) for word in ("one", "two", "one")))
        assert 0.088 <= time.monotonic() - begun < 2
        assert [text.split()[3][:3] for text in answers(data)] == ["one", "two", "one"]
        with connect(port) as client:
            client.sendall(say("one") + say("two"))  # pipelined: one after the other
            received = b""
            while received.count(b"chatcmpl-") < 2:
                received += client.recv(65536)
        assert ask(port, "GET", "/_books").json["total"]["requests"] == 5


def test_what_asks_for_a_close_is_closed(port: int) -> None:
    converse(port, say("one"))
    for _ in range(2):
        reply = exchange(port, request("POST", PATH, chat("one"), BEARER, close=True))
        assert reply.count(b"connection: close") == 1
