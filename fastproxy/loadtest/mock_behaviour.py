"""How a reply is delivered: how late, how fast, how broken. Options of the process, overridden by each request.

Every x-mock-* header may also be a query parameter of the same name (SDKs set either). Durations are milliseconds;
"after k" counts body pieces: the events of a stream, or the two halves of a plain body. k = 0 is before the head.

    x-mock-latency: MS        to the first byte          x-mock-tokens: N            words in the reply
    x-mock-tps: N             words per second           x-mock-usage: input=9,cached=2,written=1,output=7,reasoning=3
    x-mock-chunk-delay: MS    between stream events      x-mock-status: 429          fail with this status
    x-mock-stall: MS[@K]      pause after K (1) pieces   x-mock-retry-after: S       with x-mock-status
    x-mock-cut: K             reset after K pieces       x-mock-fin: K               end after K pieces, unfinished
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fastproxy.loadtest.mock_faults import Fault
from fastproxy.loadtest.mock_words import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fastproxy.loadtest.mock_request import Request

DEFAULT_MODELS = (
    "gpt-5",
    "gpt-5-mini",
    "claude-sonnet-4-6",
    "gemini-2.5-flash",
    "text-embedding-3-small",
    "openai/gpt-oss-120b",
)
NEVER = -1
_MOST_TOKENS = 1_000_000


@dataclass(frozen=True, slots=True)
class MockOptions:
    """What `fastproxy mock` is started with. `keys` empty means that every key is good."""

    host: str = "127.0.0.1"
    port: int = 9100
    processes: int = 1
    latency_ms: float = 0.0
    tokens_per_second: float = 0.0
    tokens: int = 16
    chunk_delay_ms: float = 0.0
    error_rate: float = 0.0
    error_status: int = 500
    models: tuple[str, ...] = DEFAULT_MODELS
    keys: tuple[str, ...] = ()
    certificate: str | None = None
    private_key: str | None = None
    grace_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The same for one exchange. `gap_ms` is the time between two words."""

    latency_ms: float = 0.0
    gap_ms: float = 0.0
    tokens: int = 16
    status: int = 0
    retry_after: int = 0
    stall_ms: float = 0.0
    stall_after: int = NEVER
    end_after: int = NEVER
    reset: bool = False
    usage: Tally | None = None

    @property
    def instant(self) -> bool:
        """True when the whole reply can be written at once."""
        return not (self.latency_ms or self.gap_ms) and self.stall_after == NEVER and self.end_after == NEVER


def from_options(options: MockOptions) -> Behaviour:
    """What every request gets that asks for nothing else."""
    gap = options.chunk_delay_ms or (1000 / options.tokens_per_second if options.tokens_per_second > 0 else 0.0)
    return Behaviour(latency_ms=options.latency_ms, gap_ms=gap, tokens=options.tokens)


def from_request(default: Behaviour, request: Request) -> Behaviour:
    """The default with this request's own wishes; raises Fault for one that cannot be read."""
    wishes = {name: value for name, value in request.query.items() if name.startswith("x-mock-")}
    for field, value in request.fields.items():
        if field.startswith(b"x-mock-"):
            wishes[field.decode("latin-1")] = value.decode("latin-1")
    changes: dict[str, Any] = {}
    for name, text in wishes.items():
        changes.update(_change(name, text))
    return replace(default, **changes)


def _change(name: str, text: str) -> Mapping[str, object]:
    read = _READERS.get(name)
    if read is None:
        raise Fault(400, f"{name}: no such header, known are {', '.join(_READERS)}", param=name)
    try:
        return read(text)
    except ValueError as error:
        raise Fault(400, f"{name}: {error}", param=name) from error


def _positive(text: str, most: float = 3_600_000) -> float:
    value = float(text)
    if not 0 <= value <= most:
        raise ValueError(f"expected 0 to {most:g}, got {text}")
    return value


def _whole(text: str, most: int) -> int:
    return int(_positive(str(int(text)), most))


def _status(text: str) -> int:
    value = _whole(text, 599)
    if value < 400:
        raise ValueError(f"expected 400 to 599, got {text}")
    return value


def _tps(text: str) -> float:
    return 1000 / rate if (rate := _positive(text)) else 0.0


def _stall(text: str) -> Mapping[str, object]:
    duration, at, after = text.partition("@")
    return {"stall_ms": _positive(duration), "stall_after": _whole(after, _MOST_TOKENS) if at else 1}


def _usage(text: str) -> Tally:
    """`input` is the uncached rest; buckets that are not given are 0."""
    names = {"cached": "cache_read", "written": "cache_write"}
    pairs = (part.strip().partition("=") for part in text.split(","))
    counts = {names.get(name, name): _whole(value, 10**12) for name, _, value in pairs}
    if unknown := counts.keys() - set(Tally.__slots__):
        raise ValueError(f"no such bucket: {', '.join(sorted(unknown))}")
    return Tally(**counts)


_READERS: dict[str, Callable[[str], Mapping[str, object]]] = {
    "x-mock-latency": lambda text: {"latency_ms": _positive(text)},
    "x-mock-tps": lambda text: {"gap_ms": _tps(text)},
    "x-mock-chunk-delay": lambda text: {"gap_ms": _positive(text)},
    "x-mock-tokens": lambda text: {"tokens": _whole(text, _MOST_TOKENS)},
    "x-mock-usage": lambda text: {"usage": _usage(text)},
    "x-mock-status": lambda text: {"status": _status(text)},
    "x-mock-retry-after": lambda text: {"retry_after": _whole(text, 86_400)},
    "x-mock-stall": _stall,
    "x-mock-cut": lambda text: {"end_after": _whole(text, _MOST_TOKENS), "reset": True},
    "x-mock-fin": lambda text: {"end_after": _whole(text, _MOST_TOKENS), "reset": False},
}
