"""Which request comes next: by the weights of a plan's mix, or as a recording says; up to the plan's count."""

from __future__ import annotations

from bisect import bisect
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from fastproxy.loadtest.load.client import Job
from fastproxy.loadtest.load.kind import Kind, request_of
from fastproxy.loadtest.load.masking import known_secrets
from fastproxy.loadtest.load.shapes import Arrival, Format
from fastproxy.loadtest.load.template import compile_recorded, compile_request, compile_upgrade

if TYPE_CHECKING:
    from random import Random

    from fastproxy.loadtest.load.meter import Meter
    from fastproxy.loadtest.load.shapes import Plan, Recorded, Request

_NAMES: Final = 40  # different paths of a recording that are told apart; paths with ids in them are endless
_UNBOUNDED: Final = 1 << 62


class Jobs:
    """Raises TemplateError for a request that cannot be made."""

    def __init__(self, plan: Plan, meter: Meter, rng: Random) -> None:
        self._recorded = plan.arrival is Arrival.RECORDED
        if self._recorded:
            self._kinds = _recorded_kinds(plan, meter)
        else:
            self._kinds = [_kind(request, plan, meter) for request in plan.requests]
        self._only = self._kinds[0] if len(self._kinds) == 1 else None
        self._weights = list(accumulate(kind.request.weight for kind in self._kinds))
        self._rng = rng
        self._meter = meter
        self._left = plan.count or (_UNBOUNDED if not self._recorded else len(self._kinds))
        self._number = 0

    @property
    def exhausted(self) -> bool:
        return self._left <= 0

    def allowed(self, intended: int) -> bool:
        """May one more be sent? What belongs to the warm-up does not count, unless it is of a recording."""
        if intended >= self._meter.measured_from or self._recorded:
            if self._left <= 0:
                return False
            self._left -= 1
        return True

    def next(self, intended: int) -> Job | None:
        """None when the count is reached."""
        if not self.allowed(intended):
            return None
        number = self._number
        self._number = number + 1
        if self._recorded:
            return Job(self._kinds[number], number, intended)
        if self._only is not None:
            return Job(self._only, number, intended)
        weights = self._weights
        place = bisect(weights, self._rng.random() * weights[-1], 0, len(weights) - 1)
        return Job(self._kinds[place], number, intended)


def _kind(request: Request, plan: Plan, meter: Meter) -> Kind:
    upgrade = compile_upgrade(request, plan) if request.format is Format.WEBSOCKET else None
    kind = Kind(request, compile_request(request, plan), meter.of_request(request.name), upgrade)
    kind.secrets = known_secrets(plan.url, request.path, request.headers, plan.secrets)
    return kind


def _recorded_kinds(plan: Plan, meter: Meter) -> list[Kind]:
    """In the order in which they are due."""
    names: set[str] = set()
    kinds = []
    for recorded in sorted(plan.recording, key=_at):
        request = request_of(recorded)
        if len(names) < _NAMES:
            names.add(request.name)
        name = request.name if request.name in names else "others"
        kind = Kind(request, compile_recorded(recorded, plan), meter.of_request(name))
        kind.secrets = known_secrets(plan.url, recorded.path, recorded.headers)
        kinds.append(kind)
    return kinds


def _at(recorded: Recorded) -> int:
    return recorded.at
