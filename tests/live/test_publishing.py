"""Keys and channels on their way to the workers of a real gateway: at once, without an error for anybody, and whatever
dies in between."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Self

import pytest

from fastproxy.server.control import ReloadFailed
from fastproxy.server.pidfile import live_master
from tests.live.running import Gateway, Mock, MockOptions, mocking, until, write_config
from tests.live.toy_gateway import alive
from tests.loadtest.mock_process import Answer, ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.live
ADMIN_KEY: Final = "operators-key-0123456789"
FILE_KEY: Final = "sk-of-the-file-0123456789"
CHAT: Final = {"model": "gpt-5", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    with mocking() as mock:
        yield mock


def config(*mocks: Mock, **more: Any) -> dict[str, Any]:
    channels = [
        {
            "name": model,
            "provider": "openai",
            "keys": ["sk-up-0123456789"],
            "base_url": f"{mock.url}/v1",
            "models": [model],
        }
        for mock, model in zip(mocks, ("gpt-5", "gpt-5-slow"), strict=False)
    ]
    return {"channels": channels, "keys": [{"name": "file", "key": FILE_KEY, "group": "own"}], **more}


class Operated(Gateway):
    """A gateway with two workers, whose admin API is used."""

    def __init__(self, place: Path, told: dict[str, Any], *flags: str, **environ: str) -> None:
        environ = {"FASTPROXY_ADMIN_KEY": ADMIN_KEY, **environ}
        super().__init__(place, "--workers", "2", *flags, config=told, environ=environ)

    def __enter__(self) -> Self:
        super().__enter__()
        until(lambda: self.api("GET", "/api/groups").status == 200)
        return self

    def api(self, method: str, path: str, body: object = None) -> Answer:
        headers = {"host": "localhost", "authorization": f"Bearer {ADMIN_KEY}"}
        with contextlib.suppress(OSError):
            return ask(self.admin, method, path, body, headers)
        return Answer(0, {}, b"", b"")

    def done(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """A change that both workers use when this returns."""
        reply = self.api(method, path, body)
        assert reply.status in (200, 201, 204), reply
        assert reply.one("x-fastproxy-acknowledged") == "2/2", reply
        found: dict[str, Any] = reply.json if reply.body else {}
        return found

    def chat(self, key: str, **more: Any) -> Answer:
        return self.ask("POST", "/v1/chat/completions", {**CHAT, **more}, {"authorization": f"Bearer {key}"})

    def answers(self, key: str) -> set[int]:
        """What both workers say, on connections of their own."""
        return {self.chat(key).status for _ in range(8)}


def test_a_key_works_and_ends_on_all_workers_at_once(mock: Mock, tmp_path: Path) -> None:
    with Operated(tmp_path, config(mock)) as gateway:
        gateway.done("POST", "/api/groups", {"name": "team"})
        made = gateway.done("POST", "/api/keys", {"name": "ci", "group": "team"})
        assert gateway.answers(made["secret"]) == {200}
        gateway.done("PATCH", f"/api/keys/{made['id']}", {"status": "disabled"})
        assert gateway.answers(made["secret"]) == {403}
        gateway.done("PATCH", f"/api/keys/{made['id']}", {"status": "enabled"})
        rotated = gateway.done("POST", f"/api/keys/{made['id']}/rotate", {"grace": 0})
        assert (gateway.answers(made["secret"]), gateway.answers(rotated["secret"])) == ({401}, {200})
        gateway.done("DELETE", f"/api/keys/{made['id']}")
        assert gateway.answers(rotated["secret"]) == {401}
        status = gateway.status()
        assert status["lagging"] == []
        assert {worker["generation"] for worker in status["workers"]} == {status["generation"]}
        assert all(worker["swaps"] >= 5 for worker in status["workers"])


def test_publishing_disturbs_nobody(mock: Mock, tmp_path: Path) -> None:
    """Keys that change, channels that change and the file read again, while clients ask and streams are open."""
    with (
        mocking(MockOptions(chunk_delay_ms=20.0, tokens=60)) as slow,
        Operated(tmp_path, config(mock, slow)) as gateway,
        ThreadPoolExecutor(24) as pool,
    ):
        gateway.done("POST", "/api/groups", {"name": "team"})
        stop = threading.Event()
        asking = [pool.submit(ask_on, gateway, stop) for _ in range(2)]
        streams = [pool.submit(stream_on, gateway, stop) for _ in range(4)]
        before = gateway.status()["generation"]
        try:
            list(pool.map(lambda number: publish_some(gateway, number), range(12)))
        finally:
            stop.set()
        assert gateway.status()["generation"] - before >= PUBLISHES
        assert {status for one in asking for status in one.result()} == {200}
        assert all(one.result() for one in streams)
        assert sum(len(one.result()) for one in asking) > 20
        assert gateway.status()["lagging"] == []


PUBLISHES: Final = 60  # at least: one may take up what several have changed at a time


def publish_some(gateway: Operated, number: int) -> None:
    """One of those who change something, again and again."""
    if number == 0:
        for _ in range(5):
            assert gateway.reload() > 0
        return
    if number == 1:
        channel = {"name": "of the database", "provider": "anthropic", "credentials": []}
        made = gateway.done("POST", "/api/channels", channel)
        for priority in range(10):
            gateway.done("PATCH", f"/api/channels/{made['id']}", {"priority": priority})
        return
    made = gateway.done("POST", "/api/keys", {"name": f"k{number}", "group": "team"})
    for _ in range(8):
        gateway.done("PATCH", f"/api/keys/{made['id']}", {"status": "disabled"})
        gateway.done("PATCH", f"/api/keys/{made['id']}", {"status": "enabled"})


def ask_on(gateway: Operated, stop: threading.Event) -> list[int]:
    statuses = []
    while not stop.is_set():
        statuses.append(gateway.chat(FILE_KEY).status)
    return statuses


def stream_on(gateway: Operated, stop: threading.Event) -> bool:
    """Streams of more than a second each; whether every one of them came whole."""
    while not stop.is_set():
        reply = gateway.chat(FILE_KEY, model="gpt-5-slow", stream=True)
        if reply.status != 200 or not reply.body.endswith(b"data: [DONE]\n\n"):
            return False
    return True


def test_a_reload_and_its_refusal_are_reported(mock: Mock, tmp_path: Path) -> None:
    with Operated(tmp_path, config(mock), "--watch") as gateway:
        other = {"name": "other", "key": "sk-another-0123456789", "group": "own"}
        gateway.reload(config(mock, keys=[other]))
        assert (gateway.answers(FILE_KEY), gateway.answers(other["key"])) == ({401}, {200})
        with pytest.raises(ReloadFailed, match="refused the new configuration, its log says why"):
            gateway.reload(config(mock, remember="memory"))
        assert "remember has another store or size" in gateway.said()
        assert gateway.status()["reload_failures"] >= 1
        assert gateway.answers(other["key"]) == {200}
        write_config(tmp_path, config(mock))  # nobody sends a signal: it is watched
        until(lambda: gateway.chat(FILE_KEY).status == 200)
        assert "has changed" in gateway.said()


def test_the_death_of_the_admin_process_loses_nothing(mock: Mock, tmp_path: Path) -> None:
    with Operated(tmp_path, config(mock)) as gateway:
        gateway.done("POST", "/api/groups", {"name": "team"})
        first = gateway.done("POST", "/api/keys", {"name": "one", "group": "team"})
        victim = gateway.status()["admin"]
        os.kill(victim, signal.SIGKILL)
        assert gateway.answers(first["secret"]) == {200}
        until(lambda: gateway.status()["admin"] not in (None, victim))
        gateway.reload(config(mock, keys=[]))  # asked while it is starting
        until(lambda: gateway.api("GET", "/api/groups").status == 200)
        second = gateway.done("POST", "/api/keys", {"name": "two", "group": "team"})
        answers = [gateway.answers(one) for one in (first["secret"], second["secret"], FILE_KEY)]
        assert answers == [{200}, {200}, {401}]


def test_a_restart_serves_keys_of_the_database_before_and_without_it(mock: Mock, tmp_path: Path) -> None:
    with Operated(tmp_path, config(mock)) as gateway:
        gateway.done("POST", "/api/groups", {"name": "team"})
        made = gateway.done("POST", "/api/keys", {"name": "ci", "group": "team"})
        gateway.process.kill()
        gateway.process.wait()
    (tmp_path / "stdout").write_text("")
    for file in (tmp_path / "state").glob("fastproxy.db*"):
        file.unlink()
    with Gateway(tmp_path, config=config(mock)) as gateway:
        reply = gateway.ask("POST", "/v1/chat/completions", CHAT, {"authorization": f"Bearer {made['secret']}"})
        assert reply.status == 200
        until(lambda: "the database cannot be followed" in gateway.said())
        reply = gateway.ask("POST", "/v1/chat/completions", CHAT, {"authorization": f"Bearer {made['secret']}"})
        assert reply.status == 200


def test_an_upgrade_with_two_admin_processes_for_a_moment(mock: Mock, tmp_path: Path) -> None:
    with Operated(tmp_path, config(mock)) as gateway:
        gateway.done("POST", "/api/groups", {"name": "team"})
        made = gateway.done("POST", "/api/keys", {"name": "ci", "group": "team"})
        old = gateway.process.pid
        other = {"name": "other", "key": "sk-another-0123456789", "group": "own"}
        write_config(tmp_path, config(mock, keys=[other]))
        try:
            with ThreadPoolExecutor(2) as pool:
                stop = threading.Event()
                asking = pool.submit(ask_with, gateway, made["secret"], stop)
                gateway.process.send_signal(signal.SIGUSR2)
                until(lambda: live_master(str(gateway.state_dir)) not in (None, old), within=20)
                gateway.process.wait(9)
                until(lambda: gateway.api("GET", "/api/groups").status == 200)
                late = gateway.done("POST", "/api/keys", {"name": "late", "group": "team"})
                stop.set()
            assert asking.result() == {200}
            answers = [gateway.answers(one) for one in (made["secret"], late["secret"], other["key"], FILE_KEY)]
            assert answers == [{200}, {200}, {200}, {401}]
        finally:
            end(live_master(str(gateway.state_dir)))


def ask_with(gateway: Operated, key: str, stop: threading.Event) -> set[int]:
    statuses = set()
    while not stop.is_set():
        statuses.add(gateway.chat(key).status)
    return statuses


def end(master: int | None) -> None:
    if master is not None:
        os.kill(master, signal.SIGQUIT)
        until(lambda: not alive(master))


def test_a_directory_of_another_node_is_exit_code_5(tmp_path: Path) -> None:
    with Gateway(tmp_path, "--node", "gw-1", "--upstream", "http://127.0.0.1:1"):
        pass
    gateway = Gateway(tmp_path, "--node", "gw-2", "--upstream", "http://127.0.0.1:1")
    assert gateway.process.wait(8) == 5
    assert "belongs to node 'gw-1', and this is node 'gw-2'" in gateway.said()
