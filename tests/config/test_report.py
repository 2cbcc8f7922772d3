"""What is told about settings: every effective value with its origin, no credential in any of it, and what is idle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fastproxy.config import describe, load, unenforced, warnings
from fastproxy.config.report import mask_secret, mask_url

if TYPE_CHECKING:
    from pathlib import Path

    from fastproxy.config import Settings

TEXT = """\
workers: 2
database: postgresql://me:canary-p@ss/word@db/x?sslpassword=canary-2
redis: redis://:canary-3@127.0.0.1/0
limits: {max_body: 1MiB, connect_timeout: 1500ms}
channels:
  - {name: main, provider: openai, keys: [sk-canary-0123456789abcd, kurz], base_url: https://h/v1, rename: {a: b},
     weight: 2, verify: false, budget: {amount: 5}}
models: [{name: m, price: {input: 1.25, output: 10}, hedge: {after: p95}, continuation: true}]
groups: [{name: team, rpm: 5, models: [a, b]}]
keys: [{name: ci, key: canary-client-key, subnets: [10.0.0.0/8], quota: 5}]
routes: [{upstream: [http://a, http://b], request_headers: {x-pass: canary-4444, x-env: canary-5555},
          response_headers: {x-frame-options: DENY, set-cookie: canary-6666}, rate: 1/s}]
plugins: {cache: {password: canary-7}}
mcp: {servers: [{env: {TOKEN: canary-8}}]}
trusted_proxies: [10.0.0.0/8, "::1"]
watch: yes
journal: {spill: 1GiB}
ledger: {database: "postgresql://me:canary-9@db/y", retention:       {       bodies: 12h}}
bodies: errors
"""


def load_text(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "f.yaml"
    file.write_text(text)
    return load({"config": str(file), "key": ["canary-flag-key"]}, {"FASTPROXY_PIN": "1"})


ROWS: dict[str, tuple[str, str]] = {
    "listen": ("127.0.0.1:8080", "default"),
    "admin": ("127.0.0.1:9090", "default"),
    "workers": ("2", "1:10"),
    "state_dir": ("./.fastproxy", "default"),
    "node": ("none", "default"),
    "trusted_proxies": ("10.0.0.0/8, ::1/128", "15:18"),
    "watch": ("true", "16:8"),
    "migrate": ("false", "default"),
    "journal.size": ("16MiB", "default"),
    "journal.spill": ("1GiB", "17:18"),
    "journal.when_full": ("refuse", "default"),
    "ledger.database": ("postgresql://me:***@db/y", "18:20"),
    "ledger.retention.records": ("30d", "default"),
    "ledger.retention.attempts": ("30d", "default"),
    "ledger.retention.bodies": ("12h", "18:86"),
    "ledger.retention.minutes": ("2d", "default"),
    "ledger.retention.hours": ("400d", "default"),
    "ledger.retention.days": ("400d", "default"),
    "ledger.retention.history": ("90d", "default"),
    "bodies.keep": ("errors", "19:9"),
    "bodies.request_size": ("64KiB", "default"),
    "bodies.reply_size": ("64KiB", "default"),
    "bodies.models": ("*", "default"),
    "database": ("postgresql://me:***@db/x?sslpassword=***", "2:11"),
    "redis": ("redis://:***@127.0.0.1/0", "3:8"),
    "passthrough": ("client-keys", "default"),
    "access_log": ("off", "default"),
    "access_log_file": ("-", "default"),
    "demo": ("false", "default"),
    "fetch_urls": ("true", "default"),
    "tokenizer": ("lazy", "default"),
    "pin": ("true", "env FASTPROXY_PIN"),
    "master_key": ("./.fastproxy/master.key", "default"),
    "remember.store": ("file", "default"),
    "remember.time": ("6h", "default"),
    "remember.size": ("8MiB", "default"),
    "limits.max_body": ("1MiB", "4:20"),
    "limits.max_head": ("64KiB", "default"),
    "limits.connect_timeout": ("1500ms", "4:43"),
    "limits.total_timeout": ("10m", "default"),
    "channels.main.provider": ("openai", "6:28"),
    "channels.main.keys": ("sk-c…(24 chars), k…(4 chars)", "6:42"),
    "channels.main.base_url": ("https://h/v1", "6:86"),
    "channels.main.rename": ("a → b", "6:108"),
    "channels.main.weight": ("2", "7:14"),
    "channels.main.verify": ("false", "7:25"),
    "channels.main.budget": ("5 USD, monthly", "7:40"),
    "models.m.price": ("input 1.25, output 10.0", "8:27"),
    "models.m.hedge": ("after p95, budget 5%", "8:61"),
    "models.m.continuation": ("true", "8:89"),
    "groups.team.models": ("a, b", "9:39"),
    "groups.team.rpm": ("5", "9:28"),
    "keys.ci.key": ("cana…(17 chars)", "10:24"),
    "keys.ci.subnets": ("10.0.0.0/8", "10:52"),
    "keys.ci.quota": ("5", "10:73"),
    "keys.key-1.key": ("can…(15 chars)", "flag --key"),
    "routes[0].upstream": ("http://a, http://b", "11:21"),
    "routes[0].request_headers": ("x-pass: ca…(11 chars), x-env: ca…(11 chars)", "11:60"),
    "routes[0].response_headers": ("x-frame-options: DENY, set-cookie: ca…(11 chars)", "12:29"),
    "routes[0].rate": ("1/s", "12:85"),
    "plugins.cache": ("configured", "13:18"),
    "mcp.servers": ("configured", "14:16"),
}


def test_describe(tmp_path: Path) -> None:
    settings = load_text(tmp_path, TEXT)
    rows = {
        name: (value, origin.removeprefix(f"file {tmp_path}/f.yaml:")) for name, value, origin in describe(settings)
    }
    assert {name: rows[name] for name in ROWS} == ROWS
    assert {name for name in rows if not name.startswith("limits.")} == {
        name for name in ROWS if not name.startswith("limits.")
    }
    assert sum(name.startswith("limits.") for name in rows) == 24
    assert "canary-" not in str(rows)


def test_the_master_key_is_named_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("remember: off")
    rows = describe(load({"config": str(tmp_path / "f.yaml")}, {"FASTPROXY_MASTER_KEY": "canary-" * 9}))
    assert ("master_key", "given", "env FASTPROXY_MASTER_KEY") in rows
    assert ("remember.store", "off", f"file {tmp_path}/f.yaml:1:11") in rows
    assert "canary" not in repr(rows)


def test_certificates_are_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastproxy.config.checks._fits", lambda *_: None)
    (tmp_path / "c.pem").write_text("")
    file = str(tmp_path / "c.pem")
    rows = describe(load({"tls_cert": file, "tls_key": file, "admin": "off"}, {}))
    assert ("listen", "127.0.0.1:8080 (tls)", "default") in rows
    assert ("admin", "off", "flag --admin") in rows
    assert ("tls.cert", file, "flag --tls-cert") in rows
    assert ("tls.key", file, "flag --tls-key") in rows


@given(some.text(min_size=1, max_size=80))
def test_a_masked_secret_shows_at_most_a_quarter_and_four(secret: str) -> None:
    shown, separator, _ = mask_secret(secret).rpartition("…")
    assert separator
    assert len(shown) <= min(4, len(secret) / 4)
    assert secret.startswith(shown)


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("sqlite:///fastproxy.db", "sqlite:///fastproxy.db"),
        ("postgresql://u:p@h/db", "postgresql://u:***@h/db"),
        ("postgresql://u:p@ss:w/rd@h/db", "postgresql://u:***@h/db"),
        ("postgresql://u@h/db", "postgresql://u@h/db"),
        ("redis://:p@h", "redis://:***@h"),
        ("redis://averylongsecrettoken@h", "redis://***@h"),
        ("postgresql://h/db?user=u&password=p&x=1", "postgresql://h/db?user=u&password=***&x=1"),
        ("postgresql://h/db?sslmode=on", "postgresql://h/db?sslmode=on"),
        ("http://h/?sig=a&X-Amz-Signature=b", "http://h/?sig=***&X-Amz-Signature=***"),
        ("http://h/?auth=a&Authorization=b&session_id=c", "http://h/?auth=***&Authorization=***&session_id=***"),
        ("http://h/?jwt=a;api_key=b&credential=c", "http://h/?jwt=***;api_key=***&credential=***"),
        ("http://h/?author=a&design=b&assigned=c", "http://h/?author=a&design=b&assigned=c"),
    ],
)
def test_mask_url(url: str, masked: str) -> None:
    assert mask_url(url) == masked


@given(some.text(some.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30))
def test_no_password_gets_through(password: str) -> None:
    marked = f"canary{password}canary"
    assert "canary" not in mask_url(f"postgresql://user:{marked}@host/db")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("limits: {max_body: 1}\nchannels: [{name: a, weight: 2, priority: 1}]", []),
        ("keys: [{name: a, key: 0123456a, models: [m], subnets: [10.0.0.0/8], expires: 2027-01-01}]", []),
        ("routes: [{upstream: http://a, strip_prefix: /x}]", []),
        ("database: sqlite:///x\njournal: {size: 1MiB}\nbodies: all", []),
        ("redis: redis://h", ["redis"]),
        ("channels: [{name: a, rpm: 1, tpm: 1}]", ["channels.rpm", "channels.tpm"]),
        ("channels: [{name: a, concurrency: 1, budget: {amount: 1}}]", ["channels.concurrency", "channels.budget"]),
        ("models: [{name: a}]", ["models"]),
        ("models: [{name: a, facts: {max_output: 5}}]", []),
        (
            "models: [{name: a, strategy: weighted, price: {input: 1}, fallback: [b], hedge: {}, continuation: true}]",
            ["models", "models.strategy", "models.price", "models.fallback", "models.hedge", "models.continuation"],
        ),
        ("groups: [{name: a, sets: [b], models: [c], status: disabled}]", []),
        ("groups: [{name: a, rpm: 1, budget: {amount: 1}}]", ["groups.rpm", "groups.budget"]),
        ("keys: [{name: a, key: 0123456a, quota: 1, rpm: 1}]", ["keys.quota", "keys.rpm"]),
        ("keys: [{name: a, key: 0123456a, sets: [b], status: disabled}]", []),
        (
            "keys: [{name: a, key: 0123456a, quota_daily: 1, quota_weekly: 2, quota_monthly: 3}]",
            ["keys.quota_daily", "keys.quota_weekly", "keys.quota_monthly"],
        ),
        ("routes: [{upstream: http://a, rate: 1/s}]", ["routes.rate"]),
        ("plugins: {cache: {}}", ["plugins"]),
        ("mcp: {servers: []}", ["mcp"]),
        ("plugins: {}", []),
    ],
)
def test_unenforced(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert unenforced(load_text(tmp_path, text)) == expected


@pytest.mark.parametrize(
    ("flags", "count"),
    [
        ({"listen": [":8080"], "provider": ["openai=k"]}, 1),
        ({"listen": [":8080"], "provider": ["openai=k"], "key": ["a-client-key"]}, 0),
        ({"provider": ["openai=k"]}, 0),
        ({"listen": [":8080"]}, 0),
        ({"database": "sqlite:///x", "admin": "off"}, 1),
        ({"database": "sqlite:///x"}, 0),
        ({"admin": "off"}, 0),
    ],
)
def test_what_is_probably_not_meant_is_warned_about(flags: dict[str, object], count: int) -> None:
    assert len(warnings(load(flags, {}))) == count
