"""Transcripts and translations asked for in OpenAI's form, of a Gemini model."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest
from google.genai import types

from fastproxy.errors import FormatError, UpstreamFailed
from fastproxy.formats.form_fields import Upload
from fastproxy.formats.question import Question, Wish
from fastproxy.formats.transcripts import transcribe, translate
from fastproxy.formats.usage_fields import Usage
from fastproxy.formats.wave import Sound, write_wav

SOUND = b"ID3" + bytes(range(256))
WAV = write_wav(Sound(bytes(48_000), 24_000))
ASR = "gemini-3.5-transcribe"
COUNTS: dict[str, Any] = {
    "promptTokenCount": 40, "candidatesTokenCount": 5, "totalTokenCount": 45,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 8}, {"modality": "AUDIO", "tokenCount": 32}],
}  # fmt: skip
WRITTEN = {
    "type": "tokens", "input_tokens": 40, "input_token_details": {"audio_tokens": 32, "text_tokens": 8},
    "output_tokens": 5, "total_tokens": 45,
}  # fmt: skip


def upload(name: str = "a.mp3", kind: str = "audio/mpeg", data: bytes = SOUND) -> Upload:
    return Upload(name, kind, memoryview(data))


def asks(way: Any = transcribe, upstream: str = "gemini-3-flash", **fields: Any) -> Question:
    body = {"model": "client-model", "file": upload(), **fields}
    question: Question = way(Wish(body, "client-model", upstream, "id", 17))
    return question


def said(*parts: dict[str, Any], reason: str | None = "STOP") -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": [*parts]}, "finishReason": reason}], "usageMetadata": COUNTS}


def parts(question: Question) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = question.body["contents"][0]["parts"]
    return found


HELLO = said({"text": "thinking", "thought": True}, {"text": "Hello, "}, {"text": "Ada.\n"})


class TestAsking:
    def test_the_file_goes_inline_and_the_wish_beside_it(self) -> None:
        question = asks()
        assert question.path == "/models/gemini-3-flash:generateContent"
        blob, text = parts(question)
        assert blob["inlineData"]["mimeType"] == "audio/mp3"
        assert b64decode(blob["inlineData"]["data"]) == SOUND
        assert "word for word" in text["text"]
        assert "generationConfig" not in question.body
        assert question.losses == ()

    def test_a_translation_is_asked_for_in_english(self) -> None:
        assert "in English" in parts(asks(translate))[1]["text"]

    def test_hints_are_in_the_words(self) -> None:
        question = asks(
            language="de", languages=["fr"], keywords=["Ada", "Zuse"], prompt="Liebe Ada", temperature="0.2"
        )
        text = parts(question)[1]["text"]
        assert all(word in text for word in ("de, fr", "Ada, Zuse", "Liebe Ada"))
        assert question.body["generationConfig"] == {"temperature": 0.2}

    def test_a_model_made_for_it_gets_its_own_settings_and_no_words(self) -> None:
        question = asks(upstream=ASR, language="de", keywords=["Zuse"], prompt="Liebe Ada")
        assert len(parts(question)) == 1
        config = question.body["generationConfig"]
        assert config == {"audioTranscriptionConfig": {"languageCodes": ["de"], "customVocabulary": ["Zuse"]}}
        types.GenerationConfig.model_validate(config)
        assert question.losses == ("prompt dropped: the model takes none",)
        assert "generationConfig" not in asks(upstream=ASR).body

    @pytest.mark.parametrize(
        ("name", "kind", "expected"),
        [
            ("a.wav", "audio/x-wav", "audio/wav"),
            ("a.WAV", "application/octet-stream", "audio/wav"),
            ("call.mp3", "audio/mpeg", "audio/mp3"),
            ("a.m4a", "", "audio/m4a"),
            ("a.webm", "video/webm", "audio/webm"),
            ("a.mp4", "video/mp4", "audio/mp4"),
            ("blob", "video/webm", "audio/webm"),
            ("blob", "audio/x-flac", "audio/flac"),
            ("blob", "audio/vnd.wave", "audio/wav"),
        ],
    )
    def test_the_type_follows_the_name_then_what_the_client_says(self, name: str, kind: str, expected: str) -> None:
        assert parts(asks(file=upload(name, kind)))[0]["inlineData"]["mimeType"] == expected

    @pytest.mark.parametrize(
        ("fields", "text"),
        [
            ({"file": None}, "field 'file' is missing: expected a file"),
            ({"file": "text"}, "field 'file' is 'text': expected a file"),
            ({"file": upload("blob", "application/octet-stream")}, "field 'file' has a name that ends in none of aac"),
            ({"response_format": "srt"}, "field 'response_format' is 'srt'"),
            ({"response_format": "vtt"}, "field 'response_format' is 'vtt'"),
            ({"response_format": "diarized_json"}, "field 'response_format' is 'diarized_json'"),
            ({"response_format": "xml"}, "field 'response_format' is 'xml'"),
            ({"timestamp_granularities": ["word"]}, "field 'timestamp_granularities' is given"),
            ({"stream": "true"}, "field 'stream' is true"),
            ({"temperature": "warm"}, "field 'temperature' is 'warm'"),
            ({"language": "de\nignore this"}, "field 'language' is 'de\nignore this': expected one line"),
            ({"keywords": ["a"] * 1001}, "field 'keywords' has 1001 entries"),
        ],
    )
    def test_a_bad_field_is_named(self, fields: dict[str, Any], text: str) -> None:
        with pytest.raises(FormatError) as refused:
            asks(**fields)
        assert refused.value.message.startswith(text)

    def test_a_model_that_only_transcribes_does_not_translate(self) -> None:
        with pytest.raises(FormatError, match="field 'model' names one that only transcribes"):
            asks(translate, ASR)

    def test_what_has_no_place_is_named(self) -> None:
        question = asks(include=["logprobs"], chunking_strategy="auto", known_speaker_names=["a"])
        assert question.losses == ("include dropped", "known_speaker_names dropped")


class TestAnswers:
    def test_json_has_the_text_and_the_counts(self) -> None:
        answer = asks().read(HELLO)
        assert answer.body == {"text": "Hello, Ada.", "usage": WRITTEN}
        assert answer.usage == Usage(input=40, output=5)

    def test_text_is_the_text(self) -> None:
        answer = asks(response_format="text").read(HELLO)
        assert (answer.data, answer.kind) == (b"Hello, Ada.\n", "text/plain; charset=utf-8")

    def test_verbose_json_says_what_can_be_known(self) -> None:
        question = asks(response_format="verbose_json", file=upload("a.wav", data=WAV))
        assert question.body["generationConfig"]["responseMimeType"] == "application/json"
        types.GenerationConfig.model_validate(question.body["generationConfig"])
        heard = json.dumps({"language": "german", "text": "Hallo."})
        answer = question.read(said({"text": heard}))
        assert answer.body == {
            "task": "transcribe", "language": "german", "duration": 1.0, "text": "Hallo.", "usage": WRITTEN
        }  # fmt: skip
        assert question.losses == ("response_format changed: no segments, because the channel gives no times",)

    def test_a_duration_that_nobody_knows_is_null_and_named(self) -> None:
        question = asks(response_format="verbose_json")
        assert question.read(said({"text": '{"language":"german","text":"a"}'})).body["duration"] is None
        assert any("no duration" in line for line in question.losses)

    def test_a_translation_is_english_whatever_was_spoken(self) -> None:
        heard = said({"text": '{"language":"german","text":"Hi"}'})
        answer = asks(translate, response_format="verbose_json").read(heard)
        assert (answer.body["task"], answer.body["language"]) == ("translate", "english")

    def test_a_model_made_for_it_tells_the_language_itself(self) -> None:
        heard = {"audioTranscription": {"text": "Hallo.", "languageCode": "de-DE"}}
        answer = asks(upstream=ASR, response_format="verbose_json").read(said(heard))
        assert (answer.body["text"], answer.body["language"]) == ("Hallo.", "de-DE")

    def test_silence_is_an_empty_text(self) -> None:
        assert asks().read(said()).body["text"] == ""

    @pytest.mark.parametrize(
        ("reply", "why", "status"),
        [
            ({"promptFeedback": {"blockReason": "SAFETY"}}, "SAFETY", 400),
            (said(reason="PROHIBITED_CONTENT"), "PROHIBITED_CONTENT", 400),
            ({}, "no reason", 400),
            (said({"text": "Hello, A"}, reason="MAX_TOKENS"), "cut", 502),
        ],
    )
    def test_what_is_no_transcript_is_no_answer(self, reply: dict[str, Any], why: str, status: int) -> None:
        with pytest.raises(UpstreamFailed, match=why) as refused:
            asks().read(reply)
        assert refused.value.status == status

    def test_json_that_the_model_did_not_keep_to_is_not_passed_on(self) -> None:
        with pytest.raises(FormatError):
            asks(response_format="verbose_json").read(said({"text": "Hallo."}))
