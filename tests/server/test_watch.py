"""Hung or asleep: silence counts only while the watcher itself ticked regularly."""

from __future__ import annotations

import pytest

from fastproxy.server.watch import Watch


def ticking(timeout: float, *pauses: float) -> tuple[Watch, float]:
    """A watch that ticked every 0.1 s for two seconds, then slept for each of the pauses."""
    watch, now = Watch(timeout, 100.0), 100.0
    for pause in (*[0.1] * 20, *pauses):
        now += pause
        watch.tick(now)
    return watch, now


@pytest.mark.parametrize(
    ("silent_for", "pauses", "suspect", "hung"),
    [
        (0.4, (), False, False),
        (0.6, (), True, False),
        (1.1, (), True, True),
        (9.0, (9.0,), False, False),  # everybody slept
        (9.0, (8.0, 0.1, 0.1), False, False),
        (2.3, (1.2, *[0.1] * 11), True, True),  # silent since before the pause, and ever since
        (0.5, (0.4,), False, False),  # a short pause of ours: silence still counts
        (1.1, (0.4,), True, True),
    ],
)
def test_cases(silent_for: float, pauses: tuple[float, ...], suspect: bool, hung: bool) -> None:
    watch, now = ticking(1.0, *pauses)
    assert watch.is_suspect(now - silent_for, now) is suspect
    assert watch.is_hung(now - silent_for, now) is hung
