"""A channel as workers get it: what the operator left out is filled in from the catalogue.

The same for channels of the file and of the database, so that moving one from here to there changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from fastproxy.config import Channel
from fastproxy.errors import ConfigError
from fastproxy.providers.catalogue import Provider, find
from fastproxy.snapshot import ENABLED, ChannelSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fastproxy.publish.stored import StoredChannel

_AUTH: Final = {"anthropic": "x-api-key", "gemini": "x-goog-api-key"}

# provider → base path of the mock's API, for --demo
DEMO_PROVIDERS: Final = {"openai": "/v1", "anthropic": "/v1", "google-ai-studio": "/v1beta"}
DEMO_KEY: Final = "demo-key-of-the-built-in-mock"


def is_address_only(channel: Channel) -> bool:
    """A vendor without an AI format, given another address: it serves /{provider}/… only."""
    provider = find(channel.provider)
    return provider is not None and not provider.formats and channel.format is None


def channel_spec(channel: Channel) -> ChannelSpec:
    """Raises: ConfigError when the provider's entry in the catalogue does not suffice."""
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
        provider=provider_name(channel.provider),
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
        sets=channel.sets,
        status=channel.status,
    )


def as_configured(stored: StoredChannel) -> Channel:
    """A channel of the database as the file would say it."""
    return Channel(
        name=stored.name,
        provider=stored.provider,
        keys=tuple(one.secret for one in stored.credentials if one.status == ENABLED),
        base_url=stored.base_url,
        models=stored.models,
        rename=stored.rename,
        weight=stored.weight,
        priority=stored.priority,
        format=stored.format,
        sets=stored.sets,
        verify=stored.verify,
        ca_file=stored.ca_file,
        rpm=stored.rpm,
        tpm=stored.tpm,
        concurrency=stored.concurrency,
        api_version=stored.api_version,
        defaults=stored.defaults,
        builtin_tools=stored.builtin_tools,
        status=stored.status,
    )


def stored_spec(stored: StoredChannel) -> ChannelSpec | None:
    """None for a vendor without an AI format: it serves /{provider}/… only. Raises: ConfigError as `channel_spec`.

    A channel whose credentials are all switched off is switched off itself: it must not be asked without any.
    """
    channel = as_configured(stored)
    if is_address_only(channel):
        return None
    is_locked = bool(stored.credentials) and not channel.keys
    spec = channel_spec(channel)
    return msgspec.structs.replace(spec, id=stored.id, status="disabled" if is_locked else spec.status)


def address_of(channel: Channel) -> Iterator[tuple[str, str]]:
    """(provider, address) for /{provider}/…, when the operator has another one than the catalogue."""
    if channel.base_url is not None and channel.status == ENABLED and find(channel.provider) is not None:
        yield provider_name(channel.provider), channel.base_url


def demo_channels(mock: str, taken: Iterable[str]) -> list[ChannelSpec]:
    """Channels to the built-in mock at this Unix socket, for vendors that have none."""
    specs = []
    for name, path in DEMO_PROVIDERS.items():
        provider = find(name)
        if provider is None or name in taken:
            continue
        specs.append(ChannelSpec(name, name, f"unix:{mock}:{path}", provider.formats, provider.auth, (DEMO_KEY,)))
    return specs


def provider_name(name: str) -> str:
    provider = find(name)
    return provider.name if provider is not None else name


def _formats(channel: Channel, provider: Provider | None) -> tuple[str, ...]:
    if channel.format is None:
        return provider.formats if provider is not None else ()
    # Whoever speaks chat completions also has the operations that are relayed as they are.
    return (channel.format, "openai") if channel.format == "openai-chat" else (channel.format,)
