"""What is wrong with a document only in relation to something else: the catalogue, our own addresses, files.

Asked for what is new, and of a patch for what it changes: a certificate that vanished must not keep anybody from
switching its channel off.
"""

from __future__ import annotations

import os
import ssl
import stat
from typing import TYPE_CHECKING, Any, Final

from fastproxy.admin.tenants.refusals import Invalid
from fastproxy.config.checks import is_own
from fastproxy.errors import ConfigError
from fastproxy.providers.quirks import target
from fastproxy.publish.channels import stored_spec
from fastproxy.publish.stored import StoredChannel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fastproxy.config import Listen

_ADDRESS: Final = ("provider", "base_url", "format")
LARGEST_CA_FILE: Final = 16 << 20  # a system's whole list of authorities has 0.2 MiB


def check(kind: str, columns: Mapping[str, Any], before: Mapping[str, Any] | None, listen: tuple[Listen, ...]) -> None:
    """`columns` as `columns_of` gives them, `before` the row that was. Raises: Invalid with all that is wrong."""
    fresh = {name for name, value in columns.items() if before is None or before.get(name) != value}
    if kind == "channels":
        faults = list(_channel(columns, fresh, listen))
    elif kind == "models":
        faults = list(_model(columns, fresh))
    else:
        faults = []
    if faults:
        raise Invalid([{"path": path, "message": message} for path, message in faults])


def _channel(columns: Mapping[str, Any], fresh: set[str], listen: tuple[Listen, ...]) -> Iterator[tuple[str, str]]:
    if not fresh.isdisjoint(_ADDRESS):
        try:
            stored_spec(StoredChannel("", columns["name"], **{name: columns[name] for name in _ADDRESS}))
        except ConfigError as error:
            yield "provider" if columns["base_url"] else "base_url", str(error)
    if "base_url" in fresh and columns["base_url"] is not None and is_own(columns["base_url"], listen):
        yield "base_url", "this is the gateway's own address"
    if "ca_file" in fresh and columns["ca_file"] is not None:
        yield from _authority(columns["ca_file"])


def _authority(file: str) -> Iterator[tuple[str, str]]:
    try:
        about = os.stat(file)
        if not stat.S_ISREG(about.st_mode) or about.st_size > LARGEST_CA_FILE:  # a pipe would be waited for without end
            yield "ca_file", f"expected a regular file of at most {LARGEST_CA_FILE >> 20} MiB"
            return
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except ssl.SSLError:
        yield "ca_file", "the file holds no PEM certificates"
    except OSError as error:
        yield "ca_file", f"cannot be read: {(error.strerror or str(error)).lower()}"


def _model(columns: Mapping[str, Any], fresh: set[str]) -> Iterator[tuple[str, str]]:
    if "facts" in fresh and columns["facts"]:
        try:
            target("", columns["name"], "openai-chat", {columns["name"]: columns["facts"]})
        except ValueError as error:
            yield "facts", str(error)
    if columns["name"] in columns["fallback"]:
        yield f"fallback[{columns['fallback'].index(columns['name'])}]", "a model cannot stand in for itself"
