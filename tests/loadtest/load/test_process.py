"""The generator process: frames in, frames out, an early end by signal or by the parent's death."""

from __future__ import annotations

import signal
import struct
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from fastproxy.loadtest.load.shapes import Plan, Request, Stage, Tally
from tests.loadtest.load.targets import Client, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.real_time

FRAME = struct.Struct(">I")


@pytest.fixture
def url() -> Iterator[str]:
    def behave(client: Client, _request: bytes) -> None:
        client.later(0.002)

    with serving(behave) as url:
        yield url


def start(*said: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "fastproxy.loadtest.load.process"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    for value in said:
        data = msgspec.msgpack.encode(value)
        process.stdin.write(FRAME.pack(len(data)) + data)
        process.stdin.flush()
    return process


def reports(process: subprocess.Popen[bytes]) -> list[Tally]:
    assert process.stdout is not None
    found = []
    while head := process.stdout.read(FRAME.size):
        data = process.stdout.read(FRAME.unpack(head)[0])
        found.append(msgspec.msgpack.decode(data, type=Tally))
    return found


def plan(url: str, **fields: Any) -> Plan:
    return Plan(url=url, requests=(Request(),), **fields)


def soon() -> int:
    return time.monotonic_ns() + 300_000_000


def end(process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.close()
    error = process.stderr.read()
    assert process.stdout is not None
    process.stdout.close()
    process.stderr.close()
    return process.wait(5), error


def test_it_reports_again_and_again_and_at_the_end(url: str) -> None:
    begin = soon()
    process = start(plan(url, stages=(Stage(1.3, 2, 2),)), begin)
    seen = reports(process)
    assert end(process) == (0, b"")
    assert len(seen) == 3
    assert [tally.done for tally in seen] == sorted(tally.done for tally in seen)
    assert seen[-1].wall == pytest.approx(1_300_000, rel=0.1)
    assert sum(second.done for second in seen[-1].seconds) == seen[-1].done > 100
    assert seen[-1].errors == {}
    assert 0 < seen[-1].cpu < seen[-1].wall


def interrupt(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)


def terminate(process: subprocess.Popen[bytes]) -> None:
    process.terminate()


def leave(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()


@pytest.mark.parametrize("stop", [interrupt, terminate, leave])
def test_it_ends_early_and_still_reports(url: str, stop: Callable[[subprocess.Popen[bytes]], None]) -> None:
    process = start(plan(url, stages=(Stage(60, 2, 2),)), soon())
    assert process.stdout is not None
    head = process.stdout.read(FRAME.size)  # it runs
    process.stdout.read(FRAME.unpack(head)[0])
    began = time.monotonic()
    stop(process)
    last = reports(process)[-1]
    assert end(process) == (0, b"")
    assert time.monotonic() - began < 3
    assert last.done > 50
    assert last.errors == {}


@pytest.mark.parametrize("said", [(), ({"no": "plan"},)])
def test_without_a_plan_it_says_so(said: tuple[object, ...]) -> None:
    process = start(*said)
    assert process.stdin is not None
    process.stdin.close()
    assert reports(process) == []
    code, error = end(process)
    assert code == 2
    assert error.startswith(b"generator: the plan could not be read: ")


def test_an_unknown_host_is_said() -> None:
    process = start(plan("http://no-such-host.invalid", stages=(Stage(1, 1, 1),)), soon())
    assert reports(process) == []
    code, error = end(process)
    assert (code, error[:11]) == (1, b"generator: ")


def test_a_parent_that_does_not_read_slows_nothing_down(url: str) -> None:
    process = start(plan(url, stages=(Stage(1.0, 2, 2),)), soon())
    time.sleep(1.5)
    assert reports(process)[-1].done > 50
    assert end(process)[0] == 0
