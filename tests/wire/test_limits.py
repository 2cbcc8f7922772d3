"""The bounds of the wire: the product's defaults and how they relate."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest

from fastproxy.config.types import Limits
from fastproxy.wire.limits import MIB, WireLimits


def test_the_defaults_are_those_of_the_configuration() -> None:
    wire, configured = WireLimits(), Limits()
    shared = [field.name for field in fields(WireLimits) if hasattr(configured, field.name)]
    assert {name: getattr(wire, name) for name in shared} == {name: getattr(configured, name) for name in shared}
    for name in ("max_head", "max_fields", "max_target"):
        assert getattr(wire.head, name) == getattr(configured, name)
    assert len(shared) == len(fields(WireLimits)) - 1, "a bound that nobody can configure"


def test_the_bounds_fit_each_other() -> None:
    limits = WireLimits()
    assert limits.max_body == 32 * MIB
    assert limits.head.max_target < limits.head.max_head
    assert limits.connect_timeout < limits.first_byte_timeout < limits.stream_idle_timeout < limits.total_timeout
    assert limits.pool_idle_timeout < 30, "origins close idle connections after 30 s: we must be first"


def test_nobody_changes_them_on_the_way() -> None:
    limits = WireLimits()
    with pytest.raises(FrozenInstanceError):
        limits.max_body = 1  # type: ignore[misc]  # that is the test
