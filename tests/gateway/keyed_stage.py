"""A gateway whose keys and groups stand in the register, as the product publishes them, and change while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastproxy.snapshot import (
    ChannelSpec,
    GroupSpec,
    KeySpec,
    Snapshot,
    digest,
    entry_name_of_group,
    pack_group,
    pack_key,
)
from tests.gateway.gateway_stage import ORIGIN, SECRET, Gateway, channel
from tests.wire.fakes import wire_of

if TYPE_CHECKING:
    from fastproxy.wire.outbound import Outbound

ANSWERED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
FORMATS = ("openai-chat", "openai-responses", "anthropic", "gemini", "openai")


def spec(name: str, **more: Any) -> KeySpec:
    """A key that is spelled like its name, in the group "team"."""
    return KeySpec(name, digest(SECRET, name.encode()), "team", **more)


def speaker(name: str, *models: str, provider: str = "openai", **more: Any) -> ChannelSpec:
    """A channel that speaks every format itself."""
    return ChannelSpec(name, provider, f"{ORIGIN}/{name}/v1", FORMATS, "bearer", (f"sk-{name}",), models, **more)


class Keyed(Gateway):
    def __init__(self, *channels: ChannelSpec, keys: tuple[KeySpec, ...] = (), **more: Any) -> None:
        super().__init__(Snapshot(SECRET, "stage", {}, channels=channels or (channel("openai"),), **more))
        self.warmed: Outbound | None = None
        self.sent = b""
        self.group(GroupSpec("team"))
        self.grant(*keys)

    def grant(self, *keys: KeySpec) -> None:
        self.world.register.apply((key.digest, pack_key(key)) for key in keys)

    def revoke(self, key: KeySpec) -> None:
        self.world.register.apply([(key.digest, None)])

    def group(self, *groups: GroupSpec) -> None:
        self.world.register.apply((entry_name_of_group(SECRET, group.name), pack_group(group)) for group in groups)

    def ask(self, request: bytes) -> bytes:
        """One request on a connection of its own: the reply. What went up is in `sent`, b"" when nothing did."""
        if self.warmed is None or wire_of(self.warmed).closed:
            (self.warmed,) = self.warm_all().values()
        client = self.client()
        client.data_received(request)
        self.sent = wire_of(self.warmed).take()
        if self.sent:
            self.warmed.data_received(ANSWERED)
        return wire_of(client).take()


def request(path: str = "/v1/chat/completions", *lines: str, model: str = "m", method: str = "POST") -> bytes:
    body = b'{"model":"%b","messages":[],"contents":[]}' % model.encode() if method == "POST" else b""
    head = "".join(f"{line}\r\n" for line in (f"{method} {path} HTTP/1.1", "Host: a.test", *lines))
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
