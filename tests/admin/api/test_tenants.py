"""Groups, keys, channels and models through the API: real sockets, the real service, SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from fastproxy.admin.api import shapes
from tests.admin.api.control import Api, controlled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

SECRET = "sk-upstream-0123456789abcdef"
DECLARED = {
    "groups": [{"name": "from-file"}],
    "keys": [{"name": "file-key", "key": "sk-of-the-file-0123456789", "group": "from-file"}],
    "channels": [{"name": "openai", "provider": "openai", "keys": [SECRET]}],
    "models": [{"name": "gpt-5", "price": {"input": 1.25, "output": 10}}],
}
NEW: dict[str, dict[str, Any]] = {
    "groups": {"name": "team", "budget": {"amount": 5}, "rpm": 600},
    "keys": {"name": "ci", "group": "from-file", "subnets": ["10.0.0.0/8"], "expires": "2090-01-01"},
    "channels": {"name": "azure", "provider": "openai", "credentials": [{"label": "a", "secret": SECRET}]},
    "models": {"name": "meta/llama-3", "price": {"input": 0.5}},
}
SHOWN: dict[str, tuple[type[BaseModel], type[BaseModel]]] = {
    "groups": (shapes.GroupShown, shapes.GroupPage),
    "keys": (shapes.KeyShown, shapes.KeyPage),
    "channels": (shapes.ChannelShown, shapes.ChannelPage),
    "models": (shapes.ModelShown, shapes.ModelPage),
}
NAMED_BY_FILE = {"groups": "from-file", "keys": "from-file/file-key", "channels": "openai", "models": "gpt-5"}
KINDS = sorted(NEW)
TOLD = ("x-fastproxy-revision", "x-fastproxy-generation", "x-fastproxy-acknowledged")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with controlled(tmp_path_factory.mktemp("control"), DECLARED) as api:
        yield api


@pytest.mark.parametrize("kind", KINDS)
def test_the_life_of_an_object(api: Api, kind: str) -> None:
    one, page = SHOWN[kind]
    made = api.ask("POST", f"/api/{kind}", NEW[kind])
    assert made.status == 201, made.body
    assert made.headers["etag"] == '"1"'
    assert made.headers["x-fastproxy-acknowledged"] == "2/2"
    secret = made.json.pop("secret", None)
    assert (secret is not None) == (kind == "keys")
    place = made.headers["location"]
    assert place == f"/api/{kind}/{made.json['id']}"

    found = api.ask("GET", place)
    assert found.json == {name: value for name, value in made.json.items() if name != "secret"}
    one.model_validate(found.json)
    by_name = f"from-file/{NEW[kind]['name']}" if kind == "keys" else quote(NEW[kind]["name"])
    assert api.ask("GET", f"/api/{kind}/{by_name}").json == found.json

    listed = api.ask("GET", f"/api/{kind}?search={NEW[kind]['name'][:3]}&managed_by=database").json
    page.model_validate(listed)
    assert listed == {"items": [found.json], "total": 1}
    assert SECRET not in str(listed)
    assert secret is None or secret not in str(listed)

    changed = api.ask("PATCH", place, {"note": "changed"}, {"if-match": '"1"'})
    assert (changed.status, changed.headers["etag"], changed.json["note"]) == (200, '"2"', "changed")
    assert int(changed.headers["x-fastproxy-generation"]) > int(made.headers["x-fastproxy-generation"])
    late = api.ask("PATCH", place, {"note": "again"}, {"if-match": '"1"'})
    assert (late.status, late.error["kind"]) == (409, "version")
    assert api.ask("DELETE", place, headers={"if-match": '"1"'}).status == 409

    gone = api.ask("DELETE", place, headers={"if-match": '"2"'})
    assert (gone.status, gone.body) == (204, b"")
    assert set(TOLD) <= set(gone.headers)
    for method in ("GET", "PATCH", "DELETE"):
        reply = api.ask(method, place, {} if method == "PATCH" else None)
        assert (reply.status, reply.error["kind"]) == (404, "not_found")


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_applies_nothing(api: Api, kind: str) -> None:
    before = api.ask("GET", f"/api/{kind}").json
    revision = api.ask("GET", "/api/system/info").json["revision"]
    planned = api.ask("POST", f"/api/{kind}?plan=true", {**NEW[kind], "name": "planned"})
    assert planned.status == 200, planned.body
    shapes.Plan.model_validate(planned.json)
    # the first key of a group that only the file has brings a row for it
    assert (kind, "create") in [(one["kind"], one["action"]) for one in planned.json["differences"]]
    assert "secret" not in planned.json
    assert not set(TOLD) & set(planned.headers)

    made = api.made(f"/api/{kind}", {**NEW[kind], "name": "kept"})
    place = f"/api/{kind}/{made['id']}"
    plan = api.ask("PATCH", f"{place}?plan=true", {"note": "n"}).json
    assert plan["differences"][0]["fields"] == [{"path": "note", "before": "", "after": "n"}]
    assert api.ask("PATCH", f"{place}?plan=true", {}).json["differences"] == []
    assert [one["action"] for one in api.ask("DELETE", f"{place}?plan=true").json["differences"]] == ["remove"]
    assert api.ask("GET", place).json["note"] == ""
    assert api.ask("DELETE", place).status == 204
    assert api.ask("GET", f"/api/{kind}").json == before
    assert api.ask("GET", "/api/system/info").json["revision"] == revision + 2


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_file_declares_is_shown_and_cannot_be_changed(api: Api, kind: str) -> None:
    item = api.ask("GET", f"/api/{kind}").json["items"][0]
    SHOWN[kind][0].model_validate(item)
    assert (item["managed_by"], item["id"], item["version"]) == ("file", None, None)
    assert "fastproxy.yaml:" in item["origin"]
    place = f"/api/{kind}/{quote(NAMED_BY_FILE[kind])}"
    shown = api.ask("GET", place)
    assert shown.json == item
    assert "etag" not in shown.headers
    for method in ("PATCH", "DELETE"):
        reply = api.ask(method, place, {"note": "x"} if method == "PATCH" else None)
        assert (reply.status, reply.error["kind"]) == (409, "managed_by_file")
        assert "fastproxy.yaml:" in reply.error["message"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_is_taken_once(api: Api, kind: str) -> None:
    body = {**NEW[kind], "name": "twice"}
    made = api.made(f"/api/{kind}", body)
    reply = api.ask("POST", f"/api/{kind}", body)
    assert (reply.status, reply.error["kind"]) == (409, "duplicate")
    assert api.ask("DELETE", f"/api/{kind}/{made['id']}").status == 204


BAD: list[tuple[str, object, list[str]]] = [
    ("groups", {}, ["name"]),
    ("groups", {"name": "a/b"}, ["name"]),
    ("groups", {"name": 3, "models": ["a b"], "rpm": 0}, ["models[0]", "name", "rpm"]),
    ("groups", {"name": "g", "budget": {"amount": -1, "period": "yearly"}}, ["budget.amount", "budget.period"]),
    ("groups", {"name": "g", "budgets": {}}, ["budgets"]),
    ("groups", {"name": "g", "id": "x"}, ["id"]),
    ("groups", [], [""]),
    ("groups", "text", [""]),
    ("groups", None, [""]),
    ("groups", b"", [""]),
    ("groups", b"{", [""]),
    ("groups", b"\xff\xfe", [""]),
    ("groups", b"[" * 100_000, [""]),
    ("groups", b'{"name": "g", "rpm": 1' + b"0" * 5000 + b"}", [""]),
    ("groups", b'{"name": "g", "budget": {"amount": NaN}}', ["budget.amount"]),
    ("keys", {"name": "k", "group": "nobody"}, ["group"]),
    ("keys", {"name": "k", "group": "from-file", "subnets": ["10.0.0.0/99", "x"]}, ["subnets[0]", "subnets[1]"]),
    ("keys", {"name": "k", "group": "from-file", "expires": "soon"}, ["expires"]),
    ("keys", {"name": "k", "group": "from-file", "key": "sk-mine"}, ["key"]),
    ("channels", {"name": "c", "provider": "nobody-knows"}, ["base_url"]),
    ("channels", {"name": "c", "provider": "openai", "credentials": [{"label": "a"}]}, ["credentials[0].secret"]),
    ("channels", {"name": "c", "provider": "openai", "base_url": "ftp://x"}, ["base_url"]),
    ("channels", {"name": "c", "provider": "openai", "rename": {"a": 1}}, ["rename.a"]),
    ("models", {"name": "m", "price": {"input": "free", "tea": 1}}, ["price.input", "price.tea"]),
    ("models", {"name": "m", "timeouts": {"total": 0}}, ["timeouts.total"]),
]


@pytest.mark.parametrize(("kind", "body", "paths"), BAD, ids=[f"{kind} {str(body)[:40]}" for kind, body, _ in BAD])
def test_every_fault_of_a_body_is_told_with_its_path(api: Api, kind: str, body: object, paths: list[str]) -> None:
    data = b"null" if body is None else body
    reply = api.ask("POST", f"/api/{kind}", data)
    assert (reply.status, reply.error["kind"]) == (422, "invalid"), reply.body
    assert sorted(reply.paths()) == paths
    shapes.ErrorReply.model_validate(reply.json)
    assert all(field["message"] for field in reply.error["fields"])


@pytest.mark.parametrize(
    ("method", "path", "headers", "paths"),
    [
        ("GET", "/api/groups?page=0", {}, ["page"]),
        ("GET", "/api/groups?page=x&per_page=9999", {}, ["page", "per_page"]),
        ("GET", "/api/keys?serach=x", {}, ["serach"]),
        ("GET", "/api/keys?order=secret", {}, ["order"]),
        ("GET", "/api/models?status=enabled", {}, ["status"]),
        ("POST", "/api/groups?paln=true", {}, ["paln"]),
        ("POST", "/api/groups?plan=perhaps", {}, ["plan"]),
        ("POST", "/api/groups?create_group=true", {}, ["create_group"]),
        ("PATCH", "/api/groups/x", {"if-match": "1"}, ["if-match"]),
        ("PATCH", "/api/groups/x", {"if-match": 'W/"1"'}, ["if-match"]),
        ("PATCH", "/api/groups/x", {"if-match": '"1", "2"'}, ["if-match"]),
        ("GET", "/api/publications/x", {}, ["revision"]),
        ("GET", "/api/publications?limit=0&before=-1", {}, ["before", "limit"]),
    ],
)
def test_so_is_every_fault_of_query_and_header(
    api: Api, method: str, path: str, headers: dict[str, str], paths: list[str]
) -> None:
    body = {"name": "never-made"} if method != "GET" else None
    reply = api.ask(method, path, body, headers)
    assert (reply.status, sorted(reply.paths())) == (422, paths)
    assert api.ask("GET", "/api/groups/never-made").status == 404


def test_a_secret_that_was_sent_is_never_repeated(api: Api) -> None:
    planted = "sk-planted-9876543210"
    for body in (
        {"name": "c", "provider": "openai", "credentials": [{"secret": planted, "labl": planted}], planted: 1},
        {"name": planted * 20, "provider": planted, "credentials": planted},
    ):
        reply = api.ask("POST", "/api/channels", body)
        assert reply.status == 422
        told = str([field["message"] for field in reply.error["fields"]])
        assert planted not in told


def test_a_body_has_a_bound_whether_it_tells_its_length_or_not(api: Api) -> None:
    data = b'{"name": "%s"}' % (b"x" * (1 << 20))
    reply = api.ask("POST", "/api/groups", data)
    assert (reply.status, reply.error["kind"]) == (413, "too_large")
    chunked = api.send_in_pieces("POST", "/api/groups", [data[:1000], data[1000:]])
    assert (chunked.status, chunked.error["kind"]) == (413, "too_large")
    whole = api.send_in_pieces("POST", "/api/groups", [b'{"name": ', b'"in-pieces"}'])
    assert whole.status == 201


def test_lists_have_pages_orders_and_filters(api: Api) -> None:
    made = [api.made("/api/groups", {"name": f"page-{letter}"}) for letter in "bac"]
    api.ask("PATCH", f"/api/groups/{made[0]['id']}", {"status": "disabled"})

    def names(query: str) -> list[str]:
        return [item["name"] for item in api.ask("GET", f"/api/groups?search=page-&{query}").json["items"]]

    assert names("") == ["page-a", "page-b", "page-c"]
    assert names("order=-name") == ["page-c", "page-b", "page-a"]
    assert names("order=created_at") == ["page-b", "page-a", "page-c"]
    assert names("per_page=2&page=2") == ["page-c"]
    assert names("status=disabled") == ["page-b"]
    assert api.ask("GET", "/api/groups?search=page-&per_page=1").json["total"] == 3
    assert api.ask("GET", "/api/groups?search=PAGE-A").json["total"] == 1


def test_if_match_star_means_whatever_there_is(api: Api) -> None:
    made = api.made("/api/groups", {"name": "starred"})
    assert api.ask("PATCH", f"/api/groups/{made['id']}", {"note": "x"}, {"if-match": "*"}).status == 200


def test_a_key_makes_its_group_if_asked_to_and_both_go_together(api: Api) -> None:
    key = api.made("/api/keys?create_group=true", {"name": "first", "group": "made-by-key"})
    shapes.KeyMade.model_validate(key)
    assert key["secret"].startswith(key["prefix"])
    assert api.ask("GET", "/api/keys?group=made-by-key").json["total"] == 1
    refused = api.ask("DELETE", "/api/groups/made-by-key")
    assert (refused.status, refused.error["kind"]) == (409, "in_use")
    plan = api.ask("DELETE", "/api/groups/made-by-key?with_keys=true&plan=true").json
    assert sorted(one["kind"] for one in plan["differences"]) == ["groups", "keys"]
    assert api.ask("DELETE", "/api/groups/made-by-key?with_keys=true").status == 204
    assert api.ask("GET", f"/api/keys/{key['id']}").status == 404


@pytest.mark.parametrize(
    ("body", "has_grace"),
    [(None, True), ({}, True), ({"grace": "1h"}, True), ({"grace": 60}, True), ({"grace": 0}, False)],
)
def test_a_rotated_key_has_another_secret(api: Api, body: object, has_grace: bool) -> None:
    key = api.made("/api/keys", {"name": f"rotated {body}"[:60], "group": "from-file"})
    place = f"/api/keys/{key['id']}"
    assert api.ask("POST", f"{place}/rotate?plan=true", body).json["plan"] is True
    rotated = api.ask("POST", f"{place}/rotate", body, {"if-match": '"1"'})
    assert rotated.status == 200, rotated.body
    assert rotated.json["secret"] not in (key["secret"], None)
    assert (rotated.json["previous_until"] is not None) == has_grace
    assert api.ask("POST", f"{place}/rotate", body, {"if-match": '"1"'}).status == 409


@pytest.mark.parametrize(
    "body", [{"grace": -1}, {"grace": "never"}, {"grace": None}, {"grace": "999d"}, {"graec": 1}, []]
)
def test_a_grace_has_bounds(api: Api, body: object) -> None:
    reply = api.ask("POST", "/api/keys/x/rotate", body)
    assert (reply.status, reply.error["kind"]) == (422, "invalid")


def test_a_channel_keeps_the_credentials_that_are_not_sent_again(api: Api) -> None:
    made = api.made("/api/channels", {**NEW["channels"], "name": "rotating"})
    place = f"/api/channels/{made['id']}"
    patch = {"credentials": [{"label": "a", "status": "disabled"}, {"label": "b", "secret": "sk-second-0123456789"}]}
    changed = api.ask("PATCH", place, patch).json
    assert [(one["label"], one["status"]) for one in changed["credentials"]] == [("a", "disabled"), ("b", "enabled")]
    assert changed["credentials"][0]["id"] == made["credentials"][0]["id"]


def test_what_holds_for_one_model_of_a_group(api: Api) -> None:
    api.made("/api/groups", {"name": "overriding"})
    place = "/api/groups/overriding/models/meta/llama-3"
    assert api.ask("GET", place).status == 404
    assert api.ask("PUT", f"{place}?plan=true", {"rpm": 5}).json["differences"][0]["action"] == "create"
    assert api.ask("GET", place).status == 404
    put = api.ask("PUT", place, {"rpm": 5, "price": {"input": 1}})
    assert (put.status, put.headers["etag"]) == (200, '"1"')
    shapes.GroupModelShown.model_validate(put.json)
    assert api.ask("GET", place).json == put.json
    assert api.ask("PUT", place, {"rpm": 6}, {"if-match": '"7"'}).status == 409
    assert api.ask("PUT", place, {"tpm": -1}).paths() == ["tpm"]
    shapes.GroupModelPage.model_validate(api.ask("GET", "/api/groups/overriding/models").json)
    assert api.ask("DELETE", place).status == 204
    assert api.ask("GET", "/api/groups/overriding/models").json == {"items": [], "total": 0}
    assert api.ask("GET", "/api/groups/nobody/models").status == 404
