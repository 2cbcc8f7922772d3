"""Large blocks are kept by the process instead of being handed back to the kernel after each request.

glibc maps every block of more than 128 KiB anew at first, and gives the top of its heap back as soon as it is free: a
body of 400 KB then costs a hundred page faults each way. With these settings it is served from memory that is there.
"""

from __future__ import annotations

import contextlib
import ctypes
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
LARGE_BYTES: Final = 4 << 20  # above it a block is mapped by itself, and returned when it is free
KEPT_BYTES: Final = 16 << 20  # free memory at the top of the heap that is not returned


def keep_large_blocks() -> bool:
    """Tell the allocator; False where there is no glibc (musl has no mallopt)."""
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        return bool(mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)) and bool(mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES))
    return False
