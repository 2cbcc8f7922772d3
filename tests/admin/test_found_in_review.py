"""What an attack on the publisher has found, each named after what went wrong."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from fastproxy.publish.saved import SavedFile
from fastproxy.shared.master_key import MasterKey
from tests.admin.publishing import Scene, channel, stored_key, team

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_an_old_admin_process_wrote_over_what_rekey_had_saved(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """So the restart that rekey asks for began with an empty register, and refused every key of the database."""

    async def run() -> None:
        scene = Scene(tmp_path)
        database = scene.database()
        database.put(team(), stored_key(database, "old"), channel())
        async with scene.running(database) as publisher:
            await publisher.effective(1)
        sealed_anew = SavedFile(str(scene.state), MasterKey(bytes(range(32))))
        saved = SavedFile(str(scene.state), scene.master_key).read()
        assert saved is not None
        sealed_anew.write(saved)
        async with scene.running(database) as publisher:
            await publisher.effective(1)
            database.put(channel("more"))
            publisher.poke()
            assert (await publisher.effective(2)).is_complete
        assert sealed_anew.read() == saved

    with caplog.at_level(logging.ERROR, "fastproxy"):
        asyncio.run(run())
    assert "is sealed under another master key; restart with the new one" in caplog.text


def test_removing_the_last_group_opened_the_gateway_to_the_keys_that_went_with_it(tmp_path: Path) -> None:
    async def run() -> None:
        scene = Scene(tmp_path)
        database = scene.database()
        async with scene.running(database) as publisher:
            await publisher.effective(0)
            database.put(channel())
            publisher.poke()
            await publisher.effective(1)
            was_open = scene.snapshot.open_to_all  # nobody was ever given a key
            group, key = team(), stored_key(database, "only")
            database.put(group, key)
            publisher.poke()
            await publisher.effective(2)
            database.remove(group, key)
            publisher.poke()
            await publisher.effective(3)
            assert (was_open, scene.snapshot.open_to_all) == (True, False)
        again = Scene(tmp_path)  # nor does a restart
        async with again.running(database) as publisher:
            await publisher.effective(3)
            assert (publisher.state.is_from_saved, again.snapshot.open_to_all) == (False, False)

    asyncio.run(run())
