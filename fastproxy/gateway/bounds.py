"""What a request may weigh that is to be written anew: reading and writing cost time per object, not per byte."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from fastproxy.errors import BadRequest
from fastproxy.formats import checked, exact
from fastproxy.formats.peek import MAX_MODEL_CHARS

MAX_OBJECTS: Final = 100_000
MAX_DEPTH: Final = 254  # orjson's end


def load_bounded(body: bytes) -> dict[str, Any]:
    """The body of a request that is to be translated, which costs 3 to 10 us per object in it. Raises: BadRequest."""
    if len(body) > MAX_OBJECTS and body.count(b"{") > MAX_OBJECTS:  # counting costs 1 us per KB
        text = f"more than {MAX_OBJECTS} objects in the body are not translated"
        raise BadRequest(text, status=413, kind="too_large")
    return checked.load(body)


def check_depth(loaded: dict[str, Any]) -> None:
    """What can be written whole can be written in parts; for when a part could not. Raises: BadRequest."""
    try:
        exact.dumps(loaded)
    except TypeError:
        raise BadRequest(f"the body is nested more than {MAX_DEPTH} levels deep") from None


@lru_cache(1024)
def check_model(model: str) -> None:
    """Some vendors have it in the path, where it must not lead elsewhere. Raises: BadRequest."""
    if len(model) > MAX_MODEL_CHARS or not model.isprintable():
        raise BadRequest(f"field 'model' must be one line of at most {MAX_MODEL_CHARS} characters")
    if any(segment in (".", "..") for segment in model.replace("\\", "/").split("/")):
        raise BadRequest("field 'model' must not have '.' or '..' between slashes")
