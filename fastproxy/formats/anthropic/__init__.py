"""Anthropic Messages: POST /messages, whole and streamed.

Beyond what every format offers: `request_headers` for a body of ours, and `json_tool(body)`, the tool whose input is
the reply where a model has no structured output; its name goes to `read_reply` and `StreamReader` as `unwrap_tool`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastproxy.formats.anthropic.read_request import SAID_IN, bare_turns, read_request
from fastproxy.formats.anthropic.reply import read_reply, write_reply
from fastproxy.formats.anthropic.stream_reader import StreamReader
from fastproxy.formats.anthropic.stream_writer import StreamWriter
from fastproxy.formats.anthropic.tools import json_tool
from fastproxy.formats.anthropic.words import FIELDS, JSON_TOOL, LOSSY, NAME
from fastproxy.formats.anthropic.write_request import request_headers, write_request

if TYPE_CHECKING:
    from fastproxy.formats.chat import Target

__all__ = [
    "FIELDS",
    "JSON_TOOL",
    "LOSSY",
    "NAME",
    "SAID_IN",
    "StreamReader",
    "StreamWriter",
    "bare_turns",
    "json_tool",
    "read_reply",
    "read_request",
    "request_headers",
    "upstream_path",
    "write_reply",
    "write_request",
]


def upstream_path(target: Target, *, stream: bool) -> str:
    """The same for every model: its name stands in the body."""
    return "/messages"
