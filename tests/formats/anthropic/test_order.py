"""Any conversation, however its client ordered it, is one that the Messages API takes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fastproxy.formats.chat import Part, Role, Text, Thinking, ToolCall, ToolResult, Turn
from tests.formats.anthropic.frames import body_of, request

TEXTS = st.sampled_from(["", " ", "Hello", "So \n"])
IDS = st.sampled_from(["a", "b", "c!", "a_2", ""])
MARKS = st.sampled_from([None, None, "", "5m", "1h"])
SPOKEN = st.builds(lambda text, mark: Text(text, cache=mark), TEXTS, MARKS)
RESULTS: st.SearchStrategy[Part] = st.builds(
    lambda call_id, text: ToolResult(call_id, (Text(text),) if text else ()), IDS, TEXTS
)
ROLES: dict[Role, st.SearchStrategy[Part]] = {
    "system": SPOKEN,
    "user": st.one_of(SPOKEN, RESULTS),
    "tool": RESULTS,
    "assistant": st.one_of(
        SPOKEN,
        st.builds(lambda call_id: ToolCall(call_id, "f", "{}"), IDS),
        st.just(Thinking("Hm", "Er==", "anthropic")),
    ),
}
TURNS = st.sampled_from(list(ROLES)).flatmap(
    lambda role: st.builds(lambda parts: Turn(role, tuple(parts)), st.lists(ROLES[role], max_size=3))
)


def blocks_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def faults(body: dict[str, Any]) -> list[str]:
    """What the API would refuse."""
    messages, found = body["messages"], []
    roles = [message["role"] for message in messages]
    found += ["a user does not begin"] if roles[:1] != ["user"] else []
    found += ["two of one role"] if any(one == other for one, other in pairwise(roles)) else []
    blocks = [block for message in messages for block in blocks_of(message)]
    found += ["an empty message"] if not all(map(blocks_of, messages)) else []
    found += ["an empty text"] if not all(b["text"].strip() for b in blocks if b["type"] == "text") else []
    ids = [block["id"] for block in blocks if block["type"] == "tool_use"]
    found += ["an id twice"] if len(ids) != len(set(ids)) else []
    found += ["white space at the end"] if roles[-1] == "assistant" and ends_blank(messages[-1]) else []
    marks = [block for block in blocks if "cache_control" in block]
    found += ["too many breakpoints"] if len(marks) > 4 else []
    for place, message in enumerate(messages):
        calls = [block["id"] for block in blocks_of(message) if block["type"] == "tool_use"]
        behind = blocks_of(messages[place + 1]) if place + 1 < len(messages) else []
        answers = [block["tool_use_id"] for block in behind if block["type"] == "tool_result"]
        first = [block.get("tool_use_id") for block in behind[: len(calls)]]
        if message["role"] == "assistant" and (answers != calls or first != calls):
            found.append("results do not answer the calls")
    return found


def ends_blank(message: dict[str, Any]) -> bool:
    last = blocks_of(message)[-1]
    return bool(last["type"] == "text" and last["text"] != last["text"].rstrip())


@given(st.lists(TURNS, max_size=6), st.booleans())
def test_any_conversation_is_put_into_the_apis_order(turns: list[Turn], prefill: bool) -> None:
    body = body_of(request(*turns), prefill=prefill)
    assert faults(body) == []
    assert prefill or body["messages"][-1]["role"] == "user"
