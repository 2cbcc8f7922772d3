"""Looking records up: newest first, by keyset, so that page 1,000 costs as much as page 1 and new rows shift nothing.

    search(engine, Filters(...), cursor="", limit=50) → Found(items, next_cursor)
    one(engine, request_id) → a record with its attempts and bodies, or None

A cursor is the place of the last row (time and id); whoever invents one gets rows from that place, nothing else. Items
have the names of the columns of `records`. Every value is a bound parameter, and % and _ in a text mean themselves.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, or_, select, tuple_

from fastproxy.admin.store.ledger_tables import attempts, bodies, records
from fastproxy.payloads import REQUEST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

MAX_LIMIT: Final = 1000
MAX_TEXT: Final = 256  # what is stored is not longer
_CURSOR: Final = re.compile(r"([0-9]{1,15})\.([0-9a-zA-Z]{32})")
_ID: Final = re.compile(r"[0-9a-f]{32}")
_STATUS: Final = re.compile(r"([0-9]{1,5})|([1-5])xx")
_SEARCHED: Final = tuple(
    records.c[name] for name in ("model", "upstream_model", "key_name", "user_agent", "error_kind", "channel")
)


class BadFilter(ValueError):
    """`name`: the filter; the text says what is expected and what was seen."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name
        self.text = text


@dataclass(frozen=True, slots=True)
class Filters:
    """None, and "" where a text is looked for: any. Times are Unix milliseconds, since <= started_at < until.

    `key`: a key's id, its name, or group/name. `status`: "404", or a class, "4xx"; "0": no status was sent.
    `text`: a part of the model, the channel, the key's name, the user agent or the kind of error, in any case.
    """

    since: int | None = None
    until: int | None = None
    group: str | None = None
    key: str | None = None
    model: str | None = None
    channel: str | None = None
    status: str | None = None
    request_id: str | None = None
    stream: bool | None = None
    error_kind: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """`next_cursor` is None on the last page."""

    items: list[dict[str, Any]]
    next_cursor: str | None


async def search(engine: AsyncEngine, filters: Filters, *, cursor: str = "", limit: int = 50) -> Found:
    """One page. Raises: BadFilter; what the driver does."""
    if not 1 <= limit <= MAX_LIMIT:
        raise BadFilter("limit", f"expected 1 to {MAX_LIMIT}, not {limit}")
    conditions = _conditions(filters)
    place = tuple_(records.c.started_at, records.c.request_id)
    if cursor:
        conditions.append(place < tuple_(*_read_cursor(cursor)))
    newest = (records.c.started_at.desc(), records.c.request_id.desc())
    query = select(records).where(*conditions).order_by(*newest).limit(limit + 1)
    async with engine.connect() as conn:
        rows = [_item(row) for row in (await conn.execute(query)).mappings()]
    is_last = len(rows) <= limit
    return Found(rows[:limit], None if is_last else _make_cursor(rows[limit - 1]))


async def one(engine: AsyncEngine, request_id: str) -> dict[str, Any] | None:
    """A record as in `search`, with `earlier_attempts` (a list, oldest first) and `bodies`: under `request` and `reply`
    {"data": bytes, "size": of the whole, "truncated": bool}, or None. Raises: what the driver does.
    """
    async with engine.connect() as conn:
        row = (await conn.execute(select(records).where(records.c.request_id == request_id))).mappings().one_or_none()
        if row is None:
            return None
        return {
            **_item(row),
            "earlier_attempts": await _attempts(conn, request_id),
            "bodies": await _bodies(conn, request_id),
        }


async def _attempts(conn: AsyncConnection, request_id: str) -> list[dict[str, Any]]:
    query = select(attempts).where(attempts.c.request_id == request_id).order_by(attempts.c.number)
    shown = [column.name for column in attempts.columns if column.name not in ("request_id", "started_at")]
    return [{name: row[name] for name in shown} for row in (await conn.execute(query)).mappings()]


async def _bodies(conn: AsyncConnection, request_id: str) -> dict[str, dict[str, Any] | None]:
    found: dict[str, dict[str, Any] | None] = {"request": None, "reply": None}
    for row in (await conn.execute(select(bodies).where(bodies.c.request_id == request_id))).mappings():
        shown = {"data": row["data"], "size": row["size"], "truncated": row["truncated"]}
        found["request" if row["side"] == REQUEST else "reply"] = shown
    return found


def _item(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in row.items()}


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    c = records.c
    found: list[ColumnElement[bool]] = []
    if filters.since is not None:
        found.append(c.started_at >= _moment("since", filters.since))
    if filters.until is not None:
        found.append(c.started_at < _moment("until", filters.until))
    for name in ("group", "model", "channel", "request_id", "stream", "error_kind"):
        value = getattr(filters, name)
        if value is not None:
            found.append(c[name] == (value if isinstance(value, bool) else _clean(name, value)))
    if filters.key is not None:
        found.append(_of_key(_clean("key", filters.key)))
    if filters.status is not None:
        found.append(_of_status(filters.status))
    if filters.text:
        text = _clean("text", filters.text)
        found.append(or_(*(column.icontains(text, autoescape=True) for column in _SEARCHED)))
    return found


def _of_key(key: str) -> ColumnElement[bool]:
    c = records.c
    if _ID.fullmatch(key):
        return c.key_id == key
    group, slash, name = key.partition("/")
    return and_(c.group == group, c.key_name == name) if slash else c.key_name == key


def _of_status(status: str) -> ColumnElement[bool]:
    found = _STATUS.fullmatch(status)
    if found is None:
        raise BadFilter("status", f"expected a number or a class such as 4xx, not {status[:20]!r}")
    exact, first = found.groups()
    if exact is not None:
        return records.c.status == int(exact)
    return records.c.status.between(int(first) * 100, int(first) * 100 + 99)


def _moment(name: str, at: int) -> int:
    if not 0 <= at < 1 << 53:
        raise BadFilter(name, f"expected a time after 1970, not {at} ms")
    return at


def _clean(name: str, text: str) -> str:
    """A text that a database can compare with; no stored one has what is refused here."""
    if len(text) > MAX_TEXT:
        raise BadFilter(name, f"expected at most {MAX_TEXT} characters, not {len(text)}")
    if "\0" in text or (not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)):
        raise BadFilter(name, "holds a character that no record has")
    return text


def _make_cursor(item: Mapping[str, Any]) -> str:
    return urlsafe_b64encode(f"{item['started_at']}.{item['request_id']}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[int, str]:
    try:
        place = urlsafe_b64decode(cursor[:100] + "=" * (-len(cursor[:100]) % 4)).decode("ascii")
    except ValueError:
        place = ""
    found = _CURSOR.fullmatch(place)
    if found is None:
        raise BadFilter("cursor", "expected next_cursor of an earlier page")
    return int(found[1]), found[2]
