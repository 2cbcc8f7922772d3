"""Whose address a request has, when there are proxies before us."""

from __future__ import annotations

import pytest

from fastproxy.gateway.client_address import MAX_HOPS, MAX_KNOWN, Proxies, client_address, is_within, networks
from fastproxy.wire.request_head import HeadLimits, parse_request

TRUSTED = ("10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32")
LIMITS = HeadLimits(max_head=1 << 20)


def told(peer: str, *said: str, trusted: tuple[str, ...] = TRUSTED) -> str:
    fields = "".join(f"X-Forwarded-For: {line}\r\n" for line in said)
    return client_address(
        peer, parse_request(f"GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode(), LIMITS), Proxies(trusted)
    )


@pytest.mark.parametrize(
    ("peer", "said", "address"),
    [
        # the peer is no proxy of ours: nobody is believed
        ("198.51.100.1", ("203.0.113.5",), "198.51.100.1"),
        ("unix", ("203.0.113.5",), "unix"),
        ("", ("203.0.113.5",), ""),
        # the peer is one
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("",), "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.5",), "203.0.113.5"),
        ("10.0.0.1", ("1.1.1.1, 203.0.113.5",), "203.0.113.5"),
        ("10.0.0.1", ("1.1.1.1, 203.0.113.5, 10.2.3.4",), "203.0.113.5"),
        ("10.0.0.1", ("1.1.1.1", "203.0.113.5", "10.2.3.4"), "203.0.113.5"),
        ("10.0.0.1", ("10.9.9.9, 10.2.3.4",), "10.9.9.9"),
        ("192.0.2.7", (" 203.0.113.5 ",), "203.0.113.5"),
        ("192.0.2.8", ("203.0.113.5",), "192.0.2.8"),
        ("::ffff:10.0.0.1", ("203.0.113.5",), "203.0.113.5"),
        ("2001:db8::1", ("2001:db9::5",), "2001:db9::5"),
        ("2001:db8::1%eth0", ("[2001:DB9::5]:4711",), "2001:db9::5"),
        ("10.0.0.1", ("203.0.113.5:4711",), "203.0.113.5"),
        ("10.0.0.1", ("::ffff:203.0.113.5",), "203.0.113.5"),
        # what cannot be read: the last that could
        ("10.0.0.1", ("unknown",), "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.5, _hidden, 10.2.3.4",), "10.2.3.4"),
        ("10.0.0.1", ("203.0.113.5,,10.2.3.4",), "10.2.3.4"),
        ("10.0.0.1", ("1.2.3.4.5, \xff",), "10.0.0.1"),
    ],
)
def test_the_client_is_the_first_from_the_right_that_is_no_proxy(
    peer: str, said: tuple[str, ...], address: str
) -> None:
    assert told(peer, *said) == address


@pytest.mark.parametrize(
    ("trusted", "address"),
    [((), "unix"), (("10.0.0.0/8",), "unix"), (("unix:",), "203.0.113.5"), (("unix:", "10.0.0.0/8"), "203.0.113.5")],
)
def test_a_unix_socket_is_believed_only_when_it_is_listed(trusted: tuple[str, ...], address: str) -> None:
    assert told("unix", "203.0.113.5", trusted=trusted) == address


def test_a_client_made_us_read_thousands_of_proxies() -> None:
    proxies = Proxies(TRUSTED)
    said = ", ".join(f"10.0.{number // 256}.{number % 256}" for number in range(20_000))
    head = parse_request(f"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {said}\r\n\r\n".encode(), LIMITS)
    assert client_address("10.0.0.1", head, proxies) == f"10.0.{(20_000 - MAX_HOPS) // 256}.{(20_000 - MAX_HOPS) % 256}"
    for number in range(2000):
        assert not proxies.trusts(f"203.0.{number // 256}.{number % 256}")
    assert len(proxies._known) <= MAX_KNOWN


@pytest.mark.parametrize(
    ("address", "wanted", "within"),
    [
        ("10.1.2.3", ("10.0.0.0/8",), True),
        ("11.1.2.3", ("10.0.0.0/8", "11.1.2.3/32"), True),
        ("11.1.2.3", ("10.0.0.0/8",), False),
        ("::ffff:10.1.2.3", ("10.0.0.0/8",), True),
        ("fe80::1%eth0", ("fe80::/10",), True),
        ("10.1.2.3", ("::/0",), False),
        ("unix", ("0.0.0.0/0", "::/0"), False),
        ("", ("0.0.0.0/0",), False),
    ],
)
def test_is_within(address: str, wanted: tuple[str, ...], within: bool) -> None:
    assert is_within(address, networks(wanted)) is within
