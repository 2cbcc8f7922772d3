"""Who accepts where: every listening slot has a serving owner, the load is even, and nothing moves without need."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest

from fastproxy.server.owners import NOBODY, assign

NONE = [NOBODY] * 4


@pytest.mark.parametrize(
    ("current", "serving", "silent", "expected"),
    [
        (NONE, {0, 1}, set(), [0, 1, 0, 1]),
        (NONE, {0}, set(), [0, 0, 0, 0]),
        ([0, 1, 0, 1], {0}, set(), [0, 0, 0, 0]),
        ([0, 0, 0, 0], {0, 1}, set(), [0, 1, 0, 1]),
        ([0, 1, 0, 1], {0, 1, 2}, set(), [0, 1, 2, 1]),
        ([0, 1, 0, 1], set(), set(), [0, 1, 0, 1]),
        (NONE, {0, 1, 2, 3}, {2, 3}, [0, 1, NOBODY, NOBODY]),
        ([0, 1, 1, 0], set(), {3}, [0, 1, 1, NOBODY]),
        ([0, 1, NOBODY, NOBODY], {0, 1, 2, 3}, set(), [0, 1, 2, 3]),
        ([1, 1, 1, 0], {0, 1}, set(), [0, 1, 1, 0]),
    ],
)
def test_cases(current: list[int], serving: set[int], silent: set[int], expected: list[int]) -> None:
    assert assign(current, serving, silent) == expected


def test_every_change_of_crew_leaves_no_slot_alone_and_shares_fairly() -> None:
    crews = [set(crew) for size in range(1, 7) for crew in combinations(range(6), size)]
    for before in crews:
        start = assign([NOBODY] * 6, before)
        for after in crews:
            owners = assign(start, after)
            counts = Counter(owners)
            assert set(owners) == after
            assert max(counts.values()) - min(counts.values()) <= 1 or max(counts.values()) <= -(-6 // len(after))
            assert assign(owners, after) == owners
