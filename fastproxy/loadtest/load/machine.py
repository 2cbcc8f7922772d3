"""What the two kinds of loop may ask of the generator that they drive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from fastproxy.loadtest.load.client import Connection, Job
    from fastproxy.loadtest.load.dialer import Dialer
    from fastproxy.loadtest.load.jobs import Jobs
    from fastproxy.loadtest.load.meter import Meter


class Machine(Protocol):
    """Times are nanoseconds of the monotonic clock."""

    meter: Meter
    jobs: Jobs
    dialer: Dialer
    rng: Random

    def send(self, connection: Connection, job: Job, now: int) -> None:
        """Make the job's request and send it."""

    def later(self, when: int, action: Callable[[int], None]) -> None:
        """Call back, with the time that it is then."""

    def finish(self) -> None:
        """All is done."""
