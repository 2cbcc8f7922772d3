"""Has the configuration file changed? A look at its place in the file system, not into it.

Editors and orchestrators replace a file in several steps, or through a link; so a change counts when two looks in a row
have seen the same thing, which is not what was there before.
"""

from __future__ import annotations

import os

_Sight = tuple[int, ...] | None


class Watched:
    """`path` "" : there is nothing to watch. Whoever has one looks about once a second."""

    __slots__ = ("_before", "_known", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self._known = self._before = _sight(path)

    def look(self) -> bool:
        """True once after each change. A file that is gone for the moment has not changed yet."""
        now = _sight(self.path)
        is_settled, self._before = now == self._before, now
        if now is None or not is_settled or now == self._known:
            return False
        self._known = now
        return True


def _sight(path: str) -> _Sight:
    try:
        info = os.stat(path)
    except OSError:
        return None
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns
