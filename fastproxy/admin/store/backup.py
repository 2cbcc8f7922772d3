"""A copy of a database, as of one moment, while it is in use.

    SQLite       its own online backup: a reader among others, which keeps nobody from writing
    PostgreSQL   pg_dump's custom format, for pg_restore

The copy gets its name when it is complete and on the disk; nothing is overwritten. It holds what the database holds:
sealed credentials and hashes of keys (useless without the master key), and records.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from fastproxy.admin.store.connect import PATIENCE_S, expect_file
from fastproxy.admin.store.errors import StoreError, brief, place_of
from fastproxy.config.urls import database_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PROGRAM: Final = "pg_dump"


def suffix_of(url: str) -> str:
    return ".db" if database_file(url) else ".dump"


def back_up(url: str, target: str, environ: Mapping[str, str]) -> int:
    """Writes `target`, which must not be there yet; its size in bytes. `environ` is for pg_dump. Raises StoreError."""
    with _finished(target) as draft:
        if database_file(url):
            _copy_sqlite(url, draft)
        else:
            _dump_postgres(url, draft, environ)
    return os.path.getsize(target)


@contextmanager
def _finished(target: str) -> Iterator[str]:
    """The name to write to; it becomes `target`, or nothing stays of it."""
    draft = f"{target}.part"
    if os.path.lexists(target):
        raise StoreError(f"{target} is there already; expected a new name")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        raise StoreError(f"{draft} is there: another backup is being written, or one was cut off") from None
    except OSError as error:
        raise StoreError(f"{target}: {brief(error)}") from None
    try:
        yield draft
        _sync(draft)
        os.rename(draft, target)
        _sync(os.path.dirname(target) or ".")
    except OSError as error:
        raise StoreError(f"{target}: {brief(error)}") from None
    finally:
        with suppress(FileNotFoundError):
            os.unlink(draft)


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy_sqlite(url: str, draft: str) -> None:
    expect_file(url)
    # rw and not ro: a reader of a write-ahead log takes part in its index
    name = f"file:{quote(database_file(url))}?mode=rw"
    try:
        with (
            closing(sqlite3.connect(name, uri=True, timeout=PATIENCE_S)) as source,
            closing(sqlite3.connect(draft)) as copy,
        ):
            source.backup(copy)  # all pages at once: in steps, each foreign commit would begin it anew
    except sqlite3.Error as error:
        raise StoreError(f"{place_of(url)}: {brief(error)}") from None


def _dump_postgres(url: str, draft: str, environ: Mapping[str, str]) -> None:
    program = shutil.which(_PROGRAM, path=environ.get("PATH"))
    if program is None:
        raise StoreError(
            f"{place_of(url)}: {_PROGRAM} is not in PATH; install PostgreSQL's client programs, "
            "as new as the server (Debian: postgresql-client)"
        )
    name, password = without_password(url)
    environ = {**environ, "PGPASSWORD": password} if password else environ
    command = [program, "--format=custom", "--no-password", f"--file={draft}", f"--dbname={name}"]
    done = subprocess.run(command, env=environ, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise StoreError(f"{place_of(url)}: {lines[0] if lines else f'{_PROGRAM} ended with {done.returncode}'}")


def without_password(url: str) -> tuple[str, str]:
    """A PostgreSQL URL for a command line, which everybody on the machine sees, and its password."""
    parts = urlsplit(f"postgresql://{url.partition('://')[2]}")
    query = parse_qsl(parts.query, keep_blank_values=True)
    if any(name == "sslpassword" for name, _ in query):
        raise StoreError(f"{place_of(url)}: sslpassword cannot be kept from a command line; use a key without one")
    password = parts.password and unquote(parts.password)
    password = password or next((value for name, value in query if name == "password"), "")
    user, at, place = parts.netloc.rpartition("@")
    rest = urlencode([(name, value) for name, value in query if name != "password"], safe="/", quote_via=quote)
    shown = f"postgresql://{user.partition(':')[0]}{at}{place}{parts.path}"
    return f"{shown}?{rest}" if rest else shown, password
