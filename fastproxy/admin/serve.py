"""The admin process as a role: what the master forks, without knowing what is in it.

The master binds the admin address before it forks, so that a taken port ends the start with its own exit code, and so
that a new admin process goes on where a dead one stopped. This file stays light: everything heavy is imported inside
the role.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from fastproxy.admin.notices import Places
from fastproxy.admin.view import Node
from fastproxy.shared import rows

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from fastproxy.config import Settings
    from fastproxy.publish.saved import Saved
    from fastproxy.shared.master_key import MasterKey


class Seat(Places, Protocol):
    """What the role needs of the seat that the master gives to a forked process."""

    @property
    def column(self) -> memoryview:
        """The cells that this process owns."""

    @property
    def sockets(self) -> list[list[socket.socket]]:
        """The bound sockets of the admin address, one list for the one slot."""

    @property
    def master_pid(self) -> int:
        """The process whose end is ours."""


@dataclass(frozen=True, slots=True)
class Control:
    """What the control plane starts from: the same values that the master published from.

    `mock`: socket of the built-in mock provider, or "". `read_settings` reads file, environment and flags anew,
    with all checks of a reload; it raises ConfigError or OSError, and then the old settings stay. `saved`: what the
    master published, with what an earlier run knew of the database. `watch`: the file whose changes are to be followed.
    """

    settings: Settings
    master_key: MasterKey
    read_settings: Callable[[], Settings]
    mock: str = ""
    saved: Saved | None = None
    watch: str = ""


@dataclass(frozen=True, slots=True)
class AdminOptions:
    """`key`: FASTPROXY_ADMIN_KEY, None when unset. `bound`: host of the admin address; "" for a Unix socket."""

    key: str | None
    bound: str
    heartbeat_timeout_s: float = 10.0  # after this long without a heartbeat a worker does not count as serving
    control: Control | None = None  # None: health, status and metrics only; no database is opened


def admin_role(options: AdminOptions) -> Callable[[Seat], None]:
    """Return the function that the master runs in the admin process; it returns when the process shall end."""

    def run(seat: Seat) -> None:
        # Until the loop runs (imports take most of a second), being told to stop simply ends the process, with code 0.
        # At once: an exception in the middle of an import comes out of an extension module as another one.
        for number in (signal.SIGTERM, signal.SIGQUIT):
            signal.signal(number, lambda *_: os._exit(0))
        column = seat.column
        column[rows.STATE] = rows.STARTING
        column[rows.PID] = os.getpid()
        column[rows.STARTED] = int(time.time() * 1000)
        column[rows.HEARTBEAT] = int(time.monotonic() * 1000)

        from fastproxy.admin import runner
        from fastproxy.admin.access import Access
        from fastproxy.admin.app import create_app

        plane = None
        if options.control is not None:
            from fastproxy.admin.plane import Plane

            plane = Plane(seat, options.control)
        node = Node(seat.arena, options.heartbeat_timeout_s)
        app = create_app(node, Access(options.key, options.bound), plane=plane)
        listeners = [listener for slot in seat.sockets for listener in slot]
        runner.run(runner.Work(app, listeners, plane), column, seat.master_pid)

    return run
