"""Lists of models in the shapes of the three protocols that share `GET /v1/models`. Pure.

    openai      {"object": "list", "data": [{"id", "object": "model", "created", "owned_by"}]}
    anthropic   {"data": [{"type": "model", "id", "display_name", "created_at"}], "has_more", "first_id", "last_id"}
    gemini      {"models": [{"name": "models/…", "displayName", "supportedGenerationMethods", …}]}

Sources: the SDKs' types (openai 3.54, anthropic 2.12, google-genai 3.4). When a model was made is not known here, so
`created` is when this configuration was.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_METHODS: Final = ("generateContent", "streamGenerateContent", "countTokens")


def model_list(dialect: str, models: Sequence[tuple[str, str]], created: int) -> dict[str, Any]:
    """`models` are (name, owner); `created` in Unix seconds."""
    items = [model_object(dialect, name, owner, created) for name, owner in models]
    if dialect == "gemini":
        return {"models": items}
    if dialect == "anthropic":
        ends = (items[0]["id"], items[-1]["id"]) if items else (None, None)
        return {"data": items, "has_more": False, "first_id": ends[0], "last_id": ends[1]}
    return {"object": "list", "data": items}


def model_object(dialect: str, name: str, owner: str, created: int) -> dict[str, Any]:
    """One of them."""
    if dialect == "gemini":
        return {
            "name": name if name.startswith("models/") else f"models/{name}",
            "displayName": name,
            "version": "001",
            "supportedGenerationMethods": list(_METHODS),
        }
    if dialect == "anthropic":
        at = datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"type": "model", "id": name, "display_name": name, "created_at": at}
    return {"id": name, "object": "model", "created": created, "owned_by": owner}
