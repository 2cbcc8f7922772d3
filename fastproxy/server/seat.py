"""The seat: everything that a forked process gets from the master, and all it may use to talk back.

    role         "worker", "admin", ...
    slot         0 .. for workers; the index within the role for others
    column       its own arena column: it alone writes there (and adds to the counters that it finds)
    sockets      worker: sockets[slot] is the list of listening sockets of a slot, one per listen address in the order
                 of the settings, for *all* slots; other roles: [[one socket per address of Role.listen]] or []
    board        where the snapshot is published; `uses()` tells which generation this process has taken over
    register     where keys and groups are published, one by one
    master_pid   when os.getppid() is something else, the master is dead

Rules of the house, for whoever runs on a seat: call `ready()` when it can serve; call `beat()` at least every 100 ms;
accept on `listeners()` and ask again whenever `topology` changed; at SIGTERM stop accepting, call `close_sockets()` (or
new connections wait for ever in a queue that nobody serves), finish, return; at SIGQUIT return at once. SIGINT, SIGHUP,
SIGUSR1/2, SIGTTIN and SIGTTOU are ignored here and must stay so: a terminal sends them to the whole process group, and
only the master may decide what they mean.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastproxy.shared import rows

if TYPE_CHECKING:
    from socket import socket

    from fastproxy.server.plan import JournalPlan
    from fastproxy.shared.arena import Arena
    from fastproxy.shared.board import Board
    from fastproxy.shared.register import Register
    from fastproxy.shared.shelf import Shelf


@dataclass(frozen=True, slots=True)
class Seat:
    role: str
    slot: int
    column: memoryview[int]
    arena: Arena
    board: Board
    sockets: list[list[socket]]
    master_pid: int
    shelf: Shelf | None = None
    register: Register | None = None  # of keys and groups; None only in tests
    journal: JournalPlan | None = None

    def ready(self) -> None:
        """Tell the master that this process serves from now on."""
        self.beat()
        self.column[rows.STATE] = rows.READY

    def draining(self) -> None:
        self.column[rows.STATE] = rows.DRAINING

    def beat(self) -> None:
        self.column[rows.HEARTBEAT] = int(time.monotonic() * 1000)

    def uses(self, generation: int) -> None:
        """Tell which publication this process works with."""
        self.column[rows.GENERATION] = generation

    def is_orphan(self) -> bool:
        return os.getppid() != self.master_pid

    @property
    def topology(self) -> int:
        """Changes whenever `listeners()` may have changed."""
        return self.arena.column(rows.MASTER_COLUMN)[rows.TOPOLOGY]

    def owned_slots(self) -> list[int]:
        """The slots whose sockets this worker accepts on."""
        owners = self.arena.column(rows.MASTER_COLUMN)
        return [slot for slot in range(len(self.sockets)) if owners[rows.OWNER + slot] == self.slot + 1]

    def listeners(self) -> list[tuple[int, socket]]:
        """What to accept on now, as (index of the listen address, socket), each socket once.

        Unix sockets and sockets from systemd are one object in several slots; they appear for the first one only.
        """
        found: dict[int, tuple[int, socket]] = {}
        for slot in self.owned_slots():
            for index, sock in enumerate(self.sockets[slot]):
                found.setdefault(sock.fileno(), (index, sock))
        return list(found.values())

    def close_sockets(self) -> None:
        """Close this process's copies of all listening sockets; the master's stay open as long as it wants them."""
        for sock in {sock for slot in self.sockets for sock in slot}:
            sock.close()
