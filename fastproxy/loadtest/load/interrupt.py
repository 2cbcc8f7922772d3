"""Ctrl-C and TERM as a wish, not an accident: what runs ends early, and what was measured is reported.

Installed for the whole of a run, so that no signal can fall between two lanes or into the writing of a report. Whoever
asks twice means it.
"""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import FrameType


class Interrupt:
    """`asked` becomes True at the first INT or TERM; the second raises KeyboardInterrupt. Outside the main thread, and
    in tests that set it themselves, it is a plain flag."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() returned goes back in
        self._before.clear()

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
