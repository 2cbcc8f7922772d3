"""`fastproxy health` and the demo's advice against real gateways; a gateway that is process 1 and is told to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import trustme

from tests.live.running import ROOT, Gateway, clean_environ, command, until
from tests.test_launch import NAMESPACE, can_be_process_1

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.live
PROXY: Final = {"http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1"}
CHAT: Final = {"model": "gpt-5", "messages": [{"role": "user", "content": "Hello"}]}


def certificate(place: Path) -> Sequence[str]:
    issued = trustme.CA().issue_cert("gateway.example")
    issued.cert_chain_pems[0].write_to_path(str(place / "cert.pem"))
    issued.private_key_pem.write_to_path(str(place / "key.pem"))
    return ("--tls-cert", str(place / "cert.pem"), "--tls-key", str(place / "key.pem"))


@pytest.mark.parametrize("kind", ["everywhere", "ipv6", "unix", "tls"])
def test_a_healthy_gateway_was_reported_as_unhealthy(tmp_path: Path, kind: str) -> None:
    listen = {"ipv6": "[::]:0", "unix": f"unix:{tmp_path}/s"}.get(kind, "0.0.0.0:0")
    flags = ("--listen", listen, *(certificate(tmp_path) if kind == "tls" else ()))
    with Gateway(tmp_path, *flags) as gateway:
        environ = clean_environ(FASTPROXY_LISTEN=gateway.addresses[0], **PROXY)
        done = command("health", environ=environ)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith(": 200 OK\n")
        assert ("https://" in done.stdout) is (kind == "tls")
    done = command("health", environ=environ)
    assert (done.returncode, done.stdout) == (1, "")


def test_the_demo_told_to_ask_0_0_0_0_and_refused_it(tmp_path: Path) -> None:
    with Gateway(
        tmp_path, "--demo", "--listen", "0.0.0.0:0", environ={"FASTPROXY_KEY": "fp-demo-0123456789"}
    ) as gateway:
        assert f"curl http://127.0.0.1:{gateway.port}/v1/chat/completions" in gateway.printed()
        assert "-H 'authorization: Bearer YOUR_KEY'" in gateway.printed()
        assert gateway.ask("POST", "/v1/chat/completions", CHAT).status == 401
        headers = {"authorization": "Bearer fp-demo-0123456789"}
        assert gateway.ask("POST", "/v1/chat/completions", CHAT, headers).status == 200


@pytest.mark.parametrize("address", ["127.0.0.1:0", "0.0.0.0:0"])
def test_the_demo_asks_for_a_key_where_one_is_needed(tmp_path: Path, address: str) -> None:
    with Gateway(tmp_path, "--demo", "--listen", address) as gateway:
        is_open = gateway.ask("POST", "/v1/chat/completions", CHAT).status == 200
        assert is_open is (address == "127.0.0.1:0")
        assert ("Bearer YOUR_KEY" in gateway.printed()) is not is_open


def child_of(pid: int) -> int:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return int(found[0]) if found else 0


def has_handler(pid: int, number: int) -> bool:
    """Whether it runs the interpreter already, and has a handler for this signal."""
    if b"fastproxy" not in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1:3]:
        return False
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    (caught,) = [line.split()[1] for line in lines if line.startswith("SigCgt")]
    return bool(int(caught, 16) >> (number - 1) & 1)


@pytest.mark.skipif(not can_be_process_1(), reason="no PID namespace can be made here")
def test_a_gateway_that_is_process_1_ends_at_once_while_it_starts(tmp_path: Path) -> None:
    arguments = ("serve", "--demo", "--listen", "127.0.0.1:0", "--admin", "off", "--state-dir", str(tmp_path / "state"))
    started = subprocess.Popen(
        [*NAMESPACE, sys.executable, "-m", "fastproxy", *arguments],
        cwd=ROOT, env=clean_environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        pid = until(lambda: child_of(started.pid))
        until(lambda: has_handler(pid, signal.SIGTERM))
        os.kill(pid, signal.SIGTERM)
        out, err = started.communicate(timeout=10)
    finally:
        started.kill()
    assert (started.returncode, err, b"Traceback" in out) == (0, b"", False)
