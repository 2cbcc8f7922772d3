"""A real master with toy roles, as a program: python -m tests.live.toy_master STATE_DIR JSON.

The JSON object may hold: workers, pin, listen ([[host, port]] or a Unix path), own (Unix path of the admin role),
heartbeat, drain, upgrade, worker ("toy", "dies" or "unready"), given (a descriptor, passed on as systemd would),
stranger (have a dead child that is no role's). The snapshot is the content of STATE_DIR/snapshot; "bad" is not a valid
one. Bound addresses go to STATE_DIR/bound.json. Exit codes are those of the product.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastproxy.errors import ConfigError
from fastproxy.server.plan import Address, MasterPlan, Publication, Role, StartError
from fastproxy.server.run import run_master
from tests.live import toy_worker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastproxy.server.seat import Seat


def address(entry: list[Any] | str) -> Address:
    return Address(unix=entry) if isinstance(entry, str) else Address(*entry)


def die(seat: Seat) -> None:
    raise SystemExit(7)


def sleep_unready(seat: Seat) -> None:
    while not seat.is_orphan():
        signal.sigtimedwait({signal.SIGUSR1}, 0.05)


def admin(seat: Seat) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    seat.ready()
    while not seat.is_orphan() and signal.sigtimedwait({signal.SIGTERM}, 0.1) is None:
        seat.beat()


WORKERS = {"toy": toy_worker.run, "dies": die, "unready": sleep_unready}


def plan(state_dir: Path, options: dict[str, Any]) -> MasterPlan:
    def snapshot() -> Publication:
        data = (state_dir / "snapshot").read_bytes()
        if data == b"bad":
            raise ConfigError("nothing good", file="toy.yaml", line=1, column=2)
        return Publication(data)

    def announce(bound: Mapping[str, tuple[str, ...]]) -> None:
        (state_dir / "bound.tmp").write_text(json.dumps(bound), encoding="ascii")
        (state_dir / "bound.tmp").rename(state_dir / "bound.json")

    # what a successor should be is read when it starts: a test may change it in between
    changed = state_dir / "changed.json"
    if changed.exists():
        options = options | json.loads(changed.read_text(encoding="ascii"))
    worker = Role("worker", WORKERS[options.get("worker", "toy")], options.get("workers", 2), sockets=True)
    own = (address(options["own"]),) if "own" in options else ()
    environ = dict(os.environ)
    if "given" in options and "FASTPROXY_SOCKETS" not in environ:
        os.dup2(options["given"], 3)
        environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
    return MasterPlan(
        roles=(worker, Role("admin", admin, listen=own, leaves_first=True)),
        listen=tuple(address(entry) for entry in options.get("listen", [["127.0.0.1", 0]])),
        state_dir=str(state_dir),
        first=snapshot(),
        reload=snapshot,
        argv=(sys.executable, *sys.orig_argv[1:]),
        environ=environ,
        drain_timeout=options.get("drain", 5.0),
        heartbeat_timeout=options.get("heartbeat", 5.0),
        upgrade_timeout=options.get("upgrade", 8.0),
        pin=options.get("pin", False),
        announce=announce,
    )


def main() -> int:
    options = json.loads(sys.argv[2])
    if options.get("stranger") and os.fork() == 0:
        os._exit(0)
    try:
        return run_master(plan(Path(sys.argv[1]), options))
    except StartError as error:
        print(error, file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
