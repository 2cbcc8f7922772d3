"""How long Gemini is told to think: a level (Gemini 3), a budget of tokens (2.5), nothing (older), never both.

    effort   none  minimal  low   medium  high   xhigh  max
    level    –     MINIMAL  LOW   MEDIUM  HIGH   HIGH   HIGH      XHIGH where the model is known to take it
    budget   0     512      1024  8192    24576  24576  24576     as Google's own OpenAI endpoint counts

A budget of -1 leaves it to the model. Thoughts are asked for if the client wants to see them; those of other formats,
where an effort is enough to get them, also if it only says how long to think.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from fastproxy.formats import checked
from fastproxy.formats.chat import Original, Reasoning
from fastproxy.formats.gemini.words import EFFORTS, LEVELS, NAME, named

if TYPE_CHECKING:
    from fastproxy.formats.chat import ChatRequest, Effort, Facts, Target
    from fastproxy.formats.notes import Notes

BUDGETS: Final[dict[Effort, int]] = {
    "none": 0,
    "minimal": 512,
    "low": 1024,
    "medium": 8192,
    "high": 24_576,
    "xhigh": 24_576,
    "max": 24_576,
}
_CLOSEST: Final[dict[Effort, Effort]] = {"none": "minimal", "xhigh": "high", "max": "high"}
LEAST_BUDGET: Final = 128  # of a model that cannot stop thinking
_LADDER: Final[tuple[Effort, ...]] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_OF_BUDGETS: Final = re.compile(r"gemini-2\.5")
_WITHOUT: Final = re.compile(r"gemini-(1|2\.0)")


def read_thinking(config: dict[str, Any], path: str) -> Reasoning:
    level = checked.text(config, named(config, "thinkingLevel"), path)
    budget = checked.integer(config, named(config, "thinkingBudget"), path, least=-1)
    show = checked.boolean(config, named(config, "includeThoughts"), path)
    effort = EFFORTS.get(level.upper()) if level is not None else None
    return Reasoning(effort, budget, show, original=Original(NAME, config))


def write_thinking(request: ChatRequest, target: Target, notes: Notes) -> dict[str, Any] | None:
    """thinkingConfig, or None where there is nothing to say."""
    reasoning = request.reasoning
    if reasoning is None:
        return None
    style = _style(target, reasoning)
    if style == "none":
        if not _is_off(reasoning):
            notes.drop("reasoning", "the model does not think")
        return None
    said: dict[str, Any] = {}
    if style == "budget":
        budget = _budget(reasoning, target.facts, notes)
        if budget is not None:
            said["thinkingBudget"] = budget
    elif (effort := _effort(reasoning)) is not None:
        said["thinkingLevel"] = _level(effort, target.facts, notes)
    if _wants_thoughts(request.format, reasoning):
        said["includeThoughts"] = True
    return said or None


def _style(target: Target, reasoning: Reasoning) -> str:
    """level, budget or none; for a model that nobody knows its name decides, then the client's own words."""
    known = target.facts.thinking
    if known in ("level", "budget", "none"):
        return known
    if _WITHOUT.search(target.model):
        return "none"
    if _OF_BUDGETS.search(target.model):
        return "budget"
    return "budget" if reasoning.effort is None and reasoning.budget is not None else "level"


def _is_off(reasoning: Reasoning) -> bool:
    return reasoning.effort == "none" or (reasoning.effort is None and reasoning.budget == 0)


def _wants_thoughts(client: str, reasoning: Reasoning) -> bool:
    """Whether to ask for thoughts; only Gemini's own clients must say so."""
    if reasoning.show is not None:
        return reasoning.show
    asks = reasoning.adaptive or reasoning.effort is not None or reasoning.budget is not None
    return client != NAME and asks and not _is_off(reasoning)


def _budget(reasoning: Reasoning, facts: Facts, notes: Notes) -> int | None:
    budget = reasoning.budget
    if reasoning.effort is not None and (budget is None or reasoning.effort == "none"):
        budget = BUDGETS[reasoning.effort]
    if budget is None and reasoning.adaptive:
        budget = -1
    if budget == 0 and not facts.can_stop_thinking:
        notes.change("reasoning", "the model cannot stop thinking")
        return LEAST_BUDGET
    return budget


def _effort(reasoning: Reasoning) -> Effort | None:
    if reasoning.effort is not None:
        return reasoning.effort
    return None if reasoning.budget is None else effort_of(reasoning.budget)


def effort_of(budget: int) -> Effort | None:
    """The effort that comes nearest to a budget; None leaves it to the model."""
    if budget < 0:
        return None
    if budget == 0:
        return "none"
    if budget <= BUDGETS["minimal"]:
        return "minimal"
    if budget <= 4 * BUDGETS["low"]:
        return "low"
    return "medium" if budget <= 2 * BUDGETS["medium"] else "high"


def _level(effort: Effort, facts: Facts, notes: Notes) -> str:
    if effort in ("xhigh", "max") and "xhigh" in facts.efforts:
        meant: Effort = "xhigh"
        level = "XHIGH"
    else:
        meant = _CLOSEST.get(effort, effort)
        level = LEVELS[_nearest(meant, facts.efforts)]
    if meant != effort or level not in (LEVELS[meant], "XHIGH"):
        notes.change("reasoning", f"thinkingLevel {level}")
    return level


def _nearest(effort: Effort, allowed: tuple[Effort, ...]) -> Effort:
    """The allowed effort next to `effort`, the higher one of two."""
    fitting = [each for each in allowed if each != "none"]
    if not fitting or effort in fitting:
        return effort
    place = _LADDER.index(effort)
    return min(fitting, key=lambda each: (abs(_LADDER.index(each) - place), -_LADDER.index(each)))
