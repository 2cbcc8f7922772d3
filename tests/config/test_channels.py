"""Upstream accounts from flags and vendors' variables: the split of --provider, names, and where keys may go."""

from __future__ import annotations

import pytest

from fastproxy.config.channels import flag_channels, parse_provider, vendor_channels
from fastproxy.config.flags import Given
from fastproxy.config.types import Channel, Place, VendorEnv
from fastproxy.errors import ConfigError

FLAG = Place("flag", "--provider")
VENDORS = {
    "openai": VendorEnv(("OPENAI_API_KEY",), ("OPENAI_BASE_URL",)),
    "anthropic": VendorEnv(("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"), ("ANTHROPIC_BASE_URL",), "/v1"),
    "gemini": VendorEnv(("GOOGLE_API_KEY", "GEMINI_API_KEY"), ("GOOGLE_GEMINI_BASE_URL",), "/v1beta"),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("openai", ("openai", None, None)),
        ("openai=sk-1", ("openai", "sk-1", None)),
        ("openai@http://h:1/v1/", ("openai", None, "http://h:1/v1")),
        ("openai=sk-1@https://h/v1", ("openai", "sk-1", "https://h/v1")),
        ("openai=a=b@c@https://h", ("openai", "a=b@c", "https://h")),
        ("openai=k@http://not-the-url@https://h", ("openai", "k@http://not-the-url", "https://h")),
        ("openai=k@httpx", ("openai", "k@httpx", None)),
        ("azure-openai=k==", ("azure-openai", "k==", None)),
    ],
)
def test_parse_provider(text: str, expected: tuple[str, str | None, str | None]) -> None:
    assert parse_provider(text) == expected


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "expected NAME[=KEY][@BASE_URL]"),
        ("=sk-hidden-key", "expected NAME[=KEY][@BASE_URL]"),
        ("sk-hidden0123456789abcdef0123456789", "expected NAME[=KEY][@BASE_URL]"),
        ("Open AI=sk-hidden-key", "expected NAME[=KEY][@BASE_URL]"),
        ("openai@ftp://sk-hidden-key", "expected NAME[=KEY][@BASE_URL]"),
        ("openai=", "provider 'openai' has an empty key"),
        ("openai=@http://h", "provider 'openai' has an empty key"),
        ("openai=sk-hidden-key\r\nx", "expected a key of printable ASCII"),
        ("openai=sk-hidden-key@http://", "names no usable host"),
        ("openai=sk-hidden-key@http://h?x", "a query or fragment"),
    ],
)
def test_parse_provider_refuses_without_the_key(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        flag_channels(Given((text,), FLAG), {}, {})
    assert str(caught.value).startswith("--provider: ")
    assert error in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("texts", "environ", "expected"),
    [
        (["openai=k1"], {"OPENAI_API_KEY": "env"}, [Channel("openai", "openai", ("k1",))]),
        (["openai=k1", "openai=k2", "openai=k1"], {}, [Channel("openai", "openai", ("k1", "k2"))]),
        (
            ["openai=k1", "openai=k2@http://h", "openai=k3@http://h"],
            {},
            [Channel("openai", "openai", ("k1",)), Channel("openai-2", "openai", ("k2", "k3"), "http://h")],
        ),
        (
            ["openai"],
            {"OPENAI_API_KEY": "env", "OPENAI_BASE_URL": "http://h/v1/"},
            [Channel("openai", "openai", ("env",), "http://h/v1")],
        ),
        (["openai"], {}, [Channel("openai", "openai")]),
        # what the vendor's variable holds must not follow a flag to another address
        (["openai@http://h"], {"OPENAI_API_KEY": "env"}, [Channel("openai", "openai", (), "http://h")]),
    ],
)
def test_flag_channels(texts: list[str], environ: dict[str, str], expected: list[Channel]) -> None:
    made = flag_channels(Given(tuple(texts), FLAG), VENDORS, environ)
    assert [placed.channel for placed in made] == expected
    assert {placed.place for placed in made} == {FLAG}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, []),
        ({"OPENAI_API_KEY": " "}, []),
        ({"OPENAI_BASE_URL": "http://h"}, []),
        ({"OPENAI_API_KEY": "k"}, [Channel("openai", "openai", ("k",))]),
        ({"ANTHROPIC_AUTH_TOKEN": "t"}, [Channel("anthropic", "anthropic", ("t",))]),
        ({"ANTHROPIC_AUTH_TOKEN": "t", "ANTHROPIC_API_KEY": "k"}, [Channel("anthropic", "anthropic", ("k",))]),
        ({"GEMINI_API_KEY": "weak", "GOOGLE_API_KEY": "wins"}, [Channel("gemini", "gemini", ("wins",))]),
        (
            {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": "http://h/"},
            [Channel("anthropic", "anthropic", ("k",), "http://h/v1")],
        ),
        (
            {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": "http://h/v1"},
            [Channel("anthropic", "anthropic", ("k",), "http://h/v1")],
        ),
    ],
)
def test_vendor_channels(environ: dict[str, str], expected: list[Channel]) -> None:
    assert [placed.channel for placed in vendor_channels([], VENDORS, environ)] == expected


def test_a_named_provider_gets_no_second_channel() -> None:
    environ = {"OPENAI_API_KEY": "k", "GEMINI_API_KEY": "g"}
    assert [placed.channel.name for placed in vendor_channels(["openai"], VENDORS, environ)] == ["gemini"]


@pytest.mark.parametrize(
    ("environ", "error"),
    [
        ({"OPENAI_API_KEY": "a\nb"}, "OPENAI_API_KEY: expected a key of printable ASCII on one line"),
        ({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "h:1"}, "OPENAI_BASE_URL: 'h:1' is not an http:// or https:// URL"),
    ],
)
def test_a_bad_variable_is_named(environ: dict[str, str], error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        vendor_channels([], VENDORS, environ)
    assert str(caught.value).startswith(error)
