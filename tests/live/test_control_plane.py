"""What the README promises of the admin API, done with the product: a group, a key, its life, and its requests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.live.running import ROOT, Gateway, Mock, clean_environ, mocking, until
from tests.loadtest.mock_process import Answer, ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.live
ADMIN_KEY: Final = "operators-key-0123456789"
UPSTREAM: Final = "sk-upstream-0123456789abcdef"
CHAT: Final = {"model": "gpt-5", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    with mocking() as mock:
        yield mock


def start(place: Path, key: str = ADMIN_KEY, *flags: str, **config: Any) -> Gateway:
    """No channel and no key is declared: all of them come through the API."""
    return Gateway(place, "--workers", "2", *flags, config=config, environ={"FASTPROXY_ADMIN_KEY": key} if key else {})


def api(gateway: Gateway, method: str, path: str, body: object = None, **headers: str) -> Answer:
    told = {"host": "localhost", "authorization": f"Bearer {ADMIN_KEY}", **headers}
    return ask(gateway.admin, method, path, body, told)


def is_open(gateway: Gateway) -> bool:
    try:
        return api(gateway, "GET", "/api/groups").status == 200
    except OSError:  # admin is just being replaced, or has no time yet
        return False


def done(gateway: Gateway, method: str, path: str, body: object = None, **headers: str) -> Any:
    reply = api(gateway, method, path, body, **headers)
    assert reply.status in (200, 201, 204), reply
    assert reply.one("x-fastproxy-acknowledged") == "2/2"
    return reply.json if reply.body else None


def add_channel(gateway: Gateway, mock: Mock) -> Any:
    channel = {"name": "main", "provider": "openai", "base_url": f"{mock.url}/v1", "models": ["gpt-5"]}
    return done(gateway, "POST", "/api/channels", {**channel, "credentials": [{"label": "a", "secret": UPSTREAM}]})


def chat(gateway: Gateway, secret: str, **more: Any) -> int:
    return gateway.ask("POST", "/v1/chat/completions", {**CHAT, **more}, {"authorization": f"Bearer {secret}"}).status


def both(gateway: Gateway, secret: str) -> set[int]:
    """What both workers say, on connections of their own."""
    return {chat(gateway, secret) for _ in range(6)}


def test_the_life_of_a_key_from_nothing(mock: Mock, tmp_path: Path) -> None:
    with start(tmp_path) as gateway:
        until(lambda: is_open(gateway))
        add_channel(gateway, mock)
        done(gateway, "POST", "/api/keys?create_group=true", {"name": "another", "group": "others"})
        team = done(gateway, "POST", "/api/groups", {"name": "team", "models": ["gpt-*"]})
        key = done(gateway, "POST", "/api/keys", {"name": "ci", "group": "team"})
        place = f"/api/keys/{key['id']}"
        assert both(gateway, key["secret"]) == {200}
        assert chat(gateway, "sk-fp-nobody") == 401
        assert chat(gateway, key["secret"], model="claude") == 403

        done(gateway, "PATCH", place, {"status": "disabled"}, **{"if-match": '"1"'})
        assert both(gateway, key["secret"]) == {403}
        assert api(gateway, "PATCH", place, {"status": "enabled"}, **{"if-match": '"1"'}).status == 409
        assert api(gateway, "PATCH", f"{place}?plan=true", {"status": "enabled"}).json["plan"] is True
        assert both(gateway, key["secret"]) == {403}
        done(gateway, "PATCH", place, {"status": "enabled"})

        rotated = done(gateway, "POST", f"{place}/rotate", {"grace": "1h"})
        assert both(gateway, key["secret"]) | both(gateway, rotated["secret"]) == {200}
        last = done(gateway, "POST", f"{place}/rotate", {"grace": 0})
        assert both(gateway, rotated["secret"]) == {401}
        assert both(gateway, last["secret"]) == {200}

        done(gateway, "PATCH", f"/api/groups/{team['id']}", {"status": "disabled"})
        assert both(gateway, last["secret"]) == {403}
        revision = api(gateway, "GET", "/api/publications?limit=1").json["items"][0]["revision"]
        done(gateway, "POST", f"/api/publications/{revision - 1}/rollback")
        assert both(gateway, last["secret"]) == {200}
        done(gateway, "DELETE", place)
        assert both(gateway, last["secret"]) == {401}
        info = api(gateway, "GET", "/api/system/info").json
        assert [one["is_newest"] for one in info["acknowledged"]] == [True, True]
        assert info["database"] == "sqlite"
        assert until(lambda: api(gateway, "GET", "/api/health/detailed").json["status"] == "ok")


def test_requests_stand_in_the_log_and_no_secret_does(mock: Mock, tmp_path: Path) -> None:
    with start(tmp_path, ADMIN_KEY, bodies={"keep": "all"}) as gateway:
        until(lambda: is_open(gateway))
        add_channel(gateway, mock)
        done(gateway, "POST", "/api/groups", {"name": "team"})
        key = done(gateway, "POST", "/api/keys", {"name": "ci", "group": "team"})
        for stream in (False, True):
            assert chat(gateway, key["secret"], stream=stream) == 200
        found = until(lambda: two_records(gateway))
        assert {(one["key_id"], one["key_name"], one["group"]) for one in found} == {(key["id"], "ci", "team")}
        assert {(one["channel"], one["model"], one["status"]) for one in found} == {("main", "gpt-5", 200)}
        assert sorted(one["stream"] for one in found) == [False, True]
        assert all(one["output_tokens"] > 0 for one in found)
        assert len(api(gateway, "GET", "/api/logs?stream=true&key=team/ci").json["items"]) == 1
        shown = api(gateway, "GET", f"/api/logs/{found[0]['request_id']}")
        assert "Hello" in shown.json["bodies"]["request"]["text"]
        everything = b"".join(
            api(gateway, "GET", path).body
            for path in ("/api/logs", "/api/keys", "/api/channels", "/api/publications/1")
        )
        for secret in (key["secret"], UPSTREAM, ADMIN_KEY):
            assert secret.encode() not in everything + shown.body + gateway.said().encode()
        health = api(gateway, "GET", "/api/health/detailed").json
        assert (health["collector"]["rows"], health["journal"]["lost"]) == (2, 0)


def two_records(gateway: Gateway) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = api(gateway, "GET", "/api/logs").json["items"]
    return items if len(items) == 2 else []


def test_what_was_made_is_there_after_admin_dies_and_after_a_restart(mock: Mock, tmp_path: Path) -> None:
    with start(tmp_path) as gateway:
        until(lambda: is_open(gateway))
        add_channel(gateway, mock)
        key = done(gateway, "POST", "/api/keys?create_group=true", {"name": "ci", "group": "team"})
        first = gateway.status()["admin"]
        os.kill(first, signal.SIGKILL)
        assert both(gateway, key["secret"]) == {200}
        until(lambda: gateway.status()["admin"] not in (first, None) and is_open(gateway))
        done(gateway, "PATCH", f"/api/keys/{key['id']}", {"note": "still here"})
    (tmp_path / "stdout").write_text("")
    with start(tmp_path) as gateway:
        assert both(gateway, key["secret"]) == {200}
        until(lambda: is_open(gateway))
        assert api(gateway, "GET", "/api/keys/team/ci").json["note"] == "still here"


def test_without_an_admin_key_nothing_can_be_made(tmp_path: Path) -> None:
    with start(tmp_path, "") as gateway:
        for method, path in (("GET", "/api/keys"), ("POST", "/api/keys"), ("GET", "/api/logs")):
            reply = ask(gateway.admin, method, path, {} if method == "POST" else None, {"host": "localhost"})
            assert reply.status == 403
            assert "set FASTPROXY_ADMIN_KEY" in reply.json["error"]["message"]
        assert ask(gateway.admin, "GET", "/api/status", headers={"host": "localhost"}).status == 200


def test_the_calls_of_the_readme(mock: Mock, tmp_path: Path) -> None:
    """With curl itself, as they stand there."""
    with start(tmp_path) as gateway:
        until(lambda: is_open(gateway))
        add_channel(gateway, mock)
        variables = {"FASTPROXY_ADMIN_KEY": ADMIN_KEY}
        setup, commands = readme_commands()
        setup = setup.replace("http://127.0.0.1:9090", f"http://127.0.0.1:{gateway.admin}")
        for command in commands:
            told = run(f"{setup}\n{command.replace('http://127.0.0.1:8080', gateway.url)}", variables)
            assert '"error"' not in told, (command, told)
            if "create_group" in command:
                variables["SECRET"] = json.loads(told)["secret"]
        assert api(gateway, "GET", "/api/keys").json["total"] == 0


def run(script: str, variables: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euc", script],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env=clean_environ(**variables),
    )
    assert done.returncode == 0, (script, done.stdout, done.stderr)
    return done.stdout


def readme_commands() -> tuple[str, list[str]]:
    """What the section says first, and its commands, one string each."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("### Keys in five minutes")[2].partition("\n### ")[0]
    setup, _, commands = section.split("```")[3].strip().partition("\n\n")
    found = commands.replace("\\\n", " ").splitlines()
    assert len(found) == 10
    return setup, found
