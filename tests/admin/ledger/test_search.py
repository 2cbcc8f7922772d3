from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fastproxy.admin.ledger.search import BadFilter, Filters, Found, one, search
from fastproxy.payloads import BODY, END, Context, Try, Unusual
from tests.admin.ledger.books import everything
from tests.admin.ledger.journals import CONTEXT, NOON, Room, body, end, name_of, numbers

if TYPE_CHECKING:
    from fastproxy.admin.store.engine import Store
    from tests.admin.ledger.conftest import Play

KEY_ID = "c" * 32
COLUMNS = (
    "request_id started_at group key_name model upstream_model channel provider client_format upstream_format operation"
    " stream status error_kind attempts input_tokens cache_read_tokens cache_write_tokens output_tokens"
    " reasoning_tokens estimated cost_usd ttft_ms duration_ms gateway_us bytes_in bytes_out client_ip user_agent key_id"
    " node"
)


async def fill(store: Store) -> None:
    room = Room()
    journal = room.add("0")
    other = Context("other", "ci", KEY_ID, "claude_4%", channel="spare", user_agent="Anthropic/Python")
    tries = Unusual("upstream_timeout", (Try(1, "main", "openai", "m", "openai-chat", 0, "timeout", 2500),))
    for row in (
        end(1), end(2, numbers(NOON + 1, status=404), other), end(3, numbers(NOON + 2, status=429, flags=1)),
        end(4, numbers(NOON + 3, status=0, attempts=2), CONTEXT, tries), end(5, numbers(NOON + 3)),
    ):  # fmt: skip
        journal.append(END, row)
    journal.append(BODY, body(4, 1, b"data: {}", 99))
    await everything(room.collector(store))


def ids(found: Found) -> list[int]:
    return [int(item["request_id"], 16) for item in found.items]


FILTERS: tuple[tuple[dict[str, Any], list[int]], ...] = (
    ({}, [5, 4, 3, 2, 1]),
    ({"since": NOON + 2}, [5, 4, 3]),
    ({"until": NOON + 2}, [2, 1]),
    ({"since": NOON + 1, "until": NOON + 3}, [3, 2]),
    ({"group": "other"}, [2]),
    ({"group": ""}, []),
    ({"key": KEY_ID}, [2]),
    ({"key": "ci"}, [5, 4, 3, 2, 1]),
    ({"key": "team/ci"}, [5, 4, 3, 1]),
    ({"model": "claude_4%"}, [2]),
    ({"channel": "main"}, [5, 4, 3, 1]),
    ({"status": "429"}, [3]),
    ({"status": "4xx"}, [3, 2]),
    ({"status": "0"}, [4]),
    ({"request_id": name_of(3)}, [3]),
    ({"stream": True}, [3]),
    ({"stream": False, "status": "2xx"}, [5, 1]),
    ({"error_kind": "upstream_timeout"}, [4]),
    ({"error_kind": ""}, [5, 3, 2, 1]),
    ({"text": "anthropic/py"}, [2]),
    ({"text": "E_4%"}, [2]),
    ({"text": "e%4"}, []),
    ({"text": "TIMEOUT"}, [4]),
    ({"text": "' OR 1=1 --"}, []),
    ({"model": "' OR 1=1 --"}, []),
)


def test_filters(play: Play) -> None:
    async def scene(store: Store) -> None:
        await fill(store)
        for filters, expected in FILTERS:
            found = await search(store.ledger, Filters(**filters))
            assert (filters, ids(found), found.next_cursor) == (filters, expected, None)

    play(scene)


def test_items_have_the_names_of_the_columns(play: Play) -> None:
    async def scene(store: Store) -> None:
        await fill(store)
        [item] = (await search(store.ledger, Filters(), limit=1)).items
        assert list(item) == COLUMNS.split()
        assert item["stream"] is False

    play(scene)


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_pages_cover_everything_once_while_rows_come(play: Play, limit: int) -> None:
    async def scene(store: Store) -> None:
        await fill(store)
        seen: list[int] = []
        cursor: str | None = ""
        number = 100
        while cursor is not None:
            page = await search(store.ledger, Filters(), cursor=cursor, limit=limit)
            seen += ids(page)
            cursor = page.next_cursor
            room = Room()
            room.add(str(number)).append(END, end(number, numbers(NOON + 10)))
            await everything(room.collector(store))
            number += 1
        assert seen == [5, 4, 3, 2, 1]

    play(scene)


def test_one_shows_what_hangs_on_it(play: Play) -> None:
    async def scene(store: Store) -> None:
        await fill(store)
        found = await one(store.ledger, name_of(4))
        assert found is not None
        assert found["earlier_attempts"] == [
            {
                "number": 1, "channel": "main", "provider": "openai", "upstream_model": "m",
                "upstream_format": "openai-chat", "status": 0, "error_kind": "timeout", "duration_ms": 2.5,
            }
        ]  # fmt: skip
        assert found["bodies"] == {"request": None, "reply": {"data": b"data: {}", "size": 99, "truncated": True}}
        plain = await one(store.ledger, name_of(1))
        assert plain is not None
        assert (plain["earlier_attempts"], plain["bodies"]) == ([], {"request": None, "reply": None})
        assert await one(store.ledger, name_of(77)) is None

    play(scene)


REFUSED: tuple[tuple[dict[str, Any], dict[str, Any], str], ...] = (
    ({"status": "teapot"}, {}, "status: expected a number or a class such as 4xx, not 'teapot'"),
    ({"status": "6xx"}, {}, "status: expected a number or a class such as 4xx, not '6xx'"),
    ({"text": "a\0b"}, {}, "text: holds a character that no record has"),
    ({"model": "\ud800"}, {}, "model: holds a character that no record has"),
    ({"key": "k" * 300}, {}, "key: expected at most 256 characters, not 300"),
    ({"since": -1}, {}, "since: expected a time after 1970, not -1 ms"),
    ({"until": 1 << 60}, {}, f"until: expected a time after 1970, not {1 << 60} ms"),
    *(
        ({}, {"cursor": cursor}, "cursor: expected next_cursor of an earlier page")
        for cursor in ("x", "!!!", "MTIz", "é", "A" * 5000, "MS4x")
    ),
    *(({}, {"limit": limit}, f"limit: expected 1 to 1000, not {limit}") for limit in (0, -1, 1001)),
)


def test_what_no_row_can_meet_is_refused(play: Play) -> None:
    async def scene(store: Store) -> None:
        for filters, place, told in REFUSED:
            with pytest.raises(BadFilter) as caught:
                await search(store.ledger, Filters(**filters), **place)
            assert str(caught.value) == told

    play(scene)
