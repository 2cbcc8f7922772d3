"""Fields that a channel puts into the bodies of requests that do not say them. The client's word always counts.

    defaults  {"safetySettings": […], "generationConfig": {"topK": 5}}
    body      {"generationConfig": {"topP": 0.5}}
    filled    {"generationConfig": {"topP": 0.5, "topK": 5}, "safetySettings": […]}

Objects are filled up, anything else is taken whole or left alone. A name counts as said in either spelling that Google
takes, safetySettings or safety_settings. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from fastproxy.formats.gemini.words import snake

if TYPE_CHECKING:
    from collections.abc import Mapping

_split: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_join: Final = msgspec.json.Encoder().encode


def put_defaults(body: dict[str, Any], defaults: Mapping[str, Any]) -> None:
    """Fills a body of our own making."""
    for name, value in defaults.items():
        said = _said(body, name)
        if said is None:
            body[name] = value
        elif isinstance(value, dict) and isinstance(body[said], dict):
            body[said] = dict(body[said])  # it may be the client's own
            put_defaults(body[said], value)


def with_defaults(body: bytes, defaults: Mapping[str, Any]) -> bytes:
    """A client's body, filled; what it says stays as it is, byte for byte. No object, no change."""
    try:
        fields = _split(body)
    except (ValueError, RecursionError):  # the upstream says what is wrong with it
        return body
    made: dict[str, Any] = dict(fields)
    for name, value in defaults.items():
        said = _said(fields, name)
        if said is None:
            made[name] = value
        elif isinstance(value, dict):
            made[said] = msgspec.Raw(with_defaults(bytes(fields[said]), value))
    return _join(made)


def _said(holder: Mapping[str, Any], name: str) -> str | None:
    """The name under which `holder` has the field."""
    if name in holder:
        return name
    other = snake(name)
    return other if other in holder else None
