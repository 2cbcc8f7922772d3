"""OpenAI Chat Completions: the format that most vendors and clients call compatible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastproxy.formats.openai_chat.read_request import read_request
from fastproxy.formats.openai_chat.reply import read_reply, write_reply
from fastproxy.formats.openai_chat.stream_reader import StreamReader
from fastproxy.formats.openai_chat.stream_writer import StreamWriter
from fastproxy.formats.openai_chat.words import FIELDS, LOSSY, NAME
from fastproxy.formats.openai_chat.write_request import write_request

if TYPE_CHECKING:
    from fastproxy.formats.chat import Target

__all__ = [
    "FIELDS",
    "LOSSY",
    "NAME",
    "StreamReader",
    "StreamWriter",
    "read_reply",
    "read_request",
    "upstream_path",
    "write_reply",
    "write_request",
]


def upstream_path(target: Target, *, stream: bool) -> str:
    """Below the base URL; the same for every model."""
    return "/chat/completions"
