"""A timer that is right to some microseconds: the loop's own know only milliseconds, which is a whole reply's time.

Linux gives timers as file descriptors, which any loop can watch. Python has them from 3.13 on, so they are called
through ctypes: 1 us each time.
"""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

_NS: Final = 1_000_000_000
_ABSOLUTE: Final = 1
_MONOTONIC: Final = 1
_libc: Final = ctypes.CDLL(None, use_errno=True)


class Timer:
    """Calls back at the time set last. A time in the past calls back in the loop's next turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._descriptor = _libc.timerfd_create(_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._spec = (ctypes.c_long * 4)()  # interval, then time: seconds and nanoseconds
        self._loop = loop
        loop.add_reader(self._descriptor, callback)

    def set(self, at: int) -> None:
        """`at`: nanoseconds of the monotonic clock; 0 is never. Whoever is called back must set it again: that alone
        stops the descriptor from being readable, and costs one system call less than reading it."""
        spec = self._spec
        spec[2], spec[3] = divmod(at, _NS)
        _libc.timerfd_settime(self._descriptor, _ABSOLUTE, spec, None)

    def close(self) -> None:
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
