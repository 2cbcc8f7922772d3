"""What is kept for clients outlives the gateway: killed and started again, upgraded under open streams; and what was
deleted, or is kept in memory only, does not come back."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any, Final

import openai
import pytest

from fastproxy.server.control import ReloadFailed
from fastproxy.server.pidfile import live_master
from tests.live.running import Gateway, Mock, MockOptions, mocking, until
from tests.live.toy_gateway import alive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from openai.types.responses import Response

pytestmark = pytest.mark.live
CLIENT: Final = "fp-client-key-0123456789"
PLANTED: Final = "the word that was planted is Rumpelstilzchen"


@pytest.fixture(scope="module")
def shared_mock() -> Iterator[Mock]:
    with mocking() as mock:
        yield mock


@pytest.fixture
def mock(shared_mock: Mock) -> Mock:
    shared_mock.forget()
    return shared_mock


def channel(mock: Mock, model: str) -> dict[str, Any]:
    """It speaks another format than the client, and remembers nothing by itself."""
    return {"name": f"for {model}", "provider": "anthropic", "keys": ["sk-up-0123456789"], "base_url": f"{mock.url}/v1",
            "models": [model], "rename": {model: "claude-sonnet-4-6"}}  # fmt: skip


def config(mock: Mock, **more: Any) -> dict[str, Any]:
    key = {"name": "client", "key": CLIENT, "group": "team"}
    return {"channels": [channel(mock, "gpt-5")], "keys": [key], **more}


def client(gateway: Gateway) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=CLIENT, max_retries=0)


def ask(gateway: Gateway, text: str, previous: str | None = None) -> Response:
    with client(gateway) as sdk:
        made: Response = sdk.responses.create(model="gpt-5", input=text, previous_response_id=previous)
    return made


def goes_on(gateway: Gateway, mock: Mock, made: str) -> bool:
    """Whether the upstream hears what was said before."""
    ask(gateway, "And then?", made)
    return PLANTED in str(mock.newest()["body"])


def kill_all(gateway: Gateway) -> None:
    """As if the machine had lost its memory: no process has a moment to say anything."""
    pids = [gateway.status()["admin"], *gateway.workers().values()]
    gateway.process.kill()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    gateway.process.wait()
    (gateway.place / "stdout").write_text("")  # the next one tells its own port


@pytest.mark.parametrize("told", [{}, {"remember": {"time": "2h", "size": "1MiB"}}], ids=["default", "set"])
def test_a_conversation_goes_on_after_the_whole_gateway_was_killed(
    mock: Mock, tmp_path: Path, told: dict[str, Any]
) -> None:
    with Gateway(tmp_path, "--workers", "2", config=config(mock, **told)) as gateway:
        made = [ask(gateway, PLANTED).id for _ in range(4)]
        kill_all(gateway)
    with Gateway(tmp_path, "--workers", "1", config=config(mock, **told)) as gateway:
        assert all(goes_on(gateway, mock, one) for one in made)
    files = [path for path in (tmp_path / "state").rglob("*") if path.name != "fastproxy.pid"]
    assert {"shelf", "master.key", "register", "snapshot"} <= {path.name for path in files}
    for path in files:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
        assert path.is_dir() or b"Rumpelstilzchen" not in path.read_bytes()


def test_what_was_deleted_stays_forgotten(mock: Mock, tmp_path: Path) -> None:
    with Gateway(tmp_path, config=config(mock)) as gateway:
        kept, gone = (ask(gateway, PLANTED).id for _ in range(2))
        with client(gateway) as sdk:
            sdk.responses.delete(gone)
        kill_all(gateway)
    with Gateway(tmp_path, config=config(mock)) as gateway:
        assert goes_on(gateway, mock, kept)
        with pytest.raises(openai.BadRequestError, match="previous response with id"):
            ask(gateway, "And then?", gone)
        with client(gateway) as sdk, pytest.raises(openai.APIStatusError):
            sdk.responses.retrieve(gone)


@pytest.mark.parametrize(
    ("told", "environ"),
    [({"remember": "memory"}, {}), ({"remember": "off"}, {}), ({}, {"FASTPROXY_MASTER_KEY": bytes(range(32)).hex()})],
    ids=["memory", "off", "another key"],
)
def test_nothing_is_found_again_without_the_file_or_its_key(
    mock: Mock, tmp_path: Path, told: dict[str, str], environ: dict[str, str]
) -> None:
    with Gateway(tmp_path, config=config(mock)) as gateway:
        made = ask(gateway, PLANTED).id
    (tmp_path / "stdout").write_text("")
    with Gateway(tmp_path, config=config(mock, **told), environ=environ) as gateway:
        with pytest.raises(openai.BadRequestError, match="previous response with id"):
            ask(gateway, "And then?", made)
        assert ask(gateway, "Something else").to_dict()["store"] is (told != {"remember": "off"})
        assert "Traceback" not in gateway.said()


def test_an_upgrade_under_an_open_stream_keeps_what_both_generations_put_away(mock: Mock, tmp_path: Path) -> None:
    with mocking(MockOptions(chunk_delay_ms=40.0, tokens=110)) as slow:
        channels = [channel(mock, "gpt-5"), channel(slow, "gpt-5-slow")]
        with Gateway(tmp_path, "--workers", "2", config=config(mock, channels=channels)) as gateway:
            before = ask(gateway, PLANTED).id
            try:
                during = upgrade_under_a_stream(gateway)
                assert all(goes_on(gateway, mock, made) for made in (before, *during))
                assert "will not survive" not in gateway.said()
                assert "another version" not in gateway.said()
            finally:
                end(live_master(str(gateway.state_dir)))


def end(master: int | None) -> None:
    if master is not None:
        os.kill(master, signal.SIGQUIT)
        until(lambda: not alive(master))


def upgrade_under_a_stream(gateway: Gateway) -> list[str]:
    """The ids of responses that were made while the workers of two masters lived: one by the old, four by the new."""
    old = gateway.process.pid
    with client(gateway) as sdk:
        stream = sdk.responses.create(model="gpt-5-slow", input=PLANTED, stream=True)
        first = next(stream)
        assert first.type == "response.created"
        gateway.process.send_signal(signal.SIGUSR2)
        until(lambda: live_master(str(gateway.state_dir)) not in (None, old))
        during = [ask(gateway, PLANTED).id for _ in range(4)]
        assert alive(old), "the stream has ended too soon for this test"
        assert [event.type for event in stream][-1] == "response.completed"
    assert gateway.process.wait(9) == 0
    return [first.response.id, *during]


def test_a_reload_may_stop_remembering_but_not_move_it(mock: Mock, tmp_path: Path) -> None:
    with Gateway(tmp_path, config=config(mock)) as gateway:
        made = ask(gateway, PLANTED).id
        gateway.reload(config(mock, remember="off"))
        with pytest.raises(openai.BadRequestError, match="previous response with id"):
            ask(gateway, "And then?", made)
        gateway.reload(config(mock, remember={"time": "1h"}))
        assert goes_on(gateway, mock, made)
        with pytest.raises(ReloadFailed):
            gateway.reload(config(mock, remember="memory"))
        assert "remember has another store or size: opened at start, so restart or upgrade" in gateway.said()
        assert goes_on(gateway, mock, made)


def test_a_master_key_that_others_may_read_is_exit_code_5(tmp_path: Path) -> None:
    path = tmp_path / "state" / "master.key"
    path.parent.mkdir()
    path.write_text(os.urandom(32).hex())
    path.chmod(0o644)
    gateway = Gateway(tmp_path, "--upstream", "http://127.0.0.1:1")
    assert gateway.process.wait(8) == 5
    assert f"{path}: others may read it (mode 0644); expected 0600: chmod 600 {path}" in gateway.said()
