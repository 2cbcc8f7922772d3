"""What a stateless upstream cannot look up: earlier replies named by their ids. Pure; the store is outside.

referenced_ids(body)             ids of items that the request refers to
with_history(body, stored)       the same request, saying everything itself
input_items(body)                what to store of a request …
output_items(reply)              … and of its reply, so that both stand in `stored` next time
state_fields(body)               what else lives only at the vendor: conversation, background, prompt
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastproxy.errors import FormatError
from fastproxy.formats.openai_responses.items import thoughts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_STATE: Final = ("conversation", "background", "prompt")


def state_fields(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Fields that need a vendor's state, which another format's upstream does not have: refuse them there."""
    return tuple(name for name in _STATE if body.get(name))


def referenced_ids(body: Mapping[str, Any]) -> tuple[str, ...]:
    items = body.get("input")
    return tuple(item["id"] for item in items if _is_reference(item)) if isinstance(items, list) else ()


def input_items(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`input` as items; instructions are not among them, because they hold for one request only."""
    value = body.get("input")
    if isinstance(value, str):
        return [{"type": "message", "role": "user", "content": value}]
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def output_items(reply_body: Mapping[str, Any]) -> list[dict[str, Any]]:
    output = reply_body.get("output")
    return [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []


def with_history(body: Mapping[str, Any], stored_items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """`body` without previous_response_id and references.

    With a previous response its items come first, and references to them are left out as said already; without one
    each reference is replaced by its item. Raises: FormatError for a reference to what is not stored.
    """
    made = {name: value for name, value in body.items() if name != "previous_response_id"}
    by_id = {item["id"]: item for item in stored_items if isinstance(item.get("id"), str)}
    history = list(stored_items) if body.get("previous_response_id") else []
    said = {item.get("id") for item in history}
    for place, item in enumerate(input_items(body)):
        if not _is_reference(item):
            history.append(item)
        elif item["id"] not in by_id:
            raise FormatError(f"field 'input[{place}].id' names no stored item")
        elif item["id"] not in said:
            history.append(by_id[item["id"]])
    made["input"] = [kept for item in history if (kept := _portable(item)) is not None]
    return made


def _portable(item: dict[str, Any]) -> dict[str, Any] | None:
    """Reasoning without encrypted_content is known to OpenAI only by its id, and only to the account that stored it:
    what is left is its text, without the id, for an upstream that takes such text.
    """
    if item.get("type") != "reasoning" or item.get("encrypted_content"):
        return item
    return {name: value for name, value in item.items() if name != "id"} if thoughts(item) else None


def _is_reference(item: Any) -> bool:
    if not isinstance(item, dict) or not isinstance(item.get("id"), str):
        return False
    return item.get("type") == "item_reference" or (item.get("type") is None and "role" not in item)
