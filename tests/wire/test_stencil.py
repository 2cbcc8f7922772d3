"""Heads known by a stencil are treated as if nothing had been learnt, whatever comes after the usual.

Names come from a few fixed shapes, because recognisers are compiled per process and bounded; values come from anywhere.
"""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastproxy.gateway.relay_lane import RelayLane
from fastproxy.wire.basin import LargeReads
from fastproxy.wire.stencil import MAX_HOLES, NO_STENCIL, extra, mark
from tests.gateway.gateway_stage import key, pour, unified
from tests.wire.fakes import wire_of
from tests.wire.side_by_side import OK, WARM_UP, Fields, Pair, Values, head_of

CHAT = b'{"id":"c","usage":{"prompt_tokens":3,"completion_tokens":2}}'
ASK = b'{"model":"gpt","messages":[]}'

GET: Fields = ((b"Host", b"a.test"), (b"User-Agent", b"u/1"), (b"Cookie", b"a=1"), (b"X-Trace", b"1"))
POST: Fields = (
    (b"Host", b"a.test"), (b"Content-Type", b"text/plain"), (b"traceparent", b"00"), (b"Content-Length", b""),
    (b"X-Note", b"n"), (b"Authorization", b"Bearer x"),
)  # fmt: skip
KEPT: Fields = (
    (b"content-length", b""), (b"Connection", b"keep-alive"), (b"Host", b"a.test"), (b"X-A", b"1"), (b"x-a", b"2"),
    (b"under_score", b"gone"), (b"TE", b"trailers"),
)  # fmt: skip
MANY: Fields = ((b"Host", b"a.test"), *((b"X-%d" % number, b"v") for number in range(MAX_HOLES + 4)))
REQUESTS: list[tuple[bytes, Fields]] = [
    (b"GET /a?b=c", GET), (b"POST /up", POST), (b"PUT /put", KEPT), (b"GET /many", MANY),
]  # fmt: skip
PLAIN_REPLY: Fields = ((b"Date", b"today"), (b"Content-Type", b"text/plain"), (b"X-Id", b"1"), (b"Content-Length", b""))
UNDATED: Fields = ((b"Content-Length", b""), (b"X-RateLimit-Remaining", b"9"), (b"Server", b"s"), (b"Keep-Alive", b"5"))
KEPT_REPLY: Fields = ((b"Connection", b"keep-alive"), (b"Content-Length", b""), (b"Set-Cookie", b"a"), (b"Date", b"d"))
NAMED: Fields = ((b"Content-Length", b""), (b"X-Request-Id", b"req_1"), (b"Date", b"d"), (b"Request-Id", b"r"))
REPLIES = [PLAIN_REPLY, UNDATED, KEPT_REPLY, NAMED]
JSON: Fields = ((b"Content-Type", b"application/json"),)
CHANNEL_REPLIES = [NAMED + JSON, UNDATED + JSON, KEPT_REPLY + JSON]
CHOOSING = {b"host", b"connection", b"content-length", b"te"}  # fields that frame a message, or choose its way
STATUSES = [b"200 OK", b"200 Fine", b"200 \xff0\xff", b"201 Created", b"404 Not Found", b"429 Slow down", b"500 Oops"]

ODD = [
    b"", b"a", b"x" * 3000, b"\xe9\xff", b"caf\xc3\xa9", mark(0), mark(1) + mark(0), extra(0), extra(1), b"\xff",
    b"\xff7", b" lead", b"tail ", b"\t", b" ", b"a\tb", b": ", b"HTTP/1.1 200 OK", b"%b%d%%", b"(.*)\\1",
]  # fmt: skip
_LETTERS = bytes([*range(0x20, 0x7F), *range(0x80, 0x100), 9])
VALUES = st.sampled_from(ODD) | st.lists(st.sampled_from(_LETTERS), max_size=12).map(bytes)
BODIES = st.sampled_from([b"!", b"two lines\r\n\r\n!", b"x" * 70_000 + b"!", b"\r\n!", b"\x00\xff!", b"0!"])


def others(fields: Fields) -> st.SearchStrategy[Values]:
    """New values for some of the fields, never for those that choose its way; meters go by Content-Type."""
    kept = CHOOSING | ({b"content-type"} if fields in CHANNEL_REPLIES else set())
    names = [name for name, _ in fields if name.lower() not in kept]
    return st.dictionaries(st.sampled_from(names), VALUES, max_size=len(names))


def moving(fields: Fields, count: int, number: int) -> Values:
    """`count` fields that change with every number: what a warm-up shows."""
    free = [name for name, _ in fields if name.lower() not in CHOOSING | {b"content-type"}]
    return dict.fromkeys(free[:count], b"warm %d" % number)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_requests_of_one_shape(data: st.DataObject) -> None:
    start, fields = data.draw(st.sampled_from(REQUESTS))
    count = data.draw(st.integers(0, len(fields)))
    has_length = b"content-length" in {name.lower() for name, _ in fields}
    line = start + b" HTTP/1.1"

    def request(values: Values, body: bytes) -> bytes:
        body = body if has_length else b""
        return head_of(line, fields, {b"content-length": b"%d" % len(body)} | values, body)

    pair = Pair().learn(lambda number: request(moving(fields, count, number), b"x" * (number % 3) + b"!"))
    for _ in range(data.draw(st.integers(1, 12))):
        pair.step(request(data.draw(others(fields)), data.draw(BODIES)))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_replies_of_one_shape(data: st.DataObject) -> None:
    ask = head_of(b"GET / HTTP/1.1", GET, {}, b"")
    shapes = data.draw(st.lists(st.sampled_from(REPLIES), min_size=1, max_size=2))
    count = data.draw(st.integers(0, 4))
    warm_up = [head_of(b"HTTP/1.1 200 OK", shapes[0], moving(shapes[0], count, number), b"b!") for number in range(40)]
    pair = Pair().learn(lambda number: ask, lambda number: warm_up[number])
    for _ in range(data.draw(st.integers(1, 12))):
        fields = data.draw(st.sampled_from(shapes))
        start = b"HTTP/1.1 " + data.draw(st.sampled_from(STATUSES))
        pair.step(ask, head_of(start, fields, data.draw(others(fields)), data.draw(BODIES)))


def chat(values: Values, body: bytes = ASK) -> bytes:
    values = {b"Content-Type": b"application/json"} | values
    return head_of(b"POST /v1/chat/completions HTTP/1.1", POST, values, body)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_replies_of_a_channel(data: st.DataObject) -> None:
    fields = data.draw(st.sampled_from(CHANNEL_REPLIES))
    count = data.draw(st.integers(0, 3))

    def reply(values: Values, start: bytes = b"200 OK", body: bytes = CHAT) -> bytes:
        return head_of(b"HTTP/1.1 " + start, fields, values, body)

    pair = Pair(unified).learn(lambda number: chat({}), lambda number: reply(moving(fields, count, number)))
    for _ in range(data.draw(st.integers(1, 10))):
        values = data.draw(others(fields))
        values = {name: value for name, value in values.items() if name != b"X-Request-Id" or value.strip()}
        body = data.draw(st.sampled_from([CHAT, b"{}", b" {}", b"[]", b"x!", b'{"usage":null}', CHAT + b"\n"]))
        pair.step(chat({}), reply(values, data.draw(st.sampled_from(STATUSES)), body))


@pytest.mark.parametrize("nothing", [b"", b" ", b"\t"])
def test_an_empty_request_id_is_none(nothing: bytes) -> None:
    fields = ((b"X-Request-Id", b""), (b"Request-Id", b"r"), *JSON, (b"Content-Length", b""))
    reply = head_of(b"HTTP/1.1 200 OK", fields, {b"X-Request-Id": nothing}, CHAT)
    Pair(unified).learn(lambda number: chat({}), lambda number: reply)


# --- that stencils are learnt and used at all -------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "fields"), REQUESTS[:3], ids=["get", "post", "kept"])
def test_a_repeated_head_is_learnt(start: bytes, fields: Fields, monkeypatch: pytest.MonkeyPatch) -> None:
    values = [moving(fields, 2, number) | {b"content-length": b"0"} for number in range(WARM_UP)]
    pair = Pair().learn(lambda number: head_of(start + b" HTTP/1.1", fields, values[number], b""))
    assert pair.fast.asked is not NO_STENCIL
    assert pair.fast.answered is not NO_STENCIL

    def strange(*_: object) -> bool:
        raise AssertionError("the stencil did not fit")

    monkeypatch.setattr(RelayLane, "_take_new", strange)
    monkeypatch.setattr(RelayLane, "_new_reply", strange)
    later = moving(fields, 2, 77) | {b"content-length": b"0"}
    up, down, *_ = pair.step(head_of(start + b" HTTP/1.1", fields, later, b""))
    assert b"warm 77" in up
    assert down.endswith(b"ok")


def test_a_channels_heads_are_learnt() -> None:
    pair = Pair(unified).learn(
        lambda number: chat({b"X-Note": b"%d" % number}),
        lambda number: head_of(b"HTTP/1.1 200 OK", NAMED + JSON, {b"X-Request-Id": b"req_%d" % number}, CHAT),
    )
    assert (pair.fast.answered.status, len(pair.fast.asked.constants)) == (200, 3)


@pytest.mark.parametrize("odd", [mark(0), mark(3), extra(0), extra(1)])
def test_a_constant_that_holds_a_mark_is_not_learnt(odd: bytes) -> None:
    fields = ((b"X-Odd", odd), *GET)
    pair = Pair().learn(lambda number: head_of(b"GET / HTTP/1.1", fields, {b"Cookie": b"%d" % number}, b""))
    assert pair.fast.asked is NO_STENCIL


def test_too_many_holes_are_not_learnt() -> None:
    pair = Pair().learn(lambda number: head_of(b"GET / HTTP/1.1", MANY, moving(MANY, MAX_HOLES, number), b""))
    assert len(pair.fast.asked.constants) == MAX_HOLES + 1
    pair.learn(lambda number: head_of(b"GET / HTTP/1.1", MANY, moving(MANY, MAX_HOLES + 1, number), b""))
    assert pair.fast.asked is NO_STENCIL


# --- heads that a stencil must not let pass ---------------------------------------------------------------------------

BODY = b"12345678!"


def post(values: Values, body: bytes = BODY) -> bytes:
    return head_of(b"POST /up HTTP/1.1", POST, values, body)


USUAL = post({})


def swap(old: bytes, new: bytes) -> bytes:
    assert USUAL.count(old) == 1
    return USUAL.replace(old, new)


LENGTHS = [
    b"8", b"10", b"0", b"09", b"+9", b"-9", b"9 ", b" 9", b"9,9", b"9, 9", b"0x9", b"", b"9\t", b"\xb9", b"9" * 19,
    b"9;", b"9_0", b"9.0", b"1", b"00000000000000000009",
]  # fmt: skip
ATTACKS: dict[str, bytes | list[bytes]] = {
    **{f"length {length!r}": post({b"Content-Length": length}) for length in LENGTHS},
    "bare lf in a hole": post({b"X-Note": b"a\nX-Evil: 1"}),
    "bare cr in a hole": post({b"X-Note": b"a\rX-Evil: 1"}),
    "nul in a hole": post({b"X-Note": b"a\x00b"}),
    "del in a hole": post({b"X-Note": b"a\x7fb"}),
    "nul in a constant": post({b"Content-Type": b"text/\x00"}),
    "a line in a hole": post({b"X-Note": b"a\r\nX-Evil: 1"}),
    "framing in a hole": post({b"X-Note": b"a\r\nTransfer-Encoding: chunked"}),
    "second length in a hole": post({b"X-Note": b"a\r\nContent-Length: 3"}),
    "end of the head in a hole": post({b"X-Note": b"a\r\n\r\nGET /evil HTTP/1.1"}),
    "obs-fold in a hole": post({b"X-Note": b"a\r\n folded"}),
    "obs-fold in a constant": post({b"Content-Type": b"text/plain\r\n\tfolded"}),
    "space before the colon": swap(b"X-Note:", b"X-Note :"),
    "no space behind the colon": swap(b"X-Note: ", b"X-Note:"),
    "other case of a name": swap(b"X-Note", b"x-note"),
    "underscore alias": swap(b"X-Note", b"content_length"),
    "other host": post({b"Host": b"b.test"}),
    "bad host": post({b"Host": b"b.test/evil"}),
    "other credentials": post({b"Authorization": b"Bearer y"}),
    "other path": swap(b"POST /up ", b"POST /other "),
    "longer path": swap(b"POST /up ", b"POST /up/../up "),
    "other method": swap(b"POST ", b"PUT "),
    "lower case method": swap(b"POST ", b"post "),
    "http/1.0": swap(b"HTTP/1.1", b"HTTP/1.0"),
    "a field less": swap(b"X-Note: n\r\n", b""),
    "a field more": swap(b"X-Note: n\r\n", b"X-Note: n\r\nX-More: 1\r\n"),
    "the field twice": swap(b"X-Note: n\r\n", b"X-Note: n\r\nX-Note: m\r\n"),
    "close": swap(b"X-Note: n\r\n", b"X-Note: n\r\nConnection: close\r\n"),
    "chunked": swap(b"Content-Length: 9", b"Transfer-Encoding: chunked"),
    "lf only": USUAL.replace(b"\r\n", b"\n"),
    "empty line in front": b"\r\n" + USUAL,
    "two in one read": USUAL + USUAL,
    "three in one read": USUAL * 3,
    "one and a half": [USUAL + USUAL[:30], USUAL[30:]],
    "one and a head": [USUAL + USUAL[: -len(BODY)], BODY],
    "head over reads": [USUAL[:20], USUAL[20:90], USUAL[90:]],
    "split in a hole": [USUAL[: USUAL.index(b": n") + 2], USUAL[USUAL.index(b": n") + 2 :]],
    "split before the empty line": [USUAL[: -len(BODY) - 2], USUAL[-len(BODY) - 2 :]],
    "body apart": [USUAL[: -len(BODY)], BODY],
    "body in halves": [USUAL[:-4], USUAL[-4:]],
    "byte by byte": [USUAL[at : at + 1] for at in range(len(USUAL))],
    "too large a head": post({b"X-Note": b"x" * 70_000}),
    "head longer than a target": post({b"X-Note": b"x" * 20_000}),
    "large body": post({}, b"x" * 300_000 + b"!"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_request_that_is_not_as_usual(name: str) -> None:
    pair = Pair().learn(lambda number: post({b"X-Note": b"%d" % number}, b"x" * number + b"!"))
    assert pair.fast.asked.length_at >= 0
    pair.step(ATTACKS[name])
    for number in range(3):
        pair.step(post({b"X-Note": b"later %d" % number}))


@pytest.mark.parametrize("body", [b"!", b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"])
def test_a_body_behind_a_head_without_length(body: bytes) -> None:
    get = head_of(b"GET /a HTTP/1.1", GET, {}, b"")
    pair = Pair().learn(lambda number: get)
    assert pair.fast.asked.length_at < 0
    pair.step(get + body)
    pair.step(get)


LATER = head_of(b"HTTP/1.1 200 OK", PLAIN_REPLY, {b"X-Id": b"7"}, b"body!")
REPLY_ATTACKS: dict[str, bytes | list[bytes]] = {
    **{
        f"length {length!r}": head_of(b"HTTP/1.1 200 OK", PLAIN_REPLY, {b"Content-Length": length}, BODY)
        for length in LENGTHS
    },
    "lf in a hole": LATER.replace(b"X-Id: 7", b"X-Id: 7\nX-Evil: 1"),
    "nul in a hole": LATER.replace(b"X-Id: 7", b"X-Id: \x00"),
    "a line in a hole": LATER.replace(b"X-Id: 7", b"X-Id: 7\r\nX-Evil: 1"),
    "second length": LATER.replace(b"X-Id: 7", b"X-Id: 7\r\nContent-Length: 2"),
    "chunked as well": LATER.replace(b"X-Id: 7", b"X-Id: 7\r\nTransfer-Encoding: chunked"),
    "obs-fold": LATER.replace(b"X-Id: 7", b"X-Id: 7\r\n folded"),
    "no date": LATER.replace(b"Date: today\r\n", b""),
    "close": LATER.replace(b"X-Id: 7", b"X-Id: 7\r\nConnection: close"),
    "keep-alive": LATER.replace(b"X-Id: 7", b"X-Id: 7\r\nConnection: keep-alive"),
    "http/1.0": LATER.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "204": LATER.replace(b"200 OK", b"204 No Content"),
    "304": LATER.replace(b"200 OK", b"304 Not Modified"),
    "404": LATER.replace(b"200 OK", b"404 Not Found"),
    "600": LATER.replace(b"200 OK", b"600 What"),
    "no reason": LATER.replace(b"200 OK", b"200"),
    "interim first": b"HTTP/1.1 100 Continue\r\n\r\n" + LATER,
    "interim apart": [b"HTTP/1.1 103 Early Hints\r\n\r\n", LATER],
    "two replies": LATER + LATER,
    "one byte more": LATER + b"x",
    "over reads": [LATER[:30], LATER[30:]],
    "body apart": [LATER[:-5], LATER[-5:]],
    "byte by byte": [LATER[at : at + 1] for at in range(len(LATER))],
    "nothing in it": head_of(b"HTTP/1.1 200 OK", PLAIN_REPLY, {}, b""),
    "large": head_of(b"HTTP/1.1 200 OK", PLAIN_REPLY, {}, b"x" * 300_000),
    "mark in a hole": LATER.replace(b"X-Id: 7", b"X-Id: " + mark(0) + extra(1)),
    "too large a head": head_of(b"HTTP/1.1 200 OK", PLAIN_REPLY, {b"X-Id": b"x" * 140_000}, b"body!"),
    "garbage": b"what?",
}


@pytest.mark.parametrize("name", REPLY_ATTACKS)
def test_a_reply_that_is_not_as_usual(name: str) -> None:
    get = head_of(b"GET /a HTTP/1.1", GET, {}, b"")
    usual = [
        head_of(b"HTTP/1.1 200 OK", PLAIN_REPLY, {b"X-Id": b"%d" % number, b"Date": b"d"}, b"x" * (number + 1))
        for number in range(WARM_UP)
    ]
    pair = Pair().learn(lambda number: get, lambda number: usual[number])
    assert pair.fast.answered.status == 200
    pair.step(get, REPLY_ATTACKS[name])
    for reply in usual[:3]:
        pair.step(get, reply)


def test_a_field_comes_and_goes() -> None:
    """For long enough that each way is learnt, and back."""
    get = head_of(b"GET /a HTTP/1.1", GET, {}, b"")
    pair = Pair()
    for fields in (PLAIN_REPLY, PLAIN_REPLY[1:], PLAIN_REPLY, ((b"Connection", b"close"), *PLAIN_REPLY), PLAIN_REPLY):
        for number in range(3 * WARM_UP):
            pair.step(get, head_of(b"HTTP/1.1 200 OK", fields, {b"X-Id": b"%d" % number}, b"!"))


def test_a_connection_that_was_kept_in_several_spellings_closes() -> None:
    get = head_of(b"GET /a HTTP/1.1", GET, {}, b"")
    kept = [b"keep-alive", b"Keep-Alive", b"KEEP-ALIVE"]
    pair = Pair()
    for said in (*kept * 30, b"close", *kept, b"keep-alive, close", b"keep-alive, x-id", b"Close", *kept):
        pair.step(get, head_of(b"HTTP/1.1 200 OK", KEPT_REPLY, {b"Connection": said}, b"!"))


def test_the_date_of_an_undated_reply_is_todays() -> None:
    pair = Pair().learn(lambda number: head_of(b"GET /a HTTP/1.1", GET, {}, b""))
    for side in (pair.fast, pair.slow):
        side.stage.world.date_line = b"date: tomorrow\r\n"
    _, down, *_ = pair.step(head_of(b"GET /a HTTP/1.1", GET, {}, b""))
    assert b"date: tomorrow\r\n" in down


def test_draining_begins_while_a_lane_waits() -> None:
    """The client must learn that there is no further request to send here."""
    get = head_of(b"GET /a HTTP/1.1", GET, {}, b"")
    pair = Pair().learn(lambda number: get)
    for side in (pair.fast, pair.slow):
        wire = wire_of(side.client)
        pour(wire, get)
        side.stage.front.draining = True
        side.outbound.data_received(OK)
        assert b"\r\nconnection: close\r\n" in wire.take()
        assert wire.closed


def test_a_client_that_becomes_another() -> None:
    """The host or the key changes at one moment on a connection, to one that may, and to one that may not."""
    pair = Pair(lambda: unified(key("k1"), key("k2"), key("poor", "other")))
    for name in (b"k1", b"k2", b"k1", b"poor", b"nobody", b"k1"):
        for number in range(WARM_UP):
            told = pair.step(chat({b"Authorization": b"Bearer " + name, b"X-Note": b"%d" % number}), CHANNEL_REPLY)
        assert cast("bytes", told[1])[9:12] == {b"poor": b"403", b"nobody": b"401"}.get(name, b"200")
    for host in (b"a.test", b"b.test", b"bad host"):
        pair.step(chat({b"Authorization": b"Bearer k1", b"Host": host}), CHANNEL_REPLY)


CHANNEL_REPLY = head_of(b"HTTP/1.1 200 OK", NAMED + JSON, {}, CHAT)
LARGE = b"x" * 40_000  # beyond what is joined: read into the basin
OTHER_ASKS = [
    b'{"model":"other","messages":[]}', b'{"model":"gpt","messages":[],"model":"other"}', b"{}", b"[]", b"!",
    b'{"model":"gpt"', b'{"\\u006dodel":"other"}', b' {"model":"gpt"}', b'{"x":{"model":"gpt"},"model":"other"}',
    b'{"model":"gpt","stream":true}', b'{"x":"%b","model":"other"}' % LARGE, b'{"model":"other","x":"%b"}' % LARGE,
    b'{"model":"gpt","x":"%b","model":"other"}' % LARGE, b'{"model":"gpt","x":"%b","\\u006Dodel":"other"}' % LARGE,
    b'{"model":"other","x":"%b","model":"gpt"}' % LARGE, b'{"mode\\u006c":"other","x":"%b","model":"gpt"}' % LARGE,
]  # fmt: skip


@pytest.mark.parametrize("body", OTHER_ASKS)
@pytest.mark.parametrize("usual", [ASK, b'{"model":"gpt","x":"%b"}' % LARGE, b'{"x":"%b","model":"gpt"}' % LARGE])
def test_a_key_for_one_model_after_many_good_requests(body: bytes, usual: bytes) -> None:
    pair = Pair(lambda: unified(key("k", "gpt")))
    auth = {b"Authorization": b"Bearer k"}
    pair.learn(lambda number: chat(auth | {b"X-Note": b"%d" % number}, usual), lambda number: CHANNEL_REPLY)
    assert pair.fast.asked is not NO_STENCIL
    assert isinstance(wire_of(pair.fast.client).protocol, LargeReads) is (len(usual) > len(LARGE))
    pair.step(chat(auth, body), CHANNEL_REPLY)
    pair.step(chat(auth, usual), CHANNEL_REPLY)


FORM = b'{"model":"gpt","x":"&model=other&"}'
PART = b"\r\n--x\r\nContent-Disposition: form-data; name=model\r\n\r\nother\r\n--x--\r\n}"
PARTS = b'{"model":"gpt",' + b" " * 5000 + PART
KINDS = [
    (b"text/plain", FORM), (b"application/x-www-form-urlencoded", FORM), (b"multipart/form-data; boundary=x", PARTS),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "body"), KINDS)
@pytest.mark.parametrize("varied", [False, True])
def test_a_body_that_is_no_longer_called_json(kind: bytes, body: bytes, *, varied: bool) -> None:
    """A key for one model: what is not JSON by its type names no model, whatever an upstream may read in it."""
    pair = Pair(lambda: unified(key("k", "gpt")))
    auth = {b"Authorization": b"Bearer k"}
    kinds = [b"application/json", b"application/json; charset=utf-8"] if varied else [b"application/json"]
    usual = b'{"model":"gpt","x":"' + b"x" * 5000 + b'"}'
    pair.learn(
        lambda number: chat(auth | {b"Content-Type": kinds[number % len(kinds)]}, usual), lambda number: CHANNEL_REPLY
    )
    assert varied or pair.fast.asked is not NO_STENCIL
    pair.step(chat(auth | {b"Content-Type": kind}, body), CHANNEL_REPLY)
