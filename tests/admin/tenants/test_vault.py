"""The vault: what stands in the database opens under its own master key, at its own place, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update

from fastproxy.admin.store.tables import changes, credentials, keys, state
from fastproxy.admin.tenants import Unavailable, Vault, VaultError
from fastproxy.admin.tenants.resealing import Resealed, reseal
from fastproxy.admin.tenants.vault import MARK, PREFIX_LENGTH, make_secret, prefix_of
from fastproxy.publish.compose import hash_secret
from fastproxy.shared.master_key import MasterKey
from tests.admin.tenants.office import MASTER, TERMS, Office

if TYPE_CHECKING:
    from typing import Any

    from sqlalchemy import Executable

NEW = MasterKey(bytes(range(100, 132)))
SECRET = "sk-live-0123456789abcdef"


def execute(office: Office, statement: Executable) -> Any:
    async def run() -> Any:
        async with office.store.config.begin() as connection:
            result = await connection.execute(statement)
            return result.all() if result.returns_rows else None

    return office(run())


def opened(office: Office) -> list[str]:
    return [one.secret for channel in office(office.tenants.load()).channels for one in channel.credentials]


def statuses(office: Office) -> list[str]:
    return [one.status for channel in office(office.tenants.load()).channels for one in channel.credentials]


def test_secrets_are_long_random_and_known_by_their_beginning() -> None:
    made = {make_secret() for _ in range(100)}
    assert {len(secret) for secret in made} == {len(MARK) + 43}
    assert len({prefix_of(secret) for secret in made}) == 100
    assert PREFIX_LENGTH == 12


def test_the_first_start_makes_the_state_and_later_ones_find_it(office: Office) -> None:
    assert office.vault.hash_secret == hash_secret(MASTER)
    with Office(office.url) as again:
        assert again.vault.installation == office.vault.installation
        assert again.vault.hash_secret == office.vault.hash_secret


def test_a_database_of_another_master_key_is_refused(office: Office) -> None:
    with pytest.raises(VaultError, match="sealed under another master key"):
        office(Vault.open(office.store, NEW))


def test_a_credential_that_was_moved_to_another_row_does_not_open(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    office.make("channels", "one", provider="openai", credentials=[{"secret": SECRET}])
    office.make("channels", "two", provider="openai", credentials=[{"secret": "sk-live-of-somebody-else"}])
    assert sorted(opened(office)) == [SECRET, "sk-live-of-somebody-else"]
    ((sealed,), (other,)) = execute(office, select(credentials.c.sealed))
    execute(office, update(credentials).where(credentials.c.sealed == other).values(sealed=sealed))
    assert sorted(opened(office)) == ["", SECRET]
    assert sorted(statuses(office)) == ["disabled", "enabled"]
    assert "does not open" in caplog.text
    assert SECRET not in caplog.text
    # it can be mended by giving the secret again
    for name in ("one", "two"):
        (row,) = office.one("channels", name)["credentials"]
        office.change("channels", name, credentials=[{"id": row["id"], "secret": SECRET}])
    assert opened(office) == [SECRET, SECRET]


def test_nothing_in_clear_stands_in_the_database(office: Office) -> None:
    made = office.make("keys", "ci")
    office.make("channels", "openai", credentials=[{"secret": SECRET}])
    office(office.tenants.rotate("ci", 60, TERMS))
    found = repr([execute(office, select(table)) for table in (state, keys, credentials, changes)])
    assert made.secret is not None
    assert made.secret not in found
    assert SECRET not in found
    assert office.vault.hash_secret not in [row[0] for row in execute(office, select(state.c.hash_secret))]


def test_rekey_keeps_keys_credentials_and_the_way_back(office: Office) -> None:
    office.make("channels", "openai", credentials=[{"label": "a", "secret": SECRET}])
    office.make("keys", "ci")
    office.change("channels", "openai", credentials=[{"label": "a", "secret": f"{SECRET}2"}])
    digests = [key.digest for key in office(office.tenants.load()).keys]
    assert office(reseal(office.store, MASTER, NEW)) == Resealed(credentials=1, changes=2)
    assert office(reseal(office.store, MASTER, NEW)).is_done
    for late in (office.tenants.load(), office.tenants.changes_since(1)):
        with pytest.raises(VaultError, match="restart with the new one"):
            office(late)
    with Office(office.url, NEW) as after:
        assert after.vault.hash_secret == hash_secret(MASTER)
        assert [key.digest for key in after(after.tenants.load()).keys] == digests
        assert opened(after) == [f"{SECRET}2"]
        after(after.tenants.roll_back(2, TERMS))
        assert opened(after) == [SECRET]


def test_who_still_has_the_old_key_cannot_write_any_more(office: Office) -> None:
    office.make("keys", "ci")
    office(reseal(office.store, MASTER, NEW))
    with pytest.raises(Unavailable, match="restart with the new one"):
        office.make("channels", "openai", credentials=[{"secret": SECRET}])
    assert execute(office, select(state.c.revision)) == [(1,)]


def test_rekey_of_a_foreign_database_changes_nothing(office: Office) -> None:
    before = execute(office, select(state))
    with pytest.raises(VaultError):
        office(reseal(office.store, NEW, MasterKey(bytes(range(50, 82)))))
    assert execute(office, select(state)) == before


def test_a_secret_is_known_with_its_sk_and_without(office: Office) -> None:
    made = office.make("keys", "ci").secret
    assert made is not None
    assert office.vault.digest(made) == office.vault.digest(made.removeprefix("sk-"))
    assert office.vault.digest(made) != office.vault.digest(made.removeprefix(MARK))
