"""The database goes away, the disk is full: proxying goes on as far as it is told to, and no record is lost."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.admin.postgres import cluster, postgres_url
from tests.live.running import Gateway, mocking, until
from tests.loadtest.mock_process import ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["postgres_url"]
pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]

ADMIN: Final = "admin-key-of-the-outage-tests"
KEY: Final = "sk-outage-0123456789"
CHAT: Final = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def config(mock: str, **more: Any) -> dict[str, Any]:
    channel = {"name": "up", "provider": "openai", "keys": ["sk-up"], "base_url": f"{mock}/v1"}
    return {"channels": [channel], "keys": [{"name": "k", "key": KEY}], **more}


def asks(gateway: Gateway, body: dict[str, Any] = CHAT) -> int:
    return gateway.ask("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {KEY}"}).status


def told(gateway: Gateway, path: str) -> Any:
    return json.loads(ask(gateway.admin, "GET", path, headers=headers()).body)


def free_port() -> int:
    """For a gateway that is started twice in one place."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def headers() -> dict[str, str]:
    return {"host": "localhost", "authorization": f"Bearer {ADMIN}"}


def rows(gateway: Gateway) -> int:
    """How many records the ledger has."""
    count, cursor = 0, ""
    while True:
        page = told(gateway, f"/api/logs?limit=100{cursor}")
        if "items" not in page:
            return -1  # the database is away
        count += len(page["items"])
        if not page["next_cursor"]:
            return count
        cursor = f"&cursor={page['next_cursor']}"


def collects(gateway: Gateway) -> bool:
    """Whether the ledger's database is in use."""
    found = told(gateway, "/api/health/detailed")
    return bool(found["database"]["ledger"]["status"] == "ok")


def test_requests_go_on_without_the_database_and_their_records_come_when_it_is_back(
    tmp_path: Path, postgres_url: str
) -> None:
    with mocking() as mock:
        told_so = config(mock.url, database=postgres_url, ledger={"database": postgres_url}, migrate=True)
        with Gateway(tmp_path, config=told_so, environ={"FASTPROXY_ADMIN_KEY": ADMIN}) as gateway:
            until(lambda: collects(gateway), 20)
            assert [asks(gateway) for _ in range(5)] == [200] * 5
            until(lambda: rows(gateway) == 5, 20)
            cluster().stop(at_once=True)
            try:
                assert [asks(gateway) for _ in range(40)] == [200] * 40
                until(lambda: not collects(gateway), 20)
                reasons = " ".join(told(gateway, "/api/health/detailed")["reasons"])
                assert "database is away" in reasons
                assert "password" not in reasons
                assert ask(gateway.admin, "GET", "/api/health", headers={"host": "localhost"}).status == 200
                assert gateway.metrics()['fastproxy_database_up{database="ledger"}'] == 0
                assert [asks(gateway) for _ in range(5)] == [200] * 5
            finally:
                cluster().start()
            until(lambda: rows(gateway) == 50, 30)


def test_a_start_without_the_database_serves_what_was_published_before(tmp_path: Path, postgres_url: str) -> None:
    with mocking() as mock:
        told_so = config(mock.url, database=postgres_url, ledger={"database": postgres_url}, migrate=True)
        told_so |= {"listen": f"127.0.0.1:{free_port()}", "admin": f"127.0.0.1:{free_port()}"}
        environ = {"FASTPROXY_ADMIN_KEY": ADMIN}
        with Gateway(tmp_path, config=told_so, environ=environ) as gateway:
            until(lambda: collects(gateway), 20)
            made = ask(gateway.admin, "POST", "/api/groups", {"name": "team"}, headers())
            assert made.status == 201, made
            made = ask(gateway.admin, "POST", "/api/keys", {"name": "ci", "group": "team"}, headers())
            assert made.status == 201, made
            secret = json.loads(made.body)["secret"]
            bearer = {"authorization": f"Bearer {secret}"}
            assert gateway.ask("POST", "/v1/chat/completions", CHAT, bearer).status == 200
            until(lambda: (tmp_path / "state" / "snapshot").exists())
        cluster().stop()
        try:
            with Gateway(tmp_path, config=told_so, environ=environ) as gateway:
                assert gateway.ask("POST", "/v1/chat/completions", CHAT, bearer).status == 200
                until(lambda: "database" in gateway.said().rpartition("ready after")[2], 20)
        finally:
            cluster().start()


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[bool]:
    """A file system of its own, of that size; False where none may be made."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
    is_made = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    try:
        yield is_made
    finally:
        if is_made:
            subprocess.run(["umount", "-l", str(place)], check=True)


@contextmanager
def filled(place: Path) -> Iterator[None]:
    """Nothing can be written there any more, while the block runs."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                written = file.write(bytes(size))
            except OSError:
                written = 0
            size = size if written == size else size // 2
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def as_if_filled(gateway: Gateway) -> Iterator[None]:
    """No file of the gateway's processes may grow, while the block runs."""
    status = gateway.status()
    pids = [status["admin"], *(worker["pid"] for worker in status["workers"])]
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
    for pid, (_, hard) in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        for pid, limits in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("policy", ["refuse", "count"])
def test_a_full_disk_is_met_by_the_policy_and_recovered_from(tmp_path: Path, policy: str) -> None:
    """The collector cannot insert, so the ring fills up; kept bodies make that quick. Nothing can be spilled either."""
    asked = {**CHAT, "messages": [{"role": "user", "content": "long " * 10_000}]}
    with mocking() as mock, small_disk(tmp_path / "disk", 24) as is_small:
        told_so = config(mock.url, journal={"size": "1MiB", "when_full": policy}, bodies="all")
        with Gateway(tmp_path / "disk" / "g", config=told_so, environ={"FASTPROXY_ADMIN_KEY": ADMIN}) as gateway:
            until(lambda: collects(gateway), 20)
            assert asks(gateway, asked) == 200
            with filled(tmp_path / "disk") if is_small else as_if_filled(gateway):
                answers = [asks(gateway, asked) for _ in range(60)]
            assert set(answers) == ({200, 503} if policy == "refuse" else {200})
            until(lambda: asks(gateway) == 200, 20)
            until(lambda: rows(gateway) == 2 + answers.count(200), 20)
            assert gateway.metrics()["fastproxy_journal_lost_total"] == 0
            until(lambda: collects(gateway), 20)
