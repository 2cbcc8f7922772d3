"""How hard to think: budgets of tokens as efforts, the same for every format that is told one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

    from fastproxy.formats.chat import Effort

# Tokens of thinking up to which an effort is the nearest by ratio to 1024, 4096, 16384, 32768; above the last: max.
EFFORT_UP_TO: Final[tuple[tuple[int, Effort], ...]] = (
    (0, "none"),
    (2048, "low"),
    (8192, "medium"),
    (23170, "high"),
    (46340, "xhigh"),
)


def effort_for(budget: int, takes: Collection[Effort] = ()) -> Effort:
    """The effort nearest to a budget of thinking tokens; above high only where the model is known to take it."""
    effort: Effort = next((effort for most, effort in EFFORT_UP_TO if budget <= most), "max")
    return effort if takes or effort not in ("xhigh", "max") else "high"
