"""The publisher against a database in memory: what workers find in register and on the board after each change."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from fastproxy.errors import ConfigError
from fastproxy.publish.claim import Claim
from fastproxy.publish.stored import StoredCredential
from fastproxy.shared import rows
from tests.admin.publishing import Scene, channel, model, stored_key, team, until

if TYPE_CHECKING:
    from pathlib import Path

    from fastproxy.admin.notices import Acknowledged
    from fastproxy.admin.publisher import Publisher

FILE = "groups: [{name: own}]\nkeys: [{name: mine, key: sk-of-the-file-1, group: own}]"


def test_the_first_load_and_every_change_reach_the_workers(tmp_path: Path) -> None:
    async def run() -> None:
        scene = Scene(tmp_path, FILE)
        database = scene.database()
        database.put(team(), stored_key(database, "old"), channel())
        async with scene.running(database) as publisher:
            first = await publisher.effective(1)
            assert (first.is_complete, first.used_by, first.workers) == (True, 2, 2)
            assert [scene.key(secret).name for secret in ("sk-old", "sk-of-the-file-1")] == ["old", "mine"]  # type: ignore[union-attr]
            assert [one.name for one in scene.snapshot.channels] == ["main"]
            of_snapshot = scene.board.data_generation()

            new = stored_key(database, "new", expires_at=1_900_000_000_000, sets=("fast",), quota_daily=2.5)
            done = await asked(publisher, database.put(new))
            made = scene.key("sk-new")
            assert made is not None
            assert (made.id, made.expires, made.sets, made.quota_daily) == (new.id, 1_900_000_000, ("fast",), 2.5)
            assert done.generation > first.generation
            assert scene.board.data_generation() == of_snapshot, "a key makes nobody read the snapshot again"

            await asked(publisher, database.put(stored_key(database, "new", status="disabled")))
            assert (scene.key("sk-new") or made).status == "disabled"
            await asked(publisher, database.remove(new))
            assert scene.key("sk-new") is None
            await asked(publisher, database.put(team(status="disabled", models=("gpt-*",))))
            group = scene.group("team")
            assert group is not None
            assert (group.status, group.models) == ("disabled", ("gpt-*",))
            assert scene.board.data_generation() == of_snapshot
            assert database.loads == 1
            assert publisher.state.is_database_ok
            assert not publisher.state.is_from_saved

    asyncio.run(run())


def test_what_is_so_already_is_not_published_again(tmp_path: Path) -> None:
    async def run() -> None:
        scene = Scene(tmp_path, FILE + "\nchannels: [{provider: openai, keys: [sk-up-1]}]\nlimits: {max_body: 1MiB}")
        async with scene.running(scene.database()) as publisher:
            await until(lambda: publisher.state.is_database_ok)
        assert scene.board.generation() == 1
        again = Scene(tmp_path, scene.file.read_text())
        async with again.running(again.database()) as publisher:
            await until(lambda: publisher.state.is_database_ok)
        assert again.board.generation() == 1

    asyncio.run(run())


def test_channels_models_and_their_credentials(tmp_path: Path) -> None:
    async def run() -> None:
        scene = Scene(tmp_path, "models: [{name: theirs, facts: {max_output: 8}}]")
        database = scene.database()
        keys = (StoredCredential("1", "a", "sk-up-1"), StoredCredential("2", "b", "sk-up-2", status="disabled"))
        async with scene.running(database) as publisher:
            was_open = scene.snapshot.open_to_all
            revision = database.put(channel(credentials=keys), model("mine", {"max_output": 5}), model("theirs", {}))
            await asked(publisher, revision)
            assert scene.snapshot.channels[0].keys == ("sk-up-1",)
            assert scene.snapshot.facts == {"theirs": {"max_output": 8}, "mine": {"max_output": 5}}
            locked = channel(credentials=(keys[1],), base_url="http://127.0.0.1:1/v1")
            await asked(publisher, database.put(locked))
            assert [(one.status, one.keys) for one in scene.snapshot.channels] == [("disabled", ())]
            assert scene.snapshot.provider_bases == {"openai": "http://127.0.0.1:1/v1"}
            await asked(publisher, database.put(stored_key(database, "first"), team()))
            # since there is a key, it is asked for
            assert (was_open, scene.snapshot.open_to_all) == (True, False)
            await asked(publisher, database.remove(locked))
            assert scene.snapshot.channels == ()

    asyncio.run(run())


def test_what_cannot_be_used_is_left_out_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        scene = Scene(tmp_path)
        database = scene.database()
        async with scene.running(database) as publisher:
            broken = channel("broken", provider="nobody-knows")
            nowhere = channel("nowhere", base_url="no address at all")
            faulty = model("m", {"max_output": "many"})
            await asked(publisher, database.put(broken, channel("good"), nowhere, faulty))
            assert [one.name for one in scene.snapshot.channels] == ["good"]
            assert len(publisher.state.left_out) == 3
            assert scene.snapshot.provider_bases == {}
            assert caplog.text.count("left out: channel 'broken'") == 1
            await asked(publisher, database.remove(broken))
            assert len(publisher.state.left_out) == 2

    asyncio.run(run())


def test_names_of_the_file_win_and_what_it_gives_back_is_in_use_again(tmp_path: Path) -> None:
    async def run() -> None:
        taken = "keys: [{name: ci, key: sk-of-the-file-1, group: team}]\ngroups: [{name: team, models: [a]}]\n"
        scene = Scene(tmp_path, taken + "channels: [{name: main, provider: openai, keys: [sk-up-of-the-file]}]")
        database = scene.database()
        database.put(team(models=("b",)), stored_key(database, "ci"), channel(), stored_key(database, "other"))
        async with scene.running(database) as publisher:
            await publisher.effective(1)
            group = scene.group("team")
            assert group is not None
            assert group.models == ("a",)
            assert [scene.key(one) is not None for one in ("sk-ci", "sk-of-the-file-1", "sk-other")] == [
                False,
                True,
                True,
            ]
            assert [one.keys for one in scene.snapshot.channels] == [("sk-up-of-the-file",)]

            scene.file.write_text("")
            await publisher.reload()
            await until(lambda: scene.key("sk-ci") is not None)
            assert [scene.key(one) is not None for one in ("sk-of-the-file-1", "sk-other")] == [False, True]
            group = scene.group("team")
            assert group is not None
            assert group.models == ("b",)
            assert [one.id for one in scene.snapshot.channels] == [channel().id]
            assert len(scene.adopted) == 1

            scene.file.write_text(taken)
            await publisher.reload()
            await until(lambda: scene.key("sk-ci") is None)
            assert scene.key("sk-of-the-file-1") is not None

    asyncio.run(run())


def test_a_group_that_only_a_key_of_the_file_names_is_the_databases_when_there_is_one(tmp_path: Path) -> None:
    async def run() -> None:
        scene = Scene(tmp_path, "keys: [{name: ci, key: sk-of-the-file-1, group: team}]")
        database = scene.database()
        async with scene.running(database) as publisher:
            seen = [scene.group("team")]
            for revision in (database.put(team(models=("b",))), database.remove(team())):
                await asked(publisher, revision) if revision == database.revision else None
            seen.append(scene.group("team"))
            await asked(publisher, database.put(team(models=("b",))))
            seen.append(scene.group("team"))
            await asked(publisher, database.remove(team()))
            seen.append(scene.group("team"))
        assert [one.models if one is not None else None for one in seen] == [("*",), ("*",), ("b",), ("*",)]

    asyncio.run(run())


# --- settings --------------------------------------------------------------------------------------------------------


def test_a_hup_is_answered_and_a_bad_file_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        scene = Scene(tmp_path, FILE)
        column = scene.seat.column
        async with scene.running(scene.database()):
            scene.file.write_text("keys: [{name: mine, key: sk-another-one-1}]")
            scene.master[rows.RELOAD_ASKED] += 1
            await until(lambda: column[rows.RELOAD_TAKEN] == 1)
            assert (column[rows.RELOADS], column[rows.RELOAD_FAILURES]) == (1, 0)
            assert [scene.key(one) is not None for one in ("sk-of-the-file-1", "sk-another-one-1")] == [False, True]
            generation = scene.board.generation()
            scene.file.write_text("keys: [{nome: mine}]")
            scene.master[rows.RELOAD_ASKED] += 2
            await until(lambda: column[rows.RELOAD_TAKEN] == 3)
            assert (column[rows.RELOADS], column[rows.RELOAD_FAILURES]) == (1, 1)
            assert (scene.key("sk-another-one-1") is not None, scene.board.generation()) == (True, generation)
            assert "reload refused, the old configuration stays" in caplog.text

    asyncio.run(run())


def test_a_reload_that_the_api_asks_for_tells_what_is_wrong(tmp_path: Path) -> None:
    async def run() -> None:
        scene = Scene(tmp_path)
        async with scene.running(scene.database()) as publisher:
            scene.file.write_text("channels: [{name: x, provider: nobody}]")
            with pytest.raises(ConfigError, match=r"not in the catalogue|no address"):
                await publisher.reload()
            scene.file.write_text("channels: [{provider: openai}]")
            assert await publisher.reload() == scene.board.generation()
            assert scene.seat.column[rows.RELOAD_FAILURES] == 1

    asyncio.run(run())


def test_a_watched_file_is_followed(tmp_path: Path) -> None:
    async def run() -> None:
        scene = Scene(tmp_path)
        async with scene.running(scene.database(), watch=True):
            scene.file.write_text("channels: [{provider: openai}]")
            await until(lambda: scene.seat.column[rows.RELOADS] == 1)  # counted when it is published, not before
            assert scene.snapshot.channels

    asyncio.run(run())


def test_one_that_follows_a_dead_one_goes_on_with_what_was_in_force(tmp_path: Path) -> None:
    """Its memory is the master's, from the start; the file has changed twice since, and is broken now."""

    async def run() -> None:
        scene = Scene(tmp_path, FILE)
        database = scene.database()
        database.put(team(), stored_key(database, "old"), channel())
        async with scene.running(database) as publisher:
            await publisher.effective(1)
            scene.file.write_text("keys: [{name: mine, key: sk-another-one-1}]")
            await publisher.reload()
        scene.file.write_text("nothing: good")
        database.away = "connection refused"
        async with scene.running(database) as publisher:
            await until(lambda: publisher.state.error)
            assert [scene.key(one) is not None for one in ("sk-another-one-1", "sk-old")] == [True, True]
            assert scene.key("sk-of-the-file-1") is None
            assert [one.name for one in scene.snapshot.channels] == ["main"]
            scene.file.write_text(FILE)
            await publisher.reload()
            assert [scene.key(one) is not None for one in ("sk-of-the-file-1", "sk-old")] == [True, True]

    asyncio.run(run())


# --- the database ----------------------------------------------------------------------------------------------------


def test_a_database_that_goes_away_changes_nothing_and_is_followed_when_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        scene = Scene(tmp_path)
        database = scene.database()
        database.put(team(), stored_key(database, "old"))
        async with scene.running(database) as publisher:
            await publisher.effective(1)
            database.away = "connection refused"
            revision = database.put(stored_key(database, "new"))
            publisher.poke()
            await until(lambda: publisher.state.error)
            assert (publisher.state.error, publisher.state.is_database_ok) == ("connection refused", False)
            late = await publisher.effective(revision, 0.01)
            assert (late.is_complete, late.used_by) == (False, 0)
            assert scene.key("sk-old") is not None
            database.away = ""
            await asked(publisher, revision)
            await until(lambda: publisher.state.is_database_ok)
            assert publisher.state.error == ""
            assert scene.key("sk-new") is not None
        assert caplog.text.count("the database cannot be followed, going on with what was read last") == 1
        assert caplog.text.count("the database is followed again, at revision 2") == 1

    asyncio.run(run())


@pytest.mark.parametrize("reason", ["restored from a backup", "history pruned"])
def test_what_cannot_be_followed_step_by_step_is_loaded(tmp_path: Path, reason: str) -> None:
    async def run() -> None:
        scene = Scene(tmp_path)
        database = scene.database()
        database.put(team(), stored_key(database, "one"))
        async with scene.running(database) as publisher:
            await publisher.effective(1)
            database.put(stored_key(database, "two"))
            if reason == "history pruned":
                database.forgets_before = 2
                del database.objects["keys"][stored_key(database, "one").id]
            else:
                await asked(publisher, 2)
                database.revision = 1
                database.changed.clear()
                del database.objects["keys"][stored_key(database, "one").id]
            publisher.poke()
            await until(lambda: publisher.state.revision == database.revision and database.loads == 2)
            assert [scene.key(one) is not None for one in ("sk-one", "sk-two")] == [False, True]

    asyncio.run(run())


def test_a_restart_serves_what_the_database_held_and_follows_it_when_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        scene = Scene(tmp_path, FILE)
        database = scene.database()
        database.put(team(models=("b",)), stored_key(database, "old"), channel())
        async with scene.running(database) as publisher:
            await publisher.effective(1)
        again = Scene(tmp_path, "keys: [{name: mine, key: sk-another-one-1, group: team}]")
        assert [again.key(one) is not None for one in ("sk-old", "sk-of-the-file-1", "sk-another-one-1")] == [
            True, False, True,
        ]  # fmt: skip
        assert [one.name for one in again.snapshot.channels] == ["main"]
        group = again.group("team")
        assert group is not None
        assert group.models == ("b",)
        database.away = "no such host"
        async with again.running(database) as publisher:
            await until(lambda: publisher.state.error)
            assert (publisher.state.is_from_saved, publisher.state.revision) == (True, 1)
            assert again.key("sk-old") is not None
            database.away = ""
            await asked(publisher, database.put(stored_key(database, "new")))
            assert again.key("sk-new") is not None
        assert "going on with what an earlier run has saved, revision 1: no such host" in caplog.text

    asyncio.run(run())


def test_another_database_than_before_is_not_followed(tmp_path: Path) -> None:
    """A file that was removed is made anew, empty: that must not take all keys away."""

    async def run() -> None:
        scene = Scene(tmp_path)
        database = scene.database()
        database.put(team(), stored_key(database, "old"))
        async with scene.running(database) as publisher:
            await publisher.effective(1)
        again = Scene(tmp_path)
        empty = again.database()
        empty.installation = "f" * 32
        async with again.running(empty) as publisher:
            await until(lambda: publisher.state.error)
            assert "it is another one than before" in publisher.state.error
            assert not (await publisher.effective(1, 0.01)).is_complete, "the revision of the old one says nothing"
            assert f"remove {scene.state}/snapshot and start again" in publisher.state.error
            assert again.key("sk-old") is not None
        (scene.state / "snapshot").unlink()
        anew = Scene(tmp_path)
        assert anew.key("sk-old") is None
        async with anew.running(empty) as publisher:
            await until(lambda: publisher.state.is_database_ok)

    asyncio.run(run())


def test_a_database_with_another_secret_makes_all_hashes_anew(tmp_path: Path) -> None:
    async def run() -> None:
        scene = Scene(tmp_path, FILE)
        database = scene.database()
        database.secret = b"s" * 32
        database.put(team(), stored_key(database, "old"))
        before = set(dict(scene.register.items()))
        async with scene.running(database) as publisher:
            await publisher.effective(1)
            await until(lambda: publisher.state.is_database_ok)
            assert scene.snapshot.secret == b"s" * 32
            assert [scene.key(one) is not None for one in ("sk-old", "sk-of-the-file-1")] == [True, True]
            assert scene.group("own") is not None
            assert not before & set(dict(scene.register.items()))
        again = Scene(tmp_path, FILE)
        assert [again.key(one) is not None for one in ("sk-old", "sk-of-the-file-1")] == [True, True]

    asyncio.run(run())


# --- who may, and what goes wrong ------------------------------------------------------------------------------------


def test_a_new_one_waits_for_the_old_one_and_touches_nothing(tmp_path: Path) -> None:
    """During an upgrade: the new master's file has lost a key, which the old master's workers still know."""

    async def run() -> None:
        old = Scene(tmp_path, FILE)
        database = old.database()
        database.put(team(), stored_key(database, "old"))
        async with old.running(database) as first:
            await first.effective(1)
            new = Scene(tmp_path, "keys: [{name: other, key: sk-of-the-new-file}]", is_only_master=False)
            assert [one.name for one in new.snapshot.keys] == ["other"], "it brings its keys itself"
            assert old.key("sk-of-the-file-1") is not None
            second = new.publisher(database)
            tasks = [asyncio.create_task(work) for work in (second.run(), new.look())]
            await asked(first, database.put(stored_key(database, "meanwhile")))
            assert new.key("sk-meanwhile") is not None, "keys of the database reach the workers of both"
            assert (new.board.generation(), second.state.revision) == (1, 0)
        done = await second.effective(2)
        assert done.is_complete
        assert new.snapshot.keys == ()
        assert [new.key(one) is not None for one in ("sk-of-the-new-file", "sk-of-the-file-1")] == [True, False]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())


def test_one_claim_at_a_time(tmp_path: Path) -> None:
    first = Claim.take(str(tmp_path))
    assert first is not None
    assert Claim.take(str(tmp_path)) is None
    first.release()
    assert Claim.take(str(tmp_path)) is not None


def test_a_full_disk_leaves_what_was_there_and_is_made_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        scene = Scene(tmp_path, FILE)
        database = scene.database()
        database.put(team(), stored_key(database, "old"))
        async with scene.running(database) as publisher:
            await publisher.effective(1)
            with monkeypatch.context() as patch:
                patch.setattr("fastproxy.shared.register.write_all", full)
                revision = database.put(stored_key(database, "new"), channel())
                publisher.poke()
                await until(lambda: publisher.state.error)
                scene.file.write_text("keys: [{name: mine, key: sk-another-one-1}]")
                with pytest.raises(OSError, match="no room"):
                    await publisher.reload()
            assert [scene.key(one) is not None for one in ("sk-old", "sk-new", "sk-of-the-file-1")] == [
                True,
                False,
                True,
            ]
            await asked(publisher, revision)
            assert [scene.key(one) is not None for one in ("sk-new", "sk-of-the-file-1")] == [True, True]
            assert [one.name for one in scene.snapshot.channels] == ["main"]

    asyncio.run(run())


def full(*_: object) -> None:
    raise OSError(28, "no room")


def test_a_group_too_large_for_the_register_stopped_all_publishing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        scene = Scene(tmp_path)
        database = scene.database()
        huge = {f"model-{number}": {"note": "x" * 1000} for number in range(1500)}
        database.put(team(overrides=huge), stored_key(database, "one"))
        async with scene.running(database) as publisher:
            assert (await publisher.effective(1)).is_complete
            assert (scene.group("team"), scene.key("sk-one") is not None) == (None, True)
            await asked(publisher, database.put(team()))
            assert scene.group("team") is not None
        assert "is left out: the register takes 1048576" in caplog.text

    asyncio.run(run())


def test_a_worker_that_does_not_look_is_counted(tmp_path: Path) -> None:
    async def run() -> None:
        scene = Scene(tmp_path, workers=3)
        database = scene.database()
        publisher = scene.publisher(database)
        task = asyncio.create_task(publisher.run())
        revision = database.put(team())
        publisher.poke()
        scene.worker(2)[rows.STATE] = rows.DRAINING
        await until(lambda: publisher.state.revision == revision)
        scene.worker(0)[rows.GENERATION] = scene.board.generation()
        found = await publisher.effective(revision, 0.05)
        assert (found.is_complete, found.used_by, found.workers) == (False, 1, 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


async def asked(publisher: Publisher, revision: int) -> Acknowledged:
    """Poke, as whoever has changed the database does, and wait."""
    publisher.poke()
    found = await publisher.effective(revision)
    assert found.is_complete
    return found
