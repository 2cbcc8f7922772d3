"""Where an upstream lives: everything that two connections must share to be exchangeable."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Origin:
    """One upstream address. `unix` is a socket path; `verify` and `ca_file` keep pools of unlike trust apart.

    `public_only` refuses private addresses after resolution, for hosts that a client had a say in.
    """

    host: str
    port: int
    tls: bool = False
    unix: str = ""
    verify: bool = True
    ca_file: str | None = None
    public_only: bool = False

    def __str__(self) -> str:
        return f"unix:{self.unix}" if self.unix else f"{'https' if self.tls else 'http'}://{self.authority}"

    @property
    def authority(self) -> str:
        """The Host that this origin expects by default."""
        if self.unix:
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def parse_origin(url: str, *, verify: bool = True, ca_file: str | None = None) -> tuple[Origin, str]:
    """Split an upstream's URL into its origin and the path in front of everything ("" or "/v1", no final slash).

    Takes http://, https:// and unix:/path/to/socket, which a prefix may follow after a colon. Raises: ValueError.
    """
    if url.startswith("unix:"):
        path, _, prefix = url[len("unix:") :].partition(":")
        return Origin("localhost", 0, unix=path), prefix.rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError("expected http://host[:port][/path], https://… or unix:/path")
    tls = parts.scheme == "https"
    origin = Origin(parts.hostname, parts.port or (443 if tls else 80), tls, verify=verify, ca_file=ca_file)
    return origin, parts.path.rstrip("/")
