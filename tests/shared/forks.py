"""A child of the test: whatever becomes of it, it must not go on as a second pytest."""

from __future__ import annotations

import os
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def in_child(work: Callable[[], bool]) -> int:
    """Fork; the child ends with 0 when `work` says True, with 1 when it says False or raises."""
    child = os.fork()
    if child == 0:
        good = False
        try:
            good = work()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0 if good else 1)
    return child


def ended(child: int) -> int:
    """Its exit code, or the signal that ended it as a negative number."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
