"""Speech from a text: OpenAI's POST /audio/speech asked of Gemini's models for speech.

    input             contents[0].parts[0].text
    instructions      parts[0].speechMetadata.style; up to 3.1, whose models read no such field, words before the text
    voice             speechConfig.voiceConfig.prebuiltVoiceConfig.voiceName; OpenAI's own become the most alike
    response_format   wav or pcm; unsaid it is wav, and named as changed: OpenAI's default is mp3
    speed             dropped; 1 says nothing
    stream_format     audio; sse is refused, the channel speaks in one piece
    reply             16 bit, 24 kHz, one channel: a WAV file from 3.8 on, plain samples before

Nothing is encoded here: mp3, opus, aac and flac are refused rather than sent under a wrong name. Sources: openai 3.54,
types/audio/speech_create_params.py; google-genai 3.4, SpeechConfig and SpeechMetadata; Google's page on the move to
Gemini 3.8 TTS; 2026-11.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from functools import partial
from typing import Final

from fastproxy.errors import FormatError
from fastproxy.formats.checked import needed, number, text, wrong
from fastproxy.formats.gemini_once import Json, asked, blobs_of, nothing_made, usage_of
from fastproxy.formats.question import Answer, Question, Wish, dropped
from fastproxy.formats.wave import Sound, read_wav, write_wav

# OpenAI's voices by character → Google's. Any other name is one of Google's own.
VOICES: Final = {
    "alloy": "Kore", "ash": "Orus", "ballad": "Algieba", "cedar": "Charon", "coral": "Aoede", "echo": "Puck",
    "fable": "Umbriel", "marin": "Zephyr", "nova": "Leda", "onyx": "Alnilam", "sage": "Sulafat",
    "shimmer": "Vindemiatrix", "verse": "Achird",
}  # fmt: skip
OPENAI_RATE: Final = 24_000  # of OpenAI's pcm
_WRITABLE: Final = ("wav", "pcm")
_READ: Final = ("input", "model", "voice", "instructions", "response_format", "speed", "stream_format")
_STYLE_IN_TEXT: Final = re.compile(r"(?:^|/)gemini-(?:2\.\d|3\.[01])-")
_RATE: Final = re.compile(r"rate=(\d{4,6})", re.IGNORECASE)
_CHANNELS: Final = re.compile(r"channels=([1-8])", re.IGNORECASE)


def openai_to_gemini(wish: Wish) -> Question:
    """Raises: FormatError, naming the field."""
    body = wish.body
    spoken = needed(text(body, "input"), "input", "a string")
    form, losses = _form(body)
    voice = needed(text(body, "voice"), "voice", "the name of a voice")
    named = VOICES.get(voice.lower(), voice)
    if named != voice:
        losses += (f"voice changed: to {named}",)
    if (number(body, "speed") or 1) != 1:
        losses += ("speed dropped: the channel's format has none, instructions can ask for it",)
    speech = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": named}}}
    settings: Json = {"responseModalities": ["AUDIO"], "speechConfig": speech}
    part = _part(wish.upstream_model, spoken, text(body, "instructions"))
    return asked(wish, [part], settings, partial(_read, form), (*losses, *dropped(body, _READ)))


def _form(body: Json) -> tuple[str, tuple[str, ...]]:
    """What is to be written, and a line if that was not said. Raises: FormatError."""
    stream = text(body, "stream_format") or "audio"
    if stream != "audio":
        wrong("stream_format", stream, "'audio', because the channel speaks in one piece")
    form = text(body, "response_format")
    if form is None:
        return "wav", ("response_format changed: to wav, because the channel makes no mp3",)
    if form not in _WRITABLE:
        wrong("response_format", form, "'wav' or 'pcm', which is all that the channel makes")
    return form, ()


def _part(model: str, spoken: str, style: str | None) -> Json:
    if not style:
        return {"text": spoken}
    if _STYLE_IN_TEXT.search(model):
        return {"text": f"{style}\n\n{spoken}"}
    return {"text": spoken, "speechMetadata": {"style": style}}


def _read(form: str, reply: Json) -> Answer:
    """Raises: UpstreamFailed (400) when nothing was spoken; FormatError when it is not to be understood."""
    sounds = [_sound(kind, data) for kind, data in blobs_of(reply, "")]
    if not sounds:
        raise nothing_made(reply, "speech")
    whole = sounds[0]._replace(samples=b"".join(sound.samples for sound in sounds))
    usage = usage_of(reply)
    if form == "wav":
        return Answer({}, usage, write_wav(whole), "audio/wav")
    kind = "audio/pcm" if whole.rate == OPENAI_RATE else f"audio/pcm;rate={whole.rate}"
    return Answer({}, usage, whole.samples, kind)


def _sound(kind: str, data: str) -> Sound:
    try:
        content = b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise FormatError("the speech is not valid base64") from None
    found = read_wav(content)
    if found is not None:
        return found
    if not kind.lower().startswith(("audio/l16", "audio/pcm")):
        raise FormatError(f"the speech is {kind[:40] or 'of no known type'}: expected samples of 16 bits or a WAV file")
    rate, channels = _RATE.search(kind), _CHANNELS.search(kind)
    return Sound(content, int(rate[1]) if rate else OPENAI_RATE, int(channels[1]) if channels else 1)
