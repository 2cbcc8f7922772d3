"""The file, read again because somebody asked the API: what would change, and refusals that name the place."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from fastproxy.admin.tenants import Invalid
from fastproxy.config import describe
from fastproxy.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from fastproxy.admin.serve import Control
    from fastproxy.config import Settings

T = TypeVar("T")


async def read_anew(control: Control) -> Settings:
    """Read file, environment and flags again; nothing is published. Raises: Invalid."""
    return await checked(asyncio.to_thread(control.read_settings))


async def checked(reading: Awaitable[T]) -> T:
    """Wait for something that reads the settings. Raises: Invalid with the place in the file as path."""
    try:
        return await reading
    except ConfigError as error:
        place = f"{error.file}:{error.line}:{error.column}" if error.line else error.file
        raise Invalid([{"path": place, "message": error.text}]) from None
    except OSError as error:
        raise Invalid([{"path": str(error.filename or ""), "message": str(error.strerror or error).lower()}]) from None


def setting_changes(before: Settings, after: Settings) -> list[dict[str, Any]]:
    """What `fastproxy check` would print otherwise: [{"path", "before", "after"}], None for what is not there.

    Secrets are masked, so of a secret that changed into one with the same beginning and length nothing is seen.
    """
    old = {name: value for name, value, _ in describe(before)}
    new = {name: value for name, value, _ in describe(after)}
    return [
        {"path": name, "before": old.get(name), "after": new.get(name)}
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    ]
