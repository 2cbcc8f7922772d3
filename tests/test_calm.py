"""A failure is excused only while the machine stood still, and not for ever."""

from __future__ import annotations

import time

import pytest

from tests.calm import STALL_S, TRIES, Stalls, calmly


class Watched(Stalls):
    """As if the process had not run for so long."""

    def __init__(self, longest: float) -> None:
        super().__init__()
        self.longest = longest

    def _watch(self) -> None:
        """Nothing is measured."""


@pytest.mark.parametrize(
    ("stall", "failures", "tries", "passes"),
    [
        (0.0, 0, 1, True),
        (0.0, 1, 1, False),
        (STALL_S, 1, 2, True),
        (STALL_S, TRIES - 1, TRIES, True),
        (STALL_S, TRIES, TRIES, False),
    ],
)
def test_a_stall_excuses_a_failure_a_few_times(stall: float, failures: int, tries: int, passes: bool) -> None:
    tried = 0

    def test() -> None:
        nonlocal tried
        tried += 1
        assert tried > failures

    if passes:
        calmly(test, lambda: Watched(stall))
    else:
        with pytest.raises(AssertionError):
            calmly(test, lambda: Watched(stall))
    assert tried == tries


def test_other_errors_are_no_matter_of_time() -> None:
    def test() -> None:
        raise ValueError("no number")

    with pytest.raises(ValueError, match="no number"):
        calmly(test, lambda: Watched(1.0))


def test_what_was_measured_is_a_time_that_has_passed() -> None:
    began = time.monotonic()
    with Stalls() as stalls:
        sum(range(10_000))
    assert 0.0 <= stalls.longest <= time.monotonic() - began
