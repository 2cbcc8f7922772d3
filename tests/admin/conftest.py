"""Databases for all tests of the control plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.admin.postgres import allow_time, database_url, postgres_url

if TYPE_CHECKING:
    import pytest

__all__ = ["database_url", "postgres_url"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    allow_time(items)
