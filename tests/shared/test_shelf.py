"""The shelf: what is put can be got by everybody, within its bounds, and never half; in memory and in a file alike."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastproxy.shared.sealing import Sealer
from fastproxy.shared.shelf import KEY_BYTES, Shelf
from tests.shared.forks import ended, in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Opened = Callable[[], Shelf]

REGION = 1 << 16


def key(number: int) -> bytes:
    return number.to_bytes(8, "little") * 2


@pytest.fixture(params=["memory", "file"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    """Another process's view of one and the same shelf, at every call."""
    first = os.memfd_create("shelf")

    def open_it() -> Shelf:
        if request.param == "memory":
            return Shelf(os.dup(first), REGION)
        return Shelf.open(str(tmp_path / "shelf"), REGION, Sealer(b"k" * 32))[0]

    yield open_it
    os.close(first)


def test_what_one_has_put_everybody_gets(opened: Opened) -> None:
    shelves = [opened() for _ in range(3)]
    for number, shelf in enumerate(shelves):
        assert shelf.put(key(number), b"data %d" % number, now_ms=5)
    for shelf in (*shelves, opened()):
        assert [shelf.get(key(number), 6) for number in range(4)] == [b"data 0", b"data 1", b"data 2", None]


@pytest.mark.parametrize(("now", "found"), [(9, b"x"), (10, None), (11, None)])
def test_an_entry_expires(opened: Opened, now: int, found: bytes | None) -> None:
    shelf = opened()
    shelf.put(key(1), b"x", now_ms=1, expires_ms=10)
    assert shelf.get(key(1), now) == opened().get(key(1), now) == found


def test_the_newest_counts_wherever_it_stands(opened: Opened) -> None:
    first, second = opened(), opened()
    second.put(key(1), b"older", now_ms=1)
    first.put(key(1), b"newer", now_ms=2)
    assert first.get(key(1), 3) == b"newer"
    second.put(key(1), b"newest", now_ms=4)
    assert first.get(key(1), 5) == b"newest"


def test_a_newer_entry_that_expired_does_not_bring_back_an_older_one(opened: Opened) -> None:
    first, second = opened(), opened()
    first.put(key(1), b"older", now_ms=1)
    second.put(key(1), b"newer", now_ms=2, expires_ms=3)
    assert first.get(key(1), 4) is None


def test_a_deletion_counts_in_every_region(opened: Opened) -> None:
    first, second = opened(), opened()
    first.put(key(1), b"x", now_ms=1)
    second.put(key(1), b"y", now_ms=1)
    second.put(key(2), b"z", now_ms=1)
    first.delete(key(1))
    for number in range(100, 120):
        second.put(key(number), b"x" * 900, now_ms=2)
    assert [first.get(key(number), 3) for number in (1, 2)] == [None, b"z"]


def test_what_is_too_large_is_refused(opened: Opened) -> None:
    shelf = opened()
    assert not shelf.put(key(1), b"x" * shelf.max_bytes, now_ms=1)
    assert not shelf.put(key(1), b"x" * (shelf.max_bytes - 39), now_ms=1)
    assert shelf.get(key(1), 1) is None
    assert shelf.put(key(1), b"x" * (shelf.max_bytes - 100), now_ms=1)


def test_a_key_of_another_length_is_refused(opened: Opened) -> None:
    with pytest.raises(ValueError, match="a key of 3 bytes: expected 16"):
        opened().put(b"abc", b"", now_ms=1)


def test_a_full_ring_forgets_the_oldest_and_mixes_nothing(opened: Opened) -> None:
    shelf = opened()
    for number in range(3000):
        assert shelf.put(key(number), b"%d " % number * 50, now_ms=number)
    assert shelf.get(key(0), 3000) is None
    assert shelf.get(key(2999), 3000) == b"2999 " * 50
    found = {number: shelf.get(key(number), 3000) for number in range(3000)}
    assert all(data in (None, b"%d " % number * 50) for number, data in found.items())
    assert sum(data is not None for data in found.values()) > 40


def test_a_new_process_goes_on_where_its_predecessor_ended(opened: Opened) -> None:
    shelf = opened()
    for number in range(500):
        shelf.put(key(number), b"left behind", now_ms=number)
    shelf.delete(key(499))
    shelf.put(key(499), b"left behind", now_ms=500)
    shelf.delete(key(499))
    shelf.close()  # its region is free again, and taken by the next one
    successor = opened()
    for number in range(500, 520):
        successor.put(key(number), b"new", now_ms=number)
    assert successor.get(key(498), 600) == b"left behind"
    assert [successor.get(key(number), 600) for number in range(500, 520)] == [b"new"] * 20


def test_a_child_sees_what_its_parent_puts_and_takes_a_region_of_its_own(opened: Opened) -> None:
    shelf, (reader, writer) = opened(), os.pipe()

    def sees_and_puts() -> bool:
        os.read(reader, 1)
        return shelf.get(key(7), 2) == b"across" and shelf.put(key(8), b"back", 3)

    child = in_child(sees_and_puts)
    shelf.put(key(7), b"across", now_ms=1)
    os.write(writer, b"x")
    assert ended(child) == 0
    assert (shelf.get(key(7), 4), shelf.get(key(8), 4)) == (b"across", b"back")
    os.close(reader)
    os.close(writer)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 30), st.binary(max_size=2000)), max_size=60))
def test_it_is_a_dictionary_with_a_bad_memory(puts: list[tuple[int, int, bytes]]) -> None:
    first = os.memfd_create("shelf")
    shelves, truth = [Shelf(os.dup(first), 1 << 15) for _ in range(2)], dict[int, bytes]()
    os.close(first)
    for now, (which, number, data) in enumerate(puts):
        if shelves[which].put(key(number), data, now_ms=now):
            truth[number] = data
    for number in range(31):
        assert shelves[0].get(key(number), len(puts)) in (None, truth.get(number) or None)
    assert len(key(0)) == KEY_BYTES
