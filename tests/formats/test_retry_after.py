"""When to come back, by table."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.formats.retry_after import MOST, seconds_until_retry

NOW = 1_792_567_680.0  # Wed, 21 Oct 2026 07:28:00 GMT
RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "30"}, 30),
        ({"retry-after": " 1.2 "}, 2),
        ({"retry-after": "0"}, 0),
        ({"retry-after-ms": "1500", "retry-after": "30"}, 2),
        ({"retry-after-ms": "x", "retry-after": "30"}, 30),
        ({"retry-after": "Wed, 21 Oct 2026 07:29:00 GMT"}, 60),
        ({"retry-after": "Wednesday, 21-Oct-2026 07:29:00 GMT"}, 60),
        ({"retry-after": "Wed, 21 Oct 2026 07:27:00 GMT"}, 0),
        ({"retry-after": "Wed, 31 Feb 2026 07:27:00 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e9"}, MOST),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2026-10-21T07:28:10Z",
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2026-10-21T07:28:40Z",
                "anthropic-ratelimit-output-tokens-remaining": "9000",
                "anthropic-ratelimit-output-tokens-reset": "2026-10-21T07:59:00Z",
            },
            40,
        ),
        ({"anthropic-ratelimit-tokens-reset": "2026-10-21T07:28:40Z"}, None),
        ({"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "tomorrow"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "250ms"}, 1),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1h2m3.5s"}, 3724),
        ({"x-ratelimit-remaining-tokens": "7", "x-ratelimit-reset-tokens": "6m0s"}, None),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": ""}, None),
        ({}, None),
    ],
)
def test_case_169_headers(headers: dict[str, str], expected: int | None) -> None:
    assert seconds_until_retry(headers, now=NOW) == expected


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ([{"@type": RETRY_INFO, "retryDelay": "34.07s"}], 35),
        ([{"@type": "type.googleapis.com/google.rpc.Help"}, {"@type": RETRY_INFO, "retryDelay": "2s"}], 2),
        ([{"@type": RETRY_INFO}], None),
        ([{"@type": RETRY_INFO, "retryDelay": {"seconds": 3}}], None),
        ([{"retryDelay": "2s"}, None, "x"], None),
    ],
)
def test_case_169_googles_details(details: list[Any], expected: int | None) -> None:
    assert seconds_until_retry({}, details, now=NOW) == expected
    assert seconds_until_retry({"retry-after": "7"}, details, now=NOW) == 7


@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "x-ratelimit-reset-a"]), st.text()))
def test_nothing_that_a_header_says_is_fatal(headers: dict[str, str]) -> None:
    found = seconds_until_retry(headers | {"x-ratelimit-remaining-a": "0"}, now=NOW)
    assert found is None or 0 <= found <= MOST
