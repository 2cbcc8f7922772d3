"""What a client makes of the bytes that come back: whole answers, interim ones, an unfinished one, and what is left."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_STATUS = re.compile(rb"HTTP/\d\.\d (\d+)")


@dataclass(frozen=True, slots=True)
class Answer:
    """One final answer. `complete` is what its own framing says, or the end of the connection where it has none."""

    status: int
    head: bytes
    fields: dict[bytes, bytes]
    body: bytes
    complete: bool


@dataclass(slots=True)
class Answers:
    """`junk` is what stands behind the last answer."""

    final: list[Answer] = field(default_factory=list)
    interim: list[int] = field(default_factory=list)
    junk: bytes = b""


def read_answers(data: bytes, *, ended: bool, to_head: bool = False) -> Answers:
    """`ended` says that the other side closed in order, which completes an answer without framing."""
    found = Answers(junk=data)
    while found.junk:
        head, mark, rest = found.junk.partition(b"\r\n\r\n")
        match = _STATUS.match(head)
        if not mark or match is None:
            return found
        status = int(match[1])
        found.junk = rest
        if 100 <= status < 200 and status != 101:
            found.interim.append(status)
            continue
        fields = _fields(head)
        body, found.junk, complete = _body(status, fields, rest, ended=ended, to_head=to_head)
        found.final.append(Answer(status, head + b"\r\n", fields, body, complete))
        if not complete:
            return found
    return found


def _fields(head: bytes) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        fields.setdefault(name.strip().lower(), value.strip())
    return fields


def _body(
    status: int, fields: dict[bytes, bytes], rest: bytes, *, ended: bool, to_head: bool
) -> tuple[bytes, bytes, bool]:
    """Body, what follows it, and whether it is whole."""
    if to_head or status in (204, 304, 101):
        return b"", rest, True
    if fields.get(b"transfer-encoding", b"").lower() == b"chunked":
        return _chunked(rest)
    if b"content-length" in fields:
        length = int(fields[b"content-length"])
        return rest[:length], rest[length:], len(rest) >= length
    return rest, b"", ended


def _chunked(rest: bytes) -> tuple[bytes, bytes, bool]:
    body = b""
    while True:
        size, mark, behind = rest.partition(b"\r\n")
        if not mark:
            return body, b"", False
        length = int(size, 16)
        if not length:
            return body, behind[2:], behind[:2] == b"\r\n"
        body += behind[:length]
        if behind[length : length + 2] != b"\r\n":
            return body, b"", False
        rest = behind[length + 2 :]
