"""One record is one line, whatever stands in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from fastproxy.record import COLUMNS, Record
from fastproxy.server.log_lines import LINE_LIMIT, json_line, text_line

if TYPE_CHECKING:
    from collections.abc import Callable

STARTED_MS = 1_795_262_400_123  # 2026-11-21T12:00:00.123Z
TEXTS = tuple(field.name for field in msgspec.structs.fields(Record) if field.type is str)
HOSTILE = {
    "newline": "a\nb",
    "crlf and a forged line": "a\r\n2026-11-21T12:00:00.000Z 200 GET / edge - - 0.1ms in=0 out=0 id=x ip=1.2.3.4",
    "ansi": "\x1b[2J\x1b[31mred\x1b]0;title\x07",
    "nul and bell": "a\x00b\x07",
    "delete": "a\x7fb",
    "c1 control": "a\x9b31mb\x85c",
    "unicode line ends": "a\u2028b\u2029c",
    "direction": "a\u202eb\u2066c",
    "no-break space": "a\u00a0b",
    "tab and vertical tab": "a\tb\vc\fd",
    "quotes": 'a","status":200,"x":"b',
    "backslash": "a\\nb\\",
    "lone surrogate": "a\udcffb",
    "emoji": "a\U0001f600b",
    "forged field": "gpt-5 in=1 out=2 id=mine",
    "long": "x" * 100_000,
    "long and wide": "\U0001f600" * 20_000,
    "long quotes": '"\\' * 20_000,
}


def record(**changes: object) -> Record:
    plain = {"request_id": "01JD", "started_at": STARTED_MS, "status": 200, "duration_ms": 12.34, "entry": "unified"}
    plain |= {"method": "POST", "path": "/v1/chat/completions", "channel": "openai", "model": "gpt-5"}
    plain |= {"input_tokens": 9, "cache_read_tokens": 2, "cache_write_tokens": 1, "output_tokens": 34}
    values = plain | {"client_ip": "::1"} | changes
    return msgspec.convert(tuple(values.get(name, default) for name, default in blank()), Record)


def blank() -> list[tuple[str, object]]:
    return list(zip(Record.__struct_fields__, msgspec.structs.astuple(Record("", 0)), strict=True))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {},
            "2026-11-21T12:00:00.123Z 200 POST /v1/chat/completions unified openai gpt-5 12.3ms in=12 out=34 id=01JD "
            "ip=::1",
        ),
        (
            {"channel": "", "provider": "groq", "model": "", "status": 502, "error_kind": "upstream_failed"},
            "2026-11-21T12:00:00.123Z 502 POST /v1/chat/completions unified groq - 12.3ms in=12 out=34 id=01JD ip=::1 "
            "error=upstream_failed",
        ),
        (
            {"path": "/v1beta/models/m:generateContent?key=secret", "status": 0, "started_at": 5},
            "1970-01-01T00:00:00.005Z 000 POST /v1beta/models/m:generateContent unified openai gpt-5 12.3ms in=12 "
            "out=34 id=01JD ip=::1",
        ),
    ],
    ids=["plain", "error", "query"],
)
def test_text(changes: dict[str, object], expected: str) -> None:
    assert text_line(record(**changes)) == expected.encode() + b"\n"


def test_json_has_every_column_in_order() -> None:
    line = json_line(record(ttft_ms=1.5, path="/x?key=secret"))
    assert b"secret" not in line
    fields = json.loads(line)
    assert tuple(fields) == (*COLUMNS, "method", "path", "entry")
    assert (fields["started_at"], fields["path"], fields["ttft_ms"]) == ("2026-11-21T12:00:00.123Z", "/x", 1.5)
    assert (fields["status"], fields["stream"], fields["output_tokens"]) == (200, False, 34)


@pytest.mark.parametrize("write", [text_line, json_line])
@pytest.mark.parametrize("field", TEXTS)
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_one_record_is_one_line_of_printable_ascii(write: Callable[[Record], bytes], field: str, value: str) -> None:
    line = write(record(**{field: value}))
    assert len(line) <= LINE_LIMIT
    assert line.endswith(b"\n")
    assert all(0x20 <= byte < 0x7F for byte in line[:-1])


@pytest.mark.parametrize("write", [text_line, json_line])
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_also_when_every_value_is_hostile(write: Callable[[Record], bytes], value: str) -> None:
    line = write(record(**dict.fromkeys(TEXTS, value)))
    assert len(line) <= LINE_LIMIT
    assert all(0x20 <= byte < 0x7F for byte in line[:-1])


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_a_value_cannot_forge_a_field_of_a_text_line(value: str) -> None:
    assert text_line(record(model=value)).count(b" ") == text_line(record()).count(b" ")


@pytest.mark.parametrize(("one", "other"), [("a\nb", "a\\nb"), ("a b", "a\\x20b"), ("a\x1bb", "a\\x1bb"), ("", "-x")])
def test_an_escaped_value_is_not_mistaken_for_a_plain_one(one: str, other: str) -> None:
    assert text_line(record(model=one)) != text_line(record(model=other))


@pytest.mark.parametrize("name", [name for name in HOSTILE if "long" not in name])
def test_json_says_exactly_what_was_given(name: str) -> None:
    assert json.loads(json_line(record(user_agent=HOSTILE[name])))["user_agent"] == HOSTILE[name]


def test_a_long_path_is_cut_and_the_rest_is_kept() -> None:
    fields = json.loads(json_line(record(path="/" + "x" * 9000, user_agent="sdk/1")))
    assert fields["path"] == "/" + "x" * 1023
    assert fields["user_agent"] == "sdk/1"
    assert text_line(record(path="/" + "x" * 9000)).split()[3] == b"/" + b"x" * 1023
