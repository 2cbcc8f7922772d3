"""Sealing: opened by the same key about the same thing, by nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.shared.sealing import OVERHEAD, Sealer

SEALER = Sealer(b"k" * 32)


@given(st.binary(max_size=300), st.binary(max_size=40))
def test_what_was_sealed_can_be_opened(data: bytes, about: bytes) -> None:
    sealed = SEALER.seal(data, about)
    assert len(sealed) == len(data) + OVERHEAD
    assert Sealer(b"k" * 32).open(sealed, about) == data
    assert Sealer(b"K" * 32).open(sealed, about) is None
    assert SEALER.open(sealed, about + b"x") is None


def test_every_changed_bit_is_noticed() -> None:
    sealed = SEALER.seal(b"data", b"")
    for bit in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        assert SEALER.open(bytes(changed), b"") is None


@pytest.mark.parametrize("size", [0, 1, OVERHEAD - 1, OVERHEAD])
def test_what_is_too_short_is_not_opened(size: int) -> None:
    assert SEALER.open(b"x" * size, b"") is None


def test_the_same_data_never_looks_the_same() -> None:
    sealed = {SEALER.seal(b"data" * 10, b"") for _ in range(100)}
    assert len(sealed) == len({one[24:] for one in sealed}) == 100


def test_the_library_is_loaded_at_the_first_use_only() -> None:
    code = (
        "import sys; from fastproxy.shared.shelf import Shelf; from fastproxy.shared.sealing import Sealer;"
        "sealer = Sealer(b'k' * 32); assert 'cryptography' not in sys.modules;"
        "sealer.seal(b'', b''); assert 'cryptography' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=10)
