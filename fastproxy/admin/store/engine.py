"""The open database.

    StoreUrls.of(settings)      where
    open_store(urls) → Store    store.config and store.ledger: engines, the same one when the ledger has no database of
                                its own; connect.py tells what `begin()` and `connect()` are for

At the start SQLite's tables are brought up to date; PostgreSQL's, which several nodes may use, only when asked to
(`--migrate`), else by `fastproxy db upgrade`. What can fail later raises StoreError (no connection), SQLAlchemyError
or OSError (a connection that broke, no answer in time); `brief(error)` is what may be told of each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastproxy.admin.store.connect import expect_file, make_engine
from fastproxy.admin.store.errors import StoreError, brief, clear_errors, place_of
from fastproxy.admin.store.schema import CONFIG, LEDGER, Chain, Version, refuse, upgrade, version_of
from fastproxy.config.urls import database_file

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from fastproxy.config import Settings

__all__ = ["Store", "StoreError", "StoreUrls", "brief", "open_store"]


@dataclass(frozen=True, slots=True)
class StoreUrls:
    """As in the settings. `migrate`: also PostgreSQL's tables are brought up to date at start."""

    config: str = field(repr=False)
    ledger: str = field(repr=False)
    migrate: bool = False

    @classmethod
    def of(cls, settings: Settings) -> StoreUrls:
        return cls(settings.database, settings.ledger.database or settings.database, settings.migrate)

    def places(self) -> dict[str, tuple[Chain, ...]]:
        """Each database once, with the chains that live in it."""
        if self.config == self.ledger:
            return {self.config: (CONFIG, LEDGER)}
        return {self.config: (CONFIG,), self.ledger: (LEDGER,)}


@dataclass(frozen=True, slots=True)
class Store:
    config: AsyncEngine
    ledger: AsyncEngine

    @property
    def is_one(self) -> bool:
        """Whether one transaction can reach the tables of both."""
        return self.config is self.ledger

    async def close(self) -> None:
        await self.config.dispose()
        if not self.is_one:
            await self.ledger.dispose()


async def open_store(urls: StoreUrls, *, migrate: bool | None = None) -> Store:
    """Connects, and sees to it that the tables are those of this program.

    `migrate`: bring them up to date; None: SQLite's yes, PostgreSQL's if `urls` say so. Raises StoreError.
    """
    for url, chains in urls.places().items():
        if migrate if migrate is not None else database_file(url) or urls.migrate:
            await upgrade(url, chains)
        else:
            await _expect_current(url, chains)
    config = make_engine(urls.config)
    return Store(config, config if urls.ledger == urls.config else make_engine(urls.ledger))


async def _expect_current(url: str, chains: tuple[Chain, ...]) -> None:
    expect_file(url)
    engine = make_engine(url)
    try:
        with clear_errors(url):
            async with engine.connect() as connection:
                versions = [await connection.run_sync(version_of, chain) for chain in chains]
    finally:
        await engine.dispose()
    for version in versions:
        refuse(version, url)
        if version is not Version.CURRENT:
            raise StoreError(
                f"{place_of(url)} {version.value}; run `fastproxy db upgrade` first, or start with --migrate"
            )
