"""Replies of the operations that are not conversation: models, embeddings, images, audio, files, batches. Pure.

Nothing is stored: an id that looks right is answered as if it existed, so that every process of the mock agrees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastproxy.loadtest.mock_faults import Fault
from fastproxy.loadtest.mock_responses import response

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.loadtest.mock_answer import Answer, Json
    from fastproxy.loadtest.mock_routes import Format, Route

_CREATED = 1_750_000_000
_BORN = "2025-06-15T00:00:00Z"
_CATEGORIES = ("harassment", "hate", "illicit", "self-harm", "sexual", "violence")
_PREFIXES = {"responses": "resp_", "files": "file-", "batches": "batch_"}


def model_list(style: Format, names: tuple[str, ...]) -> Json:
    """`GET /v1/models` in the shape of the asker's format."""
    models = [one_model(style, name) for name in names]
    if style == "anthropic":
        return {"data": models, "has_more": False, "first_id": names[0], "last_id": names[-1]}
    if style == "gemini":
        return {"models": models}
    return {"object": "list", "data": models}


def one_model(style: Format, name: str) -> Json:
    """One entry of the list."""
    if style == "anthropic":
        limits = {"max_input_tokens": 200_000, "max_tokens": 64_000}
        named = {"type": "model", "id": name, "display_name": name.replace("-", " ").title(), "created_at": _BORN}
        return {**named, "lifecycle": "active", "line": None, "capabilities": None, **limits}
    if style == "gemini":
        methods = ["generateContent", "countTokens", "embedContent"]
        limits = {"inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536}
        named = {"name": "models/" + name, "version": "001", "displayName": name}
        return {**named, **limits, "supportedGenerationMethods": methods}
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "mock"}


def moderation(answer: Answer) -> Json:
    """`POST /v1/moderations`: nothing is ever flagged."""
    flags = dict.fromkeys(_CATEGORIES, False)
    scores = dict.fromkeys(_CATEGORIES, 0.0001)
    kinds = {name: ["text"] for name in _CATEGORIES}
    result = {"flagged": False, "categories": flags, "category_scores": scores, "category_applied_input_types": kinds}
    many = answer.asked["input"] if isinstance(answer.asked["input"], list) else [0]
    return {"id": "modr-" + answer.ident, "model": answer.model, "results": [result] * len(many)}


def transcription(answer: Answer) -> Json:
    """`POST /v1/audio/{transcriptions,translations}`."""
    usage = {
        "type": "tokens",
        "input_tokens": answer.tally.prompt,
        "input_token_details": {"audio_tokens": answer.tally.prompt, "text_tokens": 0},
        "output_tokens": answer.tally.output,
        "total_tokens": answer.tally.prompt + answer.tally.output,
    }
    return {"text": answer.text, "usage": usage}


def rerank(answer: Answer) -> Json:
    """`POST /v1/rerank`, as Cohere and Jina write it: best first."""
    documents = answer.asked["documents"]
    keep = answer.asked.get("top_n") or len(documents)
    results = [{"index": n, "relevance_score": round(0.99 / (n + 1), 6)} for n in range(len(documents))]
    billed = {"input_tokens": answer.tally.prompt, "search_units": 1}
    meta = {"api_version": {"version": "2"}, "billed_units": billed}
    return {"id": answer.ident, "model": answer.model, "results": results[:keep], "meta": meta}


def count_tokens(answer: Answer) -> Json:
    """Anthropic's `POST /v1/messages/count_tokens`."""
    return {"input_tokens": answer.tally.prompt}


def input_tokens(answer: Answer) -> Json:
    """`POST /v1/responses/input_tokens`."""
    return {"object": "response.input_tokens", "input_tokens": answer.tally.prompt}


def gemini_count(answer: Answer) -> Json:
    """`…:countTokens`."""
    details = [{"modality": "TEXT", "tokenCount": answer.tally.prompt}]
    return {"totalTokens": answer.tally.prompt, "promptTokensDetails": details}


def file(answer: Answer) -> Json:
    """`POST /v1/files` and `GET /v1/files/{id}`."""
    asked = answer.asked
    return {
        "id": "file-" + answer.ident,
        "object": "file",
        "bytes": asked.get("file", 0),
        "created_at": answer.now,
        "filename": asked.get("filename", "mock.jsonl"),
        "purpose": asked.get("purpose", "batch"),
        "status": "processed",
    }


def batch(answer: Answer, status: str = "validating") -> Json:
    """`POST /v1/batches` and its look-ups."""
    asked = answer.asked
    return {
        "id": "batch_" + answer.ident,
        "object": "batch",
        "endpoint": asked.get("endpoint", "/v1/chat/completions"),
        "errors": None,
        "input_file_id": asked.get("input_file_id", "file-mock"),
        "completion_window": asked.get("completion_window", "24h"),
        "status": status,
        "created_at": answer.now,
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "metadata": asked.get("metadata"),
    }


def by_id(method: str, route: Route, answer: Answer) -> Json:
    """GET, DELETE, cancel and sub-lists of responses, files and batches."""
    family, _, action = route.name.replace("/*", "").partition("/")
    prefix = _PREFIXES[family]
    if not route.id.startswith(prefix):
        raise Fault(404, f"No such {family}: '{route.id}', ids begin with {prefix}", param="id", code="not_found")
    if method == "DELETE":
        return {"id": route.id, "object": "response" if family == "responses" else "file", "deleted": True}
    if action == "input_items":
        return _page([{"id": "msg_in", "type": "message", "role": "user", "content": []}])
    found = _LOOK_UPS[family, action](answer)
    return found | {"id": route.id}


def listing(family: str, answer: Answer) -> Json:
    """`GET /v1/files`, `GET /v1/batches`: one entry."""
    return _page([file(answer) if family == "files" else batch(answer)])


def _page(items: list[Json]) -> Json:
    ends = {"first_id": items[0]["id"], "last_id": items[-1]["id"]}
    return {"object": "list", "data": items, **ends, "has_more": False}


_LOOK_UPS: dict[tuple[str, str], Callable[[Answer], Json]] = {
    ("responses", ""): response,
    ("responses", "cancel"): lambda answer: response(answer) | {"status": "cancelled"},
    ("files", ""): file,
    ("batches", ""): lambda answer: batch(answer, "completed"),
    ("batches", "cancel"): lambda answer: batch(answer, "cancelling"),
}
