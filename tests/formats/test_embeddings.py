"""Embeddings from OpenAI's shape to Gemini's and back: peers' case 188."""

from __future__ import annotations

from typing import Any

import pytest

from fastproxy.errors import FormatError
from fastproxy.formats.one_shot import way
from fastproxy.formats.question import Answer, Question, Wish
from fastproxy.formats.usage_fields import Usage
from fastproxy.formats.vectors import packed

ONE, TWO = [0.5, -0.25], [1.0, 0.125]


def asks(operation: str, body: dict[str, Any], wire_format: str, vendor: str = "") -> Question:
    found = way(operation, vendor, wire_format)
    assert found is not None
    return found(Wish(body, "client-model", "up-model", "fresh-id"))


def openai_asks(**fields: Any) -> Question:
    return asks("embeddings", {"model": "client-model", "input": ["one", "two"], **fields}, "gemini")


def gemini_asks(*requests: Any) -> Question:
    return asks("batchEmbedContents", {"requests": list(requests)}, "openai")


def gemini_asks_once(body: dict[str, Any]) -> Question:
    return asks("embedContent", body, "openai")


def cohere_asks(wire_format: str = "gemini", vendor: str = "", **fields: Any) -> Question:
    return asks("v2_embed", {"model": "client-model", "texts": ["one", "two"], **fields}, wire_format, vendor)


def content(*texts: str) -> dict[str, Any]:
    return {"content": {"parts": [{"text": text} for text in texts]}}


class TestOpenAIToGemini:
    def test_each_text_is_a_request_that_names_the_upstreams_model(self) -> None:
        question = openai_asks()
        assert question.path == "/models/up-model:batchEmbedContents"
        assert question.body == {
            "requests": [{"model": "models/up-model", **content("one")}, {"model": "models/up-model", **content("two")}]
        }
        assert question.losses == ()

    def test_one_text_is_one_request(self) -> None:
        assert len(openai_asks(input="one").body["requests"]) == 1

    def test_dimensions_stand_in_each_request(self) -> None:
        assert [each["outputDimensionality"] for each in openai_asks(dimensions=64).body["requests"]] == [64, 64]

    def test_fields_without_a_place_are_named(self) -> None:
        assert openai_asks(user="u", dimensions=None, task=None).losses == ("user dropped",)

    @pytest.mark.parametrize(
        ("fields", "text"),
        [
            ({"input": [1, 2]}, "field 'input' is an array of token ids"),
            ({"input": [[1, 2], [3]]}, "field 'input[0]' is an array of token ids"),
            ({"input": ["a", 5.5]}, "field 'input[1]' is 5.5: expected a string"),
            ({"input": ["a"] * 101}, "field 'input' has 101 texts: the channel's vendor embeds at most 100"),
            ({"input": []}, "field 'input' is empty"),
            ({"input": None}, "field 'input' is missing"),
            ({"input": {}}, "field 'input' is an object"),
            ({"encoding_format": "int8"}, "field 'encoding_format' is 'int8'"),
            ({"dimensions": 0}, "field 'dimensions' is 0"),
            ({"dimensions": "64"}, "field 'dimensions' is '64'"),
        ],
    )
    def test_a_bad_field_is_named(self, fields: dict[str, Any], text: str) -> None:
        with pytest.raises(FormatError) as refused:
            openai_asks(**fields)
        assert refused.value.message.startswith(text)

    @pytest.mark.parametrize(
        ("encoding", "coded"), [(None, [ONE, TWO]), ("float", [ONE, TWO]), ("base64", [packed(ONE), packed(TWO)])]
    )
    def test_the_reply_is_in_the_encoding_that_was_asked_for(self, encoding: str | None, coded: list[Any]) -> None:
        answer = openai_asks(encoding_format=encoding).read({"embeddings": [{"values": ONE}, {"values": TWO}]})
        assert answer.body == {
            "object": "list",
            "data": [{"object": "embedding", "index": place, "embedding": each} for place, each in enumerate(coded)],
            "model": "client-model",
            "usage": {"prompt_tokens": 0, "total_tokens": 0},
        }
        assert answer.usage is None

    def test_counts_are_read_where_they_are(self) -> None:
        counts = {"promptTokenCount": 7, "totalTokenCount": 7}
        answer = openai_asks(input="a").read({"embeddings": [{"values": ONE}], "usageMetadata": counts})
        assert (answer.body["usage"], answer.usage) == ({"prompt_tokens": 7, "total_tokens": 7}, Usage(input=7))

    @pytest.mark.parametrize(
        "reply", [{}, {"embeddings": []}, {"embeddings": [{"values": ONE}]}, {"embeddings": [{}, {}]}]
    )
    def test_too_few_or_no_numbers_are_no_reply(self, reply: dict[str, Any]) -> None:
        with pytest.raises(FormatError):
            openai_asks().read(reply)


class TestGeminiToOpenAI:
    def test_one_content_is_one_input(self) -> None:
        question = gemini_asks_once({"model": "models/client-model", **content("on", "e")})
        assert (question.path, question.body) == ("/embeddings", {"model": "up-model", "input": ["one"]})

    def test_a_batch_is_a_list_of_inputs(self) -> None:
        model = {"model": "models/client-model"}
        assert gemini_asks(model | content("one"), content("two")).body["input"] == ["one", "two"]

    @pytest.mark.parametrize(
        "setting",
        [
            {"outputDimensionality": 64},
            {"output_dimensionality": 64},
            {"embedContentConfig": {"outputDimensionality": 64}},
            {"embed_content_config": {"output_dimensionality": 64}},
        ],
    )
    def test_dimensions_in_any_spelling(self, setting: dict[str, Any]) -> None:
        assert gemini_asks(content("one") | setting).body["dimensions"] == 64

    def test_the_clients_body_is_not_changed(self) -> None:
        body = {"requests": [content("one") | {"task_type": "CLUSTERING", "embed_content_config": {}}]}
        kept = repr(body)
        asks("batchEmbedContents", body, "openai")
        assert repr(body) == kept

    def test_tasks_and_titles_are_named_once(self) -> None:
        one = content("one") | {"taskType": "RETRIEVAL_DOCUMENT", "title": "t"}
        assert gemini_asks(one, one).losses == (
            "taskType dropped: the channel's format has no task",
            "title dropped: the channel's format has no title",
        )

    @pytest.mark.parametrize(
        ("requests", "text"),
        [
            ([], "field 'requests' is empty"),
            ([5], "field 'requests[0]' is 5: expected an object"),
            ([{}], "field 'requests[0].content' is missing"),
            ([{"content": {}}], "field 'requests[0].content.parts' is missing"),
            ([{"content": {"parts": [{"inlineData": {}}]}}], "field 'requests[0].content.parts[0]' is not text"),
            ([content("a") | {"model": "models/other"}], "field 'requests[0].model' is 'models/other'"),
            ([content("a"), content("b") | {"outputDimensionality": 9}], "field 'requests[1].outputDimensionality'"),
        ],
    )
    def test_a_bad_field_is_named(self, requests: list[Any], text: str) -> None:
        with pytest.raises(FormatError) as refused:
            gemini_asks(*requests)
        assert refused.value.message.startswith(text)

    def test_replies_are_ordered_by_index(self) -> None:
        data = [{"index": 1, "embedding": TWO}, {"index": 0, "embedding": packed(ONE)}]
        answer = gemini_asks(content("a"), content("b")).read({"data": data, "usage": {"prompt_tokens": 3}})
        counts = {"promptTokenCount": 3, "totalTokenCount": 3}
        assert answer.body == {"embeddings": [{"values": ONE}, {"values": TWO}], "usageMetadata": counts}
        assert answer.usage == Usage(input=3)

    def test_who_gives_no_index_means_the_order(self) -> None:
        answer = gemini_asks(content("a"), content("b")).read({"data": [{"embedding": ONE}, {"embedding": TWO}]})
        assert answer == Answer({"embeddings": [{"values": ONE}, {"values": TWO}]})

    def test_one_has_one_and_no_list(self) -> None:
        answer = gemini_asks_once(content("a")).read({"data": [{"index": 0, "embedding": ONE}]})
        assert answer.body == {"embedding": {"values": ONE}}

    @pytest.mark.parametrize("indexes", [(0, 0), (0, 2), (1, 2), (0,)])
    def test_an_input_without_its_embedding_is_no_reply(self, indexes: tuple[int, ...]) -> None:
        data = [{"index": index, "embedding": ONE} for index in indexes]
        with pytest.raises(FormatError):
            gemini_asks(content("a"), content("b")).read({"data": data})


class TestCohere:
    def test_its_client_asks_gemini_with_the_task(self) -> None:
        question = cohere_asks(input_type="search_query", output_dimension=64, truncate="END")
        first = {"model": "models/up-model", "outputDimensionality": 64, "taskType": "RETRIEVAL_QUERY"}
        assert question.body["requests"][0] == first | content("one")
        assert question.losses == ()

    def test_its_client_asks_openai_without(self) -> None:
        question = cohere_asks("openai", input_type="clustering", truncate="NONE")
        assert question.body == {"model": "up-model", "input": ["one", "two"]}
        assert question.losses == ("input_type dropped: the channel's format has no task", "truncate dropped")

    def test_its_client_asks_its_own_vendor_as_it_is(self) -> None:
        question = cohere_asks("openai", "cohere", input_type="image", images=["data:"], embedding_types=["int8"])
        assert (question.path, question.body["model"], question.body["images"]) == ("/v2/embed", "up-model", ["data:"])
        reply = {"id": "co", "embeddings": {"int8": [[1]]}, "meta": {"billed_units": {"input_tokens": 5}}}
        assert question.read(reply) == Answer(reply, Usage(input=5))

    def test_inputs_are_texts_too(self) -> None:
        inputs = [{"content": [{"type": "text", "text": "one"}]}]
        assert cohere_asks("openai", texts=None, inputs=inputs).body["input"] == ["one"]

    def test_its_reply_has_the_kinds_that_were_asked_for(self) -> None:
        data = [{"index": 0, "embedding": ONE}, {"index": 1, "embedding": TWO}]
        question = cohere_asks("openai", embedding_types=["float", "base64"])
        assert question.read({"data": data, "usage": {"prompt_tokens": 3}}).body == {
            "response_type": "embeddings_by_type",
            "id": "fresh-id",
            "embeddings": {"float": [ONE, TWO], "base64": [packed(ONE), packed(TWO)]},
            "texts": ["one", "two"],
            "meta": {"api_version": {"version": "2"}, "tokens": {"input_tokens": 3, "output_tokens": 0}},
        }

    @pytest.mark.parametrize(
        ("fields", "text"),
        [
            ({"texts": None}, "field 'texts' is missing"),
            ({"texts": []}, "field 'texts' is empty"),
            ({"texts": ["a", 1]}, "field 'texts[1]' is 1"),
            ({"images": ["data:"]}, "field 'images' is not text"),
            ({"inputs": [{"content": [{"type": "image_url"}]}]}, "field 'inputs[0].content[0]' is not text"),
            ({"input_type": "image"}, "field 'input_type' is 'image'"),
            ({"embedding_types": ["float", "int8"]}, "field 'embedding_types[1]' is 'int8'"),
        ],
    )
    def test_a_bad_field_is_named(self, fields: dict[str, Any], text: str) -> None:
        with pytest.raises(FormatError) as refused:
            cohere_asks(**fields)
        assert refused.value.message.startswith(text)


def test_voyage_has_another_word_for_the_size() -> None:
    body = {"requests": [content("a") | {"outputDimensionality": 64}]}
    assert asks("batchEmbedContents", body, "openai", "voyage").body["output_dimension"] == 64


def test_a_full_batch_of_geminis_is_asked_and_one_more_is_refused_by_its_clients_name() -> None:
    assert len(cohere_asks(texts=["a"] * 100).body["requests"]) == 100
    for fields in ({"texts": ["a"] * 101}, {"inputs": [{"content": [{"type": "text", "text": "a"}]}] * 101}):
        with pytest.raises(FormatError, match=f"field '{next(iter(fields))}' has 101 texts"):
            cohere_asks(**fields)


def test_ollama_embeds_by_its_own_api() -> None:
    question = asks("embeddings", {"model": "client-model", "input": ["one", "two"], "dimensions": 2}, "ollama")
    assert (question.path, question.body) == (
        "/api/embed",
        {"model": "up-model", "input": ["one", "two"], "dimensions": 2},
    )
    answer = question.read({"model": "up-model", "embeddings": [ONE, TWO], "prompt_eval_count": 4})
    assert [item["embedding"] for item in answer.body["data"]] == [ONE, TWO]
    assert answer.usage == Usage(input=4)
    for wrong in ({"embeddings": [ONE]}, {"embedding": ONE}):
        with pytest.raises(FormatError):
            question.read(wrong)


@pytest.mark.parametrize("values", [ONE, [0.1, 1 / 3, 3.4028234663852886e38, 1e-45]])
def test_there_and_back_the_numbers_are_the_same(values: list[float]) -> None:
    """A vector that an OpenAI upstream gives in base64 reaches a Gemini client, perhaps another gateway."""
    first = gemini_asks(content("a")).read({"data": [{"index": 0, "embedding": packed(values)}]})
    second = openai_asks(input="a", encoding_format="base64").read(first.body)
    assert second.body["data"][0]["embedding"] == packed(values)


@pytest.mark.parametrize(
    ("operation", "vendor", "wire_format", "has_way"),
    [
        ("embeddings", "google-ai-studio", "gemini", True),
        ("embeddings", "ollama", "ollama", True),
        ("rerank", "ollama", "ollama", False),
        ("embeddings", "openai", "openai-chat", False),
        ("embedContent", "openai", "openai", True),
        ("embedContent", "anthropic", "anthropic", False),
        ("rerank", "Cohere", "openai-chat", True),
        ("rerank", "jina", "openai", False),
        ("v2_rerank", "jina", "openai", True),
    ],
)
def test_who_has_a_way(operation: str, vendor: str, wire_format: str, has_way: bool) -> None:
    assert (way(operation, vendor, wire_format) is not None) is has_way
