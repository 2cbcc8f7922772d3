"""Gemini: generateContent and streamGenerateContent.

words.py       the tables          thinking.py, settings.py, tools.py, schema.py, media.py, results.py   both ways
read_request   body → ChatRequest  read_parts.py, streamed_history.py
write_request  ChatRequest → body  order.py, write_parts.py, own_body.py (a Gemini client's body for Gemini)
reply.py       whole replies       stream_reader.py, stream_writer.py, citations.py, partial_args.py
"""

from __future__ import annotations

from fastproxy.formats.gemini.read_request import SAID_IN, bare_turns, read_request
from fastproxy.formats.gemini.reply import read_reply, write_reply
from fastproxy.formats.gemini.stream_reader import StreamReader
from fastproxy.formats.gemini.stream_writer import StreamWriter
from fastproxy.formats.gemini.words import FIELDS, LOSSY, NAME
from fastproxy.formats.gemini.write_request import upstream_path, write_request

__all__ = [
    "FIELDS",
    "LOSSY",
    "NAME",
    "SAID_IN",
    "StreamReader",
    "StreamWriter",
    "bare_turns",
    "read_reply",
    "read_request",
    "upstream_path",
    "write_reply",
    "write_request",
]
