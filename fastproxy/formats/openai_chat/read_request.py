"""A Chat Completions body as a ChatRequest.

Every top-level field is read into a field of ChatRequest, or kept in `extra`. A field of a known name with a value that
nobody knows (a new effort, a new response format) is kept in `extra` too, so that it is reported where it is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastproxy.formats.chat import ChatRequest, Original, OutputFormat, Reasoning
from fastproxy.formats.checked import array, as_mapping, boolean, integer, mapping, needed, number, text, wrong
from fastproxy.formats.openai_chat.read_messages import read_messages
from fastproxy.formats.openai_chat.tools import read_choice, read_tools
from fastproxy.formats.openai_chat.words import EFFORTS, NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.formats.chat import Effort

Json = dict[str, Any]

# ChatRequest field → the top-level fields it is read from
KEYS: Final = {
    "model": ("model",),
    "turns": ("messages",),
    "stream": ("stream", "stream_options"),
    "include_usage": ("stream_options",),
    "tools": ("tools", "functions"),
    "tool_choice": ("tool_choice", "function_call"),
    "parallel_tools": ("parallel_tool_calls",),
    "max_output": ("max_completion_tokens", "max_tokens"),
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "top_k": ("top_k",),
    "stop": ("stop",),
    "seed": ("seed",),
    "presence_penalty": ("presence_penalty",),
    "frequency_penalty": ("frequency_penalty",),
    "logit_bias": ("logit_bias",),
    "top_logprobs": ("logprobs", "top_logprobs"),
    "count": ("n",),
    "reasoning": ("reasoning_effort", "reasoning", "thinking", "include_reasoning"),
    "output": ("response_format",),
    "verbosity": ("verbosity",),
    "user": ("safety_identifier", "user"),
    "metadata": ("metadata",),
    "service_tier": ("service_tier",),
    "store": ("store",),
    "cache_key": ("prompt_cache_key",),
}


def read_request(body: Json, *, model: str = "", stream: bool | None = None) -> ChatRequest:
    """`model` and `stream` from outside win. Raises: FormatError, naming the field."""
    said = _said(body)
    if stream is None:
        stream = bool(boolean(body, "stream"))
    if stream:
        said["include_usage"] = _include_usage(body)
    if not model:
        model = needed(text(body, "model"), "model", "a string")
    return ChatRequest(NAME, model, read_messages(body), body, stream, **said)


def _said(body: Json) -> Json:
    """ChatRequest's fields that the body says something of."""
    said: Json = {}
    extra: Json = {}
    for key, value in body.items():
        if value is None:
            continue
        read = _READERS.get(key)
        if read is not None:
            said |= read(body)
        elif key not in _ALWAYS:
            extra[key] = value
    if not _HALF_KNOWN.isdisjoint(body):
        extra |= _half_known(body, said)
    if extra:
        said["extra"] = extra
    return said


def _max_output(body: Json) -> Json:
    newer, older = integer(body, "max_completion_tokens", least=1), integer(body, "max_tokens", least=1)
    return {"max_output": newer if newer is not None else older}


def _top_logprobs(body: Json) -> Json:
    asked = boolean(body, "logprobs")
    return {"top_logprobs": (integer(body, "top_logprobs", least=0) or 0) if asked else None}


def _user(body: Json) -> Json:
    identifier = text(body, "safety_identifier")
    return {"user": identifier if identifier is not None else text(body, "user")}


def read_stop(body: Json) -> tuple[str, ...]:
    value = body.get("stop")
    if isinstance(value, str):
        return (value,)
    found = array(body, "stop") or []
    for place, item in enumerate(found):
        if not isinstance(item, str):
            wrong(f"stop[{place}]", item, "a string")
    return tuple(found)


def _include_usage(body: Json) -> bool:
    options = mapping(body, "stream_options")
    return bool(options and boolean(options, "include_usage", "stream_options."))


def _reasoning(body: Json) -> Reasoning | None:
    """reasoning_effort; else OpenRouter's `reasoning`, else `thinking` as Anthropic writes it and others accept it."""
    effort = body.get("reasoning_effort")
    if effort is not None:
        text(body, "reasoning_effort")
        return Reasoning(effort=effort, original=Original(NAME, effort)) if effort in EFFORTS else None
    asked = body.get("reasoning")
    if isinstance(asked, dict):
        return _by_openrouter(asked)
    asked = body.get("thinking")
    if isinstance(asked, dict):
        return _by_thinking(asked)
    shown = body.get("include_reasoning")
    return Reasoning(show=shown) if isinstance(shown, bool) else None


def _by_openrouter(asked: Json) -> Reasoning | None:
    effort: Effort | None = asked["effort"] if asked.get("effort") in EFFORTS else None
    budget = integer(asked, "max_tokens", "reasoning.", least=0)
    if asked.get("enabled") is False and effort is None:
        effort = "none"
    hidden = boolean(asked, "exclude", "reasoning.")
    show = None if hidden is None else not hidden
    if effort is None and budget is None and show is None and asked.get("enabled") is not True:
        return None
    return Reasoning(effort=effort, budget=budget, show=show, original=Original(NAME, asked))


def _by_thinking(asked: Json) -> Reasoning | None:
    original = Original(NAME, asked)
    kind = asked.get("type")
    if kind == "disabled":
        return Reasoning(budget=0, original=original)
    if kind == "adaptive":
        return Reasoning(adaptive=True, original=original)
    if kind != "enabled":
        return None
    budget = integer(asked, "budget_tokens", "thinking.", least=0)
    return Reasoning(budget=-1 if budget is None else budget, original=original)


def _output(body: Json) -> OutputFormat | None:
    asked = body.get("response_format")
    if asked is None:
        return None
    holder = as_mapping(asked, "response_format")
    original = Original(NAME, holder)
    kind = text(holder, "type", "response_format.")
    if kind == "json_object":
        return OutputFormat(kind="json_object", original=original)
    if kind != "json_schema":
        return None
    path = "response_format.json_schema."
    inner: Json = needed(mapping(holder, kind, "response_format."), kind, "an object", "response_format.")
    return OutputFormat(
        kind="json_schema",
        schema=mapping(inner, "schema", path),
        name=text(inner, "name", path),
        description=text(inner, "description", path),
        strict=boolean(inner, "strict", path),
        original=original,
    )


def _half_known(body: Json, said: Json) -> Json:
    """Values without a word, of fields that have one."""
    extra: Json = {}
    if said.get("reasoning") is None:
        extra |= {key: body[key] for key in KEYS["reasoning"] if body.get(key) is not None}
    asked = body.get("response_format")
    if said.get("output") is None and asked is not None and asked.get("type") != "text":
        extra["response_format"] = asked
    options = body.get("stream_options")
    if isinstance(options, dict) and (rest := {key: options[key] for key in options if key != "include_usage"}):
        extra["stream_options"] = rest
    if body.get("safety_identifier") is not None and body.get("user") is not None:
        extra["user"] = body["user"]
    return extra


_HALF_KNOWN: Final = frozenset((*KEYS["reasoning"], "response_format", "stream_options", "safety_identifier"))
_ALWAYS: Final = frozenset(("model", "messages", "stream", "stream_options"))
_BY_FIELD: Final[dict[str, Callable[[Json], Json]]] = {
    "tools": lambda body: {"tools": read_tools(body)},
    "tool_choice": lambda body: {"tool_choice": read_choice(body)},
    "parallel_tools": lambda body: {"parallel_tools": boolean(body, "parallel_tool_calls")},
    "max_output": _max_output,
    "temperature": lambda body: {"temperature": number(body, "temperature")},
    "top_p": lambda body: {"top_p": number(body, "top_p")},
    "top_k": lambda body: {"top_k": integer(body, "top_k")},
    "stop": lambda body: {"stop": read_stop(body)},
    "seed": lambda body: {"seed": integer(body, "seed")},
    "presence_penalty": lambda body: {"presence_penalty": number(body, "presence_penalty")},
    "frequency_penalty": lambda body: {"frequency_penalty": number(body, "frequency_penalty")},
    "logit_bias": lambda body: {"logit_bias": mapping(body, "logit_bias")},
    "top_logprobs": _top_logprobs,
    "count": lambda body: {"count": integer(body, "n", least=1)},
    "reasoning": lambda body: {"reasoning": _reasoning(body)},
    "output": lambda body: {"output": _output(body)},
    "verbosity": lambda body: {"verbosity": text(body, "verbosity")},
    "user": _user,
    "metadata": lambda body: {"metadata": mapping(body, "metadata")},
    "service_tier": lambda body: {"service_tier": text(body, "service_tier")},
    "store": lambda body: {"store": boolean(body, "store")},
    "cache_key": lambda body: {"cache_key": text(body, "prompt_cache_key")},
}
# Called for the fields that a body has: 3 us less than asking for each of them.
_READERS: Final = {key: read for field, read in _BY_FIELD.items() for key in KEYS[field]}
