"""Tenants: groups, keys, channels and models of the database, and how they are changed.

service.py    Tenants: everything that the API, the command line and the publisher ask for
terms.py      what goes in and what comes out     refusals.py     what is refused
documents.py  the shapes that may be written      rules.py        single values     checks.py  what must fit together
accepting.py  what was written, as a document     declared.py     what the file says, read-only here
vault.py      the hash of keys, the seal of credentials           resealing.py   another master key

objects.py    documents ↔ rows ↔ items, pure      differences.py  what a change changes, pure
transact.py   one change, one transaction         rows.py         its SQL           locate.py  which object is meant
changing.py   create, change, remove, rotate      credentials.py  a channel's       grouping.py  a new key's group
overrides.py  what holds for one model            reading.py      pages and single objects
history.py    revisions                           rollback.py     the way back
loading.py    everything, for the publisher       as_stored.py    as its values
"""

from fastproxy.admin.tenants.declared import Declared
from fastproxy.admin.tenants.refusals import Conflict, Invalid, NotFound, Refusal, Unavailable
from fastproxy.admin.tenants.service import Tenants
from fastproxy.admin.tenants.terms import KINDS, Outcome, Page, Query, Terms
from fastproxy.admin.tenants.vault import Vault, VaultError

__all__ = [
    "KINDS",
    "Conflict",
    "Declared",
    "Invalid",
    "NotFound",
    "Outcome",
    "Page",
    "Query",
    "Refusal",
    "Tenants",
    "Terms",
    "Unavailable",
    "Vault",
    "VaultError",
]
