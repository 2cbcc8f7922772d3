"""The strict vendor is right: the vendors' own SDKs hold every scene with it directly, and what is wrong it refuses."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.live.strict.vendor import FORMATS, KEY, Vendor, dialect_of, strict_vendor
from tests.live.talk.scenes import SDKS, TABLE, Wish

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def vendor() -> Iterator[Vendor]:
    with strict_vendor() as running:
        yield running


@pytest.fixture(scope="module")
def clients(vendor: Vendor) -> Iterator[dict[str, Any]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(SDKS[name].connect(vendor.base(name), KEY)) for name in FORMATS}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("scene", TABLE)
@pytest.mark.parametrize("wire_format", FORMATS)
def test_every_scene_is_held_with_the_sdk_alone(
    vendor: Vendor, clients: dict[str, Any], wire_format: str, scene: str, stream: bool
) -> None:
    vendor.seen.clear()
    model = dialect_of(wire_format).model
    TABLE[scene](lambda **wish: SDKS[wire_format].talker(clients[wire_format], Wish(model, stream=stream, **wish)))
    assert vendor.refusals() == []
