"""The tables are total: every word that Google's SDK knows is known here."""

from __future__ import annotations

from typing import get_args

import pytest
from google.genai import types

from fastproxy.formats import gemini
from fastproxy.formats.chat import ChatRequest, Effort
from fastproxy.formats.events import REASONS as HUB_REASONS
from fastproxy.formats.gemini import words
from fastproxy.formats.gemini.settings import CONFIG_NAMES
from fastproxy.formats.gemini.tools import read_choice


def test_every_finish_reason_of_the_sdk_is_known() -> None:
    assert {each.value for each in types.FinishReason} == set(words.REASONS)


def test_every_reason_of_the_hub_has_a_finish_reason_that_the_sdk_knows() -> None:
    assert set(words.FINISHES) == set(HUB_REASONS)
    assert set(words.FINISHES.values()) <= {each.value for each in types.FinishReason}


def test_every_thinking_level_of_the_sdk_is_known() -> None:
    assert {each.value for each in types.ThinkingLevel} - {"THINKING_LEVEL_UNSPECIFIED"} == set(words.EFFORTS)


def test_every_effort_has_a_level() -> None:
    assert set(words.LEVELS) == set(get_args(Effort))
    assert set(words.LEVELS.values()) <= set(words.EFFORTS)


def test_every_resolution_of_the_sdk_is_known() -> None:
    levels = {each.value for each in types.PartMediaResolutionLevel}
    assert levels - {"MEDIA_RESOLUTION_UNSPECIFIED"} == set(words.DETAILS)
    assert set(words.RESOLUTIONS.values()) <= {each.value for each in types.MediaResolution}


def test_every_service_tier_of_the_sdk_is_known() -> None:
    assert {each.value for each in types.ServiceTier} - {"unspecified"} == set(words.TIERS_IN)
    assert set(words.TIERS_OUT.values()) == set(words.TIERS_IN)


@pytest.mark.parametrize("mode", [each.value for each in types.FunctionCallingConfigMode])
def test_every_calling_mode_of_the_sdk_is_known(mode: str) -> None:
    choice = read_choice({"functionCallingConfig": {"mode": mode}})
    assert (choice is None) == (mode == "MODE_UNSPECIFIED")


def test_every_field_of_the_sdks_parts_is_read_or_named_as_foreign() -> None:
    fields = {field.alias for field in types.Part.model_fields.values()}
    known = {"text", "thought", "thoughtSignature", "inlineData", "fileData", "functionCall", "functionResponse"}
    known |= {"executableCode", "codeExecutionResult", "toolCall", "toolResponse", "audioTranscription"}
    beside = {"mediaResolution", "videoMetadata", "partMetadata", "mediaProcessing", "speechMetadata"}
    beside |= {"documentMetadata", "spreadsheetMetadata", "audioMetadata"}
    assert fields == known | beside


def test_fields_that_are_read_from_the_config_are_the_sdks() -> None:
    known = {field.alias for field in types.GenerationConfig.model_fields.values()}
    assert {name for name in CONFIG_NAMES if "_" not in name} <= known


def test_fields_names_only_fields_of_the_vocabulary() -> None:
    assert set(gemini.FIELDS) <= set(ChatRequest.__struct_fields__)


@pytest.mark.parametrize(
    ("name", "snake"), [("thoughtSignature", "thought_signature"), ("topP", "top_p"), ("contents", "contents")]
)
def test_a_field_is_found_under_both_of_its_names(name: str, snake: str) -> None:
    assert words.named({snake: 1}, name) == snake
    assert words.named({name: 1}, name) == name
    assert words.named({}, name) == name
