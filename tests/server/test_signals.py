"""The signal queue: nothing lost, nothing leaked into a forked child or out of it."""

from __future__ import annotations

import os
import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest

from fastproxy.server.signals import QUEUED, SignalQueue, held_back, ignore_the_terminal, unblock

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def queue() -> Iterator[SignalQueue]:
    before = {number: signal.getsignal(number) for number in (*QUEUED, signal.SIGUSR1)}
    queue = SignalQueue()
    yield queue
    queue.let_go()
    for number, action in before.items():
        signal.signal(number, action)


def test_every_signal_is_delivered_once(queue: SignalQueue) -> None:
    for number in QUEUED:
        signal.raise_signal(number)
    assert queue.wait(0, []) == list(QUEUED)
    assert queue.wait(0, []) == []


def test_waiting_ends_with_a_signal_a_readable_socket_or_the_time(queue: SignalQueue) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        started = time.monotonic()
        assert queue.wait(0.05, [ours]) == []
        assert time.monotonic() - started >= 0.05
        theirs.send(b"x")
        assert queue.wait(5, [ours]) == []
        signal.raise_signal(signal.SIGHUP)
        assert queue.wait(5, []) == [signal.SIGHUP]
        assert time.monotonic() - started < 4


def test_a_signal_for_a_new_child_kills_it_and_does_not_reach_the_master(queue: SignalQueue) -> None:
    with held_back():
        pid = os.fork()
        if pid == 0:
            os.kill(os.getpid(), signal.SIGTERM)  # pending until it unblocks
            queue.let_go()
            unblock()
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGTERM
    assert signal.SIGTERM not in queue.wait(0, [])


def test_children_do_not_hear_the_terminal(queue: SignalQueue) -> None:
    pid = os.fork()
    if pid == 0:
        queue.let_go()
        ignore_the_terminal()
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTTOU, signal.SIGTTIN, signal.SIGUSR1, signal.SIGUSR2):
            signal.raise_signal(number)
        os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
