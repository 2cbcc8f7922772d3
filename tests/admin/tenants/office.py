"""The service over a real database, for tests: what is awaited runs in a loop that lives as long as the test."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self, TypeVar

from fastproxy.admin.store.connect import make_engine
from fastproxy.admin.store.engine import Store
from fastproxy.admin.store.schema import CONFIG, upgrade
from fastproxy.admin.tenants import Declared, Outcome, Tenants, Terms, Vault
from fastproxy.shared.master_key import MasterKey

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")
MASTER = MasterKey(bytes(range(32)))
TERMS = Terms("tests")
DRY = Terms("tests", dry=True)
START = 1_800_000_000.0
NOTHING = Declared()


class Office:
    """`now` is the service's clock; `pokes` counts what the publisher would have been told."""

    def __init__(self, url: str, master: MasterKey = MASTER, declared: Declared = NOTHING) -> None:
        self.now = START
        self.pokes = 0
        self.url = url
        self._runner = asyncio.Runner()
        self.store, self.vault = self(_open(url, master))
        self.tenants = Tenants(self.store, self.vault, declared, self._poked, lambda: self.now)

    def __call__(self, awaited: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(awaited)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self(self.store.close())
        self._runner.close()

    def _poked(self) -> None:
        self.pokes += 1

    # what nearly every test does, in few words

    def make(self, kind: str, name: str = "", terms: Terms = TERMS, /, **fields: Any) -> Outcome:
        return self(self.tenants.create(kind, {"name": name, **fields} if name else fields, terms))

    def change(self, kind: str, ident: str, /, **patch: Any) -> Outcome:
        return self(self.tenants.change(kind, ident, patch, TERMS))

    def remove(self, kind: str, ident: str, terms: Terms = TERMS) -> Outcome:
        return self(self.tenants.remove(kind, ident, terms))

    def one(self, kind: str, ident: str) -> dict[str, Any]:
        return self(self.tenants.one(kind, ident))

    def revision(self) -> int:
        return self(self.tenants.current_revision())


async def _open(url: str, master: MasterKey) -> tuple[Store, Vault]:
    await upgrade(url, [CONFIG])
    engine = make_engine(url)
    store = Store(engine, engine)
    return store, await Vault.open(store, master)
