"""Azure's deployment paths: the model stands in the path, and each request names the version of the API.

    /chat/completions  →  /openai/deployments/{model}/chat/completions?api-version=2024-10-21

Only for channels with `api_version`; Azure's newer /openai/v1 needs neither. Source: learn.microsoft.com, Azure OpenAI
in Foundry Models REST API reference (2026-11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from fastproxy.errors import BadRequest

if TYPE_CHECKING:
    from fastproxy.gateway.table import Attempt

_NEWER: Final = "/openai/v1"


def deployments_prefix(prefix: str) -> str:
    """What stands before the model; `prefix` is the base URL's path, with or without /openai/v1."""
    return prefix.removesuffix(_NEWER) + "/openai/deployments/"


def deployed(attempt: Attempt, model: str, path: bytes) -> bytes:
    """The path below the attempt's prefix. Raises: BadRequest without a model."""
    name = attempt.rename.get(model, model)
    if not name:
        raise BadRequest("field 'model' is missing: expected the name of a deployment")
    bare, _, query = path.partition(b"?")
    version = b"api-version=" + attempt.api_version
    return quote(name, safe="").encode() + bare + b"?" + (query + b"&" + version if query else version)
