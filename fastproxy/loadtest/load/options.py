"""The command line of `fastproxy bench`: flags → Plan, and a Plan → one share for each generator process.

    add_arguments(parser)      all flags; those that do not shape the load (--json, --pid …) are left to the caller
    plan_from(args, environ)   the whole Plan; raises OptionError that names the flag, ConfigError with a file's place
    shown(plan)                the Plan as builtins, without credentials, for Run.plan
    share(plan, processes)     Plans whose levels, counts and connections add up to the whole exactly

What is asked for comes from one of: the flags, a scenario file, a recording. Flags about arrival win over the file.
"""

from __future__ import annotations

import argparse
import math
import re
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from fastproxy.config.values import cut, parse_duration, whole
from fastproxy.loadtest.load.arrival import OPEN_CONNECTIONS, OptionError, Wanted, decide
from fastproxy.loadtest.load.bodies import credential
from fastproxy.loadtest.load.masking import shown
from fastproxy.loadtest.load.recording import read_recording
from fastproxy.loadtest.load.requests import FORMATS, FieldError, build_request, check_request
from fastproxy.loadtest.load.scenario import (
    ARRIVALS,
    Scenario,
    load_scenario,
    parse_level,
    parse_method,
    parse_read_rate,
    parse_share,
    parse_stage,
    parse_words,
    read_lines,
    read_text,
)
from fastproxy.loadtest.load.shapes import Arrival, Format, Plan, Request, Stage
from fastproxy.loadtest.load.template import TemplateError, compile_recorded, compile_request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Headers = tuple[tuple[str, str], ...]

__all__ = ["OptionError", "add_arguments", "parse_duration", "plan_from", "share", "shown"]

REPORT: Final = "report"
CREDENTIALS: Final = frozenset({"authorization", "x-api-key", "x-goog-api-key", "api-key"})
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://", re.ASCII)
_SCHEMES: Final = ("http", "https", "ws", "wss")
_NO_HOST: Final = re.compile(r"[\s\x00-\x1f\x7f]")
_SHAPES_REQUEST: Final = (
    "body", "method", "model", "stream", "format", "prompt_words", "turns", "think", "abort_after", "read_rate",
)  # fmt: skip
_GIVEN: Final = ("method", "model", "prompt_words", "turns", "think", "read_rate")
_SHAPES_ARRIVAL: Final = ("rate", "ramp", "arrival", "connections")
_EXCLUDING: Final = (
    ("scenario", "replay"), ("replay", "frontier"), ("frontier", "compare"), ("frontier", "fail_if"),
    ("pid", "command"), ("pid_b", "command_b"),
)  # fmt: skip
_OF_A_REPORT: Final = ("url", "reports", "html", "csv", "markdown", "quiet")
_NEEDS_COMPARE: Final = ("pid_b", "command_b")
_ENOUGH_LINES: Final = 100  # for a process of its own; of a few lines, shares would be uneven
_SEEDS: Final = 1000  # seeds of one plan's processes; a plan's neighbours have others


# --- flags --------------------------------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All flags of `fastproxy bench`."""
    parser.add_argument("url", metavar="URL", type=_typed(_parse_target), help="may be a template; or the word report")
    parser.add_argument("reports", nargs="*", metavar="A.json", help="of report: one to show, or two to compare")
    for add in (_add_load, _add_request, _add_checks, _add_targets, _add_reports):
        add(parser)


def _typed(parse: Callable[[str], object]) -> Callable[[str], object]:
    """argparse shows the text of this error only."""

    def parse_or_tell(text: str) -> object:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse_or_tell


def _add_load(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("load").add_argument
    count = _typed(whole(1, 1_000_000_000))
    duration, some_time = _typed(parse_duration), _typed(parse_length)
    add("-c", "--connections", type=_typed(whole(1, 1_000_000)), metavar="N", help="at once (64); with a rate, at most")
    add("-r", "--rate", type=_typed(parse_level), metavar="RATE", help="offered requests per second, open loop")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("-d", "--duration", type=some_time, metavar="DURATION", help="how long, 10s without -n")
    length.add_argument("-n", "--count", type=count, metavar="COUNT", help="stop after so many requests")
    add("--arrival", choices=list(ARRIVALS), help="how an offered rate arrives (poisson), or closed")
    add("--ramp", type=_typed(parse_stages), metavar="STAGES", help="10s:100-1000,30s:1000; rates, with -c connections")
    add("--warm", type=duration, metavar="DURATION", help="load before the measurement begins")
    add("--processes", type=_typed(whole(1, 256)), metavar="N", help="generator processes; as many as CPUs are left")
    add("--scenario", metavar="FILE", help="a mix of requests and how they arrive, YAML")
    add("--replay", metavar="FILE", help="send a recording: JSON lines, an access log in JSON, or a HAR")
    add("--pace", type=_typed(parse_level), default=1.0, metavar="X", help="of the recording: 2 is twice as fast")
    add("--keep-credentials", action="store_true", help="of a HAR; they are dropped otherwise")
    add("--seed", type=_typed(whole(0, 1 << 40)), default=0, metavar="N", help="the same seed sends the same requests")


def _add_request(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("requests").add_argument
    add("--format", choices=list(FORMATS), help="what is spoken: makes path, body and reading of the reply")
    add("--model", metavar="M")
    add("--stream", action="store_true", help="ask for a stream of events, and read the reply as one")
    add("--prompt-words", type=_typed(parse_words), metavar="N", help="length of the prompt, or 50-400")
    add("--turns", type=_typed(whole(1, 1000)), metavar="N", help="of a conversation; each sends all before it again")
    add(
        "--think",
        type=_typed(parse_duration),
        metavar="D",
        help="mean pause before a connection's next turn or request",
    )
    add("--abort-after", type=_typed(parse_abort), metavar="D", help="clients leave after so long; 5%%:800ms: some do")
    add("--read-rate", type=_typed(parse_read_rate), metavar="SIZE", help="per second: slow readers, 64KiB")
    add("--method", type=_typed(parse_method), metavar="M", help="POST with a body, GET without")
    add("--body", metavar="FILE", help="a template; - is the standard input")
    add("-H", "--header", action="append", default=[], type=_typed(parse_header), metavar="H", help="'name: value'")
    add("--key", metavar="KEY", help="sent in the header that the format's vendor uses")
    add("--data", action="append", default=[], type=_typed(_parse_data), metavar="NAME=FILE", help="for {{line:NAME}}")
    add("--timeout", type=_typed(parse_length), default=30.0, metavar="D", help="for one request (30s)")
    add("--no-keepalive", action="store_true", help="a connection for each request")
    add("--ca", metavar="FILE", help="trust these authorities, PEM")
    add("--insecure", action="store_true", help="trust any certificate")


def _add_checks(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("checks").add_argument
    status = _typed(whole(100, 599))
    add("--expect-status", action="append", default=[], type=status, metavar="N", help="else anything below 400")
    path_value = _typed(parse_json_check)
    add("--expect-json", action="append", default=[], type=path_value, metavar="PATH=VALUE", help="choices.0.text=hi")
    add("--expect-contains", metavar="S", help="a text that the reply holds")
    add("--fail-if", action="append", default=[], metavar="EXPR", help="'p99>50ms': then the exit code is 1")


def _add_targets(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("targets").add_argument
    process = _typed(whole(1, 1 << 22))
    add("--pid", type=process, metavar="PID", help="measure this process with its children")
    add("--command", metavar="CMD", help="start this first, measure its processes, stop it at the end")
    add("--compare", type=_typed(parse_url), metavar="URL_B", help="measure URL and URL_B in turns")
    add("--pid-b", type=process, metavar="PID", help="the process of URL_B")
    add("--command-b", metavar="CMD", help="the command of URL_B")
    add("--pairs", type=_typed(whole(3, 1000)), default=5, metavar="N", help="of --compare (5)")
    add("--frontier", action="store_true", help="search the highest rate with p99 below 1, 5, 10, 50 and 100 ms")
    add("--probe", type=_typed(parse_length), default=4.0, metavar="D", help="length of one try of --frontier (4s)")


def _add_reports(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("reports").add_argument
    for name in ("json", "html", "csv", "markdown"):
        add(f"--{name}", metavar="FILE")
    add("--quiet", action="store_true", help="no live view, no summary")


# --- values of flags ----------------------------------------------------------------------------------------------


def parse_url(text: str) -> str:
    """An address without credentials and fragment; a bare HOST:PORT is http."""
    url = text if _SCHEME.match(text) else f"http://{text}"
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"scheme {cut(parts.scheme)} is not known; expected {', '.join(_SCHEMES)}")
    if "@" in parts.netloc:
        raise ValueError("credentials do not belong into an address; use --key or --header")
    if not parts.hostname or parts.port == 0:  # reading the port raises ValueError for one that is none
        raise ValueError(f"{cut(text)} names no host")
    if _NO_HOST.search(parts.netloc):
        raise ValueError(f"{cut(parts.netloc)} is not a host: it holds a space or a control character")
    return url.partition("#")[0]


def _parse_target(text: str) -> str:
    """An address, or the word that asks for a report instead."""
    return text if text == REPORT else parse_url(text)


def parse_stages(text: str) -> tuple[Stage, ...]:
    return tuple(parse_stage(part) for part in text.split(","))


def parse_length(text: str) -> float:
    """A duration that is one."""
    seconds = parse_duration(text)
    if not seconds:
        raise ValueError(f"{cut(text)} is no time at all; expected more than 0")
    return seconds


def parse_abort(text: str) -> dict[str, float]:
    """ "800ms", or "5%:800ms" when only a share of the clients leaves."""
    share_of, colon, after = text.rpartition(":")
    return {"share": parse_share(share_of) if colon else 1.0, "after": parse_duration(after)}


def parse_header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise ValueError("expected 'name: value'")
    return name.strip(), value.strip()


def parse_json_check(text: str) -> tuple[str, object]:
    """PATH=VALUE, the value as JSON if it is some, else as text; PATH alone: it must be there."""
    path, equals, value = text.partition("=")
    if not path:
        raise ValueError("expected PATH=VALUE")
    try:
        return path, msgspec.json.decode(value) if equals else None
    except msgspec.DecodeError:
        return path, value


def _parse_data(text: str) -> tuple[str, tuple[str, ...]]:
    name, equals, file = text.partition("=")
    if not equals or not name or not file:
        raise ValueError("expected NAME=FILE")
    return name, read_lines(Path(file))


# --- the plan -----------------------------------------------------------------------------------------------------


def plan_from(args: argparse.Namespace, environ: Mapping[str, str] | None = None) -> Plan:
    """The whole plan. `environ` is for `${NAME}` in a scenario file. Raises OptionError, ConfigError."""
    _refuse_conflicts(args)
    scenario = load_scenario(args.scenario, environ) if args.scenario else None
    data = {**(scenario.data if scenario else {}), **dict(args.data)}
    requests = () if args.replay else tuple(_dressed(each, args) for each in _requests(args, scenario, data))
    plan = Plan(
        args.url,
        requests,
        warm_s=args.warm if args.warm is not None else (scenario and scenario.warm) or 0.0,
        timeout_s=args.timeout,
        keep_alive=not args.no_keepalive,
        ca_file=_ca_file(args.ca),
        verify=not args.insecure,
        seed=args.seed,
        data=data,
        pace=args.pace,
        secrets=scenario.secrets if scenario else (),
    )
    plan = _replayed(plan, args) if args.replay else _arriving(plan, args, scenario)
    _try_out(plan)
    return plan


def _refuse_conflicts(args: argparse.Namespace) -> None:
    if args.reports:
        raise OptionError(f"one URL is measured at a time, seen {cut(args.reports[0])} too; --compare measures two")
    for one, other in _EXCLUDING:
        if getattr(args, one) and getattr(args, other):
            raise OptionError(f"{_flag(one)} and {_flag(other)} exclude each other")
    for name in _NEEDS_COMPARE:
        if getattr(args, name) and not args.compare:
            raise OptionError(f"{_flag(name)} is about the second URL; it needs --compare")
    source = "--scenario" if args.scenario else "--replay" if args.replay else ""
    refused = _SHAPES_REQUEST + (_SHAPES_ARRIVAL[:3] if args.replay else ()) if source else ()
    for name in refused:
        if getattr(args, name):
            raise OptionError(f"{source} says itself what is sent; it excludes {_flag(name)}")


def refuse_without_load(args: argparse.Namespace) -> None:
    """A report of what was measured before: of all flags, only those that write it mean something."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    for name, default in vars(parser.parse_args([REPORT])).items():
        if name not in _OF_A_REPORT and getattr(args, name, default) != default:
            raise OptionError(f"report reads files and measures nothing; {_flag(name)} does not go with it")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _requests(
    args: argparse.Namespace, scenario: Scenario | None, data: Mapping[str, Sequence[str]]
) -> Sequence[Request]:
    if scenario is not None:
        return scenario.requests
    kind = FORMATS[args.format] if args.format else Format.WEBSOCKET if args.url.startswith("ws") else Format.HTTP
    given = {"format": kind, "stream": args.stream, "headers": tuple(args.header)}
    given |= {name: value for name in _GIVEN if (value := getattr(args, name)) is not None}
    if args.abort_after:
        given["abort"] = args.abort_after
    if args.body:
        given["body"] = _body(args.body)
    try:
        request = build_request(given)
        check_request(request, data)
    except FieldError as error:
        flag = {"headers": "--header", "abort": "--abort-after", "": "the request"}.get(error.field, _flag(error.field))
        raise OptionError(f"{flag}: {error.text}") from None
    return [msgspec.structs.replace(request, headers=())]


def _body(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else read_text(Path(file))
    except ValueError as error:
        raise OptionError(f"--body: {error}") from None


def _ca_file(file: str | None) -> str:
    if not file:
        return ""
    if not Path(file).is_file():
        raise OptionError(f"--ca: {file} is not a file")
    try:
        ssl.create_default_context(cafile=file)
    except ssl.SSLError as error:
        why = (error.reason or "unknown").replace("_", " ").lower()
        raise OptionError(f"--ca: {file} is not a PEM file of certificates: {why}") from None
    except OSError as error:
        raise OptionError(f"--ca: {file} cannot be read: {error.strerror}") from None
    return str(Path(file).resolve())


def _dressed(request: Request, args: argparse.Namespace) -> Request:
    """With the headers and checks that the flags add to every request."""
    changes = {
        "status": tuple(args.expect_status),
        "json": dict(args.expect_json),
        "contains": args.expect_contains,
    }
    check = msgspec.structs.replace(request.check, **{name: value for name, value in changes.items() if value})
    return msgspec.structs.replace(request, headers=_headers(request.headers, request.format, args), check=check)


def _headers(own: Headers, kind: Format, args: argparse.Namespace) -> Headers:
    """A request's own headers, those of --header in the place of its own, and the key where none is given."""
    replaced = {name.lower() for name, _ in args.header}
    headers = (*((name, value) for name, value in own if name.lower() not in replaced), *args.header)
    if not args.key or any(name.lower() in CREDENTIALS for name, _ in headers):
        return headers
    name, value = credential(kind, args.key)
    return (*headers, (name, value.replace("{{", "{{{{")))


def _arriving(plan: Plan, args: argparse.Namespace, scenario: Scenario | None) -> Plan:
    flags = Wanted(
        ARRIVALS[args.arrival] if args.arrival else None,
        args.rate,
        args.connections,
        args.duration,
        args.count,
        args.ramp or (),
    )
    file = Wanted()
    if scenario is not None:
        file = Wanted(scenario.arrival, scenario.rate, scenario.connections, scenario.duration, None, scenario.stages)
    found = decide(flags, file)
    return msgspec.structs.replace(
        plan, arrival=found.arrival, stages=found.stages, connections=found.connections, count=found.count
    )


def _replayed(plan: Plan, args: argparse.Namespace) -> Plan:
    """All of the recording, or its first -n requests, or its first -d."""
    recording = read_recording(args.replay, keep_credentials=args.keep_credentials)[: args.count]
    dressed = tuple(
        msgspec.structs.replace(each, headers=_headers(each.headers, each.format, args)) for each in recording
    )
    return msgspec.structs.replace(
        plan,
        recording=dressed,
        arrival=Arrival.RECORDED,
        connections=args.connections or OPEN_CONNECTIONS,
        count=len(dressed),
        stages=(Stage(args.duration, 0.0, 0.0),) if args.duration else (),
    )


def _try_out(plan: Plan) -> None:
    """Whether everything can be sent; what depends on the address can be told only now."""
    try:
        for request in plan.requests:
            compile_request(request, plan)
        for recorded in plan.recording:
            compile_recorded(recorded, plan)
    except TemplateError as error:
        raise OptionError(f"a request cannot be made: {error}") from None


# --- shares -------------------------------------------------------------------------------------------------------


def share(plan: Plan, processes: int) -> list[Plan]:
    """One plan for each process; fewer when there is not enough to do for all. Everything adds up exactly."""
    count = _useful(plan, processes)
    parts = zip(
        _split(plan.connections, count),
        _split(plan.count, count),
        _split_stages(plan, count),
        strict=True,
    )
    return [
        msgspec.structs.replace(
            plan,
            connections=int(connections),
            count=int(requests),
            stages=stages,
            recording=plan.recording[index::count],
            data={
                name: lines[index::count] if len(lines) >= count * _ENOUGH_LINES else lines
                for name, lines in plan.data.items()
            },
            seed=plan.seed * _SEEDS + index,
            process=index,
            processes=count,
        )
        for index, (connections, requests, stages) in enumerate(parts)
    ]


def _useful(plan: Plan, processes: int) -> int:
    """No process without a connection, a request or a level: a count of 0 would mean no end."""
    bounds = [processes, plan.connections]
    if plan.count:
        bounds.append(plan.count)
    if plan.stages and plan.arrival is not Arrival.RECORDED:
        bounds.append(math.floor(max(max(stage.start, stage.end) for stage in plan.stages)))
    return max(1, min(bounds))


def _split(whole_part: float, count: int) -> list[float]:
    """Whole numbers that differ by one at most; what is below one goes to the first."""
    units, rest = divmod(math.floor(whole_part), count)
    parts = [float(units + (index < rest)) for index in range(count)]
    parts[0] += whole_part - math.floor(whole_part)
    return parts


def _split_stages(plan: Plan, count: int) -> list[tuple[Stage, ...]]:
    """Rates are cut evenly, or uniform arrivals of several processes would not be uniform together; connections are
    whole.
    """
    split = _split if plan.arrival is Arrival.CLOSED else _even
    levels = [(split(stage.start, count), split(stage.end, count)) for stage in plan.stages]
    return [
        tuple(
            Stage(stage.seconds, starts[index], ends[index])
            for stage, (starts, ends) in zip(plan.stages, levels, strict=True)
        )
        for index in range(count)
    ]


def _even(level: float, count: int) -> list[float]:
    return [level / count] * count
