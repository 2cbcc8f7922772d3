"""Errors that an upstream reports inside a reply of status 200, whole or in the middle of a stream.

    {"error": {"message", "type", "code", "status"}}       {"error": "words"}       finish_reason "error"
    {"object": "error", "message", "type", "code"}         {"base_resp": {"status_code", "status_msg"}}

What the words mean is read_error.py's to say.
"""

from __future__ import annotations

from typing import Any

from fastproxy.formats.events import Failure
from fastproxy.formats.openai_chat.words import FAILED, NAME
from fastproxy.formats.read_error import read_failure as said_of


def read_failure(error: Any) -> Failure:
    """`error` is the value of a reply's field of that name."""
    return said_of(NAME, {"error": error})


def error_of(body: dict[str, Any]) -> Any:
    """The error that a reply or a chunk tells of; None if it tells of none."""
    if body.get("error"):
        return body["error"]
    if body.get("object") == "error":  # vLLM
        return body
    said = body.get("base_resp")  # MiniMax
    if isinstance(said, dict) and said.get("status_code"):
        return {"message": said.get("status_msg")}
    return None


def failed_finish(word: str) -> Failure:
    """A finish_reason that is no end."""
    status = FAILED[word]
    kind = "upstream_overloaded" if status == 503 else "upstream_failed"
    return Failure(status, kind, f"the upstream ended its reply with finish_reason '{word}'")
