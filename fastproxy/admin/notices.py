"""Where workers look, as the admin process writes it: register, board, and what is saved for the next start.

    entries ──► register      one by one, seen at once
    snapshot ──► board        only when it is another one; else the board is told that something else has changed
    GENERATION cells          a worker writes there what it uses: acknowledgement

One process at a time writes them: it holds the claim. It must never know of databases and settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from fastproxy.publish.entries import groups_first
from fastproxy.shared import rows
from fastproxy.snapshot import pack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastproxy.admin.view import ArenaView
    from fastproxy.shared.board import Board
    from fastproxy.shared.register import Register
    from fastproxy.snapshot import Snapshot

Entries = list[tuple[bytes, bytes | None]]


class Places(Protocol):
    """What is needed of the seat."""

    @property
    def arena(self) -> ArenaView:
        """Everybody's cells."""

    @property
    def board(self) -> Board:
        """For the snapshot."""

    @property
    def register(self) -> Register | None:
        """For keys and groups."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """How far a generation has come: workers that use it (or a later one), of those that are ready."""

    generation: int
    used_by: int
    workers: int
    is_complete: bool


class Notices:
    """Every method that writes raises OSError when there is no room; what was there before is whole then."""

    def __init__(self, places: Places) -> None:
        assert places.register is not None  # only tests of workers go without
        self._register: Register = places.register
        self._board = places.board
        self._arena = places.arena
        self._snapshot = b""

    @property
    def generation(self) -> int:
        return self._board.generation()

    def begin(self) -> None:
        """Take the writing over: 0.3 s for 100,000 entries."""
        self._register.apply(())
        self._snapshot = self._board.read()[1]

    def put(
        self, entries: Mapping[bytes, bytes | None], snapshot: Snapshot | None = None, *, is_reload: bool = False
    ) -> int:
        """Publish a few changes, at once. Returns the generation. `is_reload`: see `show`."""
        self.write(groups_first(entries.items()))
        return self.show(snapshot, is_reload=is_reload)

    def show(self, snapshot: Snapshot | None, *, is_reload: bool = False) -> int:
        """A new generation, with this snapshot; None, or the same one: that on the board stays, unless workers are to
        look at everything again, because files that it names may have changed (certificates)."""
        packed = pack(snapshot) if snapshot is not None else self._snapshot
        if packed == self._snapshot and not is_reload:
            return self._board.touch()
        generation = self._board.publish(packed)
        self._snapshot = packed
        return generation

    def is_shown(self, snapshot: Snapshot) -> bool:
        """It is what stands on the board."""
        return pack(snapshot) == self._snapshot

    def compare(self, wanted: Mapping[bytes, bytes]) -> tuple[Entries, Entries]:
        """What is missing, and what is there and should not be: 0.5 s for 100,000."""
        return self.missing(wanted), [(name, None) for name, _ in self._register.items() if name not in wanted]

    def missing(self, wanted: Mapping[bytes, bytes]) -> Entries:
        """Entries that are not as wanted, or not there."""
        get = self._register.get
        return groups_first((name, data) for name, data in wanted.items() if get(name) != data)

    def write(self, entries: Entries) -> None:
        """Entries only, without a new generation."""
        self._register.apply(entries)

    def sync(self) -> None:
        """Have the disk keep the register."""
        self._register.sync()

    def acknowledged(self, generation: int) -> Acknowledged:
        """Look into the cells of all workers."""
        columns = (self._arena.column(rows.WORKER_COLUMN + slot) for slot in range(_slots(self._arena)))
        used = [column[rows.GENERATION] for column in columns if column[rows.STATE] == rows.READY]
        count = sum(one >= generation for one in used)
        return Acknowledged(generation, count, len(used), is_complete=count == len(used))


def _slots(arena: ArenaView) -> int:
    """How many slots there are: each has an owner. Columns behind them belong to other roles."""
    owners = arena.column(rows.MASTER_COLUMN)[rows.OWNER : rows.OWNER + rows.MAX_SLOTS].tolist()
    return max((slot + 1 for slot, owner in enumerate(owners) if owner), default=0)
