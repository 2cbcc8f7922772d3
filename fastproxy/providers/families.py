"""What holds for families of models and stands in no data package: rules, each with its source and its date.

A rule is a pattern for the bare name (lower case, without vendor and host) and fields of Facts; every rule that fits
counts, a later one wins. `firm` names the fields in which the rule is right even where the table (models.json) differs.
Claude and Gemini go by version: the pattern finds it, the rule says from which on it holds.

    gpt-5-mini        OpenAI reasoning   no sampling, no stop, effort
    claude-opus-4-7   Anthropic ≥ 4.7    no sampling, adaptive thinking, no prefill
    gemini-2.5-pro    Gemini 2.5         a thinking budget of 128 to 32768 tokens, which cannot be 0
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

Fields = dict[str, Any]
Version = tuple[int, int]

LOW_TO_HIGH: Final = ("low", "medium", "high")


class Rule(NamedTuple):
    pattern: re.Pattern[str]
    fields: Fields
    firm: tuple[str, ...]


class Since(NamedTuple):
    """Holds for versions from `first` on, up to and without `end`."""

    first: Version
    fields: Fields
    end: Version = (99, 0)


def _rule(pattern: str, *firm: str, **fields: Any) -> Rule:
    return Rule(re.compile(pattern), fields, firm)


_NAMED: Final = (
    # OpenAI, guides/reasoning and error texts: "Unsupported parameter: 'temperature' is not supported with this model",
    # "'stop' is not supported with this model" (o3, o4-mini, gpt-5); peers.md cases 67, 70, 73; 2026-11.
    _rule(
        r"(?:gpt-(?:[5-9]|\d\d)|o\d+)(?![\da-z])|codex-|computer-use|chat-latest|(?:gpt-)?daybreak",
        sampling=False,
        stop=False,
        thinking="effort",
        can_stop_thinking=False,
        audio=False,
    ),
    # gpt-5-chat-latest was the chat model without reasoning; its successors reason, at one effort. 2025-11.
    _rule(r"gpt-5-chat", "efforts", sampling=True, stop=True, thinking="none", can_stop_thinking=True, efforts=()),
    _rule(r"gpt-5\.\d+-chat", "efforts", efforts=("medium",)),
    # developers.openai.com/api/docs/models, the models' own pages, 2026-11
    _rule(r"gpt-5(?:-mini|-nano)?(?:-20|\Z)", efforts=("minimal", *LOW_TO_HIGH)),
    _rule(r"gpt-5-pro", "efforts", efforts=("high",)),
    _rule(r"gpt-5\.\d+-pro", "efforts", efforts=("medium", "high", "xhigh")),
    _rule(r"gpt-5\.1(?![\d])(?!-c)", efforts=("none", *LOW_TO_HIGH)),
    _rule(r"gpt-5\.(?:[2-9]|\d\d)(?!-c|-pro)", efforts=("none", *LOW_TO_HIGH, "xhigh")),
    _rule(r"gpt-5(?:\.1)?-codex", efforts=LOW_TO_HIGH),
    _rule(r"gpt-5\.1-codex-max|gpt-5\.2-codex", efforts=(*LOW_TO_HIGH, "xhigh")),
    _rule(r"o\d+(?:-|\Z)", efforts=LOW_TO_HIGH),
    _rule(r"o\d+-(?:mini-)?deep-research", efforts=("medium",)),
    _rule(r"o1-(?:mini|preview)", thinking="none", tools=False, json_schema=False, efforts=()),
    # open weights take sampling wherever they run; the effort goes into their system prompt. 2025-08.
    _rule(r"gpt-oss", thinking="effort", can_stop_thinking=False, efforts=LOW_TO_HIGH, images=False, audio=False),
    _rule(r"(?:gpt-(?:4|3\.?5)|chatgpt-4o)", thinking="none"),
    # guides/structured-outputs: json_schema from gpt-4o-2024-08-06 on
    _rule(r"gpt-(?:3\.?5|4-|4\Z|4o-2024-05)", json_schema=False),
    _rule(r"gpt-(?:3\.?5|4-0|4-32k|4\Z)", images=False, documents=False),
    # docs.x.ai/docs/guides/reasoning: stop and penalties are refused by reasoning models, reasoning_effort by grok-4
    # itself; the -non-reasoning ones take everything. 2026-11.
    _rule(r"grok-(?:[4-9]|code|build)(?!.*non-reasoning)", stop=False),
    _rule(r"grok-4(?:-|\Z)|grok-code|.*non-reasoning", thinking="none"),
    _rule(r"grok-3-mini", stop=False, thinking="effort", efforts=("low", "high")),
    # platform.moonshot.ai, kimi-k2.5 quickstart: temperature and top_p are fixed, tool_choice is auto or none while
    # thinking; 2026-02.
    _rule(r"kimi-k(?:2\.[5-9]|[3-9])", sampling=False, forced_tools_with_thinking=False),
    # api-docs.deepseek.com/guides/thinking_mode, 2026-11
    _rule(r"deepseek-(?:reasoner|r1)", can_stop_thinking=False),
)

# platform.claude.com/docs: migration guide, adaptive thinking, effort, structured outputs; peers.md cases 10, 47, 71,
# 76 and 80; read 2026-11. The limits are those of models that the table no longer lists.
_CLAUDE: Final = (
    Since((0, 0), {"thinking": "none", "json_schema": False, "forced_tools_with_thinking": False, "audio": False}),
    Since((0, 0), {"max_output": 4_096, "documents": False}, (3, 5)),
    Since((0, 0), {"images": False, "tools": False}, (3, 0)),
    Since((3, 5), {"max_output": 8_192}, (3, 7)),
    Since((3, 7), {"thinking": "budget", "max_output": 64_000}),
    Since((4, 1), {"both": False}),
    Since((4, 5), {"json_schema": True}),
    Since((4, 6), {"thinking": "adaptive", "prefill": False, "max_output": 128_000, "efforts": (*LOW_TO_HIGH, "max")}),
    Since((4, 7), {"sampling": False, "efforts": (*LOW_TO_HIGH, "xhigh", "max")}),
)
_CLAUDE_NAMED: Final = (
    _rule(r"claude-(?:opus-4(?:-[01])?(?:-20|@|\Z)|4-opus)", max_output=32_000),
    _rule(r"claude-(?:fable|mythos)", can_stop_thinking=False),
    _rule(r"claude-(?:opus|sonnet)-5[-.][5-9]", can_stop_thinking=False),
)

# ai.google.dev/gemini-api/docs/thinking, /gemini-3, /whats-new-gemini-3.6 and the models' pages in Google Cloud's
# documentation: 3.5 Flash-Lite and everything from 3.6 on ignore sampling and refuse a last turn of the model's; read
# 2026-11. JSON mode beside tools: peers.md case 81.
_GEMINI: Final = (
    Since((0, 0), {"thinking": "none", "json_with_tools": False}),
    Since((2, 5), {"thinking": "budget"}),
    Since((3, 0), {"thinking": "level", "can_stop_thinking": False, "json_with_tools": True}),
    Since((3, 0), {"efforts": ("minimal", *LOW_TO_HIGH)}, (3, 7)),
    Since((3, 6), {"sampling": False, "prefill": False}),
    Since((3, 7), {"efforts": LOW_TO_HIGH}),
)
_GEMINI_NAMED: Final = (
    _rule(r"gemini-2\.5-pro", can_stop_thinking=False),
    _rule(r"gemini-3-pro", efforts=("low", "high")),
    _rule(r"gemini-3\.\d+-pro", efforts=LOW_TO_HIGH),
    _rule(r"gemini-3\.5-flash-lite", sampling=False, prefill=False),
    _rule(r"gemini-.*-(?:image|tts|live|native-audio)", thinking="none"),
    _rule(r"gemini-.*-(?:image|tts)", tools=False),
)

# What a vendor's API cannot do with whichever model. api-docs.deepseek.com (JSON output knows json_object alone),
# docs.bigmodel.cn (the same), docs.perplexity.ai (no function calling in Sonar), docs.ollama.com (no tool_choice).
_VENDORS: Final[Mapping[str, Fields]] = {
    "deepseek": {"json_schema": False},
    "zhipu": {"json_schema": False},
    "zhipu-coding": {"json_schema": False},
    "z-ai": {"json_schema": False},
    "perplexity-ai": {"tools": False},
}

_VERSIONS: Final = {
    "claude": (re.compile(r"claude-(?:[a-z]+-)?(\d)(?:[-.](\d{1,2}))?(?!\d)"), _CLAUDE, _CLAUDE_NAMED, (4, 7)),
    "gemini": (re.compile(r"gemini-(\d+)(?:\.(\d+))?"), _GEMINI, _GEMINI_NAMED, (3, 8)),
}
# Gemini 2.5: the fewest and the most tokens of a thinking budget; 0 besides where it can be switched off.
_BUDGETS: Final = (
    (re.compile(r"gemini-2\.5-pro"), (128, 32_768)),
    (re.compile(r"gemini-2\.5-flash-lite"), (512, 24_576)),
    (re.compile(r"gemini-2\.5-flash"), (1, 24_576)),
    (re.compile(r"claude-"), (1_024, 128_000)),
)


def rules(vendor: str, name: str) -> tuple[Fields, set[str]]:
    """The fields of Facts that the rules give to the model with this bare name at this vendor, and the firm ones."""
    fitting = [rule for rule in _NAMED if rule.pattern.match(name)]
    fields: Fields = {}
    for family, (_, since, named, _) in _VERSIONS.items():
        if (number := version(family, name)) is not None:
            for step in since:
                fields |= step.fields if step.first <= number < step.end else {}
            fitting += [rule for rule in named if rule.pattern.match(name)]
    limits = _VENDORS.get(vendor, {})
    firm = set(limits)
    for rule in fitting:
        fields |= rule.fields
        firm.update(rule.firm)
    return fields | limits, firm


def version(family: str, name: str) -> Version | None:
    """The version that a name of the family says, (4, 5) for claude-opus-4-5; None for other families' names.

    A name without one, such as gemini-flash-latest, is that of the newest: rules for it are the strictest.
    """
    pattern, _, _, newest = _VERSIONS[family]
    if not name.startswith(family + "-"):
        return None
    match = pattern.match(name)
    return (int(match[1]), int(match[2] or 0)) if match else newest


def budgets(name: str) -> tuple[int, int] | None:
    """The fewest and the most tokens that the model may be told to think, where it is told a number."""
    return next((limits for pattern, limits in _BUDGETS if pattern.match(name)), None)
