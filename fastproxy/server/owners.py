"""Who accepts on which slot's sockets: a pure decision over small integers.

Every listening slot always has an owner while there is a worker to own it, because the kernel sends connections to
every listening socket whether or not somebody accepts there. A slot belongs to its own worker when that one serves;
otherwise it stays where it is as long as that is fair, or goes to the worker that owns the least.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

NOBODY: Final = -1


def assign(current: Sequence[int], serving: Collection[int], silent: Collection[int] = ()) -> list[int]:
    """The new owner (a worker's slot, or NOBODY) of each slot.

    `current`: owners so far. `serving`: slots of the workers that accept. `silent`: slots that do not listen yet.
    With nobody serving the owners stay: their workers are about to come back.
    """
    if not serving:
        return [NOBODY if slot in silent else owner for slot, owner in enumerate(current)]
    owners = [slot if slot in serving and slot not in silent else NOBODY for slot in range(len(current))]
    fair = ceil((len(current) - len(silent)) / len(serving))
    open_slots = [slot for slot in range(len(current)) if owners[slot] == NOBODY and slot not in silent]
    for slot in open_slots:
        before = current[slot]
        if before in serving and owners.count(before) < fair:
            owners[slot] = before
    for slot in open_slots:
        if owners[slot] == NOBODY:
            owners[slot] = min(sorted(serving), key=owners.count)
    return owners
