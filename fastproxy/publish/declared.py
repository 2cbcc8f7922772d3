"""The half of the configuration that the file, the environment and the flags declare, ready to be put together.

It is a value of its own because it outlives the settings it was made from: it is saved with what was published last,
so that a process that starts again publishes what was in force, whatever became of the file meanwhile.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING

import msgspec

from fastproxy.errors import ConfigError
from fastproxy.providers.quirks import target
from fastproxy.publish.channels import address_of, channel_spec, demo_channels, is_address_only, provider_name
from fastproxy.snapshot import BodyRule, GroupSpec, KeySpec, RouteSpec, Snapshot, digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fastproxy.config import Channel, Group, Key, Listen, Model, Route, Settings


class Declared(msgspec.Struct, frozen=True):
    """`snapshot`: everything but keys, groups and what stands in the database. `models` and `channels`: the names that
    the file has taken. `is_private`: only this machine can reach the data plane."""

    snapshot: Snapshot
    keys: tuple[KeySpec, ...] = ()
    groups: tuple[GroupSpec, ...] = ()
    models: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    is_private: bool = False


def declare(settings: Settings, secret: bytes, pseudonym: str, mock: str = "") -> Declared:
    """`secret` keys the hashes of client keys; `mock` is the socket of the built-in mock provider, if there is one.

    Raises: ConfigError for a channel that its provider's entry in the catalogue does not suffice for, for what is no
    fact of a model.
    """
    channels = [channel_spec(channel) for channel in settings.channels if not is_address_only(channel)]
    demo = demo_channels(mock, {provider_name(channel.provider) for channel in settings.channels}) if mock else []
    snapshot = msgspec.structs.replace(
        _plain(settings, secret, pseudonym),
        channels=(*channels, *demo),
        routes=tuple(_route(route) for route in settings.routes),
        provider_bases={**_bases(settings.channels), **{spec.provider: spec.base_url for spec in demo}},
        facts=_facts(settings.models),
        bodies=_body_rules(settings),
    )
    return Declared(
        snapshot=snapshot,
        keys=tuple(_key(key, secret) for key in settings.keys),
        groups=tuple(_group(group) for group in settings.groups),
        models=tuple(model.name for model in settings.models),
        channels=tuple(channel.name for channel in settings.channels),
        is_private=_is_private(settings.listen),
    )


def _plain(settings: Settings, secret: bytes, pseudonym: str) -> Snapshot:
    limits = asdict(settings.limits)
    return Snapshot(
        secret=secret,
        pseudonym=pseudonym,
        client_gone=limits.pop("client_gone"),
        limits={name: float(value) for name, value in limits.items()},  # as they are after they were packed
        passthrough=settings.passthrough,
        remember_s=0.0 if settings.remember.store == "off" else settings.remember.time,
        fetch_urls=settings.fetch_urls,
        tokenizer=settings.tokenizer,
        tls=tuple((listen.tls.cert, listen.tls.key) if listen.tls is not None else None for listen in settings.listen),
        access_log=settings.access_log,
        access_log_file=settings.access_log_file,
        trusted_proxies=settings.trusted_proxies,
        when_full=settings.journal.when_full,
    )


def _facts(models: Iterable[Model]) -> dict[str, dict[str, object]]:
    """What the operator knows better than the catalogue. Raises: ConfigError for what is no fact."""
    found = {model.name: dict(model.facts) for model in models if model.facts}
    for name in found:
        check_facts(name, found, f"models.{name}.facts")
    return found


def check_facts(model: str, facts: Mapping[str, Mapping[str, object]], path: str) -> None:
    """Raises: ConfigError for what is no fact."""
    try:
        target("", model, "openai-chat", facts)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def _bases(channels: Iterable[Channel]) -> Mapping[str, str]:
    """Addresses of the operator's that also serve /{provider}/…; the first channel of a provider decides."""
    bases: dict[str, str] = {}
    for channel in channels:
        for provider, address in address_of(channel):
            bases.setdefault(provider, address)
    return bases


def _body_rules(settings: Settings) -> tuple[BodyRule, ...]:
    told = settings.bodies
    if told.keep == "off":
        return ()
    return (BodyRule(told.keep, told.request_size, told.reply_size, told.models),)


def _key(key: Key, secret: bytes) -> KeySpec:
    return KeySpec(
        name=key.name,
        digest=digest(secret, key.key.encode()),
        group=key.group,
        models=key.models,
        subnets=key.subnets,
        expires=datetime.fromisoformat(key.expires).timestamp() if key.expires else 0.0,
        lossy=key.lossy,
        status=key.status,
        sets=key.sets,
        rpm=key.rpm,
        tpm=key.tpm,
        concurrency=key.concurrency,
        quota_total=key.quota,
        quota_daily=key.quota_daily,
        quota_weekly=key.quota_weekly,
        quota_monthly=key.quota_monthly,
    )


def _group(group: Group) -> GroupSpec:
    budget = group.budget
    return GroupSpec(
        name=group.name,
        status=group.status,
        models=group.models,
        sets=group.sets,
        rpm=group.rpm,
        tpm=group.tpm,
        concurrency=group.concurrency,
        budget_amount=budget.amount if budget is not None else None,
        budget_period=budget.period if budget is not None else "monthly",
    )


def _route(route: Route) -> RouteSpec:
    return RouteSpec(
        upstream=route.upstream,
        host=route.host or "",
        path=route.path,
        methods=route.methods,
        strip_prefix=route.strip_prefix or "",
        add_prefix=route.add_prefix or "",
        request_headers=dict(route.request_headers),
        remove_request_headers=route.remove_request_headers,
        response_headers=dict(route.response_headers),
        remove_response_headers=route.remove_response_headers,
        forwarded=route.forwarded,
        host_header=route.host_header,
        verify=route.verify,
        ca_file=route.ca_file,
    )


def _is_private(listens: Iterable[Listen]) -> bool:
    """Whether only this machine can reach the data plane."""
    return all(listen.unix is not None or _is_loopback(listen.host) for listen in listens)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
