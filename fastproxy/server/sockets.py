"""Listening sockets: opened once by the master, before any fork, and kept for life.

    workers    slots[slot][address]   TCP: one SO_REUSEPORT socket per slot and address; Unix: one shared by all slots
    others     own[role name][address]

A socket comes from one of three places, in this order: a predecessor (USR2), the service manager (LISTEN_FDS), or
bind(). The kernel spreads connections over all sockets of an address that listen, so none may be closed, or listen
without somebody who accepts on it: an upgrade binds its additional sockets, but lets them listen only when its workers
are ready (`silent` slots). It must never know who accepts; owners.py does.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fastproxy.server.binding import BACKLOG, CannotListen, bound_address, open_tcp, open_unix
from fastproxy.server.plan import MAX_CAPACITY, Address

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from fastproxy.server.inherited import Inherited
    from fastproxy.server.plan import MasterPlan

MIN_CAPACITY: Final = 4


@dataclass(slots=True)
class Listeners:
    slots: list[list[socket.socket]]
    own: dict[str, list[socket.socket]] = field(default_factory=dict)
    silent: set[int] = field(default_factory=set)  # slots with a socket that does not listen yet
    unix_paths: list[str] = field(default_factory=list)  # to remove at the end, if nobody follows

    def all(self) -> Iterator[socket.socket]:
        """Every socket once."""
        seen: set[int] = set()
        for group in (*self.slots, *self.own.values()):
            for sock in group:
                if sock.fileno() not in seen:
                    seen.add(sock.fileno())
                    yield sock

    def listen_on_all(self) -> None:
        for slot in self.silent:
            for sock in self.slots[slot]:
                sock.listen(BACKLOG)
        self.silent.clear()

    def close(self, *, unlink: bool) -> None:
        """Close our copies; `unlink` also removes the paths of Unix sockets, which a successor would need."""
        for sock in list(self.all()):
            sock.close()
        self.slots.clear()
        self.own.clear()
        for path in self.unix_paths if unlink else ():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def bound(self, worker_role: str) -> dict[str, tuple[str, ...]]:
        """Where each role can be reached, in words."""
        found = {name: tuple(map(bound_address, group)) for name, group in self.own.items()}
        if self.slots:
            found[worker_role] = tuple(map(bound_address, self.slots[0]))
        return found


def capacity(workers: int, inherited_slots: int = 0) -> int:
    """How many slots to open: room for as many workers again, and never fewer than we inherit."""
    return min(max(2 * workers, MIN_CAPACITY, inherited_slots), MAX_CAPACITY)


def open_listeners(plan: MasterPlan, inherited: Inherited, patience: float = 0.0) -> Listeners:
    """Open everything the plan asks for. Raises CannotListen.

    `patience`: seconds to wait for a busy port, when the workers of a killed master may be about to leave it.
    """
    count = capacity(plan.workers, inherited.slots) if plan.workers else 0
    listeners = Listeners([[] for _ in range(count)], unix_paths=list(inherited.unix_paths))
    deadline = time.monotonic() + patience
    try:
        for address in plan.listen if count else ():
            _open_for_slots(listeners, address, inherited, deadline)
        for role in plan.roles:
            for address in role.listen:
                sock = inherited.take(role.name, 0, address) or _open_one(listeners, address, deadline)
                listeners.own.setdefault(role.name, []).append(sock)
    except CannotListen:
        listeners.close(unlink=not inherited.from_master)
        raise
    inherited.close_rest()
    return listeners


def _open_for_slots(listeners: Listeners, address: Address, inherited: Inherited, deadline: float) -> None:
    """One socket of this address for each slot."""
    if address.unix is not None:
        shared = inherited.take("", 0, address) or _open_one(listeners, address, deadline)
        for group in listeners.slots:
            group.append(shared)
        return
    port: int | None = None
    for slot, group in enumerate(listeners.slots):
        sock = inherited.take("", slot, address)
        if sock is None:
            sock = open_tcp(address, port, deadline if port is None else None)
            if inherited.from_master:
                listeners.silent.add(slot)
            else:
                sock.listen(BACKLOG)
        port = sock.getsockname()[1]
        group.append(sock)


def _open_one(listeners: Listeners, address: Address, deadline: float) -> socket.socket:
    if address.unix is None:
        sock = open_tcp(address, None, deadline)
    else:
        sock = open_unix(address)
        listeners.unix_paths.append(address.unix)
    sock.listen(BACKLOG)
    return sock
