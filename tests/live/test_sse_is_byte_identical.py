"""A relayed reply is the reply that was sent: the same bytes however they are cut, at once, and never finished by us.

The upstream is scripted byte by byte. One gateway serves it as an edge route (host edge.test) and as the channel of
each format; `ENTRIES` are these two ways."""

from __future__ import annotations

import gzip
import json
import queue
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import anthropic
import openai
import pytest
from google.genai import errors as google_errors

from tests.live import sdk_calls
from tests.live.running import Gateway, Mock, mocking
from tests.live.wire_client import Head, Upstream, Wire, dechunked, http, upstream

pytestmark = pytest.mark.live
KEY: Final = "sk-upstream-0123456789"
ENTRIES: Final = ("edge", "unified")
SSE: Final = "HTTP/1.1 200 OK\ncontent-type: text/event-stream; charset=utf-8\ncache-control: no-cache"
CHUNKED: Final = SSE + "\ntransfer-encoding: chunked"


@pytest.fixture(scope="module")
def origin() -> Iterator[Upstream]:
    with upstream() as scripted:
        yield scripted


@pytest.fixture(scope="module")
def gateway(origin: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    base = f"{origin.url}/v1"
    config = {
        "channels": [
            {"provider": "openai", "base_url": base, "keys": [KEY]},
            {"provider": "anthropic", "base_url": base, "keys": [KEY]},
            {"provider": "google-ai-studio", "base_url": base, "keys": [KEY]},
        ],
        "routes": [{"match": {"host": "edge.test"}, "upstream": origin.url}],
    }
    with Gateway(tmp_path_factory.mktemp("sse"), config=config) as running:
        yield running


# --- what is asked and what is told, in the four formats -----------------------------------------------------------

ASKS: Final = {
    "openai-chat": ("/v1/chat/completions", {"model": "m", "messages": [], "stream": True}),
    "openai-responses": ("/v1/responses", {"model": "m", "input": "hi", "stream": True}),
    "anthropic": ("/v1/messages", {"model": "m", "max_tokens": 5, "messages": [], "stream": True}),
    "gemini": ("/v1beta/models/m:streamGenerateContent?alt=sse", {"contents": []}),
}


def event(data: object, name: str = "", end: str = "\n") -> bytes:
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return ((f"event: {name}{end}" if name else "") + f"data: {text}{end}{end}").encode()


def chat_events(end: str = "\n") -> list[bytes]:
    deltas = [
        {"choices": [{"index": 0, "delta": {"content": text}}]} for text in ("Grüß", " \u2028 ", "dich 🚀", '"usage"')
    ]
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 20},
        "completion_tokens_details": {"reasoning_tokens": 30},
    }
    last = {"choices": [], "usage": usage}
    return [f": a comment{end}{end}".encode(), *(event(delta, end=end) for delta in deltas),
            f": ping{end}".encode(), event(last, end=end), event("[DONE]", end=end)]  # fmt: skip


def responses_events() -> list[bytes]:
    usage = {"input_tokens": 100, "input_tokens_details": {"cached_tokens": 20}, "output_tokens": 50,
             "output_tokens_details": {"reasoning_tokens": 30}, "total_tokens": 150}  # fmt: skip
    done = {"type": "response.completed", "response": {"id": "r", "status": "completed", "usage": usage}}
    deltas = [{"type": "response.output_text.delta", "delta": text} for text in ("Grüß", "dich 🚀")]
    return [*(event(delta, delta["type"]) for delta in deltas), event(done, "response.completed")]


def anthropic_events() -> list[bytes]:
    usage = {"input_tokens": 80, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 0, "output_tokens": 1}
    start = {"type": "message_start", "message": {"id": "m", "usage": usage}}
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Grüß 🚀"}}
    final_usage = {"output_tokens": 50, "output_tokens_details": {"thinking_tokens": 30}}
    final = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": final_usage}
    return [event(start, "message_start"), event({"type": "ping"}, "ping"), event(delta, "content_block_delta"),
            event(final, "message_delta"), event({"type": "message_stop"}, "message_stop")]  # fmt: skip


def gemini_events() -> list[bytes]:
    part = {"candidates": [{"content": {"parts": [{"text": "Grüß 🚀"}], "role": "model"}}]}
    usage = {"promptTokenCount": 100, "cachedContentTokenCount": 20, "candidatesTokenCount": 20,
             "thoughtsTokenCount": 30, "totalTokenCount": 150}  # fmt: skip
    last = {"candidates": [part["candidates"][0] | {"finishReason": "STOP"}], "usageMetadata": usage}
    return [event(part, end="\r\n"), event(last, end="\r\n")]


EVENTS: Final[dict[str, list[bytes]]] = {
    "openai-chat": chat_events(),
    "openai-responses": responses_events(),
    "anthropic": anthropic_events(),
    "gemini": gemini_events(),
}
USED: Final = {"input": 80, "cache_read": 20, "cache_write": 0, "output": 50, "reasoning": 30}


def ask(entry: str, wire_format: str = "openai-chat", version: str = "1.1") -> bytes:
    target, told = ASKS[wire_format]
    body = json.dumps(told).encode()
    host = "edge.test" if entry == "edge" else "gateway.test"
    head = f"POST {target} HTTP/{version}\nhost: {host}\nauthorization: Bearer client\ncontent-type: application/json\n"
    return http(f"{head}anthropic-version: 2023-06-01\ncontent-length: {len(body)}", body)


# --- how a body may be cut -----------------------------------------------------------------------------------------

Cut = Callable[[bytes], list[bytes]]


def chunk(piece: bytes, extension: bytes = b"") -> bytes:
    return b"%x%b\r\n%b\r\n" % (len(piece), extension, piece)


def slices(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def one_byte_chunks(body: bytes) -> list[bytes]:
    return [chunk(piece) for piece in slices(body, 1)] + [b"0\r\n\r\n"]


def odd_chunks(body: bytes) -> list[bytes]:
    return [chunk(piece) for piece in slices(body, 37)] + [b"0\r\n\r\n"]


def chunks_cut_anywhere(body: bytes) -> list[bytes]:
    return slices(b"".join(odd_chunks(body)), 5)


def extensions_and_trailers(body: bytes) -> list[bytes]:
    return [chunk(piece, b';name="va lue"') for piece in slices(body, 50)] + [b"0;last\r\nx-sum: 1\r\n\r\n"]


def padded_sizes(body: bytes) -> list[bytes]:
    return [b"000" + chunk(piece) for piece in slices(body, 64)] + [b"000\r\n\r\n"]


def one_chunk(body: bytes) -> list[bytes]:
    return [chunk(body) + b"0\r\n\r\n"]


CUTS: Final[tuple[Cut, ...]] = (
    one_byte_chunks, odd_chunks, chunks_cut_anywhere, extensions_and_trailers, padded_sizes, one_chunk,
)  # fmt: skip


def told(pieces: list[bytes], head: str = CHUNKED, *, times: int = 1) -> Callable[[Wire], None]:
    """An upstream that answers with the same pieces, one write each; the connection closes after `times` requests."""

    def play(wire: Wire) -> None:
        for left in range(times, 0, -1):
            wire.request()
            wire.send(http(head if left > 1 else f"{head}\nconnection: close"))
            for piece in pieces:
                wire.send(piece)

    return play


def exchange(gateway: Gateway, asked: bytes) -> tuple[Head, bytes]:
    with Wire.connect(gateway.port) as client:
        client.send(asked)
        return client.reply()


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("wire_format", EVENTS)
def test_chunked_streams(gateway: Gateway, origin: Upstream, entry: str, cut: Cut, wire_format: str) -> None:
    body = b"".join(EVENTS[wire_format])
    origin.play = told(cut(body))
    before = gateway.tokens()
    head, got = exchange(gateway, ask(entry, wire_format))
    assert (head.status, head.get("content-type")) == (200, "text/event-stream; charset=utf-8")
    assert got == body
    counted = {(wire_format, kind): value for kind, value in USED.items()} if entry == "unified" else {}
    gateway.has_counted(before, counted)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("end", ["\r\n", "\r"], ids=["CRLF", "CR"])
def test_other_line_ends(gateway: Gateway, origin: Upstream, entry: str, end: str) -> None:
    body = b"".join(chat_events(end))
    origin.play = told(odd_chunks(body))
    before = gateway.tokens()
    assert exchange(gateway, ask(entry))[1] == body
    gateway.has_counted(before, {("openai-chat", kind): n for kind, n in USED.items()} if entry == "unified" else {})


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("framing", ["counted", "until close"])
def test_other_framings(gateway: Gateway, origin: Upstream, entry: str, version: str, framing: str) -> None:
    body = b"".join(EVENTS["openai-chat"])
    head = f"{SSE}\ncontent-length: {len(body)}" if framing == "counted" else SSE
    origin.play = told(slices(body, 41), head)
    before = gateway.tokens()
    with Wire.connect(gateway.port) as client:
        client.send(ask(entry, version=version))
        head_got, got = client.reply()
        assert client.rest() == b"" if version == "1.0" else True
    assert got == body
    assert version == "1.1" or head_got.get("transfer-encoding") is None
    gateway.has_counted(before, {("openai-chat", kind): n for kind, n in USED.items()} if entry == "unified" else {})


@pytest.mark.parametrize("entry", ENTRIES)
def test_connections_serve_stream_after_stream(gateway: Gateway, origin: Upstream, entry: str) -> None:
    body = b"".join(EVENTS["openai-chat"])
    origin.play = told(chunks_cut_anywhere(body), times=5)
    opened = origin.connections
    with Wire.connect(gateway.port) as client:
        for _ in range(5):
            client.send(ask(entry))
            assert client.reply()[1] == body
    assert origin.connections == opened + 1


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("early", [0, 1, 10, 49, 50])
@pytest.mark.parametrize("kind", ["text/plain", "application/json", "text/event-stream"])
def test_a_counted_body_may_begin_in_the_packet_of_its_head(
    gateway: Gateway, origin: Upstream, entry: str, early: int, kind: str
) -> None:  # fmt: skip
    body = bytes(range(65, 115))
    heard: queue.Queue[bool] = queue.Queue()

    def play(wire: Wire) -> None:
        wire.request()
        head = f"HTTP/1.1 200 OK\ncontent-type: {kind}\ncontent-length: {len(body)}\nconnection: close"
        wire.send(http(head, body[:early]))
        heard.get(timeout=5)
        wire.send(body[early:])

    origin.play = play
    with Wire.connect(gateway.port) as client:
        client.send(ask(entry))
        head = client.head()
        heard.put(True)
        client.sock.settimeout(1)
        assert client.body(head) == body


# --- at once -------------------------------------------------------------------------------------------------------


def handshaken(heard: queue.Queue[bytes], events: list[bytes]) -> Callable[[Wire], None]:
    """Sends each event only after the client has said, beside the connection, that it has the one before."""

    def play(wire: Wire) -> None:
        wire.request()
        wire.send(http(f"{CHUNKED}\nconnection: close"))
        for piece in events:
            wire.send(chunk(piece))
            assert heard.get(timeout=5) == piece
        wire.send(b"0\r\n\r\n")

    return play


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("wire_format", EVENTS)
def test_every_event_arrives_before_the_next_is_sent(
    gateway: Gateway, origin: Upstream, entry: str, wire_format: str
) -> None:
    heard: queue.Queue[bytes] = queue.Queue()
    events = EVENTS[wire_format]
    origin.play = handshaken(heard, events)
    with Wire.connect(gateway.port) as client:
        client.send(ask(entry, wire_format))
        assert client.head().status == 200
        got: list[bytes] = []
        for piece in client.chunks():
            got.append(piece)
            heard.put(piece)
    assert got == events


@pytest.mark.parametrize("entry", ENTRIES)
def test_small_events_do_not_wait_for_acknowledgements(gateway: Gateway, origin: Upstream, entry: str) -> None:
    """On a kept connection the kernel delays acknowledgements by 40 ms, so with Nagle's algorithm at either end each
    of these streams would take that long: 4 s in all."""
    heard: queue.Queue[bytes] = queue.Queue()
    streams, events = 100, [event({"n": 0}), event({"n": 1}), event("[DONE]")]

    def play(wire: Wire) -> None:
        for left in range(streams, 0, -1):
            wire.request()
            wire.send(http(CHUNKED if left > 1 else f"{CHUNKED}\nconnection: close"))
            for piece in events:
                wire.send(chunk(piece))
                assert heard.get(timeout=5) == piece
            wire.send(b"0\r\n\r\n")

    origin.play = play
    started = time.monotonic()
    with Wire.connect(gateway.port) as client:
        for _ in range(streams):
            client.send(ask(entry))
            client.head()
            for piece in client.chunks():
                heard.put(piece)
    assert time.monotonic() - started < 2.5


# --- never finished by us ------------------------------------------------------------------------------------------


def cut_after(events: list[bytes], *, reset: bool) -> Callable[[Wire], None]:
    def play(wire: Wire) -> None:
        wire.request()
        wire.send(http(CHUNKED))
        for piece in events:
            wire.send(chunk(piece))
        if reset:
            wire.reset()

    return play


ENDS: Final[dict[str, tuple[bytes, Callable[[Any], bool]]]] = {
    "openai-chat": (b"data: ", lambda found: found["error"]["code"] == "upstream_truncated"),
    "openai-responses": (b"event: error\ndata: ", lambda found: found["type"] == "error" and bool(found["message"])),
    "anthropic": (b"event: error\ndata: ", lambda found: found["error"]["type"] == "api_error"),
    "gemini": (b"data: ", lambda found: found["error"]["code"] == 502),
}


@pytest.mark.parametrize("reset", [False, True], ids=["end", "reset"])
@pytest.mark.parametrize("wire_format", EVENTS)
def test_a_cut_stream_ends_in_an_error_and_without_an_end(
    gateway: Gateway, origin: Upstream, wire_format: str, reset: bool
) -> None:
    events = [*EVENTS[wire_format][:-1], b'data: {"half": ']
    origin.play = cut_after(events, reset=reset)
    with Wire.connect(gateway.port) as client:
        client.send(ask("unified", wire_format))
        client.head()
        raw = client.rest()
    body, is_finished = dechunked(raw)
    assert not is_finished
    assert body.startswith(b"".join(events))
    assert b"[DONE]" not in body
    lead, is_right = ENDS[wire_format]
    *_, last = [part.strip() for part in body.replace(b"\r", b"").split(b"\n\n") if part.strip()]
    assert last.startswith(lead), body[-400:]
    assert is_right(json.loads(last.partition(b"data: ")[2].splitlines()[0]))


@pytest.mark.parametrize("wire_format", EVENTS)
def test_a_stream_that_ends_in_order_but_without_its_mark_looked_whole(
    gateway: Gateway, origin: Upstream, wire_format: str
) -> None:
    events = EVENTS[wire_format][:-2]

    def play(wire: Wire) -> None:
        wire.request()
        wire.send(http(CHUNKED))
        for piece in events:
            wire.send(chunk(piece))
        wire.send(b"0\r\n\r\n")

    origin.play = play
    with Wire.connect(gateway.port) as client:
        client.send(ask("unified", wire_format))
        client.head()
        body, is_finished = dechunked(client.rest())
    assert not is_finished
    assert body.startswith(b"".join(events))
    *_, last = [part.strip() for part in body.replace(b"\r", b"").split(b"\n\n") if part.strip()]
    lead, is_right = ENDS[wire_format]
    assert last.startswith(lead)
    assert is_right(json.loads(last.partition(b"data: ")[2].splitlines()[0]))


@pytest.mark.parametrize("reset", [False, True], ids=["end", "reset"])
def test_a_cut_edge_stream_has_no_last_chunk(gateway: Gateway, origin: Upstream, reset: bool) -> None:
    origin.play = cut_after(EVENTS["openai-chat"][:3], reset=reset)
    with Wire.connect(gateway.port) as client:
        client.send(ask("edge"))
        client.head()
        body, is_finished = dechunked(client.rest())
    assert body == b"".join(EVENTS["openai-chat"][:3])
    assert not is_finished


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("bad", [b"zz\r\nxx\r\n", b"5\r\nhelloXX", b"-1\r\n\r\n", b"\r\n", b"8"])
def test_broken_chunks_are_not_passed_on_as_an_end(gateway: Gateway, origin: Upstream, entry: str, bad: bytes) -> None:
    heard: queue.Queue[bytes] = queue.Queue()
    good = b"data: 1\n\n"

    def play(wire: Wire) -> None:
        wire.request()
        wire.send(http(CHUNKED) + chunk(good))
        heard.get(timeout=5)
        wire.send(bad)

    origin.play = play
    with Wire.connect(gateway.port) as client:
        client.send(ask(entry))
        client.head()
        assert client.until(chunk(good)) == chunk(good)
        heard.put(good)
        assert not dechunked(client.rest())[1]


def test_what_was_used_until_the_cut_is_counted(gateway: Gateway, origin: Upstream) -> None:
    origin.play = cut_after(EVENTS["anthropic"][:4], reset=True)
    before = gateway.tokens()
    with Wire.connect(gateway.port) as client:
        client.send(ask("unified", "anthropic"))
        client.rest()
    gateway.has_counted(before, {("anthropic", kind): n for kind, n in USED.items()})


@pytest.mark.parametrize("wish", ["x-mock-cut", "x-mock-fin"])
@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (sdk_calls.openai_chat, openai.APIError),
        (sdk_calls.openai_responses, openai.APIError),
        (sdk_calls.anthropic_messages, anthropic.APIStatusError),
        (sdk_calls.gemini_generate, google_errors.APIError),
    ],
)
def test_sdks_raise_when_a_stream_is_cut(
    cutting: tuple[Gateway, Mock], call: Any, expected: type[Exception], wish: str
) -> None:
    gateway, _ = cutting
    with pytest.raises(expected, match="in the middle of its reply"):
        call(gateway.url, "client", True, headers={wish: "3"})


@pytest.fixture(scope="module")
def cutting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Mock]]:
    with mocking() as mock:
        flags = [
            f"openai={KEY}@{mock.url}/v1",
            f"anthropic={KEY}@{mock.url}/v1",
            f"google-ai-studio={KEY}@{mock.url}/v1beta",
        ]
        told_flags = [part for flag in flags for part in ("--provider", flag)]
        with Gateway(tmp_path_factory.mktemp("cutting"), *told_flags) as running:
            yield running, mock


# --- compressed ----------------------------------------------------------------------------------------------------

REPLY: Final = json.dumps({"id": "x", "choices": [], "usage": {
    "prompt_tokens": 100, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 20},
    "completion_tokens_details": {"reasoning_tokens": 30}}}).encode()  # fmt: skip


def compressed(coding: str, data: bytes) -> bytes:
    if coding == "gzip":
        return gzip.compress(data)
    return zlib.compress(data)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("size", [1, 7, 4096])
def test_compressed_replies_pass_unchanged_and_are_read(  # noqa: PLR0913 - the axes along which replies differ
    gateway: Gateway, origin: Upstream, entry: str, coding: str, kind: str, size: int
) -> None:  # fmt: skip
    data = compressed(coding, REPLY if kind == "application/json" else b"".join(EVENTS["openai-chat"]))
    head = f"HTTP/1.1 200 OK\ncontent-type: {kind}\ncontent-encoding: {coding}\ncontent-length: {len(data)}"
    origin.play = told(slices(data, size), head)
    before = gateway.tokens()
    head_got, got = exchange(gateway, ask(entry))
    assert got == data
    assert head_got.get("content-encoding") == coding
    gateway.has_counted(before, {("openai-chat", name): n for name, n in USED.items()} if entry == "unified" else {})
