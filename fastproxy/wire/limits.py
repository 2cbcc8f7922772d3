"""The bounds and timeouts of the wire, in seconds and bytes. Every one is configurable; the defaults are the
product's."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastproxy.wire.request_head import HeadLimits

MIB = 1 << 20
MAX_BODY_WINDOW = 10.0


@dataclass(frozen=True, slots=True)
class WireLimits:
    """One value per way in which a peer can be slow or large."""

    head: HeadLimits = field(default_factory=HeadLimits)
    max_body: int = 32 * MIB
    max_connections: int = 10_000
    header_timeout: float = 10.0  # a whole head, not each read: slow heads are an attack
    body_idle_timeout: float = 30.0
    idle_timeout: float = 75.0  # between requests of one connection
    write_timeout: float = 30.0  # a client that takes nothing
    connect_timeout: float = 5.0
    tls_timeout: float = 5.0
    first_byte_timeout: float = 60.0
    stream_idle_timeout: float = 120.0
    total_timeout: float = 600.0
    pool_idle_timeout: float = 20.0  # below the 30-60 s after which origins close idle connections
    pool_max_age: float = 600.0
    pool_max_connections: int = 1024
    pool_wait_timeout: float = 5.0
    pool_max_waiting: int = 1024
    dns_ttl: float = 30.0

    @property
    def body_window(self) -> float:
        """Seconds over which the rate of a request body is looked at."""
        return min(self.body_idle_timeout, MAX_BODY_WINDOW)
