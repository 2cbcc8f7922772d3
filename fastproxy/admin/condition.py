"""Whether something works, and since when: what health tells of a database. The log hears of it from its users."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

NOT_YET: Final = "it is being opened"


class Condition:
    """`error` is "" while it works; `since_s` is the Unix time at which it began to work, or ceased to."""

    __slots__ = ("error", "since_s")

    def __init__(self, now_s: float) -> None:
        self.error = NOT_YET
        self.since_s = now_s

    @property
    def is_ok(self) -> bool:
        return not self.error

    @property
    def since(self) -> str:
        """RFC 3339, in UTC."""
        return datetime.fromtimestamp(self.since_s, UTC).isoformat(timespec="milliseconds")

    def note(self, error: str, now_s: float) -> None:
        """Tell what is the matter now; another reason is the same outage."""
        if bool(error) != bool(self.error):
            self.since_s = now_s
        self.error = error
