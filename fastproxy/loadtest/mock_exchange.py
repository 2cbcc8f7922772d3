"""One request on its way through the mock: what is known of it grows from step to step.

So a refusal at any step is written in the right format and into the right row of the books.
"""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastproxy.loadtest.mock_behaviour import Behaviour
    from fastproxy.loadtest.mock_request import Request
    from fastproxy.loadtest.mock_routes import Format

_EPOCH = 1_750_000_000
_YEAR = 31_536_000


@dataclass(slots=True)
class Exchange:
    """`now` is the Unix time that the reply shows, `clock` the monotonic time it is. A `blank` one is for a stencil."""

    request: Request
    behaviour: Behaviour
    rng: random.Random
    now: int
    clock: float
    style: Format = "openai"
    key: str = ""
    endpoint: str = "(unknown)"
    blank: bool = False

    def behave(self, behaviour: Behaviour) -> None:
        """From now on like this. A seed decides over the time that is shown; a request's own one over chance, too."""
        self.behaviour = behaviour
        if behaviour.seed is not None:
            self.now = _EPOCH + behaviour.seed % _YEAR
            if behaviour.own_seed:
                self.rng = random.Random(behaviour.seed << 32 ^ zlib.crc32(self.request.body))
