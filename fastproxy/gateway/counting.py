"""Counting a request's tokens: in a thread, because a large prompt takes a while and the tokenizer has to be loaded.

One thread for each worker, so counts wait for each other and for nobody else; tiktoken gives the interpreter free while
it works. How many may wait is bounded by the connections and the bodies that a worker holds. The first count of a
worker loads the vocabulary (see providers/vocabulary.py), unless the master has: `tokenizer: preload`.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from fastproxy.formats import checked
from fastproxy.formats.estimate import estimate
from fastproxy.formats.letters import estimate_text
from fastproxy.formats.registry import CHAT
from fastproxy.formats.tokens import Counter, ruler
from fastproxy.providers.vocabulary import encoder

if TYPE_CHECKING:
    from fastproxy.formats.estimate import Count
    from fastproxy.formats.operations import Operation
    from fastproxy.gateway.table import Table

OFF: Final = "off"
# No thread is there before the first count: nothing that a fork could lose.
_COUNTING: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fastproxy-tokens")


async def counted(operation: Operation, body: bytes, table: Table) -> int:
    """Tokens that the body of a counting request stands for. Raises: FormatError, ConfigError."""
    held = [body]
    work = partial(_count_held, operation, held, table)
    try:
        return await asyncio.get_running_loop().run_in_executor(_COUNTING, work)
    finally:
        held.clear()  # of a client that has left: its turn may be far away


def _count_held(operation: Operation, held: list[bytes], table: Table) -> int:
    return count_body(operation, held.pop(), table)


def count_body(operation: Operation, body: bytes, table: Table) -> int:
    """The same, here and now. `tokenizer: off` goes by the letters."""
    fields = checked.load(body)
    if operation.format == "gemini":
        inner = fields.get("generateContentRequest")
        fields = inner if isinstance(inner, dict) else fields
    asked = CHAT[operation.format].read_request(fields, model=operation.path_model or "", stream=False)
    request = replace(asked, model=upstream_model(table, asked.model))
    count: Count = estimate_text
    if table.snapshot.tokenizer != OFF:
        count = Counter(encoder(ruler(request.model).vocabulary))
    return estimate(request, count)


def upstream_model(table: Table, model: str) -> str:
    """What the first channel that has the model calls it: its tokenizer is the one that counts."""
    for channel in table.channels:
        if channel.bridge is not None and (channel.models is None or model in channel.models):
            return channel.bridge.rename.get(model, model)
    return model
