"""Reranking between Jina's shape and Cohere's."""

from __future__ import annotations

from typing import Any

import pytest

from fastproxy.errors import FormatError
from fastproxy.formats.question import Question, Wish
from fastproxy.formats.rerank import first_to_cohere, second_to_cohere, second_to_jina, second_to_voyage
from fastproxy.formats.usage_fields import Usage

META = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
RANKED = [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]
BASIC: dict[str, Any] = {"model": "client-model", "query": "q", "documents": ["a", "b"]}


def wish(**fields: Any) -> Wish:
    return Wish(BASIC | fields, "client-model", "up-model", "fresh-id")


class TestRequests:
    def test_cohere_is_asked_at_its_own_path(self) -> None:
        question = first_to_cohere(wish(top_n=1, return_documents=True))
        assert (question.path, question.instead_of[0]) == ("/v2/rerank", "/compatibility/v1")
        assert question.body == {"model": "up-model", "query": "q", "documents": ["a", "b"], "top_n": 1}
        assert question.losses == ()

    def test_what_cohere_does_not_know_is_named(self) -> None:
        assert first_to_cohere(wish(truncation=True)).losses == ("truncation dropped",)

    def test_what_only_cohere_knows_reaches_it(self) -> None:
        extra = {"max_tokens_per_doc": 99, "priority": 1}
        assert first_to_cohere(wish(**extra)).body.items() >= extra.items()
        assert second_to_cohere(wish(**extra, new_field="x")).body.items() >= (extra | {"new_field": "x"}).items()

    def test_objects_become_their_texts(self) -> None:
        assert first_to_cohere(wish(documents=[{"text": "a", "id": 1}, "b"])).body["documents"] == ["a", "b"]

    def test_rank_fields_say_which_text_counts(self) -> None:
        documents = [{"title": "T", "body": "B", "other": "x"}]
        question = first_to_cohere(wish(documents=documents, rank_fields=["title", "body"]))
        assert question.body["documents"] == ["title: T\nbody: B"]

    def test_jina_gets_documents_as_they_are_and_need_not_send_them_back(self) -> None:
        question = second_to_jina(wish(documents=["a", {"text": "b"}], top_n=1, max_tokens_per_doc=9))
        assert question.path == "/rerank"
        assert question.body["documents"] == ["a", {"text": "b"}]
        assert (question.body["top_n"], question.body["return_documents"]) == (1, False)
        assert question.losses == ("max_tokens_per_doc dropped",)

    def test_voyage_calls_the_limit_top_k(self) -> None:
        assert second_to_voyage(wish(top_n=1)).body == {**BASIC, "model": "up-model", "top_k": 1}

    @pytest.mark.parametrize(
        ("fields", "text"),
        [
            ({"query": None}, "field 'query' is missing"),
            ({"query": 5}, "field 'query' is 5"),
            ({"documents": None}, "field 'documents' is missing"),
            ({"documents": []}, "field 'documents' is empty"),
            ({"documents": ["a", 5]}, "field 'documents[1]' is 5"),
            ({"documents": [{"title": "a"}]}, "field 'documents[0].text' is missing"),
            ({"top_n": 0}, "field 'top_n' is 0"),
            ({"return_documents": "yes"}, "field 'return_documents' is 'yes'"),
        ],
    )
    def test_a_bad_field_is_named(self, fields: dict[str, Any], text: str) -> None:
        with pytest.raises(FormatError) as refused:
            first_to_cohere(wish(**fields))
        assert refused.value.message.startswith(text)


class TestReplies:
    def test_the_first_version_is_read_by_clients_of_both_vendors(self) -> None:
        answer = first_to_cohere(wish()).read({"id": "co-1", "results": RANKED, "meta": META})
        assert answer.body == {
            "id": "co-1",
            "object": "list",
            "model": "client-model",
            "results": [
                {"index": 1, "relevance_score": 0.9, "document": {"text": "b"}},
                {"index": 0, "relevance_score": 0.1, "document": {"text": "a"}},
            ],
            "meta": META,
        }
        assert answer.usage is None

    @pytest.mark.parametrize(("asked", "given"), [(None, True), (True, True), (False, False)])
    def test_documents_come_back_as_jina_would_send_them(self, asked: bool | None, given: bool) -> None:
        answer = first_to_cohere(wish(return_documents=asked)).read({"results": RANKED})
        assert ("document" in answer.body["results"][0]) is given

    @pytest.mark.parametrize("write", [second_to_jina, second_to_voyage])
    def test_the_second_version_is_coheres(self, write: Any) -> None:
        question: Question = write(wish())
        name = "data" if write is second_to_voyage else "results"
        answer = question.read({"object": "list", name: RANKED, "usage": {"total_tokens": 12}})
        tokens = {"input_tokens": 12, "output_tokens": 0}
        assert answer.body == {
            "id": "fresh-id",
            "results": RANKED,
            "meta": {"api_version": {"version": "2"}, "tokens": tokens},
        }
        assert answer.usage == Usage(input=12)

    def test_an_object_comes_back_as_it_was(self) -> None:
        document = {"text": "b", "id": 7}
        answer = second_to_jina(wish(documents=["a", document], return_documents=True)).read({"results": RANKED})
        assert answer.body["results"][0]["document"] == document

    @pytest.mark.parametrize("place", ["tokens", "billed_units"])
    def test_coheres_tokens_are_counted_where_it_tells(self, place: str) -> None:
        answer = first_to_cohere(wish()).read({"results": RANKED, "meta": {place: {"input_tokens": 5}}})
        assert answer.usage == Usage(input=5)
        assert answer.body["usage"] == {"prompt_tokens": 5, "total_tokens": 5}

    @pytest.mark.parametrize(
        "reply",
        [
            {},
            {"results": None},
            {"results": [5]},
            {"results": [{"index": 2, "relevance_score": 0.5}]},
            {"results": [{"index": -1, "relevance_score": 0.5}]},
            {"results": [{"index": 0}]},
        ],
    )
    def test_what_ranks_nothing_that_was_sent_is_no_reply(self, reply: dict[str, Any]) -> None:
        with pytest.raises(FormatError):
            first_to_cohere(wish()).read(reply)
