"""Reranking across Jina's shape and Cohere's.

    client           POST /v1/rerank (Jina, Cohere 1)          POST /v2/rerank (Cohere 2)
    documents        texts, {"text": …}, Cohere 1: rank_fields texts
    returned         as return_documents says                  never, unless asked for
    reply            id, model, results, usage, meta: both     id, results, meta

    channel          cohere         jina and the rest          voyage
    path             /v2/rerank     /rerank                    /rerank
    limit            top_n          top_n                      top_k
    results          results        results                    data
    counts           meta           usage.total_tokens         usage.total_tokens

Documents are put back from the request, so an upstream need not send them. /v1/rerank of a channel that is not Cohere's
is relayed as it is. Sources: docs.cohere.com/reference/rerank, api.jina.ai/docs, docs.voyageai.com; 2026-11.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import msgspec

from fastproxy.errors import FormatError
from fastproxy.formats.checked import array, as_mapping, boolean, integer, mapping, needed, number, text, wrong
from fastproxy.formats.cohere import BASES, meta_of, usage_of
from fastproxy.formats.question import Answer, Question, Wish, dropped

Json = dict[str, Any]
_RESULT: Final = frozenset(("index", "relevance_score", "document"))
_COMMON: Final = ("model", "query", "documents", "top_n", "return_documents")


class Ranking(msgspec.Struct, frozen=True):
    """What a client wants ranked. `texts` are the documents as a model reads them."""

    query: str
    documents: list[Any]
    texts: list[str]
    top_n: int | None
    gives_documents: bool | None


def first_to_cohere(wish: Wish) -> Question:
    """`/v1/rerank`. Raises: FormatError, naming the field."""
    ranking = _read(wish.body)
    own = ("max_tokens_per_doc", "priority")
    losses = dropped(wish.body, (*_COMMON, *own, "rank_fields"))
    return _ask_cohere(wish, ranking, _own(wish.body, own), losses, is_first=True)


def second_to_cohere(wish: Wish) -> Question:
    """`/v2/rerank`: what else the client says is Cohere's own."""
    others = {name: value for name, value in wish.body.items() if name not in _COMMON and value is not None}
    return _ask_cohere(wish, _read(wish.body), others, (), is_first=False)


def second_to_jina(wish: Wish) -> Question:
    ranking = _read(wish.body)
    body: Json = {"model": wish.upstream_model, "query": ranking.query, "documents": ranking.documents}
    if ranking.top_n is not None:
        body["top_n"] = ranking.top_n
    body["return_documents"] = False
    return Question("/rerank", body, partial(_second, wish, ranking), dropped(wish.body, _COMMON))


def second_to_voyage(wish: Wish) -> Question:
    ranking = _read(wish.body)
    body: Json = {"model": wish.upstream_model, "query": ranking.query, "documents": ranking.texts}
    if ranking.top_n is not None:
        body["top_k"] = ranking.top_n
    return Question("/rerank", body, partial(_second, wish, ranking), dropped(wish.body, _COMMON))


def _ask_cohere(wish: Wish, ranking: Ranking, others: Json, losses: tuple[str, ...], *, is_first: bool) -> Question:
    body: Json = {"model": wish.upstream_model, "query": ranking.query, "documents": ranking.texts, **others}
    if ranking.top_n is not None:
        body["top_n"] = ranking.top_n
    read = _first if is_first else _second
    return Question("/v2/rerank", body, partial(read, wish, ranking), losses, BASES)


def _own(body: Json, names: tuple[str, ...]) -> Json:
    found = {name: integer(body, name, least=0) for name in names}
    return {name: value for name, value in found.items() if value is not None}


# --- the request ------------------------------------------------------------------------------------------------------


def _read(body: Json) -> Ranking:
    documents = needed(array(body, "documents"), "documents", "an array of texts")
    if not documents:
        raise FormatError("field 'documents' is empty: expected at least one text")
    fields = array(body, "rank_fields") or []
    return Ranking(
        query=needed(text(body, "query"), "query", "a string"),
        documents=documents,
        texts=[_text_of(document, f"documents[{place}]", fields) for place, document in enumerate(documents)],
        top_n=integer(body, "top_n", least=1),
        gives_documents=boolean(body, "return_documents"),
    )


def _text_of(document: Any, path: str, fields: list[Any]) -> str:
    """A document as a text. Cohere's first version ranked objects by the fields that the client named."""
    if isinstance(document, str):
        return document
    if not isinstance(document, dict):
        wrong(path, document, "a string or an object with a text")
    if fields:
        return "\n".join(f"{name}: {document[name]}" for name in fields if isinstance(name, str) and name in document)
    return str(needed(text(document, "text", f"{path}."), "text", "a string", f"{path}."))


# --- the reply --------------------------------------------------------------------------------------------------------


def _first(wish: Wish, ranking: Ranking, reply: Json) -> Answer:
    """What both Jina's clients and those of Cohere's first version read. Jina's get documents unless they refuse."""
    usage = usage_of(reply)
    results = _results(ranking, reply, gives=ranking.gives_documents is not False)
    body: Json = {"id": _id(wish, reply), "object": "list", "model": wish.model, "results": results}
    if usage is not None:
        body["usage"] = {"prompt_tokens": usage.input, "total_tokens": usage.input + usage.output}
    return Answer(body | {"meta": mapping(reply, "meta") or meta_of(usage)}, usage)


def _second(wish: Wish, ranking: Ranking, reply: Json) -> Answer:
    usage = usage_of(reply)
    results = _results(ranking, reply, gives=ranking.gives_documents is True)
    return Answer({"id": _id(wish, reply), "results": results, "meta": mapping(reply, "meta") or meta_of(usage)}, usage)


def _results(ranking: Ranking, reply: Json, *, gives: bool) -> list[Json]:
    """Best first, as they came. Raises: FormatError for a result of a document that was not sent."""
    name = "results" if "results" in reply else "data"
    results = []
    for place, item in enumerate(needed(array(reply, name), "results", "an array of results")):
        path = f"{name}[{place}]"
        held = as_mapping(item, path)
        index = needed(integer(held, "index", f"{path}.", least=0), "index", "a number", f"{path}.")
        score = needed(number(held, "relevance_score", f"{path}."), "relevance_score", "a number", f"{path}.")
        if index >= len(ranking.documents):
            raise FormatError(f"field '{path}.index' is {index}: {len(ranking.documents)} documents were sent")
        others = {name: value for name, value in held.items() if name not in _RESULT}
        result: Json = {"index": index, "relevance_score": score, **others}
        if gives:
            document = ranking.documents[index]
            result["document"] = {"text": document} if isinstance(document, str) else document
        results.append(result)
    return results


def _id(wish: Wish, reply: Json) -> str:
    return text(reply, "id") or wish.id
