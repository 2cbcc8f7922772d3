"""One record, one line: the text and JSON forms of the access log.

Pure: record in, bytes with the newline out. Whatever a client put into a name, a line stays one line of printable ASCII
(no control characters, ANSI sequences, Unicode line ends or direction marks reach a terminal or a log reader), and
never exceeds PIPE_BUF, below which the kernel keeps the writes of several workers apart.

    text   2026-11-21T12:00:00.123Z 200 POST /v1/chat/completions unified openai gpt-5 12.3ms in=12 out=34 id=… ip=…
    json   {"request_id":"…","started_at":"2026-11-21T12:00:00.123Z",…}   ledger's columns, then method, path, entry
"""

from __future__ import annotations

import json
import select
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec
import orjson

from fastproxy.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LINE_LIMIT: Final = select.PIPE_BUF
PATH_LIMIT: Final = 1024  # characters of a path in a text line; a longer one is cut
TEXT_LIMIT: Final = 256  # the same for every other value
CUTS: Final = (1024, 64)  # tried in turn on all texts of a JSON line that is over LINE_LIMIT

_NAMES: Final = Record.__struct_fields__
_PATH: Final = _NAMES.index("path")
_STARTED: Final = _NAMES.index("started_at")


def text_line(record: Record) -> bytes:
    """Return the line for people. An empty value is "-"; a space in a value is escaped, so it cannot forge a field."""
    path = _plain(record.path.partition("?")[0], PATH_LIMIT)
    target = record.channel or record.provider
    error = f" error={_plain(record.error_kind)}" if record.error_kind else ""
    line = (
        f"{_stamp(record.started_at)} {record.status:03d} {_plain(record.method)} {path} {_plain(record.entry)} "
        f"{_plain(target)} {_plain(record.model)} {record.duration_ms:.1f}ms in={_tokens_in(record)} "
        f"out={record.output_tokens} id={_plain(record.request_id)} ip={_plain(record.client_ip)}{error}\n"
    )
    return line.encode("ascii")


def json_line(record: Record) -> bytes:
    """Return the line for programs: the same keys in the same order in every line."""
    values = list(msgspec.structs.astuple(record))
    values[_STARTED] = _stamp(record.started_at)
    values[_PATH] = record.path.partition("?")[0]
    line = _encode(values)
    for limit in CUTS:
        if len(line) <= LINE_LIMIT:
            break
        line = _encode([_cut(value, limit) if type(value) is str else value for value in values])
    return line


def _encode(values: list[object]) -> bytes:
    fields = dict(zip(_NAMES, values, strict=True))
    try:
        line = orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:  # a lone surrogate; the slow way below can write it
        line = b"\x7f"
    # orjson leaves DEL, C1 controls, U+2028 and direction marks as they are; the slow way escapes all but ASCII.
    if line.isascii() and b"\x7f" not in line:
        return line
    return json.dumps(fields, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"


def _cut(value: str, limit: int) -> str:
    """Cut, and keep only characters that take at most two bytes in JSON: with the last of CUTS every line fits."""
    shown = value[:limit].encode("ascii", "replace").decode("ascii")
    return "".join(char if char.isprintable() else "?" for char in shown)


def _plain(value: str, limit: int = TEXT_LIMIT) -> str:
    if not value:
        return "-"
    if not (value.isascii() and value.isprintable()) or " " in value or "\\" in value:
        value = value.encode("unicode_escape").decode("ascii").replace(" ", "\\x20")
    return value[:limit]


def _tokens_in(record: Record) -> int:
    return record.input_tokens + record.cache_read_tokens + record.cache_write_tokens


def _stamp(unix_ms: int) -> str:
    seconds, milliseconds = divmod(unix_ms, 1000)
    return f"{_second(seconds)}.{milliseconds:03d}Z"


@lru_cache(maxsize=4)  # lines come in order of time: one miss per second
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


WRITERS: Final[Mapping[str, Callable[[Record], bytes]]] = {"text": text_line, "json": json_line}
