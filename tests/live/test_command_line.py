"""The command line as people and scripts use it: exit codes, what is printed where, status, reload, logs."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from typing import TYPE_CHECKING, Any, Final

import pytest

from fastproxy.server.control import ReloadFailed
from tests.live import sdk_calls
from tests.live.running import Gateway, Mock, clean_environ, command, mocking, until, write_config
from tests.loadtest.mock_process import ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.live
SECRETS: Final = (
    "sk-from-the-file-0123456789",
    "sk-from-a-flag-0123456789",
    "sk-from-env-0123456789",
    "fp-client-0123456789",
    "hunter2-the-password",
)
CONFIG: Final[dict[str, Any]] = {
    "listen": "127.0.0.1:8181",
    "limits": {"max_body": "1MiB", "idle_timeout": "5s"},
    "redis": "redis://user:hunter2-the-password@127.0.0.1:6379/0",
    "channels": [{"name": "main", "provider": "openai", "keys": ["sk-from-the-file-0123456789"]}],
    "keys": [{"name": "ci", "key": "fp-client-0123456789"}],
}


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    with mocking() as running:
        yield running


def test_version() -> None:
    done = command("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"fastproxy \d+\.\d+\.\d+\S*\n", done.stdout)


@pytest.mark.parametrize("arguments", [(), ("nothing",), ("serve", "--no-such-flag"), ("status", "extra")])
def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...]) -> None:
    done = command(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: fastproxy" in done.stderr


@pytest.mark.parametrize("name", ["serve", "check", "status", "reload", "health", "mock"])
def test_every_command_explains_itself(name: str) -> None:
    done = command(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"usage: fastproxy {name}" in done.stdout


# --- check ---------------------------------------------------------------------------------------------------------


def rows(text: str) -> dict[str, tuple[str, str]]:
    """The table of `check`: name → (value, origin)."""
    found = [re.split(r"\s{2,}", line.rstrip()) for line in text.splitlines()]
    return {row[0]: (row[1], row[-1]) for row in found if len(row) >= 3}


def test_check_prints_values_with_their_origins_and_no_secret(tmp_path: Path) -> None:
    path = write_config(tmp_path, CONFIG)
    environ = clean_environ(FASTPROXY_WORKERS="3", ANTHROPIC_API_KEY="sk-from-env-0123456789")
    flags = ("--config", str(path), "--access-log", "json", "--provider", "groq=sk-from-a-flag-0123456789")
    done = command("check", *flags, environ=environ)
    assert done.returncode == 0, done.stderr
    found = rows(done.stdout)
    assert found["listen"][0] == "127.0.0.1:8181"
    assert re.fullmatch(rf"file {re.escape(str(path))}:2:\d+", found["listen"][1])
    assert found["workers"] == ("3", "env FASTPROXY_WORKERS")
    assert found["access_log"] == ("json", "flag --access-log")
    assert found["admin"][1] == "default"
    assert found["limits.max_body"][0] == "1MiB"
    assert found["limits.connect_timeout"][1] == "default"
    assert found["channels.anthropic.keys"][1] == "env ANTHROPIC_API_KEY"
    assert found["channels.groq.keys"][1] == "flag --provider"
    assert [secret for secret in SECRETS if secret in done.stdout + done.stderr] == []


def test_what_is_not_enforced_is_said_once(tmp_path: Path) -> None:
    config = CONFIG | {"groups": [{"name": "team", "rpm": 5, "budget": {"amount": 5}}], "plugins": {"cache": {}},
                       "models": [{"name": "m", "tpm": 3}]}  # fmt: skip
    done = command("check", "--config", str(write_config(tmp_path, config)))
    (line,) = [line for line in done.stderr.splitlines() if "not enforced" in line]
    assert all(name in line for name in ("redis", "groups", "plugins", "models.tpm"))
    config |= {"listen": "127.0.0.1:0"}
    with Gateway(tmp_path / "run", config=config) as gateway:
        assert gateway.said().count("not enforced") == 1
        gateway.ask("GET", "/health")
        assert gateway.said().count("not enforced") == 1


def test_an_open_door_to_the_network_is_warned_of(tmp_path: Path) -> None:
    done = command("check", "--listen", "0.0.0.0:0", "--provider", "openai=sk-from-a-flag-0123456789")
    assert done.returncode == 0
    assert "no client key is declared" in done.stderr


BROKEN: Final = {
    "an unknown key": ("listne: 127.0.0.1:1\n", "1:1", "listne"),
    "an unknown key inside": ("limits:\n  max_boddy: 1MiB\n", "2:3", "max_boddy"),
    "a wrong value": ("workers: many\n", "1:10", "workers"),
    "no yaml": ("listen: [1, 2\n", "2:1", ""),
    "a doubled key": ("workers: 1\nworkers: 2\n", "2:1", "workers"),
    "an unknown provider": ("channels:\n  - {name: a, provider: opnai}\n", "2:", "opnai"),
    "a missing variable": ("redis: ${NOT_SET_ANYWHERE}\n", "1:8", "NOT_SET_ANYWHERE"),
    "no upstream": ("routes:\n  - {match: {path: /}}\n", "2:5", "upstream"),
}


@pytest.mark.parametrize("name", ["check", "serve"])
@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_exit_code_2_and_says_where(tmp_path: Path, name: str, case: str) -> None:
    text, place, word = BROKEN[case]
    path = tmp_path / "broken.yaml"
    path.write_text(text, encoding="utf-8")
    done = command(name, "--config", str(path), *(("--state-dir", str(tmp_path / "s")) if name == "serve" else ()))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{path}:{place}" in done.stderr
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--config", "/nowhere/at/all.yaml"), "/nowhere/at/all.yaml"),
        (("--listen", "127.0.0.1:99999"), "--listen"),
        (("--workers", "0"), "--workers"),
        (("--provider", "openai="), "--provider"),
        (("--provider", "sk-a-key-in-the-wrong-place-0123456789"), "--provider"),
        (("--upstream", "ftp://x"), "--upstream"),
        (("--access-log", "xml"), "--access-log"),
        (("--tls-cert", "/nowhere.pem"), "--tls-key"),
    ],
)
def test_a_wrong_flag_is_exit_code_2_and_named(flags: tuple[str, ...], words: str) -> None:
    done = command("check", *flags)
    assert done.returncode == 2
    assert words in done.stderr
    assert "sk-a-key" not in done.stderr
    assert "Traceback" not in done.stderr


# --- serve ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["--listen", "--admin"])
def test_a_port_that_is_taken_is_exit_code_3_and_named(tmp_path: Path, which: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        addresses = {"--listen": "127.0.0.1:0", "--admin": "127.0.0.1:0"} | {which: address}
        flags = [part for pair in addresses.items() for part in pair]
        done = command("serve", "--state-dir", str(tmp_path), "--upstream", "http://127.0.0.1:1", *flags)
    assert done.returncode == 3
    assert address in done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_works_without_any_account(tmp_path: Path) -> None:
    environ = {"FASTPROXY_STATE_DIR": str(tmp_path / "state")}
    with Gateway(tmp_path, "--demo", environ=environ) as gateway:
        assert "curl http://127.0.0.1:" in gateway.printed()
        for call in (sdk_calls.openai_chat, sdk_calls.anthropic_messages, sdk_calls.gemini_generate):
            assert call(gateway.url, "anything")[0].startswith("Mock answer")
            assert call(gateway.url, "anything", True)[0].startswith("Mock answer")
        until(lambda: gateway.printed().count(" 200 POST ") == 6)  # the demo logs each request for people to see


def test_term_ends_everything_with_exit_code_0(tmp_path: Path) -> None:
    with Gateway(tmp_path, "--upstream", "http://127.0.0.1:1") as gateway:
        pids = [*gateway.workers().values(), gateway.status()["admin"]]
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(5) == 0
        assert "Traceback" not in gateway.said()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


# --- status, reload, admin -----------------------------------------------------------------------------------------


def test_status_shows_what_runs(mock: Mock, tmp_path: Path) -> None:
    with Gateway(tmp_path, "--upstream", mock.url, "--workers", "2") as gateway:
        for _ in range(5):
            assert gateway.ask("GET", "/echo").status == 200
        gateway.settle()
        done = command("status", "--json", "--state-dir", str(gateway.state_dir))
        found = json.loads(done.stdout)
        assert found["master"] == gateway.process.pid
        assert found["generation"] == 1
        assert sum(worker["requests"] for worker in found["workers"]) == 5
        for worker in found["workers"]:
            assert {"slot", "pid", "connections", "requests", "generation", "heartbeat_age_ms"} <= set(worker)
            assert worker["heartbeat_age_ms"] < 2000
        os.kill(found["admin"], 0)
        text = command("status", environ=clean_environ(FASTPROXY_STATE_DIR=str(gateway.state_dir))).stdout
        assert str(gateway.process.pid) in text
        assert "generation 1" in text


@pytest.mark.parametrize("name", ["status", "reload"])
def test_without_a_gateway_they_fail(tmp_path: Path, name: str) -> None:
    done = command(name, "--state-dir", str(tmp_path))
    assert done.returncode == 1
    assert "no fastproxy runs" in done.stderr


def test_reload_uses_a_new_file_and_keeps_the_old_one_when_it_is_wrong(mock: Mock, tmp_path: Path) -> None:
    def config(header: str) -> dict[str, Any]:
        return {"routes": [{"upstream": mock.url, "response_headers": {"x-version": header}}]}

    with Gateway(tmp_path, "--workers", "2", config=config("one")) as gateway:
        assert gateway.ask("GET", "/echo").one("x-version") == "one"
        write_config(tmp_path, config("two"))
        done = command("reload", "--state-dir", str(gateway.state_dir))
        assert (done.returncode, done.stdout) == (0, "generation 2 is in use\n")
        assert {gateway.ask("GET", "/echo").one("x-version") for _ in range(8)} == {"two"}
        with pytest.raises(ReloadFailed):
            gateway.reload({"routes": [{"upstream": mock.url, "no_such_key": 1}]})
        assert "no_such_key" in gateway.said()
        assert re.search(r"fastproxy\.yaml:\d+:\d+", gateway.said())
        assert gateway.ask("GET", "/echo").one("x-version") == "two"


def test_keys_change_with_a_reload(mock: Mock, tmp_path: Path) -> None:
    def config(*keys: str) -> dict[str, Any]:
        channel = {"provider": "openai", "base_url": f"{mock.url}/v1", "keys": ["sk-up-0123456789"]}
        return {"channels": [channel], "keys": [{"name": f"k{n}", "key": key} for n, key in enumerate(keys)]}

    def status(gateway: Gateway, key: str) -> int:
        return gateway.ask("GET", "/v1/models", headers={"authorization": f"Bearer {key}"}).status

    first, second = "fp-first-0123456789", "fp-second-0123456789"
    with Gateway(tmp_path, config=config(first)) as gateway:
        assert (status(gateway, first), status(gateway, second)) == (200, 401)
        gateway.reload(config(second))
        assert (status(gateway, first), status(gateway, second)) == (401, 200)


def test_the_admin_port(mock: Mock, tmp_path: Path) -> None:
    local = {"host": "localhost"}
    with Gateway(tmp_path, "--upstream", mock.url) as gateway:
        gateway.ask("GET", "/echo")
        gateway.ask("POST", "/echo/x?x-mock-status=404", b"x")
        gateway.settle()
        found = gateway.metrics()
        assert found['fastproxy_requests_total{entry="edge",status="2xx"}'] == 1
        assert found['fastproxy_requests_total{entry="edge",status="4xx"}'] == 1
        assert found['fastproxy_request_duration_seconds_count{entry="edge"}'] == 2
        assert found['fastproxy_worker_up{slot="0"}'] == 1
        assert "text/plain" in ask(gateway.admin, "GET", "/metrics", headers=local).one("content-type")
        assert ask(gateway.admin, "GET", "/api/health", headers=local).status == 200
        assert gateway.ask("GET", "/metrics").status == 404, "the data port has no metrics: it is the mock's 404"


def test_without_an_admin_port(mock: Mock, tmp_path: Path) -> None:
    with Gateway(tmp_path, "--upstream", mock.url, "--admin", "off") as gateway:
        assert gateway.ask("GET", "/echo").status == 200
        assert gateway.status()["admin"] is None
        assert "admin" not in gateway.printed()


# --- the access log ------------------------------------------------------------------------------------------------


def logged(mock: Mock, place: Path, *flags: str) -> list[str]:
    """What one plain and one streamed chat, one refusal and one local page leave in the log."""
    told = ("--provider", f"openai=sk-up-0123456789@{mock.url}/v1", "--key", "fp-client-0123456789", *flags)
    with Gateway(place, *told) as gateway:
        for stream in (False, True):
            sdk_calls.openai_chat(gateway.url, "fp-client-0123456789", stream)
        gateway.ask("POST", "/v1/chat/completions?key=fp-wrong-0123456789", {"model": "gpt-5", "messages": []})
        gateway.ask("GET", "/health")

        def lines() -> list[str]:
            file = place / "access.log" if "--access-log-file" in flags else place / "stdout"
            return [line for line in file.read_text(encoding="utf-8").splitlines() if re.match(r"\{|20\d\d-.*Z ", line)]

        until(lambda: len(lines()) >= 4)
        gateway.process.send_signal(signal.SIGTERM)
        gateway.process.wait(5)
        return lines()


def test_text_lines(mock: Mock, tmp_path: Path) -> None:
    lines = logged(mock, tmp_path, "--access-log", "text")
    assert len(lines) == 4
    for line in lines[:2]:
        assert " 200 POST /v1/chat/completions unified openai gpt-5 " in line
        assert " in=7 out=20 " in line
    assert " 401 POST /v1/chat/completions " in lines[2]
    assert "error=unauthorized" in lines[2]
    assert "fp-" not in "".join(lines)
    assert "sk-" not in "".join(lines)


def test_json_lines_in_a_file(mock: Mock, tmp_path: Path) -> None:
    lines = logged(mock, tmp_path, "--access-log", "json", "--access-log-file", str(tmp_path / "access.log"))
    found = [json.loads(line) for line in lines]
    plain, streamed, refused, local = found
    for one in (plain, streamed):
        assert (one["status"], one["model"], one["channel"], one["key_name"]) == (200, "gpt-5", "openai", "key-1")
        assert (one["output_tokens"], one["reasoning_tokens"]) == (20, 4)
        assert one["input_tokens"] + one["cache_read_tokens"] + one["cache_write_tokens"] == 7
        assert one["client_format"] == "openai-chat"
        assert one["duration_ms"] > 0
    assert (plain["stream"], streamed["stream"]) == (False, True)
    assert (refused["status"], refused["error_kind"], local["entry"]) == (401, "unauthorized", "local")
    assert len({one["request_id"] for one in found}) == 4


def test_the_log_can_be_rotated(mock: Mock, tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    with Gateway(tmp_path, "--upstream", mock.url, "--access-log", "text", "--access-log-file", str(file)) as gateway:
        gateway.ask("GET", "/echo/one")
        until(lambda: "/echo/one" in file.read_text(encoding="ascii"))
        file.rename(tmp_path / "access.log.1")
        gateway.process.send_signal(signal.SIGUSR1)
        until(file.exists)
        gateway.ask("GET", "/echo/two")
        until(lambda: "/echo/two" in file.read_text(encoding="ascii"))
        assert "/echo/two" not in (tmp_path / "access.log.1").read_text(encoding="ascii")


@pytest.mark.parametrize(("target", "headers", "status"), [("/" + "x" * 20_000, {}, 414), ("/", {"x": "a\x01b"}, 400)])
def test_requests_that_could_not_be_read_are_logged(
    mock: Mock, tmp_path: Path, target: str, headers: dict[str, str], status: int
) -> None:
    with Gateway(tmp_path, "--upstream", mock.url, "--access-log", "text") as gateway:
        assert gateway.ask("GET", target, headers=headers).status == status
        until(lambda: f"Z {status} " in gateway.printed(), 2.0)


def test_the_demo_provider_was_killed_every_ten_seconds(tmp_path: Path) -> None:
    """It gave one sign of life and was held to it: streams broke off whenever the master lost patience."""
    config = {"limits": {"heartbeat_timeout": "1s"}}
    with Gateway(tmp_path, "--demo", config=config) as gateway:
        headers = {"x-mock-chunk-delay": "200", "x-mock-tokens": "20"}
        body = {"model": "gpt-5", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
        reply = ask(gateway.port, "POST", "/v1/chat/completions", body, headers)  # takes four seconds
        assert reply.body.endswith(b"data: [DONE]\n\n")
        assert "no sign of life" not in gateway.said()
