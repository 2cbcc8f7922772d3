"""The master key of this installation, as the settings name its place."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fastproxy.errors import ConfigError
from fastproxy.server.pidfile import StateDirTrouble
from fastproxy.shared.master_key import (
    NAME,
    MasterKey,
    MasterKeyError,
    parse_master_key,
    read_master_key,
    read_or_make_master_key,
)

if TYPE_CHECKING:
    from fastproxy.config import Settings


def master_key(settings: Settings) -> MasterKey:
    """From the environment; else from the state directory, where the first start makes it.

    Raises: ConfigError for what the environment holds, StateDirTrouble for the file.
    """
    if settings.master_key is not None:
        return _given(settings.master_key)
    try:
        return read_or_make_master_key(_path(settings))
    except MasterKeyError as error:
        raise StateDirTrouble(str(error)) from None


def check_master_key(settings: Settings) -> None:
    """The same refusals, without making anything."""
    if settings.master_key is not None:
        _given(settings.master_key)
        return
    try:
        read_master_key(_path(settings))
    except MasterKeyError as error:
        raise StateDirTrouble(str(error)) from None


def _given(text: str) -> MasterKey:
    try:
        return parse_master_key(text)
    except MasterKeyError as error:
        raise ConfigError(f"FASTPROXY_MASTER_KEY: {error}") from None


def _path(settings: Settings) -> str:
    return os.path.join(settings.state_dir, NAME)
