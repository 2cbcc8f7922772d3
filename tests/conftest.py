"""What every test shares: how long it may take, where its files lie, and that the collected tests stay out of the way.

Tests marked `live` start real servers, so they may take up to a minute instead of 10 s.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil
import pytest
from hypothesis import settings

from tests.calm import calmly

if TYPE_CHECKING:
    from collections.abc import Generator

LIVE_S: Final = 60
MEMORY: Final = Path("/dev/shm")
MEMORY_BYTES: Final = 4 << 30

# on a busy machine any example may take as long as it likes; the tests that assert a time are marked `real_time`
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Tests of real time are run when the machine runs: see calm.py."""
    if pyfuncitem.get_closest_marker("real_time") is None:
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    calmly(lambda: pyfuncitem.obj(**arguments))
    return True


def pytest_configure(config: pytest.Config) -> None:
    """Files of tests lie in memory where there is room: databases are made by the hundred, and each commit is a sync.

    Whoever says --basetemp or TMPDIR has decided. The workers of xdist are told by the process that starts them.
    """
    if config.option.basetemp is None and "TMPDIR" not in os.environ and has_room(MEMORY):
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None  # it was asked for before, and remembers


def has_room(folder: Path) -> bool:
    """What lies there takes memory, of which a large file system may promise more than there is."""
    if not os.access(folder, os.W_OK | os.X_OK):
        return False
    memory: int = psutil.virtual_memory().available
    return min(shutil.disk_usage(folder).free, memory) >= MEMORY_BYTES


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Tens of thousands of tests stay until the end: the collector of garbage need not look through them, ever."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("live") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(LIVE_S))
