"""Reads multipart/form-data strictly, whole in memory. Raises Fault; knows nothing of what the fields are for.

A gateway relays such bodies byte for byte; a wrong boundary or a lost tail shows here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastproxy.loadtest.mock_faults import Fault

if TYPE_CHECKING:
    from fastproxy.loadtest.mock_request import Request

# What each operation cannot do without.
MULTIPART: dict[str, tuple[str, ...]] = {
    "audio/transcriptions": ("model", "file"),
    "audio/translations": ("model", "file"),
    "images/edits": ("image",),
    "images/variations": ("image",),
    "files": ("file", "purpose"),
}


def form(name: str, request: Request) -> dict[str, Any]:
    """The parts of a multipart body by name; a file's value is its length, and its name is under `filename`."""
    kind = request.field(b"content-type")
    essence, _, parameters = kind.partition(";")
    if essence.strip().lower() != "multipart/form-data" or "boundary=" not in parameters:
        raise Fault(400, f"content-type: expected multipart/form-data with a boundary, got {kind or 'nothing'}")
    boundary = b"--" + parameters.split("boundary=", 1)[1].split(";")[0].strip().strip('"').encode("latin-1")
    if not request.body.startswith(boundary) or not request.body.rstrip(b"\r\n").endswith(boundary + b"--"):
        raise Fault(400, "multipart body: it does not begin and end with its boundary")
    parts: dict[str, Any] = {}
    for part in request.body.split(boundary)[1:-1]:
        _part(part, parts)
    for field in MULTIPART[name]:
        if field not in parts and field + "[]" not in parts:
            raise Fault(400, f"Missing required parameter: '{field}'.", param=field)
    return parts


def _part(part: bytes, parts: dict[str, Any]) -> None:
    head, gap, content = part.partition(b"\r\n\r\n")
    disposition = dict(item.strip().partition("=")[::2] for item in head.decode("latin-1").split(";"))
    name = disposition.get("name", "").split("\r\n")[0].strip('"')
    if not gap or not name or not content.endswith(b"\r\n"):
        raise Fault(400, "multipart body: a part without name or end")
    if "filename" in disposition:
        parts[name] = len(content) - 2
        parts["filename"] = disposition["filename"].split("\r\n")[0].strip('"')
    else:
        parts[name] = content[:-2].decode("utf-8", "replace")
