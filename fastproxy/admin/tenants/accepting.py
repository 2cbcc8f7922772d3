"""What was written becomes a document, or is refused with the path of everything that is wrong.

given            a new document      ┐
patched          a document patched  ┴─► read_document
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from fastproxy.admin.tenants import rules
from fastproxy.admin.tenants.documents import DOCUMENTS
from fastproxy.admin.tenants.refusals import MOST_FIELDS, Invalid, invalid
from fastproxy.config import values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

    from fastproxy.admin.tenants.documents import Document
    from fastproxy.admin.tenants.refusals import Field

_OF_EVERY: Final = frozenset({"id", "version", "created_at", "updated_at", "managed_by", "origin", "shadowed_by"})
READ_ONLY: Final = _OF_EVERY | {"rotated_at", "prefix", "previous_until"}


def read_document(kind: str, value: object) -> Document:
    """`value`: what a JSON parser made of the body. Raises: Invalid with the path of everything that is wrong."""
    model = DOCUMENTS[kind]
    if not isinstance(value, dict):
        raise Invalid([{"path": "", "message": f"expected an object, seen {rules.seen(value)}"}])
    try:
        return model.model_validate(rules.few(value))
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise Invalid((_field_error(item, model) for item in found[:MOST_FIELDS]), len(found)) from None
    except ValueError as error:
        raise invalid("", str(error)) from None


def given(kind: str, value: object) -> object:
    """A new document; null to one of its fields means the default."""
    if not isinstance(value, dict):
        return value
    known = DOCUMENTS[kind].model_fields
    return {name: part for name, part in value.items() if part is not None or name not in known}


def patched(kind: str, current: Mapping[str, object], patch: object) -> dict[str, Any]:
    """The document after a merge patch (RFC 7396). Raises: Invalid for what is no object."""
    if not isinstance(patch, dict):
        raise Invalid([{"path": "", "message": f"expected an object, seen {rules.seen(patch)}"}])
    known = DOCUMENTS[kind].model_fields
    # null to a field that does not exist is as wrong as any other value
    unknown = {name: None for name, value in patch.items() if value is None and name not in known}
    return {**_merged(current, patch, rules.DEEPEST), **unknown}


def _merged(current: object, patch: Mapping[str, Any], depth: int) -> dict[str, Any]:
    base = dict(current) if isinstance(current, dict) else {}
    for name, value in patch.items():
        if value is None:
            base.pop(name, None)
        elif isinstance(value, dict) and depth:  # what is deeper is refused later
            base[name] = _merged(base.get(name), value, depth - 1)
        else:
            base[name] = value
    return base


def _field_error(item: ErrorDetails, model: type[Document]) -> Field:
    return {"path": path_of(item["loc"]), "message": _message(item, model)}


def path_of(place: tuple[int | str, ...]) -> str:
    """("credentials", 1, "secret") → "credentials[1].secret"."""
    path = ""
    for part in place:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != "[key]":  # of a map's name that is wrong; the name itself stands before it
            path += f".{part[:60]}" if path else part[:60]
    return path


def _message(item: ErrorDetails, model: type[Document]) -> str:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "missing":
        return "is required"
    if kind == "value_error":
        return str(context["error"])
    if kind == "extra_forbidden":
        return _unknown(item["loc"], model)
    if kind in ("too_long", "too_short"):
        bound = context.get("max_length") if kind == "too_long" else context.get("min_length")
        return f"expected at {'most' if kind == 'too_long' else 'least'} {bound}, seen {context['actual_length']}"
    return f"expected {_EXPECTED.get(kind, 'another kind of value')}"


_EXPECTED: Final = {
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "string_type": "text",
    "string_too_long": "fewer characters",
}


def _unknown(place: tuple[int | str, ...], model: type[Document]) -> str:
    name = str(place[-1])
    if len(place) == 1 and name in READ_ONLY:
        return "cannot be set"
    return f"unknown field{values.suggest(name, model.model_fields) if len(place) == 1 else ''}"
