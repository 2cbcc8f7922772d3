"""An upstream connection: replies in any pieces, every way in which one can break off, and every timeout."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastproxy.wire.limits import WireLimits
from fastproxy.wire.outbound import MAX_INTERIM, Phase
from fastproxy.wire.reply_head import MAX_REPLY_HEAD
from tests.wire.fakes import Ask, Upstream, wire_of

OK = b"HTTP/1.1 200 OK\r\n"
HINTS = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
REPLIES: dict[str, tuple[bytes, bytes, bool]] = {
    # name: reply, its body, whether the connection may be used again
    "length": (OK + b"Content-Length: 10\r\n\r\n0123456789", b"0123456789", True),
    "empty": (OK + b"Content-Length: 0\r\n\r\n", b"", True),
    "close": (OK + b"Content-Length: 1\r\nConnection: close\r\n\r\nx", b"x", False),
    "chunked": (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;e=f\r\nd\r\n0\r\nT: v\r\n\r\n", b"abcd", True),
    "no chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"", True),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "304": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b"", True),
    "interim": (HINTS + OK + b"Content-Length: 1\r\n\r\nx", b"x", True),
}  # fmt: skip


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_whole_and_byte_by_byte(name: str) -> None:
    raw, body, reusable = REPLIES[name]
    whole, bytewise = Ask().feed(raw), Ask().bytewise(raw)
    assert whole.account() == bytewise.account()
    assert (whole.waiting.body, whole.waiting.ended, whole.waiting.failures) == (body, 1, [])
    assert (whole.outbound.phase, whole.outbound.reusable) == (Phase.IDLE, reusable)
    assert (bytewise.outbound.phase, bytewise.outbound.reusable) == (Phase.IDLE, reusable)
    assert whole.outbound.waiter is None


@settings(deadline=None)
@given(st.sampled_from(sorted(REPLIES)), st.lists(st.integers(0, 300), max_size=5))
def test_a_reply_split_anywhere(name: str, cuts: list[int]) -> None:
    raw, *_ = REPLIES[name]
    edges = [0, *sorted({cut % len(raw) for cut in cuts}), len(raw)]
    pieces = [raw[first:last] for first, last in itertools.pairwise(edges)]
    assert Ask().feed(*pieces).account() == Ask().feed(raw).account()


@pytest.mark.parametrize("name", [name for name in REPLIES if name != "close"])
@pytest.mark.parametrize("apart", [False, True], ids=["in one read", "in the next read"])
def test_bytes_beyond_a_reply_never_answer_a_later_request(name: str, apart: bool) -> None:
    raw, body, _ = REPLIES[name]
    second = OK + b"Content-Length: 6\r\n\r\npoison"
    ask = Ask().feed(raw, second) if apart else Ask().feed(raw + second)
    assert (len(ask.waiting.heads), ask.waiting.body, ask.waiting.ended) == (1, body, 1)
    assert not ask.outbound.reusable
    ask.upstream.pool.active = 1
    ask.upstream.pool.give_back(ask.outbound)
    assert ask.wire.closed
    assert ask.upstream.pool.take() is None


def test_a_reply_to_head_has_no_body_whatever_it_says() -> None:
    for fields in (b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b""):
        ask = Ask(to_head_request=True).feed(OK + fields + b"\r\n")
        assert (ask.waiting.body, ask.waiting.ended, ask.outbound.phase) == (b"", 1, Phase.IDLE)
        assert ask.outbound.reusable
    ask = Ask(to_head_request=True).feed(OK + b"Content-Length: 5\r\n\r\nhello")
    assert (ask.waiting.body, ask.waiting.ended, ask.outbound.reusable) == (b"", 1, False)


def test_a_body_until_close() -> None:
    ask = Ask().feed(OK + b"\r\n", b"abc", b"def")
    assert (ask.waiting.body, ask.waiting.ended) == (b"abcdef", 0)
    assert ask.outbound.eof_received() is False
    assert (ask.waiting.ended, ask.waiting.failures, ask.outbound.reusable) == (1, [], False)


CUT_SHORT = {
    "before a byte": b"",
    "in the head": OK[:9],
    "after an interim": b"HTTP/1.1 100 Continue\r\n\r\n",
    "before a counted body": OK + b"Content-Length: 5\r\n\r\n",
    "in a chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhell",
    "between chunks": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "before the trailer's end": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
}


@pytest.mark.parametrize("raw", CUT_SHORT.values(), ids=CUT_SHORT)
@pytest.mark.parametrize("how", ["fin", "reset", "lost"])
def test_a_reply_that_is_cut_short_is_never_taken_for_whole(raw: bytes, how: str) -> None:
    ask = Ask().feed(raw)
    if how == "fin":
        assert ask.outbound.eof_received() is False
    ask.outbound.connection_lost(ConnectionResetError() if how == "reset" else None)
    assert (ask.waiting.ended, len(ask.waiting.failures)) == (0, 1)
    assert ask.waiting.failures[0].status == 502
    truncated = bool(ask.waiting.heads)
    assert (ask.waiting.failures[0].kind == "upstream_truncated") is truncated
    assert (ask.outbound.phase, ask.outbound.reusable) == (Phase.CLOSED, False)
    assert ask.outbound not in ask.upstream.deadlines.live


def test_a_reset_is_no_end_of_a_body_until_close() -> None:
    ask = Ask().feed(OK + b"\r\nabc")
    ask.outbound.connection_lost(ConnectionResetError())
    assert (ask.waiting.ended, len(ask.waiting.failures)) == (0, 1)


NONSENSE = {
    "not http": b"SSH-2.0-OpenSSH_9.2\r\n",
    "tls alert": b"\x15\x03\x01\x00\x02\x02\x28",
    "bad head": OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "bad chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n",
    "endless head": OK + b"X: " + b"a" * MAX_REPLY_HEAD,
    "endless interims": b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_INTERIM + 1),
}


@pytest.mark.parametrize("raw", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_fails_the_exchange_and_ends_the_connection(raw: bytes) -> None:
    for ask in (Ask().feed(raw), Ask().feed(*(raw[at : at + 999] for at in range(0, len(raw), 999)))):
        assert (ask.waiting.ended, [error.status for error in ask.waiting.failures]) == (0, [502])
        assert ask.wire.aborted
        assert not ask.outbound.reusable


def test_interim_replies_count_per_exchange() -> None:
    ask = Ask()
    for _ in range(3):
        ask.feed(b"HTTP/1.1 103 Early Hints\r\n\r\n" * (MAX_INTERIM - 1), OK + b"Content-Length: 0\r\n\r\n")
        assert ask.waiting.failures == []
        ask.outbound.expect(ask.waiting, False)
    assert ask.waiting.ended == 3


def test_whole_chunks_may_pass_as_they_are() -> None:
    ask = Ask().feed(
        OK + b"Transfer-Encoding: chunked\r\n\r\n",
        b"3\r\nabc\r\n4\r\ndefg\r\n",
        b"2;x\r\nhi\r\n",
        b"5\r\nhe",
        b"llo\r\n",
    )
    assert ask.waiting.whole == [b"3\r\nabc\r\n4\r\ndefg\r\n", None, None, None]
    assert ask.waiting.pieces == [b"abcdefg", b"hi", b"he", b"llo"]


def test_a_tunnel_is_nobodys_body() -> None:
    ask = Ask().feed(SWITCHED + b"early")
    assert (ask.outbound.phase, ask.outbound.pending, ask.waiting.ended) == (Phase.TUNNEL, b"early", 0)


def test_unasked_bytes_close_an_idle_connection() -> None:
    outbound = Upstream().connection()
    outbound.data_received(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
    assert wire_of(outbound).closed
    assert outbound.phase is Phase.CLOSED


def test_a_waiter_that_leaves_ends_the_connection() -> None:
    ask = Ask().feed(OK + b"Content-Length: 10\r\n\r\nabc")
    ask.outbound.cancel()
    ask.feed(b"defghij")
    assert (ask.wire.aborted, ask.waiting.body, ask.waiting.ended, ask.waiting.failures) == (True, b"abc", 0, [])
    ask.outbound.connection_lost(None)
    assert ask.waiting.failures == []


def test_back_pressure_reaches_the_waiter() -> None:
    ask = Ask()
    ask.outbound.pause_writing()
    assert ask.waiting.paused
    ask.outbound.resume_writing()
    assert not ask.waiting.paused


# --- time -----------------------------------------------------------------------------------------------------------

LIMITS = WireLimits(first_byte_timeout=60, stream_idle_timeout=20, total_timeout=100)


def failures(ask: Ask) -> list[tuple[int, str]]:
    return [(error.status, error.kind) for error in ask.waiting.failures]


@pytest.mark.parametrize(
    ("fed", "seconds"),
    [
        (b"", 60),
        (OK[:5], 60),
        (b"HTTP/1.1 100 Continue\r\n\r\n", 60),
        (OK + b"Content-Length: 5\r\n\r\n", 20),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nh", 20),
        (OK + b"\r\n", 20),
    ],
    ids=["nothing", "half a head", "interim", "counted", "chunked", "until close"],
)
def test_a_slow_upstream(fed: bytes, seconds: float) -> None:
    ask = Ask(limits=LIMITS).feed(fed)
    ask.upstream.passes(seconds - 0.2)
    assert failures(ask) == []
    ask.upstream.passes(0.3)
    assert failures(ask) == [(504, "upstream_timeout")]
    assert ask.wire.aborted


def test_a_stream_may_be_long_but_not_longer_than_the_total() -> None:
    ask = Ask(limits=LIMITS).feed(OK + b"\r\n")
    for _ in range(6):
        ask.upstream.passes(15)
        ask.feed(b": ping\n\n")
    assert failures(ask) == []
    ask.upstream.passes(10.1)
    assert failures(ask) == [(504, "upstream_timeout")]
    assert "100 s" in str(ask.waiting.failures[0])


def test_an_upload_under_way_is_no_slow_reply_but_has_a_total() -> None:
    ask = Ask(limits=LIMITS)
    ask.upstream.passes(50)
    ask.outbound.touch()
    ask.upstream.passes(45)
    assert failures(ask) == []
    ask.outbound.touch()
    ask.upstream.passes(5.1)
    assert failures(ask) == [(504, "upstream_timeout")]


def test_a_tunnel_has_no_deadline_here() -> None:
    ask = Ask(limits=LIMITS).feed(SWITCHED)
    ask.upstream.passes(1e6)
    assert failures(ask) == []


def test_a_finished_reply_has_no_deadline() -> None:
    for raw, *_ in REPLIES.values():
        ask = Ask(limits=LIMITS).feed(raw)
        ask.upstream.passes(1e6)
        assert ask.waiting.failures == []


def test_errors_never_name_the_address() -> None:
    for raw in (*CUT_SHORT.values(), *NONSENSE.values()):
        ask = Ask().feed(raw)
        ask.outbound.connection_lost(None)
        assert all("origin.test" not in str(error) for error in ask.waiting.failures)
        assert ask.waiting.failures
