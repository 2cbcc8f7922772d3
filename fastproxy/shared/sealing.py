"""Sealing: bytes that only the holder of a key can read, change or move elsewhere (AES-256-GCM, NIST SP 800-38D).

    sealed   nonce 24, ciphertext, tag 16

GCM alone bears 2^32 messages under one key, because two nonces of 12 random bytes must never meet. Here each message
has a key of its own, derived from the first half of 24 random bytes, the second half is the nonce: no count to watch,
and nothing to agree on between processes that hold the same key.

The library is loaded at the first use: 23 ms and 7 MB, of which 2 MB are a process's own, that a worker which keeps
nothing should not pay.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

OVERHEAD: Final = 40
_HALF: Final = 12


class Sealer:
    """`key`: 32 bytes that serve this purpose only."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, data: bytes, about: bytes) -> bytes:
        """`about` is not part of the result, but `open` must be given the same: it ties the data to its place."""
        nonce = os.urandom(2 * _HALF)
        return nonce + self._cipher(nonce[:_HALF]).encrypt(nonce[_HALF:], data, about)

    def open(self, sealed: bytes, about: bytes) -> bytes | None:
        """None when it was sealed under another key, about something else, or has changed since."""
        from cryptography.exceptions import InvalidTag

        if len(sealed) < OVERHEAD:
            return None
        nonce = sealed[: 2 * _HALF]
        try:
            return self._cipher(nonce[:_HALF]).decrypt(nonce[_HALF:], sealed[2 * _HALF :], about)
        except InvalidTag:
            return None

    def _cipher(self, salt: bytes) -> AESGCM:
        return _aes_gcm()(hashlib.blake2b(salt, key=self._key, digest_size=32, person=b"one message").digest())


@cache
def _aes_gcm() -> type[AESGCM]:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM
