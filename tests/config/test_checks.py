"""What is wrong only beside something else: each case with the place that the error points at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trustme

from fastproxy.config import load
from fastproxy.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from fastproxy.config import Settings

KNOWN = frozenset({"openai", "anthropic", "gemini"})


def load_text(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "f.yaml"
    file.write_text(text)
    return load({"config": str(file)}, {}, known_providers=KNOWN)


BAD = [
    (
        "channels:\n  - {name: a, provider: openai}\n  - {name: a, provider: gemini}",
        "3:5: channels[1]: name 'a' stands twice in channels",
    ),
    ("channels: [{name: openai}, {provider: openai}]", "1:28: channels[1]: name 'openai' stands twice in channels"),
    ("models: [{name: m}, {name: m}]", "1:21: models[1]: name 'm' stands twice in models"),
    ("groups: [{name: g}, {name: g}]", "1:21: groups[1]: name 'g' stands twice in groups"),
    ("keys: [{name: k, key: 0123456a}, {name: k, key: 0123456b}]", "1:34: keys[1]: name 'k' stands twice in keys"),
    (
        "keys: [{name: k, key: 0123456a}, {name: l, key: 0123456a}]",
        "1:34: keys 'k' and 'l' have the same value; expected one name each",
    ),
    (
        "keys: [{name: k, key: 0123456a}, {name: l, key: sk-0123456a}]",
        "1:34: keys 'k' and 'l' have the same value; expected one name each",
    ),
    (
        "routes:\n  - {upstream: http://a}\n  - {match: {path: /}, upstream: http://b}",
        "3:5: routes[1]: matches the same requests as routes[0]",
    ),
    (
        "routes:\n- {match: {host: A, methods: [GET, PUT]}, upstream: http://a}\n"
        "- {match: {host: a, methods: put}, upstream: http://b}",
        "3:3: routes[1]: matches the same requests as routes[0]",
    ),
    ("listen: [a:1, a:2, a:1]", "1:9: listen: address a:1 stands twice"),
    ("listen: ['[::1]:1', '[::1]:1']", "1:9: listen: address [::1]:1 stands twice"),
    ("listen: [unix:/a, unix:/a]", "1:9: listen: address unix:/a stands twice"),
    ("listen: a:1\nadmin: a:1", "2:8: admin: address a:1 is also a listen address"),
    ("listen: 127.0.0.1:9090", "1:9: admin: address 127.0.0.1:9090 is also a listen address"),
    (
        "channels: [{name: main, provider: opnai}]",
        "1:35: channels.main: unknown provider 'opnai'; did you mean 'openai'? (a channel with its own base_url and",
    ),
    ("channels: [{name: mine}]", "1:19: channels.mine: unknown provider 'mine'"),
    ("channels: [{name: mine, base_url: http://h}]", "1:19: channels.mine: unknown provider 'mine'"),
    ("channels: [{name: mine, format: openai-chat}]", "1:19: channels.mine: unknown provider 'mine'"),
    (
        "channels: [{name: openai, ca_file: /no/such.pem}]",
        "1:36: channels.openai.ca_file: cannot read /no/such.pem: No such file or directory",
    ),
    (
        "routes: [{upstream: https://h, ca_file: /no/such.pem}]",
        "1:41: routes[0].ca_file: cannot read /no/such.pem: No such file or directory",
    ),
    ("tls: {cert: /no/c, key: /no/k}", "1:13: tls.cert: cannot read /no/c: No such file or directory"),
    ("tls: {cert: /dev/null, key: /no/k}", "1:29: tls.key: cannot read /no/k: No such file or directory"),
    (
        "tls: {cert: /dev/null, key: /dev/null}",
        "1:13: tls: /dev/null and /dev/null are not a PEM certificate and its unencrypted key",
    ),
    (
        "listen: {address: 'h:1', tls: {cert: /no/c, key: /no/k}}",
        "1:9: tls.cert: cannot read /no/c: No such file or directory",
    ),
    (
        "channels: [{name: openai, base_url: 'http://localhost:8080/v1'}]",
        "1:37: channels.openai.base_url: this is the gateway's own address",
    ),
    ("routes: [{upstream: http://127.0.0.1:8080}]", "1:21: routes[0].upstream: this is the gateway's own address"),
    (
        "listen: :80\nroutes: [{upstream: http://127.0.0.9}]",
        "2:21: routes[0].upstream: this is the gateway's own address",
    ),
    ("listen: unix:/s\nroutes: [{upstream: unix:/s}]", "2:21: routes[0].upstream: this is the gateway's own address"),
    *(  # other spellings that lead to it
        (
            f"channels: [{{name: openai, base_url: 'http://{host}:8080/v1'}}]",
            "1:37: channels.openai.base_url: this is the gateway's own address",
        )
        for host in ("127.1", "2130706433", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]", "localhost.", "LOCALHOST")
    ),
]


@pytest.mark.parametrize(("text", "error"), BAD)
def test_refused(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'f.yaml'}:{error}")


@pytest.mark.parametrize(
    "text",
    [
        "listen: [127.0.0.1:0, 127.0.0.1:0]\nadmin: 127.0.0.1:0",
        "listen: [127.0.0.1:80, '[::1]:80', 127.0.0.2:80]",
        "channels: [{name: mine, base_url: 'http://h/v1', format: openai-chat}]",
        "channels: [{name: a, provider: openai}, {name: b, provider: openai}]",
        "routes: [{match: {methods: GET}, upstream: http://a}, {match: {methods: PUT}, upstream: http://a}]",
        "routes: [{match: {methods: GET}, upstream: http://a}, {upstream: http://a}]",
        "routes: [{match: {host: a}, upstream: http://a}, {upstream: http://a}]",
        "routes: [{upstream: [http://127.0.0.1:8081, 'http://127.0.0.2:8080', 'http://other:8080']}]",
        "listen: 127.0.0.1:0\nroutes: [{upstream: http://127.0.0.1}]",
    ],
)
def test_allowed(tmp_path: Path, text: str) -> None:
    load_text(tmp_path, text)


def test_a_key_that_does_not_fit_its_certificate(tmp_path: Path) -> None:
    authority = trustme.CA()
    one, two = authority.issue_cert("one.example.com"), authority.issue_cert("two.example.com")
    cert, key = tmp_path / "one.pem", tmp_path / "two.key"
    one.cert_chain_pems[0].write_to_path(str(cert))
    two.private_key_pem.write_to_path(str(key))
    with pytest.raises(ConfigError, match=r"are not a PEM certificate and its unencrypted key"):
        load_text(tmp_path, f"tls: {{cert: {cert}, key: {key}}}")


def test_without_a_catalogue_any_provider_passes() -> None:
    assert load({"provider": ["anything"]}, {}).channels[0].provider == "anything"
