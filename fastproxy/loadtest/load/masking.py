"""What a run may tell about itself: its plan and its command line without credentials, and without what is long. Pure.

Masked are the values of headers whose name sounds like a credential, key-like parameters of paths and addresses, and
the values of --key and such --header. Data files and recordings, which may hold keys of their own, are only counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from fastproxy.config.report import mask_secret, mask_url
from fastproxy.loadtest.load.recording import is_secret_header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastproxy.loadtest.load.shapes import Plan, Request

LONGEST_BODY: Final = 400  # characters
_SCHEMES: Final = ("bearer", "basic")
_HEADER_FLAGS: Final = ("-H", "--header")


def shown(plan: Plan) -> dict[str, Any]:
    """The plan as builtins, for reports."""
    bare = msgspec.structs.replace(plan, url=mask_url(plan.url), requests=(), data={}, recording=())
    told: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(bare))
    told["requests"] = [_masked_request(request) for request in plan.requests]
    told["data"] = {name: f"{len(lines)} lines" for name, lines in plan.data.items()}
    told["recording"] = f"{len(plan.recording)} requests" if plan.recording else ""
    return told


def masked_command(arguments: Sequence[str]) -> list[str]:
    """The command line as it was given."""
    masked: list[str] = []
    before = ""
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if equals and name in ("--key", *_HEADER_FLAGS):
            masked.append(f"{name}={_masked_value(name, value)}")
        else:
            masked.append(_masked_value(before, argument))
        before = argument
    return masked


def _masked_value(flag: str, value: str) -> str:
    if flag == "--key":
        return mask_secret(value)
    if flag in _HEADER_FLAGS:
        name, colon, text = value.partition(":")
        return f"{name}{colon} {_masked_header(name.strip(), text.strip())}" if colon else value
    return mask_url(value) if "://" in value or "?" in value else value


def _masked_request(request: Request) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(request))
    told["path"] = mask_url(request.path)
    told["headers"] = [[name, _masked_header(name, value)] for name, value in request.headers]
    if len(request.body) > LONGEST_BODY:
        told["body"] = f"{request.body[:LONGEST_BODY]}… ({len(request.body)} characters)"
    return told


def _masked_header(name: str, value: str) -> str:
    if not is_secret_header(name):
        return value
    scheme, space, secret = value.partition(" ")
    if space and scheme.lower() in _SCHEMES:
        return f"{scheme} {mask_secret(secret)}"
    return mask_secret(value)
