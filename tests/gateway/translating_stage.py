"""A gateway whose one channel speaks another format than its clients; both ends are fakes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from fastproxy.snapshot import ChannelSpec, KeySpec, Snapshot
from tests.gateway.gateway_stage import ORIGIN, SECRET, Gateway, key, warm
from tests.wire.fakes import wire_of

if TYPE_CHECKING:
    from fastproxy.wire.inbound import Inbound
    from fastproxy.wire.outbound import Outbound

PROVIDERS = {
    "anthropic": "anthropic", "openai-chat": "openai", "openai-responses": "openai", "gemini": "google-ai-studio"
}  # fmt: skip
CHUNK_END = b"0\r\n\r\n"
_TOOK = re.compile(rb"(?<=\r\nserver-timing: gateway;)dur=\d+\.\d{3}(?=\r\n)")


class Translating(Gateway):
    """One client, one warm upstream connection."""

    def __init__(
        self, upstream: str, *keys: KeySpec, models: tuple[str, ...] = ("m",), name: str = "c", **settings: Any
    ) -> None:
        base = ORIGIN + ("/v1beta" if upstream == "gemini" else "/v1")
        spec = ChannelSpec(name, PROVIDERS[upstream], base, (upstream,), "bearer", ("sk-up",), models, **settings)
        snapshot = Snapshot(SECRET, "stage", {}, channels=(spec,), keys=keys, open_to_all=not keys)
        super().__init__(snapshot)
        self.peer: Outbound = warm(next(iter(self.world.pools.values())))
        self.user: Inbound = self.client()

    def asks(self, path: str, body: dict[str, Any], credential: str = "", method: str = "POST") -> dict[str, Any]:
        """What goes up for this request: `{}` if nothing does."""
        text = json.dumps(body).encode() if body else b""
        head = f"{method} {path} HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/json\r\n"
        head += f"Authorization: Bearer {credential}\r\n" if credential else ""
        self.user.data_received(f"{head}Content-Length: {len(text)}\r\n\r\n".encode() + text)
        sent = wire_of(self.peer).take()
        self.upstream_head, _, sent_body = sent.partition(b"\r\n\r\n")
        found: dict[str, Any] = json.loads(sent_body) if sent_body else {}
        return found

    def replies(self, body: dict[str, Any] | list[Any], status: int = 200, lines: str = "") -> bytes:
        """The upstream's whole reply; gives what the client gets."""
        text = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{lines}Content-Length: {len(text)}\r\n\r\n"
        self.peer.data_received(head.encode() + text)
        return self.got()

    def begins_stream(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.peer.data_received(head)

    def streams(self, *events: str) -> bytes:
        """More of the upstream's stream, one read per event; gives what the client gets."""
        for event in events:
            self.peer.data_received(f"{len(event.encode()):x}\r\n{event}\r\n".encode())
        return self.got()

    def ends_stream(self) -> bytes:
        self.peer.data_received(CHUNK_END)
        return self.got()

    def got(self) -> bytes:
        """Without the time that the gateway took, which is never the same."""
        return _TOOK.sub(b"dur=own", wire_of(self.user).take())


def group_key(name: str, group: str, lossy: str = "report") -> KeySpec:
    made = key(name)
    return KeySpec(made.name, made.digest, group, made.models, lossy=lossy)


def body_of(reply: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(reply.partition(b"\r\n\r\n")[2])
    return found


def data(value: Any) -> str:
    return f"data: {json.dumps(value)}\n\n"


def dechunked(body: bytes) -> bytes:
    """The payload of the chunks that are there."""
    parts = []
    while body:
        size, _, rest = body.partition(b"\r\n")
        parts.append(rest[: int(size, 16)])
        body = rest[int(size, 16) + 2 :]
    return b"".join(parts)
