"""The right to publish in a state directory: a lock that ends with the process that holds it.

Only its holder writes the register and what is saved there. During an upgrade the admin processes of two masters live
for a moment: the new one waits, and begins when the old one has ended. Each master has a board of its own.
"""

from __future__ import annotations

import os
from typing import Final

from fastproxy.shared.own_file import lock, open_own

NAME: Final = "publisher.lock"


class Claim:
    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, state_dir: str) -> Claim | None:
        """None when somebody else holds it. Raises OSError when there can be no such file."""
        descriptor = open_own(os.path.join(state_dir, NAME), os.O_CREAT)
        if lock(descriptor, 0, 1):
            return cls(descriptor)
        os.close(descriptor)
        return None

    def release(self) -> None:
        """Before a fork: a child would hold it as well."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
