"""Known behaviour of a server shows in the figures, and only there; an offered rate hides no waiting."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from fastproxy.loadtest.load.artefacts import artefacts
from fastproxy.loadtest.load.bodies import credential, default_body, default_headers, default_path
from fastproxy.loadtest.load.histogram import percentile, total
from fastproxy.loadtest.load.pacing import arrivals
from fastproxy.loadtest.load.saturation import notes
from fastproxy.loadtest.load.shapes import Arrival, Check, Format, Plan, Recorded, Request, Stage
from fastproxy.loadtest.load.tally import rate
from fastproxy.loadtest.mock import MockOptions
from tests.loadtest import mock_process
from tests.loadtest.load.targets import JSON, Client, balanced, counted, framed, run, serving, timed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fastproxy.loadtest.load.generator import Generator
    from fastproxy.loadtest.load.shapes import Buckets

pytestmark = pytest.mark.real_time

MS = 1000


def at_once(client: Client, _request: bytes) -> None:
    client.reply()


def percent(buckets: Buckets, share: float) -> float:
    return percentile(buckets, share / 100) / MS


# Known behaviour


def test_a_sleep_of_one_millisecond_shows_in_every_reply() -> None:
    with serving(lambda client, _request: client.later(0.001)) as url:
        slept = run(counted(url, count=200))
    with serving(at_once) as url:
        ready = run(counted(url, count=200))
    assert percent(slept.latency, 1) >= 1.0
    assert percent(slept.latency, 50) >= percent(ready.latency, 50) + 0.7


def test_stalls_of_one_request_in_twenty_show_above_p95() -> None:
    def behave(client: Client, _request: bytes) -> None:
        client.later(0.1 if client.number % 20 == 0 else 0.0)

    with serving(behave) as url:
        tally = run(counted(url, count=200))
    assert percent(tally.latency, 90) < 60
    assert percent(tally.latency, 95.6) >= 99
    assert sum(count for bucket, count in tally.latency.items() if percentile({bucket: 1}, 1) >= 99 * MS) == 10


def test_the_wait_of_nagle_for_a_delayed_acknowledgement_shows() -> None:
    """Head and body in two small writes without TCP_NODELAY: the second one waits 40 ms for the client's ACK."""

    def behave(client: Client, _request: bytes) -> None:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        head, _, body = framed(JSON).partition(b"\r\n\r\n")
        client.reply(head + b"\r\n\r\n")
        client.reply(body)

    with serving(behave) as url:
        for _ in range(3):  # on a busy machine the wait may be longer once
            tally = run(counted(url, count=60))
            if said := artefacts(tally, 2.0):
                break
    assert "possibly a delayed acknowledgement" in said[0]
    assert 35 <= percent(tally.latency, 90) <= 60
    assert percent(tally.first_byte, 50) < 20, "the head is not late"


def test_a_slow_head_and_a_slow_body_are_told_apart() -> None:
    def behave(client: Client, _request: bytes) -> None:
        client.reply(framed(JSON)[:-1])
        client.later(0.05, framed(JSON)[-1:])

    with serving(behave) as url:
        tally = run(counted(url, count=10))
    assert percent(tally.first_byte, 50) < 40
    assert percent(tally.latency, 1) >= 49


# An offered rate

SHARES = (10, 50, 90, 95)


@contextmanager
def serial_server(service_s: float) -> Iterator[str]:
    script = Path(__file__).with_name("serial_server.py")
    with subprocess.Popen([sys.executable, script, str(service_s)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.kill()


def simulated(times: Sequence[int], service_ns: int) -> list[float]:
    """Milliseconds that each arrival spends in a queue with one server and a fixed time of service."""
    ends = accumulate(times, lambda end, at: max(end, at) + service_ns, initial=0)
    next(ends)
    return sorted((end - at) / 1e6 for at, end in zip(times, ends, strict=True))


@pytest.mark.parametrize(
    ("arrival", "offered"),
    [
        pytest.param(Arrival.UNIFORM, 30, id="D/D/1 at 60 %"),
        pytest.param(Arrival.POISSON, 40, id="M/D/1 at 80 %"),
        pytest.param(Arrival.UNIFORM, 60, id="overloaded, 120 %"),
    ],
)
def test_open_loop_percentiles_are_those_of_the_simulated_queue(arrival: Arrival, offered: float) -> None:
    """Other work on the machine can only add to the times, so one of three tries must agree."""
    differences: list[str] = []
    for seed in range(3):
        with serial_server(0.02) as url:
            plan = timed(url, 2.0, offered, arrival=arrival, connections=300, timeout_s=4.0, seed=seed)
            tally = run(plan)
        expected = simulated(list(arrivals(plan)), 20_000_000)
        assert tally.errors == {}
        assert tally.done == len(expected)
        found = [(percent(tally.latency, share), expected[int(len(expected) * share / 100)]) for share in SHARES]
        if all(seen == pytest.approx(wanted, rel=0.1, abs=5) for seen, wanted in found):
            return
        differences.append(f"seen and expected at {SHARES}: {found}")
    pytest.fail("; ".join(differences))


def test_waiting_for_a_connection_counts() -> None:
    """One connection, 100/s, 20 ms each: half of the load waits. A closed loop would show 20 ms for all."""
    with serial_server(0.02) as url:
        tally = run(timed(url, 1.0, 100, arrival=Arrival.UNIFORM, connections=1))
    assert tally.done == 100
    assert percent(tally.service, 90) < 40
    assert tally.wall == pytest.approx(1_000_000, rel=0.1)
    left_over = (tally.wall + tally.drain) / MS - 1000  # 1000 on a machine that does nothing else
    assert left_over >= 900
    assert percent(tally.latency, 50) == pytest.approx(left_over / 2, rel=0.2)
    assert percent(tally.latency, 99) == pytest.approx(left_over, rel=0.2)
    assert rate(tally) == pytest.approx(100 * 1000 / (1000 + left_over), rel=0.2), "half of the one offered"
    assert tally.drained == pytest.approx(100 - rate(tally), abs=10)
    assert total(tally.lateness) < 10, "that it came late is not the generator's fault"


def test_one_late_reply_lowered_an_offered_rate() -> None:
    """One of fifty hangs, an end at 0.5 s: still 100/s were sent, and all but a few came back in time."""

    def behave(client: Client, _request: bytes) -> None:
        client.later(1.5 if client.number == 40 else 0.0)

    with serving(behave) as url:
        plan = timed(url, 0.5, 100, arrival=Arrival.UNIFORM)
        tally = run(plan)
    assert (tally.done, total(tally.latency)) == (50, 50)
    assert tally.wall == pytest.approx(500_000, rel=0.2)
    assert rate(tally) == pytest.approx(98, rel=0.25), "not 25"
    assert tally.drain > 10**6
    assert [note for note in notes(tally, [plan], cpus=2) if "smaller than asked" in note] == []


def test_an_offered_rate_that_ends_early_in_its_stage_is_measured_over_all_of_it() -> None:
    with serving(at_once) as url:
        tally = run(timed(url, 0.9, 1.2, arrival=Arrival.UNIFORM))
    assert (tally.done, tally.drained, tally.wall // 10_000) == (1, 0, 90)


def test_who_waits_too_long_for_a_connection_gives_up() -> None:
    def never(_client: Client, _request: bytes) -> None:
        """It never answers."""

    with serving(never) as url:
        tally = run(timed(url, 0.3, 100, arrival=Arrival.UNIFORM, connections=2, timeout_s=0.5))
    assert tally.errors == {"timeout": 30}
    assert balanced(tally)


def test_a_stall_of_the_whole_server_is_not_omitted() -> None:
    """0.5 s of nothing in 1.5 s at 200/s: a third of the requests are late, in the mean by half of it."""
    asleep_until = 0.0

    def behave(client: Client, _request: bytes) -> None:
        nonlocal asleep_until
        now = client.loop.time()
        if client.number == 100:
            asleep_until = now + 0.5
        client.later(max(0.0, asleep_until - now))

    with serving(behave) as url:
        tally = run(timed(url, 1.5, 200, arrival=Arrival.UNIFORM, connections=200))
    assert tally.done == 300
    late = sum(count for bucket, count in tally.latency.items() if percentile({bucket: 1}, 1) > 100 * MS)
    assert late == pytest.approx(80, abs=8)


def test_the_generator_itself_is_hardly_late() -> None:
    with serving(at_once) as url:
        tally = run(timed(url, 1.0, 200, arrival=Arrival.POISSON))
    assert total(tally.lateness) >= 150
    assert percent(tally.lateness, 50) < 1.0


def test_a_stream_without_end_does_not_keep_the_run_open() -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    event = b'data: {"choices":[{"delta":{"content":"word"}}]}\n\n'

    def behave(client: Client, _request: bytes) -> None:
        client.reply(head)
        for number in range(200):
            client.later(number * 0.02, b"%x\r\n%b\r\n" % (len(event), event))

    with serving(behave) as url:
        tally = run(timed(url, 0.5, 2, Request(format=Format.OPENAI_CHAT, stream=True), timeout_s=0.5))
    assert tally.errors == {"timeout": 2}
    assert "after the end of the run" in tally.error_examples["timeout"]
    assert 80 <= tally.events <= 140
    assert total(tally.gap) >= 78
    assert tally.wall == pytest.approx(500_000, rel=0.1)


# Plans


def test_the_warm_up_is_left_out() -> None:
    seen: list[bytes] = []
    with serving(at_once, seen) as url:
        tally = run(timed(url, 0.5, 100, arrival=Arrival.UNIFORM, warm_s=0.5))
    assert (tally.sent, tally.done, total(tally.latency)) == (50, 50, 50)
    assert len(seen) == 100
    assert tally.wall == pytest.approx(500_000, rel=0.1)
    assert sum(second.done for second in tally.seconds) == 50
    assert {second.at for second in tally.seconds} <= {0, 1}


def test_seconds_add_up_to_the_whole() -> None:
    def behave(client: Client, _request: bytes) -> None:
        client.reply(framed(JSON, 500 if client.number % 10 == 0 else 200))

    with serving(behave) as url:
        tally = run(timed(url, 2.2, 100, arrival=Arrival.UNIFORM))
    assert [second.at for second in tally.seconds] == [0, 1, 2]
    assert tally.errors == {"status": 22}
    assert sum(second.done for second in tally.seconds) == tally.done == 198
    assert sum(second.errors for second in tally.seconds) == 22
    assert sum(second.bytes_in for second in tally.seconds) == tally.bytes_in
    assert sum(total(second.latency) for second in tally.seconds) == 198


def test_connections_follow_the_level() -> None:
    with serving(lambda client, _request: client.later(0.01)) as url:
        plan = timed(url, 0.0, 0)
        stages = (Stage(0.5, 2, 2), Stage(0.5, 8, 8), Stage(0.5, 1, 1))
        tally = run(msgspec.structs.replace(plan, stages=stages))
    assert tally.connections == 8
    assert tally.errors == {}
    assert tally.done == pytest.approx(50 * 2 + 50 * 8 + 50, rel=0.35)


def test_a_mix_keeps_its_weights() -> None:
    requests = (Request(name="often", path="/often", weight=9), Request(name="seldom", path="/seldom", weight=1))
    seen: list[bytes] = []
    with serving(at_once, seen) as url:
        tally = run(msgspec.structs.replace(counted(url, count=1000), requests=requests))
    assert total(tally.by_request["seldom"]) == pytest.approx(100, abs=40)
    assert total(tally.by_request["often"]) == sum(b" /often " in request for request in seen)
    assert tally.done == 1000


@pytest.mark.parametrize("arrival", [Arrival.CLOSED, Arrival.UNIFORM])
def test_a_conversation_grows_by_what_was_answered(arrival: Arrival) -> None:
    body = '{"model":"gpt-5","messages":[{"role":"user","content":"How?"}]}'
    request = Request(body=body, format=Format.OPENAI_CHAT, turns=3, think_s=0.01)
    answer = b'{"choices":[{"message":{"content":"So."}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}'
    seen: list[bytes] = []
    level = 3 if arrival is Arrival.CLOSED else 50
    with serving(lambda client, _request: client.reply(framed(answer)), seen) as url:
        tally = run(counted(url, request, count=9, connections=3, arrival=arrival, stages=(Stage(2, level, level),)))
    assert (tally.done, tally.tokens_out) == (9, 18)
    talks = [msgspec.json.decode(request.partition(b"\r\n\r\n")[2])["messages"] for request in seen]
    assert max(len(talk) for talk in talks) == 5
    assert all(message["content"] == "So." for talk in talks for message in talk[1::2])


def test_a_recording_is_replayed() -> None:
    recording = tuple(Recorded(n * 20_000, "PUT", f"/{n}", (("x", "y"),), b"%d" % n) for n in range(10))
    seen: list[bytes] = []
    with serving(at_once, seen) as url:
        tally = run(Plan(url=url, arrival=Arrival.RECORDED, recording=recording, pace=2.0))
    assert (tally.done, tally.errors) == (10, {})
    assert [request.partition(b"\r\n\r\n")[2] for request in seen] == [b"%d" % n for n in range(10)]
    assert seen[3].startswith(b"PUT /3 HTTP/1.1\r\n")
    assert tally.wall >= 80_000
    assert set(tally.by_request) == {f"PUT /{n}" for n in range(10)}


def stop_soon(generator: Generator) -> None:
    asyncio.get_running_loop().call_later(0.3, generator.stop)


def test_an_early_end_reports_what_was_seen() -> None:
    def behave(client: Client, _request: bytes) -> None:
        client.later(0.005)

    with serving(behave) as url:
        tally = run(timed(url, 60.0, 2), stop_soon)
    assert tally.done > 10
    assert tally.errors == {}
    assert tally.wall == pytest.approx(300_000, rel=0.2)


def test_nobody_waits_for_thoughts_at_the_end() -> None:
    with serving(at_once) as url:
        tally = run(timed(url, 0.3, 3, Request(think_s=30.0)))
    assert (tally.done, tally.errors) == (3, {})
    assert tally.wall == pytest.approx(300_000, rel=0.2)


def test_a_late_start_is_not_the_targets_fault() -> None:
    with serving(at_once) as url:
        tally = run(timed(url, 0.5, 100, arrival=Arrival.UNIFORM, warm_s=0.2), start=time.monotonic_ns() - 10**9)
    assert tally.done == 50
    assert percent(tally.latency, 90) < 200
    assert tally.wall == pytest.approx(500_000, rel=0.1)


# The mock's streams and WebSockets


@pytest.fixture(scope="module")
def mock() -> Iterator[str]:
    with mock_process.serving(MockOptions(tokens=10, chunk_delay_ms=10.0)) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("kind", [Format.OPENAI_CHAT, Format.OPENAI_RESPONSES, Format.ANTHROPIC, Format.GEMINI])
def test_streams_of_the_mock_are_measured(mock: str, kind: Format) -> None:
    model = {Format.ANTHROPIC: "claude-sonnet-4-6", Format.GEMINI: "gemini-2.5-flash"}.get(kind, "gpt-5")
    request = Request(
        path=default_path(kind, model, True),
        headers=(credential(kind, mock_process.KEY), *default_headers(kind)),
        body=default_body(kind, model, True),
        format=kind,
        stream=True,
    )
    tally = run(counted(mock, request, count=6, connections=3))
    assert (tally.done, tally.errors) == (6, {}), tally.error_examples
    assert tally.tokens_out % 6 == 0
    assert tally.tokens_out >= 60, "ten words, more tokens"
    assert (total(tally.first_token), total(tally.gap), total(tally.token_rate)) == (6, 54, 6)
    assert 5 <= percent(tally.gap, 50) <= 20
    assert 50 <= percentile(tally.token_rate, 0.5) <= 200
    assert percent(tally.first_token, 50) < percent(tally.latency, 1)


def test_plain_replies_of_the_mock_say_their_tokens(mock: str) -> None:
    request = Request(
        path=default_path(Format.OPENAI_CHAT, "gpt-5", False),
        headers=(credential(Format.OPENAI_CHAT, mock_process.KEY),),
        body=default_body(Format.OPENAI_CHAT, "gpt-5", False),
        format=Format.OPENAI_CHAT,
        check=Check(json={"choices.0.finish_reason": "stop"}),
    )
    tally = run(counted(mock, request, count=6))
    assert (tally.done, tally.errors) == (6, {}), tally.error_examples
    assert tally.tokens_out % 6 == 0
    assert tally.tokens_out >= 60


def test_a_websocket_echoes(mock: str) -> None:
    request = Request(path="/ws", body='{"n":{{n}}}', format=Format.WEBSOCKET, check=Check(contains='{"n":'))
    tally = run(counted(mock, request, count=40, connections=4))
    assert (tally.done, tally.errors, tally.connections) == (40, {}, 4), tally.error_examples
    assert tally.statuses == {101: 40}


def test_what_is_no_websocket_is_an_error() -> None:
    with serving(at_once) as url:
        tally = run(counted(url, Request(format=Format.WEBSOCKET), count=4))
    assert tally.errors == {"status": 4}


# The end of a run


def test_stop_before_the_timer_was_there_let_the_load_go_on() -> None:
    seen: list[bytes] = []
    with serving(at_once, seen) as url:
        at_the_beginning = run(timed(url, 5.0, 2), lambda generator: generator.stop())
        began = time.monotonic()
        while_waiting = run(timed(url, 5.0, 2), stop_soon, start=time.monotonic_ns() + 5 * 10**9)
    assert time.monotonic() - began < 2.0
    assert (at_the_beginning.sent, while_waiting.sent, seen) == (0, 0, [])
    assert (at_the_beginning.wall, while_waiting.wall) == (0, 0)


def test_the_drain_of_a_closed_loop_lowered_its_rate() -> None:
    """Replies take 0.4 s: two rounds of four lie in the second, the third one ends behind it."""
    with serving(lambda client, _request: client.later(0.4)) as url:
        tally = run(timed(url, 1.0, 4))
    assert tally.wall == 1_000_000
    assert (tally.sent, tally.done, total(tally.latency), tally.statuses) == (8, 8, 8, {200: 8})
    assert balanced(tally)


def test_a_last_request_that_failed_was_no_end_of_the_measured_time() -> None:
    def behave(client: Client, _request: bytes) -> None:
        client.later(0.1, framed(JSON, 200 if client.number < 2 else 500))

    with serving(behave) as url:
        tally = run(counted(url, count=6, connections=1))
    assert (tally.done, tally.errors) == (2, {"status": 4})
    assert tally.wall == pytest.approx(600_000, rel=0.2)


@pytest.mark.parametrize("arrival", [Arrival.CLOSED, Arrival.UNIFORM])
def test_an_early_end_without_replies_had_no_time(arrival: Arrival) -> None:
    with serving(lambda _client, _request: None) as url:
        tally = run(timed(url, 60.0, 2, arrival=arrival), stop_soon)
    assert tally.done == 0
    assert tally.wall == pytest.approx(300_000, rel=0.2)
