"""The contract upward: what one finished exchange leaves behind.

`gateway/settle.py` makes exactly one Record per exchange; the access log prints it, the journal and the ledger store
it. A Record knows nothing of sockets, files or databases, and holds no body and no credential: `path` comes without its
query, because client keys travel there (`?key=`). How it travels in the journal stands in payloads.py.

Shape: an array-like struct, so that on disk it is a plain array in this order. COLUMNS are the ledger's columns and
never change places; the fields after them are for the access log. Absent text is "", an unmeasured time is None.
"""

from __future__ import annotations

from typing import Final

import msgspec


class Record(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One exchange. Fill all 32 fields by position: 0.4 us against 2.8 us with keywords (tests/test_record.py).

    A handful of keywords on top of the defaults is fine (0.7 us). `gc=False`: a Record holds no containers, so the
    collector has nothing to find in the thousands that wait for the log writer.
    """

    request_id: str
    started_at: int  # Unix time in milliseconds
    group: str = ""
    key_name: str = ""
    model: str = ""  # as the client asked
    upstream_model: str = ""  # as the upstream was asked
    channel: str = ""
    provider: str = ""
    client_format: str = ""
    upstream_format: str = ""
    operation: str = ""
    stream: bool = False
    status: int = 0  # 0: the client left before a status was sent
    error_kind: str = ""  # one of shared.rows.ERROR_KINDS, "" when nothing went wrong
    attempts: int = 0
    input_tokens: int = 0  # the four token buckets are disjoint; reasoning is a part of output
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False  # tokens were counted here, not reported by the upstream
    cost_usd: float = 0.0
    ttft_ms: float | None = None  # request complete until the reply's first body byte
    duration_ms: float = 0.0
    gateway_us: int = 0  # the part of the duration that was spent here
    bytes_in: int = 0
    bytes_out: int = 0
    client_ip: str = ""
    user_agent: str = ""
    # For the access log only, not columns of the ledger.
    method: str = ""
    path: str = ""
    entry: str = ""  # one of shared.rows.ENTRIES


COLUMNS: Final = Record.__struct_fields__[:-3]
