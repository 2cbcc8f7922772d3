"""What the settings say, as items: shown beside the database's, never changed here.

Whoever wants it changed has to change the file, variable or flag that its origin names. Secrets stay out: of a key
only the beginning is shown, of a channel's only the ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fastproxy.admin.tenants.documents import ChannelIn, GroupIn, KeyIn, ModelIn
from fastproxy.config.report import mask_secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fastproxy.admin.tenants.terms import Item
    from fastproxy.config import Channel, Group, Key, Listen, Model, Settings

_HINT: Final = 4
_LEAST_FOR_HINT: Final = 16  # of what is shorter, four characters would tell too much
_MOST_SHOWN: Final = 1000  # the API's lists are this long at most


def hint_of(secret: str) -> str:
    """The end of a credential, by which its owner recognises it."""
    return f"…{secret[-_HINT:]}" if len(secret) >= _LEAST_FOR_HINT else ""


@dataclass(frozen=True, slots=True)
class Declared:
    """`items`: by kind and name; keys by their name as well, which the file allows only once. `listen`: our own
    addresses, which no channel may lead to."""

    items: Mapping[str, Mapping[str, Item]] = field(default_factory=dict)
    listen: tuple[Listen, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> Declared:
        origins = settings.origins
        return cls(
            {
                "groups": {group.name: _item(_group(group), origins, "groups") for group in settings.groups},
                "keys": {key.name: _item(_key(key), origins, "keys") for key in settings.keys},
                "channels": {
                    channel.name: _item(_channel(channel), origins, "channels") for channel in settings.channels
                },
                "models": {model.name: _item(_model(model), origins, "models") for model in settings.models},
            },
            settings.listen,
        )

    def all(self, kind: str) -> list[Item]:
        return list(self.items.get(kind, {}).values())

    def find(self, kind: str, name: str, group: str | None = None) -> Item | None:
        """By name; of a key by group and name, or by its name alone."""
        found = self.items.get(kind, {}).get(name)
        return found if found is None or group is None or found["group"] == group else None

    def origin(self, kind: str, name: str, group: str | None = None) -> str:
        """Where an object of this name is declared; "" if nowhere."""
        found = self.find(kind, name, group)
        return str(found["origin"]) if found is not None else ""


def _item(fields: Item, origins: Mapping[str, str], kind: str) -> Item:
    return {
        "id": None,
        **fields,
        "note": "",
        "created_at": None,
        "updated_at": None,
        "version": None,
        "managed_by": "file",
        "origin": origins.get(f"{kind}.{fields['name']}", "default"),
        "shadowed_by": "",
    }


def _picked(value: Any, names: Iterable[str]) -> Item:
    """The fields that a setting has of a document's; the settings' own types, as JSON has them."""
    return {name: _plain(getattr(value, name)) for name in names if hasattr(value, name)}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if hasattr(value, "keys") else value


def _budget(value: Group) -> Item | None:
    return None if value.budget is None else {"amount": value.budget.amount, "period": value.budget.period}


def _group(group: Group) -> Item:
    return {**_picked(group, GroupIn.model_fields), "budget": _budget(group)}


def _key(key: Key) -> Item:
    return {**_picked(key, KeyIn.model_fields), "prefix": mask_secret(key.key)}


def _channel(channel: Channel) -> Item:
    credentials = [{"label": "", "hint": hint_of(secret), "status": "enabled"} for secret in channel.keys]
    return {**_picked(channel, ChannelIn.model_fields), "credentials": credentials[:_MOST_SHOWN]}


def _model(model: Model) -> Item:
    price = model.price
    shown = None if price is None else {name: getattr(price, name) for name in price.__dataclass_fields__}
    return {**_picked(model, ModelIn.model_fields), "price": shown}
