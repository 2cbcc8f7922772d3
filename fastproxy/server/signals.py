"""Signals as a queue: handlers only note that one came, the master acts on them between two ticks.

The interpreter writes each signal's number to a pipe (set_wakeup_fd), so that nothing is lost while Python code runs,
and waiting for a signal is waiting for a descriptor. A forked child shares that pipe; therefore signals are blocked
around fork, and the child lets go of the queue before it unblocks them: else a signal meant for it would appear to be
the master's.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from socket import socket
    from types import FrameType

QUEUED: Final = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGCHLD,
)
# A terminal sends these to the whole process group, and an operator may send them to the wrong process.
_IGNORED_IN_CHILDREN: Final = (
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTTIN,
    signal.SIGTTOU,
)


class SignalQueue:
    __slots__ = ("_reader", "_writer")

    def __init__(self) -> None:
        """Take over the process's signals. Only in the main thread."""
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in QUEUED:
            signal.signal(number, _noted)

    def wait(self, timeout: float, others: Sequence[socket]) -> list[int]:
        """Sleep until a signal comes, one of the `others` is readable, or the time is over.

        Returns the numbers of the signals that came (several at once: in the order in which the kernel delivered them).
        """
        descriptors = [self._reader, *(sock.fileno() for sock in others)]
        select.select(descriptors, [], [], max(timeout, 0.0))
        try:
            return list(os.read(self._reader, 512))
        except BlockingIOError:
            return []

    def let_go(self) -> None:
        """Back to what a new process has: at the end of the master, and in a child while signals are blocked."""
        signal.set_wakeup_fd(-1)
        for number in QUEUED:
            signal.signal(number, signal.SIG_DFL)
        os.close(self._reader)
        os.close(self._writer)


def ignore_the_terminal() -> None:
    """In a child that runs a role: only the master tells it to stop."""
    for number in _IGNORED_IN_CHILDREN:
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Signals wait while this lasts. A forked child leaves it by `unblock`."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, QUEUED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def unblock() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, QUEUED)


def _noted(number: int, frame: FrameType | None) -> None:
    """The interpreter has written the number to the queue before it calls this."""
