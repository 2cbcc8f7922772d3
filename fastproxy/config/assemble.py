"""Settings: one frozen object out of file, environment and flags; the only reader of the environment.

    defaults  <  file (YAML)  <  FASTPROXY_<NAME>  <  --name        what is further right wins, value by value
                                                                    (tls.cert and tls.key are two values)

Three settings are lists to which a flag adds instead: `--provider` adds channels (and takes the place of one of the
same name), `--key` adds client keys, `--upstream` adds one route for everything. Vendors' usual variables
(OPENAI_API_KEY …) make a channel when none names that provider. Where each value came from is in Settings.origins.

Shapes are in config.types, the file's schema in config.schema, flags in config.flags. The vendor catalogue stands
above this layer, so `load` is given what it needs of it.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from fastproxy.config.channels import PlacedChannel, flag_channels, vendor_channels
from fastproxy.config.checks import check_settings
from fastproxy.config.cpus import usable_cpus
from fastproxy.config.file import Draft, read_file
from fastproxy.config.flags import gather, parsed
from fastproxy.config.schema import MAXIMUM_WORKERS, SCALARS, STORES, parse_listen
from fastproxy.config.types import (
    Bodies,
    Channel,
    Journal,
    Key,
    Ledger,
    Limits,
    Listen,
    Place,
    Remember,
    Route,
    Settings,
    Tls,
    VendorEnv,
)
from fastproxy.config.urls import beside, parse_client_key, parse_database, parse_upstream
from fastproxy.config.values import choice, is_loopback, parse_proxy
from fastproxy.config.yaml_tree import Scalar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fastproxy.config.flags import Given

    Environ = Mapping[str, str]
    Vendors = Mapping[str, VendorEnv]

MASTER_KEY = "FASTPROXY_MASTER_KEY"
_NO_VENDORS: Vendors = MappingProxyType({})
_DEFAULTS: Mapping[str, object] = {
    # Loopback: an open gateway spends its owner's money, so the network is a decision.
    "listen": ((Listen("127.0.0.1", 8080), None),),
    "admin": Listen("127.0.0.1", 9090),
    "workers": None,
    "state_dir": "./.fastproxy",
    "node": None,
    "trusted_proxies": (),
    "watch": False,
    "migrate": False,
    "redis": None,
    "access_log_file": "-",
    "limits": Limits(),
    "remember": Remember(),
    "journal": Journal(),
    "bodies": Bodies(),
    "master_key": None,
    "models": (),
    "groups": (),
    "plugins": {},
    "mcp": {},
    "demo": False,
    "fetch_urls": True,
    "tokenizer": "lazy",
    "pin": False,
}


def load(
    flags: Mapping[str, object],
    environ: Environ,
    *,
    vendors: Vendors = _NO_VENDORS,
    known_providers: frozenset[str] | None = None,
) -> Settings:
    """Raises ConfigError. `flags` is what the command line parsed, by the names of FLAGS; None and False are absent.
    Called again at every reload: it keeps nothing.
    """
    given = gather(flags, environ)
    draft = read_file(given["config"].texts[-1], environ) if "config" in given else Draft()
    _take_scalars(draft, given)
    _take_listens(draft, given)
    _take_channels(draft, given.get("provider"), vendors, environ)
    _take_keys(draft, given.get("key"))
    _take_upstreams(draft, given.get("upstream"))
    _take_trusted_proxies(draft, given.get("trusted_proxies"))
    _take_remember(draft, given.get("remember"))
    _take_ledger(draft, given.get("ledger_database"))
    _take_master_key(draft, environ)
    settings = _settings(draft)
    if settings.watch and "config" not in given:
        raise draft.places["watch"].error("watch: there is no file to watch; expected --config as well")
    check_settings(settings, draft.places, known_providers)
    return settings


def _take_scalars(draft: Draft, given: Mapping[str, Given]) -> None:
    for name, reader in SCALARS.items():
        item = given.get(name)
        if item is not None:
            draft.values[name] = reader(Scalar(item.place, item.texts[-1], "str"), "")
            draft.places[name] = item.place


def _take_listens(draft: Draft, given: Mapping[str, Given]) -> None:
    """Addresses with the TLS that they end up with; the common certificate is not for Unix sockets."""
    item = given.get("listen")
    if item is not None:
        draft.values["listen"] = tuple((parsed(parse_listen, text, item.place), None) for text in item.texts)
        draft.places["listen"] = item.place
    common = _take_tls(draft, given)
    pairs = cast("tuple[tuple[Listen, Tls | bool | None], ...]", draft.values.get("listen", _DEFAULTS["listen"]))
    draft.values["listen"] = tuple(replace(listen, tls=_tls_of(listen, own, common)) for listen, own in pairs)


def _take_tls(draft: Draft, given: Mapping[str, Given]) -> Tls | None:
    """The certificate and the key may come from different sources, but both must come."""
    told = cast("Tls | None", draft.values.pop("tls", None))
    files = {} if told is None else {"cert": told.cert, "key": told.key}
    for part in ("cert", "key"):
        item = given.get(f"tls_{part}")
        if item is not None:
            files[part] = item.texts[-1]
            draft.places[f"tls.{part}"] = item.place
    if len(files) == 1:
        part, missing = ("cert", "key") if "cert" in files else ("key", "cert")
        raise draft.places[f"tls.{part}"].error(f"a TLS {part} needs its {missing}; expected --tls-{missing} as well")
    return Tls(**files) if files else None


def _tls_of(listen: Listen, own: Tls | bool | None, common: Tls | None) -> Tls | None:
    if isinstance(own, Tls):
        return own
    return common if own is None and listen.unix is None else None


def _take_channels(draft: Draft, given: Given | None, vendors: Vendors, environ: Environ) -> None:
    channels = list(cast("tuple[Channel, ...]", draft.values.get("channels", ())))
    for placed in flag_channels(given, vendors, environ) if given is not None else ():
        _put_channel(channels, draft, placed)
    for placed in vendor_channels([channel.provider for channel in channels], vendors, environ):
        # A vendor's variable never replaces what was configured under that name.
        if placed.channel.name not in [channel.name for channel in channels]:
            _put_channel(channels, draft, placed)
    draft.values["channels"] = tuple(channels)


def _put_channel(channels: list[Channel], draft: Draft, placed: PlacedChannel) -> None:
    """In the place of the one with the same name, else at the end."""
    name = placed.channel.name
    names = [channel.name for channel in channels]
    index = names.index(name) if name in names else len(channels)
    channels[index : index + 1] = [placed.channel]
    path = f"channels.{name}"
    draft.forget(f"{path}.")
    draft.places.update({f"channels[{index}]": placed.place, path: placed.place})
    draft.places.update({f"{path}.keys": placed.key_place, f"{path}.base_url": placed.url_place})


def _take_keys(draft: Draft, given: Given | None) -> None:
    """Keys from flags are called key-1, key-2, … as far as the file left these names free."""
    keys = list(cast("tuple[Key, ...]", draft.values.get("keys", ())))
    if given is not None:
        taken = {key.name for key in keys}
        free = (name for name in (f"key-{number}" for number in count(1)) if name not in taken)
        for name, text in zip(free, given.texts, strict=False):
            draft.places.update({f"keys[{len(keys)}]": given.place, f"keys.{name}": given.place})
            keys.append(Key(name, parsed(parse_client_key, text, given.place)))
    draft.values["keys"] = tuple(keys)


def _take_upstreams(draft: Draft, given: Given | None) -> None:
    """One route for everything: in the place of the file's own route for everything, else after all others."""
    routes = list(cast("tuple[Route, ...]", draft.values.get("routes", ())))
    if given is not None:
        upstream = tuple(parsed(parse_upstream, text, given.place) for text in given.texts)
        matches = [(route.host, route.path, route.methods) for route in routes]
        index = matches.index((None, "/", ())) if (None, "/", ()) in matches else len(routes)
        routes[index : index + 1] = [Route(upstream=upstream)]
        draft.forget(f"routes[{index}].")
        draft.places[f"routes[{index}]"] = given.place
    draft.values["routes"] = tuple(routes)


def _take_trusted_proxies(draft: Draft, given: Given | None) -> None:
    if given is not None:
        draft.values["trusted_proxies"] = tuple(parsed(parse_proxy, text, given.place) for text in given.texts)
        draft.places["trusted_proxies"] = given.place


def _take_remember(draft: Draft, given: Given | None) -> None:
    """Where; how long and how much stay as the file says."""
    if given is not None:
        told = cast("Remember", draft.values.get("remember", Remember()))
        store = parsed(choice(*STORES), given.texts[-1], given.place)
        draft.values["remember"] = replace(told, store=store)
        draft.places["remember.store"] = given.place


def _take_ledger(draft: Draft, given: Given | None) -> None:
    """Where; how long rows stay is for the file to say."""
    told = cast("Ledger", draft.values.get("ledger", Ledger()))
    if given is not None:
        told = replace(told, database=parsed(parse_database, given.texts[-1], given.place))
        draft.places["ledger.database"] = given.place
    draft.values["ledger"] = told


def _take_master_key(draft: Draft, environ: Environ) -> None:
    """No flag: everybody on the machine sees the arguments of a process."""
    text = environ.get(MASTER_KEY, "").strip()
    if text:
        draft.values["master_key"] = text
        draft.places["master_key"] = Place("env", MASTER_KEY)


def _settings(draft: Draft) -> Settings:
    values = {**_DEFAULTS, **draft.values}
    listens = cast("tuple[Listen, ...]", values["listen"])
    database = str(values.setdefault("database", f"sqlite:///{values['state_dir']}/fastproxy.db"))
    ledger = cast("Ledger", values["ledger"])
    values["ledger"] = replace(ledger, database=ledger.database or beside(database, "ledger"))
    values.setdefault("access_log", "text" if values["demo"] else "off")
    values.setdefault("passthrough", _default_passthrough(listens))
    if values["workers"] is None:
        values["workers"] = min(usable_cpus(), MAXIMUM_WORKERS)
    origins = {name: place.origin for name, place in draft.places.items()}
    make: Callable[..., Settings] = Settings
    return make(**values, origins=MappingProxyType(origins))


def _default_passthrough(listens: tuple[Listen, ...]) -> str:
    """Clients' own keys cost us nothing, but beyond this machine the gateway would be an open relay to the vendors."""
    local = all(listen.unix is not None or is_loopback(listen.host) for listen in listens)
    return "client-keys" if local else "off"
