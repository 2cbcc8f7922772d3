"""Anthropic's words and the hub's, side by side. Every table is total on the hub's side; tests hold them to the SDK.

stop_reason   end_turn max_tokens stop_sequence tool_use pause_turn refusal model_context_window_exceeded
tool_choice   auto any tool none
effort        low medium high xhigh max          (output_config.effort)
service_tier  asked: auto standard_only          told: standard priority batch
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastproxy.formats.chat import Effort
    from fastproxy.formats.events import Reason

NAME: Final = "anthropic"
API_VERSION: Final = "2023-06-01"  # the one that takes sampling parameters
JSON_TOOL: Final = "json_output"  # whose input is the reply, for models without structured output
JSON_TOOL_MARK: Final = "Gives the final answer to the user. Its input is the answer itself."
PLACEHOLDER: Final = "…"  # where the API demands a text and the client has none
NO_RESULT: Final = "no result"
GO_ON: Final = "Continue."  # behind a last assistant turn that the model does not take as the reply's beginning
JSON_NUDGE: Final = "Reply with one JSON object and nothing else: no prose around it, no code fence."

READ_REASONS: Final[Mapping[str, Reason]] = {
    "end_turn": "stop",
    "max_tokens": "length",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "refusal": "refusal",
    "model_context_window_exceeded": "context_window",
}
WRITE_REASONS: Final[Mapping[Reason, str]] = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "context_window": "model_context_window_exceeded",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
    "pause": "pause_turn",
    "bad_tool_call": "end_turn",
    "cancelled": "end_turn",
    "other": "end_turn",
}
# Reasons that stay what they are although tools were called: the reply did not come to its end.
FIRMER_THAN_CALLS: Final = frozenset({"length", "context_window", "refusal", "content_filter", "pause"})

WRITE_EFFORTS: Final[Mapping[Effort, str]] = {
    "none": "low",  # where thinking cannot be stopped
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}

READ_TIERS: Final = {"auto": "auto", "standard_only": "default"}
WRITE_TIERS: Final = {"auto": "auto", "default": "standard_only", "priority": "auto"}
READ_REPLY_TIERS: Final = {"standard": "default", "priority": "priority", "batch": "flex"}
WRITE_REPLY_TIERS: Final = {"default": "standard", "priority": "priority", "flex": "batch"}

IMAGE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})

# Blocks that only this format has.
OWN_BLOCKS: Final = frozenset(
    {
        "bash_code_execution_tool_result",
        "browser_state",
        "code_execution_tool_result",
        "container_upload",
        "mcp_tool_result",
        "mcp_tool_use",
        "search_result",
        "server_tool_use",
        "text_editor_code_execution_tool_result",
        "tool_reference",
        "tool_search_tool_result",
        "web_fetch_tool_result",
        "web_search_tool_result",
    }
)

FIELDS: Final[Mapping[str, str]] = {
    "turns": "messages",
    "max_output": "max_tokens",
    "stop": "stop_sequences",
    "parallel_tools": "tool_choice.disable_parallel_tool_use",
    "reasoning": "thinking",
    "output": "output_config.format",
    "user": "metadata.user_id",
}

LOSSY: Final[Mapping[str, str]] = {
    "seed": "no field for it",
    "presence_penalty": "no field for it",
    "frequency_penalty": "no field for it",
    "logit_bias": "no field for it",
    "top_logprobs": "no log probabilities",
    "count": "one alternative only",
    "verbosity": "no field for it",
    "metadata": "only a user's id",
    "store": "nothing is stored",
    "previous": "nothing is stored",
    "cache_key": "cached by breakpoints only",
    "name": "participants have no names",
    "refusal": "sent as text",
    "audio": "no audio in messages",
    "video": "no video in messages",
    "detail": "images have no detail",
    "json_object": "JSON is asked for in words",
    "foreign_signature": "only its own signatures",
    "foreign_builtin": "runs at another vendor",
    "custom": "free text travels as one string argument",
    "allowed": "the other tools are left out",
}
