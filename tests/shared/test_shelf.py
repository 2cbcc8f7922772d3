"""The shelf: what is put can be got by everybody, within its bounds, and never half."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastproxy.shared.shelf import KEY_BYTES, Shelf


def key(number: int) -> bytes:
    return number.to_bytes(8, "little") * 2


def test_what_one_region_has_any_reader_gets() -> None:
    shelf = Shelf(3, 1 << 16)
    for region in range(3):
        assert shelf.put(region, key(region), b"data %d" % region, now_ms=5)
    assert [shelf.get(key(number), 6) for number in range(4)] == [b"data 0", b"data 1", b"data 2", None]


@pytest.mark.parametrize(("now", "found"), [(9, b"x"), (10, None), (11, None)])
def test_an_entry_expires(now: int, found: bytes | None) -> None:
    shelf = Shelf(1, 1 << 16)
    shelf.put(0, key(1), b"x", now_ms=1, expires_ms=10)
    assert shelf.get(key(1), now) == found


def test_the_newest_counts_wherever_it_stands() -> None:
    shelf = Shelf(2, 1 << 16)
    shelf.put(1, key(1), b"older", now_ms=1)
    shelf.put(0, key(1), b"newer", now_ms=2)
    assert shelf.get(key(1), 3) == b"newer"
    shelf.put(1, key(1), b"newest", now_ms=4)
    assert shelf.get(key(1), 5) == b"newest"


def test_a_newer_entry_that_expired_does_not_bring_back_an_older_one() -> None:
    shelf = Shelf(2, 1 << 16)
    shelf.put(0, key(1), b"older", now_ms=1)
    shelf.put(1, key(1), b"newer", now_ms=2, expires_ms=3)
    assert shelf.get(key(1), 4) is None


def test_a_deletion_counts_in_every_region() -> None:
    shelf = Shelf(2, 1 << 16)
    shelf.put(0, key(1), b"x", now_ms=1)
    shelf.put(1, key(1), b"y", now_ms=1)
    shelf.put(1, key(2), b"z", now_ms=1)
    shelf.delete(key(1))
    for number in range(100, 200):
        shelf.put(1, key(number), b"x" * 900, now_ms=2)
    assert shelf.get(key(1), 3) is None


def test_what_is_too_large_is_refused() -> None:
    shelf = Shelf(1, 1 << 16)
    assert not shelf.put(0, key(1), b"x" * shelf.max_bytes, now_ms=1)
    assert shelf.get(key(1), 1) is None


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="a key of 3 bytes: expected 16"):
        Shelf(1, 1 << 16).put(0, b"abc", b"", now_ms=1)


def test_a_full_ring_forgets_the_oldest_and_mixes_nothing() -> None:
    shelf = Shelf(1, 1 << 16)
    for number in range(3000):
        assert shelf.put(0, key(number), b"%d " % number * 50, now_ms=number)
    assert shelf.get(key(0), 3000) is None
    assert shelf.get(key(2999), 3000) == b"2999 " * 50
    found = {number: shelf.get(key(number), 3000) for number in range(3000)}
    assert all(data in (None, b"%d " % number * 50) for number, data in found.items())
    assert sum(data is not None for data in found.values()) > 40


def test_a_new_process_in_a_slot_goes_on_where_its_predecessor_ended() -> None:
    shelf = Shelf(1, 1 << 16)
    for number in range(500):
        shelf.put(0, key(number), b"left behind", now_ms=number)
    shelf._written.clear()  # as after a fork of the master
    for number in range(500, 520):
        shelf.put(0, key(number), b"new", now_ms=number)
    assert shelf.get(key(499), 600) == b"left behind"
    assert [shelf.get(key(number), 600) for number in range(500, 520)] == [b"new"] * 20


def test_a_child_sees_what_its_parent_puts() -> None:
    shelf = Shelf(1, 1 << 16)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(reader, 1)
        os._exit(0 if shelf.get(key(7), 2) == b"across" else 1)
    shelf.put(0, key(7), b"across", now_ms=1)
    os.write(writer, b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.close(reader)
    os.close(writer)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 30), st.binary(max_size=2000)), max_size=60))
def test_it_is_a_dictionary_with_a_bad_memory(puts: list[tuple[int, int, bytes]]) -> None:
    shelf, truth = Shelf(2, 1 << 15), dict[int, bytes]()
    for now, (region, number, data) in enumerate(puts):
        if shelf.put(region, key(number), data, now_ms=now):
            truth[number] = data
    for number in range(31):
        assert shelf.get(key(number), len(puts)) in (None, truth.get(number) or None)
    assert len(key(0)) == KEY_BYTES
