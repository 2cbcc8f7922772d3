"""The vocabulary of what is asked once and answered whole: see one_shot.py.

Wish      what the client wants, of which model, and by which name the upstream knows that
Question  what the upstream is asked, what could not be asked, and how to read its answer
Answer    the client's reply, and what it cost
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from fastproxy.formats.usage_fields import Usage  # noqa: TC001 - msgspec reads the annotations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Kind = TypeVar("Kind")


class Wish(msgspec.Struct, frozen=True):
    """`model` is the client's name, `upstream_model` the channel's; `id` is a fresh one for a reply that has none.

    The fields of a form stand in `body` as its JSON would have them, with Uploads for files (form_fields.py).
    """

    body: dict[str, Any]
    model: str
    upstream_model: str
    id: str = ""
    created: int = 0


class Answer(msgspec.Struct, frozen=True):
    """An object, or `data` of the media type `kind` in its place. `usage` is None when the upstream did not say."""

    body: dict[str, Any]
    usage: Usage | None = None
    data: bytes | None = None
    kind: str = "application/json"


class Question(msgspec.Struct, frozen=True):
    """`path` is below the channel's base URL, less the first of the endings `instead_of` that it has."""

    path: str
    body: dict[str, Any]
    read: Callable[[dict[str, Any]], Answer]
    losses: tuple[str, ...] = ()
    instead_of: tuple[str, ...] = ()


def dropped(body: Mapping[str, Any], known: Iterable[str], why: Mapping[str, str] = {}) -> tuple[str, ...]:
    """A line for each field of the client's that is none of `known`."""
    names = set(known)
    lost = [name for name, value in body.items() if name not in names and value is not None]
    return tuple(f"{name[:40]} dropped: {why[name]}" if name in why else f"{name[:40]} dropped" for name in lost)


def counted(value: Any, kind: type[Kind]) -> Kind | None:
    """The counts that `value` holds; None when it holds none that can be read."""
    if not isinstance(value, dict):
        return None
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        return None
