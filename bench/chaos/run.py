"""One seed of chaos: a gateway under load is killed piece by piece, and its ledger compared with everybody's books."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from bench.chaos.clients import Clients, Got
from bench.chaos.provider import Provider
from fastproxy.admin.store.engine import Store, StoreError, StoreUrls, open_store
from fastproxy.admin.store.ledger_tables import in_flight, records
from fastproxy.server.status import NotRunning, read_status

if TYPE_CHECKING:
    from pathlib import Path

KEY: Final = "sk-chaos-0123456789abcdef"
_STARTED_S: Final = 20.0
_DRAINED_S: Final = 40.0
_CALM_S: Final = 1.5


@dataclass
class Verdict:
    """`faults` is empty when everything that must hold holds."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    reached: int = 0
    whole: int = 0
    rows: int = 0
    aborted: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        killed = ", ".join(f"{name} {count}" for name, count in sorted(self.kills.items())) or "nobody"
        told = f"asked {self.asked}, reached the provider {self.reached}, whole {self.whole}"
        verdict = "; ".join(self.faults[:5]) if self.faults else "all accounted for"
        return f"seed {self.seed}: killed {killed}; {told}; rows {self.rows}, aborted {self.aborted}: {verdict}"


class Gateway:
    """A gateway in a process of its own, which can be started again where it was killed."""

    def __init__(self, place: Path, database: str, provider: int) -> None:
        self.port = _free_port()
        self.database = database or f"sqlite:///{place}/fastproxy.db"
        self.state_dir = str(place / "state")
        config = {
            "listen": f"127.0.0.1:{self.port}", "admin": "127.0.0.1:0", "workers": 2, "database": self.database,
            "migrate": True, "ledger": {"database": self.database},
            "keys": [{"name": "chaos", "key": KEY, "group": "chaos"}],
            "journal": {"size": "1MiB"},
            "channels": [{"name": "up", "provider": "openai", "keys": ["sk-up"], "models": ["m"],
                          "base_url": f"http://127.0.0.1:{provider}/v1"}],
        }  # fmt: skip
        self.config = place / "fastproxy.yaml"
        self.config.write_text(json.dumps(config), encoding="utf-8")
        self.log = place / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def _spawn(self) -> None:
        command = [sys.executable, "-m", "fastproxy", "serve", "--config", str(self.config)]
        environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environ |= {"PYTHONPATH": os.getcwd(), "FASTPROXY_ADMIN_KEY": "chaos-admin-0123456789"}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--state-dir", self.state_dir], stdout=log, stderr=log, env=environ
            )

    async def start(self) -> None:
        self._spawn()
        deadline = time.monotonic() + _STARTED_S
        while not self.workers():
            assert time.monotonic() < deadline, f"the gateway does not start:\n{self.log.read_text()[-2000:]}"
            await asyncio.sleep(0.05)

    def status(self) -> dict[str, Any]:
        with suppress(NotRunning):
            return read_status(self.state_dir)
        return {"workers": [], "admin": None}

    def workers(self) -> list[int]:
        return [worker["pid"] for worker in self.status()["workers"] if worker["state"] == "ready"]

    async def kill(self, whom: str, rng: random.Random) -> bool:
        """With SIGKILL; a master is started again. False when there is nobody."""
        assert self._process is not None
        if whom == "master":
            self._process.kill()
            self._process.wait()
            await self.start()
            return True
        pids = self.workers() if whom == "worker" else [self.status()["admin"] or 0]
        pid = rng.choice(pids) if pids else 0
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(pid)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


async def run_seed(seed: int, place: Path, *, clients: int, seconds: float, database: str = "") -> Verdict:
    """Start, load, kill, stop, compare."""
    rng, verdict = random.Random(seed), Verdict(seed)
    provider = Provider(random.Random(seed + 1))
    gateway = Gateway(place, database, await provider.start())
    crowd = Clients(gateway.port, KEY, random.Random(seed + 2))
    try:
        await gateway.start()
        load = asyncio.create_task(crowd.run(clients))
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            await asyncio.sleep(0.2 + rng.random())
            whom = rng.choices(("worker", "admin", "master"), (6, 3, 1))[0]
            verdict.kills[whom] += await gateway.kill(whom, rng)
        crowd.stopping = True
        await load
        store = await _opened(gateway.database)
        try:
            rows = await _rows_when_calm(store)
        finally:
            await store.close()
    finally:
        gateway.stop()
        await provider.stop()
    compare(verdict, crowd.got, provider, rows)
    _verify(verdict, gateway)
    return verdict


async def _opened(database: str) -> Store:
    """Once an admin process has lived long enough to make its tables."""
    deadline = time.monotonic() + _DRAINED_S
    while True:
        try:
            return await open_store(StoreUrls(database, database), migrate=False)
        except StoreError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.2)


async def _rows_when_calm(store: Store) -> list[dict[str, Any]]:
    """All records, once nothing is in flight any more and no more come."""
    deadline, calm_since, before = time.monotonic() + _DRAINED_S, time.monotonic(), -1
    while time.monotonic() < deadline:
        async with store.ledger.connect() as connection:
            count = (await connection.execute(select(func.count()).select_from(records))).scalar_one()
            open_ones = (await connection.execute(select(func.count()).select_from(in_flight))).scalar_one()
        if count != before or open_ones:
            before, calm_since = count, time.monotonic()
        elif time.monotonic() - calm_since > _CALM_S:
            break
        await asyncio.sleep(0.1)
    async with store.ledger.connect() as connection:
        return [dict(row) for row in (await connection.execute(select(records))).mappings()]


def compare(verdict: Verdict, got: list[Got], provider: Provider, rows: list[dict[str, Any]]) -> None:
    """Fill the verdict."""
    by_id = Counter(row["request_id"] for row in rows)
    by_tag = Counter(row["user_agent"] for row in rows)
    row_of = {row["request_id"]: row for row in rows}
    verdict.asked, verdict.reached, verdict.rows = len(got), len(provider.asked), len(rows)
    verdict.aborted = sum(row["error_kind"] == "aborted" for row in rows)
    verdict.whole = sum(one.tokens is not None for one in got)
    faults = verdict.faults
    faults += [f"{name} has {count} rows" for name, count in by_id.items() if count > 1]
    faults += [f"{tag} reached the provider twice" for tag in provider.twice]
    for one in got:
        row = row_of.get(one.request_id)
        is_admitted = one.request_id and one.status in (200, 502, 504)
        if is_admitted and row is None:
            faults.append(f"{one.tag}: answered {one.status} as {one.request_id}, and has no row")
        if one.is_named and one.tag in provider.asked and by_tag[one.tag] != 1:
            faults.append(f"{one.tag} reached the provider and has {by_tag[one.tag]} rows")
        if one.tokens is not None and row is not None:
            _compare_whole(faults, one, provider.asked[one.tag], row)
    anonymous = sum(not one.is_named for one in got)
    reached = sum(not one.is_named and one.tag in provider.asked for one in got)
    if not reached <= by_tag["chaos"] <= anonymous:
        faults.append(f"{by_tag['chaos']} rows without a name, of {anonymous} requests {reached} reached the provider")
    faults += [f"{row['request_id']} is aborted, and not marked as estimated" for row in rows
               if row["error_kind"] == "aborted" and not row["estimated"]]  # fmt: skip


def _compare_whole(faults: list[str], one: Got, told: tuple[int, int], row: dict[str, Any]) -> None:
    found = (row["input_tokens"], row["output_tokens"])
    if not one.tokens == told == found or row["estimated"]:
        faults.append(f"{one.tag}: the provider says {told}, the client {one.tokens}, the row {found}")
    if row["status"] != 200 or row["error_kind"] not in ("", "client_closed"):
        faults.append(f"{one.tag} came whole, its row says {row['status']} {row['error_kind']}")


def _verify(verdict: Verdict, gateway: Gateway) -> None:
    command = [sys.executable, "-m", "fastproxy", "ledger", "verify", "--config", str(gateway.config)]
    done = subprocess.run([*command, "--state-dir", gateway.state_dir], capture_output=True, text=True, check=False)
    if done.returncode:
        verdict.faults.append(f"ledger verify: {done.stdout[-500:]}{done.stderr[-500:]}")


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
