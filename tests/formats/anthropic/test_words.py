"""Every word of the installed SDK has a word of the hub's, and the other way round."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import pytest
from anthropic.types import (
    ContentBlock,
    ContentBlockParam,
    Message,
    OutputConfigParam,
    StopReason,
    ThinkingConfigParam,
    ToolChoiceParam,
    Usage,
)
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming

from fastproxy.errors import FormatError
from fastproxy.formats import anthropic
from fastproxy.formats.anthropic import words
from fastproxy.formats.anthropic.read_blocks import _READERS
from fastproxy.formats.anthropic.read_request import WITH_WORDS
from fastproxy.formats.chat import Effort
from fastproxy.formats.events import REASONS
from tests.formats.anthropic.frames import golden

# fields that go through `extra`, because no other format has them
OWN_FIELDS = {
    "cache_control", "container", "diagnostics", "inference_geo", "speed", "user_profile_id", "workspace_id",
}  # fmt: skip

SAMPLING = {"temperature", "top_p", "top_k"}  # the SDK has dropped them, the older version of the API has not


def literals(annotation: Any) -> set[str]:
    """The string values that a type allows, through unions and Annotated."""
    found: set[str] = set()
    for argument in get_args(annotation):
        found |= {argument} if isinstance(argument, str) else literals(argument)
    return found


def field(holder: Any, name: str) -> Any:
    """The type of a field of a model or a typed dict."""
    fields = getattr(holder, "model_fields", None)
    return fields[name].annotation if fields is not None else get_type_hints(holder, include_extras=True)[name]


def kinds(union: Any) -> set[str]:
    """The values of `type` among the members of a union, however it is wrapped."""
    if hasattr(union, "model_fields") or hasattr(union, "__required_keys__"):
        return literals(field(union, "type"))
    return {kind for member in get_args(union) for kind in kinds(member)}


def test_case_106_every_stop_reason_is_known() -> None:
    assert set(words.READ_REASONS) == literals(StopReason)


def test_case_107_every_reason_has_a_stop_reason() -> None:
    assert set(words.WRITE_REASONS) == set(REASONS)
    assert set(words.WRITE_REASONS.values()) <= set(words.READ_REASONS)


def test_case_76_every_effort_has_a_word() -> None:
    assert set(words.WRITE_EFFORTS) == set(get_args(Effort))
    assert set(words.WRITE_EFFORTS.values()) == literals(field(OutputConfigParam, "effort"))


def test_case_83_every_tier_is_known() -> None:
    assert set(words.READ_TIERS) == literals(field(MessageCreateParamsNonStreaming, "service_tier"))
    assert set(words.READ_REPLY_TIERS) == literals(field(Usage, "service_tier"))


def test_every_field_of_a_request_has_its_place() -> None:
    fields = set(get_type_hints(MessageCreateParamsNonStreaming))
    assert fields | SAMPLING == WITH_WORDS | OWN_FIELDS


@pytest.mark.parametrize("union", [ContentBlock, ContentBlockParam], ids=["replies", "requests"])
def test_every_block_is_known(union: Any) -> None:
    assert kinds(union)
    assert kinds(union) <= set(_READERS) | words.OWN_BLOCKS


def test_case_43_every_tool_choice_is_read() -> None:
    found = kinds(ToolChoiceParam)
    assert found == {"auto", "any", "tool", "none"}
    for kind in found:
        body = golden("request_forced_tool.json") | {"tool_choice": {"type": kind, "name": "get_weather"}}
        assert anthropic.read_request(body).tool_choice is not None


def test_every_kind_of_thinking_is_read() -> None:
    for kind in kinds(ThinkingConfigParam):
        body = golden("request_text.json") | {"thinking": {"type": kind, "budget_tokens": 2048}}
        assert anthropic.read_request(body).reasoning is not None
        assert "thinking" not in anthropic.read_request(body).extra


def test_an_unknown_tool_choice_is_refused() -> None:
    body = golden("request_text.json") | {"tool_choice": {"type": "maybe"}}
    with pytest.raises(
        FormatError, match=r"field 'tool_choice\.type' is 'maybe': expected one of auto, any, tool, none"
    ):
        anthropic.read_request(body)


def test_an_unknown_stop_reason_is_another_reason() -> None:
    body = golden("reply_text.json") | {"stop_reason": "from_the_future"}
    assert [getattr(event, "reason", None) for event in anthropic.read_reply(body)][2] == "other"


def test_the_sdks_message_has_no_field_that_we_do_not_know() -> None:
    known = {
        "id", "container", "content", "diagnostics", "model", "role", "stop_details", "stop_reason", "stop_sequence",
        "type", "usage",
    }  # fmt: skip
    assert set(Message.model_fields) == known
