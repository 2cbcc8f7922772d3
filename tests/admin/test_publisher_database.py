"""The publisher with the real service, on SQLite and PostgreSQL: what is created there works for the workers."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastproxy.admin.store.connect import make_engine
from fastproxy.admin.store.engine import Store
from fastproxy.admin.store.schema import CONFIG, upgrade
from fastproxy.admin.tenants import Declared, Tenants, Terms, Vault
from tests.admin.publishing import Scene, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fastproxy.admin.publisher import Publisher
    from fastproxy.snapshot import KeySpec

TERMS = Terms("tests")


@asynccontextmanager
async def at_work(scene: Scene, url: str, *, pokes: bool = True) -> AsyncIterator[tuple[Publisher, Tenants]]:
    """Both, as they are in the admin process."""
    await upgrade(url, [CONFIG])
    engine = make_engine(url)
    store = Store(engine, engine)
    try:
        vault = await Vault.open(store, scene.master_key)
        told: list[Publisher] = []

        def changed() -> None:
            for one in told:
                one.poke()

        tenants = Tenants(store, vault, Declared.of(scene.settings), changed)
        async with scene.running(tenants) as publisher:
            told += [publisher] if pokes else []
            yield publisher, tenants
    finally:
        await store.close()


def test_a_key_from_its_creation_to_its_end(database_url: str, tmp_path: Path) -> None:
    async def run() -> None:
        scene = Scene(tmp_path, "keys: [{name: mine, key: sk-of-the-file-1}]")
        async with at_work(scene, database_url) as (publisher, tenants):
            await make(publisher, tenants, "groups", {"name": "team", "models": ["gpt-*"], "sets": ["fast"]})
            made = await make(publisher, tenants, "keys", {"name": "ci", "group": "team", "quota_daily": 3})
            secret = made.secret
            key = known(scene, secret)
            assert (key.name, key.group, key.quota_daily, key.until) == ("ci", "team", 3, 0)
            await changed(publisher, tenants, "keys", "team/ci", {"status": "disabled"})
            assert known(scene, secret).status == "disabled"
            rotated = await tenants.rotate("team/ci", 60, TERMS)
            await publisher.effective(rotated.revision)
            assert rotated.secret is not None
            assert (known(scene, rotated.secret).until, known(scene, secret).until > 0) == (0, True)
            await gone(publisher, tenants, "keys", "team/ci")
            assert [scene.key(one) for one in (secret, rotated.secret)] == [None, None]
            group = scene.group("team")
            assert group is not None
            assert (group.models, group.sets) == (("gpt-*",), ("fast",))

    asyncio.run(run())


def test_a_channel_with_its_credentials_and_a_model(database_url: str, tmp_path: Path) -> None:
    async def run() -> None:
        scene = Scene(tmp_path)
        async with at_work(scene, database_url) as (publisher, tenants):
            channel = {
                "name": "main",
                "provider": "openai",
                "credentials": [{"label": "a", "secret": "sk-up-0123456789"}],
            }
            await make(publisher, tenants, "channels", channel)
            await make(publisher, tenants, "models", {"name": "mine", "facts": {"max_output": 5}})
            assert [(one.name, one.keys) for one in scene.snapshot.channels] == [("main", ("sk-up-0123456789",))]
            assert scene.snapshot.facts == {"mine": {"max_output": 5}}
            await gone(publisher, tenants, "channels", "main")
            assert scene.snapshot.channels == ()

    asyncio.run(run())


def test_a_restart_with_the_database_away_and_back(database_url: str, tmp_path: Path) -> None:
    async def run() -> None:
        scene = Scene(tmp_path)
        async with at_work(scene, database_url) as (publisher, tenants):
            await make(publisher, tenants, "groups", {"name": "team"})
            secret = (await make(publisher, tenants, "keys", {"name": "ci", "group": "team"})).secret
        again = Scene(tmp_path)
        assert known(again, secret).name == "ci"
        async with at_work(again, database_url) as (publisher, tenants):
            await until(lambda: publisher.state.is_database_ok)
            assert known(again, secret).name == "ci"
            await gone(publisher, tenants, "keys", "team/ci")
            assert again.key(secret) is None

    asyncio.run(run())


def test_what_somebody_else_changes_is_found_without_a_poke(database_url: str, tmp_path: Path) -> None:
    """Another node, or the command line."""

    async def run() -> None:
        scene = Scene(tmp_path)
        async with at_work(scene, database_url, pokes=False) as (publisher, tenants):
            await until(lambda: publisher.state.is_database_ok)
            outcome = await tenants.create("groups", {"name": "team"}, TERMS)
            assert (await publisher.effective(outcome.revision)).is_complete
            assert scene.group("team") is not None

    asyncio.run(run())


async def make(publisher: Publisher, tenants: Tenants, kind: str, document: dict[str, Any]) -> Any:
    outcome = await tenants.create(kind, document, TERMS)
    assert (await publisher.effective(outcome.revision)).is_complete
    return outcome


async def changed(publisher: Publisher, tenants: Tenants, kind: str, ident: str, patch: dict[str, Any]) -> None:
    outcome = await tenants.change(kind, ident, patch, TERMS)
    assert (await publisher.effective(outcome.revision)).is_complete


async def gone(publisher: Publisher, tenants: Tenants, kind: str, ident: str) -> None:
    outcome = await tenants.remove(kind, ident, TERMS)
    assert (await publisher.effective(outcome.revision)).is_complete


def known(scene: Scene, secret: str) -> KeySpec:
    key = scene.key(secret)
    assert key is not None
    return key
