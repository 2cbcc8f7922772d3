"""One chat and its reply, whole and as a stream, for tests of what becomes of it on its way."""

from __future__ import annotations

from typing import Any, Final

from tests.gateway.translating_stage import data

CHAT: Final[dict[str, Any]] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
CHOICE: Final = {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
USAGE: Final = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
WHOLE: Final = {"id": "x", "model": "m", "object": "chat.completion", "choices": [CHOICE], "usage": USAGE}
DELTA: Final = {"index": 0, "delta": {"role": "assistant", "content": "Hello"}, "finish_reason": None}
EVENTS: Final = (
    data({"id": "x", "model": "m", "choices": [DELTA], "usage": None}),
    data({"id": "x", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": None}),
    data({"id": "x", "model": "m", "choices": [], "usage": USAGE}),
    "data: [DONE]\n\n",
)
MESSAGES: Final = {**CHAT, "max_tokens": 9}
HEAD: Final = "HTTP/1.1 200 OK\r\nContent-Type: %s\r\n%s\r\n\r\n"
