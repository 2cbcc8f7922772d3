"""Cache breakpoints within the API's limits: four at most, and those of an hour before those of five minutes.

Tools and instructions keep theirs, then the latest messages: the beginning of a prompt is what many requests share,
its end is what the next one continues.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastproxy.formats.notes import Notes

MAX_BREAKPOINTS: Final = 4
Body = dict[str, Any]


def limit_breakpoints(body: Body, notes: Notes) -> None:
    """Takes superfluous ones out of a body of our own making."""
    if not _is_marked(body):
        return
    front = [block for block in (*body.get("tools", ()), *_dicts(body.get("system"))) if "cache_control" in block]
    behind = [block for block in _of_messages(body["messages"]) if "cache_control" in block]
    room = max(0, MAX_BREAKPOINTS - len(front))
    surplus = front[MAX_BREAKPOINTS:] + (behind[:-room] if room else behind)
    for block in surplus:
        del block["cache_control"]
    if surplus:
        notes.change("cache_control", f"{MAX_BREAKPOINTS} breakpoints at most")
    _in_order([block for block in front + behind if "cache_control" in block], notes)


def _is_marked(body: Body) -> bool:
    """Whether there can be a breakpoint at all: texts that stand for themselves have none, which is most of them."""
    return (
        bool(body.get("tools"))
        or not isinstance(body.get("system", ""), str)
        or any(not isinstance(message["content"], str) for message in body["messages"])
    )


def _in_order(blocks: list[Body], notes: Notes) -> None:
    is_short = False
    for block in blocks:
        if block["cache_control"].get("ttl") != "1h":
            is_short = True
        elif is_short:
            block["cache_control"] = {"type": "ephemeral", "ttl": "5m"}
            notes.change("cache_control", "an hour cannot follow five minutes")


def _dicts(value: Any) -> Iterator[Body]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def _of_messages(messages: list[Body]) -> Iterator[Body]:
    """In the order of the prompt: what stands inside a result comes before the result's own."""
    for message in messages:
        for block in _dicts(message["content"]):
            if block.get("type") == "tool_result":
                yield from _dicts(block.get("content"))
            yield block
