"""`fastproxy db`: what it does, what it prints, and how it ends; by the program's own main, on real databases."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from fastproxy.__main__ import main
from fastproxy.admin.store.schema import CHAINS
from tests.admin.store.rows import ROWS, ask, fill, read_all

if TYPE_CHECKING:
    from pathlib import Path

HEADS = {chain.name: chain.revisions()[-1] for chain in CHAINS}


class Command:
    """`fastproxy db …` → (exit code, standard output, standard error)."""

    def __init__(self, capsys: pytest.CaptureFixture[str], state: Path) -> None:
        self.capsys = capsys
        self.state = state

    def __call__(self, action: str, *arguments: str, database: str = "") -> tuple[int, str, str]:
        flags = ["--database", database] if database else []
        code = main(["db", action, "--state-dir", str(self.state), *flags, *arguments])
        said = self.capsys.readouterr()
        password = urlsplit(database).password
        assert not password or password not in said.out + said.err
        return code, said.out, said.err


@pytest.fixture
def db(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    for name in [name for name in os.environ if name.startswith("FASTPROXY_")]:
        monkeypatch.delenv(name)
    return Command(capsys, tmp_path / "state")


def test_upgrade_and_downgrade(db: Command, database_url: str) -> None:
    code, out, err = db("upgrade", database=database_url)
    assert (code, err) == (0, "")
    assert [line.rpartition(": ")[2] for line in out.splitlines()] == [
        f"config is at {HEADS['config']}",
        f"ledger is at {HEADS['ledger']}",
    ]
    ask(database_url, fill)
    assert db("upgrade", database=database_url)[0] == 0
    assert ask(database_url, read_all) == ROWS
    code, out, err = db("downgrade", "ledger=base", database=database_url)
    assert (code, err) == (0, "")
    assert out.endswith("ledger is at base\n")
    assert ask(database_url, read_all) == ROWS
    assert db("upgrade", database=database_url)[0] == 0


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ([], "expected one or both of config=base|c0001"),
        (["config=c9999"], "unknown 'config=c9999'; expected one or both of config=base|c0001"),
        (["config"], "unknown 'config='; expected"),
        (["ledger=base", "other=base"], "unknown 'other=base'; expected"),
    ],
)
def test_a_downgrade_that_is_not_clear_changes_nothing(db: Command, targets: list[str], said: str) -> None:
    db("upgrade")
    code, out, err = db("downgrade", *targets)
    assert (code, out) == (2, "")
    assert err.startswith(f"fastproxy: {said}")
    with closing(sqlite3.connect(db.state / "fastproxy-ledger.db")) as ledger:
        assert ledger.execute("SELECT * FROM schema_ledger").fetchall() == [(HEADS["ledger"],)]


def test_backup_of_two_files(db: Command, tmp_path: Path) -> None:
    db("upgrade")
    code, out, err = db("backup", str(tmp_path / "copy.db"))
    assert (code, err) == (0, "")
    assert [line.split(": ")[1].split(",")[0] for line in out.splitlines()] == [
        f"{tmp_path}/copy.db",
        f"{tmp_path}/copy-ledger.db",
    ]
    assert db("upgrade", database=f"sqlite:///{tmp_path}/copy.db")[0] == 0
    code, out, err = db("backup", str(tmp_path / "copy.db"))
    assert (code, out) == (1, "")
    assert err == f"fastproxy: {tmp_path}/copy.db is there already; expected a new name\n"


def test_a_backup_without_a_name_is_in_the_state_directory(db: Command, database_url: str) -> None:
    db("upgrade", database=database_url)
    db.state.mkdir(exist_ok=True)
    code, _, err = db("backup", database=database_url)
    assert (code, err) == (0, "")
    suffix, count = ("db", 2) if database_url.startswith("sqlite") else ("dump", 1)
    assert len(list(db.state.glob(f"backup-*Z*.{suffix}"))) == count


@pytest.mark.parametrize("action", ["upgrade", "downgrade", "backup"])
def test_what_is_wrong_is_said_in_one_sentence(db: Command, action: str, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database" * 99)
    arguments = {"upgrade": [], "downgrade": ["config=base"], "backup": [str(tmp_path / "copy")]}[action]
    for database in (f"sqlite:///{tmp_path}/text.db", "postgresql://me:canary@127.0.0.1:1/db"):
        code, out, err = db(action, *arguments, database=database)
        assert (code, out) == (1, "")
        assert err.startswith(("fastproxy: SQLite file ", "fastproxy: PostgreSQL postgresql://me:***@127.0.0.1:1/db: "))
        assert err.count("\n") == 1
        assert "canary" not in err
    code, out, err = db(action, *arguments, database="mysql://me:canary@h/db")
    assert (code, out) == (2, "")
    assert "canary" not in err


def test_the_command_line_knows_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["db"])
    assert caught.value.code == 2
    with pytest.raises(SystemExit):
        main(["db", "--help"])
    told = capsys.readouterr().out
    assert all(action in told for action in ("upgrade", "downgrade", "backup"))
