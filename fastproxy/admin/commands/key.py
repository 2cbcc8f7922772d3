"""`fastproxy key create | list | revoke | rotate`: client keys of the database, beside a running gateway or without.

The database is all that is needed: a running gateway sees within a second that its revision has moved. The secret of a
new key goes to standard output, alone on its line, so that a script can take it; what is told about it goes to standard
error. With --json both are one object. Exit codes: 2 for what makes no sense, 1 for what is refused or not there.

What is imported here is imported by every command, so the database's own modules are not.
"""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import sys
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any, Final

from fastproxy.config.values import parse_duration, whole

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Awaitable, Callable

    from fastproxy.admin.tenants import Outcome, Refusal, Tenants, Terms
    from fastproxy.config import Settings
    from fastproxy.shared.master_key import MasterKey

    Item = dict[str, Any]

_LISTS: Final = ("model", "set", "subnet")
_MONEY: Final = ("quota", "quota_daily", "quota_weekly", "quota_monthly")
_COUNTS: Final = ("rpm", "tpm", "concurrency")
_TEXTS: Final = ("group", "expires", "lossy", "note")
_COLUMNS: Final = ("group", "name", "prefix", "status", "expires", "created_at", "id")
_AT_ONCE: Final = 1000


def add_arguments(command: ArgumentParser, add_settings: Callable[[ArgumentParser], None]) -> None:
    """`add_settings` adds the flags of the settings, which each of the actions has."""
    actions = command.add_subparsers(required=True, metavar="ACTION", dest="action")
    _add_create(actions.add_parser("create", help="a new key; its secret is shown this once"))
    action = actions.add_parser("list", help="keys of the database and of the configuration")
    action.add_argument("--group", metavar="GROUP")
    action.add_argument("--search", default="", metavar="TEXT", help="a part of name, note or prefix")
    action.add_argument(
        "--limit", type=_argument(whole(1, 10**9)), default=100, metavar="N", help="at most so many (100)"
    )
    action = actions.add_parser("revoke", help="refuse a key from now on")
    action.add_argument("ident", metavar="KEY", help="GROUP/NAME, its name alone if no other key has it, or its id")
    action.add_argument("--remove", action="store_true", help="and forget it, so that its name is free again")
    action = actions.add_parser("rotate", help="a new secret for a key, shown this once")
    action.add_argument("ident", metavar="KEY", help="GROUP/NAME, its name alone if no other key has it, or its id")
    action.add_argument(
        "--grace",
        type=_argument(parse_duration),
        default="24h",
        metavar="TIME",
        help="the old secret works for so long (24h); 0 ends it at once",
    )
    for action in actions.choices.values():
        action.add_argument("--json", action="store_true", help="print one JSON object")
        add_settings(action)


def _argument(parser: Callable[[str], Any]) -> Callable[[str], Any]:
    """A parser of settings, whose errors argparse can tell."""

    def parse(text: str) -> Any:
        try:
            return parser(text)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from None

    return parse


def _add_create(action: ArgumentParser) -> None:
    action.add_argument("name", metavar="NAME")
    action.add_argument("--group", metavar="GROUP", help='whose it is ("default")')
    action.add_argument("--create-group", action="store_true", help="make the group if there is none of that name")
    action.add_argument("--model", action="append", metavar="PATTERN", help="it may use this model, as in gpt-*; all")
    action.add_argument("--set", action="append", metavar="SET", help="it may use this set of channels; its group's")
    action.add_argument("--subnet", action="append", metavar="NETWORK", help="it may be used from here; anywhere")
    action.add_argument("--expires", metavar="DATE", help="as in 2027-01-01 or 2027-01-01T12:00:00Z")
    for name in _MONEY:
        period = name.removeprefix("quota").removeprefix("_") or "ever"
        action.add_argument(f"--{name.replace('_', '-')}", type=float, metavar="USD", help=f"it may cost, {period}")
    for name in _COUNTS:
        action.add_argument(f"--{name}", type=int, metavar="N")
    action.add_argument("--lossy", metavar="report|strict|silent")
    action.add_argument("--note", metavar="TEXT")


def run(args: Namespace, settings: Settings, master: MasterKey) -> int:
    """The exit code. Makes the database of a first start."""
    from sqlalchemy.exc import SQLAlchemyError

    from fastproxy.admin.store.engine import StoreError, brief
    from fastproxy.admin.tenants import Refusal

    actions = {"create": _create, "list": _list, "revoke": _revoke, "rotate": _rotate}
    try:
        if settings.admin is None:
            sys.stderr.write("fastproxy: warning: admin is off: a gateway with these settings reads no database\n")
        asyncio.run(_with_tenants(lambda tenants: actions[args.action](tenants, args), settings, master))
    except Refusal as error:
        return _complain(error)
    except (StoreError, SQLAlchemyError, OSError) as error:
        sys.stderr.write(f"fastproxy: {brief(error)}\n")
        return 1
    return 0


def _complain(error: Refusal) -> int:
    lines = [f"{field['path']}: {field['message']}" for field in error.fields] if error.status == 422 else []
    for line in lines or [error.message]:
        sys.stderr.write(f"fastproxy: {line}\n")
    return 2 if error.status == 422 else 1


async def _with_tenants(act: Callable[[Tenants], Awaitable[None]], settings: Settings, master: MasterKey) -> None:
    from fastproxy.admin.store.engine import StoreUrls, open_store
    from fastproxy.admin.tenants import Declared, Tenants, Vault

    store = await open_store(StoreUrls.of(settings))
    try:
        vault = await Vault.open(store, master)
        await act(Tenants(store, vault, Declared.of(settings), lambda: None))
    finally:
        await store.close()


def _terms(**more: bool) -> Terms:
    from fastproxy.admin.tenants import Terms

    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user often has no name
        name = f"user {os.getuid()}"
    return Terms(f"command line of {name}", **more)


# --- actions


async def _create(tenants: Tenants, args: Namespace) -> None:
    document: Item = {"name": args.name}
    document |= {f"{name}s": value for name in _LISTS if (value := getattr(args, name)) is not None}
    plain = (*_TEXTS, *_MONEY, *_COUNTS)
    document |= {name: value for name in plain if (value := getattr(args, name)) is not None}
    _show_secret(await tenants.create("keys", document, _terms(create_group=args.create_group)), "made", args)


async def _rotate(tenants: Tenants, args: Namespace) -> None:
    _show_secret(await tenants.rotate(args.ident, args.grace, _terms()), "rotated", args)


def _show_secret(done: Outcome, what: str, args: Namespace) -> None:
    item = done.item or {}
    if args.json:
        _print_json({"key": item, "secret": done.secret, "revision": done.revision})
        return
    sys.stdout.write(f"{done.secret}\n")
    sys.stdout.flush()
    until = item.get("previous_until")
    old = (
        f"; the old secret works until {until}" if until else "; the old secret is refused" if what == "rotated" else ""
    )
    sys.stderr.write(f"key {item['group']}/{item['name']} is {what}; this is the only time its secret is shown{old}\n")


async def _revoke(tenants: Tenants, args: Namespace) -> None:
    item = await tenants.one("keys", args.ident)
    if args.remove:
        done = await tenants.remove("keys", args.ident, _terms())
    else:
        done = await tenants.change("keys", args.ident, {"status": "disabled"}, _terms())
    if args.json:
        _print_json({"key": done.item, "revision": done.revision})
    else:
        what = "removed" if args.remove else "disabled"
        sys.stderr.write(f"key {item['group']}/{item['name']} is {what}\n")


async def _list(tenants: Tenants, args: Namespace) -> None:
    from fastproxy.admin.tenants import Query

    items: list[Item] = []
    filters = {"group": args.group} if args.group else {}
    number, total = 1, 1
    while len(items) < min(args.limit, total):
        page = await tenants.page("keys", Query(number, min(args.limit, _AT_ONCE), args.search, filters=filters))
        items, total, number = items + page.items, page.total, number + 1
        if not page.items:
            break
    items = items[: args.limit]
    if args.json:
        _print_json({"items": items, "total": total})
        return
    _print_table([list(_COLUMNS), *([_cell(item, name) for name in _COLUMNS] for item in items)])
    if total > len(items):
        sys.stderr.write(f"{len(items)} of {total}; --limit shows more\n")


def _cell(item: Item, name: str) -> str:
    if name == "id" and item["managed_by"] == "file":
        return str(item["origin"])
    return "-" if item.get(name) is None else str(item[name])


def _print_table(rows: list[list[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        sys.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n")


def _print_json(value: Item) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
