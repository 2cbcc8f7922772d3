"""The command line: `fastproxy serve | check | status | reload | health | mock | bench | convert | db | key | ledger`.
The only file that wires the planes together. fastproxy.launch runs it."""

from __future__ import annotations

import sys

# `python -m fastproxy` begins as the script does: with what must not wait for the imports below.
if __name__ == "__main__":
    from fastproxy import launch

    sys.exit(launch.main())

import argparse
import json
import os
from dataclasses import replace
from importlib.metadata import version
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fastproxy.admin.serve import AdminOptions, Control, admin_role
from fastproxy.config import FLAGS, Listen, Settings, VendorEnv, describe, load, unenforced, warnings
from fastproxy.errors import ConfigError, FormatError
from fastproxy.health import add_arguments as add_health_arguments
from fastproxy.health import door_of
from fastproxy.health import run as run_health
from fastproxy.providers.catalogue import ALIASES, PROVIDERS
from fastproxy.publish.compose import make_snapshot
from fastproxy.publish.opening import Opening, keep, open_with
from fastproxy.server.keyring import check_master_key, master_key
from fastproxy.server.plan import (
    Address,
    ExitCode,
    JournalPlan,
    MasterPlan,
    Publication,
    RegisterPlan,
    Role,
    ShelfPlan,
    StartError,
)
from fastproxy.snapshot import unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fastproxy.server.seat import Seat

MAX_UNIX_PATH: Final = 100  # a socket's path must fit into 108 bytes


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the return value is the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = _parser(arguments)
    args = parser.parse_args(arguments)
    run: Callable[[argparse.Namespace, list[str]], int] = args.run
    try:
        return run(args, arguments)
    except ConfigError as error:
        return _complain(str(error), ExitCode.BAD_CONFIG)
    except StartError as error:
        return _complain(str(error), error.exit_code)
    except KeyboardInterrupt:
        return 130


def _complain(text: str, code: int) -> int:
    sys.stderr.write(f"fastproxy: {text}\n")
    return int(code)


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    from fastproxy.admin.commands import db, key, ledger
    from fastproxy.loadtest import mock

    parser = argparse.ArgumentParser(
        prog="fastproxy", description="A gateway in front of AI providers, and an edge proxy."
    )
    parser.add_argument("--version", action="version", version=f"fastproxy {version('fastproxy')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, text, run in (
        ("serve", "run the gateway", _serve),
        ("check", "validate the configuration and print every setting with its origin", _check),
    ):
        command = commands.add_parser(name, help=text)
        _add_settings(command)
        command.set_defaults(run=run)
    for name, text, run in (
        ("status", "show the running master's workers", _status),
        ("reload", "make the running master read its configuration again", _reload),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--state-dir", default=os.environ.get("FASTPROXY_STATE_DIR", ".fastproxy"), metavar="DIR")
        if name == "status":
            command.add_argument("--json", action="store_true")
        command.set_defaults(run=run)
    command = commands.add_parser("health", help="ask the gateway of this machine if it serves")
    add_health_arguments(command)
    command.set_defaults(run=lambda args, _: run_health(args, os.environ))
    command = commands.add_parser("mock", help="a mock provider that speaks the four formats")
    mock.add_arguments(command)
    command.set_defaults(run=lambda args, _: mock.main(args))
    text = "load a server and measure it; `bench report A.json [B.json]`"
    command = commands.add_parser("bench", help=text, allow_abbrev=False)
    if arguments[:1] == ["bench"]:  # what `serve` loads here, its workers inherit
        from fastproxy.loadtest.load import options

        options.add_arguments(command)
    command.set_defaults(run=_bench)
    _add_convert(commands.add_parser("convert", help="a request or reply of one format, in another"))
    command = commands.add_parser("db", help="the database: upgrade, downgrade or back it up")
    db.add_arguments(command, _add_settings)
    command.set_defaults(run=lambda args, _: db.run(args, _load(args), os.environ))
    command = commands.add_parser("key", help="client keys: create, list, revoke or rotate them")
    key.add_arguments(command, _add_settings)
    command.set_defaults(run=_key)
    command = commands.add_parser("ledger", help="the ledger: prove that its sums agree")
    ledger.add_arguments(command, _add_settings)
    command.set_defaults(run=lambda args, _: ledger.run(args, _load(args)))
    return parser


def _add_convert(command: argparse.ArgumentParser) -> None:
    formats = "openai-chat, openai-responses, anthropic or gemini; ollama for what goes to it and comes from it"
    command.add_argument("--from", dest="source", required=True, metavar="FORMAT", help=formats)
    command.add_argument("--to", dest="target", required=True, metavar="FORMAT", help=formats)
    command.add_argument("--model", default="", metavar="M", help="the name of the model; else the file's own")
    command.add_argument("--reply", action="store_true", help="the file is a reply, not a request")
    command.add_argument("file", metavar="FILE", help="a JSON body; - for the standard input")
    command.set_defaults(run=_convert)


def _add_settings(command: argparse.ArgumentParser) -> None:
    for name, flag in FLAGS.items():
        option = "--" + name.replace("_", "-")
        names = [option, "-c"] if name == "config" else [option]
        if not flag.metavar:
            command.add_argument(*names, dest=name, action="store_true", help=flag.text)
        elif flag.repeated:
            command.add_argument(*names, dest=name, action="append", metavar=flag.metavar, help=flag.text)
        else:
            command.add_argument(*names, dest=name, metavar=flag.metavar, help=flag.text)


def _vendors() -> Mapping[str, VendorEnv]:
    return {
        name: VendorEnv(provider.env, provider.env_base, provider.version_path)
        for name, provider in PROVIDERS.items()
        if provider.env and provider.formats
    }


def _load(args: argparse.Namespace) -> Settings:
    return load(vars(args), os.environ, vendors=_vendors(), known_providers=frozenset(PROVIDERS) | frozenset(ALIASES))


# --- commands -----------------------------------------------------------------------------------------------------


def _check(args: argparse.Namespace, _: list[str]) -> int:
    settings = _load(args)
    make_snapshot(settings)
    check_master_key(settings)
    rows = describe(settings)
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, value, origin in rows:
        sys.stdout.write(f"{name:<{widths[0]}}  {value:<{min(widths[1], 60)}}  {origin}\n")
    _warn(settings)
    return 0


def _warn(settings: Settings) -> None:
    for text in warnings(settings):
        sys.stderr.write(f"fastproxy: warning: {text}\n")
    later = unenforced(settings)
    if later:
        sys.stderr.write(f"fastproxy: warning: accepted, but not enforced by this version: {', '.join(later)}\n")


def _status(args: argparse.Namespace, _: list[str]) -> int:
    from fastproxy.server.status import NotRunning, read_status, render

    try:
        found = read_status(args.state_dir)
    except NotRunning as error:
        return _complain(str(error), ExitCode.UNEXPECTED)
    sys.stdout.write((json.dumps(found) if args.json else render(found)) + "\n")
    return 0


def _key(args: argparse.Namespace, _: list[str]) -> int:
    from fastproxy.admin.commands import key

    settings = _load(args)
    return key.run(args, settings, master_key(settings))


def _bench(args: argparse.Namespace, arguments: list[str]) -> int:
    from fastproxy.loadtest.load.command import main as run_bench

    return run_bench(args, ["fastproxy", *arguments], os.environ)


def _convert(args: argparse.Namespace, _: list[str]) -> int:
    from time import time
    from uuid import uuid4

    import msgspec

    from fastproxy.formats.chat import Target
    from fastproxy.formats.checked import load as load_body
    from fastproxy.formats.convert import convert_reply, convert_request
    from fastproxy.formats.events import ReplyContext
    from fastproxy.formats.exact import dumps

    try:
        body = load_body(sys.stdin.buffer.read() if args.file == "-" else Path(args.file).read_bytes())
        model = args.model or str(body.get("model", ""))
        lossy: tuple[str, ...] = ()
        if args.reply:
            made = convert_reply(body, args.source, args.target, ReplyContext(uuid4().hex, model, int(time())))
        else:
            made, lossy = convert_request(body, args.source, args.target, Target(model))
        text = msgspec.json.format(dumps(made), indent=2)  # numbers keep their text
    except (RecursionError, TypeError):
        return _complain(f"{args.file}: nested too deeply", ExitCode.UNEXPECTED)
    except FormatError as error:
        return _complain(error.message, ExitCode.UNEXPECTED)
    except OSError as error:
        return _complain(f"{args.file}: {(error.strerror or 'unreadable').lower()}", ExitCode.UNEXPECTED)
    sys.stdout.buffer.write(text + b"\n")
    for line in lossy:
        sys.stderr.write(f"fastproxy: lossy: {line}\n")
    return 0


def _reload(args: argparse.Namespace, _: list[str]) -> int:
    from fastproxy.server.control import ReloadFailed, reload
    from fastproxy.server.status import NotRunning

    try:
        generation = reload(args.state_dir)
    except (NotRunning, ReloadFailed) as error:
        return _complain(str(error), ExitCode.UNEXPECTED)
    sys.stdout.write(f"generation {generation} is in use\n")
    return 0


def _serve(args: argparse.Namespace, arguments: list[str]) -> int:
    from fastproxy.providers.vocabulary import preload
    from fastproxy.server.run import run_master

    settings = _load(args)
    _warn(settings)
    mock = _mock_socket(settings)
    if settings.tokenizer == "preload":
        preload()  # before the workers are forked, which then share it
    master = master_key(settings)

    def read_settings() -> Settings:
        fresh = _load(args)
        _check_fixed(fresh, settings)
        return fresh

    opening = open_with(settings, master, mock)
    has_admin, watched = settings.admin is not None, _watched(args, settings)
    plan = MasterPlan(
        roles=_roles(settings, mock, Control(settings, master, read_settings, mock, opening.saved, watched)),
        listen=tuple(_address(listen) for listen in settings.listen),
        state_dir=settings.state_dir,
        first=_publication(opening, lambda: keep(opening, settings, master)),
        reload=lambda: _publication(open_with(read_settings(), master, mock)),
        publisher="admin" if has_admin else "",
        register=RegisterPlan(opening.fingerprint if has_admin else None),
        watch="" if has_admin else watched,
        node=settings.node,
        journal=_journal(settings) if has_admin else None,
        argv=(sys.executable, "-m", "fastproxy", *arguments),
        environ=dict(os.environ),
        drain_timeout=settings.limits.drain_timeout,
        heartbeat_timeout=settings.limits.heartbeat_timeout,
        pin=settings.pin,
        shelf=ShelfPlan(settings.remember.store, settings.remember.size, master.derive("what the shelf holds")),
        announce=lambda bound: _announce(settings, bound, opening),
    )
    return int(run_master(plan))


def _check_fixed(fresh: Settings, settings: Settings) -> None:
    """Raises: ConfigError when something has changed that is opened at start only."""
    if [_address(listen) for listen in fresh.listen] != [_address(listen) for listen in settings.listen]:
        raise ConfigError("listen has changed: sockets are opened at start, so restart or upgrade (USR2)")
    # to stop using the store takes no other one
    kept = settings.remember
    if fresh.remember.store != "off" and replace(fresh.remember, time=kept.time) != kept:
        raise ConfigError("remember has another store or size: opened at start, so restart or upgrade (USR2)")
    if replace(fresh.journal, when_full=settings.journal.when_full) != settings.journal:
        raise ConfigError("journal has another size: opened at start, so restart or upgrade (USR2)")
    for name in ("state_dir", "database", "ledger.database", "node"):
        if attrgetter(name)(fresh) != attrgetter(name)(settings):
            raise ConfigError(f"{name} has changed: it is opened at start, so restart or upgrade (USR2)")


def _watched(args: argparse.Namespace, settings: Settings) -> str:
    """The configuration file, if its changes are to be followed."""
    return str(args.config or os.environ.get("FASTPROXY_CONFIG", "")) if settings.watch else ""


def _journal(settings: Settings) -> JournalPlan:
    told = settings.journal
    return JournalPlan(os.path.join(settings.state_dir, "journal"), told.size, told.spill)


def _publication(opening: Opening, keep: Callable[[], None] = lambda: None) -> Publication:
    return Publication(opening.snapshot, opening.entries, opening.gone, opening.carrying, keep)


def _mock_socket(settings: Settings) -> str:
    """The path of the built-in mock's socket, or "" without --demo."""
    if not settings.demo:
        return ""
    path = str(Path(settings.state_dir).resolve() / "mock.sock")
    if len(path) > MAX_UNIX_PATH:
        raise ConfigError(f"state_dir: '{path}' is too long for a socket, {MAX_UNIX_PATH} characters are allowed")
    return path


def _address(listen: Listen) -> Address:
    return Address(listen.host, listen.port, listen.unix)


def _roles(settings: Settings, mock: str, control: Control) -> tuple[Role, ...]:
    roles = [Role("worker", _run_worker, settings.workers, sockets=True)]
    if settings.admin is not None:
        bound = "" if settings.admin.unix is not None else settings.admin.host
        key = os.environ.get("FASTPROXY_ADMIN_KEY") or None
        options = AdminOptions(key, bound, settings.limits.heartbeat_timeout, control)
        roles.append(Role("admin", admin_role(options), listen=(_address(settings.admin),), leaves_first=True))
    if mock:
        roles.append(Role("mock", _run_mock, listen=(Address(unix=mock),)))
    return tuple(roles)


def _run_worker(seat: Seat) -> None:
    from fastproxy.server import worker

    worker.run(seat)


def _run_mock(seat: Seat) -> None:
    from fastproxy.loadtest.mock_behaviour import MockOptions
    from fastproxy.loadtest.mock_processes import run

    def lives() -> bool:
        seat.beat()
        return not seat.is_orphan()

    # A little latency, so that a stream can be seen to be one.
    run(MockOptions(chunk_delay_ms=30.0), seat.sockets[0], lambda _: seat.ready(), lives)


def _announce(settings: Settings, bound: Mapping[str, tuple[str, ...]], opening: Opening) -> None:
    """Tell where we are, and with --demo what to try."""
    data = bound.get("worker", ("",))
    lines = [f"fastproxy {version('fastproxy')} serves on {', '.join(data)}"]
    if bound.get("admin"):
        lines.append(f"admin and /metrics on {', '.join(bound['admin'])}")
    if settings.demo:
        has_tls = settings.listen[0].tls is not None
        lines += demo_lines(data[0], has_tls=has_tls, needs_key=not unpack(opening.snapshot).open_to_all)
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def demo_lines(listen: str, *, has_tls: bool, needs_key: bool) -> list[str]:
    """A command that works as printed on this machine, but for the key, which is its owner's to know."""
    door = door_of(listen)
    options = (f"--unix-socket {door.unix} " if door.unix else "") + ("--insecure " if has_tls else "")
    url = f"{door.url('https' if has_tls else 'http')}/v1/chat/completions"
    key = ["    -H 'authorization: Bearer YOUR_KEY' \\"] if needs_key else []
    told = "no account is needed"
    if needs_key:
        told += ", but a key of this gateway, which FASTPROXY_KEY or --key sets"
    return [
        f"demo: a mock provider answers, {told}. Try:",
        f"  curl {options}{url} -H 'content-type: application/json' \\",
        *key,
        """    -d '{"model": "gpt-5", "messages": [{"role": "user", "content": "Hello"}]}'""",
    ]
