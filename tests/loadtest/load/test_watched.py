"""CPU and memory of real process trees that burn a known time, and the bookkeeping against made-up ones."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.loadtest.load.watched import Account, Identity, Reading, Watched, WatchFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.real_time

PRELUDE = """
import os, signal, sys, time
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: pass
def child(work):
    pid = os.fork()
    if pid == 0:
        try: work()
        finally: os._exit(0)
    return pid
def say(text): os.write(1, text.encode() + b"\\n")
def wait(): os.read(0, 1)
"""


class Tree:
    """A Python process that does as its script says; it stops at each wait() until it is told to go on."""

    def __init__(self, script: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self.pid = self.process.pid
        self.heard("ready")

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"x")

    def heard(self, text: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline().decode().strip() == text


@contextmanager
def running(script: str) -> Iterator[Tree]:
    tree = Tree(script)
    try:
        yield tree
    finally:
        tree.process.kill()
        tree.process.communicate()


def watch(tree: Tree, *words: str) -> Watched:
    """Watch from one wait() of the script to its last word, with a sample at each."""
    watched = Watched(tree.pid)
    watched.start()
    tree.go()
    for word in words:
        tree.heard(word)
        watched.sample()
        tree.go()
    return watched


@pytest.mark.parametrize(
    ("script", "words", "burnt_ms"),
    [
        ("burn(.2); say('ready'); wait(); burn(.25); say('done'); wait(); wait()", ("done",), 250),
        # a child and its child, both alive at the end
        ("def deep(): burn(.1); child(lambda: (burn(.1), say('a'), wait())); wait()\n"
         "say('ready'); wait(); child(deep); wait()", ("a",), 200),
        # children that come, end and are waited for between two samples
        ("say('ready'); wait(); [os.waitpid(child(lambda: burn(.1)), 0) for _ in range(3)]\n"
         "say('done'); wait(); wait()", ("done",), 300),
        # a child seen alive, then ended and waited for: its time goes to the parent and must not count twice
        ("say('ready'); wait(); c = child(lambda: (burn(.2), say('a'), wait(), burn(.05)))\n"
         "os.waitpid(c, 0); say('done'); wait(); wait()", ("a", "done"), 250),
        # nobody waits for the child: what was seen of it stays
        ("signal.signal(signal.SIGCHLD, signal.SIG_IGN); say('ready'); wait()\n"
         "c = child(lambda: (burn(.2), say('a'), wait()))\n"
         "try: os.waitpid(c, 0)\n"
         "except ChildProcessError: pass\n"
         "say('done'); wait(); wait()", ("a", "done"), 200),
        # a child that burnt before the watch began and ends during it
        ("c = child(lambda: (burn(.3), say('ready'), wait(), burn(.1)))\n"
         "os.waitpid(c, 0); say('done'); wait(); wait()", ("done",), 100),
    ],
    ids=["alone", "grandchild", "between samples", "seen then reaped", "nobody waits", "older than the watch"],
)  # fmt: skip
def test_the_cpu_time_of_a_tree(script: str, words: tuple[str, ...], burnt_ms: int) -> None:
    with running(script) as tree:
        usage = watch(tree, *words).stop(100)
    assert usage.pid == tree.pid
    assert burnt_ms * 1000 - 12_000 <= usage.cpu <= burnt_ms * 1000 + 60_000
    assert usage.cpu_per_request == usage.cpu / 100


def test_a_process_that_ends_keeps_what_was_seen() -> None:
    with running("say('ready'); wait(); burn(.2); b = b'x' * 8_000_000; say('done'); wait()") as tree:
        watched = watch(tree, "done")
        tree.process.wait(5)
        usage = watched.stop(0)
    assert 200_000 <= usage.cpu < 300_000
    assert usage.cpu_per_request == 0.0
    assert usage.memory_end > usage.memory_start + 7_000_000


def test_a_child_that_its_parent_leaves_behind_is_followed_on() -> None:
    script = """
def orphan(parent):
    say('born')
    while os.getppid() == parent: time.sleep(.005)
    burn(.2); say('done'); time.sleep(9)
def leave():
    me = os.getpid()
    child(lambda: orphan(me)); wait()
say('ready'); wait(); os.waitpid(child(leave), 0); time.sleep(9)
"""
    with running(script) as tree:
        watched = watch(tree, "born", "done")
        usage = watched.stop(1)
        left = [process for process in watched._known.values() if process.pid != tree.pid]
        for process in left:
            process.kill()
    assert len(left) == 1
    assert 190_000 <= usage.cpu < 300_000


def test_memory_that_comes_and_goes_is_seen_in_the_peak() -> None:
    with running(
        "say('ready'); wait(); b = b'x' * 30_000_000; say('full'); wait(); del b; say('empty'); wait(); wait()"
    ) as tree:
        usage = watch(tree, "full", "empty").stop(1)
    assert usage.memory_peak > usage.memory_start + 28_000_000
    assert usage.memory_end < usage.memory_peak - 28_000_000


def test_pages_that_workers_share_count_once() -> None:
    script = (
        "b = b'x' * 40_000_000; [child(lambda: time.sleep(9)) for _ in range(3)]; time.sleep(.1); say('ready'); wait()"
    )
    with running(script) as tree:
        watched = Watched(tree.pid)
        usage = watched.stop(1)
        for process in watched._known.values():
            process.kill()
    assert usage.processes == 4
    assert 40_000_000 < usage.memory_peak < 80_000_000


def test_a_process_that_does_nothing_uses_next_to_nothing() -> None:
    with running("burn(.1); say('ready'); wait()") as tree:
        watched = Watched(tree.pid)
        watched.start()
        deadline = time.monotonic() + 0.2
        while time.monotonic() < deadline:
            watched.sample()
        usage = watched.stop(10)
    assert usage.cpu < 2_000
    assert usage.name.startswith("python")


@pytest.mark.parametrize("pid", [-1, 1 << 22, 1 << 70])
def test_what_is_not_there_cannot_be_watched(pid: int) -> None:
    with pytest.raises(WatchFailed, match=f"process {pid} cannot be watched"):
        Watched(pid)


def test_stopping_what_was_never_started_measures_nothing() -> None:
    usage = Watched(os.getpid()).stop(5)
    assert (usage.cpu, usage.cpu_per_request) == (0, 0.0)
    assert usage.memory_peak > 1_000_000


class Family:
    """A made-up process tree whose true use is known: the kernel's bookkeeping in a few lines."""

    def __init__(self) -> None:
        self.parent = {1: 0}
        self.own = {1: 1000}
        self.reaped = {1: 500}
        self.used = 0
        self.next_pid = 2

    def readings(self) -> dict[Identity, Reading]:
        return {(pid, 0.0): Reading(self.parent[pid], self.own[pid], self.reaped[pid]) for pid in self.parent}

    def work(self, pid: int, amount: int) -> None:
        self.own[pid] += amount
        self.used += amount

    def fork(self, pid: int) -> None:
        self.parent[self.next_pid], self.own[self.next_pid], self.reaped[self.next_pid] = pid, 0, 0
        self.next_pid += 1

    def end(self, pid: int) -> None:
        """It ends with all below it; each is waited for by its parent."""
        for child in [child for child, parent in self.parent.items() if parent == pid]:
            self.end(child)
        self.reaped[self.parent[pid]] += self.own.pop(pid) + self.reaped.pop(pid)
        del self.parent[pid]


actions = st.lists(
    st.tuples(st.sampled_from(("work", "fork", "end", "look")), st.integers(0, 20), st.integers(1, 900)), max_size=60
)


@given(actions, actions)
def test_no_time_is_lost_or_counted_twice_when_children_are_waited_for(
    before: list[tuple[str, int, int]], during: list[tuple[str, int, int]]
) -> None:
    family = Family()
    account = Account({})
    for step, (action, which, amount) in enumerate([*before, ("start", 0, 0), *during]):
        pids = list(family.parent)
        pid = pids[which % len(pids)]
        if action == "start":
            account, family.used = Account(family.readings()), 0
        elif action == "work":
            family.work(pid, amount)
        elif action == "fork":
            family.fork(pid)
        elif action == "end" and pid != 1:
            family.end(pid)
        elif action == "look" and step > len(before):
            account.update(family.readings())
    account.update(family.readings())
    assert account.cpu == family.used


def test_an_id_that_comes_again_is_another_process() -> None:
    account = Account({(1, 0.0): Reading(0, 10, 0), (2, 5.0): Reading(1, 700, 0)})
    account.update({(1, 0.0): Reading(0, 10, 750), (2, 9.0): Reading(1, 30, 0)})
    assert account.cpu == 50 + 30
