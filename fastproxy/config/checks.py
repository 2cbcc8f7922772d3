"""What is wrong only in relation to something else: doubled names, unknown providers, files that cannot be read.

Runs after all sources are joined, on the finished Settings; the places tell an error where to point. Reads certificate
files because a pair that does not fit must be refused by `check` and at reload, not by a worker an hour later.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fastproxy.config.types import Place
from fastproxy.config.values import LOOPBACK_NAMES, cut, is_loopback, suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fastproxy.config.types import Channel, Group, Key, Listen, Model, Route, Settings, Tls

    Places = Mapping[str, Place]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_ANY = frozenset({"0.0.0.0", "::"})


def check_settings(settings: Settings, places: Places, known_providers: frozenset[str] | None) -> None:
    """Raises ConfigError for the first thing that is wrong. Without `known_providers` any provider name passes."""
    _unique_addresses(settings, places)
    for section in ("channels", "models", "groups", "keys"):
        _unique_names(section, getattr(settings, section), places)
    _unique_secrets(settings.keys, places)
    _unique_routes(settings.routes, places)
    if known_providers is not None:
        _known_providers(settings.channels, places, known_providers)
    _certificates(settings, places)
    _authorities(settings, places)
    _no_loop(settings, places)


def _place(places: Places, *names: str) -> Place:
    """The first of several names that has a place, from the exact to the general."""
    return next((places[name] for name in names if name in places), Place("default"))


def _unique_addresses(settings: Settings, places: Places) -> None:
    seen: set[str] = set()
    for listen in settings.listen:
        if str(listen) in seen and (listen.port or listen.unix):
            raise _place(places, "listen").error(f"listen: address {listen} stands twice")
        seen.add(str(listen))
    admin = settings.admin
    if admin is not None and str(admin) in seen and (admin.port or admin.unix):
        raise _place(places, "admin", "listen").error(f"admin: address {admin} is also a listen address")


def _unique_names(section: str, items: Sequence[Channel | Model | Group | Key], places: Places) -> None:
    seen: set[str] = set()
    for index, item in enumerate(items):
        if item.name in seen:
            place = _place(places, f"{section}[{index}]")
            raise place.error(f"{section}[{index}]: name {cut(item.name)} stands twice in {section}")
        seen.add(item.name)


def _unique_secrets(keys: Sequence[Key], places: Places) -> None:
    owners: dict[str, str] = {}
    for index, key in enumerate(keys):
        secret = key.key.removeprefix("sk-")  # which does not count, see snapshot.digest
        if secret in owners:
            place = _place(places, f"keys[{index}]")
            raise place.error(f"keys {owners[secret]!r} and {key.name!r} have the same value; expected one name each")
        owners[secret] = key.name


def _unique_routes(routes: Sequence[Route], places: Places) -> None:
    seen: dict[tuple[str | None, str, str], int] = {}
    for index, route in enumerate(routes):
        for method in route.methods or ("*",):
            first = seen.setdefault((route.host, route.path, method), index)
            if first != index:
                place = _place(places, f"routes[{index}]")
                raise place.error(f"routes[{index}]: matches the same requests as routes[{first}]")


def _known_providers(channels: Sequence[Channel], places: Places, known: frozenset[str]) -> None:
    for index, channel in enumerate(channels):
        if channel.provider in known or (channel.base_url is not None and channel.format is not None):
            continue
        path = f"channels.{channel.name}"
        place = _place(places, f"{path}.provider", f"{path}.name", f"channels[{index}]")
        raise place.error(
            f"{path}: unknown provider {cut(channel.provider, 24)}{suggest(channel.provider, known)} "
            "(a channel with its own base_url and format may have any)"
        )


def _certificates(settings: Settings, places: Places) -> None:
    for pair in dict.fromkeys(listen.tls for listen in settings.listen if listen.tls is not None):
        _readable(pair.cert, "tls.cert", _place(places, "tls.cert", "listen"))
        _readable(pair.key, "tls.key", _place(places, "tls.key", "listen"))
        _fits(pair, _place(places, "tls.cert", "listen"))


def _fits(pair: Tls, place: Place) -> None:
    import ssl  # lazily: 2 MB that workers without TLS do not need

    try:
        # An encrypted key must fail here instead of asking on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pair.cert, pair.key, password="")
    except (ssl.SSLError, ValueError):
        raise place.error(
            f"tls: {pair.cert} and {pair.key} are not a PEM certificate and its unencrypted key"
        ) from None


def _authorities(settings: Settings, places: Places) -> None:
    files = [(f"channels.{channel.name}.ca_file", channel.ca_file) for channel in settings.channels]
    files += [(f"routes[{index}].ca_file", route.ca_file) for index, route in enumerate(settings.routes)]
    for path, file in files:
        if file is not None:
            _readable(file, path, _place(places, path))


def _readable(file: str, path: str, place: Place) -> None:
    try:
        with open(file, "rb"):
            return
    except OSError as error:
        raise place.error(f"{path}: cannot read {file}: {error.strerror}") from None


def _no_loop(settings: Settings, places: Places) -> None:
    """OPENAI_BASE_URL set for the SDK, in the shell that starts the gateway, would make it call itself."""
    for channel in settings.channels:
        if channel.base_url is not None and is_own(channel.base_url, settings.listen):
            path = f"channels.{channel.name}.base_url"
            raise _place(places, path, f"channels.{channel.name}").error(f"{path}: this is the gateway's own address")
    for index, route in enumerate(settings.routes):
        if any(is_own(upstream, settings.listen) for upstream in route.upstream):
            path = f"routes[{index}].upstream"
            raise _place(places, path, f"routes[{index}]").error(f"{path}: this is the gateway's own address")


def is_own(url: str, listens: Iterable[Listen]) -> bool:
    """Whether this URL leads to one of these addresses, where we listen ourselves."""
    if url.startswith("unix:"):
        return any(url == f"unix:{listen.unix}" for listen in listens)
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme.lower()]
    return any(listen.port == port and _is_same_host(host, listen.host) for listen in listens)


def _is_same_host(host: str, own: str) -> bool:
    host = _plain_host(host)
    if host == own or host in LOOPBACK_NAMES or host in _ANY:  # connecting to "any" leads to this machine
        return host == own or own in _ANY or is_loopback(own)
    return own in _ANY and is_loopback(host)


def _plain_host(host: str) -> str:
    """As `listen` says it: without a last dot, and addresses as 127.0.0.1, however resolvers may take them written."""
    host = host.removesuffix(".")
    with suppress(OSError):  # 127.1, 0x7f.1, 2130706433
        return socket.inet_ntoa(socket.inet_aton(host))
    with suppress(ValueError):
        address = ip_address(host)
        return str(getattr(address, "ipv4_mapped", None) or address)
    return host
