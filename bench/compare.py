"""fastproxy beside nginx on one core: `python -m bench.compare [--quick] [--only CASE] [--pairs N] [--seconds S]`.

For every case both proxies are started once, warmed, and measured in turns (A B, B A, A B …) against the same upstream,
so that a slow minute of the machine hits both. The ratio is taken inside each pair; the table shows the median of the
pairs' ratios. `--calibrate` compares nginx with a second nginx: what it shows beside 1.00 is the noise of the machine.
Idle memory is measured on fresh processes, because memory once used is seldom given back.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path

from bench import cpu, processes, report, targets
from bench.cases import CASES, Case, Kind, Scripts, lane, write_scripts
from bench.targets import Job, Target

WARM_S = 1.0
MAX_CALM_LOAD = 0.5


def main(arguments: list[str] | None = None) -> int:
    """Run the chosen cases. Returns 0 when all ran without an error; bars are reported, not enforced: noise is real."""
    options = _options(arguments)
    chosen = [case for case in CASES if not options.only or case.name in options.only]
    facts = report.machine()
    if facts["load_average_at_start"] > MAX_CALM_LOAD or facts["cpus"] < 2:
        print("this machine is busy or has one CPU: do not trust the figures", file=sys.stderr)
    results: list[report.Result] = []
    with tempfile.TemporaryDirectory(prefix="fastproxy-bench-") as name:
        folder = Path(name)
        processes.write_certificates(folder)
        scripts = write_scripts(folder)
        for case in chosen:
            print(f"{case.title} …", file=sys.stderr, flush=True)
            try:
                results.append(run(case, folder, scripts, options))
            except processes.RunFailed as error:
                print(f"{case.name} FAILED: {error}", file=sys.stderr)
        configs = {path.name: path.read_text() for path in folder.glob("*.conf")} | {
            path.name: path.read_text() for path in folder.glob("*.yaml")
        }
    print(report.table(results))
    settings = {"pairs": options.pairs, "seconds": options.seconds, "calibrate": options.calibrate}
    print(f"\n{report.write(results, facts, settings, configs)}", file=sys.stderr)
    failed = len(results) < len(chosen) or any(result["verdict"] == "ERRORS" for result in results)
    return int(failed)


def run(case: Case, folder: Path, scripts: Scripts, options: argparse.Namespace) -> report.Result:
    """Measure one case in pairs."""
    with ExitStack() as stack:
        upstream = stack.enter_context(targets.upstream(folder, tls=case.upstream_tls))
        job = Job(upstream.port, case.upstream_tls, case.client_tls, case.unified)
        if case.kind is Kind.IDLE:
            return _idle(case, folder, scripts, job, options)
        pair = [stack.enter_context(start) for start in _starts(folder, job, options)]
        direct = [replace(upstream, name="direct")] if case.kind is Kind.ALONE else []
        lanes: report.Lanes = {target.name: [] for target in (*direct, *pair)}
        for target in pair:
            lane(case, target, scripts, WARM_S)
        for turn in range(options.pairs):
            for target in (*direct, *(pair if turn % 2 == 0 else reversed(pair))):
                lanes[target.name].append(lane(case, target, scripts, options.seconds))
    return report.result_of(case, lanes, {})


def _starts(folder: Path, job: Job, options: argparse.Namespace) -> list[AbstractContextManager[Target]]:
    second = targets.nginx(folder, job, "nginx_again") if options.calibrate else targets.fastproxy(folder, job)
    return [targets.nginx(folder, job), second]


def _idle(case: Case, folder: Path, scripts: Scripts, job: Job, options: argparse.Namespace) -> report.Result:
    """One fresh process per lane, and its own memory before the streams as the base."""
    lanes: report.Lanes = {}
    base: dict[str, int] = {}
    for start in _starts(folder, job, options):
        with start as target:
            base[target.name] = cpu.pss_bytes(target.pid)
            lanes[target.name] = [lane(case, target, scripts, options.seconds)]
    return report.result_of(case, lanes, base)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    parser.add_argument("--only", action="append", choices=[case.name for case in CASES], help="repeatable")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one lane")
    parser.add_argument("--quick", action="store_true", help="3 pairs of 2 s: a look, not a measurement")
    parser.add_argument("--calibrate", action="store_true", help="nginx against nginx: must be about 1.00")
    options = parser.parse_args(arguments)
    if options.quick:
        options.pairs, options.seconds = 3, 2.0
    return options


if __name__ == "__main__":
    sys.exit(main())
