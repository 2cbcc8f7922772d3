"""The tables are total: every word of the installed SDK has a meaning here, and a new one fails these tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import pytest
from openai.types.responses import (
    response_create_params,
    response_includable,
    response_input_item_param,
    response_output_item,
    response_status,
    service_tier,
    tool_choice_options,
)
from openai.types.responses.response import IncompleteDetails
from openai.types.shared import reasoning_effort

from fastproxy.formats.events import REASONS
from fastproxy.formats.openai_responses.settings import KNOWN
from fastproxy.formats.openai_responses.words import (
    CHOICES,
    EFFORTS,
    ENCRYPTED,
    FIELDS,
    INCOMPLETE,
    KNOWN_ITEMS,
    LOGPROBS,
    REPLY_TIERS,
    TIERS,
    UNFINISHED,
    effort_of,
    nearest_effort,
    reason_of,
)

if TYPE_CHECKING:
    from fastproxy.formats.chat import Effort

READ_ITEMS = {"message", "reasoning", "function_call", "function_call_output", "custom_tool_call",
              "custom_tool_call_output"}  # fmt: skip
# fields of a request that pass to the same format only; a new one must be looked at
PASSED = {"access_programs", "background", "background_options", "context_management", "conversation", "image",
          "include", "max_tool_calls", "moderation", "prompt", "prompt_cache_options", "prompt_cache_retention",
          "stream_options", "truncation"}  # fmt: skip


def words(annotation: Any) -> set[str]:
    """All strings of the Literals in an annotation."""
    found: set[str] = set()
    for part in get_args(annotation):
        found |= {part} if isinstance(part, str) else words(part)
    return found


def kinds(union: Any) -> set[str]:
    """The `type` of each member of a union of the SDK's classes."""
    found: set[str] = set()
    for member in get_args(union):
        note = getattr(member, "__annotations__", {}).get("type")
        if note is not None:
            text = note.__forward_arg__ if hasattr(note, "__forward_arg__") else str(note)
            found |= {word for word in text.replace('"', "'").split("'")[1::2] if word}
        else:
            found |= kinds(member)
    return found


@pytest.mark.parametrize(
    ("table", "sdk"),
    [
        (set(INCOMPLETE), words(IncompleteDetails.model_fields["reason"].annotation)),
        (set(EFFORTS), words(reasoning_effort.ReasoningEffort)),
        (set(CHOICES), set(get_args(tool_choice_options.ToolChoiceOptions))),
        (set(TIERS) - {"standard_only", "standard"}, words(service_tier.ServiceTier)),
        (set(REPLY_TIERS) - {"standard", "batch"} | {"auto"}, words(service_tier.ServiceTier)),
        (set(KNOWN_ITEMS) | READ_ITEMS, kinds(response_input_item_param.ResponseInputItemParam)),
    ],
)  # fmt: skip
def test_every_word_of_the_sdk_is_known(table: set[str], sdk: set[str]) -> None:
    assert table == sdk


def test_every_item_of_a_reply_is_known() -> None:
    items = kinds(response_output_item.ResponseOutputItem)
    assert len(items) > 20
    assert items <= set(KNOWN_ITEMS) | READ_ITEMS


def test_every_status_of_a_response_is_known() -> None:
    """completed and incomplete end it, failed and cancelled are errors, the other two have not ended."""
    known = {"completed", "incomplete", "failed", "cancelled", "queued", "in_progress"}
    assert set(get_args(response_status.ResponseStatus)) == known


def test_every_field_of_a_request_is_looked_at() -> None:
    given = set(response_create_params.ResponseCreateParamsBase.__annotations__)
    assert given | {"stream"} == KNOWN | PASSED


def test_what_we_ask_to_include_exists() -> None:
    assert {ENCRYPTED, LOGPROBS} <= set(get_args(response_includable.ResponseIncludable))


def test_names_of_fields_are_the_sdks() -> None:
    given = set(response_create_params.ResponseCreateParamsBase.__annotations__) | {"stream"}
    assert {name.partition(".")[0] for name in FIELDS.values()} <= given


def test_every_reason_of_ours_can_be_written() -> None:
    assert set(UNFINISHED) == set(REASONS)
    assert {why for why in UNFINISHED.values() if why is not None} <= INCOMPLETE.keys()


@pytest.mark.parametrize(
    ("response", "calls", "refused", "reason"),
    [
        ({"status": "completed"}, False, False, "stop"),
        ({"status": "completed"}, True, False, "tool_calls"),
        ({"status": "completed"}, False, True, "refusal"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, True, False, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, True, False, "content_filter"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_messages"}}, False, False, "pause"),
        ({"status": "incomplete", "incomplete_details": {"reason": "steered"}}, True, False, "tool_calls"),
        ({"status": "incomplete", "incomplete_details": {"reason": "of_tomorrow"}}, False, False, "other"),
        ({"status": "incomplete"}, False, False, "other"),
        ({"incomplete_details": {"reason": "max_output_tokens"}}, False, False, "length"),
    ],
)
def test_cases_110_and_203_why_it_ended(response: dict[str, Any], calls: bool, refused: bool, reason: str) -> None:
    assert reason_of(response, calls=calls, refused=refused) == reason


@pytest.mark.parametrize(
    ("wanted", "known", "given"),
    [
        ("max", ("low", "medium", "high"), "high"),
        ("minimal", ("low", "medium"), "low"),
        ("medium", ("low", "high"), "low"),
        ("low", (), "low"),
        ("none", ("low",), "low"),
        ("low", ("none",), "none"),
        ("minimal", ("none", "high"), "high"),
    ],
)
def test_case_76_the_nearest_effort(wanted: Effort, known: tuple[Effort, ...], given: Effort) -> None:
    assert nearest_effort(wanted, known) == given


@pytest.mark.parametrize(
    ("budget", "effort"), [(-1, None), (0, "none"), (1024, "low"), (4096, "medium"), (16384, "high"), (64000, "high")]
)
def test_case_78_a_budget_as_an_effort(budget: int, effort: Effort | None) -> None:
    assert effort_of(budget) == effort
