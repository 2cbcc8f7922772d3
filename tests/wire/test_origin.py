"""Upstream addresses: what is taken, what is refused, and which two may share a pool."""

from __future__ import annotations

import pytest

from fastproxy.wire.origin import Origin, parse_origin

TAKEN = {
    "http://a.test": (Origin("a.test", 80), "", "a.test", "http://a.test"),
    "http://a.test:8080/": (Origin("a.test", 8080), "", "a.test:8080", "http://a.test:8080"),
    "http://A.Test": (Origin("a.test", 80), "", "a.test", "http://a.test"),
    "https://a.test/v1/": (Origin("a.test", 443, tls=True), "/v1", "a.test", "https://a.test"),
    "https://a.test:80": (Origin("a.test", 80, tls=True), "", "a.test:80", "https://a.test:80"),
    "http://a.test:443/x": (Origin("a.test", 443), "/x", "a.test:443", "http://a.test:443"),
    "http://[::1]:9000/p/q/": (Origin("::1", 9000), "/p/q", "[::1]:9000", "http://[::1]:9000"),
    "https://[2001:db8::1]": (Origin("2001:db8::1", 443, tls=True), "", "[2001:db8::1]", "https://[2001:db8::1]"),
    "unix:/run/app.sock": (Origin("localhost", 0, unix="/run/app.sock"), "", "localhost", "unix:/run/app.sock"),
    "unix:/run/app.sock:/v1/": (Origin("localhost", 0, unix="/run/app.sock"), "/v1", "localhost", "unix:/run/app.sock"),
}  # fmt: skip

REFUSED = [
    "", "a.test", "//a.test", "ftp://a.test", "http://", "http:///x", "https://:443", "http://user@a.test",
    "http://user:pass@a.test", "http://a.test?x=1", "http://a.test/#f", "http://a.test:99999", "http://a.test:port",
    "http://[::1", "file:///etc/passwd", "ws://a.test",
]  # fmt: skip


@pytest.mark.parametrize("url", TAKEN)
def test_addresses_that_are_taken(url: str) -> None:
    origin, prefix = parse_origin(url)
    assert (origin, prefix, origin.authority, str(origin)) == TAKEN[url]


@pytest.mark.parametrize("url", REFUSED)
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_origin(url)


def test_unlike_trust_never_shares_a_pool() -> None:
    origins = {
        parse_origin("https://a.test")[0],
        parse_origin("https://a.test", verify=False)[0],
        parse_origin("https://a.test", ca_file="ca.pem")[0],
        parse_origin("http://a.test:443")[0],
        Origin("a.test", 443, tls=True, public_only=True),
    }
    assert len(origins) == 5
    assert parse_origin("https://a.test/v1")[0] == parse_origin("https://a.test:443/v2")[0]
