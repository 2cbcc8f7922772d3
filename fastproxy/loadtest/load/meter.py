"""Counts what one generator process sees. Every figure of the Tally comes from here; no I/O, and time is an argument.

Times come in as nanoseconds of the monotonic clock and go out as microseconds. Latencies are kept by kind of request
and by second, so a request costs two additions for both, and the total is summed only when somebody asks.

`latency` holds right replies and timeouts: who gave up after 30 s has waited at least so long, and a percentile that
left that out would get better as the target hangs. `service` holds the timeouts of requests that were sent. Replies
that end at or after `ends`, where a closed loop's stages are over, are left out; failures are not.

After an hour two neighbouring Seconds become one row, after two hours four, and so on (seconds.py). With an offered
rate the measured time is over at `mark`: what comes behind it is counted and its latency too, but told apart, because
a rate is what was done in the time in which it was offered.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Final

from fastproxy.loadtest.load.histogram import bucket_of, merge
from fastproxy.loadtest.load.pacing import NEVER
from fastproxy.loadtest.load.seconds import end_of_row, joined
from fastproxy.loadtest.load.shapes import Buckets, Second, Tally

_US: Final = 1000
_SECOND: Final = 1_000_000_000
_EXAMPLE: Final = 200
_RECENT: Final = 3  # seconds that an interim report holds
_MOST: Final = 3600  # rows that are kept


def _counts() -> defaultdict[int, int]:
    return defaultdict(int)


class Meter:
    """`start` is when the run begins, `measured_from` when its warm-up is over; only what was intended then counts."""

    def __init__(self, start: int, measured_from: int) -> None:
        self.start = start
        self.measured_from = measured_from
        self.ends = NEVER
        self.last = measured_from  # when the last right reply had come
        self.last_ended = measured_from  # when the last request had ended, well or not
        self.sent = self.done = self.connections = self.aborted = 0
        self.bytes_in = self.bytes_out = self.events = self.tokens_out = 0
        self.statuses: defaultdict[int, int] = _counts()
        self.service = _counts()
        self.connect = _counts()
        self.first_byte = _counts()
        self.first_token = _counts()
        self.gap = _counts()
        self.token_rate = _counts()
        self.lateness = _counts()
        self._unsent = _counts()  # latencies of timeouts before sending
        self._by_request: dict[str, defaultdict[int, int]] = {}
        self._errors: dict[str, int] = {}
        self._examples: dict[str, str] = {}
        self._seconds: list[Second] = []
        self._each = 1  # how many seconds a row stands for
        self._latency = _counts()  # of the second that runs
        self._tokens = _counts()
        self._second_ends = 0
        self._before = (0, 0, 0)  # done, errors, bytes_in when it began
        self._wall_start_ns = 0
        self._cpu_start = 0
        self.marked = NEVER
        self._at_mark = (0, 0, 0)  # done, tokens_out, own CPU time

    def delay(self, start: int) -> None:
        """The run begins later than it was meant to."""
        self.measured_from += start - self.start
        self.start = start
        self.last = self.last_ended = self.measured_from

    def begin(self, now: int) -> None:
        """The warm-up is over."""
        self._wall_start_ns = time.time_ns()
        self._cpu_start = time.process_time_ns()
        self._second_ends = self.start + ((now - self.start) // _SECOND + 1) * _SECOND

    def mark(self, now: int) -> None:
        """The time in which a rate was offered is over. Said again, it does nothing."""
        if self.marked == NEVER:
            self.marked = max(now, self.measured_from)
            self._at_mark = (self.done, self.tokens_out, self._cpu())

    def _cpu(self) -> int:
        """Nanoseconds of this process since the warm-up; none before."""
        return time.process_time_ns() - self._cpu_start if self._second_ends else 0

    def of_request(self, name: str) -> defaultdict[int, int]:
        """Where the latencies of a kind of request are counted."""
        return self._by_request.setdefault(name, _counts())

    def right(self, latencies: defaultdict[int, int], latency: int, service: int, now: int) -> int:
        """A right reply has come to its end; both times in nanoseconds. Returns the bucket of its latency."""
        if now >= self._second_ends:
            self.turn(now)
        bucket = bucket_of(latency // _US)
        latencies[bucket] += 1
        self._latency[bucket] += 1
        self.service[bucket if latency == service else bucket_of(service // _US)] += 1
        self.done += 1
        self.last = self.last_ended = now
        return bucket

    def timed_out(self, latencies: defaultdict[int, int], latency: int, service: int, now: int) -> None:
        """A request was given up; both times are the least that it would have taken. It still is to be called wrong."""
        self._waited(latencies, latency, now)
        self.service[bucket_of(service // _US)] += 1

    def _waited(self, latencies: defaultdict[int, int], latency: int, now: int) -> None:
        if now >= self._second_ends:
            self.turn(now)
        bucket = bucket_of(latency // _US)
        latencies[bucket] += 1
        self._latency[bucket] += 1

    def left_out(self) -> None:
        """A reply came too late to be counted, and so its request is not."""
        self.sent -= 1

    def broken_off(self, now: int) -> None:
        """We have left in the middle of a reply, on purpose."""
        self.aborted += 1
        self.last_ended = now

    def first(self, took: int) -> None:
        self.first_byte[bucket_of(took // _US)] += 1

    def content(self, intended: int, previous: int, now: int, count: int) -> None:
        """Content events of a stream came together; `previous` is when the one before them came, 0 for the first."""
        if previous:
            self.gap[bucket_of((now - previous) // _US)] += 1
        else:
            if now >= self._second_ends:
                self.turn(now)
            bucket = bucket_of((now - intended) // _US)
            self.first_token[bucket] += 1
            self._tokens[bucket] += 1
        if count > 1:
            self.gap[0] += count - 1

    def speed(self, tokens_per_second: int) -> None:
        self.token_rate[bucket_of(tokens_per_second)] += 1

    def late(self, intended: int, now: int) -> None:
        self.lateness[bucket_of((now - intended) // _US)] += 1

    def connected(self, took: int) -> None:
        self.connections += 1
        self.connect[bucket_of(took // _US)] += 1

    def wrong(self, kind: str, text: str, now: int) -> None:
        """A request has failed."""
        if now >= self._second_ends:
            self.turn(now)
        self.last_ended = now
        self._errors[kind] = self._errors.get(kind, 0) + 1
        if kind not in self._examples:
            self._examples[kind] = text[:_EXAMPLE]

    def refused(self, kind: str, text: str, intended: int, now: int) -> None:
        """A request has failed before it could be sent."""
        if intended >= self.measured_from:
            self.sent += 1
            self.wrong(kind, text, now)
            if kind == "timeout":
                self._waited(self._unsent, now - intended, now)

    def turn(self, now: int) -> None:
        """Close the second that ran, if it is over."""
        if not self._second_ends or now < self._second_ends:
            return
        self._seconds = self._with_running()
        if end_of_row(self._seconds[-1]) >= _MOST * self._each:
            self._each *= 2
            self._seconds = joined(self._seconds, self._each)
        self._latency, self._tokens = _counts(), _counts()
        self._before = (self.done, sum(self._errors.values()), self.bytes_in)
        self._second_ends += (1 + (now - self._second_ends) // _SECOND) * _SECOND

    def _with_running(self) -> list[Second]:
        if self._each == 1:
            return [*self._seconds, self._running()]
        return [*self._seconds[:-1], *joined([*self._seconds[-1:], self._running()], self._each)]

    def _running(self) -> Second:
        done, errors, bytes_in = self._before
        return Second(
            at=(self._second_ends - self.start) // _SECOND - 1,
            done=self.done - done,
            errors=sum(self._errors.values()) - errors,
            bytes_in=self.bytes_in - bytes_in,
            latency=dict(self._latency),
            first_token=dict(self._tokens),
        )

    def tally(self, until: int, *, whole: bool = True) -> Tally:
        """All so far, `until` being the end of the measured time. Not `whole`: only the latest rows come along."""
        latency: Buckets = dict(self._unsent)
        for counts in self._by_request.values():
            merge(latency, counts)
        began = self._second_ends > 0
        seconds = self._with_running() if began else []
        done, tokens, cpu = self._at_mark if until == self.marked else (self.done, self.tokens_out, self._cpu())
        return Tally(
            sent=self.sent,
            done=self.done,
            drained=self.done - done,
            errors=dict(self._errors),
            error_examples=dict(self._examples),
            statuses=dict(self.statuses),
            connections=self.connections,
            aborted=self.aborted,
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
            events=self.events,
            tokens_out=self.tokens_out,
            drained_tokens=self.tokens_out - tokens,
            latency=latency,
            service=dict(self.service),
            connect=dict(self.connect),
            first_byte=dict(self.first_byte),
            first_token=dict(self.first_token),
            gap=dict(self.gap),
            token_rate=dict(self.token_rate),
            lateness=dict(self.lateness),
            by_request={name: dict(counts) for name, counts in self._by_request.items()},
            seconds=seconds if whole else seconds[-_RECENT:],
            started_ns=self._wall_start_ns,
            wall=max(0, until - self.measured_from) // _US if began else 0,
            drain=max(0, self.last - until) // _US if self.done > done else 0,
            cpu=cpu // _US,
        )
