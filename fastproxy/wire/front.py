"""What client connections share, and what they expect of an application: the seam between wire and gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fastproxy.errors import GatewayError
    from fastproxy.wire.basin import Basin
    from fastproxy.wire.deadlines import Deadlines
    from fastproxy.wire.inbound import Inbound
    from fastproxy.wire.limits import WireLimits
    from fastproxy.wire.request_head import RequestHead


class Exchange(Protocol):
    """What an application makes of a request; the connection tells it what the client does."""

    def body_piece(self, piece: bytes | memoryview) -> None: ...
    def body_end(self) -> None: ...
    def client_failed(self, error: GatewayError) -> None: ...
    def client_gone(self) -> None: ...
    def client_half_closed(self) -> bool: ...
    def client_paused(self) -> None: ...
    def client_resumed(self) -> None: ...


class Application(Protocol):
    """Where requests go."""

    def begin(self, inbound: Inbound, head: RequestHead, body: bytes | memoryview) -> None:
        """Take a request. Must set `inbound.exchange`, unless the reply is finished on return."""

    def refuse(self, inbound: Inbound, error: GatewayError, head: RequestHead | None) -> bytes:
        """The whole reply for a request that never became an exchange. The connection closes after it."""


class Lane(Protocol):
    """A short way for one whole request, laid by the application; see gateway/lane.py."""

    def take(self, data: bytes) -> bool: ...
    def take_large(self, basin: Basin, size: int) -> bool: ...


class Front:
    """What all client connections of a worker share."""

    __slots__ = ("accepted", "application", "deadlines", "draining", "limits", "open", "refused", "shaking")

    def __init__(self, application: Application, deadlines: Deadlines, limits: WireLimits) -> None:
        self.application = application
        self.deadlines = deadlines
        self.limits = limits
        self.draining = False
        self.open: set[Inbound] = set()
        self.shaking = 0  # connections in their TLS handshake, not open yet
        self.accepted = 0
        self.refused = 0
