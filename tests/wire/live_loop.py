"""Running a scenario on a real uvloop: time-limited, and nothing that the loop complains of goes unseen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop


def run(scenario: Callable[[], Coroutine[Any, Any, None]], within: float = 8.0) -> None:
    problems: list[dict[str, Any]] = []

    async def guarded() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
        async with asyncio.timeout(within):
            await scenario()

    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(guarded())
    except BaseException:
        _left_open.append(loop)  # uvloop never returns from close() while a transport with unsent bytes is open
        raise
    loop.close()
    assert problems == []


_left_open: list[asyncio.AbstractEventLoop] = []


async def until(condition: Callable[[], object], within: float = 5.0) -> None:
    """Give the loop turns until the condition holds."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.001)
