"""What the collector remembers of names that the database has: bounded memories, to be forgotten after a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastproxy.admin.ledger.rollups import DAY_MS, merged, series_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastproxy.admin.ledger.rollups import Cell, Series

OTHER: Final = "(other)"
MAX_MODELS: Final = 1000  # names per minute or hour, of those that were served and of those that were not


class SeriesSeen:
    """Which series the database has, with today's date on them. A memory, bounded, of what was written."""

    def __init__(self, keep: int = 100_000) -> None:
        self._seen: dict[int, int] = {}
        self._keep = keep

    def forget(self) -> None:
        self._seen.clear()

    def missing(self, cells: Iterable[Series], now_ms: int) -> list[tuple[object, ...]]:
        """Rows of `series` that are not known to be there with this day's date."""
        if len(self._seen) > self._keep:
            self._seen.clear()
        day = now_ms - now_ms % DAY_MS
        found: dict[int, tuple[object, ...]] = {}
        for series in cells:
            number = series_id(series)
            if self._seen.get(number) != day:
                self._seen[number] = day
                found[number] = (number, *series[1:], day)
        return [found[number] for number in sorted(found)]


class ModelNames:
    """Which model names have a row of their own in a minute or hour. Clients choose them, so there is a bound: the
    names beyond it become one, `(other)`. What was served by a channel has places of its own, so that a flood of
    invented names takes none from real ones.

    A memory of what the database has, for a few periods; `unknown` says which ones have to be loaded first.
    """

    def __init__(self, keep: int = 64) -> None:
        self._known: dict[tuple[int, bool], set[str]] = {}
        self._keep = keep

    def unknown(self, cells: Iterable[Series]) -> list[int]:
        """The starts of periods whose names are not in memory; asked once before each transaction."""
        if len(self._known) > 2 * self._keep:
            self._known.clear()
        return sorted({series.start_ms for series in cells if (series.start_ms, True) not in self._known})

    def load(self, start_ms: int, names: Iterable[tuple[str, bool]]) -> None:
        """Take the names of a period as the database has them, each with whether a channel served it."""
        served: set[str] = set()
        others: set[str] = set()
        for name, is_served in names:
            (served if is_served else others).add(name)
        self._known[start_ms, True], self._known[start_ms, False] = served, others

    def forget(self) -> None:
        """After a transaction that failed: what it wrote is not there."""
        self._known.clear()

    def bounded(self, cells: dict[Series, Cell]) -> dict[Series, Cell]:
        """The cells with the names beyond the bound merged into `(other)`; all their periods have been loaded."""
        named = {series: self._named(series) for series in cells}
        if all(series == name for series, name in named.items()):
            return cells
        return merged((named[series], cell) for series, cell in cells.items())

    def _named(self, series: Series) -> Series:
        known = self._known[series.start_ms, bool(series.channel)]
        if series.model in known:
            return series
        if len(known) >= MAX_MODELS:
            return series._replace(model=OTHER)
        known.add(series.model)
        return series
