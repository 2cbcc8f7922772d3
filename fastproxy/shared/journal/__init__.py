"""The journal: what a worker tells the collector, kept in files, so that no process and no power cut takes it away.

    <directory>/<n>.ring         one per worker process (n = 0..127), mapped by it, locked while it lives
    <directory>/<n>.copy         the same on the disk: what was synced of ring n
    <directory>/<n>.<k>.spill    what did not fit into ring n, written with calls
    <directory>/set-aside/       bytes that are no frames, at most 64 files and 16 MiB
    <directory>/collector.lock   held by the one reader
    <directory>/boot             the boot id of the machine, when the copies were last asked for

    master:     restore(directory)                      before it forks: after a power cut the copies become the rings
    worker:     journal = Journal.claim(directory, size, spill_limit); journal.start_sync()
                journal.append(kind, payload)           0.4 us; False: there was no room anywhere
                journal.tick()                          ten times a second
                journal.close()
    collector:  held = claim_collector(directory)       None: another one is at work
                known = sources(directory, known)       every second or so
                owned = source.is_owned()               before the read: not owned and then no frames means drained
                batch = source.read(position)           START for an identity that the database does not know
                ... one transaction: frames, batch.position under source.identity ...
                source.advance(batch.position)

Strictly first in, first out; one writer and one reader per ring. It must never know what a payload means.
"""

from __future__ import annotations

from fastproxy.shared.journal.finding import CollectorLock, claim_collector, sources
from fastproxy.shared.journal.frames import START, Batch, Frame, Position
from fastproxy.shared.journal.reader import Source
from fastproxy.shared.journal.restoring import restore
from fastproxy.shared.journal.ringfile import JournalError
from fastproxy.shared.journal.writer import Journal

__all__ = (
    "START", "Batch", "CollectorLock", "Frame", "Journal", "JournalError", "Position", "Source", "claim_collector",
    "restore", "sources",
)  # fmt: skip
