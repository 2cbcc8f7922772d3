"""The first lines of the program: what must happen before half a second of imports, and what need not wait for them.

    process 1      the kernel drops signals that process 1 has no handler for, so a TERM that comes while a container
                   starts would be lost, and the container killed at the end of its grace; here one is installed first
    health         asked every few seconds beside a gateway that is busy: it goes without those imports
    anything else  fastproxy.__main__, which is named below and not imported: this module stands under all of it

The console script and `python -m fastproxy` both begin here.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


def main() -> int:
    """Run the command line of this process; the return value is the exit code."""
    arguments = sys.argv[1:]
    if os.getpid() == 1:
        _leave_when_told(0 if arguments[:1] == ["serve"] else None)
    if arguments[:1] == ["health"]:
        from fastproxy import health

        return health.main(arguments[1:], os.environ)
    try:
        run: Callable[[], int] = importlib.import_module("fastproxy.__main__").main
        return run()
    except KeyboardInterrupt:
        return 130


def _leave_when_told(code: int | None) -> None:
    """End at once on TERM and QUIT, with this exit code or as a shell reports the signal; `serve` replaces it later.

    For process 1 only: of any other the kernel ends the process by itself, and says so to whoever waits. A gateway that
    was stopped while it started was stopped as asked (0); of `db backup` nobody must think that it has finished.
    INT needs nothing: the interpreter has a handler for it from its start.
    """

    def leave(number: int, _: FrameType | None) -> None:
        # not sys.exit(): an exception in the midst of imports may be caught there, and there is nothing to clean up
        os._exit(128 + number if code is None else code)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGQUIT, leave)
