"""The register with 100,000 keys: reading one, missing one, changing one, following it. Run with `make bench-micro`."""

from __future__ import annotations

import random
from itertools import count, cycle
from typing import TYPE_CHECKING

import pytest

from fastproxy.gateway.keybook import KeyBook
from fastproxy.shared.register import Register
from fastproxy.snapshot import GroupSpec, KeySpec, Snapshot, entry_name_of_group, pack_group, pack_key

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

KEYS = 100_000
SECRET = b"s" * 32


def names(seed: int) -> list[bytes]:
    source = random.Random(seed)
    return [source.randbytes(16) for _ in range(KEYS)]


@pytest.fixture(scope="module")
def register() -> Register:
    made = Register.in_memory()
    made.apply([(entry_name_of_group(SECRET, "team"), pack_group(GroupSpec("team")))])
    made.apply((name, entry(0)) for name in names(1))
    return made


def entry(number: int) -> bytes:
    """About 200 bytes, as a key with a few limits has."""
    return pack_key(KeySpec("k" * 40, b"", "team", ("gpt-*", "claude-*"), ("10.0.0.0/8",), number, id="0" * 32))


def test_get_a_key_from_the_register(benchmark: BenchmarkFixture, register: Register) -> None:
    known = cycle(names(1))
    assert benchmark(lambda: register.get(next(known))) == entry(0)


def test_miss_a_key_in_the_register(benchmark: BenchmarkFixture, register: Register) -> None:
    unknown = cycle(names(2))
    assert benchmark(lambda: register.get(next(unknown))) is None


def test_change_a_key_in_the_register(benchmark: BenchmarkFixture, register: Register) -> None:
    known, numbers = cycle(names(1)[: KEYS // 2]), count(1)
    benchmark(lambda: register.apply([(next(known), entry(next(numbers)))]))


def test_compile_a_key(benchmark: BenchmarkFixture, register: Register) -> None:
    book = KeyBook(register)
    book.use(Snapshot(SECRET, "bench", {}))
    known = cycle(names(1)[KEYS // 2 :])  # more than are kept
    assert benchmark(lambda: book.find(next(known))) is not None


def test_look_when_nothing_has_changed(benchmark: BenchmarkFixture, register: Register) -> None:
    book = KeyBook(register)
    assert benchmark(book.look) is False
