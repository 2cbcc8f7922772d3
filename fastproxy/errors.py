"""Every way in which a request can end early, and the one way in which a configuration can be wrong.

    GatewayError            status, kind, blame, retry, retry_after
    ├── BadRequest          400 and its kin: the client's bytes or fields are wrong
    ├── Denied              401 / 403: who asks, or what they may
    ├── Limited             429 / 503: a limit of ours is reached
    ├── NoRoute             404 / 501 / 503: nobody here serves this
    ├── UpstreamFailed      502 / 504: the other side broke; `retry` says whether another attempt is safe
    └── FormatError         raised by formats/ only; prepare turns it into BadRequest
    ConfigError             file, line, column, text

Texts are lower case, without a full stop, and made of facts: what was seen, what was expected, where. They reach
clients, so they never hold a secret, a body or an address of an upstream.
"""

from __future__ import annotations

from typing import Literal

Blame = Literal["client", "upstream", "gateway"]
Retry = Literal["never", "if_unsent"]


class GatewayError(Exception):
    """A refusal. `kind` is the stable snake_case id that metrics, records and error bodies carry."""

    status = 500
    kind = "internal"
    blame: Blame = "gateway"
    retry: Retry = "never"

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        kind: str | None = None,
        retry: Retry | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        if status is not None:
            self.status = status
        if kind is not None:
            self.kind = kind
        if retry is not None:
            self.retry = retry


class BadRequest(GatewayError):
    """The client's bytes or fields are wrong."""

    status = 400
    kind = "bad_request"
    blame: Blame = "client"


class Denied(GatewayError):
    """Unknown key (401) or a key that may not do this (403)."""

    status = 401
    kind = "unauthorized"
    blame: Blame = "client"


class Limited(GatewayError):
    """A limit of ours is reached; `retry_after` (seconds) says when to come back."""

    status = 429
    kind = "limited"
    blame: Blame = "client"


class NoRoute(GatewayError):
    """Unknown path or model (404), a format that no channel speaks (501), or no channel at all (503)."""

    status = 404
    kind = "no_route"
    blame: Blame = "client"


class UpstreamFailed(GatewayError):
    """The upstream broke (502) or was too slow (504)."""

    status = 502
    kind = "upstream_failed"
    blame: Blame = "upstream"


class FormatError(GatewayError):
    """A body that its declared format does not allow."""

    status = 400
    kind = "bad_format"
    blame: Blame = "client"


class ConfigError(Exception):
    """A setting that cannot be used. Line and column count from 1; 0 when the value has no place in a file."""

    def __init__(self, text: str, *, file: str = "", line: int = 0, column: int = 0) -> None:
        super().__init__(text)
        self.text = text
        self.file = file
        self.line = line
        self.column = column

    def __str__(self) -> str:
        if self.line:
            return f"{self.file}:{self.line}:{self.column}: {self.text}"
        return f"{self.file}: {self.text}" if self.file else self.text
