"""Where settings come from: precedence and origins, what flags add to lists, and what is derived from the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trustme

from fastproxy.config import (
    FLAGS,
    Bodies,
    Channel,
    Journal,
    Key,
    Ledger,
    Limits,
    Listen,
    Remember,
    Retention,
    Route,
    Settings,
    Tls,
    VendorEnv,
    load,
)
from fastproxy.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

VENDORS = {
    "openai": VendorEnv(("OPENAI_API_KEY",), ("OPENAI_BASE_URL",)),
    "anthropic": VendorEnv(("ANTHROPIC_API_KEY",), ("ANTHROPIC_BASE_URL",), "/v1"),
}

# setting, flag value, variable, file, and what each becomes
Source = tuple[str, object, str, str, tuple[object, object, object]]
SOURCES: list[Source] = [
    ("listen", ["a:1"], "b:2,c:3", "d:4", ((Listen("a", 1),), (Listen("b", 2), Listen("c", 3)), (Listen("d", 4),))),
    ("admin", "off", "127.0.0.1:2", "127.0.0.1:3", (None, Listen("127.0.0.1", 2), Listen("127.0.0.1", 3))),
    ("workers", 1, "2", "3", (1, 2, 3)),
    ("state_dir", "/a", "/b", "/c", ("/a", "/b", "/c")),
    ("database", "sqlite:///a", "sqlite:///b", "sqlite:///c", ("sqlite:///a", "sqlite:///b", "sqlite:///c")),
    ("redis", "redis://a", "redis://b", "redis://c", ("redis://a", "redis://b", "redis://c")),
    ("passthrough", "off", "client-keys", "require-key", ("off", "client-keys", "require-key")),
    ("access_log", "off", "text", "json", ("off", "text", "json")),
    ("access_log_file", "a", "b", "c", ("a", "b", "c")),
    ("demo", True, "off", "yes", (True, False, True)),
    ("fetch_urls", "no", "yes", "off", (False, True, False)),
    ("tokenizer", "off", "lazy", "preload", ("off", "lazy", "preload")),
    ("pin", True, "0", "on", (True, False, True)),
    ("node", "a", "b.c", "d-4", ("a", "b.c", "d-4")),
    (
        "trusted_proxies",
        ["::1"],
        "10.1.2.3/8,::2",
        "10.0.0.1",
        (("::1/128",), ("10.0.0.0/8", "::2/128"), ("10.0.0.1/32",)),
    ),
    ("watch", True, "0", "on", (True, False, True)),
    ("migrate", True, "no", "true", (True, False, True)),
]
SOURCE_IDS = [source[0] for source in SOURCES]


def write(tmp_path: Path, text: str) -> str:
    file = tmp_path / "f.yaml"
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize("source", SOURCES, ids=SOURCE_IDS)
def test_flags_before_environment_before_file(tmp_path: Path, source: Source) -> None:
    name, flag, variable, file, expected = source
    path = write(tmp_path, f"{name}: {file}")
    flags: dict[str, object] = {"config": path, name: flag}
    environ = {f"FASTPROXY_{name.upper()}": variable}
    dashed = name.replace("_", "-")
    all_three = load(flags, environ)
    assert (getattr(all_three, name), all_three.origins[name]) == (expected[0], f"flag --{dashed}")
    two = load({"config": path}, environ)
    assert (getattr(two, name), two.origins[name]) == (expected[1], f"env FASTPROXY_{name.upper()}")
    one = load({}, {"FASTPROXY_CONFIG": path})
    assert (getattr(one, name), one.origins[name]) == (expected[2], f"file {path}:1:{len(name) + 3}")
    assert name not in load({}, {}).origins


def test_every_flag_has_a_test_of_its_precedence() -> None:
    lists = {"provider", "key", "upstream"}
    others = {"config", "tls_cert", "tls_key", "remember", "ledger_database"}
    assert set(FLAGS) == set(SOURCE_IDS) | lists | others


def test_a_flag_says_where_to_remember_and_the_file_how_much(tmp_path: Path) -> None:
    path = write(tmp_path, "remember: {store: file, time: 1h, size: 1MiB}")
    for flags, environ, store, origin in (
        ({"remember": "off"}, {"FASTPROXY_REMEMBER": "memory"}, "off", "flag --remember"),
        ({}, {"FASTPROXY_REMEMBER": "memory"}, "memory", "env FASTPROXY_REMEMBER"),
        ({}, {}, "file", f"file {path}:1:19"),
    ):
        settings = load({"config": path, **flags}, environ)
        assert settings.remember == Remember(store, 3600.0, 1 << 20)
        assert settings.origins["remember.store"] == origin
    assert load({"remember": "memory"}, {}).remember == Remember("memory")
    with pytest.raises(ConfigError, match="--remember: unknown value 'disk'; expected one of file, memory, off"):
        load({"remember": "disk"}, {})


@pytest.mark.parametrize(
    ("file", "flag", "variable", "expected"),
    [
        ("{}", "", "", ("sqlite:///./.fastproxy/fastproxy-ledger.db", None)),
        ("database: sqlite:////data/a.db", "", "", ("sqlite:////data/a-ledger.db", None)),
        ("database: sqlite:///plain", "", "", ("sqlite:///plain-ledger", None)),
        ("database: postgresql://u:p@h/x", "", "", ("postgresql://u:p@h/x", None)),
        ("ledger: {database: sqlite:///l}", "", "", ("sqlite:///l", "file f.yaml:1:20")),
        ("ledger: {database: sqlite:///l}", "", "postgres://h/x", ("postgres://h/x", "env FASTPROXY_LEDGER_DATABASE")),
        ("{}", "sqlite:///f", "postgres://h/x", ("sqlite:///f", "flag --ledger-database")),
    ],
)
def test_where_the_ledger_is(
    tmp_path: Path, file: str, flag: str, variable: str, expected: tuple[str, str | None]
) -> None:
    flags = {"config": write(tmp_path, file), "ledger_database": flag or None}
    settings = load(flags, {"FASTPROXY_LEDGER_DATABASE": variable})
    database, origin = expected
    assert settings.ledger == Ledger(database)
    told = settings.origins.get("ledger.database")
    assert (told and told.replace(f"{tmp_path}/", "")) == origin


def test_a_flag_moves_the_ledger_and_keeps_what_the_file_says_of_it(tmp_path: Path) -> None:
    path = write(tmp_path, "ledger: {database: sqlite:///l, retention: {bodies: 1h}}")
    settings = load({"config": path, "ledger_database": "sqlite:///m"}, {})
    assert settings.ledger == Ledger("sqlite:///m", Retention(bodies=3600.0))


@pytest.mark.parametrize(
    ("flags", "environ", "error"),
    [
        ({"watch": True}, {}, "--watch: watch: there is no file to watch; expected --config as well"),
        ({}, {"FASTPROXY_WATCH": "1"}, "FASTPROXY_WATCH: watch: there is no file to watch"),
        ({"trusted_proxies": ["10.0.0.0/8", "x"]}, {}, "--trusted-proxies: 'x' is not a subnet"),
        ({}, {"FASTPROXY_NODE": "a b"}, "FASTPROXY_NODE: 'a b' is not a node"),
        ({"ledger_database": "mysql://me:hunter22@h"}, {}, "--ledger-database: this is not the URL of such a store"),
    ],
)
def test_what_the_new_flags_refuse(flags: dict[str, object], environ: dict[str, str], error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(flags, environ)
    assert str(caught.value).startswith(error)
    assert "hunter22" not in str(caught.value)


def test_defaults() -> None:
    settings = load({}, {})
    assert settings == Settings(
        listen=(Listen("127.0.0.1", 8080),), admin=Listen("127.0.0.1", 9090), workers=settings.workers,
        state_dir="./.fastproxy", database="sqlite:///./.fastproxy/fastproxy.db", redis=None, passthrough="client-keys",
        access_log="off", access_log_file="-", remember=Remember(), limits=Limits(), channels=(), node=None,
        trusted_proxies=(), watch=False, migrate=False, journal=Journal(), bodies=Bodies(),
        ledger=Ledger("sqlite:///./.fastproxy/fastproxy-ledger.db"),
        models=(), groups=(), keys=(), routes=(), plugins={}, mcp={}, demo=False, fetch_urls=True, tokenizer="lazy",
        pin=False, master_key=None, origins={},
    )  # fmt: skip
    assert 1 <= settings.workers <= 64


@pytest.mark.parametrize(
    ("flags", "name", "value"),
    [
        ({"demo": True}, "access_log", "text"),
        ({"demo": True, "access_log": "off"}, "access_log", "off"),
        ({"state_dir": "/state"}, "database", "sqlite:////state/fastproxy.db"),
        ({"listen": ["[::1]:1", "localhost:2", "unix:/s"]}, "passthrough", "client-keys"),
        ({"listen": ["127.0.0.1:1", "0.0.0.0:2"]}, "passthrough", "off"),
        ({"listen": [":1"], "passthrough": "client-keys"}, "passthrough", "client-keys"),
    ],
)
def test_derived_defaults(flags: dict[str, object], name: str, value: object) -> None:
    assert getattr(load(flags, {}), name) == value


def test_workers_auto_means_usable_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastproxy.config.assemble.usable_cpus", lambda: 100)
    assert load({}, {}).workers == 64
    monkeypatch.setattr("fastproxy.config.assemble.usable_cpus", lambda: 3)
    assert load({"workers": "auto"}, {}).workers == 3


def test_channels_from_file_flags_and_vendors_variables(tmp_path: Path) -> None:
    path = write(tmp_path, "channels:\n  - {name: one, provider: openai, weight: 3}\n  - {name: groq, keys: [a]}\n")
    flags: dict[str, object] = {"config": path, "provider": ["groq=b", "mistral=c@http://m/v1"]}
    settings = load(flags, {"OPENAI_API_KEY": "unused", "ANTHROPIC_API_KEY": "d"}, vendors=VENDORS)
    assert settings.channels == (
        Channel("one", "openai", weight=3),
        Channel("groq", "groq", ("b",)),
        Channel("mistral", "mistral", ("c",), "http://m/v1"),
        Channel("anthropic", "anthropic", ("d",)),
    )
    origins = {name: origin for name, origin in settings.origins.items() if name.startswith("channels.")}
    assert origins["channels.one.weight"] == f"file {path}:2:43"
    assert origins["channels.groq"] == origins["channels.groq.keys"] == "flag --provider"
    assert "channels.groq.name" not in origins
    assert origins["channels.anthropic.keys"] == "env ANTHROPIC_API_KEY"


def test_a_bare_provider_flag_takes_the_vendors_variables() -> None:
    environ = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://h/v1"}
    settings = load({"provider": ["openai"]}, environ, vendors=VENDORS)
    assert settings.channels == (Channel("openai", "openai", ("k",), "http://h/v1"),)
    names = ("channels.openai", "channels.openai.keys", "channels.openai.base_url")
    origins = [settings.origins[name] for name in names]
    assert origins == ["flag --provider", "env OPENAI_API_KEY", "env OPENAI_BASE_URL"]


def test_a_vendors_variable_does_not_replace_a_channel_of_that_name(tmp_path: Path) -> None:
    text = "channels: [{name: openai, provider: mine, base_url: 'http://h/v1', format: openai-chat}]"
    settings = load({"config": write(tmp_path, text)}, {"OPENAI_API_KEY": "k"}, vendors=VENDORS)
    assert [channel.provider for channel in settings.channels] == ["mine"]


def test_keys_from_flags_are_added(tmp_path: Path) -> None:
    path = write(tmp_path, "keys: [{name: key-1, key: from-the-file}]")
    settings = load({"config": path, "key": ["first-flag-key", "second-flag-key"]}, {"FASTPROXY_KEY": "not-this-one"})
    assert settings.keys == (
        Key("key-1", "from-the-file"),
        Key("key-2", "first-flag-key"),
        Key("key-3", "second-flag-key"),
    )
    assert settings.origins["keys.key-2"] == "flag --key"
    assert load({}, {"FASTPROXY_KEY": "first-env-key,second-env-key"}).origins["keys.key-2"] == "env FASTPROXY_KEY"


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ("[]", [Route(upstream=("http://a", "http://b"))]),
        (
            "[{match: {path: /x}, upstream: http://x}]",
            [Route(path="/x", upstream=("http://x",)), Route(upstream=("http://a", "http://b"))],
        ),
        (
            "[{upstream: http://old, add_prefix: /y}, {match: {path: /x}, upstream: http://x}]",
            [Route(upstream=("http://a", "http://b")), Route(path="/x", upstream=("http://x",))],
        ),
    ],
)
def test_upstreams_become_one_route_for_everything(tmp_path: Path, routes: str, expected: list[Route]) -> None:
    settings = load({"config": write(tmp_path, f"routes: {routes}"), "upstream": ["http://a/", "http://b"]}, {})
    assert list(settings.routes) == expected
    index = [route.path for route in settings.routes].index("/")
    assert settings.origins[f"routes[{index}]"] == "flag --upstream"
    assert f"routes[{index}].add_prefix" not in settings.origins


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Tls]:
    """Two certificates with their keys."""
    folder, authority, found = tmp_path_factory.mktemp("tls"), trustme.CA(), []
    for name in ("one", "two"):
        issued = authority.issue_cert(f"{name}.example.com")
        issued.cert_chain_pems[0].write_to_path(str(folder / f"{name}.pem"))
        issued.private_key_pem.write_to_path(str(folder / f"{name}.key"))
        found.append(Tls(str(folder / f"{name}.pem"), str(folder / f"{name}.key")))
    return found


def test_tls_of_addresses(tmp_path: Path, pairs: list[Tls]) -> None:
    one, two = pairs
    text = f"""\
listen:
  - 127.0.0.1:1
  - {{address: 127.0.0.1:2, tls: off}}
  - {{address: 127.0.0.1:3, tls: {{cert: {two.cert}, key: {two.key}}}}}
  - unix:/run/plain.sock
tls: {{cert: {one.cert}, key: {one.key}}}
"""
    settings = load({"config": write(tmp_path, text)}, {})
    assert [listen.tls for listen in settings.listen] == [one, None, two, None]
    assert settings.origins["tls.cert"].endswith("f.yaml:6:13")
    flags: dict[str, object] = {"config": write(tmp_path, text), "tls_cert": two.cert}
    settings = load(flags, {"FASTPROXY_TLS_KEY": two.key})
    assert settings.listen[0].tls == two
    assert (settings.origins["tls.cert"], settings.origins["tls.key"]) == ("flag --tls-cert", "env FASTPROXY_TLS_KEY")


@pytest.mark.parametrize(
    ("flags", "environ", "error"),
    [
        ({"tls_cert": "a.pem"}, {}, "--tls-cert: a TLS cert needs its key; expected --tls-key as well"),
        ({}, {"FASTPROXY_TLS_KEY": "a"}, "FASTPROXY_TLS_KEY: a TLS key needs its cert; expected --tls-cert as well"),
        ({"tls_cert": "no.pem", "tls_key": "no.key"}, {}, "--tls-cert: tls.cert: cannot read no.pem: No such file or"),
        ({"listen": ["8080"]}, {}, "--listen: '8080' is not an address"),
        ({}, {"FASTPROXY_LISTEN": "8080"}, "FASTPROXY_LISTEN: '8080' is not an address"),
        ({"admin": "x"}, {}, "--admin: 'x' is not an address"),
        ({"workers": "-1"}, {}, "--workers: -1 is out of range; expected 1 to 64"),
        ({}, {"FASTPROXY_WORKERS": "x"}, "FASTPROXY_WORKERS: 'x' is not a whole number"),
        ({}, {"FASTPROXY_DEMO": "x"}, "FASTPROXY_DEMO: 'x' is not a boolean; expected true or false"),
        ({"access_log": "xml"}, {}, "--access-log: unknown value 'xml'; expected one of json, off, text"),
        ({"passthrough": "all"}, {}, "--passthrough: unknown value 'all'"),
        ({"upstream": ["127.0.0.1:9001"]}, {}, "--upstream: '127.0.0.1:9001' is not an http:// or https:// URL"),
        ({"key": ["short"]}, {}, "--key: this key has 5 characters; expected at least 8"),
        ({"key": ["changeme"]}, {}, "--key: this key is a well-known default"),
        ({}, {"FASTPROXY_KEY": "good-enough,sk-1234"}, "FASTPROXY_KEY: this key is a well-known default"),
        ({"key": ["the-same-key", "the-same-key"]}, {}, "--key: keys 'key-1' and 'key-2' have the same value"),
        ({"database": "x"}, {}, "--database: this is not the URL of such a store"),
        ({"config": "/no/such.yaml"}, {}, "/no/such.yaml: cannot be read: No such file or directory"),
        ({"provider": ["opnai=k"]}, {}, "--provider: channels.opnai: unknown provider 'opnai'; did you mean 'openai'?"),
        ({"listen": ["a:1", "a:1"]}, {}, "--listen: listen: address a:1 stands twice"),
    ],
)
def test_bad_flags_and_variables_are_named(flags: dict[str, object], environ: dict[str, str], error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(flags, environ, known_providers=frozenset({"openai", "anthropic"}))
    assert str(caught.value).startswith(error)


def test_settings_do_not_show_credentials_when_printed(tmp_path: Path) -> None:
    text = """\
database: postgresql://u:canary-1@h/d
redis: redis://:canary-2@h
channels: [{name: openai, keys: [canary-3]}]
keys: [{name: a, key: canary-4-long}]
routes: [{upstream: http://h, request_headers: {authorization: canary-5}}]
plugins: {x: {key: canary-6}}
mcp: {servers: [{env: canary-7}]}
"""
    settings = load({"config": write(tmp_path, text)}, {})
    assert "canary" in settings.keys[0].key
    assert "canary" not in repr(settings)
    assert "canary" not in str(settings.origins)
