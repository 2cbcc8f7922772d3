"""The access log of one worker: the loop appends, a thread writes.

    loop    append(record)   a list append, or one more drop when `bound` records wait already
    thread  every 100 ms     takes the waiting records, formats them, one os.write per chunk of whole lines <= PIPE_BUF

The loop never formats, never touches the file and never waits. After every chunk (about 25 lines of text, 0.1 ms) the
thread sleeps for a moment, so the loop is not held for a switch interval. A reader that stalls, a full disk or a closed
pipe costs lines, which are counted, and nothing else. Costs 3.5 us a line of text and 7 us of JSON, in the thread.

Two threads, no lock: the loop alone adds to `_waiting` and `_refused`; the thread alone takes from `_waiting` and adds
to `_failed`. Taking a slice and deleting it are one step each under the interpreter's lock.
The thread starts at the first record: a thread does not survive a fork, so none may exist before it.
"""

from __future__ import annotations

import errno
import logging
import math
import os
import select
import threading
import time
from typing import TYPE_CHECKING, Final

from fastproxy.server.log_lines import LINE_LIMIT, WRITERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastproxy.record import Record

WAKE_S: Final = 0.1
BATCH: Final = 1000  # records formatted before looking again; bounds what the thread holds besides `bound`
# Without it a writer returning from os.write takes the interpreter lock back before the loop's thread has woken up: at
# 25,000 lines/s the loop's wake-ups were late by 3.5 ms at p99.9, with it by 0.3 ms; costs 0.2 us a line.
YIELD_S: Final = 0.00005
CLOSE_S: Final = 2.0  # longest wait for the last lines when the worker ends

_log = logging.getLogger("fastproxy.access_log")


class AccessLog:
    """Made after the fork, one per worker. `style` is text or json, `file` "-" is standard output.

    Raises OSError when the file cannot be opened: better at the start than a log that is found empty later.
    """

    def __init__(self, style: str, file: str, bound: int = 50_000) -> None:
        self._line = WRITERS[style]
        self._sink = Sink(file)
        self._bound = bound
        self._room = 0  # becomes `bound` when the thread runs: `append` needs no second test for a lazy start
        self._waiting: list[Record] = []
        self._refused = 0
        self._failed = 0
        self._told = 0
        self._wake = threading.Event()
        self._reopen = False
        self._closing = False
        self._deadline = math.inf  # until when a file that takes no bytes is waited for
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)

    @property
    def dropped(self) -> int:
        """Lines lost so far: refused at the door, unwritable, or left over at close."""
        return self._refused + self._failed

    def take_dropped(self) -> int:
        """Lines lost since the last call; for a counter that outlives this log. Loop only."""
        lost = self.dropped
        fresh, self._told = lost - self._told, lost
        return fresh

    def append(self, record: Record) -> None:
        """Hand over a record; 70 ns, no system call. Loop only."""
        waiting = self._waiting
        if len(waiting) < self._room:
            waiting.append(record)
        else:
            self._overflow(record)

    def reopen(self) -> None:
        """Open the file anew before the next line, for log rotation. Returns at once; safe in a signal callback."""
        self._reopen = True
        self._wake.set()

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Write what waits and stop; what is not written after `timeout_s`, or comes later, counts as dropped."""
        if self._closing:
            return
        self._room = 0
        self._deadline = time.monotonic() + timeout_s
        self._closing = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s + 2 * WAKE_S)
        if self._thread.is_alive():  # stuck in a write; the process ends without it
            self._refused += len(self._waiting)
            return
        self._sink.close()

    def _overflow(self, record: Record) -> None:
        if self._closing or self._thread.ident is not None:
            self._refused += 1
            return
        self._room = self._bound
        self._waiting.append(record)
        self._thread.start()

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(WAKE_S)
            self._wake.clear()
            if self._reopen:
                self._reopen = False
                self._sink.reopen()
            self._write_waiting()
        self._write_waiting()

    def _write_waiting(self) -> None:
        waiting = self._waiting
        while waiting:
            batch = waiting[:BATCH]
            del waiting[: len(batch)]
            self._write(batch)

    def _write(self, batch: Sequence[Record]) -> None:
        chunk: list[bytes] = []
        size = 0
        for record in batch:
            try:
                line = self._line(record)
            except (TypeError, ValueError, OverflowError, OSError):  # no such date, for one
                self._failed += 1
                continue
            if size + len(line) > LINE_LIMIT:
                self._failed += self._sink.write(chunk, self._is_patient)
                chunk, size = [], 0
                if not self._closing:
                    time.sleep(YIELD_S)
            chunk.append(line)
            size += len(line)
        self._failed += self._sink.write(chunk, self._is_patient)

    def _is_patient(self) -> bool:
        return time.monotonic() < self._deadline


class Sink:
    """The file: append-only, one write per chunk. Remembers whether the last line came out whole. Thread only."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._torn = False
        self._failing = False
        self._use(1 if file == "-" else _open(file))

    def write(self, lines: Sequence[bytes], is_patient: Callable[[], bool]) -> int:
        """Write whole lines; returns how many were lost."""
        if not lines:
            return 0
        start = b"\n" if self._torn else b""
        data = start + b"".join(lines)
        sent, error = self._write_all(data, is_patient)
        if sent:
            self._torn = data[sent - 1] != 0x0A
        self._report(error)
        return len(lines) - max(0, data.count(b"\n", 0, sent) - len(start)) if error else 0

    def reopen(self) -> None:
        """Open the path again; the old file stays in use when that fails."""
        if self._file == "-":
            return
        try:
            fresh = _open(self._file)
        except OSError as error:
            _log.error("cannot reopen the access log, going on with the old file: %s", error)
            return
        os.close(self._fd)
        self._torn = False
        self._use(fresh)

    def close(self) -> None:
        """Close the file; standard output stays open."""
        if self._file != "-":
            os.close(self._fd)

    def _use(self, fd: int) -> None:
        self._fd = fd
        self._watch = select.poll()
        self._watch.register(fd, select.POLLOUT)

    def _write_all(self, data: bytes, is_patient: Callable[[], bool]) -> tuple[int, OSError | None]:
        """Write all bytes, waiting while the file takes none; returns (written, what stopped it)."""
        sent = 0
        while sent < len(data):
            # A pipe is writable when PIPE_BUF bytes fit, so a chunk never blocks in write.
            if not self._watch.poll(WAKE_S * 1000 if is_patient() else 0):
                if not is_patient():
                    return sent, BlockingIOError(errno.EAGAIN, "the reader has stalled")
                continue
            try:
                sent += os.write(self._fd, data[sent:])
            except OSError as error:
                return sent, error
        return sent, None

    def _report(self, error: OSError | None) -> None:
        """Log the first failure of a row of failures, and their end: the counter has the rest."""
        if error is not None and not self._failing:
            _log.error("access log lines are being lost: %s", error)
        if error is None and self._failing:
            _log.warning("the access log is being written again")
        self._failing = error is not None


def _open(file: str) -> int:
    return os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
