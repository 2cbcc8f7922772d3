"""Peers that pip and npm install, each in a folder of its own under .bench/, which git ignores.

Nothing is shared with the project's own environment: LiteLLM brings hundreds of packages and would decide versions of
ours. Debian's packages are the business of .ci/packages, which the Makefile calls before.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.peers.peer import Absent

CACHE = Path(__file__).parents[2] / ".bench"
INSTALL_S = 900


def debian(command: str) -> str:
    """The path of a command that a Debian package brings. Raises: Absent."""
    found = shutil.which(command, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if not found:
        raise Absent(f"{command} is not installed; on Debian: apt-get install {command}")
    return found


def pip_folder(name: str) -> Path:
    return CACHE / name


def pip(name: str, *requirements: str) -> None:
    """A virtual environment `name` with exactly these requirements, made once. Raises: Absent."""
    folder = pip_folder(name)
    _once(
        folder,
        " ".join(requirements),
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *requirements],
    )


def npm(name: str, package: str) -> Path:
    """The folder node_modules with this package, installed once without its scripts. Raises: Absent."""
    folder = CACHE / name
    tool = debian("npm")
    flags = ["--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
    _once(folder, package, [tool, "install", "--prefix", str(folder), *flags, package])
    return folder / "node_modules"


def _once(folder: Path, wanted: str, *commands: list[str]) -> None:
    """Run the commands unless the stamp in the folder says that this very thing is installed."""
    stamp = folder / ".installed"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return
    folder.mkdir(parents=True, exist_ok=True)
    print(f"installing {wanted} into {folder} …", file=sys.stderr, flush=True)
    for command in commands:
        try:
            subprocess.run(command, capture_output=True, text=True, check=True, timeout=INSTALL_S)
        except subprocess.CalledProcessError as error:
            raise Absent(f"{wanted} cannot be installed: {_last_line(error.stderr)}") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Absent(f"{wanted} cannot be installed: {error}") from error
    stamp.write_text(wanted, encoding="utf-8")


def _last_line(text: str) -> str:
    return next(reversed(text.strip().splitlines()), "no reason given")
