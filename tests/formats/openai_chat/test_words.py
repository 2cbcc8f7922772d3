"""Every word of the installed SDK has its place in the tables; a new one fails here and not at a user's."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from openai.types import shared
from openai.types.chat import chat_completion, chat_completion_chunk, completion_create_params
from openai.types.chat.chat_completion_allowed_tools_param import ChatCompletionAllowedToolsParam
from openai.types.completion_choice import CompletionChoice

from fastproxy.formats.chat import ChatRequest, Effort
from fastproxy.formats.efforts import effort_for
from fastproxy.formats.events import REASONS, Reason
from fastproxy.formats.openai_chat import FIELDS
from fastproxy.formats.openai_chat.completions import _finish
from fastproxy.formats.openai_chat.read_request import KEYS
from fastproxy.formats.openai_chat.tools import read_choice
from fastproxy.formats.openai_chat.words import (
    EFFORTS,
    FAILED,
    FINISH_OF,
    REASON_OF,
    SERVICE_TIERS,
    reason_of,
)


def words_of(annotation: Any) -> set[str]:
    """All strings in an annotation, however deep its literals are."""
    if isinstance(annotation, str):
        return {annotation}
    return {word for inner in get_args(annotation) for word in words_of(inner)}


FINISH = words_of(chat_completion.Choice.model_fields["finish_reason"].annotation)


def test_every_finish_reason_of_the_sdk_has_a_reason() -> None:
    assert words_of(chat_completion_chunk.Choice.model_fields["finish_reason"].annotation) == FINISH
    assert {word for word in FINISH if word not in REASON_OF} == set()


def test_every_reason_has_a_finish_reason_of_the_sdk() -> None:
    assert set(FINISH_OF) == set(REASONS) == set(get_args(Reason))
    assert set(FINISH_OF.values()) <= FINISH
    old = words_of(CompletionChoice.model_fields["finish_reason"].annotation)
    assert {_finish(reason) for reason in REASONS} <= old


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop", "stop"), ("stop_sequence", "stop"), ("pause", "stop"), ("tool_calls", "tool_calls"),
        ("length", "length"), ("context_window", "length"), ("refusal", "content_filter"),
        ("content_filter", "content_filter"), ("other", "stop"), ("bad_tool_call", "stop"), ("cancelled", "stop"),
    ],
)  # fmt: skip
def test_case_106_to_111_reasons_outward(reason: Reason, finish: str) -> None:
    assert FINISH_OF[reason] == finish


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", "stop"), ("length", "length"), ("tool_calls", "tool_calls"), ("function_call", "tool_calls"),
        ("content_filter", "content_filter"), ("model_length", "context_window"), ("eos", "stop"),
        ("new_word", "other"),
    ],
)  # fmt: skip
def test_case_107_reasons_inward(finish: str, reason: Reason) -> None:
    assert reason_of(finish) == reason
    assert finish not in FAILED


def test_case_76_every_effort_of_the_sdk_is_one_of_ours() -> None:
    assert words_of(shared.ReasoningEffort) == set(EFFORTS) == set(get_args(Effort))


@pytest.mark.parametrize(
    ("budget", "effort"),
    [(0, "none"), (1024, "low"), (2049, "medium"), (8192, "medium"), (8193, "high"), (10**6, "high")],
)
def test_case_78_the_effort_nearest_to_a_budget(budget: int, effort: Effort) -> None:
    assert effort_for(budget) == effort


@pytest.mark.parametrize(("budget", "effort"), [(23170, "high"), (23171, "xhigh"), (46341, "max")])
def test_case_78_efforts_above_high_where_they_are_known(budget: int, effort: Effort) -> None:
    assert effort_for(budget, EFFORTS) == effort


def test_case_83_every_service_tier_of_the_sdk_is_known() -> None:
    asked = words_of(chat_completion.ChatCompletion.model_fields["service_tier"].annotation)
    assert {word for word in asked if SERVICE_TIERS.get(word) != word} == set()
    assert {SERVICE_TIERS[word] for word in ("standard", "standard_only", "batch")} <= asked


def test_every_tool_choice_of_the_sdk_is_read() -> None:
    for word in ("none", "auto", "required"):
        choice = read_choice({"tool_choice": word})
        assert choice is not None
        assert choice.mode == word
    for mode in words_of(ChatCompletionAllowedToolsParam.__annotations__["mode"]):
        asked = {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": []}}
        choice = read_choice({"tool_choice": asked})
        assert choice is not None
        assert choice.required is (mode == "required")


def test_every_field_of_a_request_has_a_name_in_reports() -> None:
    assert set(FIELDS) == set(ChatRequest.__struct_fields__) - {"format", "body", "extra"}
    assert set(KEYS) == set(FIELDS) - {"previous"}


def test_every_field_of_the_sdk_is_read_or_kept_as_extra() -> None:
    known = {key for keys in KEYS.values() for key in keys}
    fields = set(completion_create_params.CompletionCreateParamsNonStreaming.__annotations__) | set(
        completion_create_params.CompletionCreateParamsBase.__annotations__
    )
    # what only OpenAI has; add a new field here only after asking whether another format has a word for it
    extra = {"audio", "modalities", "moderation", "prediction", "prompt_cache_options", "prompt_cache_retention",
             "web_search_options"}  # fmt: skip
    assert fields - known == extra
