"""The books: they add up per key and endpoint, over processes and resets, also when streams are cut."""

from __future__ import annotations

from typing import Any

import pytest

from fastproxy.loadtest.mock_books import ABORTED, COLUMNS, ERRORS, Books, mask
from fastproxy.loadtest.mock_words import NOTHING, Tally
from tests.loadtest.mock_process import BEARER, ask, exchange, request

PATH = "/v1/chat/completions"
CHAT: dict[str, Any] = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}
ONE = Tally(5, 4, 3, 20, 4)


def counts(**some: int) -> dict[str, int]:
    return dict.fromkeys(COLUMNS, 0) | some


def test_rows_add_up_per_key_and_endpoint() -> None:
    books = Books()
    books.add("sk-first-key", "chat", ONE)
    books.add("sk-first-key", "embeddings", Tally(7))
    books.add("sk-other-key", "chat", NOTHING, ERRORS)
    books.add("sk-other-key", "chat", Tally(1, 0, 0, 2), ABORTED)
    first = counts(
        requests=2, input_tokens=12, cache_read_tokens=4, cache_write_tokens=3, output_tokens=20, reasoning_tokens=4
    )
    other = counts(errors=1, aborted=1, input_tokens=1, output_tokens=2)
    totals: Any = books.totals()
    assert totals["keys"] == {mask("sk-first-key"): first, mask("sk-other-key"): other}
    assert totals["endpoints"]["embeddings"] == counts(requests=1, input_tokens=7)
    assert totals["total"] == {name: first[name] + other[name] for name in COLUMNS}


def test_regions_are_added_and_reset_together() -> None:
    books = Books(regions=3)
    for region in range(3):
        books.take(region)
        books.add("k", "chat", ONE)
    assert books.totals()["keys"] == {mask("k"): counts(
        requests=3, input_tokens=15, cache_read_tokens=12, cache_write_tokens=9, output_tokens=60, reasoning_tokens=12
    )}  # fmt: skip
    books.reset()
    assert books.totals() == {"total": counts(), "keys": {}, "endpoints": {}}
    books.add("k", "chat", NOTHING)
    assert books.totals()["total"] == counts(requests=1)


def test_more_rows_than_there_is_room_for_are_counted_together() -> None:
    books = Books()
    for number in range(1500):
        books.add(f"key-number-{number}", "chat", Tally(1))
    totals: Any = books.totals()
    assert (totals["total"]["requests"], totals["total"]["input_tokens"]) == (1500, 1500)
    assert totals["keys"]["(more)"]["requests"] == 1500 - 1023


@pytest.mark.parametrize(("key", "shown"), [("", "-"), ("short", "..."), ("sk-longer-key", "sk-l...")])
def test_a_key_is_never_shown_whole(key: str, shown: str) -> None:
    assert mask(key).startswith(shown)
    assert key == "" or key not in mask(key)


def test_what_is_booked_for_each_kind_of_end(port: int) -> None:
    def send(body: object, **wishes: str) -> None:
        headers = BEARER | {f"x-mock-{name}": value for name, value in wishes.items()}
        exchange(port, request("POST", PATH, body, headers, close=True))

    usage = "input=10,output=4,reasoning=1"
    send(CHAT, usage=usage)
    send(CHAT | {"stream": True}, usage=usage, latency="1")
    send(CHAT | {"stream": True}, usage=usage, fin="3", tokens="8")  # The role and two words went out.
    send(CHAT | {"stream": True}, usage=usage, fin="0")
    send(CHAT, status="500")
    send({"model": "m"})
    books = ask(port, "GET", "/_books").json
    assert books["endpoints"] == {
        "chat/completions": counts(
            requests=2, errors=2, aborted=2, input_tokens=30, output_tokens=10, reasoning_tokens=2
        )
    }
    ask(port, "POST", PATH, CHAT)
    ask(port, "GET", "/nowhere")
    books = ask(port, "GET", "/_books").json
    assert books["keys"]["-"] == counts(errors=2)
    assert books["endpoints"]["(unknown)"] == counts(errors=1)
