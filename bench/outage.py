"""Is anything lost while the ledger's database is away? `python -m bench.outage [--seconds 60]`.

A gateway with its ledger in PostgreSQL, at full speed. The database is killed before the load and started after it, so
that records go to the ring and then to the spill. Told are requests and errors, rows in the ledger, and how many rows a
second were filled in when the database was back. Exit 1 when a request failed or a record is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import func, select

from bench import cpu, load, processes, targets, traffic
from bench.ledger import CONFIG, settled
from bench.load import Scripts
from bench.serving import Serving
from bench.targets import Target
from fastproxy.admin.store.engine import StoreUrls, open_store
from fastproxy.admin.store.ledger_tables import records
from fastproxy.server.status import read_status
from tests.admin.postgres import cluster


async def rows(database: str) -> int:
    store = await open_store(StoreUrls(database, database), migrate=False)
    try:
        async with store.ledger.connect() as connection:
            count: int = (await connection.execute(select(func.count()).select_from(records))).scalar_one()
            return count
    finally:
        await store.close()


def measure(folder: Path, seconds: float) -> int:
    database = cluster().new_database()
    scripts = Scripts(folder)
    more = f"database: '{database}'\nmigrate: true"
    with targets.upstream(folder) as upstream:
        config = CONFIG.format(key=traffic.UPSTREAM_KEY, port=upstream.port, client_key=traffic.CLIENT_KEY, more=more)
        with Serving(folder / "g", "--workers", "1", "--admin", "127.0.0.1:0", config=config) as serving:
            worker = next(iter(serving.workers().values()))
            for pid in cpu.tree(serving.process.pid):
                os.sched_setaffinity(pid, {processes.PROXY_CPU if pid == worker else processes.LOAD_CPU})
            target = Target("outage", serving.port, worker)
            targets.check(target)
            load.run(target, scripts.of("short"), 1)
            settled(serving)
            before = asyncio.run(rows(database))
            cluster().stop(at_once=True)
            lane = load.run(target, scripts.of("short"), seconds)
            spilled = sum(file.stat().st_size for file in (serving.state_dir / "journal").glob("*.spill"))
            cluster().start()
            began, at_start = time.monotonic(), asyncio.run(rows(database))
            while asyncio.run(rows(database)) == at_start:
                time.sleep(0.05)
            first = time.monotonic()
            wanted = round(lane.rate * seconds)
            count = drained(database, before + wanted)
            took = time.monotonic() - first
            done, mib = count - before, spilled >> 20
            print(f"{wanted:,} requests in {seconds:.0f} s without a database, {lane.errors} errors; {mib} MiB spilled")
            print(f"back after {first - began:.1f} s; {done:,} rows in {took:.1f} s: {done / took:,.0f}/s")
            print(f"gateway: {read_status(str(serving.state_dir))['restarts']} restarts")
            # wrk counts what was answered within its time; a request may be on its way at the end
            return int(lane.errors > 0 or not wanted <= done <= wanted * 1.01 + 64)


def drained(database: str, wanted: int) -> int:
    """The rows, once no more come."""
    count, since = 0, time.monotonic()
    while time.monotonic() - since < 5:
        now = asyncio.run(rows(database))
        if now != count:
            count, since = now, time.monotonic()
        elif now >= wanted:
            break
        time.sleep(0.1)
    return count


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.outage", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fastproxy-outage-") as name:
        return measure(Path(name), options.seconds)


if __name__ == "__main__":
    sys.exit(main())
