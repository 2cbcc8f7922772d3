"""The service: one object through which tenants are read and changed.

Every change is one transaction: the revision first, which makes writers wait for each other on every database, then the
rows, then what they were before and are now. Nothing is half-applied, whatever dies when. After a commit `changed` is
called, which pokes the publisher; the command line, which has none, is noticed by the publisher's look at the revision.

All methods raise Refusal (refusals.py) and nothing else that a caller has to expect; those for the publisher let
trouble with the database through as it is (loading.py).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fastproxy.admin.tenants import changing, history, loading, overrides, reading, rollback
from fastproxy.admin.tenants.transact import Desk

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.admin.store.engine import Store
    from fastproxy.admin.tenants.declared import Declared
    from fastproxy.admin.tenants.terms import Item, Outcome, Page, Query, Terms
    from fastproxy.admin.tenants.vault import Vault
    from fastproxy.publish.stored import Changes, Stored


class Tenants:
    """`declared`: what the settings say; set it anew when they have been read anew. `changed` is called after every
    commit, from the loop's own thread. `clock`: Unix seconds."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        declared: Declared,
        changed: Callable[[], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._desk = Desk(store, vault, declared, changed, clock)

    @property
    def declared(self) -> Declared:
        return self._desk.declared

    @declared.setter
    def declared(self, declared: Declared) -> None:
        self._desk.declared = declared

    # --- reading

    async def page(self, kind: str, query: Query) -> Page:
        """What the file declares stands first, then the database's, each in the wanted order."""
        return await reading.page(self._desk, kind, query)

    async def one(self, kind: str, ident: str) -> Item:
        return await reading.one(self._desk, kind, ident)

    # --- changing

    async def create(self, kind: str, document: object, terms: Terms) -> Outcome:
        """`document`: what a JSON parser made of the body; also of patches. A key's secret is in the outcome, once."""
        return await changing.create(self._desk, kind, document, terms)

    async def change(self, kind: str, ident: str, patch: object, terms: Terms) -> Outcome:
        return await changing.change(self._desk, kind, ident, patch, terms)

    async def remove(self, kind: str, ident: str, terms: Terms) -> Outcome:
        return await changing.remove(self._desk, kind, ident, terms)

    async def rotate(self, ident: str, grace_s: float, terms: Terms) -> Outcome:
        """A new secret for a key. The old one works for `grace_s` seconds more; 0 ends it at once."""
        return await changing.rotate(self._desk, ident, grace_s, terms)

    # --- what holds for one model when a group asks for it; an item is GroupModelIn, with `model` and `version`

    async def group_models(self, group: str) -> Page:
        return await overrides.page(self._desk, group)

    async def group_model(self, group: str, model: str) -> Item:
        return await overrides.one(self._desk, group, model)

    async def put_group_model(self, group: str, model: str, document: object, terms: Terms) -> Outcome:
        """Makes it, or replaces it whole."""
        return await overrides.put(self._desk, group, model, document, terms)

    async def remove_group_model(self, group: str, model: str, terms: Terms) -> Outcome:
        return await overrides.remove(self._desk, group, model, terms)

    # --- history

    async def history(self, *, before: int | None = None, limit: int = 50) -> Page:
        """Revisions, the newest first: {"revision", "at", "actor", "changes": [{"kind", "id", "name", "action"}]}, of
        which at most 20 changes are told, and "count" of them all. `before`: only older ones."""
        return await history.page(self._desk, before, limit)

    async def revision(self, number: int) -> Item:
        """{"revision", "at", "actor", "count", "changes": [{"kind", "id", "name", "action", "before", "after",
        "fields"}]}; before and after are items, None for what was not there. At most 1,000 changes are told."""
        return await history.one(self._desk, number)

    async def roll_back(self, to_revision: int, terms: Terms) -> Outcome:
        """Everything as it was at that revision, as a new revision. `item` is None."""
        return await rollback.roll_back(self._desk, to_revision, terms)

    # --- for the publisher

    async def load(self) -> Stored:
        """Everything, as of one revision."""
        return await loading.load(self._desk)

    async def changes_since(self, revision: int) -> Changes | None:
        """What changed objects are now; None where only `load` can tell."""
        return await loading.changes_since(self._desk, revision)

    async def current_revision(self) -> int:
        return await loading.current_revision(self._desk)
