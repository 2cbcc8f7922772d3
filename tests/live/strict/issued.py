"""The signatures that the strict vendor has given out: it takes back those and no others, byte for byte.

A signature is good for one vendor, as in life: what Anthropic signed is a 400 at Google.
"""

from __future__ import annotations

import base64
import hashlib
import threading


class Issued:
    """Of one vendor. Signatures are standard base64 with its `+`, `/` and `=`, and tell nothing."""

    def __init__(self, vendor: str) -> None:
        self._vendor = vendor
        self._lock = threading.Lock()
        self._of: dict[bytes, str] = {}

    def sign(self, text: str, sort: str = "") -> str:
        """A new signature for this text; `sort` is kept with it."""
        with self._lock:
            seed = f"{self._vendor} {len(self._of)} {text}".encode()
            token = b"".join(hashlib.sha256(seed + bytes([turn])).digest() for turn in range(4))[:-1]
            self._of[token] = sort + text
        return base64.b64encode(token).decode()

    def accept(self, text: str) -> None:
        """Thoughts without a signature: the text is good for itself."""
        with self._lock:
            self._of[text.encode()] = text

    def text_of(self, token: bytes | None) -> str | None:
        """What was signed with it, None if it never was."""
        with self._lock:
            return self._of.get(token or b"")
