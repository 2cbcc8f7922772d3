"""What was published last, sealed in the state directory: so that a restart serves it at once, database or not.

    <state_dir>/snapshot     magic, sealed: declared half, stored half without keys, and what they belong to

The keys and groups themselves stand in the register beside it; `lineage` ties the two together, so that a register
that has been made anew is not taken for the one that was saved with. It holds upstream credentials, which is why it is
sealed under the master key. A file that cannot be read is as good as none: everything is in the database as well.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING, Final

import msgspec

from fastproxy.publish.declared import Declared  # noqa: TC001 - msgspec reads the annotations
from fastproxy.publish.stored import Stored  # noqa: TC001 - msgspec reads the annotations
from fastproxy.shared.own_file import open_own
from fastproxy.shared.sealing import Sealer

if TYPE_CHECKING:
    from fastproxy.shared.master_key import MasterKey

NAME: Final = "snapshot"
_MAGIC: Final = b"fastproxy snapshot 1\n"
_PURPOSE: Final = "what was published last"


class Saved(msgspec.Struct, frozen=True):
    """`lineage`: 16 bytes that the register beside it is opened with. `database`: a hash of its URL. `boot`: 16 bytes
    of the master under which this was in force. `stored` has no keys; `has_keys` says whether there are any."""

    lineage: bytes
    database: bytes
    boot: bytes
    declared: Declared
    stored: Stored | None = None
    has_keys: bool = False


def database_hash(url: str) -> bytes:
    """Tells one database from another without telling its password."""
    return hashlib.blake2b(url.encode(), digest_size=16, person=b"database").digest()


class SavedFile:
    """Written by whoever publishes, read at a start."""

    def __init__(self, state_dir: str, master_key: MasterKey) -> None:
        self.path = os.path.join(state_dir, NAME)
        self._sealer = Sealer(master_key.derive(_PURPOSE))

    def read(self) -> Saved | None:
        """None when there is none, or none that can be read: another version's, another master key's, damaged."""
        opened = self._opened()
        with contextlib.suppress(msgspec.DecodeError):
            return msgspec.msgpack.decode(opened, type=Saved) if opened is not None else None
        return None

    def _opened(self) -> bytes | None:
        try:
            with open(self.path, "rb") as file:
                data = file.read()
        except OSError:
            return None
        return self._sealer.open(data[len(_MAGIC) :], _MAGIC) if data.startswith(_MAGIC) else None

    @property
    def is_foreign(self) -> bool:
        """There is one that does not open: `fastproxy db rekey` has sealed it anew, for whoever starts next."""
        return self.exists and self._opened() is None

    @property
    def exists(self) -> bool:
        return os.path.exists(self.path)

    def write(self, saved: Saved) -> None:
        """Whole or not at all, also when the power fails. Raises: OSError."""
        data = _MAGIC + self._sealer.seal(msgspec.msgpack.encode(saved), _MAGIC)
        draft = f"{self.path}.{os.getpid()}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)
        descriptor = open_own(draft, os.O_CREAT | os.O_EXCL)
        try:
            with open(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            os.rename(draft, self.path)
        except OSError:
            os.unlink(draft)
            raise
