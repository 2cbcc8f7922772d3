"""One mock for all tests of a module; each test starts with empty books."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.loadtest.mock_process import ask, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def shared_port() -> Iterator[int]:
    with serving() as port:
        yield port


@pytest.fixture
def port(shared_port: int) -> int:
    assert ask(shared_port, "DELETE", "/_books").status == 200
    return shared_port
