"""A channel's credentials: what a document says about them, laid over those that it has.

Whoever writes a channel does not know its secrets. So an entry that names one by id or label, and brings no secret,
means the one that is there; a secret that is the same again leaves it as it is.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from fastproxy.admin.tenants.declared import hint_of
from fastproxy.admin.tenants.refusals import Invalid
from fastproxy.admin.tenants.vault import VaultError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fastproxy.admin.tenants.documents import CredentialIn
    from fastproxy.admin.tenants.objects import State
    from fastproxy.admin.tenants.refusals import Field
    from fastproxy.admin.tenants.vault import Vault


def merged(present: Sequence[State], wanted: Sequence[CredentialIn], vault: Vault, now: int) -> list[State]:
    """The rows that the channel shall have, without their channel's id. Raises: Invalid."""
    matches = match(present, wanted)
    found = [_row(old, item, vault, now) for old, item in zip(matches, wanted, strict=True)]
    return in_order(found)


def in_order(rows: Iterable[State]) -> list[State]:
    """The order in which they are shown; it means nothing else."""
    return sorted(rows, key=lambda row: (row["created_at"], row["label"], row["id"]))


def match(present: Sequence[State], wanted: Sequence[CredentialIn]) -> list[State | None]:
    """For each entry the row that it means, None for a new one. Raises: Invalid."""
    ids = {row["id"]: row for row in present}
    labels = {row["label"]: row for row in present if row["label"]}
    matches: list[State | None] = []
    faults: list[Field] = []
    for index, item in enumerate(wanted):
        old = ids.get(item.id) if item.id is not None else labels.get(item.label)
        matches.append(old)
        faults += [
            {"path": f"credentials[{index}].{field}", "message": message}
            for field, message in _faults(item, old, wanted[:index], matches[:index])
        ]
    if faults:
        raise Invalid(faults)
    return matches


def _faults(
    item: CredentialIn, old: State | None, earlier: Sequence[CredentialIn], taken: Sequence[State | None]
) -> Iterable[tuple[str, str]]:
    if item.id is not None and old is None:
        yield "id", "the channel has no credential with this id"
    elif old is None and item.secret is None:
        yield "secret", "is required for a new credential"
    if old is not None and any(old is other for other in taken):
        yield "id" if item.id is not None else "label", "this credential stands twice in the list"
    elif item.label and any(item.label == other.label for other in earlier):
        yield "label", "two credentials have this label"


def _row(old: State | None, item: CredentialIn, vault: Vault, now: int) -> State:
    ident = old["id"] if old is not None else secrets.token_hex(16)
    row = {"id": ident, "label": item.label, "status": item.status, "created_at": old["created_at"] if old else now}
    if old is not None and (item.secret is None or _has(vault, old, item.secret)):
        if item.id is not None and "label" not in item.model_fields_set:
            row["label"] = old["label"]
        return {**row, "sealed": old["sealed"], "hint": old["hint"]}
    secret = item.secret or ""
    return {**row, "sealed": vault.seal(ident, secret), "hint": hint_of(secret)}


def _has(vault: Vault, row: State, secret: str) -> bool:
    try:
        return vault.open_credential(row["id"], row["sealed"]) == secret
    except VaultError:
        return False  # what does not open can only be replaced
