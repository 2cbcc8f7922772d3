"""Embeddings as clients ask for them, and get them: OpenAI's, Gemini's and Cohere's shape. Upstreams: embeddings.py.

    POST /embeddings        :embedContent, :batchEmbedContents       POST /v2/embed
    input: "a" | ["a"]      content.parts[].text, or requests[]      texts | inputs[].content[].text
    dimensions              outputDimensionality                     output_dimension
    (none)                  taskType                                 input_type
    encoding_format         (numbers only)                           embedding_types: float, base64
    data[].embedding        embedding.values, embeddings[].values    embeddings.float, embeddings.base64
    usage                   usageMetadata                            meta

Token ids are refused: their numbers mean something to one tokenizer only. So is what is no text. Sources: openai 3.54,
google-genai 3.4 and cohere 7.3, embedding types; 2026-11.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fastproxy.errors import FormatError
from fastproxy.formats.checked import array, as_mapping, integer, mapping, needed, text, wrong
from fastproxy.formats.cohere import BASES, meta_of, usage_of
from fastproxy.formats.embeddings import Json, Texts, Vectors, tokens_of
from fastproxy.formats.question import Answer, Question, Wish, dropped
from fastproxy.formats.vectors import packed

if TYPE_CHECKING:
    from fastproxy.formats.usage_fields import Usage

_WHY_NO_TOKENS: Final = "expected texts, because the channel's models have another tokenizer"
_TEXTS_ONLY: Final = "the channel's embeddings are of texts only"
# Gemini's fields, by both spellings that JSON of protocol buffers allows
_SPELLINGS: Final = {
    "taskType": "task_type",
    "outputDimensionality": "output_dimensionality",
    "embedContentConfig": "embed_content_config",
}
_NO_TITLE: Final = {"title": "the channel's format has no title"}
# Cohere's word for what for → Gemini's
_TASKS: Final = {
    "search_document": "RETRIEVAL_DOCUMENT",
    "search_query": "RETRIEVAL_QUERY",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
}


# --- OpenAI -----------------------------------------------------------------------------------------------------------


def read_openai(wish: Wish) -> Texts:
    """Raises: FormatError, naming the field."""
    body = wish.body
    encoding = text(body, "encoding_format") or "float"
    if encoding not in ("float", "base64"):
        wrong("encoding_format", encoding, "'float' or 'base64'")
    return Texts(
        texts=_input(needed(body.get("input"), "input", "a string or an array of strings")),
        write=partial(_write_openai, wish.model, encoding == "base64"),
        size=integer(body, "dimensions", least=1),
        losses=dropped(body, ("input", "model", "dimensions", "encoding_format")),
    )


def _input(given: Any) -> list[str]:
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list):
        wrong("input", given, "a string or an array of strings")
    if not given:
        raise FormatError("field 'input' is empty: expected at least one text")
    for place, item in enumerate(given):
        if isinstance(item, int) and not isinstance(item, bool):
            raise FormatError(f"field 'input' is an array of token ids: {_WHY_NO_TOKENS}")
        if isinstance(item, list):
            raise FormatError(f"field 'input[{place}]' is an array of token ids: {_WHY_NO_TOKENS}")
        if not isinstance(item, str):
            wrong(f"input[{place}]", item, "a string")
    return given


def _write_openai(model: str, as_base64: bool, vectors: Vectors, usage: Usage | None) -> Json:
    tokens = tokens_of(usage)
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": place, "embedding": packed(values) if as_base64 else values}
            for place, values in enumerate(vectors)
        ],
        "model": model,
        # OpenAI's SDKs take it for granted that there are counts
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


# --- Gemini -----------------------------------------------------------------------------------------------------------


def read_gemini(wish: Wish) -> Texts:
    """`:embedContent`. Raises: FormatError, naming the field."""
    said, size, task, losses = _read_one(wish.body, "")
    return Texts([said], partial(_write_gemini, False), size, task, "taskType", losses)


def read_gemini_batch(wish: Wish) -> Texts:
    """`:batchEmbedContents`. Raises: FormatError, naming the field."""
    requests = needed(array(wish.body, "requests"), "requests", "an array of requests")
    if not requests:
        raise FormatError("field 'requests' is empty: expected at least one request")
    losses = dict.fromkeys(dropped(wish.body, ("requests",)))
    read = [_read_one(_of_model(wish, request, place), f"requests[{place}].") for place, request in enumerate(requests)]
    _, size, task, _ = read[0]
    for place, (_, other, _, lost) in enumerate(read):
        losses |= dict.fromkeys(lost)
        if other != size:
            field = f"requests[{place}].outputDimensionality"
            raise FormatError(f"field '{field}' is {other}: expected {size}, as in the first request")
    texts = [said for said, _, _, _ in read]
    return Texts(texts, partial(_write_gemini, True), size, task, "taskType", tuple(losses), "requests")


def _of_model(wish: Wish, request: Any, place: int) -> Json:
    """A request of a batch, which must be for the model of the path."""
    one = as_mapping(request, f"requests[{place}]")
    model, wanted = text(one, "model", f"requests[{place}]."), wish.model.removeprefix("models/")
    if model is not None and model.removeprefix("models/") != wanted:
        wrong(f"requests[{place}].model", model, f"'models/{wanted[:100]}', as in the path")
    return one


def _read_one(given: Json, path: str) -> tuple[str, int | None, str | None, tuple[str, ...]]:
    """Text, size, task, and what cannot be said elsewhere."""
    request = _in_camel(given)
    settings = {**request, **_in_camel(mapping(request, "embedContentConfig", path) or {})}
    content = needed(mapping(request, "content", path), "content", "an object with parts", path)
    parts = needed(array(content, "parts", f"{path}content."), "parts", "an array of parts", f"{path}content.")
    said = "".join(_text_of(part, f"{path}content.parts[{place}]") for place, part in enumerate(parts))
    known = ("content", "model", "outputDimensionality", "embedContentConfig", "taskType")
    size = integer(settings, "outputDimensionality", path, least=1)
    return said, size, text(settings, "taskType", path), dropped(settings, known, _NO_TITLE)


def _in_camel(given: Json) -> Json:
    for name, other in _SPELLINGS.items():
        if other in given:
            given = {**given, name: given.get(name, given[other])}
            del given[other]
    return given


def _text_of(part: Any, path: str) -> str:
    held = text(as_mapping(part, path), "text", f"{path}.")
    if held is None:
        raise FormatError(f"field '{path}' is not text: {_TEXTS_ONLY}")
    return held


def _write_gemini(is_batch: bool, vectors: Vectors, usage: Usage | None) -> Json:
    embeddings = [{"values": values} for values in vectors]
    body: Json = {"embeddings": embeddings} if is_batch else {"embedding": embeddings[0]}
    if usage is not None:
        tokens = tokens_of(usage)
        body["usageMetadata"] = {"promptTokenCount": tokens, "totalTokenCount": tokens + usage.output}
    return body


# --- Cohere -----------------------------------------------------------------------------------------------------------


def read_cohere(wish: Wish) -> Texts:
    """`/v2/embed`. Raises: FormatError, naming the field."""
    body = wish.body
    kinds = array(body, "embedding_types") or ["float"]
    for place, kind in enumerate(kinds):
        if kind not in ("float", "base64"):
            wrong(f"embedding_types[{place}]", kind, "'float' or 'base64'")
    task = text(body, "input_type")
    if task is not None and task not in _TASKS:
        wrong("input_type", task, " or ".join(f"'{word}'" for word in _TASKS))
    texts = _cohere_texts(body)
    said = {name: value for name, value in body.items() if (name, value) != ("truncate", "END")}  # what is so anyway
    known = ("model", "texts", "inputs", "input_type", "embedding_types", "output_dimension")
    return Texts(
        texts,
        partial(_write_cohere, wish.id, texts, kinds),
        integer(body, "output_dimension", least=1),
        _TASKS[task] if task is not None else None,
        "input_type",
        dropped(said, known),
        "texts" if body.get("inputs") is None else "inputs",
    )


def _cohere_texts(body: Json) -> list[str]:
    if body.get("images"):
        raise FormatError(f"field 'images' is not text: {_TEXTS_ONLY}")
    if body.get("inputs") is not None:
        return [_input_text(item, f"inputs[{place}]") for place, item in enumerate(array(body, "inputs") or [])]
    texts: list[str] = needed(array(body, "texts"), "texts", "an array of strings")
    if not texts:
        raise FormatError("field 'texts' is empty: expected at least one text")
    for place, item in enumerate(texts):
        if not isinstance(item, str):
            wrong(f"texts[{place}]", item, "a string")
    return texts


def _input_text(item: Any, path: str) -> str:
    parts = needed(array(as_mapping(item, path), "content", f"{path}."), "content", "an array of parts", f"{path}.")
    return "".join(_text_of(part, f"{path}.content[{place}]") for place, part in enumerate(parts))


def _write_cohere(own_id: str, texts: list[str], kinds: list[str], vectors: Vectors, usage: Usage | None) -> Json:
    return {
        "response_type": "embeddings_by_type",
        "id": own_id,
        "embeddings": {kind: [packed(each) for each in vectors] if kind == "base64" else vectors for kind in kinds},
        "texts": texts,
        "meta": meta_of(usage),
    }


def cohere_to_cohere(wish: Wish) -> Question:
    """As it is, but at Cohere's own address and by its name for the model."""
    return Question("/v2/embed", {**wish.body, "model": wish.upstream_model}, _as_it_is, (), BASES)


def _as_it_is(reply: Json) -> Answer:
    return Answer(reply, usage_of(reply))
