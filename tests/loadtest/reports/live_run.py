"""A program that shows a load in the live view on its standard output, with a clock that goes half a second a look.

python -m tests.loadtest.reports.live_run TITLE SECONDS COUNT LOOKS [LANE…]
"""

from __future__ import annotations

import random
import sys
from unittest.mock import patch

from fastproxy.loadtest.load.histogram import merge
from fastproxy.loadtest.load.shapes import Tally
from fastproxy.loadtest.reports.live import LiveView
from tests.loadtest.reports.samples import times

MARK = "@@@"  # written before the view is taken away


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


def main(clock: Clock, *arguments: str) -> None:
    title, seconds, count, looks, *lanes = arguments
    rng = random.Random(1)
    view = LiveView(title, float(seconds), count=int(count))
    for lane in lanes or ("",):
        tally = Tally()
        for look in range(int(looks)):
            clock.now += 0.5
            tally.done += 50 * (1 + look % 4)
            tally.tokens_out = 10 * tally.done
            merge(tally.latency, times(rng, 50, 1_200.0 * (1 + look)))
            merge(tally.first_token, times(rng, 50, 400.0, 0.0))
            tally.errors["timeout"] = look
            view.update(tally, lane)
    sys.stdout.write(MARK)
    sys.stdout.flush()
    view.stop()
    view.stop()
    print("summary")


if __name__ == "__main__":
    with patch("fastproxy.loadtest.reports.live.time", Clock()) as slow:
        main(slow, *sys.argv[1:])
