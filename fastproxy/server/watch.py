"""Is a worker hung, or were we asleep ourselves? A pure judge over times in seconds.

Silence counts only from the moment since which the master's own ticks have come regularly. After a pause of the whole
machine, a stopped process group or a master that was busy, every heartbeat is old and none of the workers is to blame.
"""

from __future__ import annotations


class Watch:
    __slots__ = ("_last_tick", "_trusted_since", "timeout")

    def __init__(self, timeout: float, now: float) -> None:
        self.timeout = timeout
        self._last_tick = now
        self._trusted_since = now

    def tick(self, now: float) -> None:
        """Called at every turn of the master's loop. A gap of half the timeout makes older silence worthless."""
        if now - self._last_tick > self.timeout / 2:
            self._trusted_since = now
        self._last_tick = now

    def silence(self, heartbeat: float, now: float) -> float:
        """For how long a process has been silent, as far as we can tell."""
        return now - max(heartbeat, self._trusted_since)

    def is_suspect(self, heartbeat: float, now: float) -> bool:
        """Silent for half the timeout: others should serve its sockets, in case it does not come back."""
        return self.silence(heartbeat, now) > self.timeout / 2

    def is_hung(self, heartbeat: float, now: float) -> bool:
        return self.silence(heartbeat, now) > self.timeout
