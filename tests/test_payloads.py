"""What is written into the journal comes out again, whatever clients and upstreams put into it."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastproxy import payloads
from fastproxy.payloads import Context, Numbers, Try, Unusual

ID = b"0123456789abcdef" * 2
NUMBERS = Numbers(1_763_726_400_123, 200, 3, 2, 12, 3, 1, 34, 5, 0.0012, 1205, 8123, 55, 4096, 8192)
CONTEXT = Context("team-a", "ci", "ab" * 16, "gpt-5", "gpt-5-x", "main", "openai", "anthropic", "openai-chat",
                  "messages", "10.0.0.1", "sdk/1")  # fmt: skip
TRIES = (Try(1, "first", "openai", "gpt-5", "openai-chat", 503, "upstream_overloaded", 1500),)


@pytest.mark.parametrize("unusual", [None, Unusual("client_closed"), Unusual("upstream_failed", TRIES)])
def test_an_end_says_what_was_written(unusual: Unusual | None) -> None:
    ended = payloads.decode_end(payloads.end_payload(ID, NUMBERS, unusual, payloads.pack_context(CONTEXT)))
    assert ended == (ID.decode(), NUMBERS, True, True, unusual or Unusual(), CONTEXT)


def test_a_begin_says_what_was_written() -> None:
    begun = payloads.decode_begin(payloads.begin_payload(ID, 17, 900, payloads.pack_context(CONTEXT)))
    assert begun == (ID.decode(), 17, 900, CONTEXT)


@pytest.mark.parametrize(("size", "truncated"), [(5, False), (9, True)])
def test_a_body_says_what_was_cut(size: int, truncated: bool) -> None:
    body = payloads.decode_body(payloads.body_payload(ID, payloads.REPLY, size, b"hello"))
    assert body == (ID.decode(), payloads.REPLY, truncated, size, b"hello")


def test_counts_beyond_64_bits_are_held_and_do_not_raise() -> None:
    numbers = NUMBERS._replace(input_tokens=1 << 80, output_tokens=-(1 << 80), attempts=300)
    found = payloads.decode_end(payloads.end_payload(ID, numbers, None, payloads.pack_context(CONTEXT))).numbers
    assert (found.input_tokens, found.output_tokens, found.attempts) == ((1 << 63) - 1, -1, 255)
    assert found.started_at == NUMBERS.started_at


def test_half_a_surrogate_in_a_model_is_written_as_a_question_mark() -> None:
    packed = payloads.pack_context(Context(model="gpt-\ud800"))
    assert payloads.decode_begin(payloads.begin_payload(ID, 1, 1, packed)).context.model == "gpt-?"


@given(st.text(max_size=400))
def test_a_clients_text_is_cut(given_text: str) -> None:
    assert given_text.startswith(payloads.text(given_text))
    assert len(payloads.text(given_text)) <= 256


@given(st.binary(max_size=300))
@example(b"\xff" * 32 + bytes(200))  # an id that is no text went through the net
def test_what_is_no_payload_is_a_value_error(data: bytes) -> None:
    for decode in (payloads.decode_begin, payloads.decode_end, payloads.decode_body):
        try:
            decode(data)
        except ValueError as error:
            assert str(error).startswith("not a")  # noqa: PT017 - most data is none, some may be
