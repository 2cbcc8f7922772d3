"""The rows of the arena: one name per counter, so that readers and writers agree without talking.

A cell is an unsigned 64-bit integer at (row, column). Columns belong to processes: 0 the master, 1 the admin process,
`WORKER_COLUMN + slot` the workers. Only a column's owner writes to it, so no cell needs a lock; GENERATION and
SNAPSHOT_SIZE of the master's belong to whoever publishes, which is the admin process once it runs.
"""

from __future__ import annotations

from typing import Final

MASTER_COLUMN: Final = 0
ADMIN_COLUMN: Final = 1
WORKER_COLUMN: Final = 2
MAX_SLOTS: Final = 64

_next = 0


def _block(count: int = 1) -> int:
    """Reserve `count` consecutive rows and return the first."""
    global _next  # runs at import only; the numbering must be dense
    first = _next
    _next += count
    return first


# --- every process -----------------------------------------------------------------------------------------------
PID: Final = _block()
STATE: Final = _block()  # see STARTING .. STOPPED
HEARTBEAT: Final = _block()  # time.monotonic() in milliseconds, written at every tick
STARTED: Final = _block()  # time.time() in milliseconds
GENERATION: Final = _block()  # master: the newest publication; worker: the one it uses

STARTING, READY, DRAINING, STOPPED = range(4)

# --- the master --------------------------------------------------------------------------------------------------
TOPOLOGY: Final = _block()  # bumped after the OWNER rows change
OWNER: Final = _block(MAX_SLOTS)  # OWNER + k: slot + 1 of the worker that accepts on slot k's sockets; 0 nobody
RESTARTS: Final = _block()  # workers replaced after a crash
HANGS: Final = _block()  # workers killed because their heartbeat stopped
SNAPSHOT_SIZE: Final = _block()
RELOADS: Final = _block()  # this row and the next: whoever publishes, the master or the admin process
RELOAD_FAILURES: Final = _block()
RELOAD_ASKED: Final = _block()  # how often the master was asked to reload
RELOAD_TAKEN: Final = _block()  # whoever publishes: up to which of these it has answered

# --- a worker: connections ---------------------------------------------------------------------------------------
CLIENTS_OPEN: Final = _block()
CLIENTS_ACCEPTED: Final = _block()
CLIENTS_REFUSED: Final = _block()  # over max_connections
UPSTREAM_OPENED: Final = _block()
UPSTREAM_REUSED: Final = _block()
UPSTREAM_ACTIVE: Final = _block()
UPSTREAM_IDLE: Final = _block()
UPSTREAM_WAITING: Final = _block()
UPSTREAM_FAILURES: Final = _block()
RETRIES: Final = _block()
TUNNELS_OPEN: Final = _block()
REQUESTS_OPEN: Final = _block()
REQUESTS: Final = _block()  # every request that was given an answer or was refused
BYTES_IN: Final = _block()  # request bodies relayed
BYTES_OUT: Final = _block()  # reply bodies relayed
LOG_DROPPED: Final = _block()  # access-log lines lost because the writer was too slow
SWAPS: Final = _block()  # changes of keys or configuration that were taken over
SWAP_US_MAX: Final = _block()  # the longest time that one of them kept this worker from serving, in microseconds

JOURNAL_LOST: Final = _block()  # records of served requests for which there was no room anywhere
JOURNAL_SPILLED: Final = _block()  # frames that did not fit into the ring and went into a file
JOURNAL_UNREAD: Final = _block()  # bytes that the collector has not taken yet

# --- a worker: requests by entry and status class ----------------------------------------------------------------
ENTRIES: Final = ("edge", "provider", "unified", "local")
STATUS_CLASSES: Final = 6  # 0 = no status was sent (the client left), 1..5 = 1xx..5xx
REQUESTS_BY: Final = _block(len(ENTRIES) * STATUS_CLASSES)  # + entry * STATUS_CLASSES + class

ERROR_KINDS: Final = (
    "bad_request", "unauthorized", "forbidden", "limited", "no_route", "too_large", "timeout", "client_closed",
    "upstream_failed", "upstream_timeout", "upstream_truncated", "upstream_auth", "upstream_quota", "upstream_limited",
    "upstream_overloaded", "model_not_found", "context_length_exceeded", "bad_format", "bad_file_url",
    "overloaded", "internal", "other",
)  # fmt: skip
ERRORS_BY: Final = _block(len(ERROR_KINDS))

# Upper bounds in microseconds of the latency histogram, doubling; the last bucket is open.
LATENCY_BOUNDS: Final = tuple(100 * 2**i for i in range(20))  # 0.1 ms .. 52 s
DURATION: Final = _block(len(ENTRIES) * (len(LATENCY_BOUNDS) + 1))
DURATION_SUM: Final = _block(len(ENTRIES))  # microseconds

FORMATS: Final = ("openai-chat", "openai-responses", "anthropic", "gemini", "openai", "ollama")
TOKEN_KINDS: Final = ("input", "cache_read", "cache_write", "output", "reasoning")
TOKENS: Final = _block(len(FORMATS) * len(TOKEN_KINDS))  # + format * len(TOKEN_KINDS) + kind
USAGE_ESTIMATED: Final = _block()  # replies whose usage, or a part of it, was not reported and is estimated
USAGE_UNREAD: Final = _block()  # replies of a known format whose usage was neither found nor can be estimated

ROWS: Final = (_next + 7) & ~7  # whole cache lines, so that two columns never share one
