"""How the mock behaves: the options of the process, and what one exchange does. Data only.

Who sets it: the flags (mock.py), then the script's reply for this request (mock_script), then the request's own
x-mock-… headers (mock_wishes), then the chaos of the moment (mock_chaos).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastproxy.loadtest.mock_spread import NO_TIME, Spread, parse

if TYPE_CHECKING:
    from fastproxy.loadtest.mock_answer import Call
    from fastproxy.loadtest.mock_words import Tally

DEFAULT_MODELS = (
    "gpt-5",
    "gpt-5-mini",
    "claude-sonnet-4-6",
    "gemini-2.5-flash",
    "text-embedding-3-small",
    "openai/gpt-oss-120b",
)
NEVER = -1


@dataclass(frozen=True, slots=True)
class MockOptions:
    """What `fastproxy mock` is started with. `keys` empty means that every key is good.

    `latency` and `chunk_delay` are distributions (mock_spread) and win over the plain numbers. `limits` are texts
    KEY=REQUESTS/TOKENS; `chaos` are windows as mock_chaos reads them; limits and the prefix cache are off at 0.
    """

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
    latency: str = ""
    chunk_delay: str = ""
    seed: int | None = None
    script: str | None = None
    chaos: tuple[str, ...] = ()
    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    limits: tuple[str, ...] = ()
    prefix_cache: int = 0


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The same for one exchange. `gap` is the time between two words, `slower` multiplies all times.

    What it says is made from the question, unless it is told here: `text` or so many `tokens`; `thinking` as a text or
    as a number of words; `tools` to call by name, or complete `calls`; a number of `images`; `finish` as in Answer.
    `error_after` so many events, a stream says that it failed.
    """

    latency: Spread = NO_TIME
    gap: Spread = NO_TIME
    slower: float = 1.0
    tokens: int = 16
    status: int = 0
    message: str = "the mock was told to fail"
    retry_after: int = 0
    stall_ms: float = 0.0
    stall_after: int = NEVER
    end_after: int = NEVER
    reset: bool = False
    error_after: int = NEVER
    usage: Tally | None = None
    seed: int | None = None
    own_seed: bool = False
    text: str | None = None
    thinking: int | str = 0
    tools: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    images: int = 0
    finish: str = ""

    @property
    def instant(self) -> bool:
        """True when the whole reply can be written at once."""
        return not (self.latency or self.gap) and self.stall_after == NEVER and self.end_after == NEVER


def from_options(options: MockOptions) -> Behaviour:
    """What every request gets that asks for nothing else; ValueError for a distribution that cannot be read."""
    gap = options.chunk_delay_ms or (1000 / options.tokens_per_second if options.tokens_per_second > 0 else 0.0)
    return Behaviour(
        latency=parse(options.latency) if options.latency else Spread("fixed", options.latency_ms),
        gap=parse(options.chunk_delay) if options.chunk_delay else Spread("fixed", gap),
        tokens=options.tokens,
        seed=options.seed,
    )
