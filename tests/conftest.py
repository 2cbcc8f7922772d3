"""What every test shares: tests marked `live` start real servers, so they may take up to a minute instead of 10 s."""

from __future__ import annotations

import pytest

LIVE_S = 60


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("live") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(LIVE_S))
