"""`fastproxy db upgrade | downgrade | backup`: the tables of the databases that the settings name, and copies of them.

The gateway may run meanwhile. Exit codes: 1 with one sentence on standard error when a database is not there, not ours
or not willing. What is imported here is imported by every command, so the database's own modules are not.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fastproxy.admin.commands import rekey
from fastproxy.config.values import write_size

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Mapping

    from fastproxy.config import Settings


def add_arguments(command: ArgumentParser, add_settings: Callable[[ArgumentParser], None]) -> None:
    """`add_settings` adds the flags of the settings, which each of the actions has."""
    actions = command.add_subparsers(required=True, metavar="ACTION", dest="action")
    add_settings(actions.add_parser("upgrade", help="bring the tables up to date; a running gateway goes on"))
    action = actions.add_parser(
        "downgrade", help="back to the tables of an earlier version, which has to be started next"
    )
    add_settings(action)
    action.add_argument(
        "targets", nargs="*", metavar="CHAIN=REVISION", help="config=c0001 ledger=l0001; none: show them"
    )
    action = actions.add_parser("backup", help="a copy of the database as of now, while it is in use")
    add_settings(action)
    action.add_argument("file", nargs="?", metavar="FILE", help="a new file (backup-<time> in the state directory)")
    action = actions.add_parser("rekey", help="another master key for what is sealed; then restart the gateway")
    add_settings(action)
    rekey.add_arguments(action)


def run(args: Namespace, settings: Settings, environ: Mapping[str, str]) -> int:
    """The exit code. `environ` is for pg_dump."""
    from fastproxy.admin.store.errors import StoreError

    try:
        if args.action == "upgrade":
            return _upgrade(settings)
        if args.action == "downgrade":
            return _downgrade(settings, args.targets)
        if args.action == "rekey":
            return rekey.run(args, settings)
        return _back_up(settings, args.file, environ)
    except StoreError as error:
        sys.stderr.write(f"fastproxy: {error}\n")
        return 1


def _upgrade(settings: Settings) -> int:
    from fastproxy.admin.store.engine import StoreUrls
    from fastproxy.admin.store.errors import place_of
    from fastproxy.admin.store.schema import upgrade

    for url, chains in StoreUrls.of(settings).places().items():
        for chain, revision in asyncio.run(upgrade(url, chains)).items():
            sys.stdout.write(f"{place_of(url)}: {chain} is at {revision}\n")
    return 0


def _downgrade(settings: Settings, targets: list[str]) -> int:
    """All targets are read before the first is done."""
    from fastproxy.admin.store.engine import StoreUrls
    from fastproxy.admin.store.errors import place_of
    from fastproxy.admin.store.schema import BASE, CHAINS, downgrade

    known = {chain.name: [BASE, *chain.revisions()] for chain in CHAINS}
    wanted = {name: revision for name, _, revision in (target.partition("=") for target in targets)}
    wrong = [f"{name}={revision}" for name, revision in wanted.items() if revision not in known.get(name, ())]
    if wrong or not wanted:
        choices = "; ".join(f"{name}={'|'.join(revisions)}" for name, revisions in known.items())
        sys.stderr.write(f"fastproxy: {f'unknown {wrong[0]!r}; ' if wrong else ''}expected one or both of {choices}\n")
        return 2
    for url, chains in StoreUrls.of(settings).places().items():
        for chain in chains:
            if chain.name in wanted:
                reached = asyncio.run(downgrade(url, chain, wanted[chain.name]))
                sys.stdout.write(f"{place_of(url)}: {chain.name} is at {reached[chain.name]}\n")
    return 0


def _back_up(settings: Settings, file: str | None, environ: Mapping[str, str]) -> int:
    """A ledger with a database of its own gets a file of its own beside the other: x.db and x-ledger.db."""
    from fastproxy.admin.store.backup import back_up, suffix_of
    from fastproxy.admin.store.engine import StoreUrls
    from fastproxy.admin.store.errors import place_of

    config, *ledger = StoreUrls.of(settings).places()
    name = file or f"{settings.state_dir}/backup-{datetime.now(UTC):%Y%m%dT%H%M%SZ}{suffix_of(config)}"
    targets = {config: name}
    for url in ledger:
        stem, suffix = os.path.splitext(name)
        targets[url] = f"{stem}-ledger{suffix if file else suffix_of(url)}"
    for url, target in targets.items():
        size = back_up(url, target, environ)
        sys.stdout.write(f"{place_of(url)}: {target}, {write_size(size)}\n")
    return 0
