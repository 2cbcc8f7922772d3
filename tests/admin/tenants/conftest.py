"""The service on an empty database: once on SQLite, once on PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.admin.tenants.office import Office

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def office(database_url: str) -> Iterator[Office]:
    with Office(database_url) as made:
        yield made
