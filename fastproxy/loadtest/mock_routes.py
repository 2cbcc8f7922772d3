"""Which provider operation a path means. Data and one look-up; no checking of bodies, no replies.

Vendors put the same operations behind different prefixes (`/v1`, `/openai/v1`, `/api/paas/v4`, none), so a path is
matched by how it ends. What a sloppy gateway produces is not matched: empty segments, trailing slashes, `v1/v1`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Format = Literal["openai", "anthropic", "gemini"]

# Ending of the path ("*" is one segment, an id) -> method -> format. Longer endings are tried first.
_ENDINGS: dict[str, dict[str, Format]] = {
    "chat/completions": {"POST": "openai"},
    "completions": {"POST": "openai"},
    "responses": {"POST": "openai"},
    "responses/input_tokens": {"POST": "openai"},
    "responses/*": {"GET": "openai", "DELETE": "openai"},
    "responses/*/cancel": {"POST": "openai"},
    "responses/*/input_items": {"GET": "openai"},
    "embeddings": {"POST": "openai"},
    "moderations": {"POST": "openai"},
    "images/generations": {"POST": "openai"},
    "images/edits": {"POST": "openai"},
    "images/variations": {"POST": "openai"},
    "audio/speech": {"POST": "openai"},
    "audio/transcriptions": {"POST": "openai"},
    "audio/translations": {"POST": "openai"},
    "rerank": {"POST": "openai"},
    "files": {"GET": "openai", "POST": "openai"},
    "files/*": {"GET": "openai", "DELETE": "openai"},
    "files/*/content": {"GET": "openai"},
    "batches": {"GET": "openai", "POST": "openai"},
    "batches/*": {"GET": "openai"},
    "batches/*/cancel": {"POST": "openai"},
    "messages": {"POST": "anthropic"},
    "messages/count_tokens": {"POST": "anthropic"},
    "models": {"GET": "openai"},
}
_VERBS = ("generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents")
_LONGEST = 3


@dataclass(frozen=True, slots=True)
class Route:
    """What is asked for. `name` is the ending (`chat/completions`) or Gemini's verb; `id` fills the star."""

    format: Format
    name: str
    id: str = ""
    model: str = ""
    cloud: Literal["", "azure", "vertex"] = ""


@lru_cache(maxsize=1024)
def find(method: str, path: str) -> Route | frozenset[str]:
    """The route; or the methods that this path would allow, empty when nothing is served there."""
    segments = path.split("/")[1:]
    if not path.startswith("/") or "" in segments or _doubled(segments):
        return frozenset()
    return _gemini(method, segments) or _one_model(method, segments) or _by_ending(method, segments)


def _doubled(segments: list[str]) -> bool:
    """True for `v1/v1` and the like: a base URL joined twice."""
    return any(a == b and a[:1] == "v" and a[1:2].isdigit() for a, b in itertools.pairwise(segments))


def _gemini(method: str, segments: list[str]) -> Route | None:
    """`models/{model}:{verb}`, also under Vertex AI's long prefix."""
    model, colon, verb = segments[-1].rpartition(":")
    if not (colon and model and method == "POST" and verb in _VERBS and "models" in segments[:-1]):
        return None
    return Route("gemini", verb, model=model, cloud="vertex" if "publishers" in segments else "")


def _one_model(method: str, segments: list[str]) -> Route | None:
    """`models/{id}`, where an id may itself hold slashes."""
    if method not in ("GET", "HEAD") or "models" not in segments[:-1]:
        return None
    return Route(_list_format(segments), "models/*", id="/".join(segments[segments.index("models") + 1 :]))


def _by_ending(method: str, segments: list[str]) -> Route | frozenset[str]:
    wanted = "GET" if method == "HEAD" else method
    for length in range(min(_LONGEST, len(segments)), 0, -1):
        tail = segments[-length:]
        for name in ("/".join(tail), "/".join([tail[0], "*", *tail[2:]])):
            allowed = _ENDINGS.get(name)
            if allowed is None:
                continue
            if wanted not in allowed:
                return frozenset(allowed)
            return _route(name, allowed[wanted], segments, tail)
    return frozenset()


def _route(name: str, style: Format, segments: list[str], tail: list[str]) -> Route:
    star = tail[1] if "*" in name else ""
    if "deployments" in segments[: -len(tail)]:
        return Route(style, name, id=star, model=segments[segments.index("deployments") + 1], cloud="azure")
    if name == "models":
        style = _list_format(segments)
    return Route(style, name, id=star, cloud="azure" if segments[:2] == ["openai", "v1"] else "")


def _list_format(segments: list[str]) -> Format:
    """`v1beta/models` is Gemini's list; `v1beta/openai/models` and `v1/models` are decided by the headers."""
    return "gemini" if segments[segments.index("models") - 1] in ("v1beta", "v1alpha") else "openai"
