"""What vendors refuse, and the Target that comes of it."""

from __future__ import annotations

from typing import Any

import pytest

from fastproxy.formats.chat import CHAT_FORMATS, Facts, Target
from fastproxy.providers.catalogue import PROVIDERS
from fastproxy.providers.models import facts
from fastproxy.providers.quirks import PLAIN, QUIRKS, quirks, target

EVERY = pytest.mark.parametrize("vendor", PROVIDERS)
LIMITS = {"max_tokens", "max_completion_tokens"}


def test_every_vendor_with_quirks_is_in_the_catalogue() -> None:
    assert set(QUIRKS) <= set(PROVIDERS)


@EVERY
def test_case_67_one_name_of_the_limit_is_always_left(vendor: str) -> None:
    for model in ("some-model", "gpt-5", "o3"):
        dropped = target(vendor, model, "openai-chat").drop_fields
        assert LIMITS - dropped
        assert quirks(vendor).limit not in dropped


@EVERY
@pytest.mark.parametrize("wire_format", [name for name in CHAT_FORMATS if name != "openai-chat"])
def test_the_quirks_of_chat_completions_stay_there(vendor: str, wire_format: str) -> None:
    assert target(vendor, "some-model", wire_format).drop_fields <= {"labels"}


@pytest.mark.parametrize(
    ("vendor", "model", "wire_format", "dropped", "kept"),
    [
        ("openai", "gpt-5", "openai-chat", "max_tokens logit_bias logprobs presence_penalty", "stop"),
        ("openai", "gpt-4o", "openai-chat", "", "logit_bias max_tokens presence_penalty parallel_tool_calls"),
        ("openai", "gpt-5-chat-latest", "openai-chat", "", "logit_bias"),
        ("openrouter", "openai/o3", "openai-chat", "max_completion_tokens parallel_tool_calls logprobs", "max_tokens"),
        ("openai", "o3", "openai-responses", "parallel_tool_calls top_logprobs", "max_output_tokens"),
        ("mistral", "mistral-large-latest", "openai-chat", "max_completion_tokens store user seed", "metadata"),
        ("groq", "llama-3.3-70b", "openai-chat", "logprobs logit_bias top_logprobs", "seed max_tokens"),
        ("xai", "grok-4.5", "openai-chat", "presence_penalty frequency_penalty", "max_completion_tokens"),
        ("grok", "grok-4.20-non-reasoning", "openai-chat", "", "presence_penalty"),
        ("gemini", "gemini-3.6-flash", "gemini", "presencePenalty frequencyPenalty labels", "seed"),
        ("vertex", "gemini-2.5-pro", "gemini", "", "presencePenalty labels"),
        ("google-openai", "gemini-2.5-pro", "openai-chat", "frequency_penalty seed logit_bias", "max_tokens"),
        ("my-own-server", "m", "openai-chat", "max_completion_tokens", "max_tokens seed logit_bias"),
    ],
)  # fmt: skip
def test_fields_that_a_vendor_refuses(vendor: str, model: str, wire_format: str, dropped: str, kept: str) -> None:
    found = target(vendor, model, wire_format).drop_fields
    assert set(dropped.split()) - found == set()
    assert set(kept.split()) & found == set()


def test_a_target_is_whole() -> None:
    found = target("claude", "claude-opus-4-7", "anthropic")
    assert found == Target("claude-opus-4-7", facts("anthropic", "claude-opus-4-7", "anthropic"), "anthropic")


def test_a_vendor_that_nobody_knows_keeps_its_name() -> None:
    assert target("Mine", "m", "anthropic") == Target("m", Facts(), "mine")


def test_the_operators_word() -> None:
    overrides = {"m*": {"drop_fields": ["top_k"], "default_max_output": 99, "tools": False, "like": "gpt-5"}}
    found = target("openai", "m1", "openai-chat", overrides)
    assert found.model == "m1"
    assert found.default_max_output == 99
    assert {"top_k", "max_tokens", "logprobs"} <= found.drop_fields
    assert (found.facts.tools, found.facts.thinking) == (False, "effort")


@pytest.mark.parametrize(
    "wrong",
    [{"drop_fields": "top_k"}, {"drop_fields": [1]}, {"default_max_output": 0}, {"default_max_output": "9"}, {"x": 1}],
)
def test_what_makes_no_sense_is_an_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="facts of a model"):
        target("openai", "m", "openai-chat", {"m": wrong})


def test_quirks_by_alias_and_for_nobody() -> None:
    assert quirks("perplexity") is QUIRKS["perplexity-ai"]
    assert quirks("nobody") is PLAIN
