"""Reply heads and the framing that follows from them; the recogniser may only ever say less."""

from __future__ import annotations

import pytest
from httptools import HttpParserError, HttpResponseParser
from hypothesis import given, settings
from hypothesis import strategies as st

from fastproxy.errors import UpstreamFailed
from fastproxy.wire.fields import SEEN_OFTEN, FieldSink, Reading
from fastproxy.wire.reply_head import STATUS_LINES, Framing, parse_reply, read_known_reply
from tests.wire.fakes import reply_meaning

DROP = frozenset((b"set-cookie", b"server"))
N, L, C, U, T = Framing.NONE, Framing.LENGTH, Framing.CHUNKED, Framing.UNTIL_CLOSE, Framing.TUNNEL


def head(line: bytes, *fields: bytes) -> bytes:
    return b"\r\n".join((line, *fields, b"", b""))


OK = b"HTTP/1.1 200 OK"
GOOD: dict[str, tuple[bytes, bool, Framing, int, bool]] = {
    # name: head, to a HEAD request, framing, length, keep_alive
    "length": (head(OK, b"Content-Length: 5"), False, L, 5, True),
    "leading zeros": (head(OK, b"Content-Length: 005"), False, L, 5, True),
    "length zero": (head(OK, b"Content-Length: 0"), False, N, 0, True),
    "chunked": (head(OK, b"transfer-encoding: Chunked"), False, C, 0, True),
    "neither": (head(OK), False, U, 0, False),
    "neither, kept": (head(OK, b"Connection: keep-alive"), False, U, 0, False),
    "close": (head(OK, b"Content-Length: 5", b"Connection: close"), False, L, 5, False),
    "close wins": (head(OK, b"Content-Length: 5", b"Connection: keep-alive, close"), False, L, 5, False),
    "close in the second": (head(OK, b"Connection: x", b"Content-Length: 5", b"connection: close"), False, L, 5, False),
    "1.0": (head(b"HTTP/1.0 200 OK", b"Content-Length: 5"), False, L, 5, False),
    "1.0 kept": (head(b"HTTP/1.0 200 OK", b"Content-Length: 5", b"Connection: keep-alive"), False, L, 5, True),
    "no reason": (head(b"HTTP/1.1 200 ", b"Content-Length: 5"), False, L, 5, True),
    "no space for a reason": (head(b"HTTP/1.1 200", b"Content-Length: 5"), False, L, 5, True),
    "odd reason": (head(b"HTTP/1.1 200 \xe9\t!", b"Content-Length: 5"), False, L, 5, True),
    "head with length": (head(OK, b"Content-Length: 5"), True, N, 0, True),
    "head with chunked": (head(OK, b"Transfer-Encoding: chunked"), True, N, 0, True),
    "head with neither": (head(OK), True, N, 0, True),
    "204": (head(b"HTTP/1.1 204 No Content", b"Content-Length: 5"), False, N, 0, True),
    "304": (head(b"HTTP/1.1 304 Not Modified", b"Content-Length: 5"), False, N, 0, True),
    "103": (head(b"HTTP/1.1 103 Early Hints"), False, N, 0, True),
    "101": (head(b"HTTP/1.1 101 Switching", b"Upgrade: websocket", b"Connection: upgrade"), False, T, 0, True),
    "599": (head(b"HTTP/1.1 599 ?", b"Content-Length: 1"), False, L, 1, True),
}
BAD: dict[str, bytes] = {
    "not http": b"HTTQ/1.1 200 OK\r\n\r\n",
    "http/2": b"HTTP/2.0 200 OK\r\nContent-Length: 1\r\n\r\n",
    "http/0.9": b"HTTP/0.9 200 OK\r\nContent-Length: 1\r\n\r\n",
    "status 99": b"HTTP/1.1 099 ?\r\n\r\n",
    "status 600": b"HTTP/1.1 600 ?\r\n\r\n",
    "status of four": b"HTTP/1.1 2000 OK\r\n\r\n",
    "status in words": b"HTTP/1.1 OK\r\n\r\n",
    "both framings": head(OK, b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "both the other way": head(OK, b"Transfer-Encoding: chunked", b"Content-Length: 5"),
    "length twice": head(OK, b"Content-Length: 5", b"Content-Length: 5"),
    "length list": head(OK, b"Content-Length: 5, 5"),
    "length signed": head(OK, b"Content-Length: +5"),
    "length negative": head(OK, b"Content-Length: -5"),
    "length empty": head(OK, b"Content-Length:"),
    "length too long": head(OK, b"Content-Length: 1000000000000000000"),
    "gzip": head(OK, b"Transfer-Encoding: gzip"),
    "gzip, chunked": head(OK, b"Transfer-Encoding: gzip, chunked"),
    "chunked, gzip": head(OK, b"Transfer-Encoding: chunked, gzip"),
    "chunked twice": head(OK, b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "empty member": head(OK, b"Transfer-Encoding: ,chunked"),
    "identity": head(OK, b"Transfer-Encoding: identity"),
    "space before colon": head(OK, b"Content-Length : 5"),
    "folded": head(OK, b"X: a", b" b", b"Content-Length: 5"),
    "bare lf": b"HTTP/1.1 200 OK\nContent-Length: 5\n\n\r\n\r\n",
    "bare cr": head(OK, b"X: a\rY: b"),
    "nul": head(OK, b"X: \0"),
    "no colon": head(OK, b"X"),
}


@pytest.mark.parametrize("name", GOOD)
def test_framing(name: str) -> None:
    raw, to_head_request, framing, length, keep_alive = GOOD[name]
    read = parse_reply(raw, to_head_request)
    assert (read.framing, read.length, read.keep_alive, read.size) == (framing, length, keep_alive, len(raw))


@pytest.mark.parametrize("name", BAD)
def test_bad_heads_are_the_upstreams_fault(name: str) -> None:
    with pytest.raises(UpstreamFailed) as refused:
        parse_reply(BAD[name], False)
    assert (refused.value.status, refused.value.retry) == (502, "never")


def test_our_own_status_lines_are_well_formed() -> None:
    for status in range(100, 600):
        parser = HttpResponseParser(FieldSink())
        parser.feed_data(STATUS_LINES[status])
        assert STATUS_LINES[status].startswith(b"HTTP/1.1 %d " % status)


# --- the recogniser -------------------------------------------------------------------------------------------------

SHAPES: list[list[bytes]] = [
    [b"Content-Length"],
    [b"Server", b"Content-Type", b"Content-Length", b"Connection"],
    [b"content-type", b"Set-Cookie", b"x_a", b"content-length", b"X-B"],
    [b"Set-Cookie", b"Date", b"Set-Cookie", b"Content-Length"],
    [b"Date", b"Content-Type"],
]
LENGTHS = st.sampled_from([b"0", b"5", b"007", b"", b"+1", b" 2", b"99999999999999999999", b"1,1"])
CONNECTIONS_SEEN = st.sampled_from([b"keep-alive", b"close", b"Keep-Alive", b"close, x-b", b""])
VALUES = st.one_of(
    st.text("abc ,;=/\t09%\"'", max_size=12).map(str.encode),
    st.text("abc ,;=/\t09%\"'", max_size=12).map(str.encode),
    st.sampled_from([b"a\r\n b", b"a\rb", b"a\nb", b"\0", b"\x7f", b"\xff\x80", b"  x", b"a: b", b""]),
)
LINES = st.sampled_from(
    [OK, OK, OK, b"HTTP/1.1 204 No", b"HTTP/1.1 304 No", b"HTTP/1.1 100 Go", b"HTTP/1.1 101 Go", b"HTTP/1.0 200 OK",
     b"HTTP/1.1 600 ?", b"HTTP/1.1 99 ?", b"HTTP/1.1 2000 ?", b"HTTP/1.1 200 \xe9", b"HTTP/1.1 200 a\rb",
     b"HTTP/1.1 404 Not Found", b"HTTP/2.0 200 OK", b"HTTP/1.1 200  two"]
)  # fmt: skip


def reading_of(names: list[bytes]) -> Reading:
    fields = [b"%b: %b" % (name, b"1" if name.lower() == b"content-length" else b"close") for name in names]
    for _ in range(SEEN_OFTEN + 1):
        shape = parse_reply(head(OK, *fields), False).shape
    reading = shape.reading(DROP)
    assert reading is not None
    return reading


READINGS = [reading_of(names) for names in SHAPES]


@st.composite
def sightings(draw: st.DrawFn) -> tuple[Reading, bytes]:
    reading = draw(st.sampled_from(READINGS))
    special = {b"content-length": LENGTHS, b"connection": CONNECTIONS_SEEN}
    fields = [name + b": " + draw(special.get(name.lower(), VALUES)) for name in reading.shape.names]
    return reading, head(draw(LINES), *fields)


@settings(deadline=None, max_examples=400)
@given(sightings(), st.binary(max_size=4))
def test_a_recognised_reply_means_what_a_parsed_one_means(sighting: tuple[Reading, bytes], beyond: bytes) -> None:
    reading, raw = sighting
    known = read_known_reply(reading, raw + beyond)
    if known is None:
        return
    raw = raw[: raw.find(b"\r\n\r\n") + 4]
    names = FieldSink()
    try:
        HttpResponseParser(names).feed_data(raw)
    except HttpParserError as error:
        pytest.fail(f"recognised what the parser refuses: {error}")
    parsed = parse_reply(raw, False)
    assert reply_meaning(known) == reply_meaning(parsed)
    for name in parsed.shape.lower:
        again = read_known_reply(reading, raw)
        assert again is not None
        assert again.get(name) == (parsed.get(name) or b"").strip(b" \t")


def test_the_recogniser_does_take_what_is_usual() -> None:
    raw = head(OK, b"Server: nginx", b"Content-Type: text/plain", b"Content-Length: 12", b"Connection: keep-alive")
    parse_reply(raw, False)  # a connection value is known once it was seen
    known = read_known_reply(READINGS[1], raw + b"body")
    assert known is not None
    assert reply_meaning(known) == reply_meaning(parse_reply(raw, False))
    runs = b"".join(known.groups[place] for place in READINGS[1].runs)
    assert runs == b"Content-Type: text/plain\r\n"


@pytest.mark.parametrize("line", [b"HTTP/1.1 204 No", b"HTTP/1.1 304 No", b"HTTP/1.1 100 Go", b"HTTP/1.0 200 OK"])
def test_special_replies_go_the_long_way(line: bytes) -> None:
    assert read_known_reply(READINGS[0], head(line, b"Content-Length: 1")) is None


def test_without_a_length_nothing_is_recognised() -> None:
    assert read_known_reply(READINGS[4], head(OK, b"Date: now", b"Content-Type: a/b")) is None
