"""`fastproxy db rekey`: another master key for what is sealed in the database.

    master.key in the state directory    a new one is made and takes its place; the old one stays as master.key.old,
                                         for backups that were made before
    FASTPROXY_MASTER_KEY                 the new one is read from --to FILE; where the old one comes from it has to be
                                         replaced by hand, on every node

The new key is on the disk before anything is sealed under it, and takes the old one's place after the database has
committed. So whenever this is interrupted, the same command again ends it, and no key is lost on the way.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import TYPE_CHECKING

from fastproxy.shared.master_key import (
    NAME,
    MasterKeyError,
    parse_master_key,
    read_master_key,
    read_or_make_master_key,
)
from fastproxy.shared.own_file import sync_directory

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from fastproxy.admin.tenants.resealing import Resealed
    from fastproxy.config import Settings
    from fastproxy.shared.master_key import MasterKey


def add_arguments(action: ArgumentParser) -> None:
    text = "holds the new key, where the old one is in FASTPROXY_MASTER_KEY; 32 random bytes in hex or base64"
    action.add_argument("--to", metavar="FILE", help=text)


def run(args: Namespace, settings: Settings) -> int:
    """The exit code. Raises: StoreError."""
    try:
        if settings.master_key is not None:
            return _given(args, settings, settings.master_key)
        return _of_state_directory(args, settings)
    except (MasterKeyError, OSError) as error:
        text = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
        return _complain(text)


def _complain(text: str) -> int:
    sys.stderr.write(f"fastproxy: {text}\n")
    return 1


def _given(args: Namespace, settings: Settings, text: str) -> int:
    new = read_master_key(args.to) if args.to else None
    if new is None:
        return _complain(
            f"{args.to}: no such file" if args.to else "the master key is given by the environment: say --to"
        )
    _tell(_reseal(settings, parse_master_key(text), new))
    sys.stdout.write(f"set FASTPROXY_MASTER_KEY to what {args.to} holds, then restart every node\n")
    return 0


def _of_state_directory(args: Namespace, settings: Settings) -> int:
    path = os.path.join(settings.state_dir, NAME)
    old = read_master_key(path)
    if args.to or old is None:
        return _complain(
            f"{path}: no such file" if old is None else f"the new key is made in {path}; --to is not needed"
        )
    fresh = f"{path}.new"
    new = read_or_make_master_key(fresh)  # an interrupted run has left the one that it has sealed with
    done = _reseal(settings, old, new)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{path}.old")
    os.link(path, f"{path}.old")
    os.replace(fresh, path)
    sync_directory(settings.state_dir)
    _tell(done)
    sys.stdout.write(
        f"{path} is the new key; the old one, for earlier backups, is {path}.old\nrestart the gateway now\n"
    )
    return 0


def _tell(done: Resealed) -> None:
    if done.is_done:
        sys.stdout.write("the database is sealed under the new key already\n")
    else:
        sys.stdout.write(f"sealed anew: {done.credentials} credentials, {done.changes} revisions of channels\n")


def _reseal(settings: Settings, old: MasterKey, new: MasterKey) -> Resealed:
    from fastproxy.publish.saved import SavedFile

    done = asyncio.run(_reseal_database(settings, old, new))
    saved = SavedFile(settings.state_dir, old).read()
    if saved is not None:
        SavedFile(settings.state_dir, new).write(saved)
    return done


async def _reseal_database(settings: Settings, old: MasterKey, new: MasterKey) -> Resealed:
    from fastproxy.admin.store.engine import StoreUrls, open_store
    from fastproxy.admin.tenants.resealing import reseal

    store = await open_store(StoreUrls.of(settings))
    try:
        return await reseal(store, old, new)
    finally:
        await store.close()
