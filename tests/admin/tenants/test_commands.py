"""`fastproxy key …` and `fastproxy db rekey`, as they are typed: what goes where, and what the exit code says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from fastproxy.__main__ import main
from fastproxy.shared.master_key import NAME, read_master_key
from tests.admin.tenants.office import Office

if TYPE_CHECKING:
    from pathlib import Path


class Shell:
    """Runs commands on one state directory and one database."""

    def __init__(self, state_dir: Path, database: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.state_dir = state_dir
        self.database = database
        self._capsys = capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        settings = ["--state-dir", str(self.state_dir), "--database", self.database, "--migrate"]
        code = main([*words, *settings])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def json(self, *words: str) -> dict[str, Any]:
        code, out, err = self(*words, "--json")
        assert (code, err) == (0, "")
        found: dict[str, Any] = json.loads(out)
        return found


@pytest.fixture
def shell(tmp_path: Path, database_url: str, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path / "state", database_url, capsys)


def test_a_key_from_its_first_day_to_its_last(shell: Shell) -> None:
    code, secret, err = shell("key", "create", "ci", "--model", "gpt-*", "--subnet", "10.0.0.0/8", "--quota", "5")
    assert (code, len(secret), secret[:6]) == (0, 50, "sk-fp-")
    assert "only time its secret is shown" in err
    assert secret.strip() not in err
    (key,) = shell.json("key", "list")["items"]
    assert (key["name"], key["models"], key["subnets"], key["quota"]) == ("ci", ["gpt-*"], ["10.0.0.0/8"], 5.0)
    code, second, err = shell("key", "rotate", "default/ci")
    assert second != secret
    assert "the old secret works until" in err
    assert "is refused" in shell("key", "rotate", "ci", "--grace", "0")[2]
    assert shell("key", "revoke", "ci")[2] == "key default/ci is disabled\n"
    code, out, _ = shell("key", "list")
    assert [line.split()[:2] for line in out.splitlines()] == [["group", "name"], ["default", "ci"]]
    assert "disabled" in out
    assert secret.strip() not in out
    assert shell("key", "revoke", key["id"], "--remove")[0] == 0
    assert shell.json("key", "list") == {"items": [], "total": 0}


def test_json_brings_secret_and_key_in_one_object(shell: Shell) -> None:
    made = shell.json("key", "create", "ci", "--group", "team-a", "--create-group", "--expires", "2027-01-01")
    assert (made["key"]["group"], made["key"]["expires"]) == ("team-a", "2027-01-01T00:00:00Z")
    assert made["secret"].startswith(made["key"]["prefix"])
    revoked = shell.json("key", "revoke", "ci", "--remove")
    assert revoked == {"key": None, "revision": 2}


def test_the_history_names_who_typed_it(shell: Shell) -> None:
    shell("key", "create", "ci")
    master = read_master_key(str(shell.state_dir / NAME))
    assert master is not None
    with Office(shell.database, master) as office:
        (item,) = office(office.tenants.history()).items
        assert item["actor"].startswith("command line of ")


def test_refusals_are_sentences_with_an_exit_code(shell: Shell) -> None:
    shell("key", "create", "ci")
    cases = [
        (["key", "create", "ci"], 1, "exists already"),
        (["key", "create", "a/b"], 2, "name: expected a name"),
        (["key", "create", "cd", "--group", "nobody"], 2, "group: there is no group 'nobody'"),
        (["key", "create", "cd", "--expires", "soon", "--rpm", "0"], 2, "expires: 'soon' is not a date"),
        (["key", "revoke", "nobody"], 1, "there is no key 'nobody'"),
        (["key", "revoke", "key-1", "--key", "a-key-of-a-flag"], 1, "is declared by flag --key"),
    ]
    for words, expected, text in cases:
        code, out, err = shell(*words)
        assert (code, out) == (expected, "")
        assert text in err
    for words in (["key", "rotate", "ci", "--grace", "soon"], ["key", "list", "--limit", "0"], ["key"]):
        with pytest.raises(SystemExit):
            shell(*words)


def test_the_list_shows_the_settings_keys_masked_and_stops_where_told(shell: Shell) -> None:
    for name in ("one", "two"):
        shell("key", "create", name)
    code, out, err = shell("key", "list", "--limit", "2", "--key", "a-key-of-a-flag")
    assert code == 0
    assert [line.split()[1] for line in out.splitlines()] == ["name", "key-1", "one"]
    assert "flag --key" in out
    assert "a-key-of-a-flag" not in out
    assert err == "2 of 3; --limit shows more\n"
    assert [item["name"] for item in shell.json("key", "list", "--search", "TW")["items"]] == ["two"]
    assert shell.json("key", "list", "--group", "nobody")["total"] == 0


def test_rekey_takes_the_place_of_the_master_key_and_keeps_the_old_one(shell: Shell) -> None:
    shell("key", "create", "ci")
    path = shell.state_dir / NAME
    old = path.read_text()
    code, out, _ = shell("db", "rekey")
    assert code == 0
    assert "restart the gateway now" in out
    assert path.read_text() != old
    assert (shell.state_dir / f"{NAME}.old").read_text() == old
    assert path.stat().st_mode & 0o777 == 0o600
    assert shell.json("key", "list")["total"] == 1
    path.write_text(old)
    code, _, err = shell("key", "list")
    assert code == 1
    assert "sealed under another master key" in err


def test_rekey_goes_on_where_it_was_interrupted(shell: Shell) -> None:
    shell("key", "create", "ci")
    path = shell.state_dir / NAME
    old = path.read_text()
    shell("db", "rekey")
    # as if it had died after the database's commit, before the new key took its place
    path.rename(f"{path}.new")
    path.write_text(old)
    path.chmod(0o600)
    code, out, _ = shell("db", "rekey")
    assert code == 0
    assert "sealed under the new key already" in out
    assert shell.json("key", "list")["total"] == 1


def test_rekey_of_a_key_from_the_environment_reads_the_new_one(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = bytes(range(32)).hex(), bytes(range(100, 132)).hex()
    monkeypatch.setenv("FASTPROXY_MASTER_KEY", old)
    shell("key", "create", "ci")
    file = tmp_path / "new.key"
    for words, text in ((["--to", str(file)], "no such file"), ([], "say --to")):
        code, _, err = shell("db", "rekey", *words)
        assert code == 1
        assert text in err
    file.write_text(new)
    assert "others may read it" in shell("db", "rekey", "--to", str(file))[2]
    file.chmod(0o600)
    code, out, _ = shell("db", "rekey", "--to", str(file))
    assert code == 0
    assert new not in out
    assert shell("key", "list")[0] == 1
    monkeypatch.setenv("FASTPROXY_MASTER_KEY", new)
    assert shell.json("key", "list")["total"] == 1


def test_rekey_without_a_master_key_makes_none(shell: Shell) -> None:
    shell.state_dir.mkdir()
    code, _, err = shell("db", "rekey")
    assert code == 1
    assert "no such file" in err
    assert list(shell.state_dir.iterdir()) == []
