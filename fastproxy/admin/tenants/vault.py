"""Secrets at rest: client keys as keyed hashes, credentials of channels sealed (AES-256-GCM, shared/sealing.py).

    hash secret    keys the hashes; made once per installation, kept in the database, sealed under the master key, so
                   that it stays when the master key is changed (`fastproxy db rekey`)
    credentials    each sealed under a key derived from the master key, tied to its id: a row that was moved or
                   changed in the database does not open

A client's secret is "sk-fp-" and 43 random characters (256 bits). It is known with its "sk-" and without: the hash
leaves that out (snapshot.digest), for all keys alike.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from fastproxy.admin.store.dialect import insert_or_ignore
from fastproxy.admin.store.engine import StoreError
from fastproxy.admin.store.tables import state
from fastproxy.publish.compose import hash_secret
from fastproxy.shared.sealing import Sealer
from fastproxy.snapshot import digest

if TYPE_CHECKING:
    from fastproxy.admin.store.engine import Store
    from fastproxy.shared.master_key import MasterKey

MARK: Final = "sk-fp-"
PREFIX_LENGTH: Final = len(MARK) + 6
_PURPOSE: Final = "credentials of channels"


class VaultError(StoreError):
    """What is sealed in the database does not open under this master key; the text holds no part of either."""


class Vault:
    """`sealed_hash_secret`: as the database has it; a change of it means that the master key was changed there."""

    __slots__ = ("_sealer", "hash_secret", "installation", "sealed_hash_secret")

    def __init__(self, sealer: Sealer, installation: str, hash_secret: bytes, sealed_hash_secret: bytes) -> None:
        self._sealer = sealer
        self.installation = installation
        self.hash_secret = hash_secret
        self.sealed_hash_secret = sealed_hash_secret

    @classmethod
    async def open(cls, store: Store, master: MasterKey) -> Vault:
        """Raises: VaultError for a database that was sealed under another master key; SQLAlchemyError, OSError."""
        sealer = sealer_of(master)
        wanted = select(state.c.installation, state.c.hash_secret)
        async with store.config.begin() as connection:
            found = (await connection.execute(wanted)).first()
            if found is None:
                # of two that start at once, the first one's row stays for both
                await connection.execute(insert_or_ignore(state, connection).values(_first_state(sealer, master)))
                found = (await connection.execute(wanted)).one()
        installation, sealed = found
        return cls(sealer, installation, open_hash_secret(sealer, installation, sealed), sealed)

    def digest(self, secret: str) -> bytes:
        """The keyed hash under which a client's key is looked up."""
        return digest(self.hash_secret, secret.encode())

    def seal(self, credential_id: str, secret: str) -> bytes:
        return self._sealer.seal(secret.encode(), about_credential(credential_id))

    def open_credential(self, credential_id: str, sealed: bytes) -> str:
        """Raises: VaultError."""
        return open_credential(self._sealer, credential_id, sealed).decode()


def _first_state(sealer: Sealer, master: MasterKey) -> dict[str, object]:
    installation = secrets.token_hex(16)
    sealed = sealer.seal(hash_secret(master), about_hash_secret(installation))
    now = int(time.time() * 1000)
    return {"id": 1, "installation": installation, "revision": 0, "hash_secret": sealed, "created_at": now}


def sealer_of(master: MasterKey) -> Sealer:
    return Sealer(master.derive(_PURPOSE))


def about_hash_secret(installation: str) -> bytes:
    return b"hash secret:" + installation.encode()


def about_credential(credential_id: str) -> bytes:
    return b"credentials:" + credential_id.encode()


def open_hash_secret(sealer: Sealer, installation: str, sealed: bytes) -> bytes:
    """Raises: VaultError."""
    found = sealer.open(sealed, about_hash_secret(installation))
    if found is None:
        raise VaultError(
            "the database was sealed under another master key; start with the one that it belongs to "
            "(FASTPROXY_MASTER_KEY, or master.key in the state directory)"
        )
    return found


def open_credential(sealer: Sealer, credential_id: str, sealed: bytes) -> bytes:
    """Raises: VaultError."""
    found = sealer.open(sealed, about_credential(credential_id))
    if found is None:
        raise VaultError(f"credential {credential_id} does not open: its row was changed, or sealed under another key")
    return found


def make_secret() -> str:
    """A client's secret."""
    return MARK + secrets.token_urlsafe(32)


def prefix_of(secret: str) -> str:
    """The part that is kept to recognise a key by: 36 of its 256 bits."""
    return secret[:PREFIX_LENGTH]
