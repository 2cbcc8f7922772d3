"""One call of an official SDK each, against any base URL: the mock itself, or a gateway in front of it.

Every function takes (base_url, key) and gives (text, usage): what a user of the SDK sees. `base_url` is the server's
root, without /v1; each function appends what its SDK expects. Retries are off, so that one call is one request.
Keyword `headers` are sent in addition (x-mock-…, X-Model-Provider).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx2
import openai
from google import genai
from google.genai import types

Result = tuple[str, dict[str, Any]]
Headers = Mapping[str, str]
_TIMEOUT_S = 30.0
_NONE: dict[str, Any] = {}


@contextmanager
def openai_client(base_url: str, key: str, headers: Headers | None = None) -> Iterator[openai.OpenAI]:
    """`base_url` may already end in a version, as with `…/openai/v1`."""
    url = base_url if base_url.rstrip("/").endswith("/v1") else base_url.rstrip("/") + "/v1"
    with openai.OpenAI(
        api_key=key, base_url=url, default_headers=headers, max_retries=0, timeout=_TIMEOUT_S, http_client=_plain()
    ) as client:
        yield client


@contextmanager
def anthropic_client(base_url: str, key: str, headers: Headers | None = None) -> Iterator[anthropic.Anthropic]:
    """Anthropic's SDK appends /v1 by itself."""
    with anthropic.Anthropic(
        api_key=key, base_url=base_url, default_headers=headers, max_retries=0, timeout=_TIMEOUT_S, http_client=_plain()
    ) as client:
        yield client


@contextmanager
def gemini_client(
    base_url: str, key: str, headers: Headers | None = None, api_version: str | None = None
) -> Iterator[genai.Client]:
    """Google's SDK appends the API version by itself: v1, or what `api_version` says."""
    with _plain() as transport:  # The SDK does not close a transport that it was given.
        options = types.HttpOptions(
            base_url=base_url,
            api_version=api_version,
            headers=dict(headers or {}),
            timeout=int(_TIMEOUT_S * 1000),
            httpx_client=transport,
        )
        yield genai.Client(api_key=key, http_options=options)


def _plain() -> httpx2.Client:
    """A transport that no proxy setting of the machine can lead astray."""
    return httpx2.Client(trust_env=False, timeout=_TIMEOUT_S)


def openai_chat(
    base_url: str, key: str, stream: bool = False, *, model: str = "gpt-5", headers: Headers | None = None
) -> Result:
    """chat.completions.create; a stream asks for its usage and must end with it."""
    messages: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello to Ada"}]
    with openai_client(base_url, key, headers) as client:
        if not stream:
            reply = client.chat.completions.create(model=model, messages=messages)
            return reply.choices[0].message.content or "", _dump(reply.usage)
        text, usage, reason = "", _NONE, None
        chunks = client.chat.completions.create(
            model=model, messages=messages, stream=True, stream_options={"include_usage": True}
        )
        for chunk in chunks:
            for choice in chunk.choices:
                text += choice.delta.content or ""
                reason = choice.finish_reason or reason
            usage = _dump(chunk.usage) if chunk.usage else usage
        assert reason == "stop"
        return text, usage


def openai_completions(
    base_url: str, key: str, stream: bool = False, *, model: str = "gpt-3.5-turbo-instruct"
) -> Result:
    """completions.create, the old endpoint."""
    with openai_client(base_url, key) as client:
        if not stream:
            reply = client.completions.create(model=model, prompt="Say hello")
            return reply.choices[0].text, _dump(reply.usage)
        text, usage = "", _NONE
        options: Any = {"include_usage": True}
        for chunk in client.completions.create(model=model, prompt="Say hello", stream=True, stream_options=options):
            text += "".join(choice.text for choice in chunk.choices)
            usage = _dump(chunk.usage) if chunk.usage else usage
        return text, usage


def openai_responses(
    base_url: str, key: str, stream: bool = False, *, model: str = "gpt-5", headers: Headers | None = None
) -> Result:
    """responses.create; a stream must end with response.completed."""
    with openai_client(base_url, key, headers) as client:
        if not stream:
            reply = client.responses.create(model=model, input="Say hello to Ada")
            return reply.output_text, _dump(reply.usage)
        text, usage = "", _NONE
        for event in client.responses.create(model=model, input="Say hello to Ada", stream=True):
            if event.type == "response.output_text.delta":
                text += event.delta
            elif event.type == "response.completed":
                assert event.response.output_text == text
                usage = _dump(event.response.usage)
        return text, usage


def openai_response_life(base_url: str, key: str) -> tuple[str, ...]:
    """Create, get, list the input of, cancel and delete a response; the id or state that each step reports."""
    with openai_client(base_url, key) as client:
        made = client.responses.create(model="gpt-5", input="Say hello", background=True)
        found = client.responses.retrieve(made.id)
        items = client.responses.input_items.list(made.id)
        cancelled = client.responses.cancel(made.id)
        client.responses.delete(made.id)
        assert found.id == made.id
        return found.object, str(items.data[0].type), cancelled.status or ""


def openai_embeddings(
    base_url: str, key: str, *, model: str = "text-embedding-3-small", encoding: str | None = None
) -> tuple[list[list[float]], dict[str, Any]]:
    """embeddings.create; the SDK's default is base64 and it decodes by itself."""
    extra: Any = {} if encoding is None else {"encoding_format": encoding}
    with openai_client(base_url, key) as client:
        reply = client.embeddings.create(model=model, input=["one", "two"], dimensions=64, **extra)
        return [list(item.embedding) for item in reply.data], _dump(reply.usage)


def openai_models(base_url: str, key: str) -> list[str]:
    """models.list: the ids."""
    with openai_client(base_url, key) as client:
        return [model.id for model in client.models.list()]


def openai_model(base_url: str, key: str, name: str) -> str:
    """models.retrieve: the id."""
    with openai_client(base_url, key) as client:
        return client.models.retrieve(name).id


def openai_moderation(base_url: str, key: str) -> bool:
    """moderations.create: flagged or not."""
    with openai_client(base_url, key) as client:
        return client.moderations.create(model="omni-moderation-latest", input="hello").results[0].flagged


def openai_image(base_url: str, key: str) -> str:
    """images.generate: the base64 of the picture."""
    with openai_client(base_url, key) as client:
        reply = client.images.generate(model="gpt-image-1", prompt="a pixel")
        assert reply.data
        return reply.data[0].b64_json or ""


def openai_speech(base_url: str, key: str) -> bytes:
    """audio.speech.create: the sound."""
    with openai_client(base_url, key) as client:
        return client.audio.speech.create(model="tts-1", voice="alloy", input="hello").read()


def openai_transcription(base_url: str, key: str) -> str:
    """audio.transcriptions.create: a multipart upload; the text."""
    with openai_client(base_url, key) as client:
        return client.audio.transcriptions.create(model="whisper-1", file=("a.mp3", b"ID3sound")).text


def openai_files(base_url: str, key: str) -> tuple[str, int, bytes]:
    """files: upload, look up, read, delete; (filename, length, content)."""
    with openai_client(base_url, key) as client:
        made = client.files.create(file=("in.jsonl", b'{"a":1}\n'), purpose="batch")
        assert client.files.retrieve(made.id).id == made.id
        content = client.files.content(made.id).read()
        assert client.files.delete(made.id).deleted
        return made.filename, made.bytes, content


def openai_batch(base_url: str, key: str) -> tuple[str, str]:
    """batches: create and look up; the two states."""
    with openai_client(base_url, key) as client:
        made = client.batches.create(input_file_id="file-1", endpoint="/v1/chat/completions", completion_window="24h")
        return made.status, client.batches.retrieve(made.id).status


def anthropic_messages(
    base_url: str, key: str, stream: bool = False, *, model: str = "claude-sonnet-4-6", headers: Headers | None = None
) -> Result:
    """messages.create, or messages.stream, which must end with its stop reason."""
    ask: Any = {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": "Say hello to Ada"}]}
    with anthropic_client(base_url, key, headers) as client:
        if not stream:
            reply = client.messages.create(**ask)
            return "".join(block.text for block in reply.content if block.type == "text"), _dump(reply.usage)
        with client.messages.stream(**ask) as events:
            text = "".join(events.text_stream)
            final = events.get_final_message()
        assert final.stop_reason == "end_turn"
        return text, _dump(final.usage)


def anthropic_count_tokens(base_url: str, key: str, *, model: str = "claude-sonnet-4-6") -> int:
    """messages.count_tokens."""
    with anthropic_client(base_url, key) as client:
        messages: Any = [{"role": "user", "content": "Say hello to Ada"}]
        return client.messages.count_tokens(model=model, messages=messages).input_tokens


def anthropic_models(base_url: str, key: str) -> list[str]:
    """models.list: the ids."""
    with anthropic_client(base_url, key) as client:
        return [model.id for model in client.models.list()]


def gemini_generate(
    base_url: str, key: str, stream: bool = False, *, model: str = "gemini-2.5-flash", headers: Headers | None = None
) -> Result:
    """models.generate_content, or its stream, which must end with its finish reason."""
    with gemini_client(base_url, key, headers) as client:
        if not stream:
            reply = client.models.generate_content(model=model, contents="Say hello to Ada")
            return reply.text or "", _dump(reply.usage_metadata)
        text, usage, reason = "", _NONE, None
        for chunk in client.models.generate_content_stream(model=model, contents="Say hello to Ada"):
            text += chunk.text or ""
            usage = _dump(chunk.usage_metadata)
            reason = chunk.candidates[0].finish_reason if chunk.candidates else reason
        assert reason is types.FinishReason.STOP
        return text, usage


def gemini_generate_v1beta(base_url: str, key: str) -> Result:
    """models.generate_content below /v1beta, where Google's other SDKs call."""
    with gemini_client(base_url, key, api_version="v1beta") as client:
        reply = client.models.generate_content(model="gemini-2.5-flash", contents="Say hello to Ada")
        return reply.text or "", _dump(reply.usage_metadata)


def gemini_embed(base_url: str, key: str, *, model: str = "gemini-embedding-001") -> list[list[float]]:
    """models.embed_content of two texts: the vectors."""
    with gemini_client(base_url, key) as client:
        contents: Any = ["one", "two"]
        config = types.EmbedContentConfig(output_dimensionality=64)
        reply = client.models.embed_content(model=model, contents=contents, config=config)
        return [list(item.values or ()) for item in reply.embeddings or ()]


def gemini_count_tokens(base_url: str, key: str, *, model: str = "gemini-2.5-flash") -> int:
    """models.count_tokens."""
    with gemini_client(base_url, key) as client:
        return client.models.count_tokens(model=model, contents="Say hello to Ada").total_tokens or 0


def gemini_models(base_url: str, key: str) -> list[str]:
    """models.list: the names, as `models/…`."""
    with gemini_client(base_url, key) as client:
        return [model.name or "" for model in client.models.list()]


def _dump(value: Any) -> dict[str, Any]:
    dumped: dict[str, Any] = value.model_dump(exclude_none=True, mode="json")
    return dumped
