"""The first lines of the program: process 1 can be stopped from its start, and it begins in one way however started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from fastproxy.__main__ import demo_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT: Final = Path(__file__).parent.parent
NAMESPACE: Final = ("unshare", "--map-root-user", "--pid", "--fork", "--kill-child")
STARTS: Final = {
    "script": ("-c", "import sys; from fastproxy.launch import main; sys.exit(main())"),
    "module": ("-m", "fastproxy"),
}
NOT_STOPPED: Final = 77
# the first heavy import sends the signal, as if it had come from outside at that moment
TRAP: Final = """
import os, signal, sys

class Trap:
    def find_spec(self, name, path=None, target=None):
        if name == "fastproxy.admin.serve":
            os.kill(os.getpid(), getattr(signal, os.environ["TRAP"]))
            for _ in range(10_000):  # in one of these turns the interpreter calls the handler, if there is one
                str(_)
            os._exit(77)

sys.meta_path.insert(0, Trap())
"""


def can_be_process_1() -> bool:
    try:
        return subprocess.run([*NAMESPACE, "true"], capture_output=True, timeout=5, check=False).returncode == 0
    except OSError:
        return False


def stopped(place: Path, name: str, *arguments: str, before: tuple[str, ...] = ()) -> int:
    """The exit code of a start that meets this signal in the midst of its imports."""
    (place / "sitecustomize.py").write_text(TRAP, encoding="utf-8")
    environ: Mapping[str, str] = {**os.environ, "PYTHONPATH": f"{place}:{ROOT}", "TRAP": name}
    command = [*before, sys.executable, *arguments]
    return subprocess.run(command, env=environ, capture_output=True, timeout=10, check=False).returncode


@pytest.mark.skipif(not can_be_process_1(), reason="no PID namespace can be made here")
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(
    ("name", "command", "code"),
    [("SIGTERM", "serve", 0), ("SIGQUIT", "serve", 0), ("SIGTERM", "check", 143), ("SIGHUP", "serve", NOT_STOPPED)],
)
def test_a_signal_in_the_first_half_second_of_process_1_was_lost(
    tmp_path: Path, start: str, name: str, command: str, code: int
) -> None:
    assert stopped(tmp_path, name, *STARTS[start], command, before=NAMESPACE) == code


@pytest.mark.parametrize("start", STARTS)
def test_any_other_process_dies_of_the_signal_and_says_so(tmp_path: Path, start: str) -> None:
    assert stopped(tmp_path, "SIGTERM", *STARTS[start], "serve") == -signal.SIGTERM


@pytest.mark.parametrize("start", STARTS)
def test_ctrl_c_while_it_starts(tmp_path: Path, start: str) -> None:
    assert stopped(tmp_path, "SIGINT", *STARTS[start], "serve") == 130


DEMOS = [
    ("127.0.0.1:8080", False, False, "  curl http://127.0.0.1:8080/v1/"),
    ("0.0.0.0:8080", False, True, "  curl http://127.0.0.1:8080/v1/"),
    ("[::]:8080", False, True, "  curl http://[::1]:8080/v1/"),
    ("10.0.0.1:443", True, True, "  curl --insecure https://10.0.0.1:443/v1/"),
    ("unix:/run/fp.sock", False, False, "  curl --unix-socket /run/fp.sock http://localhost/v1/"),
]


@pytest.mark.parametrize(("listen", "has_tls", "needs_key", "words"), DEMOS, ids=[case[0] for case in DEMOS])
def test_what_the_demo_tells_to_try(listen: str, has_tls: bool, needs_key: bool, words: str) -> None:
    first, call, *rest = demo_lines(listen, has_tls=has_tls, needs_key=needs_key)
    assert call.startswith(words)
    assert ("authorization: Bearer" in "".join(rest)) is needs_key
    assert ("FASTPROXY_KEY or --key" in first) is needs_key
    assert all(line.endswith("\\") for line in (call, *rest[:-1]))
    assert not rest[-1].endswith("\\")
