"""The contract of a peer: what it is told to do, how it says what it is, and how it is started.

A peer is one program in one file. It turns a `Job` into a `Launch`: the command, its environment, the texts of the
configuration files that it wants beside it, and the header fields that a client of it must send besides the usual ones.
It knows no case, no load and no other peer; whether it can be had here is asked before anything is measured.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

Fields = tuple[tuple[str, str], ...]
MESSAGES_BASE = "/anthropic/v1"


class Absent(RuntimeError):
    """The peer cannot be had or cannot do this job here; the text is the reason that goes into the table."""


class Sort(Enum):
    """A proxy relays whatever comes; a gateway has the unified entry and nothing else that could be compared."""

    PROXY = "proxy"
    GATEWAY = "gateway"
    BOTH = "both"  # fastproxy


@dataclass(frozen=True, slots=True)
class Job:
    """What a proxy is to do: which upstream port, TLS on which side, plain relay or the gateway's entry, how big."""

    upstream_port: int
    upstream_tls: bool = False
    client_tls: bool = False
    unified: bool = False
    workers: int = 1
    sockets: int = 12_288  # how many it must be able to hold open
    messages: bool = False  # who translates asks the upstream below MESSAGES_BASE for Anthropic's Messages

    @property
    def upstream_scheme(self) -> str:
        return "https" if self.upstream_tls else "http"


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a peer. `configs` (file name → text) are written into the run's folder before."""

    command: list[str]
    configs: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    client_fields: Fields = ()
    start_s: float = 15.0
    warm_s: float = 1.0  # load before anything counts; a just-in-time compiler needs more


@dataclass(frozen=True, slots=True)
class Peer:
    """One program of the comparison. `install` fetches what is missing; `version` and `launch` may raise Absent."""

    name: str
    sort: Sort
    source: str  # where it comes from, with the pinned version where the source would give any
    version: Callable[[], str]
    launch: Callable[[str, Path, int, Job], Launch]
    install: Callable[[], None] = lambda: None
    translates: bool = False  # an Anthropic client may ask it for an OpenAI model


def said(*command: str) -> str:
    """What a program prints, on either stream. Raises: Absent when it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise Absent(f"{command[0]} does not run: {error}") from error
    return (done.stdout + done.stderr).strip()
