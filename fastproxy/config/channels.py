"""Upstream accounts without a file: `--provider NAME[=KEY][@BASE_URL]`, and the vendors' usual variables.

A bare NAME takes key and base URL from the vendor's variables. NAME@BASE_URL does not take the key: what is in the
environment for the vendor must not be sent to another address because of a flag. Never repeats a key in an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fastproxy.config.flags import Given, parsed
from fastproxy.config.types import Channel, Place
from fastproxy.config.urls import parse_base_url, parse_upstream_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fastproxy.config.types import VendorEnv

_BASE_URL = re.compile(r"@(?=https?://)", re.IGNORECASE)
# Short enough that a key typed in the place of the name is refused unseen instead of being called unknown.
_NAME = re.compile(r"[a-z][a-z0-9.-]{0,29}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PlacedChannel:
    """`key_place` and `url_place` differ from `place` when variables filled what a flag left out."""

    channel: Channel
    place: Place
    key_place: Place
    url_place: Place


def parse_provider(text: str) -> tuple[str, str | None, str | None]:
    """Name, key, base URL. A key may hold `=` and `@`: the base URL is what follows the last `@` before http(s)://."""
    marks = list(_BASE_URL.finditer(text))
    head, base_url = (text[: marks[-1].start()], text[marks[-1].end() :]) if marks else (text, None)
    name, equals, key = head.partition("=")
    if not _NAME.fullmatch(name):
        raise ValueError("expected NAME[=KEY][@BASE_URL] with a lower-case provider name")
    if equals and not key:
        raise ValueError(f"provider {name!r} has an empty key; expected NAME=KEY, or NAME alone")
    return (
        name,
        parse_upstream_key(key) if equals else None,
        None if base_url is None else parse_base_url(base_url),
    )


def flag_channels(given: Given, vendors: Mapping[str, VendorEnv], environ: Mapping[str, str]) -> list[PlacedChannel]:
    """Several keys for one address become one channel; several addresses become openai, openai-2, …"""
    made: dict[str, PlacedChannel] = {}
    for text in given.texts:
        name, key, base_url = parsed(parse_provider, text, given.place)
        fresh = _flag_channel(name, key, base_url, given.place)
        usual = vendor_channel(name, vendors.get(name), environ) if key is None and base_url is None else None
        _add(made, fresh if usual is None else replace(usual, place=given.place))
    return list(made.values())


def _flag_channel(name: str, key: str | None, base_url: str | None, place: Place) -> PlacedChannel:
    channel = Channel(name, name, keys=() if key is None else (key,), base_url=base_url)
    return PlacedChannel(channel, place, place, place)


def _add(made: dict[str, PlacedChannel], fresh: PlacedChannel) -> None:
    provider, number = fresh.channel.provider, 1
    name = provider
    while name in made:
        old = made[name].channel
        if old.base_url == fresh.channel.base_url:
            keys = tuple(dict.fromkeys(old.keys + fresh.channel.keys))
            made[name] = replace(made[name], channel=replace(old, keys=keys))
            return
        number += 1
        name = f"{provider}-{number}"
    made[name] = replace(fresh, channel=replace(fresh.channel, name=name))


def vendor_channels(
    taken: Iterable[str], vendors: Mapping[str, VendorEnv], environ: Mapping[str, str]
) -> list[PlacedChannel]:
    """A channel for each vendor whose key is in the environment, unless a channel names that provider already."""
    named = frozenset(taken)
    found = (vendor_channel(name, vendor, environ) for name, vendor in vendors.items() if name not in named)
    return [channel for channel in found if channel is not None]


def vendor_channel(name: str, vendor: VendorEnv | None, environ: Mapping[str, str]) -> PlacedChannel | None:
    """None when no variable of the vendor holds a key."""
    if vendor is None:
        return None
    key_variable = _first_set(vendor.keys, environ)
    if key_variable is None:
        return None
    key_place = Place("env", key_variable)
    key = parsed(parse_upstream_key, environ[key_variable].strip(), key_place)
    url_variable = _first_set(vendor.base_urls, environ)
    if url_variable is None:
        return PlacedChannel(Channel(name, name, (key,)), key_place, key_place, Place("default"))
    url_place = Place("env", url_variable)
    base_url = parsed(parse_base_url, environ[url_variable].strip(), url_place)
    base_url = _with_version(base_url, vendor.version_path)
    return PlacedChannel(Channel(name, name, (key,), base_url), key_place, key_place, url_place)


def _first_set(variables: Iterable[str], environ: Mapping[str, str]) -> str | None:
    return next((name for name in variables if environ.get(name, "").strip()), None)


def _with_version(base_url: str, version_path: str) -> str:
    if not version_path or urlsplit(base_url).path.endswith(version_path):
        return base_url
    return base_url + version_path
