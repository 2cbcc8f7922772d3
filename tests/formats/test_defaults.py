"""Fields that a channel gives to requests that do not say them (case 88)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fastproxy.formats.defaults import put_defaults, with_defaults

SAFE = [{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"}]
CASES = [
    pytest.param({"a": 1}, {"b": 2}, {"a": 1, "b": 2}, id="absent"),
    pytest.param({"a": 1}, {"a": 2}, {"a": 1}, id="the client's word"),
    pytest.param({"a": None}, {"a": 2}, {"a": None}, id="null is a word"),
    pytest.param({"safety_settings": []}, {"safetySettings": SAFE}, {"safety_settings": []}, id="the other spelling"),
    pytest.param({"c": {"x": 1}}, {"c": {"x": 2, "y": 3}}, {"c": {"x": 1, "y": 3}}, id="an object is filled"),
    pytest.param({"c": {"x": {"k": 1}}}, {"c": {"x": {"l": 2}}}, {"c": {"x": {"k": 1, "l": 2}}}, id="and below it"),
    pytest.param({"c": [1]}, {"c": {"x": 2}}, {"c": [1]}, id="another kind"),
    pytest.param(
        {"generation_config": {"top_k": 1}}, {"generationConfig": {"topK": 2, "seed": 3}},
        {"generation_config": {"top_k": 1, "seed": 3}}, id="the other spelling below",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("body", "defaults", "expected"), CASES)
def test_filled_the_same_as_bytes_and_as_an_object(body: Any, defaults: Any, expected: Any) -> None:
    assert orjson.loads(with_defaults(orjson.dumps(body), defaults)) == expected
    put_defaults(body, defaults)
    assert body == expected


def test_what_the_client_says_stays_byte_for_byte() -> None:
    body = b'{"model" : "m",\n "x": [1.50, 1e3,  123456789012345678901] , "c":{"y":2.0 }}'
    filled = with_defaults(body, {"b": 2, "c": {"z": 1}})
    assert filled == b'{"model":"m","x":[1.50, 1e3,  123456789012345678901],"c":{"y":2.0,"z":1},"b":2}'


@pytest.mark.parametrize("body", [b"", b"[1]", b'{"a":', b"\xff", b"[" * 5000])
def test_what_is_no_object_is_the_upstreams_to_refuse(body: bytes) -> None:
    assert with_defaults(body, {"b": 2}) == body


def test_a_clients_own_object_is_not_changed() -> None:
    inner = {"topP": 0.5}
    body = {"generationConfig": inner}
    put_defaults(body, {"generationConfig": {"topK": 5}})
    assert inner == {"topP": 0.5}
