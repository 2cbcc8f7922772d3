"""The master as publisher: once before it forks, and at every reload if there is no admin process to do it.

The register in the state directory may be in use by another master's processes (an upgrade): only the holder of the
claim writes there. The new master publishes a snapshot that brings the keys itself; its admin process takes over when
the other one has ended.
"""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Final

from fastproxy.publish.claim import Claim
from fastproxy.publish.entries import differences, groups_first
from fastproxy.shared.register import Register

if TYPE_CHECKING:
    from fastproxy.server.plan import MasterPlan, Publication
    from fastproxy.shared.board import Board

NAME: Final = "register"
ORPHANS_LEAVE_S: Final = 3.0  # an admin process whose master was killed notices it within a second

_log = logging.getLogger("fastproxy")


def open_register(plan: MasterPlan) -> Register:
    """As the plan says; in memory where the state directory cannot hold one."""
    fingerprint = plan.register.fingerprint
    if fingerprint is None:
        return Register.in_memory()
    path = os.path.join(plan.state_dir, NAME)
    try:
        register, is_anew = Register.open(path, fingerprint)
    except OSError as error:
        why = error.strerror.lower() if error.strerror else str(error)
        _log.error("keys and groups of the database will not be known after a restart: %s: %s", path, why)
        return Register.in_memory()
    if is_anew:
        _log.warning("%s begins anew: keys and groups of the database are served once it has been read", path)
    return register


def publish_first(plan: MasterPlan, register: Register, board: Board, *, is_only_master: bool) -> None:
    """Before the first process is forked."""
    first = plan.first
    if plan.register.fingerprint is None:
        publish_all(first, register, board)
        return
    if not is_only_master:  # and if this upgrade fails, nothing may have changed
        board.publish(first.carrying or first.snapshot)
        return
    try:
        claim = _claim(plan.state_dir, ORPHANS_LEAVE_S)
        if claim is not None:
            try:
                _put(first, register)
            finally:
                claim.release()
    except OSError as error:
        _log.error("the register cannot be written: %s", error)
        claim = None
    board.publish(first.snapshot if claim is not None else first.carrying or first.snapshot)


def publish_all(publication: Publication, register: Register, board: Board) -> int:
    """Everything that the register holds is the publication's. Returns the generation. Raises OSError: disk full."""
    register.apply(groups_first(differences(publication.entries, dict(register.items()))))
    return board.publish(publication.snapshot)


def _put(publication: Publication, register: Register) -> None:
    """Nothing is ever there that `keep` has not written down, so that the next start can take it away."""
    gone = [(name, None) for name in publication.gone if register.get(name) is not None]
    if gone:
        register.apply(gone)
    publication.keep()
    fresh = [(name, data) for name, data in publication.entries.items() if register.get(name) != data]
    if fresh:  # to begin to write means to read all of it, 0.3 s for 100,000 keys
        register.apply(groups_first(fresh))


def _claim(state_dir: str, patience: float) -> Claim | None:
    deadline = time.monotonic() + patience
    while True:
        claim = Claim.take(state_dir)
        if claim is not None or time.monotonic() >= deadline:
            return claim
        time.sleep(0.02)
