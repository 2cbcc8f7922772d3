"""The schema of the file: one file that uses every key, and a table of all that is refused, with its position."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from fastproxy.config import load
from fastproxy.config.schema import TOP
from fastproxy.config.types import (
    Bodies,
    Budget,
    Channel,
    Group,
    Hedge,
    Journal,
    Key,
    Ledger,
    Limits,
    Listen,
    Model,
    Price,
    Remember,
    Retention,
    Route,
    Settings,
)
from fastproxy.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

EVERYTHING = """\
listen: [0.0.0.0:8080, {address: "[::1]:8443", tls: off}, unix:/run/fp.sock]
admin: 127.0.0.1:9191
workers: 3
state_dir: /var/lib/fastproxy
database: postgresql://user:pw@db/fastproxy
redis: redis://127.0.0.1:6379/0
passthrough: require-key
access_log: json
access_log_file: /var/log/fastproxy.log
demo: true
fetch_urls: no
tokenizer: preload
pin: yes
remember: {store: memory, time: 90m, size: 16MiB}
node: eu-1
trusted_proxies: [10.0.0.0/8, 192.0.2.1]
watch: yes
migrate: yes
journal: {size: 32MiB, spill: 1GiB, when_full: count}
ledger:
  database: postgresql://user:pw@db/records
  retention: {records: 1d, attempts: 2d, bodies: 3h, minutes: 4h, hours: 5d, days: 66d, history: 7d}
bodies: {keep: errors, request_size: 1KiB, reply_size: 2KiB, models: [gpt-*]}
limits:
  max_body: 1MiB
  max_head: 32KiB
  max_fields: 64
  max_target: 8KiB
  max_buffer: 64MiB
  header_timeout: 1s
  body_idle_timeout: 2s
  idle_timeout: 3s
  connect_timeout: 4s
  tls_timeout: 5500ms
  first_byte_timeout: 1m1s
  stream_idle_timeout: 1m30s
  total_timeout: 1h
  write_timeout: 8s
  drain_timeout: 9s
  pool_idle_timeout: 10s
  pool_max_age: 11s
  pool_max_connections: 12
  pool_wait_timeout: 13s
  pool_max_waiting: 14
  max_connections: 15
  heartbeat_timeout: 16s
  dns_ttl: 17s
  client_gone: drain
channels:
  - {name: openai-main, provider: openai, keys: ["${OPENAI_API_KEY}", second-key], base_url: https://api.openai.com/v1,
     models: [gpt-5, gpt-5-mini], rename: {gpt-5: gpt-5-2026-08-07}, weight: 2, priority: 10, format: openai-chat,
     sets: [default, extra], verify: false, ca_file: "${CA_FILE}",
     rpm: 100, tpm: 200000, concurrency: 5, budget: {amount: 9.5, period: daily}, api_version: 2024-10-21,
     defaults: {safetySettings: [{category: x, threshold: y}]}, builtin_tools: map, status: disabled}
  - provider: anthropic
models:
  - {name: gpt-5, strategy: weighted, rpm: 6000, tpm: 1, concurrency: 2, budget: {amount: 1},
     price: {input: 1.25, output: 10, cache_read: 0.125, cache_write: 0, reasoning: 11}, fallback: [claude-sonnet],
     hedge: {after: p95, budget: 5%}, continuation: true, facts: {max_output: 8000, thinking: none}}
groups:
  - {name: team-a, rpm: 600, tpm: 200000, concurrency: 50, budget: {amount: 50, period: monthly}, models: [gpt-5],
     sets: [default], status: disabled}
keys:
  - {name: ci, key: "${CI_KEY}", group: team-a, models: ["*"], subnets: [10.0.0.0/8], quota: 5, expires: 2027-01-01,
     rpm: 1, tpm: 2, concurrency: 3, budget: {amount: 4}, lossy: strict, sets: [extra], quota_daily: 1,
     quota_weekly: 2, quota_monthly: 3, status: disabled}
routes:
  - {match: {host: App.example.com, path: /api, methods: [get, POST]},
     upstream: [http://127.0.0.1:9001, "https://[::1]:9002", unix:/run/app.sock], strip_prefix: /api, add_prefix: /v2,
     request_headers: {X-Env: prod}, remove_request_headers: [Cookie], response_headers: {X-Frame-Options: DENY},
     remove_response_headers: [Server], forwarded: replace, host_header: upstream, verify: false,
     ca_file: "${CA_FILE}", rate: 100/s}
plugins:
  cache: {ttl: 60, names: [a, b]}
mcp:
  servers: [{name: files, command: [run, "${CI_KEY}"]}]
"""


def load_text(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> Settings:
    file = tmp_path / "f.yaml"
    file.write_text(text)
    return load({"config": str(file)}, environ or {})


@pytest.fixture
def everything(tmp_path: Path) -> Settings:
    authority = tmp_path / "ca.pem"
    authority.write_text("")
    environ = {"OPENAI_API_KEY": "sk-from-env", "CI_KEY": "client-key-1", "CA_FILE": str(authority)}
    return load_text(tmp_path, EVERYTHING, environ)


def test_the_plain_settings_of_the_schema(everything: Settings) -> None:
    assert everything.listen == (
        Listen("0.0.0.0", 8080),
        Listen("::1", 8443),
        Listen("", 0, "/run/fp.sock"),
    )
    assert everything.admin == Listen("127.0.0.1", 9191)
    plain = (
        "workers", "state_dir", "database", "redis", "passthrough", "access_log", "access_log_file", "demo",
        "fetch_urls", "tokenizer", "pin", "node", "trusted_proxies", "watch", "migrate",
    )  # fmt: skip
    assert [getattr(everything, name) for name in plain] == [
        3, "/var/lib/fastproxy", "postgresql://user:pw@db/fastproxy", "redis://127.0.0.1:6379/0", "require-key",
        "json", "/var/log/fastproxy.log", True, False, "preload", True, "eu-1", ("10.0.0.0/8", "192.0.2.1/32"),
        True, True,
    ]  # fmt: skip
    assert everything.remember == Remember("memory", 5400.0, 16 << 20)
    assert everything.plugins == {"cache": {"ttl": 60, "names": ["a", "b"]}}
    assert everything.mcp == {"servers": [{"name": "files", "command": ["run", "client-key-1"]}]}


def test_the_ledger_of_the_schema(everything: Settings) -> None:
    day = 86400.0
    kept = Retention(day, 2 * day, 3 * 3600.0, 4 * 3600.0, 5 * day, 66 * day, 7 * day)
    assert everything.journal == Journal(32 << 20, 1 << 30, "count")
    assert everything.ledger == Ledger("postgresql://user:pw@db/records", kept)
    assert everything.bodies == Bodies("errors", 1 << 10, 2 << 10, ("gpt-*",))
    defaults = Retention()
    assert all(getattr(kept, item.name) != getattr(defaults, item.name) for item in fields(Retention))


def test_the_limits_of_the_schema(everything: Settings) -> None:
    assert everything.limits == Limits(
        1 << 20,
        32 << 10,
        64,
        8 << 10,
        64 << 20,
        1,
        2,
        3,
        4,
        5.5,
        61,
        90,
        3600,
        8,
        9,
        10,
        11,
        12,
        13,
        14,
        15,
        16,
        17,
        "drain",
    )
    defaults = Limits()
    assert all(getattr(everything.limits, item.name) != getattr(defaults, item.name) for item in fields(Limits))


def test_the_sections_of_the_schema(everything: Settings, tmp_path: Path) -> None:
    authority = str(tmp_path / "ca.pem")
    assert everything.channels == (
        Channel(
            "openai-main", "openai", ("sk-from-env", "second-key"), "https://api.openai.com/v1",
            ("gpt-5", "gpt-5-mini"), {"gpt-5": "gpt-5-2026-08-07"}, 2, 10, "openai-chat", ("default", "extra"),
            False, authority, 100, 200_000, 5, Budget(9.5, "daily"), "2024-10-21",
            {"safetySettings": [{"category": "x", "threshold": "y"}]}, "map", "disabled",
        ),
        Channel("anthropic", "anthropic"),
    )  # fmt: skip
    price = Price(1.25, 10, 0.125, 0, 11)
    assert everything.models == (
        Model(
            "gpt-5",
            "weighted",
            price,
            ("claude-sonnet",),
            Hedge("p95", "5%"),
            True,
            6000,
            1,
            2,
            Budget(1, "monthly"),
            {"max_output": 8000, "thinking": "none"},
        ),
    )
    budget = Budget(50, "monthly")
    assert everything.groups == (Group("team-a", ("gpt-5",), ("default",), 600, 200_000, 50, budget, "disabled"),)
    assert everything.keys == (
        Key(
            "ci", "client-key-1", "team-a", ("*",), ("10.0.0.0/8",), 5, "2027-01-01T00:00:00+00:00", 1, 2, 3, Budget(4),
            "strict", ("extra",), 1, 2, 3, "disabled",
        ),
    )  # fmt: skip
    assert everything.routes == (
        Route(
            "app.example.com", "/api", ("GET", "POST"),
            ("http://127.0.0.1:9001", "https://[::1]:9002", "unix:/run/app.sock"), "/api", "/v2",
            {"x-env": "prod"}, ("cookie",), {"x-frame-options": "DENY"}, ("server",), "replace", "upstream",
            False, authority, "100/s",
        ),
    )  # fmt: skip


def test_every_field_of_every_contract_is_in_the_file_above(everything: Settings) -> None:
    """A field that is added to a contract but not to the schema fails here."""
    first = [getattr(everything, name)[0] for name in ("channels", "models", "groups", "keys", "routes")]
    for entry in first:
        given = {path.rsplit(".", 1)[1] for path in everything.origins if path.startswith(place_of(entry))}
        given |= {"host", "path", "methods"} if isinstance(entry, Route) else set()
        assert {item.name for item in fields(entry)} - given == set()
    top = {item.name for item in fields(Settings)} - {"origins", "master_key"}  # the latter in no file
    assert set(TOP) == top | {"tls"}
    assert {name.partition(".")[0].partition("[")[0] for name in everything.origins} == top


def place_of(entry: Channel | Model | Group | Key | Route) -> str:
    section = {Channel: "channels", Model: "models", Group: "groups", Key: "keys", Route: "routes"}[type(entry)]
    return "routes[0]." if isinstance(entry, Route) else f"{section}.{entry.name}."


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("", "listen", (Listen("127.0.0.1", 8080),)),
        ("---\n", "admin", Listen("127.0.0.1", 9090)),
        ("listen: :80", "listen", (Listen("0.0.0.0", 80),)),
        ("listen: {address: 'localhost:80'}", "listen", (Listen("localhost", 80),)),
        ("admin: off", "admin", None),
        ("", "remember", Remember("file", 21600.0, 8 << 20)),
        ("remember: off", "remember", Remember("off")),
        ("remember: memory", "remember", Remember("memory")),
        ("remember: {time: 12h}", "remember", Remember("file", 43200.0)),
        ("admin: false", "admin", None),
        ("bodies: off", "bodies", Bodies()),
        ("bodies: all", "bodies", Bodies("all")),
        ("bodies: {models: m}", "bodies", Bodies(models=("m",))),
        ("journal: {spill: 0}", "journal", Journal(spill=0)),
        ("trusted_proxies: 10.0.0.7", "trusted_proxies", ("10.0.0.7/32",)),
        ("node: 7", "node", "7"),
        ("workers: '2'", "workers", 2),
        ("passthrough: off", "passthrough", "off"),
        ("access_log: off", "access_log", "off"),
        ("demo: no", "demo", False),
        ("channels: [{name: 4711, provider: openai}]", "channels", (Channel("4711", "openai"),)),
        ("channels: [{name: openai}]", "channels", (Channel("openai", "openai"),)),
        ("channels: []", "channels", ()),
        ("keys: [{name: a, key: 12345678901234567890}]", "keys", (Key("a", "12345678901234567890"),)),
        ("keys: [{name: a, key: k-0123456789, models: m}]", "keys", (Key("a", "k-0123456789", models=("m",)),)),
        ("routes: [{upstream: http://h}]", "routes", (Route(upstream=("http://h",)),)),
        ("limits: {pool_max_waiting: 0}", "limits", Limits(pool_max_waiting=0)),
        ("limits: {idle_timeout: 5}", "limits", Limits(idle_timeout=5.0)),
    ],
)
def test_shorter_forms(tmp_path: Path, text: str, name: str, value: object) -> None:
    assert getattr(load_text(tmp_path, text), name) == value


BAD = [
    # unknown, missing and doubled keys
    ("lisen: 127.0.0.1:80", 1, 1, "unknown key 'lisen'; did you mean 'listen'?"),
    (
        "a: 1",
        1,
        1,
        "unknown key 'a'; expected one of access_log, access_log_file, admin, bodies, channels, database, demo, fe",
    ),
    ("workers: 1\nlimits:\n  max_boddy: 1MiB", 3, 3, "unknown key 'limits.max_boddy'; did you mean 'max_body'?"),
    ("channels:\n  - name: a\n    modles: []", 3, 5, "unknown key 'channels[0].modles'; did you mean 'models'?"),
    ("keys:\n  - {name: ci, kee: x}", 2, 16, "unknown key 'keys[0].kee'; did you mean 'key'?"),
    (
        "routes:\n- match: {hots: a}\n  upstream: http://h",
        2,
        11,
        "unknown key 'routes[0].match.hots'; did you mean 'host'?",
    ),
    ("mcp: {server: []}", 1, 7, "unknown key 'mcp.server'; did you mean 'servers'?"),
    ("workers: 1\nworkers: 2", 2, 1, "duplicate key 'workers', first on line 1"),
    ("channels:\n  - {keys: [abc]}", 2, 5, "channels[0]: missing key 'name'"),
    ("keys:\n  - {name: ci}", 2, 5, "keys[0]: missing key 'key'"),
    ("models:\n  - {rpm: 1}", 2, 5, "models[0]: missing key 'name'"),
    ("groups: [{rpm: 1}]", 1, 10, "groups[0]: missing key 'name'"),
    ("routes:\n  - match: {path: /}", 2, 5, "routes[0]: missing key 'upstream'"),
    ("tls: {cert: a}", 1, 6, "tls: missing key 'key'"),
    ("listen: [{tls: {cert: a, key: b}}]", 1, 10, "listen[0]: missing key 'address'"),
    ("groups: [{name: a, budget: {period: daily}}]", 1, 28, "groups[0].budget: missing key 'amount'"),
    # wrong types
    ("- a", 1, 1, "the file: expected a mapping, seen a list"),
    ("just text", 1, 1, "the file: expected a mapping, seen text"),
    ("channels: 5", 1, 11, "channels: expected a list, seen a number"),
    ("channels:", 1, 10, "channels: expected a list, seen nothing"),
    ("channels: [openai]", 1, 12, "channels[0]: expected a mapping, seen text"),
    ("channels: [{name: yes}]", 1, 19, "channels[0].name: expected text, seen a boolean"),
    ("channels: [{name: a, keys: k}]", 1, 28, "channels[0].keys: expected a list, seen text"),
    ("channels: [{name: a, rename: [b]}]", 1, 30, "channels[0].rename: expected a mapping, seen a list"),
    ("channels: [{name: a, rename: {b: ~}}]", 1, 34, "channels[0].rename.b: expected text, seen nothing"),
    ("workers: [1]", 1, 10, "workers: expected auto or a number, seen a list"),
    ("workers: ~", 1, 10, "workers: expected auto or a number, seen nothing"),
    ("listen: {host: a}", 1, 10, "unknown key 'listen.host'; expected one of address, tls"),
    ("listen: []", 1, 9, "listen: expected at least one item, seen an empty list"),
    ("admin: {address: a}", 1, 8, "admin: expected HOST:PORT or off, seen a mapping"),
    ("limits: 32MiB", 1, 9, "limits: expected a mapping, seen text"),
    ("limits: {max_body: [1]}", 1, 20, "limits.max_body: expected a size, seen a list"),
    ("plugins: [cache]", 1, 10, "plugins: expected a mapping, seen a list"),
    ("tls: off", 1, 6, "tls: expected a mapping, seen a boolean"),
    # wrong values
    ("listen: 8080", 1, 9, "listen: '8080' is not an address; expected HOST:PORT, [IPV6]:PORT, :PORT or unix:/path"),
    ("listen: [a:1, b]", 1, 15, "listen[1]: 'b' is not an address"),
    ("admin: on", 1, 8, "admin: 'on' is not an address"),
    ("workers: many", 1, 10, "workers: 'many' is not a whole number"),
    ("workers: 0", 1, 10, "workers: 0 is out of range; expected 1 to 64"),
    ("workers: 65", 1, 10, "workers: 65 is out of range; expected 1 to 64"),
    ("passthrough: on", 1, 14, "passthrough: unknown value 'on'; expected one of client-keys, off, require-key"),
    ("access_log: jsn", 1, 13, "access_log: unknown value 'jsn'; did you mean 'json'?"),
    ("demo: maybe", 1, 7, "demo: 'maybe' is not a boolean; expected true or false"),
    ("state_dir: ''", 1, 12, "state_dir: expected text, seen nothing"),
    ("database: mysql://h/d", 1, 11, "database: this is not the URL of such a store; expected sqlite:///FILE or"),
    ("redis: localhost", 1, 8, "redis: this is not the URL of such a store; expected redis://HOST:PORT/NUMBER"),
    ("remember: disk", 1, 11, "remember: unknown value 'disk'; expected one of file, memory, off"),
    ("remember: {store: on}", 1, 19, "remember.store: unknown value 'on'; expected one of file, memory, off"),
    ("remember: {stor: file}", 1, 12, "unknown key 'remember.stor'; did you mean 'store'?"),
    ("remember: [file]", 1, 11, "remember: expected a mapping, seen a list"),
    ("remember: {time: 59s}", 1, 18, "remember.time: 59s is out of range; expected 1m to 30d"),
    ("remember: {size: 1KiB}", 1, 18, "remember.size: 1KiB is out of range; expected 64KiB to 1GiB"),
    ("node: a/b", 1, 7, "node: 'a/b' is not a node; expected at most 63 letters, digits, dots or dashes"),
    ("trusted_proxies: ['::1', x]", 1, 26, "trusted_proxies[1]: 'x' is not a subnet; expected one like 10.0.0.0/8"),
    ("trusted_proxies: []", 1, 18, "trusted_proxies: expected at least one item, seen an empty list"),
    ("database: sqlite://", 1, 11, "database: this is not the URL of such a store; expected sqlite:///FILE or"),
    ("database: 'sqlite:///:memory:'", 1, 11, "database: SQLite needs a file that several processes can open"),
    ("journal: {size: 1KiB}", 1, 17, "journal.size: 1KiB is out of range; expected 1MiB to 1GiB"),
    ("journal: {when_full: drop}", 1, 22, "journal.when_full: unknown value 'drop'; expected one of count, refuse"),
    ("journal: 1MiB", 1, 10, "journal: expected a mapping, seen text"),
    ("ledger: sqlite:///x", 1, 9, "ledger: expected a mapping, seen text"),
    ("ledger: {database: mysql://h}", 1, 20, "ledger.database: this is not the URL of such a store"),
    ("ledger: {retention: {records: 1s}}", 1, 31, "ledger.retention.records: 1s is out of range; expected 1m to 3660d"),
    ("ledger: {retention: {days: 30d}}", 1, 28, "ledger.retention.days: 30d is out of range; expected 62d to 3660d"),
    ("ledger: {retention: {weeks: 1d}}", 1, 22, "unknown key 'ledger.retention.weeks'; expected one of attempts"),
    ("bodies: some", 1, 9, "bodies: unknown value 'some'; expected one of all, errors, off"),
    ("bodies: {keep: some}", 1, 16, "bodies.keep: unknown value 'some'; expected one of all, errors, off"),
    ("bodies: {reply_size: 1GiB}", 1, 22, "bodies.reply_size: 1GiB is out of range; expected 0B to 16MiB"),
    ("groups: [{name: a, status: on}]", 1, 28, "groups[0].status: expected text, seen a boolean"),
    ("keys: [{name: a, status: paused}]", 1, 26, "keys[0].status: unknown value 'paused'; expected one of disabled"),
    ("limits: {max_body: lots}", 1, 20, "limits.max_body: 'lots' is not a size; expected one like 64KiB or 32MiB"),
    ("limits:\n  idle_timeout: 10x", 2, 17, "limits.idle_timeout: '10x' is not a duration; expected one like 10s"),
    ("limits: {idle_timeout: 0s}", 1, 24, "limits.idle_timeout: 0s is out of range; expected 1ms to 7d"),
    ("limits: {max_head: 1B}", 1, 20, "limits.max_head: 1B is out of range; expected 1KiB to 16MiB"),
    ("limits: {max_fields: -1}", 1, 22, "limits.max_fields: -1 is out of range; expected 8 to 10000"),
    ("channels: [{name: a, weight: heavy}]", 1, 30, "channels[0].weight: 'heavy' is not a whole number"),
    ("channels: [{name: a, weight: 1.5}]", 1, 30, "channels[0].weight: '1.5' is not a whole number"),
    ("channels: [{name: a, weight: -1}]", 1, 30, "channels[0].weight: -1 is out of range; expected 0 to 1000000"),
    (
        "channels: [{name: a, format: openia-chat}]",
        1,
        30,
        "channels[0].format: unknown value 'openia-chat'; did you mean",
    ),
    (
        "channels: [{name: a, base_url: api.x.com}]",
        1,
        32,
        "channels[0].base_url: 'api.x.com' is not an http:// or https",
    ),
    ("channels: [{name: a, keys: ['']}]", 1, 29, "channels[0].keys[0]: expected a key of printable ASCII"),
    ("channels: [{name: a, rpm: 0}]", 1, 27, "channels[0].rpm: 0 is out of range"),
    ("models: [{name: a, hedge: {after: soon}}]", 1, 35, "models[0].hedge.after: 'soon' is not a duration"),
    ("models: [{name: a, hedge: {budget: 5}}]", 1, 36, "models[0].hedge.budget: '5' is not a percentage"),
    ("models: [{name: a, price: {input: -1}}]", 1, 35, "models[0].price.input: '-1' is not a number from 0"),
    (
        "groups: [{name: a, budget: {amount: 1, period: yearly}}]",
        1,
        48,
        "groups[0].budget.period: unknown value 'yearly'",
    ),
    ("keys: [{name: a, key: short}]", 1, 23, "keys[0].key: this key has 5 characters; expected at least 8"),
    ("keys: [{name: a, key: sk-1234}]", 1, 23, "keys[0].key: this key is a well-known default"),
    ("keys: [{name: a, key: changeme}]", 1, 23, "keys[0].key: this key is a well-known default"),
    ("keys: [{name: a, subnets: [10.0.0.0/33]}]", 1, 28, "keys[0].subnets[0]: '10.0.0.0/33' is not a subnet"),
    ("keys: [{name: a, models: []}]", 1, 26, "keys[0].models: expected at least one item, seen an empty list"),
    ("keys: [{name: a, expires: soon}]", 1, 27, "keys[0].expires: 'soon' is not a date"),
    ("keys: [{name: a, expires: 2027-13-01}]", 1, 27, "keys[0].expires: '2027-13-01' is not a date"),
    ("keys: [{name: a, quota: much}]", 1, 25, "keys[0].quota: 'much' is not a number from 0"),
    ("routes: [{upstream: []}]", 1, 21, "routes[0].upstream: expected at least one item, seen an empty list"),
    ("routes: [{upstream: ftp://h}]", 1, 21, "routes[0].upstream: 'ftp://h' is not an http:// or https:// URL"),
    ("routes: [{upstream: [http://h, h:1]}]", 1, 32, "routes[0].upstream[1]: 'h:1' is not an http:// or https:// URL"),
    ("routes: [{upstream: http://h/x}]", 1, 21, "routes[0].upstream: upstream 'http://h/x' has a path; expected"),
    ("routes: [{match: {path: api}}]", 1, 25, "routes[0].match.path: 'api' is not a path"),
    ("routes: [{match: {host: 'a:80'}}]", 1, 25, "routes[0].match.host: 'a:80' is not a host"),
    ("routes: [{rate: fast}]", 1, 17, "routes[0].rate: 'fast' is not a rate; expected one like 100/s or 6000/m"),
    ("routes: [{forwarded: maybe}]", 1, 22, "routes[0].forwarded: unknown value 'maybe'"),
    ("routes: [{request_headers: {Host: a}}]", 1, 29, "routes[0].request_headers: header 'host' is set by the proxy"),
    ("routes: [{request_headers: {X-a: b, x-A: c}}]", 1, 37, "routes[0].request_headers: duplicate name 'x-A'"),
    ('routes: [{request_headers: {X-a: "b\\nc"}}]', 1, 34, "routes[0].request_headers.X-a: expected a header value of"),
    ("workers: ${MISSING}", 1, 10, "environment variable MISSING is not set"),
]


@pytest.mark.parametrize(("text", "line", "column", "error"), BAD)
def test_bad_settings_are_told_with_their_position(
    tmp_path: Path, text: str, line: int, column: int, error: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'f.yaml'}:{line}:{column}: {error}")
    assert (caught.value.line, caught.value.column) == (line, column)
