"""What is known of models: that names are found, that facts follow the families' rules, that the table is sound."""

from __future__ import annotations

import time
from importlib.resources import files
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.formats.chat import CHAT_FORMATS, Facts
from fastproxy.providers import models
from fastproxy.providers.catalogue import find
from fastproxy.providers.models import CACHED, MAX_NAME, ModelEntry, Price, facts, known, names

TABLE: dict[str, dict[str, Any]] = orjson.loads((files("fastproxy.providers") / "models.json").read_bytes())["models"]
DEFAULTS = Facts()


def told(vendor: str, model: str, wire_format: str, **overrides: Any) -> dict[str, Any]:
    """The facts that differ from those of a model that nobody knows."""
    found = facts(vendor, model, wire_format, {model: overrides} if overrides else {})
    return {name: value for name, value in msgspec.structs.asdict(found).items() if value != getattr(DEFAULTS, name)}


@pytest.mark.parametrize(
    ("vendor", "model", "name", "match"),
    [
        ("", "gpt-5", "gpt-5", "exact"),
        ("openai", "GPT-5", "gpt-5", "exact"),
        ("", "openai/gpt-5", "gpt-5", "exact"),
        ("", "models/gemini-2.5-pro", "gemini-2.5-pro", "exact"),
        ("openrouter", "anthropic/claude-opus-4.5", "claude-opus-4-5", "exact"),
        ("", "gpt-5-4", "gpt-5.4", "exact"),
        ("", "ft:gpt-4o-mini:acme::abc", "gpt-4o-mini", "exact"),
        ("", "us.anthropic.claude-opus-4-7", "claude-opus-4-7", "exact"),
        ("together", "openai/gpt-oss-120b", "together/openai/gpt-oss-120b", "exact"),
        ("fireworks", "accounts/fireworks/models/gpt-oss-120b", "fireworks/gpt-oss-120b", "exact"),
        ("", "gpt-5-2031-01-02", "gpt-5", "dated"),
        ("", "claude-haiku-4-5@20310101", "claude-haiku-4-5", "dated"),
        ("", "eu.anthropic.claude-haiku-4-5-20310101-v1:0", "claude-haiku-4-5", "dated"),
        ("", "gemini-2.5-flash-preview-09-2031", "gemini-2.5-flash", "dated"),
        ("", "gpt-5-mini-whatever", "gpt-5-mini", "family"),
        ("", "gemini-2.5-pro-exp-new", "gemini-2.5-pro", "family"),
    ],
)
def test_a_name_is_found(vendor: str, model: str, name: str, match: str) -> None:
    entry = known(model, vendor)
    assert entry is not None
    assert (entry.name, entry.match) == (name, match)


@pytest.mark.parametrize(
    "model", ["", "nobody", "gpt", "gpt-99.7-x", "claude", "claude-sonnet", "x" * 100_000, "/", ":", "-1"]
)
def test_a_name_that_says_nothing_is_not_guessed(model: str) -> None:
    assert known(model) is None


def test_the_vendors_own_line_is_filled_up_from_the_makers() -> None:
    hosted = [
        name for name in TABLE if name.startswith("openrouter/") and "can" in TABLE.get(name.rpartition("/")[2], {})
    ]
    cheap = next(name for name in hosted if "can" not in TABLE[name])
    entry, maker = known(cheap.partition("/")[2], "openrouter"), known(cheap.rpartition("/")[2])
    assert entry is not None
    assert maker is not None
    assert entry.name == cheap
    assert entry.prices != maker.prices
    assert (entry.can, entry.max_output) == (maker.can, maker.max_output)


def test_names_from_the_whole_to_the_barest() -> None:
    assert names("a/b/us.anthropic.claude-x:free") == [
        "a/b/us.anthropic.claude-x:free",
        "b/us.anthropic.claude-x:free",
        "us.anthropic.claude-x:free",
        "claude-x:free",
        "claude-x",
    ]


CLAUDE = {"forced_tools_with_thinking": False, "audio": False}
OPENAI = {"sampling": False, "stop": False, "thinking": "effort", "audio": False}
LOW_TO_HIGH = ("low", "medium", "high")
ALL_EFFORTS = ("low", "medium", "high", "xhigh", "max")
THINKING = OPENAI | {"can_stop_thinking": False}
OLD_GEMINI = {"json_with_tools": False, "call_ids": False}
NEW_CLAUDE = CLAUDE | {"both": False, "sampling": False, "prefill": False, "thinking": "adaptive"}
FACTS = [
    # case 70 and 73: reasoning models of OpenAI refuse sampling and stop
    ("openai", "gpt-5", "openai-chat", THINKING | {"efforts": ("minimal", *LOW_TO_HIGH)}),
    ("openai", "o3", "openai-responses", THINKING | {"efforts": LOW_TO_HIGH}),
    ("openai", "o4-mini-2025-04-16", "openai-chat", THINKING | {"efforts": LOW_TO_HIGH}),
    ("openai", "gpt-5.4", "openai-chat", OPENAI | {"efforts": ("none", *LOW_TO_HIGH, "xhigh")}),
    ("openai", "gpt-6-sol", "openai-chat", OPENAI | {"efforts": ("none", *ALL_EFFORTS)}),
    ("openai", "gpt-5-pro", "openai-responses", THINKING | {"efforts": ("high",)}),
    ("openai", "gpt-5.2-chat-latest", "openai-chat", THINKING | {"efforts": ("medium",)}),
    ("openai", "gpt-17-new", "openai-chat", THINKING),
    ("openai", "gpt-5-chat-latest", "openai-chat", {"thinking": "none", "audio": False}),
    ("openai", "gpt-4o", "openai-chat", {"thinking": "none"}),
    ("openai", "gpt-4", "openai-chat", {"thinking": "none", "json_schema": False, "images": False, "documents": False}),
    # case 71: from 4.1 on not both; case 10: prefill until 4.5; case 70: sampling until 4.6; case 76: how to think
    ("anthropic", "claude-3-5-haiku-latest", "anthropic", CLAUDE | {"thinking": "none", "json_schema": False}),
    ("anthropic", "claude-sonnet-4-20250514", "anthropic", CLAUDE | {"thinking": "budget", "json_schema": False}),
    ("anthropic", "claude-sonnet-4-5-20250929", "anthropic", CLAUDE | {"both": False, "thinking": "budget"}),
    ("anthropic", "claude-sonnet-4-6", "anthropic",
     CLAUDE | {"both": False, "prefill": False, "thinking": "adaptive", "efforts": ("none", *LOW_TO_HIGH, "max")}),
    ("anthropic", "claude-opus-4-7", "anthropic", NEW_CLAUDE | {"efforts": ("none", *ALL_EFFORTS)}),
    ("anthropic", "claude-opus-5", "anthropic", NEW_CLAUDE | {"efforts": ("none", *ALL_EFFORTS)}),
    ("anthropic", "claude-opus-5-5", "anthropic", NEW_CLAUDE | {"efforts": ALL_EFFORTS, "can_stop_thinking": False}),
    ("anthropic", "claude-mythos-9", "anthropic", NEW_CLAUDE | {"efforts": ALL_EFFORTS, "can_stop_thinking": False}),
    ("anthropic", "claude-opus-9", "anthropic", NEW_CLAUDE | {"efforts": ("none", *ALL_EFFORTS)}),
    ("aws-bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic",
     CLAUDE | {"both": False, "thinking": "budget"}),
    # a relative in the table does not overrule what the name says
    ("anthropic", "claude-opus-4-9", "anthropic", NEW_CLAUDE | {"efforts": ("none", *ALL_EFFORTS)}),
    # case 77: budgets before Gemini 3, levels since; case 58: ids since 3; case 81: JSON beside tools since 3
    ("google-ai-studio", "gemini-2.0-flash", "gemini", OLD_GEMINI | {"thinking": "none"}),
    ("google-ai-studio", "gemini-2.5-flash", "gemini", OLD_GEMINI | {"thinking": "budget"}),
    ("google-vertex-ai", "gemini-2.5-pro", "gemini",
     OLD_GEMINI | {"thinking": "budget", "can_stop_thinking": False}),
    ("google-ai-studio", "gemini-3-pro-preview", "gemini",
     {"thinking": "level", "efforts": ("low", "high"), "can_stop_thinking": False}),
    ("google-vertex-ai", "gemini-3-flash-preview", "gemini",
     {"thinking": "level", "efforts": ("minimal", *LOW_TO_HIGH), "can_stop_thinking": False}),
    ("google-ai-studio", "gemini-3.8-flash", "gemini",
     {"thinking": "level", "efforts": LOW_TO_HIGH, "can_stop_thinking": False, "sampling": False,
      "prefill": False}),
    # others' models, and vendors that cannot
    ("groq", "openai/gpt-oss-120b", "openai-chat",
     {"thinking": "effort", "efforts": LOW_TO_HIGH, "can_stop_thinking": False, "images": False, "audio": False}),
    ("grok", "grok-4", "openai-chat", {"thinking": "none", "stop": False}),
    ("deepseek", "deepseek-chat", "openai-chat", {"json_schema": False, "thinking": "none"}),
    ("deepseek", "deepseek-v4-pro", "openai-chat", {"json_schema": False, "images": False}),
    ("mistral", "mistral-large-latest", "openai-chat", {"thinking": "none"}),
    ("moonshot", "kimi-k2.5", "openai-chat", {"sampling": False, "forced_tools_with_thinking": False}),
    ("nobody", "nothing", "openai-chat", {}),
]  # fmt: skip


@pytest.mark.parametrize(("vendor", "model", "wire_format", "expected"), FACTS, ids=lambda value: str(value)[:40])
def test_facts(vendor: str, model: str, wire_format: str, expected: dict[str, Any]) -> None:
    found = told(vendor, model, wire_format)
    assert {name: value for name, value in found.items() if name not in ("max_output", "context")} == expected


@pytest.mark.parametrize(
    ("vendor", "model", "wire_format", "style"),
    [
        ("openrouter", "anthropic/claude-opus-4.7", "openai-chat", "effort"),
        ("openrouter", "google/gemini-2.5-flash", "openai-responses", "effort"),
        ("openrouter", "openai/gpt-5", "anthropic", "budget"),
        ("openrouter", "anthropic/claude-opus-4.7", "anthropic", "adaptive"),
        ("vercel", "anthropic/claude-3-haiku", "openai-chat", "none"),
        ("vercel", "someone/something", "openai-chat", "unknown"),
    ],
)
def test_thinking_is_told_in_words_of_the_wire_format(vendor: str, model: str, wire_format: str, style: str) -> None:
    assert facts(vendor, model, wire_format).thinking == style


@pytest.mark.parametrize(
    ("model", "max_output"),
    [("claude-opus-4-7", 128_000), ("claude-opus-4-20250514", 32_000), ("claude-3-haiku-20240307", 4_096),
     ("claude-opus-4-1-20250805", 32_000), ("claude-sonnet-4-20250514", 64_000), ("claude-3-5-sonnet-20241022", 8_192)],
)  # fmt: skip
def test_case_66_every_claude_has_a_limit_of_output(model: str, max_output: int) -> None:
    assert facts("anthropic", model, "anthropic").max_output == max_output


def test_the_operators_word_counts_most() -> None:
    found = facts("openai", "gpt-5", "openai-chat", {"gpt-5": {"sampling": True, "max_output": 5, "efforts": ["low"]}})
    assert (found.sampling, found.max_output, found.efforts, found.stop) == (True, 5, ("low",), False)
    assert type(found) is Facts
    assert facts("openai", "gpt-5", "openai-chat").sampling is False


def test_the_longest_beginning_counts() -> None:
    overrides = {
        "*": {"max_output": 1},
        "my-*": {"max_output": 2},
        "my-own": {"max_output": 3},
        "y*": {"max_output": 4},
    }
    assert [facts("", name, "gemini", overrides).max_output for name in ("x", "my-other", "my-own")] == [1, 2, 3]


def test_a_deployment_may_be_like_a_known_model() -> None:
    found = facts("azure-openai", "prod-1", "openai-chat", {"prod-1": {"like": "gpt-5", "max_output": 100}})
    assert (found.thinking, found.max_output, found.context) == ("effort", 100, 272_000)


@pytest.mark.parametrize("wrong", [{"samplign": True}, {"sampling": "no"}, {"thinking": "hard"}, {"efforts": ["huge"]}])
def test_what_facts_do_not_have_is_an_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="facts of a model"):
        facts("openai", "gpt-5", "openai-chat", {"gpt-5": wrong})


def test_prices_are_disjoint_and_whole() -> None:
    entry = known("claude-opus-4-7")
    assert entry is not None
    price = entry.price()
    assert price == Price(input=5, cache_read=0.5, cache_write=6.25, output=25, reasoning=25, cache_write_1h=10)


def test_a_long_prompt_has_its_own_price() -> None:
    entry = known("gemini-2.5-pro")
    assert entry is not None
    short, long = entry.price(200_000), entry.price(200_001)
    assert short is not None
    assert long is not None
    assert (short.above, short.input, long.above, long.input) == (0, 1.25, 200_000, 2.5)
    assert ModelEntry("x", "exact").price() is None


def test_the_table_is_sound() -> None:
    hosts = {name.partition("/")[0] for name in TABLE if "/" in name}
    unknown = {host for host in hosts if find(host) is None}
    assert unknown == set()
    for name, line in TABLE.items():
        assert name == name.lower()
        assert set(line) <= {"kind", "only_responses", "context", "max_output", "can", "cannot", "efforts", "makes",
                             "price", "above"}  # fmt: skip
        assert not set(line.get("can", ())) & set(line.get("cannot", ())), name
        for price in (line.get("price", []), *(row[1:] for row in line.get("above", []))):
            assert all(value is None or 0 <= value < 10_000 for value in price), name
            assert len(price) <= 6


def test_the_table_holds_the_makers_that_matter() -> None:
    expected = "gpt-5 gpt-4o o3 claude-opus-5 claude-sonnet-4-5 gemini-2.5-pro gemini-3.5-flash deepseek-chat grok-4.5"
    entries = [known(name) for name in expected.split()]
    assert all(entry and entry.match == "exact" and entry.prices and entry.context for entry in entries)


@pytest.mark.parametrize("wire_format", CHAT_FORMATS)
def test_every_line_gives_facts(wire_format: str) -> None:
    for name in TABLE:
        vendor, _, model = name.partition("/") if "/" in name else ("", "", name)
        found = models._facts.__wrapped__(vendor, model, wire_format)
        assert msgspec.convert(msgspec.structs.asdict(found), Facts) == found


@given(st.text(max_size=40), st.sampled_from(["", "openai", "openrouter", "deepseek"]))
def test_any_name_has_facts(model: str, vendor: str) -> None:
    for wire_format in CHAT_FORMATS:
        assert isinstance(facts(vendor, model, wire_format), Facts)
    assert known(model, vendor) == known(model, vendor)


def test_what_is_kept_of_clients_names_is_bounded() -> None:
    for number in range(CACHED + 10):
        facts("", f"nobody-{number}", "gemini")
    assert models._facts.cache_info().currsize <= CACHED
    assert models._known.cache_info().currsize <= CACHED
    before = models._facts.cache_info().currsize
    assert facts("", "x" * (MAX_NAME + 1), "gemini") == Facts()
    assert models._facts.cache_info().currsize == before


def test_the_table_says_where_it_is_from() -> None:
    about = orjson.loads((files("fastproxy.providers") / "models.json").read_bytes())["about"]
    assert set(about["sources"]) == {"genai-prices", "litellm"}
    assert about["date"] >= "2026-11-21"


def test_the_table_is_small_and_read_fast() -> None:
    assert len((files("fastproxy.providers") / "models.json").read_bytes()) < 400_000

    def seconds() -> float:
        start = time.process_time()
        models._table.__wrapped__()
        return time.process_time() - start

    assert min(seconds() for _ in range(5)) < 0.030
