"""Shared memory: the arena of counters and the board that carries the snapshot. Knows nothing of HTTP or AI."""
