"""Numbers as people read them: three digits that matter, a unit, and text from elsewhere made harmless to show.

Times come in microseconds. Every function returns "number unit" or only a number, so that a page can split them.
"""

from __future__ import annotations

from typing import Final

NOTHING: Final = "–"
_KIB: Final = 1024.0


def digits(value: float) -> str:
    """Three significant digits, never an exponent: 0.123, 1.23, 12.3, 123, 12,345."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 99.95:
        return f"{value:,.0f}"
    for limit, places in ((9.995, 1), (0.9995, 2), (0.09995, 3)):
        if size >= limit:
            return f"{value:.{places}f}"
    return f"{value:.4f}"


def time_text(value: float) -> str:
    """Microseconds: "950 µs", "1.21 ms", "2.35 s"."""
    if value < 999.5:
        return f"{digits(value)} µs"
    if value < 999_500:
        return f"{digits(value / 1e3)} ms"
    return f"{digits(value / 1e6)} s"


def seconds_text(seconds: float) -> str:
    """A length of time that a person chose: "30 s", "2.5 s", "10 min"."""
    if seconds >= 120 and seconds % 60 == 0:
        return f"{seconds / 60:,.0f} min"
    return f"{seconds:,.0f} s" if seconds == int(seconds) else f"{digits(seconds)} s"


def count_text(value: float) -> str:
    return f"{value:,.0f}"


def counted(count: float, one: str, more: str) -> str:
    """A number with its noun: 1 process, 4 processes."""
    return f"{count_text(count)} {one if count == 1 else more}"


def share_text(share: float) -> str:
    """0 to 1 as a percentage; a share that is not nothing is never shown as 0 %."""
    if share <= 0:
        return "0 %"
    percent = 100 * share
    if percent < 0.005:
        return "<0.01 %"
    return f"{percent:.2f} %" if percent < 10 else f"{percent:.1f} %"


def bytes_text(value: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if value < _KIB:
            return f"{digits(value)} {unit}"
        value /= _KIB
    return f"{digits(value)} GiB"


def ratio_text(a: float, b: float) -> str:
    """B over A; a dash where A is nothing."""
    return f"{b / a:.2f} ×" if a else NOTHING


def clean(text: str) -> str:
    """Text of a server or a user on one line: what moves a cursor or turns text around is replaced."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def sparkline(values: list[float]) -> str:
    """One block per value, from nothing to the largest."""
    top = max(values, default=0.0)
    blocks = "▁▂▃▄▅▆▇█"
    return "".join(blocks[min(int(value / top * 8), 7)] if top else blocks[0] for value in values)
