"""The cases of tests/corpora: bytes that go in, and what may come of them.

    RequestCase   what a client sends; which answers are right; how many requests the upstream may see (`up`)
    ReplyCase     what an upstream answers; what the client may see of it

`raw` is text of the code points 0-255, one per byte. Placeholders: @P@ the path, @S@ a path that must never be asked
for, @H@ the host, @X@ further field lines, @SLEN@ the length of a smuggled request, @REP:text:n@ a repetition.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parent.parent.parent / "corpora"
SMUGGLED = "GET @S@ HTTP/1.1\r\nHost: @H@\r\n\r\n"
_NAME = re.compile(r"[A-Za-z0-9-]+")
_NEVER_WARM = {"transfer-encoding", "upgrade", "expect"}
_HARMLESS = {"host": "@H@", "content-length": "0", "connection": "keep-alive"}
_REPETITION = re.compile(r"@REP:(.*?):(\d+)@", re.DOTALL)


class RequestCase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`expect` and `rfc_ok` hold statuses, or "close" (without an answer), "hang" and "junk"."""

    id: str
    raw: str
    expect: tuple[int | str, ...]
    kind: str = msgspec.field(name="class")
    up: tuple[int, int]  # fewest and most requests that the upstream may see
    responses: int = 1  # most answers that the client may see
    rfc: str = ""
    note: str = ""
    rfc_ok: tuple[int | str, ...] = ()  # lenient, but allowed: not good enough for us
    drip: int = 0  # bytes per write
    fin: bool = False  # the client shuts its side down after the last byte
    head: bool = False  # the answer has no body
    slow: bool = False  # is answered by a timeout
    must_close: bool = False
    deny_smug: bool = False
    deny_100: bool = False
    deny_up: tuple[str, ...] = ()  # field names that the upstream may not see
    need_up: tuple[str, ...] = ()
    deny_value: tuple[str, ...] = ()  # parts of values that the upstream may not see
    deny_body: tuple[str, ...] = ()  # texts that the answer may not hold
    abs_host: str = ""  # what Host must be if the upstream gets an absolute-form target


class ReplyCase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`expect` and `rfc_ok` hold a status ("502", whole), "200/complete", "200/truncated", "close" or "hang"."""

    id: str
    raw: str
    expect: tuple[str, ...]
    note: str = ""
    rfc_ok: tuple[str, ...] = ()
    ask: str = ""  # the request in full; empty: a GET or `method`
    method: str = "GET"
    early: bool = False  # the upstream answers while the request body is still coming
    drip: bool = False  # the upstream sends byte by byte
    then: str = ""  # what the upstream does next: close, rst, hold, or nothing
    body: str | None = None  # of a complete 200
    slow: bool = False
    sev: bool = False  # a denied field or text is a danger, not only a fault
    no_reuse: bool = False  # the upstream connection may not be used again
    deny_both: bool = False
    deny_head: tuple[str, ...] = ()  # field names that the client may not see
    deny_raw: tuple[str, ...] = ()  # texts that the answer's head may not hold
    deny_next: tuple[str, ...] = ()  # texts that no later answer may hold


Case = TypeVar("Case", RequestCase, ReplyCase)


def load(kind: type[Case], *names: str) -> list[Case]:
    """All cases of these files. Ids must be unique: the upstream is told by them what to answer."""
    lines = [line for name in names for line in (FOLDER / name).read_bytes().splitlines() if line.strip()]
    cases = [msgspec.json.decode(line, type=kind) for line in lines]
    ids = [case.id for case in cases]
    assert len(set(ids)) == len(ids), sorted(name for name in ids if ids.count(name) > 1)
    return cases


def requests() -> list[RequestCase]:
    return load(RequestCase, "bad_requests.jsonl", "more_requests.jsonl")


def replies() -> list[ReplyCase]:
    return load(ReplyCase, "bad_responses.jsonl", "more_responses.jsonl")


def warm_request(raw: str) -> str:
    """A harmless request with the field names of a case, as far as it can have them; empty where it cannot."""
    lines = raw.partition("\r\n\r\n")[0].split("\r\n")[1:]
    names = [line.partition(":")[0].removeprefix("@X@") for line in lines]
    names = ["Host" if name.lower() == "host" else name for name in names]
    lower = [name.lower() for name in names]
    if not 1 <= len(names) <= 40 or lower.count("host") != 1 or set(lower) & _NEVER_WARM:
        return ""
    if not all(_NAME.fullmatch(name) for name in names):
        return ""
    return (
        "GET @P@ HTTP/1.1\r\n" + "".join(f"{name}: {_HARMLESS.get(name.lower(), '1')}\r\n" for name in names) + "\r\n"
    )


def expand(raw: str, words: Mapping[str, str]) -> bytes:
    """The bytes of a case, placeholders replaced."""
    text = _REPETITION.sub(lambda found: found[1] * int(found[2]), raw)
    for placeholder, word in words.items():
        text = text.replace(placeholder, word)
    return text.encode("latin-1")
