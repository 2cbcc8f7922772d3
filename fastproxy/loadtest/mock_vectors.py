"""Embeddings of two vendors: a deterministic vector for each text. Pure."""

from __future__ import annotations

import base64
import hashlib
from array import array
from typing import TYPE_CHECKING, Any

from fastproxy.loadtest.mock_faults import Fault
from fastproxy.loadtest.mock_words import prompt_texts

if TYPE_CHECKING:
    from fastproxy.loadtest.mock_answer import Answer, Json

_DIMENSIONS = 1536
_MOST_DIMENSIONS = 8192


def vector(text: str, size: int) -> array[float]:
    """A deterministic vector of about unit length."""
    raw = array("i", hashlib.shake_128(text.encode("utf-8", "replace")).digest(4 * size))
    scale = (3 / size) ** 0.5 / 2**31
    return array("f", [value * scale for value in raw])


def embeddings(answer: Answer) -> Json:
    """`POST /v1/embeddings`, as floats or as base64 of little-endian float32."""
    asked = answer.asked
    size = min(asked.get("dimensions") or _DIMENSIONS, _MOST_DIMENSIONS)
    packed = asked.get("encoding_format") == "base64"
    data = []
    for index, text in enumerate(_inputs(asked["input"])):
        values = vector(text, size)
        coded: Any = base64.b64encode(values.tobytes()).decode() if packed else values.tolist()
        data.append({"object": "embedding", "index": index, "embedding": coded})
    usage = {"prompt_tokens": answer.tally.prompt, "total_tokens": answer.tally.prompt}
    return {"object": "list", "data": data, "model": answer.model, "usage": usage}


def _inputs(value: Any) -> list[str]:
    """A text, many texts, one list of token numbers, or many of these."""
    if isinstance(value, str) or (value and isinstance(value[0], int)):
        return [str(value)]
    return [str(item) for item in value]


def gemini_embedding(answer: Answer) -> Json:
    """`…:embedContent`."""
    return {"embedding": _gemini_vector(answer.asked)}


def gemini_embeddings(answer: Answer) -> Json:
    """`…:batchEmbedContents`; every request inside repeats the model's name."""
    wanted = "models/" + answer.model
    for index, request in enumerate(answer.asked["requests"]):
        if not isinstance(request, dict) or request.get("model") != wanted:
            raise Fault(400, f"requests[{index}].model: expected {wanted}", param="requests")
    return {"embeddings": [_gemini_vector(request) for request in answer.asked["requests"]]}


def _gemini_vector(asked: Json) -> Json:
    size = asked.get("outputDimensionality") or asked.get("output_dimensionality") or 768
    return {"values": vector("".join(prompt_texts(asked)), min(size, _MOST_DIMENSIONS)).tolist()}
