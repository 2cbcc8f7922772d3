"""What the master is told: plain values and functions, so that it needs neither the configuration nor the roles' code.

    MasterPlan ── roles: Role(name, run, count, sockets | listen)      who is to run
               ── listen: Address, ...                                 one socket per worker slot and address
               ── first, reload                                        what is published, and how to get a new one
               ── publisher, register                                  who publishes later; where keys and groups stand
               ── state_dir, node, drain_timeout, heartbeat_timeout, pin
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


def _keep_nothing() -> None:
    """There is nothing to write down."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What workers get: `snapshot`, packed, and `entries` of the register, out of which `gone` goes.

    `carrying`: a snapshot that brings the entries itself, for a master that must not write the register yet; b"" is the
    same one. `keep` is called between the two, when what goes is gone and what comes is not there: to write down what
    there will be. It raises nothing.
    """

    snapshot: bytes = field(repr=False)
    entries: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)
    gone: tuple[bytes, ...] = field(default=(), repr=False)
    carrying: bytes = field(default=b"", repr=False)
    keep: Callable[[], None] = _keep_nothing


@dataclass(frozen=True, slots=True)
class RegisterPlan:
    """`fingerprint`: 16 bytes that the register in the state directory is opened with; None: one in memory."""

    fingerprint: bytes | None = None


@dataclass(frozen=True, slots=True)
class JournalPlan:
    """Where workers write their records down for the admin process: rings of `size` bytes, and `spill` bytes for each
    worker beside them."""

    directory: str
    size: int = 16 << 20
    spill: int = 4 << 30


def _keep_silent(bound: Mapping[str, tuple[str, ...]]) -> None:
    """Nobody asked to be told where we listen."""


@dataclass(frozen=True, slots=True)
class MasterPlan:
    """`reload` returns what is to be published now, or raises ConfigError or OSError: then the old one stays.

    `publisher` names the role whose process publishes once it runs, and is asked to reload; "": the master itself.
    `watch` is the file whose change is as good as a HUP; "": none, or the publisher looks itself.
    `announce` is called once, when all workers are ready, with the bound addresses by role name.
    `environ` is given to a successor, and read for LISTEN_FDS, NOTIFY_SOCKET and WATCHDOG_USEC.
    """

    roles: tuple[Role, ...]
    listen: tuple[Address, ...]
    state_dir: str
    first: Publication
    reload: Callable[[], Publication]
    argv: tuple[str, ...]
    environ: Mapping[str, str]
    drain_timeout: float = 120.0
    heartbeat_timeout: float = 10.0
    upgrade_timeout: float = 30.0
    pin: bool = False
    shelf: ShelfPlan = ShelfPlan()
    register: RegisterPlan = RegisterPlan()
    journal: JournalPlan | None = None  # None: nobody would read it
    publisher: str = ""
    watch: str = ""
    node: str | None = None
    announce: Callable[[Mapping[str, tuple[str, ...]]], None] = field(default=_keep_silent)

    @property
    def workers(self) -> int:
        return sum(role.count for role in self.roles if role.sockets)
