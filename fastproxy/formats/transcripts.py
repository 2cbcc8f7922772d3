"""Text from speech: OpenAI's POST /audio/transcriptions and /audio/translations asked of a Gemini model.

    file               contents[0].parts[0].inlineData; its type by the ending of its name, else as the client says
    what is wanted     a text part in our words: verbatim, or in English; with language, prompt and keywords
                       models made for it (gemini-…-transcribe) read audioTranscriptionConfig instead of a text
    temperature        generationConfig.temperature
    response_format    json, text; verbose_json with what can be known: the language as the model heard it, the duration
                       of a WAV file, no segments
    refused            srt, vtt, diarized_json, timestamp_granularities and stream: the channel gives no times, and all
                       at once; a translation by a model that only transcribes
    usage              usageMetadata

Sources: openai 3.54, types/audio/transcription*.py and translation*.py; google-genai 3.4, AudioTranscriptionConfig;
ai.google.dev/gemini-api/docs/audio and /transcribe; 2026-11.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Final, NamedTuple

from fastproxy.errors import FormatError, UpstreamFailed
from fastproxy.formats import checked
from fastproxy.formats.form_fields import file_of, typed
from fastproxy.formats.gemini_once import (
    Json,
    asked,
    bad_end,
    nothing_made,
    of_modality,
    parts_of,
    usage_of,
    written_usage,
)
from fastproxy.formats.question import Answer, Question, Wish, dropped
from fastproxy.formats.recordings import media_type
from fastproxy.formats.wave import seconds

_FORMS: Final = ("json", "text", "verbose_json")
_TIMED: Final = ("srt", "vtt", "diarized_json")
_READ: Final = ("file", "model", "language", "languages", "prompt", "keywords", "temperature", "response_format",
                "timestamp_granularities", "stream")  # fmt: skip
_MAX_HINTS: Final = 1000
_MAX_HINT_CHARS: Final = 200

_VERBATIM: Final = "Write down, word for word and in the language in which it is said, what is said in this recording."
_IN_ENGLISH: Final = "Write down in English what is said in this recording, translated where it is in another language."
_ALONE: Final = (
    "Answer with these words alone: no title, no times, no names of speakers, no remarks, no formatting. "
    "Where nothing is said, answer with an empty text."
)
_LANGUAGE_TOO: Final = (
    "Beside them, in `language`, give the English name of the language that is spoken, in small letters."
)
_SCHEMA: Final = {
    "type": "OBJECT",
    "properties": {"language": {"type": "STRING"}, "text": {"type": "STRING"}},
    "required": ["language", "text"],
}


class _Wanted(NamedTuple):
    """What the client wants of the recording."""

    form: str
    task: str  # transcribe | translate
    languages: list[str]
    keywords: list[str]
    prompt: str
    duration: float | None
    is_asked: bool  # by a text, so that the answer can be in JSON


def transcribe(wish: Wish) -> Question:
    """Raises: FormatError, naming the field."""
    return _question(wish, "transcribe")


def translate(wish: Wish) -> Question:
    """Raises: FormatError, naming the field."""
    if "transcribe" in wish.upstream_model:
        raise FormatError("field 'model' names one that only transcribes: expected one that can translate")
    return _question(wish, "translate")


def _question(wish: Wish, task: str) -> Question:
    body = typed(wish.body, numbers=("temperature",), flags=("stream",))
    form = _form(body)
    file = file_of(body, "file")
    wanted = _Wanted(
        form,
        task,
        [*_hints(body, "language"), *_hints(body, "languages")],
        _hints(body, "keywords"),
        checked.text(body, "prompt") or "",
        seconds(file.data),
        "transcribe" not in wish.upstream_model,
    )
    parts: list[Json] = [{"inlineData": {"mimeType": media_type(file), "data": b64encode(file.data).decode()}}]
    if wanted.is_asked:
        parts.append({"text": _instruction(wanted)})
    said = {name: value for name, value in body.items() if (name, value) != ("chunking_strategy", "auto")}
    losses = (*_losses(wanted), *dropped(said, _READ))
    return asked(wish, parts, _settings(wanted, body), lambda reply: _read(wanted, reply), losses)


def _form(body: Json) -> str:
    """What is to be written. Raises: FormatError for what takes times, or more than one piece."""
    if checked.boolean(body, "stream"):
        raise FormatError("field 'stream' is true: expected false, because the channel answers in one piece")
    form = checked.text(body, "response_format") or "json"
    if form in _TIMED:
        raise FormatError(f"field 'response_format' is '{form}': expected 'json', 'text' or 'verbose_json', "
                          "because the channel gives neither times nor speakers")  # fmt: skip
    if form not in _FORMS:
        checked.wrong("response_format", form, "'json', 'text' or 'verbose_json'")
    if body.get("timestamp_granularities"):
        raise FormatError("field 'timestamp_granularities' is given: expected none, because the channel gives no times")
    return form


def _hints(body: Json, name: str) -> list[str]:
    """A text, or several. Raises: FormatError when one is too long to be a hint, or they are too many."""
    given = body.get(name)
    hints = given if isinstance(given, list) else [given] if given else []
    if len(hints) > _MAX_HINTS:
        raise FormatError(f"field '{name}' has {len(hints)} entries: expected at most {_MAX_HINTS}")
    for hint in hints:
        if not isinstance(hint, str) or len(hint) > _MAX_HINT_CHARS or not hint.isprintable():
            checked.wrong(name, hint, f"one line of at most {_MAX_HINT_CHARS} characters")
    return hints


def _instruction(wanted: _Wanted) -> str:
    lines = [_VERBATIM if wanted.task == "transcribe" else _IN_ENGLISH, _ALONE]
    if wanted.form == "verbose_json":
        lines.append(_LANGUAGE_TOO)
    if wanted.languages:
        lines.append(f"Spoken languages (ISO 639): {', '.join(wanted.languages)}.")
    if wanted.keywords:
        lines.append(f"Words that may occur: {', '.join(wanted.keywords)}.")
    if wanted.prompt:
        lines.append(f"What went before, or shows how words are spelt, and is not to be repeated: {wanted.prompt}")
    return "\n".join(lines)


def _settings(wanted: _Wanted, body: Json) -> Json:
    settings: Json = {}
    if (temperature := checked.number(body, "temperature")) is not None:
        settings["temperature"] = temperature
    if not wanted.is_asked:
        config: Json = {"languageCodes": wanted.languages, "customVocabulary": wanted.keywords}
        if found := {name: value for name, value in config.items() if value}:
            settings["audioTranscriptionConfig"] = found
    elif wanted.form == "verbose_json":
        settings |= {"responseMimeType": "application/json", "responseSchema": _SCHEMA}
    return settings


def _losses(wanted: _Wanted) -> tuple[str, ...]:
    losses = []
    if wanted.form == "verbose_json":
        losses.append("response_format changed: no segments, because the channel gives no times")
        if wanted.duration is None:
            losses.append("response_format changed: no duration, which only a WAV file tells")
    if wanted.prompt and not wanted.is_asked:
        losses.append("prompt dropped: the model takes none")
    return tuple(losses)


def _read(wanted: _Wanted, reply: Json) -> Answer:
    """Raises: UpstreamFailed when the model refused, or was cut off; FormatError."""
    parts = parts_of(reply)
    heard = [part["audioTranscription"] for part in parts if isinstance(part.get("audioTranscription"), dict)]
    text = "".join(part["text"] for part in parts if isinstance(part.get("text"), str))
    text = text or "".join(str(one.get("text") or "") for one in heard)
    reason = bad_end(reply)
    if reason == "MAX_TOKENS":
        raise UpstreamFailed("the transcript was cut at the model's output limit", kind="upstream_truncated")
    if reason is not None or not reply.get("candidates"):
        raise nothing_made(reply, "transcript")
    language = next((str(one["languageCode"]) for one in heard if one.get("languageCode")), None)
    if wanted.is_asked and wanted.form == "verbose_json":
        found = checked.load(text.encode())
        text, language = checked.text(found, "text") or "", checked.text(found, "language")
    return _answer(wanted, text.strip(), language, reply)


def _answer(wanted: _Wanted, text: str, language: str | None, reply: Json) -> Answer:
    usage = usage_of(reply)
    if wanted.form == "text":
        return Answer({}, usage, f"{text}\n".encode(), "text/plain; charset=utf-8")
    body: dict[str, Any] = {"text": text}
    if wanted.form == "verbose_json":
        spoken = "english" if wanted.task == "translate" else language or next(iter(wanted.languages), None)
        body = {"task": wanted.task, "language": spoken, "duration": wanted.duration, "text": text}
    if usage is not None:
        body["usage"] = {"type": "tokens"} | written_usage(
            usage, "input_token_details", "audio", of_modality(reply, "promptTokensDetails", "AUDIO")
        )
    return Answer(body, usage)
