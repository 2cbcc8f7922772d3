"""The standing comparison: `python -m bench.compare [--quick] [--only CASE] [--peers a,b] [--pairs N] [--seconds S]`.

fastproxy beside nginx, HAProxy, Caddy, Envoy, Portkey and LiteLLM, each on one core, against one upstream: per case all
are started, warmed and measured in turns. Ratios are taken to nginx inside each turn; the tables show the median of the
turns' ratios. `--calibrate` compares nginx with a second nginx: what it shows beside 1.00 is the noise of the machine.
`--tree before=FOLDER` adds the fastproxy of another folder: what a change does is seen in the same turns only.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import charts, configs, course, processes, report, table
from bench.cases import CASES, Case, Quick
from bench.course import Terms
from bench.peers import fastproxy, registry

if TYPE_CHECKING:
    from bench.peers.peer import Peer

MAX_CALM_LOAD = 0.5
QUICK = Terms(pairs=3, seconds=1.0)


def main(arguments: list[str] | None = None) -> int:
    """Run the chosen cases. Returns 0 when all ran without an error; bars are reported, not enforced: noise is real."""
    options = _options(arguments)
    chosen = chosen_cases(options.only, quick=options.quick)
    terms = QUICK if options.quick else Terms(options.pairs, options.seconds, options.calibrate)
    wanted = registry.by_name(options.peers.split(",")) if options.peers is not None else registry.ALL
    there, peers = registry.prepare((*wanted, *options.tree))
    facts = report.machine() | {"nginx": peers["nginx"].get("version", "")}
    if facts["load_average_at_start"] > MAX_CALM_LOAD or facts["cpus"] < 2:
        print("this machine is busy or has one CPU: do not trust the figures", file=sys.stderr)
    results: list[report.Result] = []
    texts: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="fastproxy-bench-") as name:
        for case in chosen:
            print(f"{case.title} …", file=sys.stderr, flush=True)
            some = registry.PAIR if options.quick and case.quick is not Quick.ALL else there
            try:
                results.append(course.run(case, able(some, case), Path(name) / case.name, terms))
            except processes.RunFailed as error:
                print(f"{case.name} FAILED: {error}", file=sys.stderr)
            configs.collect(Path(name) / case.name, texts)
    publish(results, facts, {"settings": _settings(terms, quick=options.quick), "peers": peers, "configs": texts})
    return int(len(results) < len(chosen) or any(result["verdict"] == "ERRORS" for result in results))


def able(peers: tuple[Peer, ...], case: Case) -> tuple[Peer, ...]:
    return registry.able(peers, unified=case.unified, translates=case.translates)


def chosen_cases(only: list[str] | None, *, quick: bool) -> list[Case]:
    """The named cases, `idle` or `first_token*`; without names all of them, or those of the quick run."""
    if only:
        return [case for case in CASES if any(fnmatchcase(case.name, pattern) for pattern in only)]
    return [case for case in CASES if not quick or case.quick is not Quick.NO]


def publish(results: list[report.Result], facts: dict[str, Any], more: dict[str, Any]) -> None:
    """The tables on standard output; the JSON file, and a folder beside it with the tables and the charts."""
    path = report.write(results, facts, more)
    text = table.whole(results, facts, more["peers"])
    folder = path.with_suffix("")
    folder.mkdir(exist_ok=True)
    (folder / "tables.md").write_text(text, encoding="utf-8")
    for name, drawing in charts.of_results(results).items():
        (folder / f"{name}.svg").write_text(drawing, encoding="utf-8")
    print(text)
    print(f"\n{path}\n{folder}/", file=sys.stderr)


def _settings(terms: Terms, *, quick: bool) -> dict[str, Any]:
    return {"pairs": terms.pairs, "seconds": terms.seconds, "calibrate": terms.calibrate, "quick": quick}


def _pattern(text: str) -> str:
    if not chosen_cases([text], quick=False):
        raise argparse.ArgumentTypeError(
            f"no case is called {text}: there are {', '.join(case.name for case in CASES)}"
        )
    return text


def _tree(text: str) -> Peer:
    name, _, folder = text.partition("=")
    if not name.isidentifier() or name in {peer.name for peer in registry.ALL} or not folder:
        raise argparse.ArgumentTypeError(f"{text!r} where NAME=FOLDER is expected, with a name of no peer")
    return fastproxy.of_tree(name, Path(folder).resolve())


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    parser.add_argument("--only", action="append", type=_pattern, help="a case, or several: first_token*; repeatable")
    parser.add_argument("--peers", help="comma-separated; nginx and fastproxy always run; '' for these two alone")
    parser.add_argument(
        "--tree", action="append", type=_tree, default=[], metavar="NAME=FOLDER",
        help="another fastproxy beside this one: an earlier commit in a work tree of its own; repeatable",
    )  # fmt: skip
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one lane")
    parser.add_argument("--quick", action="store_true", help="some cases, 3 turns of 1 s: a look, not a measurement")
    parser.add_argument("--calibrate", action="store_true", help="nginx against nginx: must be about 1.00")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
