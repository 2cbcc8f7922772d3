"""What the mock refuses in a body: it is stricter than the vendors, so that a gateway's mistakes show as a 4xx.

All functions raise Fault or return what they have read. No sockets, no replies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from fastproxy.loadtest.mock_access import NEW_VERSION, version
from fastproxy.loadtest.mock_faults import Fault
from fastproxy.loadtest.mock_form import MULTIPART, form

if TYPE_CHECKING:
    from fastproxy.loadtest.mock_request import Request
    from fastproxy.loadtest.mock_routes import Route

_SAMPLING = ("temperature", "top_p", "top_k")

_NAMES: dict[type, str] = {str: "a string", list: "an array", dict: "an object", int: "an integer", bool: "a boolean"}
_Kinds = tuple[type, ...]

_REQUIRED: dict[str, dict[str, _Kinds]] = {
    "chat/completions": {"model": (str,), "messages": (list,)},
    "completions": {"model": (str,), "prompt": (str, list)},
    "responses": {"model": (str,), "input": (str, list)},
    "responses/input_tokens": {"model": (str,), "input": (str, list)},
    "embeddings": {"model": (str,), "input": (str, list)},
    "moderations": {"input": (str, list)},
    "images/generations": {"prompt": (str,)},
    "audio/speech": {"model": (str,), "input": (str,), "voice": (str, dict)},
    "rerank": {"model": (str,), "query": (str,), "documents": (list,)},
    "batches": {"input_file_id": (str,), "endpoint": (str,), "completion_window": (str,)},
    "messages": {"model": (str,), "max_tokens": (int,), "messages": (list,)},
    "messages/count_tokens": {"model": (str,), "messages": (list,)},
    "generateContent": {"contents": (list,)},
    "streamGenerateContent": {"contents": (list,)},
    "countTokens": {},
    "embedContent": {"content": (dict,)},
    "batchEmbedContents": {"requests": (list,)},
}
_OPTIONAL: dict[str, _Kinds] = {
    "stream": (bool,),
    "stream_options": (dict,),
    "max_tokens": (int,),
    "max_completion_tokens": (int,),
    "max_output_tokens": (int,),
    "temperature": (int, float),
    "top_p": (int, float),
    "tools": (list,),
    "system": (str, list),
    "instructions": (str, list),
    "encoding_format": (str,),
    "dimensions": (int,),
}
_ROLES: dict[str, tuple[str, ...]] = {
    "chat/completions": ("developer", "system", "user", "assistant", "tool", "function"),
    "messages": ("user", "assistant"),
    "messages/count_tokens": ("user", "assistant"),
}
_FOREIGN = ("messages", "stream", "max_tokens", "stream_options")


def body(route: Route, request: Request) -> dict[str, Any]:
    """The request's JSON (or form), with the fields that this operation cannot do without."""
    if request.method != b"POST":
        return {}
    if route.name in MULTIPART:
        return form(route.name, request)
    if route.name not in _REQUIRED:
        return {}
    value = _json(request)
    if route.model and route.format == "openai":
        value.setdefault("model", route.model)
    for name, kinds in _REQUIRED[route.name].items():
        _need(value, name, kinds)
    for name, kinds in _OPTIONAL.items():
        if value.get(name) is not None:
            _need(value, name, kinds)
    _details(route, request, value)
    return value


def _json(request: Request) -> dict[str, Any]:
    kind = request.field(b"content-type")
    if kind.partition(";")[0].strip().lower() != "application/json":
        raise Fault(400, f"content-type: expected application/json, got {kind or 'nothing'}")
    try:
        value = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Fault(400, f"We could not parse the JSON body of your request: {error}") from error
    if not isinstance(value, dict):
        raise Fault(400, "We could not parse the JSON body of your request: expected an object")
    return value


def _need(value: dict[str, Any], name: str, kinds: _Kinds) -> None:
    if name not in value:
        raise Fault(400, f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
    got = value[name]
    if not isinstance(got, kinds) or (isinstance(got, bool) and bool not in kinds):
        expected = " or ".join(_NAMES.get(kind, "a number") for kind in kinds)
        seen = _NAMES.get(type(got), "null" if got is None else "a number")
        text = f"Invalid type for '{name}': expected {expected}, but got {seen} instead."
        raise Fault(400, text, param=name, code="invalid_type")
    if name in ("model", "messages", "contents") and not got:
        raise Fault(400, f"Invalid '{name}': empty.", param=name, code="invalid_value")


def _details(route: Route, request: Request, value: dict[str, Any]) -> None:
    if "stream_options" in value and not value.get("stream"):
        text = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise Fault(400, text, param="stream_options")
    if route.name in _ROLES:
        _messages(value["messages"], _ROLES[route.name])
    if route.format == "anthropic" and version(request) == NEW_VERSION:
        for name in _SAMPLING:
            if name in value:
                raise Fault(400, f"{name}: Extra inputs are not permitted", param=name)
    if route.format == "gemini":
        _contents(value)
    if value.get("encoding_format") not in (None, "float", "base64"):
        raise Fault(400, "encoding_format: expected float or base64", param="encoding_format")


def _messages(messages: list[Any], roles: tuple[str, ...]) -> None:
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        if not isinstance(message, dict):
            raise Fault(400, f"{where}: expected an object", param=where)
        if message.get("role") not in roles:
            raise Fault(400, f"{where}.role: expected one of {', '.join(roles)}", param=f"{where}.role")
        content = message.get("content")
        if not isinstance(content, (str, list)) and not (content is None and message["role"] == "assistant"):
            raise Fault(400, f"{where}.content: expected a string or an array", param=f"{where}.content")
        if isinstance(content, list) and not all(isinstance(part, dict) and "type" in part for part in content):
            raise Fault(400, f"{where}.content: every part needs a type", param=f"{where}.content")


def _contents(value: dict[str, Any]) -> None:
    for name in _FOREIGN:
        if name in value:
            raise Fault(400, f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.', param=name)
    for index, content in enumerate(value.get("contents", ())):
        where = f"contents[{index}]"
        if not isinstance(content, dict) or not isinstance(content.get("parts"), list):
            raise Fault(400, f"{where}.parts: expected an array", param=where)
        if content.get("role") not in (None, "user", "model", "function"):
            raise Fault(400, f"{where}.role: Please use a valid role: user, model.", param=where)
