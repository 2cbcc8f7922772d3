"""What google-genai's chats send after a stream: each of its chunks as a `model` content of its own."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from msgspec.structs import replace

from fastproxy.formats import anthropic, gemini
from fastproxy.formats.carrier import pack
from fastproxy.formats.chat import ChatRequest, Facts, Part, Target, Text, Thinking, ToolCall, Turn
from fastproxy.formats.notes import Notes
from tests.formats.gemini import golden
from tests.formats.gemini.asking import Q, model, user

TARGET = Target("m")
SIGNATURE = "EqQBCkgIChABGAIqQGx"  # Anthropic's
PACKED = b64encode(pack("anthropic", None, SIGNATURE).encode()).decode()


def thought(text: str, signature: str | None = None) -> dict[str, Any]:
    return {"text": text, "thought": True} | ({"thoughtSignature": signature} if signature else {})


def text(said: str, signature: str | None = None) -> dict[str, Any]:
    return {"text": said} | ({"thoughtSignature": signature} if signature else {})


def call(name: str) -> dict[str, Any]:
    return {"functionCall": {"id": name, "name": name}}


def history(*chunks: dict[str, Any]) -> dict[str, Any]:
    return {"contents": [user(Q), *(model(chunk) for chunk in chunks), user(Q)]}


def read(body: dict[str, Any]) -> ChatRequest:
    return gemini.read_request(body, model="m")


def reply(request: ChatRequest) -> list[Part]:
    """The parts of the only turn between the questions, without their originals."""
    assert [turn.role for turn in request.turns] == ["user", "assistant", "user"]
    return [replace(part, original=None) for part in request.turns[1].parts]


PIECES = (thought("thi"), thought("nk"), thought("", PACKED), text("Hel"), text(" "), text("lo"))
JOINED: list[tuple[str, tuple[dict[str, Any], ...], list[Part]]] = [
    ("thoughts and texts", PIECES, [Thinking("think", SIGNATURE, "anthropic"), Text("Hel lo")]),
    ("white space alone", (text("\n"), text(" ")), [Text("\n ")]),
    ("the empty text that ends a stream", (text("a"), text("")), [Text("a")]),
    ("thoughts of two signatures", (thought("a"), thought("b", "c2ln"), thought("c"), thought("", "c2lo")),
     [Thinking("ab", "c2ln", "gemini"), Thinking("c", "c2lo", "gemini")]),
    ("thoughts without any", (thought("a"), thought("b"), text("c")), [Thinking("ab", None, "gemini"), Text("c")]),
    ("a signed text is the last of its text", (text("a"), text("b", "c2ln"), text("c"), text("d")),
     [Text("ab", "c2ln"), Text("cd")]),
    ("texts around a call", (text("a"), text("b"), call("f"), text("c"), text("d")),
     [Text("ab"), ToolCall("f", "f", "{}"), Text("cd")]),
    ("a redacted thought is its own", (thought("a"), {"thought": True, "thoughtSignature": PACKED}),
     [Thinking("a", None, "gemini"), Thinking("", SIGNATURE, "anthropic", redacted=True)]),
]  # fmt: skip


@pytest.mark.parametrize(("chunks", "expected"), [row[1:] for row in JOINED], ids=[row[0] for row in JOINED])
def test_a_reply_in_chunks_is_one_reply(chunks: tuple[dict[str, Any], ...], expected: list[Part]) -> None:
    assert reply(read(history(*chunks))) == expected
    one_content = {"contents": [user(Q), model(*chunks), user(Q)]}
    assert reply(read(one_content)) == expected


def test_a_chunk_without_parts_parts_nothing() -> None:
    body = history(*PIECES)
    body["contents"].insert(2, {"role": "model"})
    body["contents"].insert(6, {"role": "model", "parts": []})
    assert reply(read(body)) == JOINED[0][2]


def test_a_users_texts_stay_apart() -> None:
    request = read({"contents": [user(text("a"), text("b")), user(text("c"))]})
    assert [len(turn.parts) for turn in request.turns] == [2, 1]


def test_anthropic_is_sent_the_thought_as_it_was_issued_and_every_blank() -> None:
    body, _ = anthropic.write_request(read(history(*PIECES)), TARGET, Notes())
    assert body["messages"][1] == {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "think", "signature": SIGNATURE},
            {"type": "text", "text": "Hel lo"},
        ],
    }


def own(request: ChatRequest, facts: Facts = Facts()) -> dict[str, Any]:  # noqa: B008 - it is frozen
    return gemini.write_request(request, Target("m", facts), Notes())[0]


def test_gemini_is_sent_the_chunks_as_they_came() -> None:
    body = history(*PIECES)
    written = own(read(body))
    assert written == body
    assert written["contents"] is body["contents"]


def test_ids_are_left_out_of_chunks_too() -> None:
    body = history(text("a"), call("f"), call("g"))
    written = own(read(body), Facts(call_ids=False))
    assert written["contents"][2:4] == [model({"functionCall": {"name": "f"}}), model({"functionCall": {"name": "g"}})]
    assert written["contents"][1] is body["contents"][1]


def test_other_turns_may_be_replaced_around_the_chunks() -> None:
    body = history(*PIECES)
    request = read(body)
    masked = Turn("user", (Text("masked"),))
    written = own(replace(request, turns=(masked, *request.turns[1:])))
    assert written["contents"] == [user(text("masked")), *body["contents"][1:]]


def test_a_reply_that_was_replaced_is_one_content() -> None:
    request = read(golden.request("streamed_history"))
    first = request.turns[1]
    changed = Turn("assistant", (*first.parts[:1], Text("Masked."), *first.parts[2:]))
    written = own(replace(request, turns=(request.turns[0], changed, *request.turns[2:])))
    before = golden.request("streamed_history")["contents"]
    calls = [content["parts"][0] for content in before[7:9]]
    signature = before[3]["parts"][0]["thoughtSignature"]
    assert written["contents"][1] == model(thought("Two clocks.", signature), text("Masked."), *calls)
    assert written["contents"][2:] == before[10:]


def test_a_long_stream_is_read_in_time() -> None:
    pieces = [text("a ") for _ in range(50_000)]
    assert reply(read(history(*pieces))) == [Text("a " * 50_000)]
