"""One lane of requests: wrk against a port for some seconds, with a new random traceparent in every request.

wrk stays the judge because it is not ours. Its script prepares 4,096 whole requests before the clock starts (joining
40 KB per request made wrk the bottleneck: 21,000 requests/s instead of 42,000; of huge ones as many as fit into
SCRIPT_BYTES) and sends them in turn, so that no proxy can live off a memo of whole heads, which real traffic would
never hit.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import cpu, processes, traffic

if TYPE_CHECKING:
    from pathlib import Path

    from bench.peers.peer import Fields
    from bench.targets import Target

REQUESTS = 4096
SCRIPT_BYTES = 170_000_000

_SCRIPT = """\
local before, after = %s, %s
local requests, at = {}, 0
math.randomseed(os.time())
for i = 1, %d do
  local id = ""
  for _ = 1, 6 do id = id .. string.format("%%08x", math.random(0, 0x7fffffff)) end
  requests[i] = before .. "traceparent: 00-" .. id:sub(1, 32) .. "-" .. id:sub(33, 48) .. "-01\\r\\n" .. after
end
function request()
  at = at %% #requests + 1
  return requests[at]
end
function done(summary, latency)
  local e = summary.errors
  local errors = e.connect + e.read + e.write + e.status + e.timeout
  print(string.format('{"requests": %%d, "us": %%d, "p50_us": %%d, "p99_us": %%d, "errors": %%d}', summary.requests,
    summary.duration, latency:percentile(50), latency:percentile(99), errors))
end
"""


@dataclass(frozen=True, slots=True)
class Lane:
    """What one lane showed; `cpu_us` is the proxy's CPU time per request, `busy` the share of its core that it used."""

    rate: float
    p50_us: float
    p99_us: float
    cpu_us: float
    busy: float
    errors: int


class Scripts:
    """The wrk scripts of a run, written when first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: dict[tuple[str, Fields, bool], Path] = {}

    def of(self, body: str, fields: Fields = (), *, close: bool = False) -> Path:
        """The script that sends this body of traffic.bodies(); with `close`, a new connection for each request."""
        known = (body, fields, close)
        if known not in self._written:
            path = self._folder / f"{body}-{len(self._written)}.lua"
            closing = (("Connection", "close"),) if close else ()
            write_script(path, traffic.bodies()[body], (*fields, *closing), traffic.path_of(body))
            self._written[known] = path
        return self._written[known]


def write_script(path: Path, body: bytes, more: Fields = (), target: str = traffic.PATH) -> None:
    fields = "".join(f"{name}: {value}\r\n" for name, value in (*traffic.client_fields(len(body)), *more))
    before = f"POST {target} HTTP/1.1\r\n{fields}".encode()
    count = min(REQUESTS, SCRIPT_BYTES // len(body))
    path.write_text(_SCRIPT % (_lua(before), _lua(b"\r\n" + body), count), encoding="ascii")


def _lua(data: bytes) -> str:
    return (
        '"' + "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03d}" for byte in data) + '"'
    )


def run(target: Target, script: Path, seconds: float, connections: int = 64, scheme: str = "http") -> Lane:
    """Load the target and return what it showed. Raises: SubprocessError when wrk fails, RunFailed without a reply."""
    url = f"{scheme}://127.0.0.1:{target.port}{traffic.PATH}"
    command = [
        processes.need("wrk"),
        "-t1",
        f"-c{connections}",
        f"-d{max(seconds, 1):.0f}s",
        "--timeout",
        "10s",
        "-s",
        str(script),
    ]
    before = cpu.cpu_ns(target.pid)
    command = processes.pinned([*command, url], processes.LOAD_CPU)
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60)
    spent_us = (cpu.cpu_ns(target.pid) - before) / 1000
    seen = json.loads(done.stdout[done.stdout.rindex('{"requests"') :])
    if not seen["requests"]:
        raise processes.RunFailed(f"no reply came through {target.name} in {seconds:.0f} s")
    return Lane(
        rate=seen["requests"] / seen["us"] * 1e6,
        p50_us=seen["p50_us"],
        p99_us=seen["p99_us"],
        cpu_us=spent_us / seen["requests"],
        busy=spent_us / seen["us"],
        errors=seen["errors"],
    )
