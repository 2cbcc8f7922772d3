"""Running a scenario on a real uvloop: time-limited, and nothing that the loop complains of goes unseen."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


def run(scenario: Callable[[], Coroutine[Any, Any, None]], within: float = 8.0) -> None:
    problems: list[dict[str, Any]] = []

    async def guarded() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
        async with asyncio.timeout(within):
            await scenario()

    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(guarded())
    except BaseException as error:
        # uvloop never returns from close() while a transport has unsent bytes, and what a failed scenario has left open
        # would be reported as a leak of whichever test is running when it is collected.
        _left_open.append((loop, error))
        raise
    loop.close()
    assert problems == []


_left_open: list[tuple[asyncio.AbstractEventLoop, BaseException]] = []


async def until(condition: Callable[[], object], within: float = 5.0) -> None:
    """Give the loop turns until the condition holds."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110  # what is waited for knows nothing of this test
            await asyncio.sleep(0.001)
