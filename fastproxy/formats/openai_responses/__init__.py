"""OpenAI's Responses API: requests, replies and streams, both ways.

words          tables                      items, tools, settings   what a request holds, read
read_request   a client's body             write_items, obeying     … and written
write_request  a body for an upstream      history                  what a stateless upstream cannot look up
reply          items of a reply as events  stream_reader            … of a stream
write_reply    a Response for a client     stream_writer            … as a stream
"""

from fastproxy.formats.openai_responses.history import (
    input_items,
    output_items,
    referenced_ids,
    state_fields,
    with_history,
)
from fastproxy.formats.openai_responses.read_request import read_request
from fastproxy.formats.openai_responses.reply import read_reply
from fastproxy.formats.openai_responses.stream_reader import StreamReader
from fastproxy.formats.openai_responses.stream_writer import StreamWriter
from fastproxy.formats.openai_responses.words import FIELDS, LOSSY, NAME
from fastproxy.formats.openai_responses.write_reply import write_reply
from fastproxy.formats.openai_responses.write_request import upstream_path, write_request

__all__ = [
    "FIELDS",
    "LOSSY",
    "NAME",
    "StreamReader",
    "StreamWriter",
    "input_items",
    "output_items",
    "read_reply",
    "read_request",
    "referenced_ids",
    "state_fields",
    "upstream_path",
    "with_history",
    "write_reply",
    "write_request",
]
