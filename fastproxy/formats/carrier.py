"""Signatures of one vendor's thoughts, carried through a client of another and back, byte for byte.

A client keeps what its own format calls a signature and sends it back unread. A foreign one travels there as

    fp1.<issuer>.<id>.<signature>      fp1.openai-responses.rs_68a1.gAAAAABo…

where `issuer` is the format whose vendor made it and `id` the item's id, empty where there is none. The signature is as
it was; in the id "." and "%" are escaped, so that the third dot is always the border.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from fastproxy.formats.chat import CHAT_FORMATS

PREFIX: Final = "fp1."


class Carried(NamedTuple):
    """A signature and whose it is."""

    issuer: str
    id: str | None
    signature: str


def pack(issuer: str, item_id: str | None, signature: str) -> str:
    """The text that a client of another format carries."""
    escaped = item_id.replace("%", "%25").replace(".", "%2E") if item_id else ""
    return f"{PREFIX}{issuer}.{escaped}.{signature}"


def unpack(text: str, own: str) -> Carried:
    """What a client sent back: a foreign signature that we packed, or one of `own`, the client's format."""
    if not text.startswith(PREFIX):
        return Carried(own, None, text)
    issuer, _, rest = text[len(PREFIX) :].partition(".")
    escaped, dot, signature = rest.partition(".")
    if issuer not in CHAT_FORMATS or not dot:
        return Carried(own, None, text)
    return Carried(issuer, escaped.replace("%2E", ".").replace("%25", "%") or None, signature)
