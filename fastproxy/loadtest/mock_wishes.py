"""What a request may wish for, by header, query parameter (SDKs set either) or, without "x-mock-", in a script.

Durations are milliseconds, or a distribution: 50, uniform:20:80, normal:50:10, lognormal:50:0.5 (median, sigma),
exponential:50. "After k" counts body pieces: the events of a stream, or the two halves of a plain body; k = 0 is
before the head.

    x-mock-latency: TIME      to the first byte          x-mock-tokens: N            words in the reply
    x-mock-tps: N             words per second           x-mock-usage: input=9,cached=2,written=1,output=7,reasoning=3
    x-mock-chunk-delay: TIME  between stream events      x-mock-status: 429          fail with this status
    x-mock-stall: MS[@K]      pause after K (1) pieces   x-mock-retry-after: S       with x-mock-status
    x-mock-cut: K             reset after K pieces       x-mock-fin: K               end after K pieces, unfinished
    x-mock-error-event: K     after K events, an error event ends the stream
    x-mock-thinking: N        words of thinking          x-mock-tool: NAME[,NAME]    call these tools
    x-mock-images: N          PNG images in the reply    x-mock-finish: length       why it ends
    x-mock-seed: N            the same bytes each time: text, ids, times, latencies
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fastproxy.loadtest.mock_faults import Fault
from fastproxy.loadtest.mock_spread import MOST_MS, NO_TIME, Spread, parse
from fastproxy.loadtest.mock_words import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fastproxy.loadtest.mock_behaviour import Behaviour
    from fastproxy.loadtest.mock_request import Request

PREFIX = "x-mock-"
FINISHES = ("stop", "length", "tool_calls", "content_filter")
_MOST_TOKENS = 1_000_000
_MOST_IMAGES = 10
_MOST_SEED = 2**63 - 1


def from_request(default: Behaviour, request: Request) -> Behaviour:
    """The default with this request's own wishes; raises Fault for one that cannot be read."""
    wishes = {name: value for name, value in request.query.items() if name.startswith(PREFIX)}
    for field, value in request.fields.items():
        if field.startswith(b"x-mock-"):
            wishes[field.decode("latin-1")] = value.decode("latin-1")
    changes: dict[str, Any] = {}
    for name, text in wishes.items():
        try:
            changes.update(change(name.removeprefix(PREFIX), text))
        except ValueError as error:
            raise Fault(400, f"{name}: {error}", param=name) from error
    return replace(default, **changes)


def change(name: str, text: str) -> Mapping[str, object]:
    """The fields of Behaviour that one wish sets; ValueError says what is wrong with it."""
    read = READERS.get(name)
    if read is None:
        raise ValueError(f"no such header, known are {', '.join(PREFIX + known for known in READERS)}")
    return read(text)


def positive(text: str, most: float = MOST_MS) -> float:
    """A number from 0 to `most`."""
    value = float(text)
    if not 0 <= value <= most:
        raise ValueError(f"expected 0 to {most:g}, got {text}")
    return value


def whole(text: str, most: int) -> int:
    """A whole number from 0 to `most`."""
    value = int(text)
    if not 0 <= value <= most:
        raise ValueError(f"expected 0 to {most:g}, got {text}")
    return value


def status(text: str) -> int:
    """A status that is an error."""
    value = whole(text, 599)
    if value < 400:
        raise ValueError(f"expected 400 to 599, got {text}")
    return value


def _tps(text: str) -> Spread:
    return Spread("fixed", 1000 / rate) if (rate := positive(text)) else NO_TIME


def _stall(text: str) -> Mapping[str, object]:
    duration, at, after = text.partition("@")
    return {"stall_ms": positive(duration), "stall_after": whole(after, _MOST_TOKENS) if at else 1}


def _usage(text: str) -> Tally:
    """`input` is the uncached rest; buckets that are not given are 0."""
    names = {"cached": "cache_read", "written": "cache_write"}
    pairs = (part.strip().partition("=") for part in text.split(","))
    counts = {names.get(name, name): whole(value, 10**12) for name, _, value in pairs}
    if unknown := counts.keys() - set(Tally.__struct_fields__):
        raise ValueError(f"no such bucket: {', '.join(sorted(unknown))}")
    return Tally(**counts)


def _finish(text: str) -> str:
    if text not in FINISHES:
        raise ValueError(f"expected one of {', '.join(FINISHES)}, got {text}")
    return text


def _tools(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


READERS: dict[str, Callable[[str], Mapping[str, object]]] = {
    "latency": lambda text: {"latency": parse(text)},
    "tps": lambda text: {"gap": _tps(text)},
    "chunk-delay": lambda text: {"gap": parse(text)},
    "tokens": lambda text: {"tokens": whole(text, _MOST_TOKENS)},
    "usage": lambda text: {"usage": _usage(text)},
    "status": lambda text: {"status": status(text)},
    "retry-after": lambda text: {"retry_after": whole(text, 86_400)},
    "stall": _stall,
    "cut": lambda text: {"end_after": whole(text, _MOST_TOKENS), "reset": True},
    "fin": lambda text: {"end_after": whole(text, _MOST_TOKENS), "reset": False},
    "error-event": lambda text: {"error_after": whole(text, _MOST_TOKENS)},
    "thinking": lambda text: {"thinking": whole(text, _MOST_TOKENS)},
    "tool": lambda text: {"tools": _tools(text)},
    "images": lambda text: {"images": whole(text, _MOST_IMAGES)},
    "finish": lambda text: {"finish": _finish(text)},
    "seed": lambda text: {"seed": whole(text, _MOST_SEED), "own_seed": True},
}
