"""Starts the programs that are compared, and asks each one before it is measured whether it does the job.

The job is the same for all: relay to the upstream over kept connections, replace the Authorization field, write no
access log, buffer no reply; the AI gateways do it by their unified entry. How each is told to is in bench/peers.
"""

from __future__ import annotations

import http.client
import json
import ssl
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import processes, traffic
from bench.peers.peer import Job
from bench.processes import ON_LOAD_CPU, ON_PROXY_CPU, Place, RunFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.peers.peer import Fields, Peer

__all__ = ["EVENTS_PER_S", "Job", "Target", "check", "started", "upstream"]

EVENTS_PER_S = 100
UPSTREAM_PORTS = 8
PROBE_S = 20.0
EXPECTED = f"Bearer {traffic.UPSTREAM_KEY}"


@dataclass(frozen=True, slots=True)
class Target:
    """A running proxy, and the header fields that a client of it sends besides the usual ones."""

    name: str
    port: int
    pid: int
    fields: Fields = ()
    warm_s: float = 1.0
    more_ports: tuple[int, ...] = ()  # of the upstream: a port for each proxy, so that closed connections do not add up


@contextmanager
def started(peer: Peer, folder: Path, job: Job, name: str = "", place: Place = ON_PROXY_CPU) -> Iterator[Target]:
    """Run a peer until the block ends. Raises: Absent when it cannot do the job, RunFailed when it does not."""
    name = name or peer.name
    port = processes.free_port()
    launch = peer.launch(name, folder, port, job)
    for file, text in launch.configs.items():
        (folder / file).write_text(text, encoding="utf-8")
    own = Place(place.cpus, launch.environment, launch.start_s)
    with processes.running(launch.command, own, port, folder / f"{name}.out") as pid:
        target = Target(name, port, pid, launch.client_fields, launch.warm_s)
        check(target, tls=job.client_tls)
        yield target


@contextmanager
def upstream(
    folder: Path, *, tls: bool = False, events_per_s: int = EVENTS_PER_S, place: Place = ON_LOAD_CPU
) -> Iterator[Target]:
    """The provider stand-in, on the core of the load."""
    port, *more = (processes.free_port() for _ in range(UPSTREAM_PORTS))
    command = [sys.executable, "-m", "bench.upstream", ",".join(map(str, (port, *more))), str(events_per_s)]
    command += [str(folder / "cert.pem"), str(folder / "key.pem")] if tls else []
    with processes.running(command, place, port, folder / "upstream.out") as pid:
        yield Target("upstream", port, pid, more_ports=tuple(more))


def check(target: Target, *, tls: bool = False) -> None:
    """A proxy that answers 401 quickly is not a fast proxy. Raises: RunFailed unless the new key arrives upstream."""
    end = time.monotonic() + PROBE_S
    while True:
        try:
            status, body = _probe(target, tls=tls)
        except (OSError, http.client.HTTPException) as error:
            status, body = 0, repr(error).encode()
        if status == 200 and _arrived(body) == EXPECTED:
            return
        if status == 200 or time.monotonic() > end:
            raise RunFailed(f"{target.name} does not do the job: {status} {body[:300]!r}")
        time.sleep(0.2)  # a gateway may listen before it is ready


def _probe(target: Target, *, tls: bool) -> tuple[int, bytes]:
    body = traffic.probe_body()
    context = ssl._create_unverified_context() if tls else None
    client = (
        http.client.HTTPSConnection("127.0.0.1", target.port, timeout=PROBE_S, context=context)
        if context
        else http.client.HTTPConnection("127.0.0.1", target.port, timeout=PROBE_S)
    )
    fields = dict((*traffic.client_fields(len(body)), *target.fields))
    fields["Accept-Encoding"] = "identity"
    try:
        client.request("POST", traffic.PATH, body, fields)
        reply = client.getresponse()
        return reply.status, reply.read()
    finally:
        client.close()


def _arrived(body: bytes) -> str | None:
    try:
        return str(json.loads(body)["choices"][0]["message"]["content"])
    except (ValueError, LookupError, TypeError):
        return None
