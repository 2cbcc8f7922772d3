"""Turns and parts of other formats, written for Gemini."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai import types

from fastproxy.errors import FormatError
from fastproxy.formats.chat import (
    Audio,
    ChatRequest,
    Citation,
    Document,
    Facts,
    Image,
    Opaque,
    Original,
    Part,
    Refusal,
    Source,
    Text,
    Thinking,
    Turn,
    Video,
)
from tests.formats.gemini.asking import (
    ASSISTANT,
    DATA,
    LEVEL,
    USER,
    A,
    Q,
    asked,
    call,
    contents,
    model,
    result,
    user,
    written,
)


def test_case_2_instructions_stand_in_front() -> None:
    body, lost = written(asked(Turn("system", (Text("s"),)), Turn("developer", (Text("d"),)), USER))
    assert body == {"systemInstruction": {"parts": [{"text": "s"}, {"text": "d"}]}, "contents": [user(Q)]}
    assert not lost


def test_case_2_instructions_in_between_are_moved_and_told() -> None:
    body, lost = written(asked(USER, Turn("system", (Text("s"),)), USER))
    assert body == {"systemInstruction": {"parts": [{"text": "s"}]}, "contents": [user(Q, Q)]}
    assert lost == ("turn moved: to the instructions in front",)


def test_case_7_neighbours_of_one_role_are_one_content() -> None:
    assert contents(USER, USER, ASSISTANT, ASSISTANT, USER) == [user(Q, Q), model(A, A), user(Q)]


def test_case_8_a_users_turn_is_put_in_front_of_a_models() -> None:
    body, lost = written(asked(ASSISTANT, USER))
    assert body["contents"] == [user({"text": "…"}), model(A), user(Q)]
    assert lost == ("turns changed: a user's turn was put in front",)


def test_case_9_instructions_alone_get_a_users_turn() -> None:
    body, lost = written(asked(Turn("system", (Text("s"),))))
    assert body["contents"] == [user({"text": "…"})]
    assert lost == ("turns changed: a user's turn was put in front",)


def test_case_10_a_prefill_stays_and_is_told() -> None:
    body, lost = written(asked(USER, ASSISTANT))
    assert body["contents"] == [user(Q), model(A)]
    assert lost == ("turns changed: the model need not continue the last turn",)


def test_case_12_a_turn_of_calls_only_has_no_text() -> None:
    turns = (USER, Turn("assistant", (Text(""), call("c"))), Turn("tool", (result("c"),)))
    assert [list(part) for part in contents(*turns)[1]["parts"]] == [["functionCall"]]


def test_case_13_an_empty_users_turn_is_filled() -> None:
    body, lost = written(asked(Turn("user", (Text(""),))))
    assert body["contents"] == [user({"text": "…"})]
    assert lost == ("turn changed: it is empty", "turns changed: an empty turn was filled")


def test_case_13_an_empty_turn_between_others_is_merged_away() -> None:
    assert contents(USER, Turn("assistant", ()), USER) == [user(Q, Q)]


def test_case_15_names_of_participants_are_left_out_and_told() -> None:
    body, lost = written(asked(Turn("user", (Text("q"),), "Ada"), Turn("user", (Text("q"),), "Bob")))
    assert body["contents"] == [user(Q, Q)]
    assert lost == ("turn changed: Gemini does not name participants",) * 2


# --- parts

PARTS: list[tuple[str, Part, list[Any], bool]] = [
    ("case 36 text", Text("a"), [{"text": "a"}], False),
    ("case 103 signed text", Text("", "c2ln"), [{"text": "", "thoughtSignature": "c2ln"}], False),
    ("case 16 refusal", Refusal("no"), [{"text": "no"}], True),
    ("case 20 image", Image(DATA), [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}], False),
    (
        "case 22 Google's address",
        Image(Source("image/png", url="gs://b/i.png")),
        [{"fileData": {"mimeType": "image/png", "fileUri": "gs://b/i.png"}}],
        False,
    ),
    (
        "case 22 another address",
        Image(Source(url="https://example.org/i.png")),
        [{"fileData": {"fileUri": "https://example.org/i.png"}}],
        True,
    ),
    (
        "case 28 pdf",
        Document(Source(data="aGk=", filename="a.pdf")),
        [{"inlineData": {"mimeType": "application/pdf", "data": "aGk="}}],
        False,
    ),
    (
        "case 29 text document",
        Document(Source(), text="body", title="T", context="C"),
        [{"text": "Title: T\nContext: C\nbody"}],
        False,
    ),
    (
        "case 31 audio",
        Audio(Source("audio/mp3", data="aGk=")),
        [{"inlineData": {"mimeType": "audio/mp3", "data": "aGk="}}],
        False,
    ),
    ("case 32 video", Video(Source(data="aGk=")), [{"inlineData": {"mimeType": "video/mp4", "data": "aGk="}}], False),
    ("case 33 citations", Text("a", citations=(Citation("u"),)), [{"text": "a"}], True),
    ("case 35 cache", Text("a", cache="5m"), [{"text": "a"}], True),
    ("case 37 unknown kind", Opaque("hologram", is_known=False), [], True),
    ("case 62 another vendor's", Opaque("server_tool_use", "searched"), [{"text": "searched"}], True),
    ("case 38 strange characters", Text("\x00\U0001f9c0"), [{"text": "\x00\U0001f9c0"}], False),
]


@pytest.mark.parametrize(("part", "expected", "is_lossy"), [row[1:] for row in PARTS], ids=[row[0] for row in PARTS])
def test_a_part_is_written(part: Part, expected: list[Any], is_lossy: bool) -> None:
    body, lost = written(asked(Turn("user", (Text("x"), part))))
    assert body["contents"][0]["parts"][1:] == expected
    assert bool(lost) == is_lossy
    types.Content.model_validate(body["contents"][0])


@pytest.mark.parametrize("kind", [Image, Document, Audio, Video])
def test_case_30_a_file_of_another_provider_is_refused_with_its_place(kind: Any) -> None:
    value = {"type": "file", "file_id": "file-1"}
    part = kind(Source(file_id="file-1"), original=Original("openai-chat", value))
    request = ChatRequest("openai-chat", "m", (Turn("user", (part,)),), {"messages": [{"content": [value]}]})
    with pytest.raises(FormatError, match=r"field 'messages\[0\].content\[0\]' is a file of another provider"):
        written(request)


@pytest.mark.parametrize(
    ("part", "facts"),
    [
        (Image(DATA), Facts(images=False)),
        (Document(DATA), Facts(documents=False)),
        (Audio(DATA), Facts(audio=False)),
    ],
    ids=["images", "documents", "audio"],
)
def test_what_the_model_does_not_take_is_left_out_and_told(part: Part, facts: Facts) -> None:
    body, lost = written(asked(Turn("user", (Text("q"), part))), facts)
    assert body["contents"] == [user(Q)]
    assert len(lost) == 1


def test_case_25_detail_is_one_resolution_for_all_before_gemini_3() -> None:
    turns = (Turn("user", (Image(DATA, "low"), Image(DATA, "high"), Image(DATA, "auto"))),)
    assert written(asked(*turns))[0]["generationConfig"] == {"mediaResolution": "MEDIA_RESOLUTION_HIGH"}


def test_case_25_detail_is_the_images_own_for_gemini_3() -> None:
    made = contents(Turn("user", (Image(DATA, "low"), Image(DATA))), facts=LEVEL)
    assert made[0]["parts"][0]["mediaResolution"] == {"level": "MEDIA_RESOLUTION_LOW"}
    assert "mediaResolution" not in made[0]["parts"][1]


def test_case_96_foreign_thoughts_stay_here_and_own_ones_go_back() -> None:
    own = Thinking("mine", "c2ln", "gemini")
    body, lost = written(asked(USER, Turn("assistant", (Thinking("x", "sig", "anthropic"), own, Text("a"))), USER))
    assert body["contents"][1] == model({"text": "mine", "thought": True, "thoughtSignature": "c2ln"}, A)
    assert lost == ("thinking dropped: the thoughts of another vendor's model",)


def test_a_turn_of_foreign_thoughts_only_disappears() -> None:
    assert contents(USER, Turn("assistant", (Thinking("x", "sig", "anthropic"),)), USER) == [user(Q, Q)]
