"""What `fastproxy check` and the start of `serve` tell about Settings. Never shows a credential.

    describe     (dotted name, value as text, origin) of everything that is in effect
    unenforced   settings that are accepted but do nothing yet
    warnings     what is allowed but probably not meant

Masked: keys (at most four leading characters and the length), passwords in URLs, the values of request headers, and
of response headers whose name sounds like a credential. Plugins and MCP servers are listed by name only, because
their settings are not ours to judge.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import TYPE_CHECKING, Final

from fastproxy.config.types import Bodies, Budget, Hedge, Journal, Ledger, Limits, Listen, Price, Remember, Retention
from fastproxy.config.values import is_loopback, write_duration, write_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastproxy.config.types import Channel, Group, Key, Model, Route, Settings

    Entry = Channel | Group | Key | Model | Route
    Row = tuple[str, str, str]

_URL_PASSWORD = re.compile(r"(//[^:/@]*):.*@", re.DOTALL)
_URL_LONE_SECRET = re.compile(r"//[^/@:]{16,}@")
# what the name of a secret parameter or member holds; not "author", not "design"
SECRET_NAME: Final = (
    r"(?:auth(?!or(?!i))|credential|jwt|key|pass|secret|session|signature|(?<![a-z])sig(?![a-z])|token)"
)
_QUERY_SECRET = re.compile(rf"([?&;][^=&;]*{SECRET_NAME}[^=&;]*)=[^&;#]*", re.IGNORECASE)
_SOUNDS_SECRET = re.compile(r"auth|cookie|credential|key|pass|secret|signature|token", re.IGNORECASE)
_SIZES = frozenset({"max_body", "max_head", "max_target", "max_buffer", "size", "spill", "request_size", "reply_size"})
_SCALARS = (
    "workers",
    "state_dir",
    "node",
    "trusted_proxies",
    "watch",
    "database",
    "migrate",
    "redis",
    "passthrough",
    "access_log",
    "access_log_file",
    "demo",
    "fetch_urls",
    "tokenizer",
    "pin",
)
_SECTIONS = (
    ("remember", Remember),
    ("journal", Journal),
    ("ledger", Ledger),
    ("ledger.retention", Retention),
    ("bodies", Bodies),
    ("limits", Limits),
)
_QUOTAS = ("quota", "quota_daily", "quota_weekly", "quota_monthly")
_CAPS = ("rpm", "tpm", "concurrency", "budget")


def mask_secret(secret: str) -> str:
    """At most four leading characters, and never more than a quarter: "sk-a…(24 chars)"."""
    return f"{secret[: min(4, len(secret) // 4)]}…({len(secret)} chars)"


def mask_url(url: str) -> str:
    """Greedy up to the last `@`, because unescaped passwords hold `@` and `/`: rather too much than too little."""
    masked = _URL_LONE_SECRET.sub("//***@", _URL_PASSWORD.sub(r"\1:***@", url))
    return _QUERY_SECRET.sub(r"\1=***", masked)


def describe(settings: Settings) -> list[Row]:
    """Every effective setting. Of channels, models, groups, keys and routes: what differs from the default."""
    rows: list[Row] = [
        ("listen", ", ".join(_address(listen) for listen in settings.listen), _origin(settings, "listen")),
        ("admin", str(settings.admin or "off"), _origin(settings, "admin")),
    ]
    rows += [(name, _scalar(name, getattr(settings, name)), _origin(settings, name)) for name in _SCALARS]
    where = "given" if settings.master_key else f"{settings.state_dir}/master.key"
    rows.append(("master_key", where, _origin(settings, "master_key")))
    rows += _section_rows(settings)
    rows += _tls_rows(settings)
    for section in ("channels", "models", "groups", "keys"):
        for entry in getattr(settings, section):
            rows += _entry_rows(settings, f"{section}.{entry.name}", entry)
    for index, route in enumerate(settings.routes):
        rows += _entry_rows(settings, f"routes[{index}]", route)
    for section in ("plugins", "mcp"):
        rows += [
            (f"{section}.{name}", "configured", _origin(settings, f"{section}.{name}", section))
            for name in getattr(settings, section)
        ]
    return rows


def _section_rows(settings: Settings) -> Iterator[Row]:
    for path, kind in _SECTIONS:
        section = operator.attrgetter(path)(settings)
        is_word = not any(name.startswith(f"{path}.") for name in settings.origins)
        for index, item in enumerate(fields(kind)):
            name, value = f"{path}.{item.name}", getattr(section, item.name)
            if not is_dataclass(value):
                # a bare word stands for the section's first field
                origin = _origin(settings, name, path) if is_word and index == 0 else _origin(settings, name)
                yield name, _limit(item.name, value), origin


def _origin(settings: Settings, *names: str) -> str:
    return next((settings.origins[name] for name in names if name in settings.origins), "default")


def _address(listen: Listen) -> str:
    return f"{listen} (tls)" if listen.tls is not None else str(listen)


def _scalar(name: str, value: object) -> str:
    if value is None or value == ():
        return "none"
    return mask_url(str(value)) if name in ("database", "redis") else _text(value)


def _limit(name: str, value: object) -> str:
    if name in _SIZES and isinstance(value, int):
        return write_size(value)
    return write_duration(value) if isinstance(value, float) else _scalar(name, value)


def _tls_rows(settings: Settings) -> Iterator[Row]:
    pairs = dict.fromkeys(listen.tls for listen in settings.listen if listen.tls is not None)
    for pair in pairs:
        yield "tls.cert", pair.cert, _origin(settings, "tls.cert", "listen")
        yield "tls.key", pair.key, _origin(settings, "tls.key", "listen")


def _entry_rows(settings: Settings, path: str, entry: Entry) -> Iterator[Row]:
    for item in fields(entry):
        value = getattr(entry, item.name)
        if item.name != "name" and value != _default(item):
            origin = _origin(settings, f"{path}.{item.name}", path)
            yield f"{path}.{item.name}", _entry_text(item.name, value), origin


def _default(item: Field[object]) -> object:
    if item.default_factory is not MISSING:
        return item.default_factory()
    return item.default


def _entry_text(name: str, value: object) -> str:
    if name == "key":
        return mask_secret(str(value))
    if name == "keys" and isinstance(value, tuple):
        return ", ".join(mask_secret(key) for key in value)
    if name.endswith("_headers") and isinstance(value, Mapping):
        return ", ".join(_field_text(name, field, str(text)) for field, text in value.items())
    return _text(value)


def _field_text(section: str, name: str, value: str) -> str:
    secret = section == "request_headers" or _SOUNDS_SECRET.search(name)
    return f"{name}: {mask_secret(value) if secret else value}"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} → {item}" for name, item in value.items())
    if isinstance(value, Budget):
        return f"{value.amount:g} USD, {value.period}"
    if isinstance(value, Price | Hedge):
        given = ((item.name, getattr(value, item.name)) for item in fields(value))
        return ", ".join(f"{name} {part}" for name, part in given if part is not None)
    return f"{value:g}" if isinstance(value, float) else str(value)


def unenforced(settings: Settings) -> list[str]:
    """Accepted so that a file is written once; to be said in one warning at start. In the order of the schema."""
    found = ["redis"] if settings.redis else []
    found += [f"channels.{name}" for name in _CAPS if _any_set(settings.channels, name)]
    found += _model_settings(settings)
    found += [f"groups.{name}" for name in _CAPS if _any_set(settings.groups, name)]
    found += [f"keys.{name}" for name in (*_QUOTAS, *_CAPS) if _any_set(settings.keys, name)]
    found += ["routes.rate"] if _any_set(settings.routes, "rate") else []
    return found + [name for name in ("plugins", "mcp") if getattr(settings, name)]


def _model_settings(settings: Settings) -> list[str]:
    names = ("strategy", "price", "fallback", "hedge", "continuation", *_CAPS)
    set_names = [f"models.{name}" for name in names if _any_set(settings.models, name)]
    return (["models"] if any(not model.facts for model in settings.models) else []) + set_names


def _any_set(entries: tuple[Entry, ...], name: str) -> bool:
    return any(getattr(entry, name) for entry in entries)


def warnings(settings: Settings) -> list[str]:
    """Sentences without secrets."""
    return [*_closed_gateway(settings), *_idle_store(settings)]


def _idle_store(settings: Settings) -> Iterator[str]:
    """What only the admin process does."""
    names = ("database", "migrate", "ledger", "ledger.database", "journal", "bodies", "bodies.keep")
    told = [name for name in names if name in settings.origins]
    if settings.admin is None and told:
        yield f"admin is off, so nothing opens a database and nothing is recorded: {', '.join(told)} has no effect"


def _closed_gateway(settings: Settings) -> Iterator[str]:
    reachable = [str(listen) for listen in settings.listen if listen.unix is None and not is_loopback(listen.host)]
    if reachable and settings.channels and not settings.keys:
        addresses = ", ".join(reachable)
        yield (
            f"{addresses} is reachable from other machines and no client key is declared: "
            "unless the database has one, every request to the channels is refused"
        )
