"""Many cases in little time: several gateways, each with an upstream of its own, take the next case when they are free.

Within a lane one case runs after the other, so that every byte upstream belongs to the case under way.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING, TypeVar

from bench.serving import Serving
from tests.live.conformance.upstream import Upstream
from tests.live.conformance.verdict import Lane

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from tests.live.conformance.corpus import Case, ReplyCase
    from tests.live.conformance.verdict import Verdict

LANES = 8
# Short, because the slow cases wait for each of them; all below the client's patience.
LIMITS = """\
limits: {header_timeout: 1s, body_idle_timeout: 1s, idle_timeout: 1s, first_byte_timeout: 2s, stream_idle_timeout: 1s,
         drain_timeout: 1s}
"""
ROUTE = """\
passthrough: "off"
channels: [{{name: up, provider: openai, keys: [sk-upstream], base_url: "http://127.0.0.1:{port}/v1"}}]
keys: [{{name: client, key: sk-client, models: ["*"]}}]
routes:
  - match: {{path: /route}}
    upstream: ["http://127.0.0.1:{port}"]
"""
Given = TypeVar("Given")


def run_all(
    folder: Path,
    setup: str,
    cases: Sequence[Case],
    grade: Callable[[Lane, Case], Awaitable[Verdict]],
    replies: Sequence[ReplyCase],
) -> list[Verdict]:
    """Grade all cases against gateways that are `setup`: "upstream" (everything goes there) or "route" (a prefix)."""

    async def run() -> list[Verdict]:
        known = {case.id: case for case in replies}
        async with AsyncExitStack() as stack:
            upstreams = [await stack.enter_async_context(Upstream(known)) for _ in range(LANES)]
            gateways = [_gateway(folder / str(place), setup, up.port) for place, up in enumerate(upstreams)]
            with ExitStack() as running:
                for gateway in gateways:
                    gateway.start()
                    running.push(gateway.__exit__)
                for gateway in gateways:
                    gateway.wait()
                prefix = "/route" if setup == "route" else ""
                lanes = [Lane(gateway.port, up, prefix) for gateway, up in zip(gateways, upstreams, strict=True)]
                return await take_turns(lanes, cases, grade)

    return asyncio.run(run())


def _gateway(folder: Path, setup: str, port: int) -> Serving:
    if setup == "route":
        return Serving(folder, "--workers", "1", config=LIMITS + ROUTE.format(port=port))
    return Serving(folder, "--workers", "1", "--upstream", f"http://127.0.0.1:{port}", config=LIMITS)


async def take_turns(
    lanes: Sequence[Lane], cases: Sequence[Given], grade: Callable[[Lane, Given], Awaitable[Verdict]]
) -> list[Verdict]:
    """Slow cases first: they wait most, and the others fill the time."""
    waiting = sorted(cases, key=lambda case: not getattr(case, "slow", False))
    verdicts: list[Verdict] = []

    async def serve(lane: Lane) -> None:
        while waiting:
            verdicts.append(await grade(lane, waiting.pop(0)))

    async with asyncio.TaskGroup() as group:
        for lane in lanes:
            group.create_task(serve(lane))
    return verdicts
