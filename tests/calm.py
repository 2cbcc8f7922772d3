"""Tests whose subject is real time: what they assert holds unless the machine itself stands still meanwhile.

`@pytest.mark.real_time` gives such a test another try, if it failed while a thread that sleeps for 5 ms slept for more
than STALL_S. A machine that ran all the time excuses nothing, and three tries are all there are.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable

STALL_S: Final = 0.03
TRIES: Final = 3
_NAP_S: Final = 0.005


class Stalls:
    """The longest time, in seconds, for which this process did not get to run while it was watched."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watcher.join()

    def _watch(self) -> None:
        last = time.monotonic()
        while not self._over.wait(_NAP_S):
            now = time.monotonic()
            self.longest = max(self.longest, now - last - _NAP_S)
            last = now


def calmly(test: Callable[[], None], watch: Callable[[], Stalls] = Stalls) -> None:
    """Run the test; again, if it failed while the machine stood still."""
    for attempt in range(1, TRIES + 1):
        with watch() as stalls:
            try:
                test()
            except AssertionError:
                if attempt == TRIES or stalls.longest < STALL_S:
                    raise
            else:
                return
