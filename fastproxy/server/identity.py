"""Whose state directory this is: `<state_dir>/identity`, written at the first start and compared at every later one.

    {"layout": 1, "node": null, "installation": "32 hex digits"}

`layout` is the version of all that lies there together (journal, register, what was saved); `node` the name of the
gateway that it belongs to, null until one is told; `installation` a number of its own. A directory that was copied, or
mounted into the wrong place, holds records that another gateway will count as well: it is refused, not repaired.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from fastproxy.server.pidfile import StateDirTrouble
from fastproxy.shared.own_file import replaced

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME: Final = "identity"
LAYOUT: Final = 1


@dataclass(frozen=True, slots=True)
class Identity:
    installation: str
    node: str | None = None
    layout: int = LAYOUT


def claim_identity(state_dir: str, node: str | None) -> Identity:
    """Compare what is there with what we are told; the first start writes it, and so does the first with a name.

    Raises StateDirTrouble (exit code 5): another layout, another node, or no readable identity.
    """
    path = os.path.join(state_dir, NAME)
    found = _read(path)
    if found is None:
        return _written(path, Identity(secrets.token_hex(16), node))
    if found.layout != LAYOUT:
        raise StateDirTrouble(
            f"state directory {state_dir} has layout {found.layout}, this version of fastproxy works with {LAYOUT}: "
            "start the version that made it, or give this one a directory of its own (--state-dir)"
        )
    if node is None or found.node == node:
        return found
    if found.node is None:
        return _written(path, replace(found, node=node))
    raise StateDirTrouble(
        f"state directory {state_dir} belongs to node '{found.node}', and this is node '{node}': give each node a "
        f"directory of its own (--state-dir); if this one has been renamed, remove {path} and start again"
    )


def _read(path: str) -> Identity | None:
    try:
        with open(path, encoding="utf-8") as file:
            return _identity(json.loads(file.read(4096)))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateDirTrouble(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise StateDirTrouble(
            f"{path} is not what fastproxy writes there: if this directory is this gateway's, remove the file"
        ) from None


def _identity(told: Mapping[str, Any]) -> Identity:
    node = told["node"]
    return Identity(str(told["installation"]), None if node is None else str(node), int(told["layout"]))


def _written(path: str, identity: Identity) -> Identity:
    try:
        descriptor = replaced(path, json.dumps(asdict(identity)).encode() + b"\n")
    except OSError as error:
        raise StateDirTrouble(f"{path}: {(error.strerror or str(error)).lower()}") from None
    os.close(descriptor)
    return identity
