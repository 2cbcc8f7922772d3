"""Several writers at once, in one process and in several, and one that is killed: nothing is lost, half or doubled."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from fastproxy.admin.store.tables import changes, groups, keys
from fastproxy.admin.tenants import Conflict, Outcome, Terms
from tests.admin.tenants.office import TERMS, Office

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

pytestmark = [pytest.mark.live]


def at_once(office: Office, *awaited: Coroutine[Any, Any, Outcome]) -> list[Outcome | BaseException]:
    async def all_of_them() -> list[Outcome | BaseException]:
        return await asyncio.gather(*awaited, return_exceptions=True)

    return office(all_of_them())


def start(url: str, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.admin.tenants.writer", url, name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def revisions(office: Office) -> list[tuple[int, int]]:
    """(revision, how many objects it changed), as the history has them."""

    async def ask() -> list[tuple[int, int]]:
        wanted = select(changes.c.revision, func.count()).group_by(changes.c.revision).order_by(changes.c.revision)
        async with office.store.config.connect() as connection:
            return [(row[0], row[1]) for row in (await connection.execute(wanted)).all()]

    return office(ask())


def rows(office: Office) -> tuple[int, int]:
    async def ask() -> tuple[int, int]:
        async with office.store.config.connect() as connection:
            counts = [
                (await connection.execute(select(func.count()).select_from(t))).scalar_one() for t in (groups, keys)
            ]
            return counts[0], counts[1]

    return office(ask())


def test_one_of_two_that_have_seen_the_same_version_wins(office: Office) -> None:
    office.make("keys", "ci")
    terms = Terms("tests", if_version=1)
    done = at_once(office, *(office.tenants.change("keys", "ci", {"rpm": rpm}, terms) for rpm in range(1, 6)))
    assert sum(isinstance(one, Outcome) for one in done) == 1
    assert {one.kind for one in done if isinstance(one, Conflict)} == {"version"}
    assert office.one("keys", "ci")["version"] == 2


def test_a_name_is_given_once(office: Office) -> None:
    done = at_once(office, *(office.tenants.create("keys", {"name": "ci"}, TERMS) for _ in range(5)))
    assert sum(isinstance(one, Outcome) for one in done) == 1
    assert {one.kind for one in done if isinstance(one, Conflict)} == {"duplicate"}
    assert rows(office) == (1, 1)


def test_writers_of_one_process_wait_for_each_other(office: Office) -> None:
    done = at_once(office, *(office.tenants.create("groups", {"name": f"g{n}"}, TERMS) for n in range(20)))
    assert sorted(one.revision for one in done if isinstance(one, Outcome)) == list(range(1, 21))
    assert revisions(office) == [(number, 1) for number in range(1, 21)]


def test_writers_of_three_processes_wait_for_each_other(office: Office) -> None:
    started = [start(office.url, name, 15) for name in ("one", "two")]
    for number in range(15):
        office.make("keys", "ci", Terms("tests", create_group=True), group=f"own-{number}")
    told = [int(line.split()[0]) for process in started for line in process.communicate()[0].splitlines()]
    assert [process.returncode for process in started] == [0, 0]
    assert office.revision() == 45
    assert len(set(told)) == len(told) == 30
    assert revisions(office) == [(number, 2) for number in range(1, 46)]
    assert rows(office) == (45, 45)


def test_a_writer_that_is_killed_leaves_whole_changes_only(office: Office) -> None:
    for name in ("one", "two", "three"):
        process = start(office.url, name, 10_000)
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(5)]
        process.kill()
        told += process.communicate()[0].splitlines()
        seen = [line.split() for line in told if line.endswith("\n") or len(line.split()) == 2]
        newest = office.revision()
        assert revisions(office) == [(number, 2) for number in range(1, newest + 1)]
        assert rows(office) == (newest, newest)
        assert all(office.one("keys", f"{line[1]}/ci") for line in seen[:-1])
    office.make("groups", "after")  # nobody holds a lock
