"""Flags and their variables: what counts as given, and which of the two wins."""

from __future__ import annotations

import pytest

from fastproxy.config.flags import FLAGS, gather


@pytest.mark.parametrize(
    ("flags", "environ", "expected"),
    [
        ({}, {}, {}),
        ({"workers": 2}, {}, {"workers": (("2",), "flag --workers")}),
        ({}, {"FASTPROXY_WORKERS": " 3 "}, {"workers": (("3",), "env FASTPROXY_WORKERS")}),
        ({"workers": 2}, {"FASTPROXY_WORKERS": "3"}, {"workers": (("2",), "flag --workers")}),
        ({"workers": None, "demo": False, "listen": []}, {"FASTPROXY_WORKERS": ""}, {}),
        ({"demo": True}, {}, {"demo": (("true",), "flag --demo")}),
        ({}, {"FASTPROXY_DEMO": "0"}, {"demo": (("0",), "env FASTPROXY_DEMO")}),
        ({"listen": ["a:1", "b:2"]}, {}, {"listen": (("a:1", "b:2"), "flag --listen")}),
        ({"listen": "a:1"}, {}, {"listen": (("a:1",), "flag --listen")}),
        ({}, {"FASTPROXY_LISTEN": "a:1, b:2,"}, {"listen": (("a:1", "b:2"), "env FASTPROXY_LISTEN")}),
        ({"state_dir": "/a,b"}, {}, {"state_dir": (("/a,b",), "flag --state-dir")}),
        ({}, {"FASTPROXY_TLS_CERT": "a,b"}, {"tls_cert": (("a,b",), "env FASTPROXY_TLS_CERT")}),
        ({"command": "serve"}, {"FASTPROXY_PORT": "tcp://10.0.0.1:8080"}, {}),
    ],
)
def test_gather(
    flags: dict[str, object], environ: dict[str, str], expected: dict[str, tuple[tuple[str, ...], str]]
) -> None:
    found = {name: (given.texts, given.place.origin) for name, given in gather(flags, environ).items()}
    assert found == expected


def test_the_flags_of_the_contract_exist() -> None:
    repeated = {"listen", "provider", "key", "upstream", "trusted_proxies"}
    switches = {"demo", "pin", "watch", "migrate"}
    others = {
        "config", "admin", "workers", "state_dir", "database", "redis", "access_log", "access_log_file",
        "passthrough", "fetch_urls", "tokenizer", "tls_cert", "tls_key", "remember", "node", "ledger_database",
    }  # fmt: skip
    assert set(FLAGS) == repeated | switches | others
    assert {name for name, flag in FLAGS.items() if flag.repeated} == repeated
    assert {name for name, flag in FLAGS.items() if not flag.metavar} == switches
    assert all(flag.text for flag in FLAGS.values())
