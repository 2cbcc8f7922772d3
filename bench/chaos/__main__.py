"""`python -m bench.chaos`: several seeds, one after the other. Exit 1 when something is not accounted for."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from bench.chaos.run import run_seed
from tests.admin.postgres import cluster


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description="kill -9 under load, then the books")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--postgresql", action="store_true", help="on a cluster of its own; else SQLite")
    parser.add_argument("--keep", action="store_true", help="leave the state directories of seeds that failed")
    args = parser.parse_args()
    failed = 0
    for seed in range(args.first, args.first + args.seeds):
        place = Path(tempfile.mkdtemp(prefix=f"chaos-{seed}-"))
        database = cluster().new_database() if args.postgresql else ""
        told = {"clients": args.clients, "seconds": args.seconds, "database": database}
        verdict = asyncio.run(run_seed(seed, place, **told))
        sys.stdout.write(f"{verdict}\n" + (f"  {place}\n" if verdict.faults and args.keep else ""))
        sys.stdout.flush()
        failed += bool(verdict.faults)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
