"""The book of keys: what is found, what is kept of it, and whom a change disturbs."""

from __future__ import annotations

import gc
import logging
import os
from ipaddress import ip_network
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from fastproxy.gateway.keybook import MAX_KEYS, KeyBook, compiled
from fastproxy.gateway.owner import shelf_key
from fastproxy.shared.register import Register
from fastproxy.shared.register_file import REMEMBERED
from fastproxy.snapshot import GroupSpec, KeySpec, Snapshot, digest, entry_name_of_group, pack_group, pack_key
from tests.gateway.gateway_stage import SECRET, json_of, status_of
from tests.gateway.keyed_stage import ANSWERED, Keyed, request, spec
from tests.gateway.translating_stage import Translating
from tests.wire.fakes import wire_of
from tests.wire.stage import exchange

if TYPE_CHECKING:
    from fastproxy.gateway.asker import Asker
    from fastproxy.gateway.table import Key

LANE_AFTER = 40  # requests, more than it takes to lay one
CHANGED = dict[str, Any]


def opened(*keys: KeySpec, groups: tuple[GroupSpec, ...] = (GroupSpec("team"),), **more: Any) -> KeyBook:
    """A book over a register with these."""
    register = Register.in_memory()
    book = KeyBook(register)
    book.use(Snapshot(SECRET, "stage", {}, **more))
    put(book, *keys, *groups)
    book.look()
    return book


def put(book: KeyBook, *specs: KeySpec | GroupSpec) -> None:
    entries = [
        (each.digest, pack_key(each)) if isinstance(each, KeySpec) else (name_of(each.name), pack_group(each))
        for each in specs
    ]
    book._register.apply(entries)


def name_of(group: str) -> bytes:
    return entry_name_of_group(SECRET, group)


def found(book: KeyBook, name: str) -> Key:
    key = book.find(digest(SECRET, name.encode()))
    assert key is not None
    return key


def test_a_key_is_compiled_with_its_group() -> None:
    book = opened(
        spec("a", id="7", models=("m*",), subnets=("10.0.0.0/8",), expires=50.0, until=20_000, lossy="strict"),
        groups=(GroupSpec("team", models=("mm", "n"), sets=("gold", "silver")),),
    )
    key = found(book, "a")
    assert (key.name, key.group, key.id, key.lossy) == ("a", "team", "7", "strict")
    assert (key.subnets, key.expires, key.until) == ((ip_network("10.0.0.0/8"),), 20.0, 20.0)
    assert key.models is not None
    assert [model for model in ("mm", "m", "n") if model in key.models] == ["mm"]
    assert (key.sets, key.disabled, key.is_plain) == (frozenset(("gold", "silver")), "", False)
    assert found(book, "a") is key


@pytest.mark.parametrize(
    ("of_key", "of_group", "plain", "disabled", "sets"),
    [
        ({}, {}, True, "", {"default"}),
        ({"sets": ("gold",)}, {"sets": ("silver",)}, True, "", {"gold"}),
        ({"status": "disabled"}, {}, False, "key", {"default"}),
        ({}, {"status": "disabled"}, False, "group", {"default"}),
        ({"expires": 9e9}, {}, False, "", {"default"}),
        ({"until": 1}, {}, False, "", {"default"}),
        ({"subnets": ("::/0",)}, {}, False, "", {"default"}),
    ],
)
def test_what_is_to_be_checked(of_key: CHANGED, of_group: CHANGED, plain: bool, disabled: str, sets: set[str]) -> None:
    key = found(opened(spec("a", **of_key), groups=(GroupSpec("team", **of_group),)), "a")
    assert (key.is_plain, key.disabled, key.sets) == (plain, disabled, frozenset(sets))
    assert key.models is None


def test_keys_of_a_snapshot_need_no_register() -> None:
    book = KeyBook(Register.in_memory())
    groups = (GroupSpec("other", models=("m",)),)
    book.use(Snapshot(SECRET, "x", {}, keys=(spec("a"), KeySpec("b", digest(SECRET, b"b"), "other")), groups=groups))
    assert found(book, "a").models is None
    assert found(book, "b").models is not None
    assert book.find(digest(SECRET, b"c")) is None


@pytest.mark.parametrize(
    "entry", [b"", b"k", b"k\1", b"k\1\xc1", b"k\2" + pack_key(spec("a"))[2:], pack_group(GroupSpec("team")),
              pack_key(spec("a", subnets=("10.0.0.0/99",)))],
)  # fmt: skip
def test_an_entry_that_cannot_be_read_is_no_key(entry: bytes, caplog: pytest.LogCaptureFixture) -> None:
    book = opened()
    book._register.apply([(digest(SECRET, b"a"), entry)])
    book.look()
    with caplog.at_level(logging.ERROR, "fastproxy"):
        assert [book.find(digest(SECRET, b"a")) for _ in range(3)] == [None] * 3
    (record,) = caplog.records  # not one for each request
    assert record.message.startswith("a key of the register cannot be used: ")


@pytest.mark.timeout(60)
def test_a_flood_of_unknown_keys_is_kept_nowhere() -> None:
    book = opened(spec("a"))
    found(book, "a")
    for _ in range(100_000):
        assert book.find(os.urandom(16)) is None
    assert (len(book._kept), len(book._in_hand)) == (1, 1)


@pytest.mark.timeout(60)
def test_more_keys_than_are_kept() -> None:
    keys = [spec(f"k{number}") for number in range(MAX_KEYS + 1000)]
    book = opened(*keys)
    in_hand = found(book, "k0")
    for key in keys:
        found(book, key.name)
    assert (len(book._kept), len(book._in_hand)) == (MAX_KEYS, MAX_KEYS + 1)
    assert found(book, "k0") is in_hand
    put(book, spec("k0", status="disabled"))
    assert book.look()
    assert found(book, "k0").disabled == "key"


# --- changes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hold", [True, False], ids=["in hand", "kept only"])
@pytest.mark.parametrize(
    ("change", "is_dropped"),
    [
        ((), False),
        ((spec("b"),), False),
        ((spec("c", status="disabled"), GroupSpec("other", status="disabled")), False),
        ((spec("a", status="disabled"),), True),
        ((GroupSpec("team", models=("m",)),), True),
        ((spec("b"), spec("b", expires=1.0), spec("a", expires=2.0)), True),
    ],
)
def test_only_who_uses_what_has_changed_is_disturbed(
    change: tuple[KeySpec | GroupSpec, ...], is_dropped: bool, hold: bool
) -> None:
    other = KeySpec("o", digest(SECRET, b"o"), "other")
    book = opened(spec("a"), other, groups=(GroupSpec("team"), GroupSpec("other")))
    held: list[Key] = [found(book, "a")] if hold else []
    found(book, "a")
    put(book, *change)
    assert book.look() is (is_dropped and hold)
    assert book.look() is False
    assert (digest(SECRET, b"a") in book._kept) is not is_dropped
    held.append(found(book, "a"))
    assert (held[0] is held[-1]) is (not is_dropped or not hold)


@pytest.mark.parametrize("hold", [True, False])
def test_more_changes_than_are_remembered_drop_everything(hold: bool) -> None:
    book = opened(spec("a"))
    held = [found(book, "a")][: int(hold)]
    book._register.apply((os.urandom(16), b"") for _ in range(REMEMBERED + 1))
    assert book.look() is hold
    assert book._kept == {}
    assert held == [key for key in held if key.name == "a"]


def test_a_key_that_was_deleted_is_not_known_any_more() -> None:
    book = opened(spec("a"))
    found(book, "a")
    book._register.apply([(digest(SECRET, b"a"), None)])
    assert book.look() is False
    assert book.find(digest(SECRET, b"a")) is None


def test_a_group_that_comes_later_opens_its_keys() -> None:
    book = opened(spec("a"), groups=())
    assert found(book, "a").disabled == "group"
    put(book, GroupSpec("team"))
    book.look()
    assert found(book, "a").disabled == ""


# --- lanes --------------------------------------------------------------------------------------------------------


class Warm:
    """A connection that has an express lane, with the key "mine"; relayed, or translated."""

    def __init__(self, *, translated: bool) -> None:
        self.translated = translated
        if translated:
            self.stage: Any = Translating("anthropic")
            snapshot = self.stage.snapshot
            self.stage.world.install(Snapshot(SECRET, "stage", {}, channels=snapshot.channels))
            (self.outbound,) = self.stage.warm_all().values()
            self.stage.peer = self.outbound
        else:
            self.stage = Keyed()
            (self.outbound,) = self.stage.warm_all().values()
        self.world = self.stage.world
        self.client = self.stage.user if translated else self.stage.client()
        self.change(spec("mine"), spec("other"), GroupSpec("team"), GroupSpec("others"))
        for _ in range(LANE_AFTER):
            assert self.asks() == 200
        assert self.client.lane is not None

    def change(self, *specs: KeySpec | GroupSpec) -> None:
        put(self.world.keybook, *specs)
        self.tick()

    def tick(self) -> None:
        self.world.look_at_keys()

    def asks(self) -> int:
        """The status of one more request on the connection."""
        sent = request("/v1/chat/completions", "Authorization: Bearer mine")
        self.client.data_received(sent)
        if wire_of(self.outbound).take():
            answer = ANSWERED
            if self.translated:
                body = (b'{"type":"message","role":"assistant","content":[{"type":"text","text":"x"}],'
                        b'"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}')  # fmt: skip
                answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
                answer += body
            self.outbound.data_received(answer)
        return status_of(wire_of(self.client).take())


@pytest.mark.parametrize("translated", [False, True], ids=["relayed", "translated"])
@pytest.mark.parametrize(
    ("change", "status"),
    [
        (spec("mine", status="disabled"), 403),
        (spec("mine", models=("gpt-*",)), 403),
        (spec("mine", expires=1.0), 403),
        (spec("mine", until=1), 401),
        (spec("mine", sets=("gold",)), 404),
        (spec("mine", subnets=("10.0.0.0/8",)), 403),
        (GroupSpec("team", status="disabled"), 403),
    ],
)
def test_a_lane_gives_way_at_the_next_request_after_the_tick(
    change: KeySpec | GroupSpec, status: int, translated: bool
) -> None:
    warm = Warm(translated=translated)
    put(warm.world.keybook, change)
    assert warm.asks() == 200  # not seen yet
    warm.tick()
    assert warm.asks() == status
    warm.change(spec("mine"), GroupSpec("team"))
    assert warm.asks() == 200


@pytest.mark.parametrize("translated", [False, True], ids=["relayed", "translated"])
def test_a_change_of_others_leaves_lanes_in_place(translated: bool) -> None:
    warm = Warm(translated=translated)
    lane, table = warm.client.lane, warm.world.table
    warm.change(spec("other", status="disabled"), spec("new"), GroupSpec("others", status="disabled"))
    warm.world.keybook._register.apply([(digest(SECRET, b"other"), None)])
    warm.tick()
    assert warm.asks() == 200
    assert warm.client.lane is lane
    assert warm.world.table is table


def test_a_key_that_nobody_holds_disturbs_nobody() -> None:
    """It was used on a connection that is gone."""
    warm = Warm(translated=False)
    stranger = warm.stage.client()
    asked = request("/v1/chat/completions", "Authorization: Bearer other")
    exchange(stranger, warm.outbound, asked, ANSWERED)
    stranger.connection_lost(None)
    del stranger
    gc.collect()
    table = warm.world.table
    warm.change(spec("other", status="disabled"))
    assert warm.world.table is table


def test_a_request_that_is_under_way_when_its_key_is_disabled_is_the_last() -> None:
    warm = Warm(translated=False)
    warm.client.lane = None
    asked = request("/v1/chat/completions", "Authorization: Bearer mine")
    warm.client.data_received(asked)
    assert wire_of(warm.outbound).take()
    warm.change(spec("mine", status="disabled"))
    warm.outbound.data_received(ANSWERED)
    assert status_of(wire_of(warm.client).take()) == 200
    warm.client.data_received(asked)
    reply = wire_of(warm.client).take()
    assert (status_of(reply), wire_of(warm.outbound).take()) == (403, b"")
    assert json_of(reply)["error"]["message"] == "the key is disabled"


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (KeySpec("ci", b"1" * 16, id="a"), KeySpec("ci", b"2" * 16, id="b"), False),
        (KeySpec("ci", b"1" * 16, id="a"), KeySpec("ci", b"2" * 16, id="a"), True),  # rotated
        (KeySpec("ci", b"1" * 16), KeySpec("ci", b"2" * 16), True),  # of the file, where names are unique
        (KeySpec("ci", b"1" * 16, "team", id="a"), KeySpec("other", b"2" * 16, "team", id="b"), True),
    ],
)
def test_a_key_that_was_made_again_found_what_the_one_before_had_put_away(
    first: KeySpec, second: KeySpec, same: bool
) -> None:
    names = []
    for made in (first, second):
        key = compiled(made, GroupSpec(made.group), b"")
        asker = SimpleNamespace(key=key, table=SimpleNamespace(snapshot=Snapshot(SECRET, "x", {})))
        names.append(shelf_key(cast("Asker", asker), "response", "resp_1"))
    assert (names[0] == names[1]) is same
