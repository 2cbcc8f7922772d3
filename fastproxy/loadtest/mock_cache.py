"""A model of the vendors' prompt caches: a prompt that begins like an earlier one of the same key and model reads it.

The prompt's texts are cut into blocks of so many tokens (a token is four characters); every block is known by a hash
of all that stands before it and itself. So the longest shared prefix is found by walking blocks, a change in the
middle loses all that follows, and only whole blocks count. Blocks live five minutes from their last use; the oldest
are forgotten beyond 65,536 (about 10 MB).

    Hit: the tokens that were read from the cache, and those that were now written into it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import NamedTuple

_MOST_BLOCKS = 65_536
_LIFE_S = 300.0
_CHARACTERS = 4


class Hit(NamedTuple):
    """Tokens."""

    read: int
    written: int


class PrefixCache:
    """One per process; `block` is the number of tokens in a block, 0 switches it off."""

    def __init__(self, block: int, most: int = _MOST_BLOCKS) -> None:
        self.active = block > 0
        self._block = block
        self._most = most
        self._blocks: OrderedDict[bytes, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._blocks)

    def look(self, owner: str, texts: list[str], now: float) -> Hit:
        """Read what is known of this prompt, and remember it. `owner` is key and model, `now` monotonic."""
        read = written = 0
        missed = False
        for name in self._names(owner, texts):
            seen = self._blocks.pop(name, None)
            self._blocks[name] = now
            missed = missed or seen is None or now - seen > _LIFE_S
            if missed:
                written += self._block
            else:
                read += self._block
        while len(self._blocks) > self._most:
            self._blocks.popitem(last=False)
        return Hit(read, written)

    def _names(self, owner: str, texts: list[str]) -> list[bytes]:
        """The chained hashes of the prompt's whole blocks; texts are kept apart by a byte that no text has."""
        prompt = b"\xff".join(text.encode("utf-8", "replace") for text in texts)
        size = self._block * _CHARACTERS
        chain = hashlib.blake2b(owner.encode("utf-8", "replace") + b"\xff", digest_size=16)
        names: list[bytes] = []
        for start in range(0, min(len(prompt) - size + 1, self._most * size), size):
            chain.update(prompt[start : start + size])
            names.append(chain.digest())
        return names
