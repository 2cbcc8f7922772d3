"""Ids for calls that Gemini gave none: the same for the same reply, whole or streamed, and another in every reply.

Clients find a result's call by its id in the whole conversation, so "the second call" is not enough.
"""

from __future__ import annotations

import xxhash

from fastproxy.formats.tool_names import fitting_id


def call_id(response_id: str, choice: int, number: int, name: str, arguments: str) -> str:
    """call_<response's id>_<number>; where the reply has no id, its place is taken by the call's name and a hash."""
    place = f"{choice}_{number}" if choice else str(number)
    if response_id:
        return fitting_id(f"call_{response_id}_{place}")
    digest = xxhash.xxh3_64_hexdigest(arguments.encode("utf-8", "surrogatepass"))[:8]
    return fitting_id(f"call_{place}_{name}_{digest}")
