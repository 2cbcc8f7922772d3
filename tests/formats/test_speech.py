"""Speech asked for in OpenAI's shape, of Gemini's models for it."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from google.genai import types

from fastproxy.errors import FormatError, UpstreamFailed
from fastproxy.formats.question import Question, Wish
from fastproxy.formats.speech import VOICES, openai_to_gemini
from fastproxy.formats.usage_fields import Usage
from fastproxy.formats.wave import Sound, read_wav, write_wav

SAMPLES = bytes(range(256)) * 4
COUNTS = {"promptTokenCount": 8, "candidatesTokenCount": 48, "totalTokenCount": 56}


def asks(upstream: str = "gemini-3.8-flash-tts", **fields: Any) -> Question:
    body = {"model": "client-model", "input": "Hello.", "voice": "Kore", "response_format": "wav", **fields}
    return openai_to_gemini(Wish(body, "client-model", upstream, "id", 17))


def said(*blobs: tuple[str, bytes]) -> dict[str, Any]:
    parts = [{"inlineData": {"mimeType": kind, "data": b64encode(data).decode()}} for kind, data in blobs]
    return {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}], "usageMetadata": COUNTS}


RAW = said(("audio/L16;codec=pcm;rate=24000", SAMPLES))
FILE = said(("audio/wav", write_wav(Sound(SAMPLES, 24_000))))


def test_a_text_becomes_a_content_whose_answer_is_sound() -> None:
    question = asks()
    assert question.path == "/models/gemini-3.8-flash-tts:generateContent"
    assert question.body == {
        "contents": [{"role": "user", "parts": [{"text": "Hello."}]}],
        "generationConfig": {
            "responseModalities": ["AUDIO"],
            "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
        },
    }
    assert question.losses == ()
    types.GenerationConfig.model_validate(question.body["generationConfig"])


@pytest.mark.parametrize(
    ("model", "part"),
    [
        ("gemini-3.8-flash-tts", {"text": "Hello.", "speechMetadata": {"style": "Whisper."}}),
        ("gemini-9-tts", {"text": "Hello.", "speechMetadata": {"style": "Whisper."}}),
        ("gemini-2.5-flash-preview-tts", {"text": "Whisper.\n\nHello."}),
        ("publishers/google/models/gemini-3.1-flash-tts-preview", {"text": "Whisper.\n\nHello."}),
    ],
)
def test_instructions_stand_where_the_model_looks_for_them(model: str, part: dict[str, Any]) -> None:
    question = asks(model, instructions="Whisper.")
    assert question.body["contents"][0]["parts"] == [part]


@pytest.mark.parametrize("voice", sorted(VOICES))
def test_openais_voices_become_googles_and_the_client_is_told(voice: str) -> None:
    question = asks(voice=voice)
    config = question.body["generationConfig"]["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"]
    assert config == {"voiceName": VOICES[voice]}
    assert question.losses == (f"voice changed: to {VOICES[voice]}",)


def test_no_two_of_openais_voices_become_one() -> None:
    assert len(set(VOICES.values())) == len(VOICES)


def test_what_was_not_said_is_wav_and_the_client_is_told() -> None:
    question = asks(response_format=None, speed=1, stream_format="audio")
    assert question.losses == ("response_format changed: to wav, because the channel makes no mp3",)
    assert question.read(RAW).kind == "audio/wav"


def test_fields_without_a_place_are_named() -> None:
    assert [line.partition(" ")[0] for line in asks(speed=1.5, user="u").losses] == ["speed", "user"]


@pytest.mark.parametrize("reply", [RAW, FILE], ids=["samples", "file"])
def test_whichever_the_model_sends_both_can_be_had(reply: dict[str, Any]) -> None:
    wav, pcm = asks().read(reply), asks(response_format="pcm").read(reply)
    assert wav.data == write_wav(Sound(SAMPLES, 24_000))
    assert (pcm.data, pcm.kind) == (SAMPLES, "audio/pcm")
    assert wav.usage == pcm.usage == Usage(input=8, output=48)


def test_pieces_are_joined_and_another_rate_is_told() -> None:
    kind = "audio/l16; rate=16000; channels=2"
    reply = said((kind, SAMPLES), (kind, SAMPLES))
    assert read_wav(asks().read(reply).data or b"") == Sound(SAMPLES * 2, 16_000, 2)
    assert asks(response_format="pcm").read(reply).kind == "audio/pcm;rate=16000"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"input": None}, "field 'input' is missing"),
        ({"voice": None}, "field 'voice' is missing"),
        ({"voice": {"id": "voice_1"}}, "field 'voice' is an object"),
        *(({"response_format": name}, f"field 'response_format' is '{name}'") for name in ("mp3", "opus", "aac")),
        ({"response_format": "flac"}, "field 'response_format' is 'flac': expected 'wav' or 'pcm'"),
        ({"stream_format": "sse"}, "field 'stream_format' is 'sse': expected 'audio'"),
        ({"speed": "fast"}, "field 'speed' is 'fast'"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(FormatError) as refused:
        asks(**fields)
    assert refused.value.message.startswith(text)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, "PROHIBITED_CONTENT"),
        ({"candidates": [{"finishReason": "OTHER"}]}, "OTHER"),
        ({"candidates": [{"content": {"parts": [{"text": "I cannot"}]}, "finishReason": "STOP"}]}, "no reason"),
    ],
)
def test_a_model_that_does_not_speak_is_a_400_with_its_reason(reply: dict[str, Any], why: str) -> None:
    with pytest.raises(UpstreamFailed, match=why) as refused:
        asks().read(reply)
    assert refused.value.status == 400


@pytest.mark.parametrize("blob", [("audio/mp3", b"ID3"), ("", b"?"), ("audio/wav", b"no wav")])
def test_sound_that_cannot_be_told_is_never_passed_on_under_a_wrong_name(blob: tuple[str, bytes]) -> None:
    with pytest.raises(FormatError):
        asks().read(said(blob))
