"""Contracts: how places and addresses read, and that nothing secret or mutable is in a contract's print."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from fastproxy.config.types import Channel, Key, Listen, Place


@pytest.mark.parametrize(
    ("place", "origin", "error"),
    [
        (Place("default"), "default", "text"),
        (Place("file", "f.yaml", 3, 7), "file f.yaml:3:7", "f.yaml:3:7: text"),
        (Place("env", "FASTPROXY_LISTEN"), "env FASTPROXY_LISTEN", "FASTPROXY_LISTEN: text"),
        (Place("flag", "--listen"), "flag --listen", "--listen: text"),
    ],
)
def test_places(place: Place, origin: str, error: str) -> None:
    assert place.origin == origin
    assert str(place.error("text")) == error


@pytest.mark.parametrize(
    ("listen", "text"),
    [
        (Listen("127.0.0.1", 80), "127.0.0.1:80"),
        (Listen("::1", 80), "[::1]:80"),
        (Listen("", 0, "/run/x"), "unix:/run/x"),
    ],
)
def test_addresses(listen: Listen, text: str) -> None:
    assert str(listen) == text


def test_contracts_are_frozen_and_silent_about_credentials() -> None:
    key = Key("ci", "canary")
    assert "canary" not in repr(key) + repr(Channel("a", "b", ("canary",)))
    with pytest.raises(FrozenInstanceError):
        key.name = "x"  # type: ignore[misc]  # that it is refused is the point
