"""A disk that is always fast: for tests that simulate what a disk holds, or do not care."""

from __future__ import annotations

import os

import pytest


@pytest.fixture
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Syncs return at once; nothing else changes, since only a power cut could tell."""

    def returns_at_once(_: int) -> None:
        pass

    monkeypatch.setattr(os, "fdatasync", returns_at_once)
    monkeypatch.setattr(os, "fsync", returns_at_once)
