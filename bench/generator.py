"""Is our load generator as good as wrk? `python -m bench.generator [--turns N] [--seconds S] [--streams N]`.

    cost        plain HTTP against nginx, which answers from memory: CPU per request of ours and of wrk
    agreement   requests per second against a server that takes 5 ms for each, where the tool should not matter
    streams     event streams that one process holds open and reads at the same time

wrk and ours take turns (A B, B A, …) on one core, the server has the other one; figures are medians of the turns, the
ratio is taken inside a turn. The bars are those of the project; they are told, not enforced.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from bench import processes, report, targets, traffic
from bench.compare import MAX_CALM_LOAD
from bench.processes import ON_PROXY_CPU, RunFailed
from fastproxy.loadtest.load.histogram import percentile
from fastproxy.loadtest.load.tally import error_count, rate
from fastproxy.loadtest.reports.files import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastproxy.loadtest.load.shapes import Tally

MIN_PER_CORE: Final = 25_000  # requests per second of a core that does nothing else
MAX_CPU: Final = 2.0  # times wrk's
NOISE: Final = (0.9, 1.1)  # of the ratio of rates
CONNECTIONS: Final = 64
HEADER: Final = f"Authorization: Bearer {traffic.CLIENT_KEY}"
SLOW_MS: Final = 5
OPEN_S: Final = 20.0  # that a stream stays open, so that the last one finds the first one still there
_RATE: Final = re.compile(r"Requests/sec:\s+([\d.]+)")
_COUNT: Final = re.compile(r"(\d+) requests in ")
_TROUBLE: Final = re.compile(r"(Socket errors|Non-2xx).*")
_NGINX: Final = """\
{user}
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log error;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/a;
  proxy_temp_path {folder}/b;
  fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d;
  scgi_temp_path {folder}/e;
  keepalive_requests 1000000000;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    default_type application/json;
    location / {{ return 200 '{body}'; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one tool showed in one turn: requests per second, its own CPU time per request."""

    rate: float
    cpu_us: float


def wrk(url: str, seconds: float, cpus: tuple[int, ...] = ()) -> Turn:
    """Raises: RunFailed when requests failed."""
    command = [processes.need("wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{max(round(seconds), 1)}s", "-H", HEADER, url]
    child = subprocess.Popen(_on(command, cpus), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert child.stdout is not None
    with child.stdout:
        said = child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    found, count, trouble = _RATE.search(said), _COUNT.search(said), _TROUBLE.search(said)
    if child.returncode or found is None or count is None or trouble is not None:
        raise RunFailed(f"wrk: {trouble[0] if trouble else said[-300:]}")
    return Turn(float(found[1]), (used.ru_utime + used.ru_stime) * 1e6 / int(count[1]))


def ours(url: str, seconds: float, cpus: tuple[int, ...] = ()) -> Turn:
    """`fastproxy bench` with one process, told to do the same. Raises: RunFailed when requests failed."""
    flags = ["-c", str(CONNECTIONS), "-d", f"{seconds}s", "-H", HEADER]
    tally = loaded(url, flags, cpus)
    if error_count(tally) or not tally.done:
        raise RunFailed(f"fastproxy bench: {tally.error_examples or 'no reply'}")
    return Turn(rate(tally), tally.cpu / tally.done)


def loaded(url: str, flags: list[str], cpus: tuple[int, ...] = ()) -> Tally:
    """What one process of `fastproxy bench` saw. Raises: RunFailed."""
    with tempfile.TemporaryDirectory(prefix="fastproxy-bench-") as folder:
        file = Path(folder) / "run.json"
        command = [sys.executable, "-m", "fastproxy", "bench", url, "--processes", "1", "--quiet", "--json", str(file)]
        done = subprocess.run(_on([*command, *flags], cpus), capture_output=True, text=True, check=False)
        if not file.exists():
            raise RunFailed(f"fastproxy bench: {done.stderr.strip()[-300:]}")
        return read_json(file).series[0].tally


def _on(command: list[str], cpus: tuple[int, ...]) -> list[str]:
    return processes.pinned(command, *cpus) if cpus else command


def in_turns(url: str, turns: int, seconds: float, cpus: tuple[int, ...] = ()) -> dict[str, list[Turn]]:
    """Both tools, in turns; the one that was second is first in the next turn."""
    found: dict[str, list[Turn]] = {"wrk": [], "ours": []}
    for turn in range(turns):
        for name in ("wrk", "ours") if turn % 2 == 0 else ("ours", "wrk"):
            found[name].append((wrk if name == "wrk" else ours)(url, seconds, cpus))
    return found


def ratio(turns: dict[str, list[Turn]], figure: str) -> float:
    """Ours over wrk's, the median of the turns."""
    pairs = zip(turns["wrk"], turns["ours"], strict=True)
    ratios: list[float] = [getattr(mine, figure) / getattr(theirs, figure) for theirs, mine in pairs]
    return median(ratios)


# --- the servers --------------------------------------------------------------------------------------------------


@contextmanager
def nginx(folder: Path) -> Iterator[str]:
    """The URL of an nginx that answers everything with the usual reply."""
    port = processes.free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    body = traffic.REPLY_BODY.decode().replace("\\", "\\\\").replace("'", "\\'").replace("$", "")
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(user=user, folder=folder, port=port, body=body), encoding="ascii")
    command = [processes.need("nginx"), "-c", str(config), "-p", str(folder)]
    with processes.running(command, ON_PROXY_CPU, port, folder / "nginx.out"):
        yield f"http://127.0.0.1:{port}/"


@contextmanager
def slow(folder: Path, place: processes.Place = ON_PROXY_CPU) -> Iterator[str]:
    """The URL of a server that waits SLOW_MS before it answers."""
    port = processes.free_port()
    command = [sys.executable, "-m", "fastproxy", "mock", "--listen", f"127.0.0.1:{port}", "--latency", str(SLOW_MS)]
    with processes.running(command, place, port, folder / "mock.out"):
        yield f"http://127.0.0.1:{port}/v1/models"


# --- what is measured ---------------------------------------------------------------------------------------------


def cost(folder: Path, turns: int, seconds: float) -> dict[str, Any]:
    with nginx(folder) as url:
        seen = in_turns(url, turns, seconds, (processes.LOAD_CPU,))
    per_core = 1e6 / median(turn.cpu_us for turn in seen["ours"])
    times = ratio(seen, "cpu_us")
    return _told(seen) | {
        "requests per second of one core": round(per_core),
        "CPU per request, ours over wrk's": round(times, 2),
        "holds": per_core >= MIN_PER_CORE and times <= MAX_CPU,
    }


def agreement(folder: Path, turns: int, seconds: float) -> dict[str, Any]:
    with slow(folder) as url:
        seen = in_turns(url, turns, seconds, (processes.LOAD_CPU,))
    times = ratio(seen, "rate")
    return _told(seen) | {"rate, ours over wrk's": round(times, 3), "holds": NOISE[0] <= times <= NOISE[1]}


def streams(folder: Path, count: int, open_s: float = OPEN_S) -> dict[str, Any]:
    """Every client leaves after `open_s`, so all are open at once if the last one came before the first one left."""
    body = folder / "body.json"
    body.write_bytes(traffic.stream_body())
    flags = ["--format", "openai-chat", "--stream", "--body", str(body), "-n", str(count), "-c", str(count)]
    with targets.upstream(folder, events_per_s=1, place=ON_PROXY_CPU) as target:
        url = f"http://127.0.0.1:{target.port}"
        tally = loaded(url, [*flags, "--abort-after", f"{open_s:g}s", "--timeout", "60s"], (processes.LOAD_CPU,))
    opened_s = tally.wall / 1e6 - open_s
    return {
        "streams": tally.aborted,
        "opened in s": round(opened_s, 2),
        "errors": error_count(tally),
        "events": tally.events,
        "gap p50 ms": round(percentile(tally.gap, 0.5) / 1e3, 1),
        "gap p99 ms": round(percentile(tally.gap, 0.99) / 1e3, 1),
        "CPU used": round(tally.cpu / tally.wall, 3) if tally.wall else 0.0,
        "holds": tally.aborted == count and not tally.errors and opened_s < open_s,
    }


def _told(seen: dict[str, list[Turn]]) -> dict[str, Any]:
    middles = {
        name: {
            "rate": round(median(one.rate for one in turns)),
            "cpu_us": round(median(one.cpu_us for one in turns), 2),
        }
        for name, turns in seen.items()
    }
    return {**middles, "turns": {name: [asdict(one) for one in turns] for name, turns in seen.items()}}


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 when all was measured, whatever it showed."""
    options = _options(arguments)
    limit = processes.open_files() - processes.SPARE_FILES
    facts = report.machine()
    if facts["load_average_at_start"] > MAX_CALM_LOAD or facts["cpus"] < 2:
        print("this machine is busy or has one CPU: do not trust the figures", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="fastproxy-bench-") as name:
        folder = Path(name)
        found = {
            "cost": cost(folder, options.turns, options.seconds),
            "agreement": agreement(folder, options.turns, options.seconds),
            "streams": streams(folder, min(options.streams, limit)),
        }
    for part, told in found.items():
        print(f"{part}: {'holds' if told['holds'] else 'MISSES'}")
        for figure, value in told.items():
            if figure not in ("turns", "holds"):
                print(f"  {figure:<34} {value}")
    path = Path(options.json) if options.json else report.RESULTS / f"{facts['time'].replace(':', '')}-generator.json"
    path.write_text(json.dumps({"machine": facts, **found}, indent=1), encoding="utf-8")
    print(path, file=sys.stderr)
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.generator", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one turn of one tool")
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--json", metavar="FILE", help="in place of one in bench/results")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
