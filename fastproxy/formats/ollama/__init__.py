"""Ollama's own chat API, `POST /api/chat`: spoken to upstreams only, because its clients speak it to Ollama itself.

    messages: content, bare base64 images, thinking, tool_calls       a whole reply: one JSON object
    options: num_predict, temperature, stop …   format   think        a stream: the same in pieces, one a line

Sources: docs.ollama.com/api/chat, /api/streaming, /api/errors and /capabilities; api/types.go of ollama; 2026-11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastproxy.formats.ollama.reply import StreamReader, read_reply
from fastproxy.formats.ollama.words import LOSSY, NAME
from fastproxy.formats.ollama.write_request import write_request

if TYPE_CHECKING:
    from fastproxy.formats.chat import Target

__all__ = ["LOSSY", "NAME", "StreamReader", "read_reply", "upstream_path", "write_request"]


def upstream_path(target: Target, *, stream: bool) -> str:
    """Below the server's address; the same for every model."""
    return "/api/chat"
