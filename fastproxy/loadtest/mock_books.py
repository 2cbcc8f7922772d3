"""The mock's own books: requests and tokens per key and endpoint, to hold a gateway's ledger against.

One anonymous shared mapping, a region per process, one writer per region: counting takes no lock, and any process can
add up all of them. A region is a header (the epoch it was last reset at) and rows of a label and eight counters. The
mapping's first cell is the current epoch: a reset raises it, and a region of an older epoch counts as empty.
Keys are never written whole: a row is labelled with the first characters and a short hash.

    reset() while requests run: a request settles either before or after it, none is counted twice.
"""

from __future__ import annotations

import hashlib
import mmap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastproxy.loadtest.mock_words import Tally

COLUMNS = (
    "requests",
    "errors",
    "aborted",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
)
REQUESTS, ERRORS, ABORTED, INPUT, CACHE_READ, CACHE_WRITE, OUTPUT, REASONING = range(8)
_ROWS = 1024
_LABEL_CELLS = 12
_ROW_CELLS = _LABEL_CELLS + len(COLUMNS)
_REGION_CELLS = 1 + _ROWS * _ROW_CELLS
_OVERFLOW = ("(more)", "(more)")
Counts = dict[str, int]


def mask(key: str) -> str:
    """How a key is shown: its first four characters (none of a short one) and a hash to compare with."""
    if not key:
        return "-"
    return f"{key[:4] if len(key) > 8 else ''}...{hashlib.sha256(key.encode()).hexdigest()[:8]}"


class Books:
    """This process's region, and the sum of all. `regions` processes share what one of them has created."""

    def __init__(self, regions: int = 1) -> None:
        self._regions = regions
        self._cells = memoryview(mmap.mmap(-1, 8 * (1 + regions * _REGION_CELLS))).cast("Q")
        self._cells[0] = 1
        self.take(0)

    def take(self, region: int) -> None:
        """Called in each process after the fork: from now on, count in this region."""
        self._start = 1 + region * _REGION_CELLS
        self._rows: dict[tuple[str, str], int] = {}
        self._cells[self._start] = 0

    def add(self, key: str, endpoint: str, tally: Tally, kind: int = REQUESTS) -> None:
        """Count one settled exchange; `kind` is REQUESTS, ERRORS or ABORTED."""
        cells = self._cells
        if cells[self._start] != cells[0]:
            self._clear()
        row = self._rows.get((key, endpoint)) or self._new_row(key, endpoint)
        cells[row + kind] += 1
        cells[row + INPUT] += tally.input
        cells[row + CACHE_READ] += tally.cache_read
        cells[row + CACHE_WRITE] += tally.cache_write
        cells[row + OUTPUT] += tally.output
        cells[row + REASONING] += tally.reasoning

    def reset(self) -> None:
        """Forget everything, in all processes."""
        self._cells[0] += 1

    def totals(self) -> dict[str, object]:
        """What `/_books` answers."""
        total = dict.fromkeys(COLUMNS, 0)
        keys: dict[str, Counts] = {}
        endpoints: dict[str, Counts] = {}
        for key, endpoint, counts in self._read():
            for counted in (
                total,
                keys.setdefault(key, dict.fromkeys(COLUMNS, 0)),
                endpoints.setdefault(endpoint, dict.fromkeys(COLUMNS, 0)),
            ):
                for name, value in zip(COLUMNS, counts, strict=True):
                    counted[name] += value
        return {"total": total, "keys": keys, "endpoints": endpoints}

    def _clear(self) -> None:
        self._rows.clear()
        first = self._start + 1
        blank = memoryview(bytes(8 * (_REGION_CELLS - 1))).cast("Q")
        self._cells[first : self._start + _REGION_CELLS] = blank
        self._cells[self._start] = self._cells[0]

    def _new_row(self, key: str, endpoint: str) -> int:
        """The counters of a new row; the last row is for all that found no place."""
        used = len(self._rows)
        label = (mask(key), endpoint) if used < _ROWS - 1 else _OVERFLOW
        start = self._start + 1 + min(used, _ROWS - 1) * _ROW_CELLS
        text = "\t".join(label).encode()[: 8 * _LABEL_CELLS].ljust(8 * _LABEL_CELLS, b"\0")
        self._cells[start : start + _LABEL_CELLS] = memoryview(text).cast("Q")
        row = start + _LABEL_CELLS
        if label is not _OVERFLOW:
            self._rows[key, endpoint] = row
        return row

    def _read(self) -> list[tuple[str, str, list[int]]]:
        rows = []
        for region in range(self._regions):
            start = 1 + region * _REGION_CELLS
            if self._cells[start] != self._cells[0]:
                continue
            for row in range(start + 1, start + _REGION_CELLS, _ROW_CELLS):
                label = self._cells[row : row + _LABEL_CELLS].tobytes().rstrip(b"\0").decode("utf-8", "replace")
                if not label:
                    break
                key, _, endpoint = label.partition("\t")
                rows.append((key, endpoint, self._cells[row + _LABEL_CELLS : row + _ROW_CELLS].tolist()))
        return rows
