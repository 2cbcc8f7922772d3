"""What is on offer to a client: the channels that are in one of its key's sets, and the models that they name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fastproxy.gateway.patterns import Models
    from fastproxy.gateway.table import Channel


class Offer:
    """`channels` in the order of the table; `named`: model → vendor, of those that say which models they serve."""

    __slots__ = ("channels", "named", "takes_any")

    def __init__(self, channels: Sequence[Channel]) -> None:
        self.channels = channels
        self.named: dict[str, str] = {}
        self.takes_any = any(channel.models is None for channel in channels)
        for channel in channels:
            for name in channel.models or ():
                self.named.setdefault(name, channel.provider)

    def speaks(self, wire_format: str) -> bool:
        """Whether a client of this format can be passed on as it is."""
        return any(wire_format in channel.formats for channel in self.channels)

    def models(self, allowed: Models | None) -> list[tuple[str, str]] | None:
        """The models that somebody may use, with their vendors; None when only the upstream knows them.

        Of a key that is limited nothing is listed but what is known to be allowed: whatever its patterns mean, and a
        channel takes, that nobody has named, is not there.
        """
        if allowed is None:
            return None if self.takes_any else sorted(self.named.items())
        found = {name: vendor for name, vendor in self.named.items() if name in allowed}
        if self.takes_any:
            found |= {name: "" for name in allowed.named() if name not in found}
        return sorted(found.items())


def offered(channels: Iterable[Channel], sets: frozenset[str]) -> list[Channel]:
    return [channel for channel in channels if not sets.isdisjoint(channel.sets)]
