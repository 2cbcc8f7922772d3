"""Frames of the journal, sorted into what one transaction writes. Pure: no database, no clock.

    BEGIN      parked, unless its END follows in the same batch
    PROGRESS   takes the place of what is parked
    END        a row; whatever is parked of it can go
    BODY       kept as it is

The order within a journal is the order of append, so an END never comes before its BEGIN. A frame may come twice (a
position was set back): the first one counts here, what the database already has is sorted out by writer.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fastproxy.admin.ledger.rows import aborted_row, attempts_of, request_id_of, row_of
from fastproxy.payloads import BEGIN, BODY, END, PROGRESS, decode_body, decode_end

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastproxy.admin.ledger.rows import AttemptRow, Row
    from fastproxy.shared.journal import Frame


class Parked(NamedTuple):
    """One row of `in_flight`, in the order of its columns: begun, and how far it is known to have come."""

    request_id: str
    journal: str
    epoch: int
    node: str
    started_at: int
    kind: int
    payload: bytes


class BodyRow(NamedTuple):
    """One row of `bodies`, in the order of its columns."""

    request_id: str
    side: int
    stored_at: int
    truncated: bool
    size: int
    data: bytes


class Intake:
    """What was read since the last commit, from all journals of this node.

    `gone`: ids that ended here but began in an earlier batch, whose parked row is to go.
    """

    def __init__(self, node: str) -> None:
        self.node = node
        self.ended: dict[str, Row] = {}
        self.attempts: list[AttemptRow] = []
        self.begun: dict[str, tuple[str, Frame]] = {}
        self.progressed: dict[str, tuple[str, Frame]] = {}
        self.gone: list[str] = []
        self.bodies: dict[tuple[str, int], BodyRow] = {}
        self.unreadable = 0  # payloads that are not what their kind says

    def __len__(self) -> int:
        return len(self.ended) + len(self.begun) + len(self.progressed) + len(self.bodies)

    def take(self, journal: str, frames: Iterable[Frame], now_ms: int) -> None:
        """Add frames in the order of their journal; `now_ms` is when bodies count as stored."""
        for frame in frames:
            try:
                if frame.kind == END:
                    self._end(frame)
                elif frame.kind in (BEGIN, PROGRESS):
                    self._note(journal, frame)
                elif frame.kind == BODY:
                    self._body(frame, now_ms)
                else:
                    self.unreadable += 1  # of a newer version
            except ValueError:
                self.unreadable += 1

    def _end(self, frame: Frame) -> None:
        ended = decode_end(frame.payload)
        name = request_id_of(frame.payload)
        if name in self.ended:
            return
        self.ended[name] = row_of(ended, self.node)
        self.attempts.extend(attempts_of(ended))
        self.progressed.pop(name, None)
        if self.begun.pop(name, None) is None:
            self.gone.append(name)

    def _note(self, journal: str, frame: Frame) -> None:
        name = request_id_of(frame.payload)
        if name in self.ended:
            return
        if frame.kind == PROGRESS:
            self.progressed[name] = (journal, frame)
        else:
            self.begun.setdefault(name, (journal, frame))

    def _body(self, frame: Frame, now_ms: int) -> None:
        body = decode_body(frame.payload)
        name, side, size = request_id_of(frame.payload), body.side, max(0, body.size)
        self.bodies.setdefault((name, side), BodyRow(name, side, now_ms, body.truncated, size, body.data))

    def parked(self) -> list[Parked]:
        """What stays open, newest state each; what cannot be read is counted and left out."""
        return [*filter(None, map(self._park, (self.begun | self.progressed).items()))]

    def _park(self, item: tuple[str, tuple[str, Frame]]) -> Parked | None:
        name, (journal, frame) = item
        try:
            started_at = aborted_row(frame.kind, frame.payload, self.node).started_at
        except ValueError:
            self.unreadable += 1
            return None
        return Parked(name, journal, frame.epoch, self.node, started_at, frame.kind, frame.payload)
