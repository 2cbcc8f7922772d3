"""OpenAI's own SDK speaks, transcribes, translates and paints with Gemini models, through a running gateway.

The vendor is the strict studio: every request is checked with google-genai's types, every byte of a file by its digest.
"""

from __future__ import annotations

import base64
import io
import os
import wave
from typing import TYPE_CHECKING, Any, Final

import openai
import pytest

from fastproxy.formats.speech import VOICES
from fastproxy.formats.wave import Sound, write_wav
from tests.live import sdk_calls
from tests.live.running import Gateway
from tests.live.strict import studio as strict
from tests.live.strict.studio import Studio, digest, spoken

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live
CLIENT: Final = "fp-client-key-0123456789"
STRICT: Final = "fp-strict-key-0123456789"
SPEECH: Final = os.urandom(5 << 20)
WAV: Final = write_wav(Sound(os.urandom(48_000), 24_000))
MODELS: Final = (strict.SPEAKS, strict.SPEAKS_RAW, strict.LISTENS, strict.THINKS, strict.PAINTS)


@pytest.fixture(scope="module")
def shared_studio() -> Iterator[Studio]:
    with strict.studio() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(shared_studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    google = {
        "name": "google", "provider": "google-ai-studio", "keys": [strict.KEY],
        "base_url": f"http://127.0.0.1:{shared_studio.port}/v1beta", "models": [*MODELS, "tts-1"],
        "rename": {"tts-1": strict.SPEAKS},
    }  # fmt: skip
    keys = [{"name": "client", "key": CLIENT}, {"name": "strict", "key": STRICT, "lossy": "strict"}]
    with Gateway(tmp_path_factory.mktemp("media"), config={"channels": [google], "keys": keys}) as running:
        yield running


@pytest.fixture
def studio(shared_studio: Studio) -> Iterator[Studio]:
    """Whatever a test asks, nothing of it may have been refused."""
    shared_studio.asked.clear()
    shared_studio.refused.clear()
    yield shared_studio
    assert shared_studio.refused == []


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with sdk_calls.openai_client(gateway.url, CLIENT) as made:
        yield made


def samples_of(file: bytes) -> bytes:
    """What the standard library reads of a WAV file of OpenAI's kind."""
    with wave.open(io.BytesIO(file)) as opened:
        assert opened.getparams()[:3] == (1, 2, 24_000)
        return bytes(opened.readframes(opened.getnframes()))


@pytest.mark.parametrize("model", [strict.SPEAKS, strict.SPEAKS_RAW])
@pytest.mark.parametrize("form", ["wav", "pcm"])
def test_a_text_is_spoken(client: openai.OpenAI, studio: Studio, model: str, form: Any) -> None:
    reply = client.audio.speech.with_raw_response.create(model=model, voice="Kore", input="Hi", response_format=form)
    sound = reply.parse().read()
    assert (samples_of(sound) if form == "wav" else sound) == spoken("Hi")
    assert reply.headers["content-type"] == f"audio/{form}"
    assert "x-fastproxy-lossy" not in reply.headers


def test_unsaid_it_is_wav_under_openais_names_and_the_client_is_told(client: openai.OpenAI, studio: Studio) -> None:
    reply = client.audio.speech.with_raw_response.create(model="tts-1", voice="alloy", input="Hi")
    assert samples_of(reply.parse().read()) == spoken("Hi")
    assert reply.headers["content-type"] == "audio/wav"
    told = "response_format changed: to wav, because the channel makes no mp3; voice changed: to Kore"
    assert reply.headers["x-fastproxy-lossy"] == told
    assert studio.asked[0][0] == strict.SPEAKS


@pytest.mark.parametrize("voice", sorted(VOICES))
def test_each_of_openais_voices_is_one_that_google_has(client: openai.OpenAI, studio: Studio, voice: str) -> None:
    client.audio.speech.create(model=strict.SPEAKS, voice=voice, input="a", response_format="pcm")


def test_instructions_are_a_style_or_words_in_front(client: openai.OpenAI, studio: Studio) -> None:
    for model in (strict.SPEAKS, strict.SPEAKS_RAW):
        client.audio.speech.create(model=model, voice="Puck", input="Hi", instructions="Softly.", response_format="wav")
    parts = [body["contents"][0]["parts"][0] for _, body in studio.asked]
    assert parts == [{"text": "Hi", "speechMetadata": {"style": "Softly."}}, {"text": "Softly.\n\nHi"}]


def test_speech_can_be_streamed_to_a_file_as_sdk_users_do(client: openai.OpenAI, studio: Studio) -> None:
    asked: Any = {"model": strict.SPEAKS, "voice": "Kore", "input": "Hello", "response_format": "pcm"}
    with client.audio.speech.with_streaming_response.create(**asked) as reply:
        assert b"".join(reply.iter_bytes()) == spoken("Hello")


@pytest.mark.parametrize("form", ["mp3", "opus", "aac", "flac"])
def test_what_nobody_here_encodes_is_a_bad_request(client: openai.OpenAI, studio: Studio, form: Any) -> None:
    with pytest.raises(openai.BadRequestError, match="'wav' or 'pcm'") as refused:
        client.audio.speech.create(model=strict.SPEAKS, voice="Kore", input="a", response_format=form)
    assert refused.value.param == "response_format"
    assert studio.asked == []


def test_a_strict_key_wants_to_say_it(gateway: Gateway, studio: Studio) -> None:
    with sdk_calls.openai_client(gateway.url, STRICT) as client:
        with pytest.raises(openai.BadRequestError, match="response_format changed: to wav"):
            client.audio.speech.create(model=strict.SPEAKS, voice="Kore", input="a")
        assert client.audio.speech.create(model=strict.SPEAKS, voice="Kore", input="a", response_format="wav").read()


@pytest.mark.parametrize(("name", "kind"), [("a.mp3", "audio/mp3"), ("a.wav", "audio/wav"), ("a.webm", "audio/webm")])
@pytest.mark.parametrize("model", [strict.LISTENS, strict.THINKS])
def test_five_megabytes_are_heard_to_the_last_byte(
    client: openai.OpenAI, studio: Studio, model: str, name: str, kind: str
) -> None:
    made = client.audio.transcriptions.create(model=model, file=(name, SPEECH), language="de")
    assert made.text == f"{digest(SPEECH)} as {kind}"
    assert made.usage is not None
    assert made.usage.type == "tokens"
    assert (made.usage.input_tokens, made.usage.output_tokens) == (40, 7)


def test_a_transcript_as_text(client: openai.OpenAI, studio: Studio) -> None:
    text = client.audio.transcriptions.create(model=strict.THINKS, file=("a.mp3", SPEECH), response_format="text")
    assert text == f"{digest(SPEECH)} as audio/mp3\n"


@pytest.mark.parametrize(("model", "language"), [(strict.THINKS, "german"), (strict.LISTENS, "de-DE")])
def test_a_verbose_transcript_says_what_is_known(
    client: openai.OpenAI, studio: Studio, model: str, language: str
) -> None:
    reply = client.audio.transcriptions.with_raw_response.create(
        model=model, file=("a.wav", WAV), response_format="verbose_json"
    )
    made = reply.parse()
    assert (made.language, made.duration, made.segments) == (language, 1.0, None)
    assert "no segments" in reply.headers["x-fastproxy-lossy"]


def test_hints_reach_either_kind_of_model(client: openai.OpenAI, studio: Studio) -> None:
    for model in (strict.LISTENS, strict.THINKS):
        client.audio.transcriptions.create(
            model=model, file=("a.wav", WAV), language="de", keywords=["Zuse", "Ada"], temperature=0.2
        )
    made_for_it, for_everything = (body for _, body in studio.asked)
    config = made_for_it["generationConfig"]["audioTranscriptionConfig"]
    assert config == {"languageCodes": ["de"], "customVocabulary": ["Zuse", "Ada"]}
    assert "Zuse, Ada" in for_everything["contents"][0]["parts"][1]["text"]
    assert for_everything["generationConfig"]["temperature"] == 0.2


def test_a_translation_is_asked_for_in_english(client: openai.OpenAI, studio: Studio) -> None:
    with pytest.warns(DeprecationWarning, match="deprecated"):  # the SDK's, because whisper-1 is about to go
        made = client.audio.translations.create(model=strict.THINKS, file=("a.mp3", SPEECH))
    assert made.text.startswith(digest(SPEECH))
    assert "in English" in studio.asked[0][1]["contents"][0]["parts"][1]["text"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": "srt"}, "response_format"),
        ({"response_format": "vtt"}, "response_format"),
        ({"response_format": "verbose_json", "timestamp_granularities": ["word"]}, "timestamp_granularities"),
        ({"stream": True}, "stream"),
    ],
)
def test_what_needs_times_is_a_bad_request(
    client: openai.OpenAI, studio: Studio, fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.audio.transcriptions.create(model=strict.THINKS, file=("a.wav", WAV), **fields)
    assert refused.value.param == param
    assert studio.asked == []


def test_more_than_the_vendor_takes_is_too_large(client: openai.OpenAI, studio: Studio) -> None:
    with pytest.raises(openai.APIStatusError, match="20 MiB in one request") as refused:
        client.audio.transcriptions.create(model=strict.THINKS, file=("a.mp3", SPEECH * 5))
    assert refused.value.status_code == 413
    assert studio.asked == []


def test_an_image_is_painted_and_edited(client: openai.OpenAI, studio: Studio) -> None:
    made = client.images.generate(model=strict.PAINTS, prompt="a pixel", size="1536x1024", quality="high")
    assert base64.b64decode((made.data or [])[0].b64_json or "").startswith(strict.PNG)
    pictures: Any = [("a.png", WAV, "image/png"), ("b.webp", SPEECH, "image/webp")]
    edited = client.images.edit(model=strict.PAINTS, image=pictures, prompt="a hat")
    seen = base64.b64decode((edited.data or [])[0].b64_json or "").removeprefix(strict.PNG)
    assert seen.decode() == f"{digest(WAV)} {digest(SPEECH)}"


def test_a_mask_is_a_bad_request(client: openai.OpenAI, studio: Studio) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.edit(model=strict.PAINTS, image=("a.png", WAV), mask=("m.png", WAV), prompt="a hat")
    assert refused.value.param == "mask"


def test_moderations_are_not_to_be_had_of_google(client: openai.OpenAI, studio: Studio) -> None:
    with pytest.raises(openai.APIStatusError, match="'moderations' is not translated") as refused:
        client.moderations.create(model=strict.THINKS, input="hello")
    assert refused.value.status_code == 501


def test_what_it_cost_is_counted(gateway: Gateway, client: openai.OpenAI, studio: Studio) -> None:
    before = gateway.tokens()
    client.audio.speech.create(model=strict.SPEAKS, voice="Kore", input="a", response_format="pcm")
    client.audio.transcriptions.create(model=strict.LISTENS, file=("a.wav", WAV))
    gateway.has_counted(before, {("gemini", "input"): 80, ("gemini", "output"): 14})
