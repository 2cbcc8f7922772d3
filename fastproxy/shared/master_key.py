"""The master key: one secret of 32 bytes per installation, from which all others are derived.

    FASTPROXY_MASTER_KEY      for whoever keeps secrets elsewhere, or runs several nodes
    <state_dir>/master.key    else: made at the first start, readable by its owner only

Either holds 64 hex digits, or the same 32 bytes in base64.

Nobody uses it as it is: `derive` gives each purpose a key of its own (keyed BLAKE2b, RFC 7693, as a pseudo-random
function), so that one that leaks says nothing about the others. Whoever loses the master key loses what was encrypted
under it; nothing else keeps a copy.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
import re
import secrets
import stat
from typing import Final

from fastproxy.shared.own_file import sync_directory

KEY_BYTES: Final = 32
NAME: Final = "master.key"
_LEAST_DISTINCT: Final = 16  # of 32 random bytes fewer are distinct once in 10^16; of placeholders nearly always
_HEX: Final = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)
_BASE64: Final = re.compile(r"[0-9A-Za-z+/_-]{43}=?", re.ASCII)


class MasterKeyError(Exception):
    """The master key cannot be used; the text says why, and never holds a part of it."""


class MasterKey:
    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def derive(self, purpose: str) -> bytes:
        """32 bytes that belong to this purpose, the same ones every time."""
        return hashlib.blake2b(purpose.encode(), key=self._key, digest_size=32, person=b"fastproxy").digest()


def parse_master_key(text: str) -> MasterKey:
    """Raises MasterKeyError for anything but 32 random bytes in hex or base64: a password can be guessed."""
    if _HEX.fullmatch(text):
        key = bytes.fromhex(text)
    elif _BASE64.fullmatch(text):
        key = _from_base64(text)
    else:
        raise MasterKeyError(
            f"seen {len(text)} characters, expected 32 random bytes as 64 hex digits or in base64 "
            "(openssl rand -base64 32)"
        )
    if len(set(key)) < _LEAST_DISTINCT:
        raise MasterKeyError("the bytes are not random; expected what 'openssl rand -base64 32' prints")
    return MasterKey(key)


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text.rstrip("=").replace("-", "+").replace("_", "/") + "=", validate=True)
    except binascii.Error as error:
        raise MasterKeyError(f"this is not base64: {error}") from None


def read_master_key(path: str) -> MasterKey | None:
    """The key in this file, None when there is no file. Raises MasterKeyError: others may read it, or it is no key."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MasterKeyError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    try:
        mode = os.fstat(descriptor).st_mode
        text = os.read(descriptor, 256) if stat.S_ISREG(mode) else None
    finally:
        os.close(descriptor)
    if text is None:
        raise MasterKeyError(f"{path}: this is not a regular file")
    if mode & 0o077:
        raise MasterKeyError(f"{path}: others may read it (mode {mode & 0o777:04o}); expected 0600: chmod 600 {path}")
    try:
        return parse_master_key(text.decode("ascii", "replace").strip())
    except MasterKeyError as error:
        raise MasterKeyError(f"{path}: {error}") from None


def read_or_make_master_key(path: str) -> MasterKey:
    """The key in this file; at the first start it is made, with its directory. Raises MasterKeyError."""
    found = read_master_key(path)
    if found is not None:
        return found
    try:
        os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
        _make(path)
    except OSError as error:
        raise MasterKeyError(f"{path} cannot be made: {(error.strerror or str(error)).lower()}") from None
    made = read_master_key(path)
    if made is None:
        raise MasterKeyError(f"{path} was removed by somebody else")
    return made


def _make(path: str) -> None:
    """Whole or not at all, also when the power fails; of two that start at once the first one counts for both."""
    draft = f"{path}.{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(draft, flags, 0o600)
    try:
        try:
            os.write(descriptor, f"{secrets.token_hex(KEY_BYTES)}\n".encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)  # as exclusive as O_EXCL
    finally:
        os.unlink(draft)
    sync_directory(os.path.dirname(path) or ".")  # a key that encrypts something must not be forgotten by the disk
