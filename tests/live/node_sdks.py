"""The npm packages of tests/live/node, installed once below .bench/ from the lock file, without their scripts."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path
from typing import Final

from bench.peers import installed
from bench.peers.peer import Absent

SOURCES: Final = Path(__file__).parent / "node"
FOLDER: Final = installed.CACHE / "ai-sdk"
_LISTS: Final = ("package.json", "package-lock.json")
INSTALL_S: Final = 240


def install() -> Path:
    """The folder to run the scripts in. Raises: Absent, when Node or npm or the registry cannot be had."""
    npm = installed.debian("npm")
    installed.debian("node")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # pytest-xdist has several of us
        _install(npm)
        # a module is looked up from where the script lies
        shutil.copy(SOURCES / "pairs.mjs", FOLDER / "pairs.mjs")
    return FOLDER


def _install(npm: str) -> None:
    """Unless these very versions are there."""
    lists = "".join((SOURCES / name).read_text(encoding="utf-8") for name in _LISTS)
    stamp = FOLDER / ".installed"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == lists:
        return
    for name in _LISTS:
        shutil.copy(SOURCES / name, FOLDER / name)
    command = [npm, "ci", "--prefix", str(FOLDER), "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
    try:
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=INSTALL_S)
    except (OSError, subprocess.SubprocessError) as error:
        raise Absent(f"npm cannot install the AI SDK: {error}") from error
    stamp.write_text(lists, encoding="utf-8")
