"""A strict Google that speaks, listens and paints: generateContent of the models that make or take media.

Every request is checked against the types of google-genai and the rules of gemini_rules.py, then against what Google
says of each kind of model. What a model hears or sees it repeats as a digest, so that a changed byte shows; what it
says can be worked out from the text. Sources: ai.google.dev, speech generation, transcribe, audio, image generation;
2026-11.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import threading
from base64 import b64encode
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from google.genai import types

from fastproxy.formats.wave import Sound, write_wav
from tests.live.strict import gemini_rules, shapes
from tests.live.strict.dialogue import Refused
from tests.live.strict.issued import Issued
from tests.live.strict.quiet import QuietHandler
from tests.live.strict.rulebook import Request, obey

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY: Final = "sk-studio-0123456789"
PNG: Final = b"\x89PNG\r\n\x1a\n" + bytes(8)
# who listens is told apart by its name: one kind is made for it, the other is a model for everything
SPEAKS, SPEAKS_RAW = "gemini-3.8-flash-tts", "gemini-2.5-flash-preview-tts"
LISTENS, THINKS, PAINTS = "gemini-3.5-transcribe", "gemini-3-flash", "gemini-3.1-flash-lite-image"
_NAMES: Final = (
    "Zephyr Puck Charon Kore Fenrir Leda Orus Aoede Callirrhoe Autonoe Enceladus Iapetus Umbriel Algieba Despina "
    "Erinome Algenib Rasalgethi Laomedeia Achernar Alnilam Schedar Gacrux Pulcherrima Achird Zubenelgenubi "
    "Vindemiatrix Sadachbia Sadaltager Sulafat"
)
VOICES: Final = frozenset(_NAMES.split())
_KINDS: Final = "wav mp3 mpeg aiff aac ogg opus flac m4a mp4 webm l16 alaw mulaw"
SOUNDS: Final = frozenset(f"audio/{kind}" for kind in _KINDS.split())
IMAGES: Final = frozenset(("image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"))
MAX_BYTES: Final = 100_000_000
_PATH: Final = re.compile(r"/v1beta/models/([^/:]+):generateContent")


@dataclass(slots=True)
class Studio:
    """A studio that runs: what it was asked (model, body), and what it refused."""

    port: int = 0
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def spoken(text: str) -> bytes:
    """The samples that are said for this text: a tenth of a second for every letter."""
    return b"".join(hashlib.sha256(letter.encode()).digest() * 150 for letter in text)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _parts(request: Request) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = request.body["contents"][0]["parts"]
    return found


def _blobs(request: Request) -> list[dict[str, Any]]:
    return [part["inlineData"] for part in _parts(request) if "inlineData" in part]


def one_turn(request: Request) -> str:
    return "" if len(request.body["contents"]) == 1 else "Please use one turn."


def speech_is_asked_for_as_such(request: Request) -> str:
    if request.model not in (SPEAKS, SPEAKS_RAW):
        return ""
    config, parts = gemini_rules.config_of(request.body), _parts(request)
    voice = config.get("speechConfig", {}).get("voiceConfig", {}).get("prebuiltVoiceConfig", {}).get("voiceName")
    if config.get("responseModalities") != ["AUDIO"] or len(parts) != 1 or not parts[0].get("text"):
        return "The requested combination of response modalities is not supported by the model."
    if voice not in VOICES:
        return f"Voice name {voice} is not supported."
    if request.model == SPEAKS and {"temperature", "topP", "topK"} & config.keys():
        return "Sampling parameters are not supported by the model."
    return "speech_metadata is not supported" if request.model == SPEAKS_RAW and "speechMetadata" in parts[0] else ""


def recordings_are_known(request: Request) -> str:
    if request.model not in (LISTENS, THINKS):
        return ""
    kinds = [blob["mimeType"] for blob in _blobs(request)]
    if len(kinds) != 1 or not set(kinds) <= SOUNDS:
        return f"Unsupported MIME type: {kinds}"
    has_config = "audioTranscriptionConfig" in gemini_rules.config_of(request.body)
    if request.model == LISTENS and any("text" in part for part in _parts(request)):
        return "The model takes audio only."
    return "audio_transcription_config is not supported" if request.model == THINKS and has_config else ""


def pictures_are_known(request: Request) -> str:
    if request.model != PAINTS:
        return ""
    if gemini_rules.config_of(request.body).get("responseModalities") != ["IMAGE"]:
        return "The requested combination of response modalities is not supported by the model."
    return "" if {blob["mimeType"] for blob in _blobs(request)} <= IMAGES else "Unsupported MIME type"


RULES: Final = (*gemini_rules.RULES, one_turn, speech_is_asked_for_as_such, recordings_are_known, pictures_are_known)


def answer(request: Request) -> dict[str, Any]:
    """What the model says. Raises: Refused."""
    if request.model not in (SPEAKS, SPEAKS_RAW, LISTENS, THINKS, PAINTS):
        raise Refused("model_is_known", f"models/{request.model} is not found")
    obey(RULES, _without_shape(request))
    made = _made(request)
    counts = {
        "promptTokenCount": 40, "candidatesTokenCount": 7, "totalTokenCount": 47,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 8}, {"modality": "AUDIO", "tokenCount": 32}],
    }  # fmt: skip
    content = {"role": "model", "parts": [made]}
    return {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}], "usageMetadata": counts}


def _without_shape(request: Request) -> Request:
    """generationConfig.imageConfig is in the API but not in the SDK's class of that name. Raises: Refused."""
    config = dict(request.body.get("generationConfig", {}))
    if text := shapes.fault(config.pop("imageConfig", {}), types.ImageConfig, "imageConfig"):
        raise Refused("image_config_is_the_sdks", text)
    body = {**request.body, "generationConfig": config} if config else request.body
    return replace(request, body=body)


def _made(request: Request) -> dict[str, Any]:
    if request.model in (SPEAKS, SPEAKS_RAW):
        sound = spoken(_parts(request)[0]["text"])
        if request.model == SPEAKS_RAW:
            return _inline("audio/L16;codec=pcm;rate=24000", sound)
        return _inline("audio/wav", write_wav(Sound(sound, 24_000)))
    heard = [digest(shapes.decoded(blob["data"]) or b"") for blob in _blobs(request)]
    if request.model == PAINTS:
        return _inline("image/png", PNG + " ".join(heard).encode())
    text = f"{heard[0]} as {_blobs(request)[0]['mimeType']}"
    if request.model == LISTENS:
        return {"text": text, "audioTranscription": {"languageCode": "de-DE"}}
    if "responseSchema" in gemini_rules.config_of(request.body):
        return {"text": json.dumps({"language": "german", "text": text})}
    return {"text": f"{text}\n"}


def _inline(kind: str, data: bytes) -> dict[str, Any]:
    return {"inlineData": {"mimeType": kind, "data": b64encode(data).decode()}}


class _Handler(QuietHandler):
    studio: Studio

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        path, headers = _PATH.fullmatch(self.path), {name.lower(): value for name, value in self.headers.items()}
        try:
            if path is None or headers.get("x-goog-api-key") != KEY or len(raw) > MAX_BYTES:
                raise Refused("key_is_ours", f"{self.path}: not here, not with this key, or too large")
            body = json.loads(raw)
            self.studio.asked.append((path[1], body))
            self._send(200, answer(Request(body, headers, Issued("google"), path[1], False)))
        except (Refused, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            self.studio.refused.append(repr(error))
            self._send(400, {"error": {"code": 400, "message": str(error), "status": "INVALID_ARGUMENT"}})

    def _send(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json; charset=UTF-8")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that goes away is no fault."""


@contextmanager
def studio() -> Iterator[Studio]:
    """A studio that serves while the block runs, in threads."""
    made = Studio()
    with _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"studio": made})) as server:
        made.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join(5)
