"""Settings of other formats, written for Gemini: sampling, limits, output, thinking."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from google.genai import types
from msgspec.structs import replace

from fastproxy.formats import gemini
from fastproxy.formats.chat import (
    ChatRequest,
    Effort,
    Facts,
    OutputFormat,
    Reasoning,
    Target,
)
from fastproxy.formats.gemini.thinking import effort_of
from fastproxy.formats.notes import Notes
from tests.formats.gemini.asking import (
    LEVEL,
    USER,
    F,
    asked,
    config,
    written,
)

SETTINGS: list[tuple[str, dict[str, Any], dict[str, Any], int]] = [
    ("cases 67 and 199 limit", {"max_output": 100}, {"maxOutputTokens": 100}, 0),
    ("case 72 top_k", {"top_k": 5, "top_p": 0.5, "temperature": 2.0}, {"temperature": 2.0, "topP": 0.5, "topK": 5}, 0),
    ("case 73 stop", {"stop": ("a", "", "b")}, {"stopSequences": ["a", "b"]}, 0),
    ("case 73 too many", {"stop": tuple("abcdef")}, {"stopSequences": list("abcde")}, 1),
    ("case 74 n", {"count": 2}, {"candidateCount": 2}, 0),
    ("case 74 one", {"count": 1}, {}, 0),
    ("case 75 penalties", {"seed": 1, "presence_penalty": 0.0, "frequency_penalty": 1.0},
     {"seed": 1, "presencePenalty": 0.0, "frequencyPenalty": 1.0}, 0),
    ("case 75 logprobs", {"top_logprobs": 3}, {"responseLogprobs": True, "logprobs": 3}, 0),
    ("case 75 logprobs alone", {"top_logprobs": 0}, {"responseLogprobs": True}, 0),
    ("case 75 logit_bias", {"logit_bias": {"1": 2.0}}, {}, 1),
    ("case 79 JSON", {"output": OutputFormat("json_object")}, {"responseMimeType": "application/json"}, 0),
    ("case 80 schema", {"output": OutputFormat("json_schema", {"type": "array", "items": {"type": "string"}}, "n")},
     {"responseMimeType": "application/json", "responseSchema": {"type": "ARRAY", "items": {"type": "STRING"}}}, 0),
    ("case 80 recursive", {"output": OutputFormat("json_schema", {"$ref": "#"})},
     {"responseMimeType": "application/json", "responseJsonSchema": {"$ref": "#"}}, 1),
    ("case 86 verbosity", {"verbosity": "low"}, {}, 1),
    ("case 90 unknown fields", {"extra": {"safetySettings": [], "x": 1}}, {}, 2),
    ("user, metadata and the rest", {"user": "u", "metadata": {}, "cache_key": "k", "previous": "p"}, {}, 4),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "expected", "lost"), [row[1:] for row in SETTINGS], ids=[row[0] for row in SETTINGS]
)
def test_a_setting_is_written(fields: dict[str, Any], expected: dict[str, Any], lost: int) -> None:
    made, told = config(**fields)
    assert made == expected
    assert len(told) == lost
    types.GenerationConfig.model_validate(made)


FACTS: list[tuple[str, Facts, dict[str, Any], dict[str, Any], int]] = [
    ("limit", Facts(max_output=50), {"max_output": 100}, {"maxOutputTokens": 50}, 1),
    ("no sampling", Facts(sampling=False), {"temperature": 1.0, "top_k": 2}, {}, 2),
    ("case 71 not both", Facts(both=False), {"temperature": 1.0, "top_p": 0.5}, {"temperature": 1.0}, 1),
    ("no stop", Facts(stop=False), {"stop": ("a",)}, {}, 1),
    ("no tools", Facts(tools=False), {"tools": (F,)}, {}, 1),
]


@pytest.mark.parametrize(
    ("facts", "fields", "expected", "lost"), [row[1:] for row in FACTS], ids=[row[0] for row in FACTS]
)
def test_the_models_facts_are_obeyed(facts: Facts, fields: dict[str, Any], expected: dict[str, Any], lost: int) -> None:
    made, told = config(facts, **fields)
    assert made == expected
    assert len(told) == lost


@pytest.mark.parametrize(
    ("tier", "expected", "lost"),
    [
        ("auto", None, 0),
        ("default", "standard", 0),
        ("flex", "flex", 0),
        ("priority", "priority", 0),
        ("scale", None, 1),
    ],
)
def test_case_83_the_tier_of_service_is_written(tier: str, expected: str | None, lost: int) -> None:
    body, told = written(asked(service_tier=tier))
    assert body.get("serviceTier") == expected
    assert len(told) == lost


def test_vertex_has_no_store() -> None:
    notes = Notes()
    body, _ = gemini.write_request(asked(store=True), Target("m", vendor="google-vertex-ai"), notes)
    assert "store" not in body
    assert notes


def test_case_81_the_format_is_told_in_words_where_it_cannot_stand_beside_tools() -> None:
    output = OutputFormat("json_schema", {"type": "object"})
    body, lost = written(asked(tools=(F,), output=output), Facts(json_with_tools=False))
    assert "generationConfig" not in body
    assert '{"type":"object"}' in body["systemInstruction"]["parts"][0]["text"]
    assert len(lost) == 1


def test_case_80_the_schema_is_told_in_words_where_the_model_takes_none() -> None:
    output = OutputFormat("json_schema", {"type": "object"})
    body, lost = written(asked(output=output), Facts(json_schema=False))
    assert body["generationConfig"] == {"responseMimeType": "application/json"}
    assert '{"type":"object"}' in body["systemInstruction"]["parts"][0]["text"]
    assert len(lost) == 1


BUDGET = Facts(thinking="budget")
RESTLESS = Facts(thinking="budget", can_stop_thinking=False)
XHIGH = Facts(thinking="level", efforts=("low", "medium", "high", "xhigh"))
TWO_LEVELS = Facts(thinking="level", efforts=("low", "high"))
LEVELS = {"none": "MINIMAL", "minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH"}
THINKING: list[tuple[str, Facts, Reasoning, Any, int]] = [
    *(
        (f"case 77 level {effort}", LEVEL, Reasoning(effort), {"thinkingLevel": LEVELS.get(effort, "HIGH")},
         int(effort in ("none", "xhigh", "max")))
        for effort in get_args(Effort)
    ),
    ("case 77 off", BUDGET, Reasoning("none"), {"thinkingBudget": 0}, 0),
    ("case 77 low", BUDGET, Reasoning("low"), {"thinkingBudget": 1024}, 0),
    ("case 77 max", BUDGET, Reasoning("max"), {"thinkingBudget": 24_576}, 0),
    ("case 77 cannot stop", RESTLESS, Reasoning("none"), {"thinkingBudget": 128}, 1),
    ("case 77 adaptive", BUDGET, Reasoning(adaptive=True), {"thinkingBudget": -1}, 0),
    ("case 77 nearest level", TWO_LEVELS, Reasoning("minimal"), {"thinkingLevel": "LOW"}, 1),
    ("case 77 nearest level above", TWO_LEVELS, Reasoning("medium"), {"thinkingLevel": "HIGH"}, 1),
    ("case 77 more than high", XHIGH, Reasoning("xhigh"), {"thinkingLevel": "XHIGH"}, 0),
    ("case 77 the most there is", XHIGH, Reasoning("max"), {"thinkingLevel": "XHIGH"}, 1),
    ("case 78 same budget", BUDGET, Reasoning(budget=2000), {"thinkingBudget": 2000}, 0),
    ("case 78 nearest effort", LEVEL, Reasoning(budget=2000), {"thinkingLevel": "LOW"}, 0),
    ("case 78 the model's choice", LEVEL, Reasoning(budget=-1), None, 0),
    ("case 77 thoughts wanted", LEVEL, Reasoning("high", show=True),
     {"thinkingLevel": "HIGH", "includeThoughts": True}, 0),
    ("case 77 thoughts not wanted", LEVEL, Reasoning("high", show=False), {"thinkingLevel": "HIGH"}, 0),
    ("does not think", Facts(thinking="none"), Reasoning("high"), None, 1),
    ("does not think anyway", Facts(thinking="none"), Reasoning("none"), None, 0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "reasoning", "expected", "lost"), [row[1:] for row in THINKING], ids=[row[0] for row in THINKING]
)
def test_thinking_is_a_level_or_a_budget_and_never_both(
    facts: Facts, reasoning: Reasoning, expected: Any, lost: int
) -> None:
    made, told = config(facts, reasoning=replace(reasoning, show=bool(reasoning.show)))
    assert made.get("thinkingConfig") == expected
    assert len(told) == lost


@pytest.mark.parametrize(
    ("model_name", "reasoning", "expected"),
    [
        ("gemini-2.5-flash", Reasoning("low"), {"thinkingBudget": 1024}),
        ("gemini-2.0-flash", Reasoning("low"), None),
        ("gemini-3-pro", Reasoning("low"), {"thinkingLevel": "LOW"}),
        ("gemini-9", Reasoning(budget=5000), {"thinkingBudget": 5000}),
    ],
    ids=["2.5", "2.0", "3", "a budget"],
)
def test_the_name_of_a_model_that_nobody_knows_tells_how_it_thinks(
    model_name: str, reasoning: Reasoning, expected: Any
) -> None:
    hidden = replace(reasoning, show=False)
    assert config(model=model_name, reasoning=hidden)[0].get("thinkingConfig") == expected


SHOWN: list[tuple[Reasoning, bool]] = [
    (Reasoning("high"), True),
    (Reasoning("minimal"), True),
    (Reasoning(budget=5000), True),
    (Reasoning(budget=-1), True),
    (Reasoning(adaptive=True), True),
    (Reasoning(show=True), True),
    (Reasoning("high", show=False), False),
    (Reasoning("none"), False),
    (Reasoning(budget=0), False),
    (Reasoning(), False),
]


@pytest.mark.parametrize("facts", [LEVEL, BUDGET], ids=["level", "budget"])
@pytest.mark.parametrize("client", ["openai-chat", "openai-responses", "anthropic"])
@pytest.mark.parametrize(("reasoning", "expected"), SHOWN, ids=[str(row[0]) for row in SHOWN])
def test_a_client_that_asked_for_an_effort_gets_thoughts_as_from_other_vendors(
    reasoning: Reasoning, expected: bool, client: str, facts: Facts
) -> None:
    request = ChatRequest(client, "m", (USER,), {}, reasoning=reasoning)
    thinking = written(request, facts)[0].get("generationConfig", {}).get("thinkingConfig", {})
    assert thinking.get("includeThoughts", False) is expected


def test_a_gemini_client_that_asked_for_no_thoughts_gets_none() -> None:
    body = {"contents": [{"parts": [{"text": "q"}]}], "generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}}
    request = replace(gemini.read_request(body, model="m"), max_output=5)
    config = written(request, LEVEL)[0]["generationConfig"]
    assert config == {"maxOutputTokens": 5, "thinkingConfig": {"thinkingLevel": "LOW"}}


@pytest.mark.parametrize(
    ("budget", "effort"),
    [(-1, None), (0, "none"), (1, "minimal"), (1024, "low"), (4096, "low"), (8192, "medium"), (20_000, "high")],
)
def test_case_78_a_budgets_nearest_effort(budget: int, effort: Effort | None) -> None:
    assert effort_of(budget) == effort
