"""Who asks: every place in which a key may come, and every reason why a known one is refused."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from fastproxy.gateway import identify as identify_module
from fastproxy.gateway.identify import credentials_in, without_query_key
from fastproxy.snapshot import GroupSpec, KeySpec
from fastproxy.wire.request_head import HeadLimits, parse_request
from tests.gateway.gateway_stage import json_of, status_of
from tests.gateway.keyed_stage import Keyed, request, speaker, spec

if TYPE_CHECKING:
    from fastproxy.record import Record

KEY = "sk-fp-one"
NOW = 1_800_000_000.0
PLACES = {
    "bearer": ("", "Authorization: Bearer sk-fp-one"),
    "bearer, as some write it": ("", "authorization:  bEARER   sk-fp-one "),
    "bare": ("", "Authorization: sk-fp-one"),
    "x-api-key": ("", "X-Api-Key: sk-fp-one"),
    "x-api-key with bearer": ("", "x-api-key: Bearer sk-fp-one"),
    "api-key": ("", "api-key: sk-fp-one"),
    "x-goog-api-key": ("", "x-goog-api-key: sk-fp-one"),
    "x-openai-api-key": ("", "X-OpenAI-Api-Key: sk-fp-one"),
    "?key": ("?key=sk-fp-one", ""),
    "?access_token": ("?access_token=sk-fp-one", ""),
    "?api_key": ("?alt=json&api_key=sk-fp-one", ""),
    "?apikey": ("?apikey=sk%2Dfp-one&alt=json", ""),
    "?key, hidden": ("?k%65y=sk-fp-one", ""),
    "twice the same": ("?key=sk-fp-one", "x-api-key: sk-fp-one"),
}
CHAT = "/v1/chat/completions"


def lines(*given: str) -> tuple[str, ...]:
    return tuple(line for line in given if line)


@pytest.mark.parametrize("place", PLACES)
def test_a_key_is_found_wherever_it_comes_and_stays_here(place: str) -> None:
    query, field = PLACES[place]
    gateway = Keyed(keys=(spec(KEY),))
    records: list[Record] = []
    gateway.world.log = records.append
    assert status_of(gateway.ask(request(CHAT + query, *lines(field)))) == 200
    assert b"fp-one" not in gateway.sent
    assert b"authorization: Bearer sk-openai\r\n" in gateway.sent
    (record,) = records
    assert (record.key_name, record.group, record.path) == (KEY, "team", CHAT)
    assert str(record).count("fp-one") == 1


@pytest.mark.parametrize("place", PLACES)
def test_with_require_key_a_key_stays_here_on_transparent_paths_too(place: str) -> None:
    query, field = PLACES[place]
    channels = (speaker("mine"),)
    bases = {"openai": channels[0].base_url}
    gateway = Keyed(*channels, keys=(spec(KEY),), passthrough="require-key", provider_bases=bases)
    assert status_of(gateway.ask(request("/openai/v1/anything" + query, *lines(field)))) == 200
    assert b"fp-one" not in gateway.sent
    assert b"authorization: Bearer sk-mine\r\n" in gateway.sent


@pytest.mark.parametrize(
    ("query", "fields", "status", "text"),
    [
        ("", (), 401, "no key was sent"),
        ("", ("Authorization: Basic c2stZnAtb25l",), 401, "no key was sent"),
        ("", ("Authorization: fp-one",), 401, "no key was sent"),
        ("?keys=sk-fp-one&xkey=sk-fp-one", (), 401, "no key was sent"),
        ("?key=", (), 401, "no key was sent"),
        ("", ("Authorization: Bearer sk-fp-onf",), 401, "the key is not known here"),
        ("", ("Authorization: Bearer sk-fp-on",), 401, "the key is not known here"),
        ("", ("Authorization: Bearer sk-fp-one ", "x-openai-api-key: other"), 400, "two different credentials"),
        ("?key=other", ("Authorization: Bearer sk-fp-one",), 400, "two different credentials"),
        ("?key=sk-fp-one&api_key=other", (), 400, "two different credentials"),
        ("?key=sk-fp-one&key=other", (), 400, "two different credentials"),
        ("", ("x-api-key: sk-fp-one", "x-api-key: sk-fp-one"), 400, "more than one credential of a kind"),
        ("", ("x-openai-api-key: a", "x-openai-api-key: b"), 400, "more than one credential of a kind"),
        ("", ("x_openai_api_key: sk-fp-one",), 400, "imitates another with an underscore"),
    ],
)  # fmt: skip
def test_what_is_no_key_of_ours(query: str, fields: tuple[str, ...], status: int, text: str) -> None:
    gateway = Keyed(keys=(spec(KEY),))
    reply = gateway.ask(request(CHAT + query, *fields))
    assert status_of(reply) == status
    assert text.encode() in reply
    assert gateway.sent == b""


REFUSALS: dict[str, tuple[dict[str, Any], dict[str, Any], int, str]] = {
    # what the key says, what its group says → status, text
    "unknown": ({"until": int(NOW * 1000) - 1}, {}, 401, "the key is not known here"),
    "replaced, disabled": ({"until": 1, "status": "disabled"}, {}, 401, "the key is not known here"),
    "disabled": ({"status": "disabled"}, {}, 403, "the key is disabled"),
    "disabled, both": ({"status": "disabled"}, {"status": "disabled"}, 403, "the key is disabled"),
    "disabled, expired": ({"status": "disabled", "expires": 1.0}, {}, 403, "the key is disabled"),
    "group disabled": ({}, {"status": "disabled"}, 403, "the group of the key is disabled"),
    "a status of tomorrow": ({"status": "dormant"}, {}, 403, "the key is disabled"),
    "expired": ({"expires": NOW - 1}, {}, 403, "the key has expired"),
    "expired, elsewhere": ({"expires": NOW - 1, "subnets": ("10.0.0.0/8",)}, {}, 403, "the key has expired"),
    "elsewhere": ({"subnets": ("10.0.0.0/8", "::/64")}, {}, 403, "may not be used from this address"),
    "elsewhere, other model": (
        {"subnets": ("10.0.0.0/8",), "models": ("gpt-*",)}, {}, 403, "may not be used from this address",
    ),
    "model": ({"models": ("gpt-*", "o3")}, {}, 403, "the key may not use model 'm'"),
    "model of the group": ({}, {"models": ("gpt-*",)}, 403, "the key may not use model 'm'"),
    "model of the key, not of the group": ({"models": ("m",)}, {"models": ("g*",)}, 403, "may not use model 'm'"),
    "model of the group, not of the key": ({"models": ("g*",)}, {"models": ("m",)}, 403, "may not use model 'm'"),
    "no model": ({"models": ()}, {}, 403, "the key may not use model 'm'"),
    "sets": ({"sets": ("gold",)}, {}, 404, "model 'm' has no channel"),
    "sets of the group": ({}, {"sets": ("gold",)}, 404, "model 'm' has no channel"),
}  # fmt: skip
PATHS = {
    "openai-chat": "/v1/chat/completions",
    "openai-responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/m:generateContent",
}


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock:
        time = staticmethod(lambda: NOW)

    monkeypatch.setattr(identify_module, "time", Clock)


@pytest.mark.parametrize("wire_format", PATHS)
@pytest.mark.parametrize("reason", REFUSALS)
def test_a_known_key_is_refused_in_the_format_of_its_client(reason: str, wire_format: str) -> None:
    of_key, of_group, status, text = REFUSALS[reason]
    gateway = Keyed(speaker("c", "m"), keys=(spec(KEY, **of_key),))
    gateway.group(GroupSpec("team", **of_group))
    reply = gateway.ask(request(PATHS[wire_format], f"Authorization: Bearer {KEY}"))
    assert (status_of(reply), gateway.sent) == (status, b"")
    told = json_of(reply)
    assert text in told["error"]["message"]
    assert _is_of_format(told, wire_format, status)


def _is_of_format(told: dict[str, Any], wire_format: str, status: int) -> bool:
    if wire_format == "anthropic":
        return bool(told["type"] == "error" and told["error"]["type"])
    if wire_format == "gemini":
        return bool(told["error"]["code"] == status and told["error"]["status"])
    return set(told["error"]) >= {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("of_key", "of_group"),
    [
        ({"expires": NOW + 1}, {}),
        ({"until": int(NOW * 1000) + 1}, {}),
        ({"subnets": ("10.0.0.0/8", "127.0.0.0/8")}, {}),
        ({"subnets": ("127.0.0.1/32",), "expires": NOW + 1, "models": ("m",), "sets": ("default",)}, {}),
        ({"models": ("*",)}, {"models": ("m",)}),
        ({"models": ("gpt-*", "m*")}, {"models": ("*m",)}),
        ({"sets": ("default",)}, {"sets": ("gold",)}),
    ],
)
def test_a_known_key_may_pass(of_key: dict[str, Any], of_group: dict[str, Any]) -> None:
    gateway = Keyed(speaker("c"), keys=(spec(KEY, **of_key),))
    gateway.group(GroupSpec("team", **of_group))
    assert status_of(gateway.ask(request(CHAT, f"Authorization: Bearer {KEY}"))) == 200


def test_a_group_that_cannot_be_read_opened_its_keys() -> None:
    """Nobody knows what it would forbid."""
    gateway = Keyed(keys=(KeySpec("lost", spec("lost").digest, "nowhere"),))
    reply = gateway.ask(request(CHAT, "Authorization: Bearer lost"))
    assert status_of(reply) == 403
    assert "group of the key is disabled" in json_of(reply)["error"]["message"]


def test_a_request_goes_on_with_the_proxys_word_on_its_address() -> None:
    """The subnet of a key, and the record, see the same address."""
    gateway = Keyed(keys=(spec(KEY, subnets=("198.51.100.0/24",)),), trusted_proxies=("127.0.0.1/32", "10.0.0.0/8"))
    records: list[Record] = []
    gateway.world.log = records.append
    asked = [("198.51.100.7", 200), ("1.2.3.4, 198.51.100.8, 10.0.0.1", 200), ("198.51.100.7, 1.2.3.4", 403)]
    for said, status in asked:
        sent = request(CHAT, f"Authorization: Bearer {KEY}", f"X-Forwarded-For: {said}")
        assert status_of(gateway.ask(sent)) == status
    assert status_of(gateway.ask(request(CHAT, f"Authorization: Bearer {KEY}"))) == 403
    shown = ["198.51.100.7", "198.51.100.8", "1.2.3.4", "127.0.0.1"]
    assert [record.client_ip for record in records] == shown


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        (b"/v1/x", b"/v1/x"),
        (b"/v1/x?alt=sse", b"/v1/x?alt=sse"),
        (b"/v1/x?key=a", b"/v1/x"),
        (b"/v1/x?alt=sse&key=a&b", b"/v1/x?alt=sse&b"),
        (b"/v1/x?access_token=a&api_key=b&apikey=c&api%5Fkey=d&monkey=e", b"/v1/x?monkey=e"),
        (b"/v1/api_key=x?", b"/v1/api_key=x?"),
    ],
)
def test_without_query_key(target: bytes, kept: bytes) -> None:
    assert without_query_key(target) == kept


def test_all_credentials_of_a_head_are_known_to_whoever_hides_them() -> None:
    text = (
        b"GET /v1/x?key=q&api_key=p HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a\r\nx-api-key: Bearer b\r\n"
        b"api-key: c\r\nx-openai-api-key: d\r\nSec-WebSocket-Protocol: realtime, openai-insecure-api-key.e\r\n\r\n"
    )
    found = credentials_in(parse_request(text, HeadLimits()))
    assert found == {b"q", b"p", b"a", b"b", b"c", b"d", b"e"}
    assert credentials_in(parse_request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", HeadLimits())) == set()


def test_the_clock_is_asked_only_for_keys_that_may_end(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    class Clock:
        @staticmethod
        def time() -> float:
            asked.append(time.time())
            return NOW

    monkeypatch.setattr(identify_module, "time", Clock)
    gateway = Keyed(keys=(spec("plain"), spec("ending", expires=NOW + 1)))
    gateway.ask(request(CHAT, "Authorization: Bearer plain"))
    assert asked == []
    gateway.ask(request(CHAT, "Authorization: Bearer ending"))
    assert len(asked) == 1


def test_a_key_is_not_called_unknown_before_the_database_was_read() -> None:
    gateway = Keyed(keys=(spec("k1"),), is_unread=True)
    assert status_of(gateway.ask(request("/v1/chat/completions", "Authorization: Bearer k1"))) == 200
    refused = gateway.ask(request("/v1/chat/completions", "Authorization: Bearer k2"))
    assert status_of(refused) == 503
    assert b"retry-after: 1\r\n" in refused
