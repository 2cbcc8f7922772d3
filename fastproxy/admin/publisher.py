"""The publisher: follows the database and the settings, and puts what changed where the workers look.

    WAITING ── the claim on the state directory ──► FOLLOWING: at a poke, and ten times a second
      (an older admin process still holds it)          a HUP was counted, or the file has changed ──► read the settings
                                                       poked, or half a second is over ──► ask the database

It begins with what the master published: its settings, and of the database what an earlier run has saved. The first
time that the database can be read everything is loaded and compared with what the register holds; from then on changes
come one by one, by revision. A database that is away, or is another one than before, changes nothing for the workers:
the last known stays, the state says so, and it is asked again, less and less often.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from fastproxy.admin.notices import Acknowledged, Entries, Notices, Places
from fastproxy.admin.store.errors import StoreError
from fastproxy.admin.tenants.refusals import Refusal
from fastproxy.errors import ConfigError
from fastproxy.publish.claim import Claim
from fastproxy.publish.compose import compose
from fastproxy.publish.declared import Declared, declare
from fastproxy.publish.saved import Saved, SavedFile
from fastproxy.publish.standing import Standing
from fastproxy.publish.watched import Watched
from fastproxy.shared import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fastproxy.admin.serve import Control
    from fastproxy.config import Settings
    from fastproxy.publish.standing import Step
    from fastproxy.publish.stored import Changes, Stored
    from fastproxy.snapshot import Snapshot

LOOK_S: Final = 0.1
POLL_S: Final = 0.5
WATCH_S: Final = 1.0
KEEP_S: Final = 1.0  # after a change, so that many of them are saved once
FEW: Final = 200  # entries that are written at once, 50 us each
BATCH: Final = 2000
LONGEST_BACK_OFF_S: Final = 5.0
SWITCH_S: Final = 2.0  # how long workers may take to switch to another secret
ACKNOWLEDGED_S: Final = 0.005  # between looks at the workers' cells
AWAY: Final = (StoreError, SQLAlchemyError, OSError, Refusal)

_log = logging.getLogger("fastproxy")


class Seat(Places, Protocol):
    """What is needed of the process's seat."""

    @property
    def column(self) -> memoryview:
        """The cells that this process owns."""


class Source(Protocol):
    """The database, as the publisher sees it. Both raise one of AWAY while it cannot be read."""

    async def load(self) -> Stored:
        """Everything, read in one transaction."""

    async def changes_since(self, revision: int) -> Changes | None:
        """What changed after `revision`; Changes with the same revision when nothing did.

        None: everything must be loaded (the history does not go back that far, it is a later revision than the
        database's own, or there are too many changes).
        """


@dataclass(slots=True)
class PublisherState:
    """For health and metrics. `error`: why the database is not followed at the moment; "" when it is, or has not been
    asked yet. `left_out`: what of the database cannot be used, and why."""

    revision: int = 0  # of the database, as the workers have it
    generation: int = 0
    is_database_ok: bool = False
    is_from_saved: bool = True  # what is served of the database is from an earlier run
    error: str = ""
    left_out: tuple[str, ...] = ()


class AnotherDatabase(Exception):
    """What is there now is not what was there before."""


class Publisher:
    """`adopt` is called with the new Settings after every reload that was taken."""

    def __init__(self, seat: Seat, control: Control, source: Source, adopt: Callable[[Settings], None]) -> None:
        assert control.saved is not None  # the master has published something
        self.state = PublisherState()
        self._control = control
        self._source = source
        self._adopt = adopt
        self._notices = Notices(seat)
        self._column = seat.column
        self._questions = seat.arena.column(rows.MASTER_COLUMN)
        self._file = SavedFile(control.settings.state_dir, control.master_key)
        self._saved: Saved = control.saved
        self._settings = control.settings
        self._standing = Standing(self._saved.declared, self._saved.stored, may_have_keys=self._saved.has_keys)
        self._watched = Watched(control.watch)
        self._claim: Claim | None = None
        self._poked = asyncio.Event()
        self._begun = asyncio.Event()
        self._published = asyncio.Condition()
        self._turns = asyncio.Lock()  # of whoever writes
        self._needs_load = True
        self._ask_at = self._watch_at = 0.0
        self._back_off = 0.0
        self._keep_at: float | None = None
        self._is_unsaved = True

    # --- what others call ------------------------------------------------------------------------------------------

    def poke(self) -> None:
        """The database has just been changed: look now. From the loop's own thread."""
        self._ask_at = 0.0
        self._poked.set()

    async def effective(self, revision: int, timeout_s: float = 2.0) -> Acknowledged:
        """Wait until every ready worker uses this revision (or a later one), at most `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._published:
                await self._published.wait_for(lambda: self._has(revision))
        found = await self._used(self.state.generation, deadline)
        if not self._has(revision):
            return Acknowledged(found.generation, 0, found.workers, is_complete=False)
        return found

    def _has(self, revision: int) -> bool:
        """Revisions of what was saved may be another database's."""
        return self.state.revision >= revision and not self.state.is_from_saved

    async def reload(self) -> int:
        """Read the settings anew and publish; the generation. Raises: ConfigError, OSError; then the old ones stay."""
        await self._begun.wait()
        async with self._turns:
            return await self._reload()

    async def run(self) -> None:
        """Until cancelled; it may be run again."""
        try:
            await self._begin()
            while True:
                await self._turn()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._poked.wait()
                self._poked.clear()
        finally:
            if self._keep_at is not None:
                self._keep()

    def close(self) -> None:
        """Let another one publish. The end of the process does the same."""
        if self._claim is not None:
            self._claim.release()

    # --- the beginning ---------------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        if self._begun.is_set():
            return
        while self._claim is None:
            self._claim = Claim.take(self._control.settings.state_dir)
            if self._claim is None:
                await asyncio.sleep(LOOK_S)
        async with self._turns:
            await asyncio.to_thread(self._take_over)
        await self._tell(self._standing.stored.revision if self._standing.stored is not None else 0)
        self._begun.set()
        if self._column[rows.RELOADS]:  # we follow one that died: the settings that we were born with are old
            await self._answer(self._question())

    def _take_over(self) -> None:
        """Go on where the last one stopped: our own predecessor, or an older master's."""
        self._notices.begin()
        last = self._file.read()
        gone: dict[bytes, bytes | None] = {}
        if last is not None and last.boot == self._saved.boot:
            self._saved = last
            self._standing = Standing(last.declared, last.stored, may_have_keys=last.has_keys)
        elif last is not None:  # an older master's processes have used it until now
            gone = dict.fromkeys(Standing(last.declared, last.stored).own_entries)
        self._notices.write([(name, None) for name in gone if name not in self._standing.own_entries])
        self._keep()
        fresh, snapshot = self._notices.missing(self._standing.own_entries), self._snapshot()
        if fresh or not self._notices.is_shown(snapshot):
            self._notices.put(dict(fresh), snapshot)

    def _snapshot(self) -> Snapshot:
        """What belongs on the board now."""
        snapshot, left_out = self._standing.snapshot()
        if left_out != self.state.left_out:
            for text in left_out:
                _log.error("left out: %s", text)
        self.state.left_out = left_out
        return snapshot

    # --- every turn ------------------------------------------------------------------------------------------------

    async def _turn(self) -> None:
        asked, now = self._question(), time.monotonic()
        if asked > self._column[rows.RELOAD_TAKEN]:
            await self._answer(asked)
        if self._control.watch and now >= self._watch_at:
            self._watch_at = now + WATCH_S
            if self._watched.look():
                _log.info("%s has changed", self._control.watch)
                await self._answer(asked)
        if now >= self._ask_at:
            self._ask_at = now + max(POLL_S, self._back_off)
            await self._follow()
        if self._keep_at is not None and now >= self._keep_at:
            await asyncio.to_thread(self._keep)

    def _question(self) -> int:
        return int(self._questions[rows.RELOAD_ASKED])

    async def _answer(self, asked: int) -> None:
        try:
            async with self._turns:
                generation = await self._reload()
        except (ConfigError, OSError) as error:
            _log.error("reload refused, the old configuration stays: %s", error)
        else:
            _log.info("configuration reloaded, generation %d", generation)
        finally:
            self._column[rows.RELOAD_TAKEN] = max(asked, self._column[rows.RELOAD_TAKEN])

    # --- the file --------------------------------------------------------------------------------------------------

    async def _reload(self) -> int:
        is_taken = False
        try:
            settings = await asyncio.to_thread(self._control.read_settings)
            declared = self._declare(settings, self._standing.secret)
            needs_load = await asyncio.to_thread(self._redeclare, declared)
            is_taken = True
        finally:
            self._column[rows.RELOADS if is_taken else rows.RELOAD_FAILURES] += 1
        self._settings = settings
        self._needs_load = self._needs_load or needs_load
        await self._tell(self.state.revision)
        self._adopt(settings)
        return self.state.generation

    def _declare(self, settings: Settings, secret: bytes) -> Declared:
        pseudonym = self._standing.declared.snapshot.pseudonym
        return declare(settings, secret, pseudonym, self._control.mock)

    def _redeclare(self, declared: Declared) -> bool:
        """Whether the database must be loaded anew. Raises: OSError when there is no room; the old one stays then."""
        old = self._standing.declared
        step = self._standing.redeclare(declared)
        try:
            self._write_declared(step)
        except OSError:
            self._standing.redeclare(old)
            with contextlib.suppress(OSError):
                self._notices.write(self._notices.missing(self._standing.own_entries))
            self._needs_load = self._is_unsaved = True
            raise
        return step.needs_load

    def _write_declared(self, step: Step) -> None:
        """What the file declares is saved before it is in force, and after what it dropped is out of it: the next
        start must know all names that may be there."""
        self._notices.write([(name, None) for name, data in step.entries.items() if data is None])
        self._is_unsaved = True
        self._keep()
        added = {name: data for name, data in step.entries.items() if data is not None}
        self._notices.put(added, self._snapshot(), is_reload=True)

    # --- the database ----------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        try:
            changes = None if self._needs_load else await self._source.changes_since(self.state.revision)
            if changes is None:
                await self._load()
            elif changes.revision != self.state.revision:
                await self._take(changes)
        except (*AWAY, AnotherDatabase) as error:
            self._back_off = min(max(2 * self._back_off, POLL_S), LONGEST_BACK_OFF_S)
            self._ask_at = time.monotonic() + self._back_off
            self._note_trouble(str(error) or type(error).__name__)
        else:
            self._back_off = 0.0
            if self.state.error:
                _log.warning("the database is followed again, at revision %d", self.state.revision)
            self.state.is_database_ok, self.state.error = True, ""

    def _note_trouble(self, text: str) -> None:
        if text != self.state.error:
            what = "what an earlier run has saved" if self.state.is_from_saved else "what was read last"
            form = "the database cannot be followed, going on with %s, revision %d: %s"
            _log.error(form, what, self.state.revision, text)
        self.state.is_database_ok, self.state.error = False, text

    async def _take(self, changes: Changes) -> None:
        """A few objects. If they cannot be written (a full disk), everything is compared when there is room again."""
        async with self._turns:
            self._needs_load = True
            step = self._standing.take(changes)
            snapshot = self._snapshot() if step.is_snapshot_new else None
            if len(step.entries) > FEW:
                await asyncio.to_thread(self._notices.put, step.entries, snapshot)
            else:
                self._notices.put(step.entries, snapshot)
            self._needs_load = False
            self._keep_soon(is_all=step.is_snapshot_new or bool(changes.groups))
            await self._tell(changes.revision)

    async def _load(self) -> None:
        """Everything, compared with what is there."""
        self._needs_load = True
        stored = await self._source.load()
        known = self._standing.stored
        if known is not None and known.installation != stored.installation:
            self.state.is_from_saved = True
            raise AnotherDatabase(
                f"it is another one than before (installation {stored.installation}, it was {known.installation}); if "
                f"that is meant to be so, remove {self._file.path} and start again"
            )
        async with self._turns:
            await self._replace(stored)
            self._needs_load = self.state.is_from_saved = False
            self._keep_soon(is_all=True)
            if known is None:
                self._keep()  # from here on the next start knows which database it is, however soon it comes
            await self._tell(stored.revision)

    async def _replace(self, stored: Stored) -> None:
        declared, is_switch = self._standing.declared, stored.hash_secret != self._standing.secret
        if is_switch:
            declared = self._declare(self._settings, stored.hash_secret)
        began, wanted = time.monotonic(), await asyncio.to_thread(self._adopt_stored, declared, stored)
        missing, unwanted = await asyncio.to_thread(self._notices.compare, wanted)
        await self._write(missing)
        snapshot = self._snapshot()
        if missing or unwanted or not self._notices.is_shown(snapshot):
            generation = self._notices.show(snapshot)
            if is_switch:  # until they have switched, workers look for what the old secret leads to
                await self._used(generation, time.monotonic() + SWITCH_S)
            await self._write(unwanted)
        took = time.monotonic() - began
        _log.info(
            "the database was read at revision %d: %d keys, %d groups, %d channels; %d entries changed in %.2f s",
            stored.revision, len(stored.keys), len(stored.groups), len(stored.channels),
            len(missing) + len(unwanted), took,
        )  # fmt: skip

    def _adopt_stored(self, declared: Declared, stored: Stored) -> Mapping[bytes, bytes]:
        known = self._standing
        self._standing = Standing(declared, stored, may_have_keys=known.stored is not None and known.has_keys)
        return compose(declared, stored).entries

    async def _write(self, entries: Entries) -> None:
        for place in range(0, len(entries), BATCH):
            await asyncio.to_thread(self._notices.write, entries[place : place + BATCH])

    # --- what was done ---------------------------------------------------------------------------------------------

    async def _tell(self, revision: int) -> None:
        """Wake those who wait for this revision."""
        self.state.revision = revision
        self.state.generation = self._notices.generation
        async with self._published:
            self._published.notify_all()

    async def _used(self, generation: int, deadline: float) -> Acknowledged:
        found = self._notices.acknowledged(generation)
        while not found.is_complete and time.monotonic() < deadline:
            await asyncio.sleep(ACKNOWLEDGED_S)
            found = self._notices.acknowledged(generation)
        return found

    def _keep_soon(self, *, is_all: bool) -> None:
        """Have the disk keep it: the register, and what stands beside it if that has changed (`is_all`)."""
        self._is_unsaved = self._is_unsaved or is_all
        if self._keep_at is None:
            self._keep_at = time.monotonic() + KEEP_S

    def _keep(self) -> None:
        self._keep_at = None
        try:
            self._notices.sync()
            if self._is_unsaved:
                self._save()
        except OSError as error:
            _log.error("what is published cannot be saved for the next start: %s", error)
            self._keep_at = time.monotonic() + LONGEST_BACK_OFF_S

    def _save(self) -> None:
        """Raises: OSError, also when the file belongs to another master key by now: the next start needs it so."""
        if self._file.is_foreign:
            raise OSError(f"{self._file.path} is sealed under another master key; restart with the new one")
        standing = self._standing
        self._saved = msgspec.structs.replace(
            self._saved, declared=standing.declared, stored=standing.stored, has_keys=standing.has_keys
        )
        self._file.write(self._saved)
        self._is_unsaved = False
