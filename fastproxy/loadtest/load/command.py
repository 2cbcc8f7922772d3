"""`fastproxy bench`: from the command line to the reports, and the exit code.

0  measured, and no threshold crossed        3  nothing came back right
1  a threshold of --fail-if was crossed      2  a bad option, scenario or recording
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from fastproxy.config.cpus import usable_cpus
from fastproxy.config.report import mask_url
from fastproxy.errors import ConfigError
from fastproxy.loadtest.load import options, run
from fastproxy.loadtest.load.arrival import OPEN_CONNECTIONS
from fastproxy.loadtest.load.interrupt import Interrupt
from fastproxy.loadtest.load.lane import LaneFailed, Target
from fastproxy.loadtest.load.masking import masked_command
from fastproxy.loadtest.load.started import StartFailed, started
from fastproxy.loadtest.load.threshold import Threshold, ThresholdError, judge, parse
from fastproxy.loadtest.load.watched import WatchFailed
from fastproxy.loadtest.reports import diff, files, html, summary
from fastproxy.loadtest.reports.live import LiveView

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from fastproxy.loadtest.load.shapes import Plan, Run, Tally

OK, CROSSED, BAD_INPUT, NO_ANSWER = range(4)


def main(args: argparse.Namespace, command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run `fastproxy bench`; what is wrong with the input is said on stderr."""
    try:
        if args.url == "report":
            return _report(args)
        plan = options.plan_from(args, environ)
        thresholds = [parse(text) for text in args.fail_if]
        return _bench(args, plan, thresholds, masked_command(command))
    except (options.OptionError, ThresholdError, ConfigError, files.ReportError) as error:
        return _complain(str(error), BAD_INPUT)
    except OSError as error:
        return _complain(f"a report could not be written: {error}", BAD_INPUT)
    except (LaneFailed, WatchFailed, StartFailed) as error:
        return _complain(str(error), NO_ANSWER)


def _complain(text: str, code: int) -> int:
    sys.stderr.write(f"fastproxy bench: {text}\n")
    return code


def _report(args: argparse.Namespace) -> int:
    """`fastproxy bench report A.json [B.json] [--html FILE] …`: of two, the page sets them side by side."""
    paths = args.reports
    if not 1 <= len(paths) <= 2:
        raise options.OptionError(f"report takes one file, or two to compare; seen {len(paths)}")
    options.refuse_without_load(args)
    _check_reports(args)
    runs = [files.read_json(Path(path)) for path in paths]
    if not args.quiet:
        sys.stdout.write(summary.summary(runs[0]) if len(runs) == 1 else diff.diff(runs[0], runs[1]))
    _write_files(args, runs[0] if len(runs) == 1 else diff.beside(runs[0], runs[1]))
    return OK


def _bench(args: argparse.Namespace, plan: Plan, thresholds: Sequence[Threshold], command: list[str]) -> int:
    _check_reports(args)
    with ExitStack() as stack:
        interrupt = stack.enter_context(Interrupt())
        if args.command:
            args.pid = stack.enter_context(started(args.command, args.url))
        if args.command_b and args.compare:
            args.pid_b = stack.enter_context(started(args.command_b, args.compare))
        made = _watched(args, plan, command, interrupt)
        crossed = _judge(made, thresholds)
        _write(args, made)
    if not any(series.tally.done or series.tally.aborted for series in made.series):
        return NO_ANSWER
    return CROSSED if crossed else OK


def _check_reports(args: argparse.Namespace) -> None:
    """A report that cannot be written is told before the run, not after it."""
    for name in ("json", "html", "csv", "markdown"):
        path = getattr(args, name)
        if path and not Path(path).absolute().parent.is_dir():
            raise options.OptionError(f"--{name}: {Path(path).parent} is not a directory")


def _watched(args: argparse.Namespace, plan: Plan, command: list[str], interrupt: Interrupt) -> Run:
    """Measure, while the live view shows how it goes."""
    processes = args.processes or max(1, usable_cpus() - 1)
    title = f"fastproxy bench {mask_url(args.url)}"
    view = None if args.quiet else LiveView(title, _seconds(args, plan), count=plan.count)

    def seen(name: str, tally: Tally) -> None:
        if view is not None:
            view.update(tally, name)

    try:
        return _measure(args, plan, run.Crew(processes, seen, interrupt), command)
    finally:
        if view is not None:
            view.stop()


def _seconds(args: argparse.Namespace, plan: Plan) -> float:
    """What the progress bar counts to; 0 where a count or a search decides."""
    if plan.count or args.frontier:
        return 0.0
    lanes = 2 * args.pairs if args.compare else 1
    return lanes * (plan.warm_s + sum(stage.seconds for stage in plan.stages))


def _measure(args: argparse.Namespace, plan: Plan, crew: run.Crew, command: list[str]) -> Run:
    first = Target("A" if args.compare else "target", args.url, args.pid)
    shown = options.shown(plan)
    if args.compare:
        second = Target("B", args.compare, args.pid_b)
        series, ratios = run.compare(plan, (first, second), crew, args.pairs)
        made = run.new_run(command, shown, series)
        made.ratios = ratios
    elif args.frontier:
        connections = plan.connections if args.connections else max(plan.connections, OPEN_CONNECTIONS)
        series, frontier = run.explore(plan, first, crew, run.Probe(args.probe, connections))
        made = run.new_run(command, shown, series)
        made.frontier = frontier
    else:
        made = run.new_run(command, shown, run.measure(plan, first, crew))
    return made


def _judge(made: Run, thresholds: Sequence[Threshold]) -> bool:
    """Whether a threshold was crossed; by the last target, which is the one under test when two are compared."""
    verdicts = [judge(threshold, made.series[-1]) for threshold in thresholds]
    made.verdicts = [text for _, text in verdicts]
    return any(failed for failed, _ in verdicts)


def _write(args: argparse.Namespace, made: Run) -> None:
    if not args.quiet:
        sys.stdout.write(summary.summary(made))
    if args.json:
        files.write_json(made, Path(args.json))
    _write_files(args, made)


def _write_files(args: argparse.Namespace, made: Run) -> None:
    for path, text in (
        (args.html, html.html),
        (args.csv, files.csv),
        (args.markdown, summary.markdown),
    ):
        if path:
            Path(path).write_text(text(made), encoding="utf-8")
