"""Names of tools and ids of calls that a format does not take, changed the same way everywhere, and changed back.

OpenAI and Anthropic take [a-zA-Z0-9_-]{1,64}, Gemini wants a letter or underscore in front and takes dots too. A name
that does not fit gets a new one made of its own letters and a hash of the whole, unique within the request.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import xxhash

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

MAX_CHARS: Final = 64
_ALLOWED: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ALLOWED_BY_GEMINI: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
_OTHER: Final = re.compile(r"[^a-zA-Z0-9_-]")
_HASH_CHARS: Final = 8


class ToolNames:
    """Both ways between the client's names and the upstream's. Empty when every name fits."""

    __slots__ = ("_back", "_there")

    def __init__(self, names: Iterable[str], *, gemini: bool = False) -> None:
        allowed = _ALLOWED_BY_GEMINI if gemini else _ALLOWED
        self._there: dict[str, str] = {}
        self._back: dict[str, str] = {}
        wanted = dict.fromkeys(names)
        for name in wanted:
            if allowed.fullmatch(name) is None:
                self._rename(name, wanted)

    def _rename(self, name: str, taken: Container[str]) -> None:
        made = fitting(name)
        while made in self._back or made in taken:
            made = fitting(made + "'")
        self._there[name], self._back[made] = made, name

    def there(self, name: str) -> str:
        """The name for the upstream."""
        return self._there.get(name, name)

    def back(self, name: str) -> str:
        """The client's name for what the upstream said."""
        return self._back.get(name, name)

    def __bool__(self) -> bool:
        return bool(self._there)


NO_NAMES: Final = ToolNames(())


def fitting(name: str) -> str:
    """A name that every format takes: the same for the same name, another for another."""
    bare = _OTHER.sub("_", name)[: MAX_CHARS - _HASH_CHARS - 2]
    digest = xxhash.xxh3_64_hexdigest(name.encode("utf-8", "surrogatepass"))[:_HASH_CHARS]
    return f"{bare if bare[:1].isalpha() or bare[:1] == '_' else '_' + bare}_{digest}"


def fitting_label(label: str, most: int) -> str:
    """A label of at most `most` characters: vendors refuse longer ones, and Claude Code's user ids are long."""
    return label if len(label) <= most else xxhash.xxh3_128_hexdigest(label.encode("utf-8", "replace"))


def fitting_id(call_id: str) -> str:
    """A call's id that every format takes: itself if it fits."""
    return call_id if _ALLOWED.fullmatch(call_id) is not None else fitting(call_id)
