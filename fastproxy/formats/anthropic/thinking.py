"""How long a model is to think, in the words that its generation knows.

    facts.thinking   asked for an effort                        asked for a budget of tokens
    budget           {"type": "enabled", budget of the table}   the budget, 1024 or more, below max_tokens
    adaptive         {"type": "adaptive"} + output_config       the nearest effort
    unknown          as adaptive                                as budget
    none             nothing                                    nothing
    "none" or 0 is {"type": "disabled"}; a model that cannot stop thinking gets the least effort.

With a budget the API demands that a turn which called tools begins with its thoughts. Where a client has lost them,
the request goes without thinking.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fastproxy.formats.anthropic.words import NAME, WRITE_EFFORTS
from fastproxy.formats.chat import Reasoning
from fastproxy.formats.efforts import effort_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastproxy.formats.chat import ChatRequest, Effort, Facts, Target
    from fastproxy.formats.notes import Notes

Body = dict[str, Any]
LEAST_BUDGET: Final = 1024  # what the API takes
BUDGETS: Final[Mapping[Effort, int]] = {
    "none": 0,
    "minimal": 1024,
    "low": 1024,
    "medium": 4096,
    "high": 16384,
    "xhigh": 32768,
    "max": 65536,
}
RANKS: Final[tuple[Effort, ...]] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def nearest_effort(budget: int) -> Effort:
    """The effort whose budget is nearest, by ratio."""
    return effort_for(budget, RANKS)


class Thought(NamedTuple):
    """The fields that say it. `is_kept`: the client's own words, which are Anthropic's, stay as they are."""

    max_tokens: int
    thinking: Body | None = None
    effort: str | None = None
    is_kept: bool = False

    @property
    def is_on(self) -> bool:
        return self.thinking is not None and self.thinking.get("type") in ("enabled", "adaptive")


def max_tokens(request: ChatRequest, target: Target, notes: Notes) -> int:
    """The API demands it: what was asked for, else what the model can."""
    most = target.facts.max_output
    if request.max_output is None:
        return most or target.default_max_output
    if most is not None and request.max_output > most:
        notes.clamp("max_output", f"this model writes {most} tokens at most")
        return most
    return request.max_output


def write_thinking(request: ChatRequest, target: Target, notes: Notes, *, has_lost_thoughts: bool) -> Thought:
    """`has_lost_thoughts`: the turn that the model is to go on with does not begin with its thoughts."""
    limit, reasoning, facts = max_tokens(request, target, notes), request.reasoning, target.facts
    if reasoning is None:
        return Thought(limit)
    if _is_own(reasoning) and (kept := _own(request, reasoning, facts, limit, notes)) is not None:
        return kept
    if facts.thinking == "none":
        return _thoughtless(reasoning, limit, notes)
    if _is_off(reasoning):
        if facts.can_stop_thinking:
            return Thought(limit, {"type": "disabled"})
        notes.change("reasoning", "this model cannot stop thinking")
        reasoning = Reasoning("low")
    if not _wants_budget(reasoning, facts):
        return _adaptive(reasoning, facts, limit, notes)
    if has_lost_thoughts:
        notes.drop("reasoning", "the thoughts before the last tool call are missing")
        return Thought(limit)
    return _with_budget(_budget(reasoning), request, target, notes)


def _thoughtless(reasoning: Reasoning, limit: int, notes: Notes) -> Thought:
    if not _is_off(reasoning):
        notes.drop("reasoning", "this model does not think")
    return Thought(limit)


def _own(request: ChatRequest, reasoning: Reasoning, facts: Facts, limit: int, notes: Notes) -> Thought | None:
    """What an Anthropic client said, as far as this model takes it."""
    thinking = request.body.get("thinking")
    if not _contradicts(reasoning, facts):
        return Thought(limit, thinking if isinstance(thinking, dict) else None, is_kept=True)
    if thinking is None and facts.thinking != "none":
        return Thought(limit, None, _effort(reasoning.effort, facts, notes))  # how much work, thinking or not
    return None


def _is_own(reasoning: Reasoning) -> bool:
    return reasoning.original is not None and reasoning.original.format == NAME


def _contradicts(reasoning: Reasoning, facts: Facts) -> bool:
    """Whether this model refuses what an Anthropic client has said."""
    if facts.efforts and reasoning.effort is not None and reasoning.effort not in facts.efforts:
        return True
    if _is_off(reasoning):
        return not facts.can_stop_thinking
    if facts.thinking == "none":
        return True
    if facts.thinking == "budget":
        return reasoning.adaptive
    return facts.thinking == "adaptive" and reasoning.budget is not None


def _is_off(reasoning: Reasoning) -> bool:
    return reasoning.effort == "none" or reasoning.budget == 0


def _wants_budget(reasoning: Reasoning, facts: Facts) -> bool:
    return facts.thinking == "budget" or (facts.thinking == "unknown" and (reasoning.budget or 0) > 0)


def _adaptive(reasoning: Reasoning, facts: Facts, limit: int, notes: Notes) -> Thought:
    effort = reasoning.effort
    if (reasoning.budget or 0) > 0:
        effort = effort or nearest_effort(reasoning.budget or 0)
        notes.change("reasoning", f"a budget of tokens is sent as effort {effort}")
    elif effort is None and reasoning.budget is None and not reasoning.adaptive and facts.thinking != "adaptive":
        return Thought(limit)  # it only says whether thoughts are to be shown
    thinking: Body = {"type": "adaptive"}
    if reasoning.show is not None:
        thinking["display"] = "summarized" if reasoning.show else "omitted"
    return Thought(limit, thinking, _effort(effort, facts, notes))


def _effort(effort: Effort | None, facts: Facts, notes: Notes) -> str | None:
    if effort is None:
        return None
    taken = effort
    if facts.efforts and effort not in facts.efforts:
        taken = _nearest(effort, facts.efforts)
    word = WRITE_EFFORTS[taken]
    if word != effort:
        notes.clamp("reasoning", f"effort {word} is sent")
    return word


def _nearest(effort: Effort, efforts: tuple[Effort, ...]) -> Effort:
    """The next lower one that is taken, else the lowest."""
    ranked = sorted(efforts, key=RANKS.index)
    return next((known for known in reversed(ranked) if RANKS.index(known) <= RANKS.index(effort)), ranked[0])


def _budget(reasoning: Reasoning) -> int:
    if reasoning.budget is not None and reasoning.budget > 0:
        return reasoning.budget
    return BUDGETS[reasoning.effort or "medium"]  # the choice was left to the model, and this one does not choose


def _with_budget(wanted: int, request: ChatRequest, target: Target, notes: Notes) -> Thought:
    """The budget must lie below max_tokens: that is raised if the client did not set it, else the budget is lowered."""
    limit = max_tokens(request, target, notes)
    if request.reasoning is not None and request.reasoning.adaptive:
        notes.change("reasoning", "this model does not decide itself how long it thinks")
    budget = max(wanted, LEAST_BUDGET)
    if budget >= limit and request.max_output is None and target.facts.max_output is None:
        limit = budget + target.default_max_output
    if budget >= limit:
        if limit <= LEAST_BUDGET:
            notes.drop("reasoning", f"thinking needs more than {LEAST_BUDGET} tokens of output")
            return Thought(limit)
        budget = max(limit * 4 // 5, LEAST_BUDGET)  # the rest is for the answer
    if budget != wanted:
        notes.clamp("reasoning", f"a budget of {budget} tokens is sent")
    return Thought(limit, {"type": "enabled", "budget_tokens": budget})
