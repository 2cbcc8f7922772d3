"""Ids for calls that Gemini gave none: the same for the same reply, whole or streamed, and another in every reply.

Clients find a result's call by its id in the whole conversation, so "the second call" is not enough. Where a reply has
no id either, its calls have none: the gateway makes some up, which the same call in another reply does not get.
"""

from __future__ import annotations

from fastproxy.formats.tool_names import fitting_id


def call_id(response_id: str, choice: int, number: int) -> str:
    """call_<response's id>_<number>, "" where there is no such id."""
    place = f"{choice}_{number}" if choice else str(number)
    return fitting_id(f"call_{response_id}_{place}") if response_id else ""
