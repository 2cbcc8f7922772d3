"""Sets of channels: a key is offered the channels that are in one of its sets, or its group's, and no others."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from fastproxy.gateway.table import MAX_OFFERS
from fastproxy.snapshot import ChannelSpec, GroupSpec, KeySpec, Snapshot
from tests.gateway.gateway_stage import ORIGIN, SECRET, json_of, status_of
from tests.gateway.keyed_stage import Keyed, request, speaker, spec

GOLD, BOTH, PLAIN = ("gold",), ("gold", "default"), ("default",)
CHAT = "/v1/chat/completions"
OFF: dict[str, Any] = {"status": "disabled"}


def asked(gateway: Keyed, name: str, path: str = CHAT, *lines: str, model: str = "m", method: str = "POST") -> bytes:
    return gateway.ask(request(path, f"Authorization: Bearer {name}", *lines, model=model, method=method))


def served_by(gateway: Keyed) -> str:
    """The channel that was asked, by its path; "" when none was."""
    return gateway.sent.partition(b" /")[2].partition(b"/")[0].decode()


@pytest.mark.parametrize(
    ("of_key", "of_group", "channel"),
    [
        (PLAIN, PLAIN, "plain"), (GOLD, PLAIN, "gold"), ((), GOLD, "gold"), ((), PLAIN, "plain"), ((), BOTH, "gold"),
        (BOTH, ("iron",), "gold"), (("iron", "default"), GOLD, "plain"), (("iron",), BOTH, ""), ((), (), ""),
        ((), ("iron",), ""),
    ],
)  # fmt: skip
def test_which_channel_serves(of_key: tuple[str, ...], of_group: tuple[str, ...], channel: str) -> None:
    channels = speaker("gold", "m", priority=1, sets=GOLD), speaker("plain", "m")
    gateway = Keyed(*channels, keys=(spec("k", sets=of_key),))
    gateway.group(GroupSpec("team", sets=of_group))
    reply = asked(gateway, "k")
    assert served_by(gateway) == channel
    assert status_of(reply) == (200 if channel else 404)
    if not channel:
        unknown = asked(gateway, "k", model="never heard of")
        assert json_of(reply)["error"] == json_of(unknown)["error"] | {"message": "model 'm' has no channel"}


def test_what_was_decided_for_one_key_held_for_another() -> None:
    """Decisions are remembered by model; whose sets they were made for belongs to the question."""
    channels = speaker("gold", "m", sets=GOLD), speaker("plain", "m", priority=1)
    gateway = Keyed(*channels, keys=(spec("rich", sets=GOLD), spec("poor"), spec("all", sets=BOTH)))
    for _ in range(3):
        for name, channel in (("rich", "gold"), ("poor", "plain"), ("all", "plain")):
            assert status_of(asked(gateway, name)) == 200
            assert served_by(gateway) == channel


def test_whoever_needs_no_key_is_offered_everything() -> None:
    gateway = Keyed(speaker("gold", "m", sets=GOLD), open_to_all=True)
    assert status_of(gateway.ask(request())) == 200
    assert served_by(gateway) == "gold"


@pytest.mark.parametrize("wanted", ["gold", "GOLD", "groq", "no-such"])
def test_a_channel_that_is_asked_for_by_name_went_round_the_sets(wanted: str) -> None:
    """Whether there is such a channel is not told either."""
    gateway = Keyed(speaker("gold", provider="groq", sets=GOLD), speaker("plain"), keys=(spec("k"),))
    reply = asked(gateway, "k", CHAT, f"X-Model-Provider: {wanted}")
    assert (status_of(reply), served_by(gateway)) == (501, "")
    told = json_of(reply)["error"]["message"]
    assert told == f"no channel or provider '{wanted}' speaks openai-chat or a format that it can be translated to"
    assert status_of(asked(gateway, "k", CHAT, "X-Model-Provider: openai")) == 200
    gateway.grant(spec("k", sets=GOLD))
    gateway.world.look_at_keys()
    reply = asked(gateway, "k", CHAT, f"X-Model-Provider: {wanted}")
    assert (status_of(reply) == 200) is (wanted != "no-such")


def test_a_channel_that_is_disabled_is_not_offered() -> None:
    channels = speaker("off", "m", priority=9, **OFF), speaker("on", "m")
    gateway = Keyed(*channels, keys=(spec("k"),))
    assert status_of(asked(gateway, "k")) == 200
    assert served_by(gateway) == "on"
    assert status_of(asked(gateway, "k", CHAT, "X-Model-Provider: off")) == 501
    assert [model["id"] for model in json_of(asked(gateway, "k", "/v1/models", method="GET"))["data"]] == ["m"]
    gateway = Keyed(speaker("off", **OFF), speaker("elsewhere", sets=GOLD, **OFF), keys=(spec("k"),))
    assert status_of(gateway_without_upstream(gateway)) == 501


def gateway_without_upstream(gateway: Keyed) -> bytes:
    client = gateway.client()
    client.data_received(request(CHAT, "Authorization: Bearer k"))
    found: bytes = client.transport.take()  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", CHAT), ("POST", "/v1/responses"), ("POST", "/v1/messages"), ("POST", "/v1/embeddings"),
        ("POST", "/v1beta/models/m:generateContent"), ("POST", "/v1/images/generations"), ("POST", "/v1/audio/speech"),
        ("POST", "/v1/completions"), ("POST", "/v1/moderations"), ("GET", "/v1/files"), ("GET", "/v1/batches"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("models", [(), ("m",)], ids=["any model", "named"])
def test_every_operation_keeps_to_the_sets(method: str, path: str, models: tuple[str, ...]) -> None:
    gateway = Keyed(speaker("gold", *models, sets=GOLD), keys=(spec("poor"), spec("rich", sets=GOLD)))
    assert status_of(asked(gateway, "rich", path, method=method)) == 200
    assert served_by(gateway) == "gold"
    assert status_of(asked(gateway, "poor", path, method=method)) == 404
    assert served_by(gateway) == ""


# --- lists of models ----------------------------------------------------------------------------------------------

LISTS: list[tuple[dict[str, Any], dict[str, Any], list[str] | None]] = [
    # key, group → models; None: the upstream's own list
    ({}, {}, ["a", "b"]),
    ({"sets": GOLD}, {}, ["b", "c"]),
    ({}, {"sets": BOTH}, ["a", "b", "c"]),
    ({"sets": BOTH, "models": ("c", "a", "z")}, {}, ["a", "c"]),
    ({"sets": BOTH, "models": ("*",)}, {"models": ("[*", "b")}, ["b"]),
    ({"sets": ("iron",)}, {}, []),
    ({"sets": ("any",)}, {}, None),
    ({"sets": ("any", "gold")}, {}, None),
    ({"sets": ("any", "gold"), "models": ("b*", "x", "y*")}, {}, ["b", "x"]),
    ({"sets": ("any",), "models": ("b*", "x")}, {"models": ("*x", "*b")}, ["x"]),
    ({"sets": ("any",), "models": ("b*",)}, {}, []),
]


@pytest.mark.parametrize(("of_key", "of_group", "models"), LISTS)
def test_the_list_of_models_is_what_the_key_may_use(
    of_key: dict[str, Any], of_group: dict[str, Any], models: list[str] | None
) -> None:
    channels = (
        speaker("plain", "a", "b"), speaker("gold", "b", "c", sets=GOLD), speaker("any", sets=("any",)),
    )  # fmt: skip
    gateway = Keyed(*channels, keys=(spec("k", **of_key),))
    gateway.group(GroupSpec("team", **of_group))
    reply = asked(gateway, "k", "/v1/models", method="GET")
    if models is None:
        assert served_by(gateway) in set(of_key["sets"])
        return
    assert served_by(gateway) == ""
    assert [model["id"] for model in json_of(reply)["data"]] == models
    for name in "abcxz":
        one = asked(gateway, "k", f"/v1/models/{name}", method="GET")
        assert (status_of(one) == 200 and not served_by(gateway)) is (name in models)
        assert status_of(one) in {200, 403, 404}


def test_a_model_that_a_pattern_allows_and_nobody_names_is_the_upstreams_to_describe() -> None:
    gateway = Keyed(speaker("any"), keys=(spec("k", models=("gpt-*",)),))
    assert status_of(asked(gateway, "k", "/v1/models/gpt-5", method="GET")) == 200
    assert served_by(gateway) == "any"
    assert status_of(asked(gateway, "k", "/v1/models/o3", method="GET")) == 403


@pytest.mark.timeout(60)
def test_everybody_has_other_sets() -> None:
    gateway = Keyed(speaker("plain", "m"), keys=tuple(spec(f"k{n}", sets=(f"s{n}", "default")) for n in range(1100)))
    for number in range(1100):
        assert status_of(asked(gateway, f"k{number}")) == 200
    assert len(gateway.world.table._offers) <= MAX_OFFERS


# --- transparent paths, with a key of ours -------------------------------------------------------------------------


def transparent(*channels: ChannelSpec, key: KeySpec, base: str | None = None) -> Keyed:
    bases = {"openai": base} if base is not None else {}
    gateway = Keyed(*channels, keys=(key,), passthrough="require-key", provider_bases=bases)
    assert gateway.world.table.snapshot.secret == SECRET
    return gateway


OWN = f"{ORIGIN}/own/v1"


@pytest.mark.parametrize(
    ("channels", "sets", "lent"),
    [
        ([("a", PLAIN, ORIGIN + "/a/v1")], (), "a"),
        ([("a", GOLD, ORIGIN + "/a/v1"), ("b", PLAIN, ORIGIN + "/b/v1")], (), "b"),
        ([("a", GOLD, ORIGIN + "/a/v1"), ("b", PLAIN, ORIGIN + "/b/v1")], GOLD, "a"),
        ([("a", PLAIN, ORIGIN + "/a/v1"), ("b", PLAIN, ORIGIN + "/b/v1")], (), "a"),
        ([("a", GOLD, ORIGIN + "/a/v1")], (), None),
    ],
)
def test_address_and_credential_are_those_of_a_channel_that_the_key_may_use(
    channels: list[tuple[str, tuple[str, ...], str]], sets: tuple[str, ...], lent: str | None
) -> None:
    specs = [
        ChannelSpec(name, "openai", base, ("openai-chat",), "bearer", (f"sk-{name}",), sets=in_sets)
        for name, in_sets, base in channels
    ]
    gateway = transparent(*specs, key=spec("k", sets=sets), base=channels[0][2])
    reply = asked(gateway, "k", "/openai/v1/x")
    if lent is None:
        assert (status_of(reply), gateway.sent) == (404, b"")
        assert reply.endswith(b"the key may not use provider 'openai'\n")
        return
    assert status_of(reply) == 200
    assert f"/{lent}/v1/x HTTP/1.1".encode() in gateway.sent
    assert f"authorization: Bearer sk-{lent}\r\n".encode() in gateway.sent


@pytest.mark.parametrize(
    ("change", "status"),
    [({"status": "disabled"}, 403), ({"expires": 1.0}, 403), ({"until": 1}, 401), ({"models": ("a",)}, 403)],
)
def test_a_key_that_is_refused_is_refused_on_transparent_paths_too(change: dict[str, Any], status: int) -> None:
    gateway = transparent(speaker("own"), key=spec("k", **change), base=OWN)
    assert (status_of(asked(gateway, "k", "/openai/v1/x")), gateway.sent) == (status, b"")
    gateway = transparent(speaker("own"), key=spec("k"), base=OWN)
    gateway.group(GroupSpec("team", **{name: value for name, value in change.items() if name in {"status", "models"}}))
    if change.keys() & {"status", "models"}:
        assert (status_of(asked(gateway, "k", "/openai/v1/x")), gateway.sent) == (403, b"")


def test_two_keys_shared_one_credential_on_a_transparent_path() -> None:
    """What was made ready for the key of one set was used for the other's."""
    specs = [
        ChannelSpec(name, "openai", OWN, ("openai-chat",), "bearer", (f"sk-{name}",), sets=(name,))
        for name in ("a", "b")
    ]
    gateway = transparent(*specs, key=spec("in a", sets=("a",)), base=OWN)
    gateway.grant(spec("in b", sets=("b",)))
    for name in itertools.islice(itertools.cycle("ab"), 6):
        assert status_of(asked(gateway, f"in {name}", "/openai/v1/x")) == 200
        assert f"authorization: Bearer sk-{name}\r\n".encode() in gateway.sent


def test_with_the_clients_own_key_sets_mean_nothing() -> None:
    gateway = Keyed(speaker("own", sets=GOLD), passthrough="client-keys", provider_bases={"openai": OWN})
    assert isinstance(gateway.world.table.snapshot, Snapshot)
    assert status_of(asked(gateway, "theirs", "/openai/v1/x")) == 200
    assert b"theirs" in gateway.sent
