"""The words of Ollama and the hub's, as total tables; what is in no table has a safe default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastproxy.formats.chat import Effort
    from fastproxy.formats.events import Reason

NAME: Final = "ollama"

# done_reason. "load" and "unload" answer a request without messages; older servers gave no reason at all, and newer
# ones none when the runner went away behind the last token.
REASON_OF: Final[Mapping[str, Reason]] = {
    "": "stop",
    "stop": "stop",
    "length": "length",
    "load": "stop",
    "unload": "stop",
}

# What `think` takes where a model is told how hard to think (gpt-oss); all other models are told whether.
LEVELS: Final[Mapping[Effort, str]] = {
    "none": "low",  # such a model cannot be told not to think
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}

# ChatRequest field → its name in `options`
OPTIONS: Final[Mapping[str, str]] = {
    "max_output": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}
# Fields of Ollama's own that a client of any format may send along. `options` goes below what the client's own
# format has said.
OWN: Final = ("keep_alive", "truncate", "shift")

LOSSY: Final[Mapping[str, str]] = {
    "tool_choice": "no such field: the other tools are left out, and it is asked for in words",
    "parallel_tools": "the model decides itself how many tools it calls",
    "logit_bias": "no such option",
    "count": "one reply to a request",
    "verbosity": "no such field",
    "user": "no such field",
    "metadata": "no such field",
    "service_tier": "no such field",
    "store": "nothing is stored",
    "previous": "no conversation is kept",
    "cache_key": "it caches by itself",
    "part.cache": "it caches by itself",
    "turn.name": "participants have no names",
    "reasoning": "most models are told to think, not how long",
    "foreign thinking": "the thoughts of another vendor's model",
    "text.signature": "texts have no signature",
    "call.signature": "calls have no signature",
    "citations": "no field in a request",
    "image by address": "an image is base64 data",
    "image.detail": "no such field",
    "documents": "no files but images",
    "audio": "no files but images",
    "video": "no files but images",
    "assistant media": "pictures are the user's",
    "media in a tool result": "a result is text; moved into a user message behind it",
    "is_error": "a result has no such mark; it is said in words",
    "refusal": "sent as text",
    "opaque": "only its own format has it",
    "tool.builtin": "it runs at another vendor",
    "tool.custom": "sent as a function with one text",
    "tool.strict": "no such field",
    "extra": "only its own format has it",
}
