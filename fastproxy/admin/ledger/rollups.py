"""Sums of records: by minute and hour for each series (who asked for what, and who served it), and what keys and groups
have used. Pure.

    rows ──add()──► a Cell per minute and series ──► rollup_minutes, latency_minutes, series
                          │ summed again          ──► rollup_hours, latency_hours
                          └─────────────────────────► usage: key, group × day, month, total

A request counts where it started, however late it ends. A series is named with the texts of its time, so what is
renamed or deleted later keeps its history. All results are sorted: two nodes that write the same rows into one
PostgreSQL then take the locks in the same order, and cannot wait for each other in a circle.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from xxhash import xxh3_64_intdigest

from fastproxy.admin.ledger.histogram import bin_of
from fastproxy.admin.ledger.rows import ABORTED
from fastproxy.admin.store.ledger_tables import STATUS_CLASSES, STATUS_EXACT, SUMS, TOKENS, USED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fastproxy.admin.ledger.rows import Row

    Ids = list[tuple[tuple[int, int], "Cell"]]

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000

_first = itemgetter(0)
_PLACE: Final = {name: place for place, name in enumerate(SUMS)}
_STATUS: Final = _PLACE["status_none"]
_EXACT: Final = {number: _PLACE[f"status_{number}"] for number in STATUS_EXACT}
_FIRST_FLAG: Final = _PLACE["errors"]
_FIRST_TOKEN: Final = _PLACE["input_tokens"]
_FIRST_SIZE: Final = _PLACE["bytes_in"]
_COST: Final = _PLACE["cost_usd"]
_USED: Final = tuple(_PLACE[name] for name in USED)
assert SUMS[_FIRST_FLAG : _FIRST_FLAG + 6] == ("errors", "aborted", "streams", "attempts", "estimated", "cache_hits")
assert SUMS[_FIRST_SIZE:_COST] == ("bytes_in", "bytes_out", "duration_us", "ttft_us", "ttft_requests", "gateway_us")


class Series(NamedTuple):
    """A row of the roll-ups without its sums: start of the minute or hour, then SERIES."""

    start_ms: int
    group: str
    key_id: str
    key_name: str
    model: str
    channel: str


class Owner(NamedTuple):
    """A row of `usage` without its sums."""

    owner: str
    owner_name: str
    period: str
    start_ms: int


class Cell:
    """The sums of one series, in the order of SUMS, and its two histograms."""

    __slots__ = ("durations", "sums", "ttfts")

    def __init__(self) -> None:
        self.sums: list[float] = [0] * len(SUMS)
        self.durations: dict[int, int] = defaultdict(int)
        self.ttfts: dict[int, int] = defaultdict(int)

    def add(self, row: Row) -> None:
        sums = self.sums
        sums[0] += 1
        status = row.status
        sums[_STATUS + (status // 100 if status < 600 else 5)] += 1
        if status in _EXACT:
            sums[_EXACT[status]] += 1
        self._flags(row)
        for place, count in enumerate(row[15:20], _FIRST_TOKEN):
            sums[place] += count
        duration_us = microseconds(row.duration_ms)
        sums[_FIRST_SIZE] += row.bytes_in
        sums[_FIRST_SIZE + 1] += row.bytes_out
        sums[_FIRST_SIZE + 2] += duration_us
        sums[_FIRST_SIZE + 5] += row.gateway_us
        sums[_COST] += row.cost_usd
        self.durations[bin_of(duration_us)] += 1
        if row.ttft_ms is not None:
            ttft_us = microseconds(row.ttft_ms)
            sums[_FIRST_SIZE + 3] += ttft_us
            sums[_FIRST_SIZE + 4] += 1
            self.ttfts[bin_of(ttft_us)] += 1

    def _flags(self, row: Row) -> None:
        sums, first = self.sums, _FIRST_FLAG
        if row.error_kind:
            sums[first] += 1
            sums[first + 1] += row.error_kind == ABORTED
        sums[first + 2] += row.stream
        sums[first + 3] += row.attempts
        sums[first + 4] += row.estimated
        sums[first + 5] += row.cache_read_tokens > 0

    @classmethod
    def sum_of(cls, cells: Iterable[Cell]) -> Cell:
        whole = cls()
        for cell in cells:
            whole.sums = [a + b for a, b in zip(whole.sums, cell.sums, strict=True)]
            for mine, its in ((whole.durations, cell.durations), (whole.ttfts, cell.ttfts)):
                for number, count in its.items():
                    mine[number] += count
        return whole


assert STATUS_CLASSES[0] == "none"
assert len(STATUS_CLASSES) == 6  # status // 100 is the place of a class
assert len(TOKENS) == 5


def microseconds(ms: float) -> int:
    return round(ms * 1000)


class Rollups:
    """What one batch of new rows adds to all sums."""

    def __init__(self) -> None:
        self.minutes: dict[Series, Cell] = {}

    def add(self, row: Row) -> None:
        start_ms = row.started_at - row.started_at % MINUTE_MS
        series = (start_ms, row.group, row.key_id, row.key_name, row.model, row.channel)
        cell = self.minutes.get(series)  # type: ignore[call-overload]  # equal to a Series, and cheaper to make
        if cell is None:
            cell = self.minutes[Series(*series)] = Cell()
        cell.add(row)

    def hours(self) -> dict[Series, Cell]:
        return merged((_to_hour(series), cell) for series, cell in self.minutes.items())


def usage_of(hours: dict[Series, Cell]) -> dict[Owner, list[float]]:
    """What keys and groups have used in them."""
    days: dict[tuple[int, str, str, str], list[float]] = {}
    for series, cell in hours.items():
        day = series.start_ms - series.start_ms % DAY_MS
        _add(days, (day, *series[1:4]), [cell.sums[place] for place in _USED])
    found: dict[Owner, list[float]] = {}
    for (day, group, key_id, key_name), used in days.items():
        for owner in owners_of(day, group, key_owner(group, key_id, key_name)):
            _add(found, owner, used)
    return found


def _add(sums: dict[Any, list[float]], name: object, more: list[float]) -> None:
    before = sums.get(name)
    sums[name] = more if before is None else [a + b for a, b in zip(before, more, strict=True)]


def _to_hour(series: Series) -> Series:
    return Series(series.start_ms - series.start_ms % HOUR_MS, *series[1:])


def merged(cells: Iterable[tuple[Series, Cell]]) -> dict[Series, Cell]:
    """Cells of the same series as one; a lone one is not copied."""
    together: dict[Series, list[Cell]] = defaultdict(list)
    for series, cell in cells:
        together[series].append(cell)
    return {series: parts[0] if len(parts) == 1 else Cell.sum_of(parts) for series, parts in together.items()}


def key_owner(group: str, key_id: str, key_name: str) -> str:
    """The name under which a key's usage stands; "" for requests without a key. A group's name has no slash."""
    return key_id or (f"{group}/{key_name}" if key_name else "")


def owners_of(at_ms: int, group: str, key: str) -> Iterator[Owner]:
    """The rows of usage that a request of this time counts in."""
    for owner, name in (("group", group), ("key", key)):
        if name:
            for period, start_ms in periods(at_ms):
                yield Owner(owner, name, period, start_ms)


def periods(at_ms: int) -> tuple[tuple[str, int], ...]:
    """The day, the month and the total that a moment lies in, and when each began (UTC)."""
    day = at_ms - at_ms % DAY_MS
    return ("day", day), ("month", month_start(day)), ("total", 0)


@lru_cache(64)
def month_start(at_ms: int) -> int:
    day = datetime.fromtimestamp(at_ms // 1000, UTC)
    first = datetime(day.year, day.month, 1, tzinfo=UTC)
    return int(first.timestamp()) * 1000


def series_id(series: Series) -> int:
    """63 bits of a hash of the texts: with a million series, two are the same once in ten million ledgers."""
    return xxh3_64_intdigest("\0".join(series[1:]).encode()) >> 1


def sum_rows(cells: Ids) -> list[tuple[float, ...]]:
    """Rows of rollup_minutes or rollup_hours."""
    return [(*key, *cell.sums) for key, cell in cells]


def latency_rows(cells: Ids) -> list[tuple[int, ...]]:
    """Rows of latency_minutes or latency_hours."""
    return [
        (*key, number, cell.durations.get(number, 0), cell.ttfts.get(number, 0))
        for key, cell in cells
        for number in sorted(cell.durations.keys() | cell.ttfts.keys())
    ]


def by_id(cells: dict[Series, Cell]) -> Ids:
    """The cells in the order of their rows: ((start, id of the series), sums)."""
    return sorted((((series.start_ms, series_id(series)), cell) for series, cell in cells.items()), key=_first)


def usage_rows(used: dict[Owner, list[float]]) -> list[tuple[object, ...]]:
    """Rows of usage."""
    return [(*owner, *used[owner]) for owner in sorted(used)]
