"""Ollama's own chat API (`POST /api/chat`), said in Chat Completions, so that the reader of openai_chat understands it.

    {"message": {"content": "Hi"}, "done": false}              {"choices": [{"delta": {"content": "Hi"}, …}], …}
    {"message": {"thinking": "Hm"}, …}                    →    … "delta": {"reasoning_content": "Hm"} …
    {"message": {"tool_calls": [{"function": {…}}]}, …}        … "delta": {"tool_calls": [{"index", "id", …}]} …
    {"done": true, "done_reason": "stop", "eval_count": 9}     finish_reason, then a chunk with the counts, then [DONE]
    {"error": "model not found"}                               {"error": {"message": …}}

Lines come from ndjson.Lines. Arguments of tools are objects here and JSON texts there; calls have no ids before
Ollama 0.12, so they get deterministic ones. Sources: docs.ollama.com/api/chat, api/types.go of ollama; 2026-11.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from fastproxy.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH: Final = "/api/chat"
DONE: Final = b"[DONE]"
# "load" and "unload" answer a request without messages
_FINISH: Final = {"stop": "stop", "length": "length", "load": "stop", "unload": "stop"}
# Chat Completions → Ollama's options
_OPTIONS: Final = {
    "max_completion_tokens": "num_predict",
    "max_tokens": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}
_THINK: Final = {"none": False, "minimal": "low", "low": "low", "medium": "medium", "high": "high"}


class Chunks:
    """One stream. `reply_id` is the id of the reply that clients see, without its prefix."""

    __slots__ = ("_calls", "_created", "_id", "_model", "_started")

    def __init__(self, reply_id: str) -> None:
        self._id = reply_id
        self._model = ""
        self._created = 0
        self._calls = 0
        self._started = False

    def feed(self, line: bytes) -> list[bytes]:
        """The data of the events that a line of Ollama's makes. Raises: FormatError."""
        told = _told(line)
        if "error" in told:
            return [_failure(told["error"])]
        self._model = str(told.get("model") or self._model)
        self._created = self._created or _seconds(told.get("created_at"))
        delta = self._delta(told.get("message"))
        if told.get("done") is not True:
            return [self._chunk(delta, None)] if delta else []
        chunks = [self._chunk(delta, None)] if delta else []
        reason = "tool_calls" if self._calls else _FINISH.get(str(told.get("done_reason")), "stop")
        return [*chunks, self._chunk({}, reason), *self._counts(told), DONE]

    def _delta(self, message: Any) -> dict[str, Any]:
        said = _said(message)
        calls = said.pop("tool_calls", None)
        if calls:
            said["tool_calls"] = [{"index": self._calls + place, **call} for place, call in enumerate(calls)]
            for call in said["tool_calls"]:
                call["id"] = call["id"] or f"call_{self._id}_{call['index']}"
            self._calls += len(calls)
        if said and not self._started:
            self._started = True
            return {"role": "assistant", **said}
        return said

    def _counts(self, told: Mapping[str, Any]) -> list[bytes]:
        usage = _usage(told)
        return [] if usage is None else [orjson.dumps({**self._head(), "choices": [], "usage": usage})]

    def _chunk(self, delta: Mapping[str, Any], reason: str | None) -> bytes:
        return orjson.dumps({**self._head(), "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})

    def _head(self) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self._id}",
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
        }


def read_reply(body: bytes, reply_id: str) -> dict[str, Any]:
    """The whole reply to a request with `"stream": false`, or an error, as Chat Completions. Raises: FormatError."""
    told = _told(body)
    if "error" in told:
        failed: dict[str, Any] = orjson.loads(_failure(told["error"]))
        return failed
    said = _said(told.get("message"))
    for place, call in enumerate(said.get("tool_calls", ())):
        call["id"] = call["id"] or f"call_{reply_id}_{place}"
    reason = "tool_calls" if "tool_calls" in said else _FINISH.get(str(told.get("done_reason")), "stop")
    message = {"role": "assistant", "content": None if "tool_calls" in said else "", **said}
    usage = _usage(told)
    return {
        "id": f"chatcmpl-{reply_id}",
        "object": "chat.completion",
        "created": _seconds(told.get("created_at")),
        "model": str(told.get("model") or ""),
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        **({} if usage is None else {"usage": usage}),
    }


def write_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body that the writer of Chat Completions made, as one for `/api/chat`. Raises: FormatError for other media."""
    written: dict[str, Any] = {"model": body["model"], "stream": body.get("stream") is True}
    written["messages"] = _messages(body.get("messages", ()))
    if body.get("tools"):
        written["tools"] = body["tools"]
    options = {theirs: body[ours] for ours, theirs in _OPTIONS.items() if body.get(ours) is not None}
    if stop := body.get("stop"):
        options["stop"] = [stop] if isinstance(stop, str) else stop
    if options:
        written["options"] = options
    output = body.get("response_format") or {}
    if output.get("type") == "json_object":
        written["format"] = "json"
    elif output.get("type") == "json_schema":
        written["format"] = output.get("json_schema", {}).get("schema") or "json"
    if (effort := body.get("reasoning_effort")) is not None:
        written["think"] = _THINK.get(effort, "high")
    return written


def _messages(messages: Any) -> list[dict[str, Any]]:
    names: dict[str, str] = {}  # a result names its tool here, and only its call there
    written = []
    for message in messages:
        made: dict[str, Any] = {"role": "system" if message["role"] == "developer" else message["role"]}
        made |= _content(message.get("content"))
        if thought := message.get("reasoning_content"):
            made["thinking"] = thought
        if calls := message.get("tool_calls"):
            names |= {call.get("id", ""): call["function"]["name"] for call in calls}
            made["tool_calls"] = [_written_call(call) for call in calls]
        if made["role"] == "tool" and (name := names.get(message.get("tool_call_id", ""))):
            made["tool_name"] = name
        written.append(made)
    return written


def _written_call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call["function"]
    try:
        arguments = orjson.loads(function.get("arguments") or "{}")
    except orjson.JSONDecodeError:
        raise FormatError(f"the arguments of tool '{function['name'][:40]}' are not JSON") from None
    return {"id": call.get("id", ""), "function": {"name": function["name"], "arguments": arguments}}


def _content(content: Any) -> dict[str, Any]:
    """Text and pictures stand apart; a picture is base64 without its media type."""
    if not isinstance(content, list):
        return {"content": content or ""}
    texts = [part["text"] for part in content if part.get("type") == "text"]
    images = [_image(part) for part in content if part.get("type") != "text"]
    return {"content": "\n".join(texts), **({"images": images} if images else {})}


def _image(part: Mapping[str, Any]) -> str:
    url = part.get("image_url", {}).get("url", "") if part.get("type") == "image_url" else ""
    head, comma, data = url.partition(";base64,")
    if not comma or not head.startswith("data:"):
        raise FormatError("this upstream takes text, and images as data: a part is neither")
    return str(data)


def _told(line: bytes) -> dict[str, Any]:
    try:
        told = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise FormatError(f"a line of the upstream's is not JSON: {error}") from None
    if not isinstance(told, dict):
        raise FormatError("a line of the upstream's is not an object")
    return told


def _said(message: Any) -> dict[str, Any]:
    """What a message of Ollama's says, as a delta: without what is empty."""
    if not isinstance(message, dict):
        return {}
    said: dict[str, Any] = {}
    for theirs, ours in (("thinking", "reasoning_content"), ("content", "content")):
        if isinstance(text := message.get(theirs), str) and text:
            said[ours] = text
    if calls := [_call(call) for call in message.get("tool_calls") or () if isinstance(call, dict)]:
        said["tool_calls"] = calls
    return said


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else orjson.dumps(arguments or {}).decode()
    named = {"name": str(function.get("name") or ""), "arguments": text}
    return {"id": str(call.get("id") or ""), "type": "function", "function": named}


def _usage(told: Mapping[str, Any]) -> dict[str, int] | None:
    """None when Ollama counted nothing. A prompt that was wholly in its cache has no prompt_eval_count."""
    prompt, output = told.get("prompt_eval_count"), told.get("eval_count")
    if not isinstance(prompt, int) and not isinstance(output, int):
        return None
    prompt, output = prompt if isinstance(prompt, int) else 0, output if isinstance(output, int) else 0
    return {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}


def _seconds(moment: Any) -> int:
    try:
        return int(datetime.fromisoformat(moment).timestamp())
    except (TypeError, ValueError):
        return 0


def _failure(error: Any) -> bytes:
    told = error if isinstance(error, str) else orjson.dumps(error).decode()
    return orjson.dumps({"error": {"message": told, "type": "api_error", "param": None, "code": None}})
