"""`fastproxy ledger verify`: proves that records, roll-ups and what keys and groups have used add up to the same.

The gateway may run meanwhile. Exit codes: 0 everything agrees; 1 something differs, or the database is not there; what
it is goes to standard output or to standard error. The database's own modules are imported only when it is run.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from fastproxy.admin.ledger.verify import Report
    from fastproxy.config import Settings


def add_arguments(command: ArgumentParser, add_settings: Callable[[ArgumentParser], None]) -> None:
    """`add_settings` adds the flags of the settings."""
    actions = command.add_subparsers(required=True, metavar="ACTION", dest="action")
    add_settings(actions.add_parser("verify", help="compare records, roll-ups and usage; exit code 1 if they differ"))


def run(_: Namespace, settings: Settings) -> int:
    """The exit code."""
    from sqlalchemy.exc import SQLAlchemyError

    from fastproxy.admin.store.errors import StoreError, brief

    try:
        report = asyncio.run(_verify(settings))
    except (StoreError, SQLAlchemyError, OSError) as error:
        sys.stderr.write(f"fastproxy: {brief(error)}\n")
        return 1
    sys.stdout.write(told(report))
    return 1 if report.count else 0


async def _verify(settings: Settings) -> Report:
    from fastproxy.admin.ledger.verify import verify
    from fastproxy.admin.store.engine import StoreUrls, open_store

    store = await open_store(StoreUrls.of(settings), migrate=False)
    try:
        return await verify(store.ledger)
    finally:
        await store.close()


def told(report: Report) -> str:
    """What the command prints."""
    seen = f"{report.records:,} records in {report.hours:,} hours"
    if not report.count:
        return f"{seen}: records, roll-ups and usage agree\n"
    more = report.count - len(report.differences)
    lines = [*report.differences, f"and {more:,} more"] if more else report.differences
    return "\n".join([f"{seen}: {report.count:,} sums differ", *lines]) + "\n"
