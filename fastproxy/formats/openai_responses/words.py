"""The words of OpenAI's Responses API and what they mean in ours: total tables, held to the SDK's types by a test.

    reply status       completed │ incomplete + reason │ failed + error code │ cancelled
    our reason         stop …    │ length, filter …    │ Failure             │ Failure

Source: openai 3.54, types/responses/{response,response_error,response_status,tool_choice_options}.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_args

from fastproxy.formats.chat import Effort
from fastproxy.formats.efforts import effort_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fastproxy.formats.events import Reason

NAME: Final = "openai-responses"

# ChatRequest's field → the name that it has here
FIELDS: Final[Mapping[str, str]] = {
    "model": "model",
    "turns": "input",
    "stream": "stream",
    "tools": "tools",
    "tool_choice": "tool_choice",
    "parallel_tools": "parallel_tool_calls",
    "max_output": "max_output_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_logprobs": "top_logprobs",
    "reasoning": "reasoning",
    "output": "text.format",
    "verbosity": "text.verbosity",
    "user": "safety_identifier",
    "metadata": "metadata",
    "service_tier": "service_tier",
    "store": "store",
    "previous": "previous_response_id",
    "cache_key": "prompt_cache_key",
}

# what cannot be said here: a field of ChatRequest, or a part and its feature
LOSSY: Final[Mapping[str, str]] = {
    "stop": "Responses have no stop sequences",
    "count": "Responses give one alternative",
    "seed": "Responses have no seed",
    "top_k": "Responses have no top_k",
    "presence_penalty": "Responses have no penalties",
    "frequency_penalty": "Responses have no penalties",
    "logit_bias": "Responses have no logit_bias",
    "extra": "unknown to Responses",
    "turn.name": "messages have no participant's name",
    "part.cache": "cache breakpoints are automatic",
    "audio": "messages carry no sound",
    "video": "messages carry no video",
    "opaque": "only its own format has it",
    "assistant.image": "only users and tools show files",
    "thinking.foreign": "the reasoning of another vendor",
    "text.signature": "the signature of another vendor",
    "document.context": "files have no context",
    "image.file_id": "the file is with another vendor",
    "tool_result.is_error": "results have no error flag; told in the text",
    "tool.builtin": "runs at another vendor",
    "reasoning.budget": "told as an effort",
}

EFFORTS: Final[tuple[Effort, ...]] = get_args(Effort)
TIERS: Final[Mapping[str, str]] = {
    "auto": "auto",
    "default": "default",
    "flex": "flex",
    "scale": "scale",
    "priority": "priority",
    "fast": "fast",
    "ultrafast": "ultrafast",
    "standard_only": "default",  # Anthropic's request
    "standard": "default",  # Anthropic's and Gemini's
}
# a reply's tier → the word for it here; `auto` was a wish, not a tier
REPLY_TIERS: Final[Mapping[str, str]] = {
    "default": "default",
    "standard": "default",
    "flex": "flex",
    "batch": "flex",
    "scale": "scale",
    "priority": "priority",
    "fast": "priority",
    "ultrafast": "ultrafast",
}

INCOMPLETE: Final[Mapping[str, Reason]] = {
    "max_output_tokens": "length",
    "content_filter": "content_filter",
    "max_messages": "pause",
    "steered": "other",
}
# our reason → why a reply is incomplete here; None: it is complete
UNFINISHED: Final[Mapping[Reason, str | None]] = {
    "stop": None,
    "stop_sequence": None,
    "length": "max_output_tokens",
    "context_window": "max_output_tokens",
    "tool_calls": None,
    "content_filter": "content_filter",
    "refusal": "content_filter",  # unless the refusal itself was told: words.unfinished
    "pause": None,
    "bad_tool_call": None,
    "cancelled": None,
    "other": None,
}

# reasons with which an explanation may come, to be told as a refusal
REFUSING: Final = ("refusal", "content_filter")

# items that only Responses have: who put them into the conversation
KNOWN_ITEMS: Final[Mapping[str, str]] = {
    "file_search_call": "assistant",
    "computer_call": "assistant",
    "computer_call_output": "user",
    "web_search_call": "assistant",
    "tool_search_call": "assistant",
    "tool_search_output": "user",
    "additional_tools": "developer",
    "configuration_update": "developer",
    "compaction": "assistant",
    "compaction_trigger": "user",
    "image_generation_call": "assistant",
    "code_interpreter_call": "assistant",
    "local_shell_call": "assistant",
    "local_shell_call_output": "user",
    "shell_call": "assistant",
    "shell_call_output": "user",
    "apply_patch_call": "assistant",
    "apply_patch_call_output": "user",
    "mcp_list_tools": "assistant",
    "mcp_approval_request": "assistant",
    "mcp_approval_response": "user",
    "mcp_call": "assistant",
    "item_reference": "assistant",
    "program": "assistant",
    "program_output": "assistant",
}

CHOICES: Final = ("auto", "none", "required")
SUMMARIES: Final = ("auto", "concise", "detailed")
ENCRYPTED: Final = "reasoning.encrypted_content"
LOGPROBS: Final = "message.output_text.logprobs"


def reason_of(response: Mapping[str, Any], *, calls: bool, refused: bool) -> Reason:
    """Why a complete or incomplete response ended. Calls count more than the word `completed` (case 203)."""
    if response.get("status") == "incomplete" or response.get("incomplete_details"):
        details = response.get("incomplete_details")
        word = details.get("reason") if isinstance(details, dict) else None
        found = INCOMPLETE.get(word, "other") if isinstance(word, str) else "other"
        if found in ("length", "content_filter"):
            return found
        return "tool_calls" if calls else found
    if refused:
        return "refusal"
    return "tool_calls" if calls else "stop"


def unfinished(reason: Reason, *, refused: bool) -> str | None:
    """incomplete_details.reason of a reply; a refusal in the model's own words is a complete reply."""
    return None if refused and reason == "refusal" else UNFINISHED[reason]


def nearest_effort(wanted: Effort, known: Iterable[Effort]) -> Effort:
    """The one of `known` that is closest, the lower of two; `wanted` itself when nothing is known."""
    place = EFFORTS.index(wanted)
    thinking = [effort for effort in known if (effort == "none") == (wanted == "none")] or list(known)
    return min(thinking, key=lambda effort: (abs(EFFORTS.index(effort) - place), EFFORTS.index(effort)), default=wanted)


def effort_of(budget: int) -> Effort | None:
    """The effort that spends about `budget` tokens of thought; None for the model's own choice."""
    return None if budget < 0 else effort_for(budget)


def flat_name(namespace: object, name: str) -> str:
    """The name that a tool of a namespace has elsewhere: `mcp__files` and `read` are `mcp__files__read`."""
    if not isinstance(namespace, str) or not namespace:
        return name
    return namespace + name if namespace.endswith("__") else f"{namespace}__{name}"
