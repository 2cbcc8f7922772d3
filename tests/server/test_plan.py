"""The words of the plan: addresses as they appear in messages and between generations of masters."""

from __future__ import annotations

import pytest

from fastproxy.server.plan import Address, ExitCode, StartError


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (Address("127.0.0.1", 8080), "127.0.0.1:8080"),
        (Address("::", 80), "[::]:80"),
        (Address("", 80), ":80"),
        (Address(unix="/run/x.sock"), "unix:/run/x.sock"),
        (Address("ignored", 1, "/run/x.sock"), "unix:/run/x.sock"),
    ],
)
def test_addresses_in_words(address: Address, text: str) -> None:
    assert str(address) == text


def test_exit_codes_are_part_of_the_contract() -> None:
    assert [code.value for code in ExitCode] == [0, 1, 2, 3, 4, 5]
    assert StartError.exit_code == ExitCode.UNEXPECTED
