"""Bodies that show their model in the ways that are learnt, and the ways in which the next one is asked about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from fastproxy.formats.same_model import LARGE_BYTES, SameModel
from fastproxy.wire.basin import READ_BYTES, Basin

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL = "gpt-5"
JUNK = b'POST / HTTP/1.1\r\nx: {"model":"gpt-5",\r\n\r\n'
FILL = '"messages":"' + "x" * LARGE_BYTES + '"'
FIRST = '{"model":"gpt-5",' + FILL + "}"
LAST = "{" + FILL + ',"model":"gpt-5"}'
SPACED_FIRST = '{"model": "gpt-5", "messages": "' + "x" * LARGE_BYTES + '"}'
SPACED_LAST = '{"messages": "' + "x" * LARGE_BYTES + '", "model": "gpt-5", "stream": true}'
LONG_END = "{" + FILL + ',"model":"gpt-5","tools":[{"a":{"b":"}"}}],"stream":true}'
TAUGHT = {"first": FIRST, "last": LAST, "spaced first": SPACED_FIRST, "spaced last": SPACED_LAST, "end": LONG_END}


def taught(body: str | bytes, model: str = MODEL, *, quick: bool = True) -> SameModel:
    """One that has read `body` whole, and has learnt how it shows its model."""
    same = SameModel(model)
    data = body.encode() if isinstance(body, str) else body
    assert same.asked_by(JUNK + data, len(JUNK))
    assert bool(same._opening or same._ending) is quick
    return same


def by_read(same: SameModel, body: bytes) -> bool:
    return same.asked_by(JUNK + body, len(JUNK))


def by_bare_read(same: SameModel, body: bytes) -> bool:
    return same.asked_by(body, 0)


def by_basin(same: SameModel, body: bytes) -> bool:
    """As it lies in a basin, over what an earlier request has left there."""
    basin = Basin()
    basin.view[:] = b'"' * READ_BYTES
    data = JUNK + body
    basin.view[: len(data)] = data
    return same.asked_at(basin.address, basin.hold(len(data)), len(JUNK))


def by_small_read(same: SameModel, body: bytes) -> bool:
    """As it would be with less in it, which is searched otherwise."""
    return same.asked_by(JUNK + small(body), len(JUNK))


def small(body: bytes) -> bytes:
    return re.sub(rb"x{64,}", b"x", body)


WAYS: list[Callable[[SameModel, bytes], bool]] = [by_read, by_bare_read, by_basin, by_small_read]
EVERY_WAY = pytest.mark.parametrize("ask", WAYS)
