"""What goes into the service beside documents, and what comes out of it.

    kind     "groups" | "keys" | "channels" | "models"
    ident    an id, or a name; of a key "group/name", or its name alone where no other key has it

An item is what is shown of an object: its document's fields, and

    id           32 hex digits; None for what the file declares (its name serves as ident)
    created_at   ISO 8601, as updated_at; None for what the file declares
    version      counts from 1; None for what the file declares
    managed_by   "database" | "file"; what the file declares is read-only here
    origin       where the file, variable or flag says it; "" for the database's
    shadowed_by  the origin of what the file declares under the same name, "" normally: then this one is not in use

Keys have `prefix`, `rotated_at` and `previous_until` as well, never a secret; credentials of channels show their hint.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    Item = dict[str, Any]

KINDS: Final = ("groups", "keys", "channels", "models")


@dataclass(frozen=True, slots=True)
class Terms:
    """Who changes something, and on which terms."""

    actor: str  # as the history shall name it: "admin key", "command line of alice"
    dry: bool = False  # only tell what would change
    if_version: int | None = None  # the version that the author has seen; None: whatever it is
    create_group: bool = False  # keys: make the group if there is none of that name
    with_keys: bool = False  # groups: remove their keys with them


@dataclass(frozen=True, slots=True)
class Query:
    """One page of a list. `order` is a field, descending with "-" before it; `filters`: fields that must be equal."""

    page: int = 1
    per_page: int = 50
    search: str = ""  # a part of name, note or prefix; letters of both cases are the same
    order: str = ""  # "": by name
    filters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    items: list[Item]
    total: int  # of all pages


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a change has done, or with `dry` would do.

    `differences`: one for each object, as {"kind", "id", "name", "action": "create" | "change" | "remove",
    "fields": [{"path", "before", "after"}]}; empty when everything is as it was wanted already, and then `revision` has
    not moved. `item` is None when the object is gone. `secret` is a new key's, to be shown once.
    """

    item: Item | None
    revision: int
    differences: list[dict[str, Any]]
    secret: str | None = field(default=None, repr=False)
