"""Embeddings, whoever asks whom: what a client wants, and how vendors are asked. The clients: embeddings_clients.py.

    upstream   openai (also Jina, Voyage, Cohere's compatible one)   gemini                             ollama
    path       /embeddings                                           /models/M:batchEmbedContents       /api/embed
    texts      input: [text, …]                                      requests[].content.parts[].text    input: [text, …]
    size       dimensions                                            requests[].outputDimensionality    dimensions
    task       (none): dropped, and said so                          requests[].taskType                (none)
    numbers    data[].embedding, ordered by data[].index             embeddings[].values, in order      embeddings
    counts     usage.prompt_tokens                                   usageMetadata.promptTokenCount    prompt_eval_count

Sources: openai 3.54 and google-genai 3.4, embedding types; ai.google.dev/api/embeddings; 2026-11.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec

from fastproxy.errors import FormatError
from fastproxy.formats.checked import array, as_mapping, mapping, needed
from fastproxy.formats.question import Answer, Question, Wish, counted
from fastproxy.formats.usage_fields import GeminiUsage, OpenAIUsage, Usage
from fastproxy.formats.vectors import numbers_of

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = dict[str, Any]
Vectors = list[list[float]]
MAX_BATCH: Final = 100  # Gemini: "at most 100 requests can be in one batch"; 2026-11
Write = Callable[[Vectors, Usage | None], Json]


class Texts(msgspec.Struct, frozen=True):
    """What a client wants embedded. `task` is Gemini's word for what for, `task_field` the client's name of it, and
    `field` the client's name of the texts."""

    texts: list[str]
    write: Write  # the client's reply
    size: int | None = None
    task: str | None = None
    task_field: str = ""
    losses: tuple[str, ...] = ()
    field: str = "input"


def ask_gemini(wish: Wish, texts: Texts) -> Question:
    """Raises: FormatError for more texts than a batch holds: one request is asked once, and not in parts."""
    if len(texts.texts) > MAX_BATCH:
        many = f"field '{texts.field}' has {len(texts.texts)} texts"
        raise FormatError(f"{many}: the channel's vendor embeds at most {MAX_BATCH} in one request")
    model = "models/" + wish.upstream_model.removeprefix("models/")
    common: Json = {"model": model}
    if texts.size is not None:
        common["outputDimensionality"] = texts.size
    if texts.task is not None:
        common["taskType"] = texts.task
    body = {"requests": [{**common, "content": {"parts": [{"text": each}]}} for each in texts.texts]}
    return Question(f"/{quote(model, safe='/:@')}:batchEmbedContents", body, partial(_from_gemini, texts), texts.losses)


def _from_gemini(texts: Texts, reply: Json) -> Answer:
    """Raises: FormatError when there are not as many as asked for."""
    held = array(reply, "embeddings") or [mapping(reply, "embedding")]
    _check(len(held), len(texts.texts))
    found = counted(reply.get("usageMetadata"), GeminiUsage)
    usage = found.read() if found is not None else None
    return Answer(texts.write([numbers_of((item or {}).get("values")) for item in held], usage), usage)


def ask_openai(wish: Wish, texts: Texts) -> Question:
    # no encoding_format: all give numbers without, and not all know the field
    body: Json = {"model": wish.upstream_model.removeprefix("models/"), "input": texts.texts}
    if texts.size is not None:
        body["dimensions"] = texts.size
    losses = texts.losses
    if texts.task is not None:
        losses = (f"{texts.task_field} dropped: the channel's format has no task", *losses)
    return Question("/embeddings", body, partial(_from_openai, texts), losses)


def ask_ollama(wish: Wish, texts: Texts) -> Question:
    question = ask_openai(wish, texts)
    return msgspec.structs.replace(question, path="/api/embed", read=partial(_from_ollama, texts))


def _from_ollama(texts: Texts, reply: Json) -> Answer:
    """Raises: FormatError when there are not as many as asked for."""
    held = needed(array(reply, "embeddings"), "embeddings", "an array of embeddings")
    _check(len(held), len(texts.texts))
    count = reply.get("prompt_eval_count")
    usage = Usage(input=count) if type(count) is int and count >= 0 else None
    return Answer(texts.write([numbers_of(each) for each in held], usage), usage)


def ask_voyage(wish: Wish, texts: Texts) -> Question:
    question = ask_openai(wish, texts)
    body = {"output_dimension" if name == "dimensions" else name: value for name, value in question.body.items()}
    return msgspec.structs.replace(question, body=body)


def _from_openai(texts: Texts, reply: Json) -> Answer:
    """Raises: FormatError when an input has no embedding, or two."""
    held = needed(array(reply, "data"), "data", "an array of embeddings")
    vectors = [numbers_of(item["embedding"]) for item in _in_order(held, len(texts.texts))]
    found = counted(reply.get("usage"), OpenAIUsage)
    usage = found.read() if found is not None else None
    return Answer(texts.write(vectors, usage), usage)


def _in_order(held: Sequence[Any], count: int) -> list[Json]:
    """By `index`, which need not be the order in which they came; who gives none means the order."""
    items = [as_mapping(item, f"data[{place}]") for place, item in enumerate(held)]
    _check(len(items), count)
    if all("index" not in item for item in items):
        return items
    by_index = {item.get("index"): item for item in items}
    if set(by_index) != set(range(count)):
        raise FormatError("the indexes of the embeddings are not those of the inputs")
    return [by_index[place] for place in range(count)]


def _check(came: int, asked: int) -> None:
    if came != asked:
        raise FormatError(f"{came} embeddings came for {asked} inputs")


def tokens_of(usage: Usage | None) -> int:
    return usage.input + usage.cache_read + usage.cache_write if usage is not None else 0
