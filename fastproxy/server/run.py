"""Open everything a master needs, let it run, and clean up behind it: what __main__ calls.

Order matters: first the claim on the state directory (so that two masters never fight over ports), then the sockets,
then shared memory, last the processes. An upgraded master claims later, when its predecessor says go.
"""

from __future__ import annotations

import gc
import logging
import os
import re
import sys
import time
from typing import TYPE_CHECKING, Final

from fastproxy.providers.models import known
from fastproxy.server.children import Children, Place
from fastproxy.server.crew import Crew
from fastproxy.server.handover import Handover
from fastproxy.server.identity import claim_identity
from fastproxy.server.inherited import inherit
from fastproxy.server.master import Master, Tools
from fastproxy.server.notify import Notifier
from fastproxy.server.pidfile import PidFile, StateDirTrouble
from fastproxy.server.publishing import open_register, publish_first
from fastproxy.server.shelves import open_shelf
from fastproxy.server.signals import SignalQueue
from fastproxy.server.sockets import open_listeners
from fastproxy.server.spawn import Nursery, Shared
from fastproxy.server.upgrade import Predecessor
from fastproxy.shared import rows
from fastproxy.shared.arena import Arena
from fastproxy.shared.board import Board
from fastproxy.shared.journal import restore

if TYPE_CHECKING:
    from fastproxy.server.plan import ExitCode, MasterPlan
    from fastproxy.server.sockets import Listeners

# Orphans of a killed master notice it within a tick and let go of the port; give them time before calling it taken.
ORPHANS_LEAVE_S: Final = 2.0

_log = logging.getLogger("fastproxy")
_ARENA: Final = re.compile(r"arena\.\d+")


def run_master(plan: MasterPlan) -> ExitCode:
    """Be the master until the end. Only in the main thread, before any other thread is started.

    Raises StartError (CannotListen: exit code 3, StateDirTrouble: 5) when nothing could be started; its `exit_code` and
    text are for the user.
    """
    _log_to_stderr()
    inherited = inherit(plan, os.getpid())
    predecessor = None if inherited.link is None else Predecessor(inherited.link)
    pid_file = PidFile.take(plan.state_dir) if predecessor is None else PidFile.prepare(plan.state_dir)
    try:
        claim_identity(plan.state_dir, plan.node)
        listeners = open_listeners(plan, inherited, ORPHANS_LEAVE_S if pid_file.was_stale else 0.0)
        arena = _open_arena(plan, listeners, is_only_master=predecessor is None)
        try:
            return _serve(plan, listeners, arena, Handover(pid_file, predecessor, Notifier(plan.environ, os.getpid())))
        finally:
            arena.unlink()
    finally:
        pid_file.release()


def _serve(plan: MasterPlan, listeners: Listeners, arena: Arena, handover: Handover) -> ExitCode:
    signals = SignalQueue()
    board = Board(arena.column(rows.MASTER_COLUMN))
    register = open_register(plan)
    publish_first(plan, register, board, is_only_master=handover.predecessor is None)
    shelf = open_shelf(plan, is_only_master=handover.predecessor is None)
    _restore(plan)
    children = Children(arena, _places(plan, len(listeners.slots), arena))
    shared = Shared(board, register, shelf, plan.journal)
    crew = Crew(plan, Nursery(children, listeners, shared, signals, plan.pin), time.monotonic())
    master = Master(Tools(plan, crew, listeners, shared, signals, handover.notifier, handover))
    known("")  # reads the table of models, 2 MB and 10 ms, once for all workers
    # what exists now is shared with all children: keep the collector from touching (and so copying) it in each of them
    gc.collect()
    gc.freeze()
    try:
        return master.run()
    finally:
        master.close_sockets()
        signals.let_go()
        board.close()
        register.close()


def _restore(plan: MasterPlan) -> None:
    """After a power cut the journals go on from what was on the disk; whoever claims one afterwards says what is wrong
    with it."""
    if plan.journal is None:
        return
    try:
        count = restore(plan.journal.directory)
    except OSError as error:
        _log.error("journals cannot be looked at: %s", error)
        return
    if count:
        _log.warning("%d journals were put back as they were on the disk: the machine was started anew", count)


def _places(plan: MasterPlan, slots: int, arena: Arena) -> list[Place]:
    """One place per worker slot (the spare ones too), then the other roles, those without a fixed column last."""
    places = []
    extra = rows.WORKER_COLUMN + slots
    for role in plan.roles:
        for slot in range(slots if role.sockets else role.count):
            index = rows.WORKER_COLUMN + slot if role.sockets else extra
            if role.name == "admin" and slot == 0:
                index = rows.ADMIN_COLUMN
            elif not role.sockets:
                extra += 1
            places.append(Place(role, slot, index, arena.column(index)))
    return places


def _open_arena(plan: MasterPlan, listeners: Listeners, *, is_only_master: bool) -> Arena:
    """A fresh arena; those that killed masters left behind go (orphans that still map them do not mind)."""
    others = sum(role.count for role in plan.roles if not role.sockets)
    path = os.path.join(plan.state_dir, f"arena.{os.getpid()}")
    try:
        for name in os.listdir(plan.state_dir) if is_only_master else ():
            if _ARENA.fullmatch(name):
                os.unlink(os.path.join(plan.state_dir, name))
        arena = Arena.create(path, rows.WORKER_COLUMN + len(listeners.slots) + others)
    except OSError as error:
        listeners.close(unlink=is_only_master)
        raise StateDirTrouble(f"state directory {plan.state_dir}: {error}") from error
    column = arena.column(rows.MASTER_COLUMN)
    column[rows.PID] = os.getpid()
    column[rows.STARTED] = int(time.time() * 1000)
    column[rows.HEARTBEAT] = int(time.monotonic() * 1000)
    return arena


def _log_to_stderr() -> None:
    """One line per event, unless whoever started us has set up logging already."""
    logger = logging.getLogger("fastproxy")
    if logger.hasHandlers():
        return
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(lines)
    logger.setLevel(logging.INFO)
