"""What single golden inputs are asked for besides the four formats: models that are known, options of a client.

"package/input": {"anthropic": Variant(...)}                    instead of the plain target
                 {"anthropic claude-opus-4-7": Variant(...)}    besides it: the format, and a word for the variant
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True)
class Variant:
    """`upstream`: a vendor of the catalogue and its model; none is a model that nobody knows.

    `context` are fields of ReplyContext, `reading` options of a format's readers, `stream` is what a Gemini client
    says in its path.
    """

    upstream: tuple[str, str] | None = None
    context: dict[str, Any] = field(default_factory=dict)
    reading: dict[str, Any] = field(default_factory=dict)
    stream: bool = False


_OPUS = Variant(("anthropic", "claude-opus-4-7"))
_SONNET = Variant(("anthropic", "claude-sonnet-4-5"))
_HAIKU = Variant(("anthropic", "claude-3-5-haiku-20241022"))
_GPT5 = Variant(("openai", "gpt-5"))
_GPT4 = Variant(("openai", "gpt-4.1"))
_O3 = Variant(("openai", "o3"))
_FLASH = Variant(("google-ai-studio", "gemini-2.5-flash"))
_GEMINI3 = Variant(("google-ai-studio", "gemini-3-pro-preview"))
_VERTEX = Variant(("vertex", "gemini-2.5-flash"))
_OPENROUTER = Variant(("openrouter", "anthropic/claude-sonnet-4.5"))
_DEEPSEEK = Variant(("deepseek", "deepseek-chat"))

_ALL = ("openai-chat", "openai-responses", "anthropic", "gemini")
_OPENAI = ("openai-chat", "openai-responses")
_CLAUDES = {"anthropic claude-sonnet-4-5": _SONNET, "anthropic claude-opus-4-7": _OPUS}
_GEMINIS = {"gemini gemini-2.5-flash": _FLASH, "gemini gemini-3-pro": _GEMINI3}
_GPTS = {"openai-chat gpt-5": _GPT5, "openai-responses gpt-5": _GPT5}
_OLD_CLAUDE = {"anthropic claude-3-5-haiku": _HAIKU}
_WITH_STREAM = Variant(stream=True)
_AS_ARRAY = {"gemini as array": Variant(context={"as_array": True})}

VARIANTS: Final[dict[str, dict[str, Variant]]] = {
    "openai_chat/request_text": _CLAUDES | _OLD_CLAUDE | {"openai-chat deepseek": _DEEPSEEK},
    "openai_chat/request_limits": _CLAUDES | _GPTS | _GEMINIS | {"openai-chat deepseek": _DEEPSEEK},
    "openai_chat/request_only_max_tokens": _CLAUDES | _GPTS | {"openai-chat o3": _O3},
    "openai_chat/request_probabilities": _GPTS | {"openai-chat gpt-4.1": _GPT4},
    "openai_chat/request_serial_tools": {"openai-chat o3": _O3, "openai-responses o3": _O3},
    "openai_chat/request_thinking": {"openai-chat openrouter": _OPENROUTER} | _CLAUDES,
    "openai_chat/request_thinking_forced": _CLAUDES | _GEMINIS,
    "openai_chat/request_json_with_tools": _GEMINIS | _OLD_CLAUDE | _CLAUDES,
    "openai_chat/request_structured": _OLD_CLAUDE | _GEMINIS,
    "openai_chat/request_json_object": _GEMINIS,
    "openai_chat/request_cache": {"openai-chat openrouter": _OPENROUTER},
    "openai_chat/request_flat_schema": _GEMINIS,
    "openai_chat/request_flat_output": _GEMINIS,
    "openai_chat/odd_request_prefill": _CLAUDES,
    "openai_chat/request_tool_loop": _GEMINIS | {"gemini vertex": _VERTEX},
    "openai_chat/request_stream_without_usage": {"openai-chat gpt-4.1": _GPT4},
    "anthropic/request_prefill": _CLAUDES,
    "anthropic/request_thinking_budget": _CLAUDES | _GEMINIS | _GPTS,
    "anthropic/request_thinking_tools": _GEMINIS,
    "anthropic/request_thinking_disabled": _GEMINIS | _GPTS,
    "anthropic/request_thinking_omitted": _CLAUDES | {"gemini gemini-3-pro": _GEMINI3},
    "anthropic/request_adaptive": _CLAUDES | _GEMINIS | _GPTS,
    "anthropic/request_sampling": _CLAUDES | _GPTS,
    "anthropic/request_tool_loop": _GEMINIS,
    "anthropic/request_cached": {"openai-chat openrouter": _OPENROUTER},
    "anthropic/request_structured": _OLD_CLAUDE,
    "gemini/request_text": dict.fromkeys(("openai-chat", "openai-responses", "anthropic"), _WITH_STREAM)
    | {"gemini streamed": _WITH_STREAM},
    "gemini/request_settings": _CLAUDES | {"gemini vertex": _VERTEX, "gemini gemini-2.5-flash": _FLASH},
    "gemini/request_thinking_budget": _CLAUDES | _GPTS | {"gemini gemini-3-pro": _GEMINI3},
    "gemini/request_thinking_off": _CLAUDES | _GPTS | _GEMINIS,
    "gemini/request_thinking_level": _CLAUDES | _GPTS | _GEMINIS,
    "gemini/request_tool_loop": {"gemini vertex": _VERTEX},
    "gemini/request_signatures": {"gemini gemini-2.5-flash": _FLASH},
    "openai_responses/request_reasoning": _CLAUDES | _GEMINIS,
    "openai_responses/request_grouped_calls": _GEMINIS,
    "anthropic/stream_text": _AS_ARRAY | {"openai-chat without usage": Variant(context={"include_usage": False})},
    "anthropic/stream_thinking_tools": {
        f"{target} without thoughts": Variant(context={"show_thinking": False}) for target in _ALL
    },
    "anthropic/reply_tools": {"openai-chat functions": Variant(context={"functions": True})},
    "anthropic/stream_tools": _AS_ARRAY | {"openai-chat functions": Variant(context={"functions": True})},
    "anthropic/odd_stream_error": _AS_ARRAY,
    "anthropic/odd_stream_wrapped_input": {
        target: Variant(context={"custom_tools": frozenset({"apply_patch"})}) for target in _OPENAI
    },
    "anthropic/odd_stream_json_tool": {target: Variant(reading={"unwrap_tool": "json_output"}) for target in _ALL},
    "anthropic/odd_reply_json_tool": {target: Variant(reading={"unwrap_tool": "json_output"}) for target in _ALL},
    "openai_chat/odd_stream_think_tags": {target: Variant(reading={"think_tags": True}) for target in _ALL},
}
for _effort in ("none", "minimal", "low", "high", "xhigh", "max", "small_limit", "tiny_limit", "sampling"):
    VARIANTS[f"openai_chat/request_effort_{_effort}"] = _CLAUDES | _GEMINIS | _GPTS
