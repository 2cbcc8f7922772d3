"""Records through the API: from a real journal, by the real collector, over real sockets."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from fastproxy.admin.api import shapes
from fastproxy.payloads import BODY, END, REPLY, REQUEST, Context, Try, Unusual
from fastproxy.shared.journal import Journal
from tests.admin.api.control import Api, controlled
from tests.admin.ledger.journals import body, end, name_of, numbers
from tests.live.running import until

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = int(time.time() * 1000) - 3_600_000  # what is older than a month is taken by retention
LATER = NOON + 60_000
OTHER = Context(
    "other", "night", "f" * 32, "claude", "claude", "second", "anthropic", "anthropic", "anthropic", "messages",
    "10.0.0.2", "sdk/1",
)  # fmt: skip


def write(journal: Journal) -> None:
    """Five requests, one second apart: 1 to 4 of the team, 5 of another group."""
    for number in (1, 2):
        journal.append(END, end(number, numbers(NOON + 1000 * number)))
    journal.append(BODY, body(3, REQUEST, '{"said": "grüß dich"}'.encode()))
    journal.append(BODY, body(3, REPLY, "grüße".encode()[:4], size=900))
    tries = (Try(1, "main", "openai", "gpt-5-mini", "openai-chat", 503, "upstream_failed", 1500),)
    journal.append(END, end(3, numbers(NOON + 3000, status=500, attempts=2), unusual=Unusual("upstream_failed", tries)))
    journal.append(BODY, body(4, REPLY, b"\xff\xfe\x00"))
    journal.append(END, end(4, numbers(NOON + 4000, status=404, flags=1)))
    journal.append(END, end(5, numbers(LATER), OTHER))


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    place = tmp_path_factory.mktemp("control")
    with controlled(place) as api:
        journal = Journal.claim(str(place / "state" / "journal"), 1 << 20, 1 << 20)
        write(journal)
        until(lambda: len(ids(api)) == 5)
        yield api
        journal.close()


def ids(api: Api, **query: Any) -> list[int]:
    reply = api.ask("GET", f"/api/logs?{urlencode(query)}")
    assert reply.status == 200, reply.body
    shapes.LogPage.model_validate(reply.json)
    return [int(item["request_id"], 16) for item in reply.json["items"]]


def iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [5, 4, 3, 2, 1]),
        ({"limit": 2}, [5, 4]),
        ({"group": "team"}, [4, 3, 2, 1]),
        ({"group": "tea"}, []),
        ({"key": "ci"}, [4, 3, 2, 1]),
        ({"key": "team/ci"}, [4, 3, 2, 1]),
        ({"key": "f" * 32}, [5]),
        ({"model": "claude"}, [5]),
        ({"channel": "main"}, [4, 3, 2, 1]),
        ({"status": "404"}, [4]),
        ({"status": "5xx"}, [3]),
        ({"error_kind": "upstream_failed"}, [3]),
        ({"stream": "true"}, [4]),
        ({"request_id": name_of(2)}, [2]),
        ({"text": "CLAU"}, [5]),
        ({"text": "100%"}, []),
        ({"since": NOON + 3000}, [5, 4, 3]),
        ({"since": iso(NOON + 2000), "until": iso(NOON + 4000)}, [3, 2]),
        ({"group": "team", "until": NOON + 2500}, [2, 1]),
    ],
)
def test_what_filters_find(api: Api, query: dict[str, Any], expected: list[int]) -> None:
    assert ids(api, **query) == expected


def test_pages_follow_the_cursor(api: Api) -> None:
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = api.ask("GET", f"/api/logs?limit=2&cursor={cursor}").json
        seen += [item["request_id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert seen == [name_of(number) for number in (5, 4, 3, 2, 1)]


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("cursor=nonsense", "cursor"),
        ("since=yesterday", "since"),
        ("status=6xx", "status"),
        ("stream=perhaps", "stream"),
        ("grup=team", "grup"),
        (f"text={'x' * 300}", "text"),
        ("model=%00", "model"),
    ],
)
def test_filters_that_make_no_sense(api: Api, query: str, path: str) -> None:
    reply = api.ask("GET", f"/api/logs?{query}")
    assert (reply.status, reply.paths()) == (422, [path])


def test_one_record_has_its_attempts_and_bodies(api: Api) -> None:
    found = api.ask("GET", f"/api/logs/{name_of(3)}").json
    shapes.LogShown.model_validate(found)
    assert (found["status"], found["attempts"], found["input_tokens"]) == (500, 2, 10)
    assert [(one["number"], one["status"], one["error_kind"]) for one in found["earlier_attempts"]] == [
        (1, 503, "upstream_failed")
    ]
    assert found["bodies"] == {
        "request": {"size": 23, "truncated": False, "text": '{"said": "grüß dich"}'},
        "reply": {"size": 900, "truncated": True, "text": "grü"},
    }
    binary = api.ask("GET", f"/api/logs/{name_of(4)}").json
    shapes.LogShown.model_validate(binary)
    assert binary["bodies"]["reply"]["base64"] == "//4A"
    assert api.ask("GET", f"/api/logs/{name_of(1)}").json["bodies"] == {"request": None, "reply": None}


@pytest.mark.parametrize(("name", "status"), [("0" * 32, 404), ("short", 422), ("%00" * 32, 422), ("'" * 32, 422)])
def test_a_request_that_is_not_there(api: Api, name: str, status: int) -> None:
    assert api.ask("GET", f"/api/logs/{name}").status == status


def test_health_and_metrics_tell_how_the_collector_does(api: Api) -> None:
    health = api.ask("GET", "/api/health/detailed").json
    assert (health["collector"]["rows"], health["collector"]["is_collecting"], health["collector"]["error"]) == (
        5,
        True,
        "",
    )
    assert health["collector"]["last_commit"].startswith("20")
    assert health["database"]["ledger"]["status"] == "ok"
    assert b"\nfastproxy_ledger_rows_total 5.0\n" in api.ask("GET", "/metrics").body
