"""Keys that browsers offer as a WebSocket sub-protocol (case 193): read here, and never sent on."""

from __future__ import annotations

import pytest

from fastproxy.snapshot import ChannelSpec, KeySpec, RouteSpec, Snapshot
from tests.gateway.gateway_stage import ORIGIN, SECRET, Gateway, key, status_of, warm
from tests.gateway.translating_stage import Translating
from tests.wire.fakes import wire_of

HANDSHAKE = (
    "GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: realtime\r\n\r\n"
)
SECRETS = b"openai-insecure-api-key"
KEYED = "realtime, openai-insecure-api-key.fp-one, openai-beta.realtime-v1"


class Realtime:
    """A gateway with one channel of OpenAI's, and a client that opens a session."""

    def __init__(self, *keys: KeySpec) -> None:
        spec = ChannelSpec("c", "openai", ORIGIN + "/v1", ("openai-chat", "openai"), "bearer", ("sk-up",))
        snapshot = Snapshot(SECRET, "stage", {}, channels=(spec,), keys=keys, open_to_all=not keys)
        self.gateway = Gateway(snapshot)
        self.peer = warm(next(iter(self.gateway.world.pools.values())))
        self.user = self.gateway.client()

    def opens(self, *lines: str) -> bytes:
        """The head that goes up, b"" if none does."""
        head = HANDSHAKE + "".join(f"{line}\r\n" for line in lines) + "\r\n"
        self.user.data_received(head.encode())
        return wire_of(self.peer).take()

    def got(self) -> bytes:
        return wire_of(self.user).take()


def test_a_key_among_the_sub_protocols_opens_the_door_and_stays_here() -> None:
    stage = Realtime(key("fp-one"))
    sent = stage.opens(f"Sec-WebSocket-Protocol: {KEYED}")
    assert SECRETS not in sent
    assert b"fp-one" not in sent
    assert sent.lower().count(b"sec-websocket-protocol") == 1
    assert b"sec-websocket-protocol: realtime, openai-beta.realtime-v1\r\n" in sent
    assert b"authorization: Bearer sk-up\r\n" in sent
    stage.peer.data_received(ACCEPTED)
    got = stage.got()
    assert status_of(got) == 101
    assert b"sec-websocket-protocol: realtime\r\n" in got.lower()


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param((f"Sec-WebSocket-Protocol: {KEYED.replace('fp-one', 'fp-two')}",), id="unknown"),
        pytest.param(("Sec-WebSocket-Protocol: realtime",), id="none"),
        pytest.param((), id="no sub-protocols"),
    ],
)
def test_without_a_key_that_is_known_nothing_goes_up(lines: tuple[str, ...]) -> None:
    stage = Realtime(key("fp-one"))
    assert stage.opens(*lines) == b""
    assert status_of(stage.got()) == 401


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(("Authorization: Bearer fp-two", f"Sec-WebSocket-Protocol: {KEYED}"), id="a field and a protocol"),
        pytest.param(
            (f"Sec-WebSocket-Protocol: {KEYED}", "Sec-WebSocket-Protocol: openai-insecure-api-key.fp-two"), id="two"
        ),
    ],
)
def test_two_different_keys_are_refused(lines: tuple[str, ...]) -> None:
    stage = Realtime(key("fp-one"), key("fp-two"))
    assert stage.opens(*lines) == b""
    assert status_of(stage.got()) == 400


def test_the_sub_protocols_may_stand_in_several_lines() -> None:
    stage = Realtime(key("fp-one"))
    sent = stage.opens(
        "Sec-WebSocket-Protocol: realtime", "sec-websocket-protocol: openai-insecure-api-key.fp-one,other"
    )
    assert b"sec-websocket-protocol: realtime, other\r\n" in sent
    assert SECRETS not in sent


def test_a_key_alone_leaves_no_empty_line_behind() -> None:
    stage = Realtime(key("fp-one"))
    sent = stage.opens("Sec-WebSocket-Protocol: openai-insecure-api-key.fp-one")
    assert sent.startswith(b"GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\n")
    assert b"protocol" not in sent.lower()


def test_an_open_gateway_does_not_pass_a_vendors_key_on_beside_its_own() -> None:
    stage = Realtime()
    sent = stage.opens("Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.sk-client, openai-project.p")
    assert b"sec-websocket-protocol: realtime\r\n" in sent
    assert b"sk-client" not in sent
    assert b"openai-project" not in sent


def test_other_sub_protocols_pass_as_they_came() -> None:
    stage = Realtime(key("fp-one"))
    sent = stage.opens("Authorization: Bearer fp-one", "Sec-WebSocket-Protocol: realtime,  b")
    assert b"Sec-WebSocket-Protocol: realtime,  b\r\n" in sent


def test_the_edge_passes_everything() -> None:
    snapshot = Snapshot(SECRET, "stage", {}, routes=(RouteSpec((ORIGIN,)),))
    gateway = Gateway(snapshot)
    peer = warm(next(iter(gateway.world.pools.values())))
    gateway.client().data_received(f"{HANDSHAKE}Sec-WebSocket-Protocol: {KEYED}\r\n\r\n".encode())
    assert KEYED.encode() in wire_of(peer).take()


def test_where_no_channel_speaks_openai_the_handshake_is_told_so() -> None:
    stage = Translating("anthropic")
    stage.user.data_received(f"{HANDSHAKE}\r\n".encode())
    got = stage.got()
    assert status_of(got) == 501
    assert b"'realtime' is not translated" in got
