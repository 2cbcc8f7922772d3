"""The studio refuses what Google would: each of its rules bites on one broken request, and takes the sound one."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.live.strict import studio
from tests.live.strict.dialogue import Refused
from tests.live.strict.issued import Issued
from tests.live.strict.rulebook import Request

SAY: dict[str, Any] = {
    "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
    "generationConfig": {
        "responseModalities": ["AUDIO"],
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
    },
}
HEAR: dict[str, Any] = {
    "contents": [{"role": "user", "parts": [{"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}}]}]
}
PAINT: dict[str, Any] = {
    "contents": [{"role": "user", "parts": [{"text": "a pixel"}]}],
    "generationConfig": {"responseModalities": ["IMAGE"], "imageConfig": {"aspectRatio": "3:2"}},
}


def asked(model: str, body: dict[str, Any]) -> dict[str, Any]:
    return studio.answer(Request(body, {}, Issued("google"), model, False))


def changed(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with `value` at a dotted path; numbers are places in lists."""
    made = copy.deepcopy(body)
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    holder: Any = made
    for step in way:
        holder = holder[step]
    holder[last] = value
    return made


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (studio.SPEAKS, SAY),
        (studio.SPEAKS_RAW, SAY),
        (studio.LISTENS, HEAR),
        (studio.THINKS, HEAR),
        (studio.PAINTS, PAINT),
    ],
)
def test_a_sound_request_is_answered(model: str, body: dict[str, Any]) -> None:
    assert asked(model, body)["candidates"][0]["finishReason"] == "STOP"


SAID = HEAR["contents"][0]["parts"]
VOICE = "generationConfig.speechConfig.voiceConfig.prebuiltVoiceConfig.voiceName"
BROKEN = [
    ("gpt-5", SAY, "model_is_known"),
    (studio.SPEAKS, changed(SAY, VOICE, "alloy"), "speech_is_asked_for_as_such"),
    (studio.SPEAKS, changed(SAY, "generationConfig.responseModalities", ["TEXT"]), "speech_is_asked_for_as_such"),
    (studio.SPEAKS, changed(SAY, "generationConfig.temperature", 0.5), "speech_is_asked_for_as_such"),
    (
        studio.SPEAKS_RAW,
        changed(SAY, "contents.0.parts.0.speechMetadata", {"style": "low"}),
        "speech_is_asked_for_as_such",
    ),
    (studio.SPEAKS, changed(SAY, "generationConfig.speechConfig.voice", "Kore"), "shape_is_the_sdks"),
    (studio.SPEAKS, changed(SAY, "contents", SAY["contents"] * 2), "one_turn"),
    (studio.THINKS, changed(HEAR, "contents.0.parts.0.inlineData.mimeType", "video/mp4"), "recordings_are_known"),
    (studio.THINKS, HEAR | {"generationConfig": {"audioTranscriptionConfig": {}}}, "recordings_are_known"),
    (
        studio.LISTENS,
        changed(HEAR, "contents.0.parts", [*HEAR["contents"][0]["parts"], {"text": "a"}]),
        "recordings_are",
    ),
    (studio.PAINTS, changed(PAINT, "generationConfig.imageConfig", {"size": "1K"}), "image_config_is_the_sdks"),
    (studio.PAINTS, changed(PAINT, "generationConfig.responseModalities", ["AUDIO"]), "pictures_are_known"),
]


@pytest.mark.parametrize(("model", "body", "rule"), BROKEN)
def test_a_broken_one_is_refused_by_its_rule(model: str, body: dict[str, Any], rule: str) -> None:
    with pytest.raises(Refused, match=rule):
        asked(model, body)
