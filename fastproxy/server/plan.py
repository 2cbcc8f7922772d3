"""What the master is told: plain values and functions, so that it needs neither the configuration nor the roles' code.

    MasterPlan ── roles: Role(name, run, count, sockets | listen)      who is to run
               ── listen: Address, ...                                 one socket per worker slot and address
               ── snapshot, reload                                     what goes on the board, and how to get a new one
               ── state_dir, drain_timeout, heartbeat_timeout, pin
               ── argv, environ                                        how to start a successor (USR2)
               ── shelf                                                where to keep what clients come back for

StartError is the root of what can go wrong before the first process is forked; its exit code is part of the contract.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fastproxy.server.seat import Seat

MAX_CAPACITY: Final = 64  # rows.MAX_SLOTS: there is one OWNER row per slot


class ExitCode(IntEnum):
    OK = 0
    UNEXPECTED = 1
    BAD_CONFIG = 2
    CANNOT_LISTEN = 3
    WORKERS_DIE = 4
    STATE_DIR = 5


class StartError(Exception):
    """The master cannot start. `exit_code` is what the process should end with."""

    exit_code = ExitCode.UNEXPECTED


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. `unix` (a path) wins over host and port; port 0 lets the kernel choose one for all slots."""

    host: str = ""
    port: int = 0
    unix: str | None = None

    def __str__(self) -> str:
        if self.unix is not None:
            return f"unix:{self.unix}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Role:
    """A kind of process.

    sockets   it serves the listen addresses of the plan: these are the workers, and at most one role may be so
    listen    addresses of its own, opened by the master, kept through respawn and upgrade: seat.sockets == [[...]]
    restart   replace it when it dies
    leaves_first   after an upgrade it stops at once, not after the workers have drained: its successor does its job
    """

    name: str
    run: Callable[[Seat], None]
    count: int = 1
    sockets: bool = False
    restart: bool = True
    listen: tuple[Address, ...] = ()
    leaves_first: bool = False


@dataclass(frozen=True, slots=True)
class ShelfPlan:
    """`store`: file, memory or off; `region_bytes` for each worker; `key`: 32 bytes that encrypt the file."""

    store: str = "memory"
    region_bytes: int = 8 << 20
    key: bytes = field(default=b"", repr=False)


def _keep_silent(bound: Mapping[str, tuple[str, ...]]) -> None:
    """Nobody asked to be told where we listen."""


@dataclass(frozen=True, slots=True)
class MasterPlan:
    """`reload` returns the new packed snapshot, or raises ConfigError or OSError: then the old one stays.

    `announce` is called once, when all workers are ready, with the bound addresses by role name.
    `environ` is given to a successor, and read for LISTEN_FDS, NOTIFY_SOCKET and WATCHDOG_USEC.
    """

    roles: tuple[Role, ...]
    listen: tuple[Address, ...]
    state_dir: str
    snapshot: bytes
    reload: Callable[[], bytes]
    argv: tuple[str, ...]
    environ: Mapping[str, str]
    drain_timeout: float = 120.0
    heartbeat_timeout: float = 10.0
    upgrade_timeout: float = 30.0
    pin: bool = False
    shelf: ShelfPlan = ShelfPlan()
    announce: Callable[[Mapping[str, tuple[str, ...]]], None] = field(default=_keep_silent)

    @property
    def workers(self) -> int:
        return sum(role.count for role in self.roles if role.sockets)
