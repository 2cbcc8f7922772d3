"""What is said when a database is not there, not ours or not willing. Never with a password or a row's contents."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from fastproxy.config.report import mask_url
from fastproxy.config.urls import database_file

if TYPE_CHECKING:
    from collections.abc import Iterator


class StoreError(Exception):
    """A text for operators: which database, what is wrong with it, what to do."""


def place_of(url: str) -> str:
    """A database as texts name it."""
    return f"SQLite file {database_file(url)}" if database_file(url) else f"PostgreSQL {mask_url(url)}"


def brief(error: BaseException) -> str:
    """The first line of what the database itself said: no statement, no parameters, no details of a row."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    cause: object = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    # the drivers' adapter writes "<class 'asyncpg.exceptions.X'>: text"
    text = str(cause).removeprefix(f"{type(getattr(cause, '__cause__', None))}: ")
    return (text.splitlines() or [""])[0].strip() or type(cause).__name__


@contextmanager
def clear_errors(url: str) -> Iterator[None]:
    """Turns what drivers raise into StoreError."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        raise StoreError(f"{place_of(url)}: {brief(error)}") from None
