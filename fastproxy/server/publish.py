"""From Settings to the Snapshot that workers get: defaults from the catalogue filled in, client keys hashed.

The admin process will publish from the database in the same way; this is the file's half.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict
from datetime import datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from fastproxy.errors import ConfigError
from fastproxy.providers.catalogue import Provider, find
from fastproxy.providers.quirks import target
from fastproxy.shared.master_key import MasterKey
from fastproxy.snapshot import ChannelSpec, KeySpec, RouteSpec, Snapshot, digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fastproxy.config import Channel, Key, Listen, Model, Route, Settings

# for whoever only checks the settings
_ONLY_HERE: Final = MasterKey(secrets.token_bytes(32))
_PSEUDONYM: Final = f"fastproxy-{secrets.token_hex(6)}"
_AUTH: Final = {"anthropic": "x-api-key", "gemini": "x-goog-api-key"}

# provider → base path of the mock's API, for --demo
DEMO_PROVIDERS: Final = {"openai": "/v1", "anthropic": "/v1", "google-ai-studio": "/v1beta"}
DEMO_KEY: Final = "demo-key-of-the-built-in-mock"


def make_snapshot(settings: Settings, mock: str = "", master_key: MasterKey = _ONLY_HERE) -> Snapshot:
    """All that workers need. `mock` is the Unix socket of the built-in mock provider, when there is one.

    The secret is the same after a restart: what the shelf has kept is found by names that are hashed with it.

    Raises: ConfigError for a channel that its provider's entry in the catalogue does not suffice for.
    """
    secret = master_key.derive("hashes of client keys, names on the shelf")
    channels = [_channel(channel) for channel in settings.channels if not _is_address_only(channel)]
    demo = _demo_channels(mock, {_provider_name(channel.provider) for channel in settings.channels}) if mock else []
    limits = asdict(settings.limits)
    return Snapshot(
        secret=secret,
        pseudonym=_PSEUDONYM,
        client_gone=limits.pop("client_gone"),
        limits=limits,
        channels=(*channels, *demo),
        keys=tuple(_key(key, secret) for key in settings.keys),
        routes=tuple(_route(route) for route in settings.routes),
        provider_bases={**_bases(settings.channels), **{spec.provider: spec.base_url for spec in demo}},
        facts=_facts(settings.models),
        passthrough=settings.passthrough,
        remember_s=0.0 if settings.remember.store == "off" else settings.remember.time,
        fetch_urls=settings.fetch_urls,
        tokenizer=settings.tokenizer,
        open_to_all=not settings.keys and (_is_private(settings.listen) or not channels),
        tls=tuple((listen.tls.cert, listen.tls.key) if listen.tls is not None else None for listen in settings.listen),
        access_log=settings.access_log,
        access_log_file=settings.access_log_file,
    )


def _facts(models: Iterable[Model]) -> dict[str, dict[str, object]]:
    """What the operator knows better than the catalogue. Raises: ConfigError for what is no fact."""
    found = {model.name: dict(model.facts) for model in models if model.facts}
    for name in found:
        try:
            target("", name, "openai-chat", found)
        except ValueError as error:
            raise ConfigError(f"models.{name}.facts: {error}") from None
    return found


def _is_address_only(channel: Channel) -> bool:
    """A vendor without an AI format, given another address: it serves /{provider}/… only."""
    provider = find(channel.provider)
    return provider is not None and not provider.formats and channel.format is None


def _channel(channel: Channel) -> ChannelSpec:
    provider = find(channel.provider)
    base_url = channel.base_url or (provider.base_url if provider is not None else "")
    if channel.format == "ollama":
        base_url = base_url.removesuffix("/v1")  # where the OpenAI-compatible door is; the paths of its own begin above
    formats = _formats(channel, provider)
    if not base_url:
        raise ConfigError(
            f"channel '{channel.name}': provider '{channel.provider}' has no address of its own; set base_url"
        )
    if not formats:
        raise ConfigError(
            f"channel '{channel.name}': provider '{channel.provider}' is not in the catalogue; set format"
        )
    auth = provider.auth if provider is not None and channel.format is None else _AUTH.get(formats[0], "bearer")
    return ChannelSpec(
        name=channel.name,
        provider=_provider_name(channel.provider),
        base_url=base_url,
        formats=formats,
        auth=auth,
        keys=channel.keys,
        models=channel.models,
        rename=dict(channel.rename),
        priority=channel.priority,
        weight=channel.weight,
        headers=provider.headers if provider is not None else (),
        vendor_address=channel.base_url is None,
        verify=channel.verify,
        ca_file=channel.ca_file,
        api_version=channel.api_version or "",
        defaults=channel.defaults,
        builtin_tools=channel.builtin_tools,
    )


def _formats(channel: Channel, provider: Provider | None) -> tuple[str, ...]:
    if channel.format is None:
        return provider.formats if provider is not None else ()
    # Whoever speaks chat completions also has the operations that are relayed as they are.
    return (channel.format, "openai") if channel.format == "openai-chat" else (channel.format,)


def _provider_name(name: str) -> str:
    provider = find(name)
    return provider.name if provider is not None else name


def _demo_channels(mock: str, taken: Iterable[str]) -> list[ChannelSpec]:
    specs = []
    for name, path in DEMO_PROVIDERS.items():
        provider = find(name)
        if provider is None or name in taken:
            continue
        specs.append(ChannelSpec(name, name, f"unix:{mock}:{path}", provider.formats, provider.auth, (DEMO_KEY,)))
    return specs


def _bases(channels: Iterable[Channel]) -> Mapping[str, str]:
    """Addresses of the operator's that also serve /{provider}/…; the first channel of a provider decides."""
    bases: dict[str, str] = {}
    for channel in channels:
        if channel.base_url is not None and find(channel.provider) is not None:
            bases.setdefault(_provider_name(channel.provider), channel.base_url)
    return bases


def _key(key: Key, secret: bytes) -> KeySpec:
    expires = datetime.fromisoformat(key.expires).timestamp() if key.expires else 0.0
    return KeySpec(key.name, digest(secret, key.key.encode()), key.group, key.models, key.subnets, expires, key.lossy)


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
