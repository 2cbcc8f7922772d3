"""Requests and tokens per minute and key: token buckets, and how each vendor tells what is left in them.

A bucket holds one minute's worth and refills evenly; what does not fit is refused with the time until it would. The
keys that were idle longest are forgotten beyond ten thousand. Each of several processes has its even share.

    Limit     what a key may do in a minute; 0 is without limit
    Verdict   what one request was told: allowed or not, the seconds to wait, and what is left
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastproxy.loadtest.mock_behaviour import MockOptions
    from fastproxy.loadtest.mock_routes import Format

_MOST_KEYS = 10_000
_UNLIMITED = 10**9


@dataclass(frozen=True, slots=True)
class Limit:
    """Per minute."""

    requests: int = 0
    tokens: int = 0

    def __bool__(self) -> bool:
        return bool(self.requests or self.tokens)


@dataclass(slots=True)
class Bucket:
    """`level` of `limit` is left; it was so at `seen`."""

    limit: int
    level: float
    seen: float

    def refill(self, now: float) -> None:
        """What came in since."""
        self.level = min(self.limit, self.level + (now - self.seen) * self.limit / 60)
        self.seen = now

    def wait(self, amount: float) -> float:
        """Seconds until the amount (or all that it can ever hold) is there."""
        return max(0.0, (min(amount, self.limit) - self.level) * 60 / self.limit)

    @property
    def full_in(self) -> float:
        """Seconds until nothing is missing."""
        return (self.limit - self.level) * 60 / self.limit


@dataclass(frozen=True, slots=True)
class Verdict:
    """`wait` is 0 for a request that may pass."""

    wait: float
    which: str
    requests: Bucket
    tokens: Bucket


class Limits:
    """All keys of one process."""

    def __init__(self, options: MockOptions) -> None:
        share = max(1, options.processes)
        self._default = _shared(Limit(options.requests_per_minute, options.tokens_per_minute), share)
        self._special: Mapping[str, Limit] = {
            key: _shared(limit, share) for key, limit in map(read_limit, options.limits)
        }
        self._buckets: OrderedDict[str, tuple[Bucket, Bucket]] = OrderedDict()
        self.active = bool(self._default or self._special)

    def take(self, key: str, tokens: int, now: float) -> Verdict | None:
        """Ask for one request of so many tokens; None for a key without limits. `now` is monotonic."""
        limit = self._special.get(key, self._default)
        if not limit:
            return None
        requests, budget = self._find(key, limit, now)
        requests.refill(now)
        budget.refill(now)
        waits = ((requests.wait(1), "requests"), (budget.wait(tokens), "tokens"))
        wait, which = max(waits)
        if not wait:
            requests.level -= 1
            budget.level -= tokens
        return Verdict(wait, which, requests, budget)

    def _find(self, key: str, limit: Limit, now: float) -> tuple[Bucket, Bucket]:
        pair = self._buckets.get(key)
        if pair is None:
            sizes = (limit.requests or _UNLIMITED, limit.tokens or _UNLIMITED)
            pair = (Bucket(sizes[0], sizes[0], now), Bucket(sizes[1], sizes[1], now))
            self._buckets[key] = pair
            if len(self._buckets) > _MOST_KEYS:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return pair


def _shared(limit: Limit, processes: int) -> Limit:
    return Limit(-(-limit.requests // processes), -(-limit.tokens // processes))


def read_limit(text: str) -> tuple[str, Limit]:
    """KEY=REQUESTS/TOKENS, either of them 0 for none; ValueError says what is wrong."""
    key, gap, numbers = text.rpartition("=")
    requests, slash, tokens = numbers.partition("/")
    if not (gap and key and slash and requests.isdecimal() and tokens.isdecimal()):
        raise ValueError(f"expected KEY=REQUESTS/TOKENS per minute, got {text}")
    return key, Limit(int(requests), int(tokens))


def fields(style: Format, verdict: Verdict, now: int) -> bytes:
    """The header lines of one vendor; Google has none. `now` is Unix time."""
    pairs = (("requests", verdict.requests), ("tokens", verdict.tokens))
    if style == "openai":
        lines = [_openai(name, bucket) for name, bucket in pairs]
    elif style == "anthropic":
        lines = [_anthropic(name, bucket, now) for name, bucket in (*pairs, ("input-tokens", verdict.tokens))]
    else:
        return b""
    return "".join(lines).encode()


def _openai(name: str, bucket: Bucket) -> str:
    start = "x-ratelimit-"
    left = f"{start}remaining-{name}: {max(0, int(bucket.level))}\r\n"
    return f"{start}limit-{name}: {bucket.limit}\r\n{left}{start}reset-{name}: {duration(bucket.full_in)}\r\n"


def _anthropic(name: str, bucket: Bucket, now: int) -> str:
    start = f"anthropic-ratelimit-{name}-"
    left = f"{start}remaining: {max(0, int(bucket.level))}\r\n"
    return f"{start}limit: {bucket.limit}\r\n{left}{start}reset: {instant(now + bucket.full_in)}\r\n"


def duration(seconds: float) -> str:
    """As OpenAI writes it: 6ms, 1.2s, 6m0s, 1h0m30s."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    if seconds < 60:
        return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s"


def instant(when: float) -> str:
    """As Anthropic writes it: RFC 3339, in UTC, on the next full second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(math.ceil(when)))
