"""What a client may not read in an upstream's text, by table; and what it may."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.formats.redaction import MAX_SHOWN, redacted, text_of_page

DIGITS = "0123456789"
KEY_TAIL = "Ab3dEf6hIj9kLm2nOp5q"


@pytest.mark.parametrize(
    "secret",
    [
        f"sk-{KEY_TAIL}",
        f"sk-proj-{KEY_TAIL}_{KEY_TAIL}-x",
        "sk-proj-********************abcd",
        f"sk-ant-api03-{KEY_TAIL}",
        f"sk-or-v1-{KEY_TAIL}",
        f"gsk_{KEY_TAIL}",
        f"xai-{KEY_TAIL}",
        f"hf_{KEY_TAIL}",
        f"AIza{KEY_TAIL}{KEY_TAIL}",
        f"ya29.{KEY_TAIL}",
        "AKIA" + "ABCDEFGHIJKLMNOP",
        f"eyJ{KEY_TAIL}.eyJ{KEY_TAIL}.{KEY_TAIL}",
        f"org-{KEY_TAIL}",
    ],
)
@pytest.mark.parametrize(
    "text",
    ["Incorrect API key provided: {}.", "{}", 'the key "{}" is bad', "key={}&x=1", "({})", "a,{},b", "Bearer {}"],
)
def test_case_182_keys(text: str, secret: str) -> None:
    shown = redacted(text.format(secret))
    assert "[redacted]" in shown
    assert secret[4:] not in shown
    assert secret.strip("*")[-4:] not in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abc123def456", "Authorization: [redacted]"),
        ("sent Bearer abc123def456, refused", "sent Bearer [redacted], refused"),
        ("Your api key: ****1234 is invalid", "Your api key: [redacted] is invalid"),
        ('{"x-api-key": "abcdef"}', '{"x-api-key": "[redacted]"}'),
        ("password=hunter2", "password=[redacted]"),
        ("in organization org-a1b2c3d4e5 on requests", "in organization [redacted] on requests"),
        ("for consumer 'project_number:12345'", "for consumer '[redacted]'"),
        ("connect ECONNREFUSED 10.0.0.5:8080.", "connect ECONNREFUSED [address]."),
        ("no route to 192.168.1.7", "no route to [address]"),
        ("peer [fd00::1]:443 closed", "peer [address] closed"),
        ("peer fe80:1:2:3::4 closed", "peer [address] closed"),
        ("upstream vllm.prod.svc.cluster.local:8000 died", "upstream [address] died"),
        ("upstream api.host.example:8443 died", "upstream [address] died"),
        ("localhost:11434 refused", "[address] refused"),
        ("POST http://vllm:8000/v1/chat failed", "POST [address] failed"),
        ("POST https://mine.openai.azure.com/openai?api-key=1, failed", "POST [address], failed"),
        ("postgres://u:p@db/x", "[address]"),
        ("https://user:pw@docs.vendor.com/a", "[address]"),
        ("See https://platform.openai.com/account/api-keys.", "See https://platform.openai.com/account/api-keys."),
        ("See https://docs.vendor.com/errors?token=1#x", "See https://docs.vendor.com/errors"),
        ("(https://ai.google.dev/gemini-api/docs)", "(https://ai.google.dev/gemini-api/docs)"),
        ("a\x00b\x1b[31mc\u202ed\r\n", "a b [31mc d"),
        ("", ""),
    ],
)
def test_case_182_what_else_is_taken_out(text: str, shown: str) -> None:
    assert redacted(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
        "messages.0.content.1: Input should be 'text' or 'image'",
        "max_tokens: 5000 > 4096, which is the maximum allowed number of output tokens for claude-3-opus-20240229",
        "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
        "Invalid value for 'tools[0].function.name': task-force-assessment is not allowed",
        "risk-assessment and disk-encryption are words",
        "Rate limit reached for gpt-6 on tokens per min (TPM): Limit 30000, Used 29000. Please try again in 1.5s.",
        "models/gemini-9 is not found for API version v1beta",
        "Bearer authentication is needed",
        "The model `pplx-70b-online` or `xai-grok-4-fast` does not exist",
        "first line\nsecond line",
        "the ratio is 16:9 at 12:30",
    ],
)
def test_ordinary_texts_stay(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("<html><head><title>502 Bad\nGateway</title></head><body>x</body></html>", "502 Bad Gateway"),
        ("<html><head><style>a{}</style></head><body><h1>Sorry &amp; bye</h1><p>now</p>", "Sorry & bye now"),
        ("<h1>Down</h1><script>var key='x'</script>", "Down"),
        ("<!-- inner --><p>Down", "Down"),
        ("<title> </title><p>Down", "Down"),
        ("<title>" + "x" * 400 + "</title>", "x" * 299 + "…"),
    ],
)
def test_case_170_a_page(page: str, shown: str) -> None:
    assert text_of_page(page) == shown


def test_a_long_text_is_cut() -> None:
    assert len(redacted("word " * 10_000)) <= MAX_SHOWN


@pytest.mark.parametrize(
    "piece", ["a.", "a-", "1.", "1:", "a" * 50, "sk-", "<a ", "<title>", "https://", "key", "eyJ", "[", "api key "]
)
def test_no_text_takes_long(piece: str) -> None:
    began = time.process_time()
    redacted(piece * 50_000)
    text_of_page(piece * 50_000)
    assert time.process_time() - began < 0.5


@given(st.text())
def test_twice_is_as_good_as_once(text: str) -> None:
    assert redacted(redacted(text)) == redacted(text)
