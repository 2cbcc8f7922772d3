"""Request heads: every decision that the parser leaves to us, and the recogniser, which may only ever say less.

Each table feeds its heads whole and byte by byte through a connection; both must be understood alike.
"""

from __future__ import annotations

import re

import pytest
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from hypothesis import given, settings
from hypothesis import strategies as st

from fastproxy.errors import BadRequest
from fastproxy.wire.fields import SEEN_OFTEN, FieldSink, Reading
from fastproxy.wire.request_head import METHODS, HeadLimits, RequestHead, is_host, parse_request, read_known
from tests.wire.fakes import Client, meaning

LIMITS = HeadLimits()
DROP = frozenset((b"authorization", b"x-forwarded-for"))


def head(line: bytes, *fields: bytes, host: bool = True) -> bytes:
    given_host = (b"Host: a.test",) if host else ()
    return b"\r\n".join((line, *given_host, *fields, b"", b""))


def get(*fields: bytes) -> bytes:
    return head(b"GET / HTTP/1.1", *fields)


GOOD: dict[str, tuple[bytes, bytes, bytes, int, bytes, int, bool, bool]] = {
    # name: head, method, target, minor, host, length, keep_alive, expects
    "plain": (get(), b"GET", b"/", 1, b"a.test", 0, True, False),
    "query": (head(b"GET /a?b=/c&d=%00 HTTP/1.1"), b"GET", b"/a?b=/c&d=%00", 1, b"a.test", 0, True, False),
    "odd but legal path": (head(b"GET //a/../b;c HTTP/1.1"), b"GET", b"//a/../b;c", 1, b"a.test", 0, True, False),
    "port": (head(b"GET / HTTP/1.1", b"host: [::1]:8080", host=False), b"GET", b"/", 1, b"[::1]:8080", 0, True, False),
    "empty port": (head(b"GET / HTTP/1.1", b"Host: a:", host=False), b"GET", b"/", 1, b"a:", 0, True, False),
    "spaces around": (head(b"GET / HTTP/1.1", b"Host: \t a", host=False), b"GET", b"/", 1, b"a", 0, True, False),
    "no space": (head(b"GET / HTTP/1.1", b"Host:a", host=False), b"GET", b"/", 1, b"a", 0, True, False),
    "absolute": (head(b"GET http://b.test/x?y HTTP/1.1"), b"GET", b"/x?y", 1, b"b.test", 0, True, False),
    "absolute without path": (head(b"GET HTTP://b.test?y HTTP/1.1"), b"GET", b"/?y", 1, b"b.test", 0, True, False),
    "absolute bare": (head(b"GET https://b.test:1 HTTP/1.1"), b"GET", b"/", 1, b"b.test:1", 0, True, False),
    "asterisk": (head(b"OPTIONS * HTTP/1.1"), b"OPTIONS", b"*", 1, b"a.test", 0, True, False),
    "close": (get(b"Connection: close"), b"GET", b"/", 1, b"a.test", 0, False, False),
    "close wins": (get(b"Connection: close, keep-alive"), b"GET", b"/", 1, b"a.test", 0, False, False),
    "close in the second": (get(b"Connection: x", b"Connection: Close"), b"GET", b"/", 1, b"a.test", 0, False, False),
    "1.0": (head(b"GET / HTTP/1.0"), b"GET", b"/", 0, b"a.test", 0, False, False),
    "1.0 without host": (head(b"GET / HTTP/1.0", host=False), b"GET", b"/", 0, b"", 0, False, False),
    "1.0 kept": (head(b"GET / HTTP/1.0", b"Connection: Keep-Alive"), b"GET", b"/", 0, b"a.test", 0, True, False),
    "length": (head(b"POST / HTTP/1.1", b"Content-Length: 5"), b"POST", b"/", 1, b"a.test", 5, True, False),
    "length zero": (get(b"Content-Length: 0"), b"GET", b"/", 1, b"a.test", 0, True, False),
    "leading zeros": (get(b"Content-Length: 0005"), b"GET", b"/", 1, b"a.test", 5, True, False),
    "chunked": (get(b"Transfer-Encoding: CHUNKED"), b"GET", b"/", 1, b"a.test", -1, True, False),
    "expects": (get(b"Content-Length: 5", b"Expect: 100-Continue"), b"GET", b"/", 1, b"a.test", 5, True, True),
    "expects for nothing": (get(b"Expect: 100-continue"), b"GET", b"/", 1, b"a.test", 0, True, False),
    "obs-text": (get(b"X: \xe9\xff\t\x80"), b"GET", b"/", 1, b"a.test", 0, True, False),
    "empty value": (get(b"X:"), b"GET", b"/", 1, b"a.test", 0, True, False),
}

BAD: dict[str, tuple[bytes, int]] = {
    "host missing": (head(b"GET / HTTP/1.1", host=False), 400),
    "host twice": (get(b"Host: a.test"), 400),
    "host twice in other case": (get(b"HOST: b.test"), 400),
    "host empty": (head(b"GET / HTTP/1.1", b"Host:", host=False), 400),
    "host with path": (head(b"GET / HTTP/1.1", b"Host: a/b", host=False), 400),
    "host with userinfo": (head(b"GET / HTTP/1.1", b"Host: u@a", host=False), 400),
    "host with space": (head(b"GET / HTTP/1.1", b"Host: a b", host=False), 400),
    "host list": (head(b"GET / HTTP/1.1", b"Host: a, b", host=False), 400),
    "host port not a number": (head(b"GET / HTTP/1.1", b"Host: a:b", host=False), 400),
    "host port too high": (head(b"GET / HTTP/1.1", b"Host: a:65536", host=False), 400),
    "host with obs-text": (head(b"GET / HTTP/1.1", b"Host: \xe9", host=False), 400),
    "host twice, absolute": (head(b"GET http://a/ HTTP/1.1", b"Host: b"), 400),
    "absolute with userinfo": (head(b"GET http://u:p@a/ HTTP/1.1"), 400),
    "absolute without host": (head(b"GET http:///x HTTP/1.1"), 400),
    "other scheme": (head(b"GET ftp://a/ HTTP/1.1"), 400),
    "fragment": (head(b"GET /a#b HTTP/1.1"), 400),
    "absolute fragment": (head(b"GET http://a/#b HTTP/1.1"), 400),
    "asterisk for GET": (head(b"GET * HTTP/1.1"), 400),
    "target without slash": (head(b"GET a HTTP/1.1"), 400),
    "two spaces": (head(b"GET  / HTTP/1.1"), 400),
    "space in target": (head(b"GET /a b HTTP/1.1"), 400),
    "space at the end": (head(b"GET / HTTP/1.1 "), 400),
    "tab in line": (head(b"GET\t/ HTTP/1.1"), 400),
    "no version": (head(b"GET /"), 400),
    "lower-case version": (head(b"GET / http/1.1"), 400),
    "version 2": (head(b"GET / HTTP/2.0"), 505),
    "version 0.9": (head(b"GET / HTTP/0.9"), 505),
    "another protocol": (head(b"GET / RTSP/1.0"), 400),
    "trace": (head(b"TRACE / HTTP/1.1"), 405),
    "nul in target": (head(b"GET /\0 HTTP/1.1"), 400),
    "high byte in target": (head(b"GET /\xe9 HTTP/1.1"), 400),
    "space before colon": (get(b"X : a"), 400),
    "space before name": (get(b" X: a"), 400),
    "no colon": (get(b"X"), 400),
    "empty name": (get(b": a"), 400),
    "bare lf": (b"GET / HTTP/1.1\nHost: a\n\n\r\n\r\n", 400),
    "bare cr in value": (get(b"X: a\rY: b"), 400),
    "bare lf in value": (get(b"X: a\nContent-Length: 5"), 400),
    "nul in value": (get(b"X: a\0"), 400),
    "folded": (get(b"X: a", b" b"), 400),
    "folded at once": (get(b"X:", b"\tb"), 400),
    "length list": (get(b"Content-Length: 5, 5"), 400),
    "length twice": (get(b"Content-Length: 5", b"Content-Length: 5"), 400),
    "length signed": (get(b"Content-Length: +5"), 400),
    "length negative": (get(b"Content-Length: -1"), 400),
    "length in hex": (get(b"Content-Length: 0x5"), 400),
    "length underscored": (get(b"Content-Length: 1_0"), 400),
    "length empty": (get(b"Content-Length:"), 400),
    "length with space": (get(b"Content-Length: 1 0"), 400),
    "length too long": (get(b"Content-Length: 1000000000000000000"), 400),
    "length beyond 64 bits": (get(b"Content-Length: 18446744073709551616"), 400),
    "both framings": (get(b"Content-Length: 5", b"Transfer-Encoding: chunked"), 400),
    "both the other way": (get(b"Transfer-Encoding: chunked", b"Content-Length: 5"), 400),
    "coding twice": (get(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), 400),
    "chunked not last": (get(b"Transfer-Encoding: chunked, gzip"), 400),
    "chunked in 1.0": (head(b"POST / HTTP/1.0", b"Transfer-Encoding: chunked"), 400),
    "gzip first": (get(b"Transfer-Encoding: gzip, chunked"), 501),
    "empty member": (get(b"Transfer-Encoding: ,chunked"), 501),
    "underscored length": (get(b"Content_Length: 5"), 400),
    "underscored coding": (get(b"Transfer_Encoding: chunked"), 400),
    "underscored host": (get(b"X_Forwarded_For: 1.2.3.4"), 400),
    "name too long": (get(b"X" * 257 + b": a"), 400),
    "expectation unknown": (get(b"Expect: 200-ok"), 417),
    "expectation twice": (get(b"Expect: 100-continue", b"Expect: 100-continue"), 417),
    "too many fields": (get(*[b"X: a"] * 128), 431),
    "target too long": (head(b"GET /" + b"a" * 16384 + b" HTTP/1.1"), 414),
    "head too long": (get(b"X: " + b"a" * 65536), 431),
    "target endless": (b"GET /" + b"a" * 70000, 414),
    "http/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 501),
    "tls hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n", 400),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_what_a_head_means(name: str) -> None:
    raw, *expected = GOOD[name]
    read = parse_request(raw, LIMITS)
    understood = [
        read.method, read.target, read.minor, read.host, read.length, read.keep_alive, read.expects,
    ]  # fmt: skip
    assert understood == expected
    assert read.size == len(raw)
    whole, bytewise = Client().feed(raw), Client().bytewise(raw)
    assert whole.account() == bytewise.account()
    assert [exchange.head.method for exchange in whole.taken] == [expected[0]]


@pytest.mark.parametrize("name", BAD)
def test_bad_heads_are_refused_with_their_status(name: str) -> None:
    raw, status = BAD[name]
    whole, bytewise = Client().feed(raw), Client().bytewise(raw)
    assert (whole.taken, whole.statuses, whole.wire.ended) == ([], [status], True)
    assert (bytewise.taken, bytewise.statuses, bytewise.wire.ended) == ([], [status], True)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_that_is_ours_is_the_parsers_too(method: bytes) -> None:
    assert parse_request(head(method + b" / HTTP/1.1"), LIMITS).method == method


def test_connect_is_refused() -> None:
    with pytest.raises(BadRequest) as refused:
        parse_request(head(b"CONNECT a.test:443 HTTP/1.1"), LIMITS)
    assert refused.value.status == 405


@pytest.mark.parametrize("value", [b"a", b"a.b", b"1.2.3.4:80", b"[::1]", b"[::ffff:1.2.3.4]:1", b"a:65535", b"a%2e"])
def test_hosts(value: bytes) -> None:
    assert is_host(value)


@pytest.mark.parametrize(
    "value", [b"", b":80", b"[]", b"[::1", b"::1", b"a:1:2", b"a:-1", b"a\n", b"a?", b"a#", b"a\\b"]
)
def test_no_hosts(value: bytes) -> None:
    assert not is_host(value)


def test_fields_are_found_by_name() -> None:
    read = parse_request(get(b"X-A: 1", b"x-b: 2", b"X-a:  3"), LIMITS)
    assert (read.get(b"x-a"), read.get(b"x-b"), read.get(b"x-c")) == (b"3", b"2", None)
    assert read.get_all(b"x-a") == [b"1", b"3"]
    assert read.get_all(b"x-c") == []


# --- the recogniser -------------------------------------------------------------------------------------------------

# A process compiles recognisers for few shapes, so there are few here: what stops stands first, last, in the middle.
NAMES = st.sampled_from(
    [[], [b"X-Trace"], [b"Authorization"], [b"accept", b"User-Agent"], [b"x_under", b"accept", b"X%s"],
     [b"accept", b"Authorization", b"Cookie"], [b"X-Forwarded-For", b"Te", b"Cookie"], [b"Cookie", b"Cookie"],
     [b"accept", b"Keep-Alive"], [b"Authorization", b"authorization"]]
)  # fmt: skip
# What a value may be, and what it may not be: the recogniser must never take what the parser refuses.
PLAIN_VALUES = st.text("abc ,;=/\t09%\"'", max_size=12).map(str.encode)
VALUES = st.one_of(
    PLAIN_VALUES,
    PLAIN_VALUES,
    st.binary(max_size=6),
    st.sampled_from([b"a\r\n b", b"a\rb", b"a\nb", b"\0", b"\x7f", b"\xff\x80", b"  x  ", b"a: b", b""]),
)
ODD_LINES = st.sampled_from(
    [b"GET /a b HTTP/1.1", b"GET /# HTTP/1.1", b"GET /\x80 HTTP/1.1", b"OPTIONS * HTTP/1.1", b"GET http://b/ HTTP/1.1",
     b"GET /\0 HTTP/1.1", b"get / HTTP/1.1", b"BREW / HTTP/1.1", b"TRACE / HTTP/1.1", b"CONNECT / HTTP/1.1",
     b"GET  / HTTP/1.1", b"GET / HTTP/1.0", b"GET / HTTP/2.0", b"GET / HTTP/1.1 ", b"SOURCE / HTTP/1.1"]
)  # fmt: skip
LINES = st.sampled_from([b"GET / HTTP/1.1", b"POST /v1/x?y=1 HTTP/1.1", b"OPTIONS //%zz HTTP/1.1"]) | ODD_LINES
LENGTHS = st.sampled_from([b"0", b"5", b"007", b"", b"+1", b"1 ", b" 2", b"99999999999999999999", b"1,1", b"1_0"])
CONNECTIONS_SEEN = st.sampled_from([b"keep-alive", b"close", b"Keep-Alive", b"close, x-trace", b"", b" close"])


def reading_of(names: list[bytes]) -> Reading:
    """The recogniser that a connection has after it has seen these names often."""
    raw = head(b"GET / HTTP/1.1", *(b"%b: %b" % (name, b"0" if name == b"Content-Length" else b"x") for name in names))
    for _ in range(SEEN_OFTEN + 1):
        shape = parse_request(raw, LIMITS).shape
    reading = shape.reading(DROP)
    assert reading is not None
    return reading


SHAPES: dict[tuple[bytes, ...], Reading] = {}  # a recogniser is compiled once per process and shape, as in a worker


def the_reading(names: list[bytes]) -> Reading:
    key = tuple(names)
    if key not in SHAPES:
        SHAPES[key] = reading_of(names)
    return SHAPES[key]


def by_the_parser(raw: bytes) -> FieldSink | None:
    sink = FieldSink()
    try:
        HttpRequestParser(sink).feed_data(raw)
    except HttpParserUpgrade:
        pass
    except HttpParserError:
        return None
    return sink


@st.composite
def sightings(draw: st.DrawFn) -> tuple[Reading, bytes]:
    """A recogniser, and a head with its names and any values."""
    names = list(draw(NAMES))
    framed, connected = draw(st.booleans()), draw(st.booleans())
    names += [b"Content-Length"] * framed + [b"Connection"] * connected
    reading = the_reading(names)
    special = {b"Content-Length": LENGTHS, b"Connection": CONNECTIONS_SEEN}
    fields = [name + b": " + draw(special.get(name, VALUES)) for name in names]
    return reading, head(draw(LINES), *fields)


@settings(deadline=None, max_examples=400)
@given(sightings())
def test_the_recogniser_takes_strictly_less_than_the_parser(sighting: tuple[Reading, bytes]) -> None:
    reading, raw = sighting
    match = reading.match(raw)
    if match is None or not is_used(reading, match):
        return
    raw = raw[: raw.find(b"\r\n\r\n") + 4]
    assert match.end() == len(raw)
    sink = by_the_parser(raw)
    assert sink is not None
    assert tuple(sink.names) == reading.shape.names
    last = dict(zip(reading.shape.lower, sink.values, strict=True))
    for name, value in last.items():
        if name in reading.places:
            assert match.groups()[reading.places[name]].strip(b" \t") == value.strip(b" \t")
    runs = b"".join(match.groups()[place] for place in reading.runs)
    plan = reading.shape.plan(DROP)
    passed_on = plan.lines % plan.pick(sink.values)
    host_line = b"Host: a.test\r\n"
    assert [squeezed(line) for line in runs.split(b"\r\n")] == [squeezed(line) for line in passed_on.split(b"\r\n")]
    assert host_line in raw


def is_used(reading: Reading, match: re.Match[bytes]) -> bool:
    """Whoever uses a match asks for the method and the length as well."""
    digits = match.groups()[reading.length_at] if reading.length_at >= 0 else b"0"
    return match[1] in METHODS and digits.isdigit() and len(digits) <= 18


def squeezed(line: bytes) -> bytes:
    name, _, value = line.partition(b":")
    return name + b":" + value.strip(b" \t")


@settings(deadline=None, max_examples=400)
@given(sightings(), st.binary(max_size=4))
def test_a_recognised_head_means_what_a_parsed_one_means(sighting: tuple[Reading, bytes], beyond: bytes) -> None:
    reading, raw = sighting
    known = read_known(reading, raw + beyond, LIMITS)
    if known is None:
        return
    parsed = parse_request(raw[: raw.find(b"\r\n\r\n") + 4], LIMITS)
    assert meaning(known) == meaning(parsed)
    for name in parsed.shape.lower:
        assert fresh(reading, raw).get(name) == (parsed.get(name) or b"").strip(b" \t")


def fresh(reading: Reading, raw: bytes) -> RequestHead:
    """A head whose values nobody has taken apart yet."""
    known = read_known(reading, raw, LIMITS)
    assert known is not None
    return known


def test_the_recogniser_does_take_what_is_usual() -> None:
    """Or the two tests above would prove nothing."""
    reading = the_reading([b"User-Agent", b"X-Trace", b"Content-Length"])
    raw = head(b"POST /v1/x HTTP/1.1", b"User-Agent: me/1.0 (x)", b"X-Trace: 00-ab-01", b"Content-Length: 12")
    known = read_known(reading, raw + b"body", LIMITS)
    assert known is not None
    assert meaning(known) == meaning(parse_request(raw, LIMITS))
    for name, place in ((b"user-agent", b"me/1.0 (x)"), (b"content-length", b"12"), (b"host", b"a.test")):
        assert fresh(reading, raw).get(name) == place


@pytest.mark.parametrize(
    "change",
    [
        (b"X-Trace", b"X-trace"), (b"X-Trace: ", b"X-Trace:"), (b"X-Trace: ", b"X-Trace : "),
        (b"a.test", b"never.seen"),
        (b"a.test", b"a.test "), (b"HTTP/1.1", b"HTTP/1.0"), (b"GET", b"BREW"), (b" / ", b" /# "), (b" / ", b" * "),
        (b"v\r\n", b"v\r\n w\r\n"), (b"v\r\n", b"v\n"), (b"v", b"\0"), (b"v", b"\x7f"), (b"\r\n\r\n", b"\r\n"),
        (b"\r\n\r\n", b"\r\nY: z\r\n\r\n"), (b" / ", b" /" + b"a" * LIMITS.max_target + b" "),
    ],
)  # fmt: skip
def test_anything_new_goes_the_long_way(change: tuple[bytes, bytes]) -> None:
    reading = the_reading([b"X-Trace"])
    raw = get(b"X-Trace: v")
    assert read_known(reading, raw, LIMITS) is not None
    assert read_known(reading, raw.replace(*change), LIMITS) is None


def test_a_shape_that_needs_thought_is_never_recognised() -> None:
    for fields in ([b"Expect: 100-continue", b"Content-Length: 1"], [b"Transfer-Encoding: chunked"], [b"Upgrade: h2c"]):
        for _ in range(SEEN_OFTEN + 2):
            shape = parse_request(get(*fields), LIMITS).shape
        assert shape.reading(DROP) is None


def test_error_texts_are_facts_and_never_echo_values() -> None:
    for raw, _ in BAD.values():
        refused = Client().feed(raw).application.refused
        for error in refused:
            assert re.fullmatch(r"[^\x00-\x1f\x7f]{1,120}", error.message)
            assert not error.message.endswith(".")
