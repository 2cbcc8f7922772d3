"""What the vendors' numbers mean, by table: the buckets are disjoint whatever a vendor includes in what."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.formats.usage_fields import AnthropicUsage, GeminiUsage, InteractionUsage, OpenAIUsage, Usage

Counts = OpenAIUsage | AnthropicUsage | GeminiUsage | InteractionUsage


def read(kind: type[Counts], text: str) -> Usage | None:
    counts: Counts = msgspec.json.decode(text, type=kind, strict=False)
    return counts.read()


@pytest.mark.parametrize(
    ("kind", "text", "usage"),
    [
        (OpenAIUsage, '{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}', Usage(10, 0, 0, 5, 0)),
        (OpenAIUsage, '{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}', None),
        (OpenAIUsage, '{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":4,'
         '"cache_write_tokens":3},"completion_tokens_details":{"reasoning_tokens":2}}', Usage(3, 4, 3, 5, 2)),
        (OpenAIUsage, '{"input_tokens":10,"output_tokens":5,"input_tokens_details":{"cached_tokens":4},'
         '"output_tokens_details":{"reasoning_tokens":5},"total_tokens":15}', Usage(6, 4, 0, 5, 5)),
        (OpenAIUsage, '{"prompt_tokens":10,"total_tokens":10}', Usage(10)),
        (OpenAIUsage, '{"total_tokens":10}', Usage(10)),
        (OpenAIUsage, '{"prompt_tokens":10,"prompt_cache_hit_tokens":8,"completion_tokens":1}', Usage(2, 8, 0, 1)),
        # xAI leaves reasoning out of completion_tokens; Google's OpenAI-shaped entry too, without saying how much
        (OpenAIUsage, '{"prompt_tokens":10,"completion_tokens":5,"total_tokens":22,'
         '"completion_tokens_details":{"reasoning_tokens":7}}', Usage(10, 0, 0, 12, 7)),
        (OpenAIUsage, '{"prompt_tokens":10,"completion_tokens":5,"total_tokens":22}', Usage(10, 0, 0, 12, 0)),
        (OpenAIUsage, '{"prompt_tokens":10,"completion_tokens":5,"completion_tokens_details":{"reasoning_tokens":7}}',
         Usage(10, 0, 0, 12, 7)),
        (OpenAIUsage, '{"prompt_tokens":3,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":4}}',
         Usage(0, 4, 0, 1)),
        (OpenAIUsage, '{"prompt_tokens":"12","completion_tokens":3.0,"prompt_tokens_details":null}',
         Usage(12, 0, 0, 3)),
        (OpenAIUsage, '{"type":"duration","seconds":3}', None),
        (OpenAIUsage, "{}", None),
        (AnthropicUsage, '{"input_tokens":10,"output_tokens":5}', Usage(10, 0, 0, 5)),
        (AnthropicUsage, '{"input_tokens":10,"cache_creation_input_tokens":3,"cache_read_input_tokens":4,'
         '"output_tokens":5,"output_tokens_details":{"thinking_tokens":2},"service_tier":"standard"}',
         Usage(10, 4, 3, 5, 2)),
        (AnthropicUsage, '{"input_tokens":1,"cache_read_input_tokens":null,"output_tokens":2}', Usage(1, 0, 0, 2)),
        (AnthropicUsage, '{"cache_read_input_tokens":3}', None),
        (AnthropicUsage, '{"input_tokens":1,"output_tokens":2,"cache_creation_input_tokens":9,"cache_creation":'
         '{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":5}}', Usage(1, 0, 9, 2, 0, 5)),
        (AnthropicUsage, '{"input_tokens":1,"output_tokens":2,"cache_creation":'
         '{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":5}}', Usage(1, 0, 9, 2, 0, 5)),
        (AnthropicUsage, '{"input_tokens":1,"output_tokens":2,"cache_creation_input_tokens":3,"cache_creation":'
         '{"ephemeral_1h_input_tokens":5}}', Usage(1, 0, 3, 2, 0, 3)),
        (OpenAIUsage, '{"input_tokens":10,"output_tokens":5,"input_tokens_details":{"cached_tokens":1,'
         '"cache_write_tokens":6,"cache_write_tokens_details":{"ttl_12h_tokens":2,"ttl_30m_tokens":4}}}',
         Usage(3, 1, 6, 5, 0, 2)),
        (GeminiUsage, '{"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":15}', Usage(10, 0, 0, 5)),
        (GeminiUsage, '{"promptTokenCount":10,"cachedContentTokenCount":4,"toolUsePromptTokenCount":2,'
         '"candidatesTokenCount":5,"thoughtsTokenCount":3}', Usage(8, 4, 0, 8, 3)),
        (GeminiUsage, '{"promptTokenCount":10,"thoughtsTokenCount":3}', Usage(10, 0, 0, 3, 3)),
        (GeminiUsage, '{"totalTokenCount":9}', Usage(9)),
        (GeminiUsage, "{}", None),
        (InteractionUsage, '{"total_input_tokens":10,"total_output_tokens":5,"total_thought_tokens":2,'
         '"total_cached_tokens":4,"total_tool_use_tokens":1}', Usage(7, 4, 0, 7, 2)),
        (InteractionUsage, "{}", None),
    ],
)  # fmt: skip
def test_what_the_numbers_mean(kind: type[Counts], text: str, usage: Usage | None) -> None:
    assert read(kind, text) == usage


@pytest.mark.parametrize("number", ["-1", "1.5", "1e30", "1099511627777", '"x"', "true", "[]", "{}"])
def test_a_number_that_is_none_makes_the_count_unreadable(number: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(OpenAIUsage, f'{{"prompt_tokens":{number}}}')


COUNT = st.none() | st.integers(0, 2**40)


@given(st.dictionaries(st.sampled_from(AnthropicUsage.__struct_fields__[:4]), COUNT),
       st.dictionaries(st.sampled_from(AnthropicUsage.__struct_fields__[:4]), COUNT))  # fmt: skip
def test_what_a_later_event_says_wins(first: dict[str, int | None], later: dict[str, int | None]) -> None:
    merged = AnthropicUsage(**first).then(AnthropicUsage(**later))  # type: ignore[arg-type]  # the fields drawn are counts
    for name in AnthropicUsage.__struct_fields__:
        said = later.get(name)
        assert getattr(merged, name) == (first.get(name) if said is None else said)


@given(st.dictionaries(st.sampled_from(OpenAIUsage.__struct_fields__[:6]), COUNT))
def test_no_bucket_is_negative_and_reasoning_is_a_part_of_output(fields: dict[str, int | None]) -> None:
    usage = read(OpenAIUsage, json.dumps(fields))
    if usage is not None:
        assert min(msgspec.structs.astuple(usage)) >= 0
        assert usage.reasoning <= usage.output
