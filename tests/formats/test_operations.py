"""Paths of the unified entry by table: every alias, every method, and what must match nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.formats.operations import Operation, allowed, find, in_dialect, models_dialect, path_with_model

# (method, path below the version, format, name, where the model is)
OPENAI_SHAPED = [
    ("POST", "chat/completions", "openai-chat", "chat_completions", "body"),
    ("POST", "completions", "openai", "completions", "body"),
    ("POST", "responses", "openai-responses", "responses", "body"),
    ("GET", "responses", "openai-responses", "responses", "none"),
    ("GET", "responses/resp_1", "openai-responses", "responses_id", "none"),
    ("DELETE", "responses/resp_1", "openai-responses", "responses_id", "none"),
    ("POST", "responses/resp_1/cancel", "openai-responses", "responses_id_cancel", "none"),
    ("GET", "responses/resp_1/input_items", "openai-responses", "responses_id_input_items", "none"),
    ("POST", "responses/input_tokens", "openai-responses", "responses_input_tokens", "body"),
    ("POST", "responses/compact", "openai-responses", "responses_compact", "body"),
    ("POST", "embeddings", "openai", "embeddings", "body"),
    ("POST", "images/generations", "openai", "images_generations", "body"),
    ("POST", "images/edits", "openai", "images_edits", "form"),
    ("POST", "images/variations", "openai", "images_variations", "form"),
    ("POST", "audio/speech", "openai", "audio_speech", "body"),
    ("POST", "audio/transcriptions", "openai", "audio_transcriptions", "form"),
    ("POST", "audio/translations", "openai", "audio_translations", "form"),
    ("POST", "moderations", "openai", "moderations", "body"),
    ("POST", "rerank", "openai", "rerank", "body"),
    ("POST", "v2/rerank", "openai", "v2_rerank", "body"),
    ("POST", "v2/embed", "openai", "v2_embed", "body"),
    ("POST", "videos", "openai", "videos", "form"),
    ("GET", "videos", "openai", "videos", "none"),
    ("GET", "videos/video_1", "openai", "videos_id", "none"),
    ("HEAD", "videos/video_1/content", "openai", "videos_id_content", "none"),
    ("POST", "videos/video_1/remix", "openai", "videos_id_remix", "none"),
    ("POST", "files", "openai", "files", "none"),
    ("GET", "files/file-1", "openai", "files_id", "none"),
    ("DELETE", "files/file-1", "openai", "files_id", "none"),
    ("GET", "files/file-1/content", "openai", "files_id_content", "none"),
    ("POST", "batches", "openai", "batches", "none"),
    ("POST", "batches/b_1/cancel", "openai", "batches_id_cancel", "none"),
    ("GET", "models", "openai", "models", "none"),
    ("GET", "realtime", "openai", "realtime", "none"),
    ("POST", "messages", "anthropic", "messages", "body"),
    ("POST", "messages/count_tokens", "anthropic", "messages_count_tokens", "body"),
    ("POST", "messages/batches", "anthropic", "messages_batches", "none"),
    ("GET", "messages/batches/b_1", "anthropic", "messages_batches_id", "none"),
    ("GET", "messages/batches/b_1/results", "anthropic", "messages_batches_id_results", "none"),
]


def found(method: str, path: str) -> Operation:
    operation = find(method.encode(), path.encode())
    assert operation is not None
    return operation


@pytest.mark.parametrize("query", ["", "?a=%2F&b=?&c=/v1/", "?"])
@pytest.mark.parametrize("prefix", ["/v1/", "/", "/v1/v1/", "/v1beta/openai/"])
@pytest.mark.parametrize(("method", "rest", "wire_format", "name", "model"), OPENAI_SHAPED)
def test_openai_and_anthropic(  # noqa: PLR0913 - one row of the table and two axes
    method: str, rest: str, wire_format: str, name: str, model: str, prefix: str, query: str
) -> None:
    operation = found(method, prefix + rest + query)
    assert (operation.format, operation.name, operation.model) == (wire_format, name, model)
    assert operation.upstream_path == b"/" + (rest + query).encode()
    assert operation.path_model is None


VERBS = ("generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents")
GEMINI_MODELS = [
    ("gemini-2.5-flash", "gemini-2.5-flash"),
    ("meta/llama-3", "meta/llama-3"),
    ("meta%2Fllama-3", "meta/llama-3"),
    ("ft:gpt:org::id", "ft:gpt:org::id"),
    ("caf%C3%A9", "café"),
]


@pytest.mark.parametrize("colon", [":", "%3A", "%3a"])
@pytest.mark.parametrize(("written", "model"), GEMINI_MODELS)
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("prefix", ["/v1/", "/v1beta/", "/v1alpha/", "/"])
def test_gemini_models(prefix: str, verb: str, written: str, model: str, colon: str) -> None:
    rest = f"models/{written}{colon}{verb}?alt=sse&key=k"
    operation = found("POST", prefix + rest)
    assert (operation.format, operation.name, operation.action, operation.model) == ("gemini", verb, verb, "path")
    assert operation.path_model == model
    assert operation.upstream_path == b"/" + rest.encode()


@pytest.mark.parametrize(
    ("method", "path", "name", "model"),
    [
        ("GET", "/v1beta/models?pageSize=2", "models", None),
        ("GET", "/v1beta/models/gemini-2.5", "model", "gemini-2.5"),
        ("POST", "/v1beta/tunedModels/t:generateContent", "generateContent", "t"),
        ("POST", "/v1/interactions", "interactions", None),
        ("POST", "/v1beta/interactions", "interactions", None),
        ("GET", "/v1/interactions/i_1", "interactions_id", None),
        ("POST", "/v1beta/interactions/i_1/cancel", "interactions_id", None),
        ("PATCH", "/v1beta/cachedContents/c", "cachedContents_id", None),
    ],
)
def test_gemini_collections(method: str, path: str, name: str, model: str | None) -> None:
    operation = found(method, path)
    assert (operation.format, operation.name, operation.path_model) == ("gemini", name, model)


@pytest.mark.parametrize("prefix", ["/v1/models/", "/models/"])
@pytest.mark.parametrize("model", ["gpt-5", "meta/llama/3", "ft:gpt-4o:org::id", "x:explode", "x:"])
def test_one_model(prefix: str, model: str) -> None:
    operation = found("GET", prefix + model)
    assert (operation.format, operation.name, operation.path_model) == ("openai", "model", model)


@pytest.mark.parametrize("path", ["/v1/realtime?model=gpt-realtime", "/realtime?x=1&model=gpt-realtime"])
def test_the_model_of_a_realtime_session_is_in_the_query(path: str) -> None:
    operation = found("GET", path)
    assert (operation.model, operation.path_model) == ("path", "gpt-realtime")
    assert path_with_model(operation, "o/t&r").endswith(b"model=o%2Ft%26r")


NOTHING = (
    "/", "/v1", "/v1/", "/v1beta", "/v1beta/", "/v1/v1/v1/messages", "/v2/messages", "/v1/chat",
    "/v1/chat/completions/", "/v1//messages", "//v1/messages", "/V1/messages", "/v1/Messages", "/v1/messages/",
    "/v1/messages%2Fcount_tokens", "/v1/%6dessages", "/v1/messages;x", "/openai/v1/chat/completions",
    "/anthropic/v1/messages", "/v1/models:generateContent", "/v1/models/:generateContent", "/v1/models/",
    "/v1beta/models/", "/v1/models/../x:generateContent", "/v1/models/a/../b:generateContent",
    "/v1/models/%2e%2e/x:generateContent", "/v1/models/..%2fx:generateContent", "/v1/models/a%00b:generateContent",
    "/v1/models/a%0d%0ab:generateContent", "/v1/models/a%5c..%5cb:generateContent",
    "/v1/models/a%3Fb:generateContent", "/v1/models/a%2523:generateContent", "/v1/models//a:generateContent",
    "/v1/models/a/:generateContent", "/v1/models/a%:generateContent", "/v1/models/a%20b:generateContent",
    "/v1/files/..", "/v1/files/*", "/v1/responses/*/cancel",
    "/v1/files/.", "/v1/files/%2e%2e", "/v1/files/a%2Fb", "/v1/files/../organization",
    "/v1/files/a/b/c", "/v1/files//content", "/v1/files/a/../content", "/v1/responses/../files",
    "/v1/organization/api_keys", "/v1/fine_tuning/jobs", "/v1beta/../x", "/v1beta/interactions/..",
    "/v1beta/interactions/%2e%2e/x", "/v1beta/openai/", "/v1beta/corpora/x", "/v1/messages/batches/..",
    "/v1/messages/batches/a/b", "/metrics", "/health", "/providers",
)  # fmt: skip


@pytest.mark.parametrize("path", NOTHING)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_nothing_is_served_there(method: str, path: str) -> None:
    assert find(method.encode(), path.encode()) is None
    assert find(method.encode(), path.encode() + b"?x=1") is None


@pytest.mark.parametrize(
    ("path", "wire_format", "methods"),
    [
        ("/v1/chat/completions", "openai-chat", "POST"),
        ("/messages?x", "anthropic", "POST"),
        ("/v1/files", "openai", "POST, GET, HEAD"),
        ("/v1/files/f", "openai", "GET, HEAD, DELETE"),
        ("/v1beta/models/m:generateContent", "gemini", "POST"),
        ("/v1/models", "openai", "GET, HEAD"),
    ],
)
def test_another_method_would_do(path: str, wire_format: str, methods: str) -> None:
    assert find(b"PUT", path.encode()) is None
    assert find(b"OPTIONS", path.encode()) is None
    assert allowed(path.encode()) == (wire_format, methods.encode())


@pytest.mark.parametrize("path", ["/v1/models/x:explode", "/v1/models/x:", "/v1/models/x", "/v1beta/tunedModels/x"])
def test_a_model_is_asked_only_with_a_verb_that_exists(path: str) -> None:
    assert find(b"POST", path.encode()) is None


def test_no_method_would_do() -> None:
    assert allowed(b"/v1/nothing") is None


@pytest.mark.parametrize(
    ("version", "google", "dialect"),
    [(True, True, "anthropic"), (True, False, "anthropic"), (False, True, "gemini"), (False, False, "openai")],
)
def test_the_list_of_models_has_three_dialects(version: bool, google: bool, dialect: str) -> None:
    said = models_dialect(has_anthropic_version=version, has_goog_key=google)
    assert said == dialect
    operation = found("GET", "/v1/models?limit=1")
    assert in_dialect(operation, said) == Operation(dialect, "models", "none", b"/models?limit=1")


@pytest.mark.parametrize(
    ("method", "path", "is_metered", "needs_model"),
    [
        ("POST", "/v1/chat/completions", True, True),
        ("POST", "/v1/images/generations", True, False),
        ("POST", "/v1/moderations", True, False),
        ("GET", "/v1/responses/r", False, True),
        ("POST", "/v1/responses/r/cancel", False, True),
        ("POST", "/v1/messages/count_tokens", False, True),
        ("POST", "/v1/models/m:countTokens", False, True),
        ("POST", "/v1/models/m:generateContent", True, True),
        ("GET", "/v1/models/m", False, True),
        ("POST", "/v1/interactions", True, False),
    ],
)
def test_what_counts_and_what_needs_a_model(method: str, path: str, is_metered: bool, needs_model: bool) -> None:
    operation = found(method, path)
    assert (operation.metered, operation.needs_model) == (is_metered, needs_model)


@pytest.mark.parametrize(
    ("path", "new", "expected"),
    [
        ("/v1beta/models/a:generateContent?alt=sse", "b", b"/models/b:generateContent?alt=sse"),
        ("/v1/models/models:generateContent", "x/y", b"/models/x/y:generateContent"),
        ("/v1/models/a%2Fb%3AcountTokens", "c", b"/models/c%3AcountTokens"),
        ("/v1/models/a:b:countTokens", "?#%", b"/models/%3F%23%25:countTokens"),
        ("/v1beta/tunedModels/t%3acountTokens", "é", b"/tunedModels/%C3%A9%3acountTokens"),
    ],
)
def test_another_model_in_the_path(path: str, new: str, expected: bytes) -> None:
    assert path_with_model(found("POST", path), new) == expected


@given(st.text("models/genratCo:%2Ffiv1b.~\\\0 é?", max_size=40), st.sampled_from([b"GET", b"POST", b"DELETE"]))
def test_any_path_is_answered_and_none_steps_up(text: str, method: bytes) -> None:
    path = b"/v1/" + text.encode()
    operation = find(method, path)
    if operation is not None:
        assert path.endswith(operation.upstream_path)
        assert b".." not in operation.upstream_path.partition(b"?")[0].split(b"/")
