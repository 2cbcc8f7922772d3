"""How the collector is doing: read by /api/health/detailed and /metrics, written by the collector alone."""

from __future__ import annotations

from dataclasses import dataclass

from fastproxy.admin.store.errors import brief


@dataclass(slots=True)
class CollectorState:
    """Counts since the process began; times are Unix milliseconds, 0: never."""

    is_collecting: bool = False  # False: another process holds the lock, as for a moment during an upgrade
    error: str = ""  # why nothing can be written at the moment
    failing_since: int = 0
    failures: int = 0
    last_commit: int = 0
    lag_bytes: int = 0  # in files beside the journals, because those were full; what is in them the workers tell
    rows: int = 0
    aborted: int = 0  # of the rows: requests whose worker died
    repeated: int = 0  # ends that came again and were not counted again
    unreadable: int = 0  # payloads that are not what their kind says
    set_aside: int = 0  # bytes that were no frames
    deleted: int = 0  # rows that retention has taken

    @property
    def is_failing(self) -> bool:
        return bool(self.error)

    def failed(self, error: Exception, now_ms: int) -> bool:
        """True when it has just begun to fail."""
        is_new = not self.error
        self.failures += 1
        self.failing_since = self.failing_since or now_ms
        self.error = brief(error)
        return is_new

    def succeeded(self) -> bool:
        """True when it had failed before."""
        had_failed, self.error, self.failing_since = bool(self.error), "", 0
        return had_failed
