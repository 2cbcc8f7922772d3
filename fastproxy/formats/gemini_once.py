"""One generateContent that is asked once: what images, speech and transcripts of a Gemini channel have in common.

path      /models/M:generateContent
parts     candidates[].content.parts[], less what the model made while it thought
counts    usageMetadata; promptTokensDetails and candidatesTokensDetails tell text, image and audio apart
nothing   promptFeedback.blockReason, or a finishReason other than STOP: the client's error, with that word
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from fastproxy.errors import UpstreamFailed
from fastproxy.formats.checked import array, mapping
from fastproxy.formats.question import Answer, Question, Wish, counted
from fastproxy.formats.usage_fields import GeminiUsage, Usage

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]

INLINE_BYTES: Final = 20 << 20  # of files in one request; Google takes 20 to 100 MB, Vertex AI the least
_WELL_ENDED: Final = ("STOP", "FINISH_REASON_UNSPECIFIED", None)


def asked(
    wish: Wish, parts: list[Json], settings: Json, read: Callable[[Json], Answer], losses: tuple[str, ...]
) -> Question:
    """The question: one turn of the user with these parts."""
    model = wish.upstream_model.removeprefix("models/")
    body: Json = {"contents": [{"role": "user", "parts": parts}]}
    if settings:
        body["generationConfig"] = settings
    return Question(f"/models/{quote(model, safe='/:@')}:generateContent", body, read, losses)


def written_usage(usage: Usage, details: str, kind: str, count: int) -> Json:
    """OpenAI's counts; `count` of the input's tokens are of that `kind`, the rest is text."""
    spent = usage.input + usage.cache_read
    return {
        "input_tokens": spent,
        details: {f"{kind}_tokens": count, "text_tokens": max(0, spent - count)},
        "output_tokens": usage.output,
        "total_tokens": spent + usage.output,
    }


def parts_of(reply: Json) -> list[Json]:
    """What the model said, its drafts and thoughts left out."""
    found = []
    for candidate in array(reply, "candidates") or []:
        content = mapping(candidate, "content") if isinstance(candidate, dict) else None
        found += [part for part in array(content or {}, "parts") or [] if isinstance(part, dict)]
    return [part for part in found if part.get("thought") is not True]


def blobs_of(reply: Json, default_type: str) -> list[tuple[str, str]]:
    """Media type and base64 of each file among the parts."""
    held = [part.get("inlineData") for part in parts_of(reply)]
    return [
        (str(blob.get("mimeType") or default_type), blob["data"])
        for blob in held
        if isinstance(blob, dict) and isinstance(blob.get("data"), str)
    ]


def bad_end(reply: Json) -> str | None:
    """Why the model made nothing, or not all, in its own word; None when it ended well."""
    blocked = (mapping(reply, "promptFeedback") or {}).get("blockReason")
    candidates = array(reply, "candidates") or []
    reasons = [candidate.get("finishReason") for candidate in candidates if isinstance(candidate, dict)]
    return next((str(word)[:40] for word in (blocked, *reasons) if word not in _WELL_ENDED), None)


def nothing_made(reply: Json, what: str) -> UpstreamFailed:
    """The error for a reply without `what`: a 400, because asking again would not help."""
    reason = bad_end(reply) or "the upstream gave no reason"
    return UpstreamFailed(f"no {what} was made: {reason}", status=400, kind="bad_request")


def usage_of(reply: Json) -> Usage | None:
    found = counted(reply.get("usageMetadata"), GeminiUsage)
    return found.read() if found is not None else None


def of_modality(reply: Json, details: str, modality: str) -> int:
    """How many tokens of `modality` are told apart in `details`; 0 when nothing is said."""
    listed = (mapping(reply, "usageMetadata") or {}).get(details)
    held = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    counts = [item.get("tokenCount") for item in held if item.get("modality") == modality]
    return sum(count for count in counts if type(count) is int and count > 0)
