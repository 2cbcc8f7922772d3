"""Forms and sounds of what is asked once: a form is held whole for a channel that takes JSON, within bounds."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from fastproxy.errors import UpstreamFailed
from fastproxy.formats.wave import Sound, write_wav
from fastproxy.gateway.form_body import MAX_FORM_BYTES
from fastproxy.shared import rows
from fastproxy.snapshot import ChannelSpec, KeySpec, Snapshot
from tests.gateway.gateway_stage import SECRET, Gateway, key, pour, status_of, warm
from tests.gateway.translating_stage import CHUNK_END, Translating, body_of, dechunked, group_key
from tests.wire.fakes import wire_of

if TYPE_CHECKING:
    from fastproxy.wire.outbound import Outbound
    from fastproxy.wire.pool import Pool

SOUND = bytes(range(256)) * 400  # 100 KB with every byte in it
COUNTS = {"promptTokenCount": 40, "candidatesTokenCount": 5}
HEARD: dict[str, Any] = {
    "candidates": [{"content": {"parts": [{"text": "Hello."}]}, "finishReason": "STOP"}], "usageMetadata": COUNTS
}  # fmt: skip
PCM = bytes(range(200))
SPOKEN: dict[str, Any] = {
    "candidates": [
        {"content": {"parts": [{"inlineData": {"mimeType": "audio/L16;rate=24000", "data": b64encode(PCM).decode()}}]}}
    ],
    "usageMetadata": COUNTS,
}
END = b"--XyZ--\r\n"


def part(name: str, value: bytes, more: str = "") -> bytes:
    return b'--XyZ\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n' % (name.encode(), more.encode(), value)


def form(*fields: tuple[str, str], sound: bytes = SOUND, model: str = "m") -> bytes:
    named = b"".join(part(name, value.encode()) for name, value in fields)
    return part("model", model.encode()) + named + part("file", sound, '; filename="a.mp3"') + END


class Google(Translating):
    """A gateway whose one channel is Google's; `limits` as in the configuration."""

    def __init__(self, *keys: KeySpec, **limits: float) -> None:
        url = "http://127.0.0.1:9/v1beta"
        spec = ChannelSpec("c", "google-ai-studio", url, ("gemini",), "bearer", ("sk-up",), ("m",), rename={"m": "up"})
        Gateway.__init__(self, Snapshot(SECRET, "stage", limits, channels=(spec,), keys=keys, open_to_all=not keys))
        self.peer = warm(next(iter(self.world.pools.values())))
        self.user = self.client()

    def uploads(self, body: bytes, path: str = "/v1/audio/transcriptions", *, step: int = 0, key: str = "") -> Any:
        """What goes up for this form, in one read or in reads of `step` bytes; None if nothing does."""
        self.begin(len(body), path, key)
        for place in range(0, len(body), step or len(body) or 1):
            pour(wire_of(self.user), body[place : place + (step or len(body))])
        return self.went_up()

    def begin(self, length: int, path: str = "/v1/audio/transcriptions", key: str = "") -> None:
        pour(wire_of(self.user), upload_head(length, path, key))

    def went_up(self) -> Any:
        self.upstream_head, _, body = wire_of(self.peer).take().partition(b"\r\n\r\n")
        return json.loads(body) if body else None

    def counted(self, kind: str) -> int:
        row = rows.TOKENS + rows.FORMATS.index("gemini") * len(rows.TOKEN_KINDS)
        return self.world.counts[row + rows.TOKEN_KINDS.index(kind)]


def upload_head(length: int, path: str = "/v1/audio/transcriptions", key: str = "") -> bytes:
    """The head of an upload; -1 when it comes in chunks."""
    framing = f"Content-Length: {length}" if length >= 0 else "Transfer-Encoding: chunked"
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=XyZ\r\n{framing}\r\n"
    return (head + (f"Authorization: Bearer {key}\r\n" if key else "") + "\r\n").encode()


def file_in(sent: Any) -> bytes:
    return b64decode(sent["contents"][0]["parts"][0]["inlineData"]["data"])


class TestTranscripts:
    @pytest.mark.parametrize("step", [0, 7, 4096, 60_000])
    def test_a_form_becomes_one_request_however_it_came(self, step: int) -> None:
        stage = Google()
        sent = stage.uploads(form(sound=SOUND[:3000] if step == 7 else SOUND), step=step)
        assert stage.upstream_head.startswith(b"POST /v1beta/models/up:generateContent HTTP/1.1\r\n")
        assert b"content-type: application/json\r\n" in stage.upstream_head
        assert SOUND.startswith(file_in(sent))
        reply = stage.replies(HEARD)
        assert body_of(reply)["text"] == "Hello."
        assert (stage.counted("input"), stage.counted("output")) == (40, 5)
        assert stage.world.buffered_bytes == 0

    def test_a_form_in_chunks_too(self) -> None:
        stage = Google()
        stage.begin(-1)
        for piece in (form()[:900], form()[900:]):
            pour(wire_of(stage.user), b"%x\r\n%b\r\n" % (len(piece), piece))
        pour(wire_of(stage.user), b"0\r\n\r\n")
        assert file_in(stage.went_up()) == SOUND
        assert body_of(stage.replies(HEARD))["text"] == "Hello."

    def test_a_translation_is_asked_for_in_words(self) -> None:
        stage = Google()
        sent = stage.uploads(form(), "/v1/audio/translations")
        assert "in English" in sent["contents"][0]["parts"][1]["text"]

    def test_plain_text_has_its_own_type(self) -> None:
        stage = Google()
        stage.uploads(form(("response_format", "text")))
        reply = stage.replies(HEARD)
        assert reply.endswith(b"\r\n\r\nHello.\n")
        assert b"content-type: text/plain; charset=utf-8\r\n" in reply

    def test_the_next_request_of_the_connection_is_held_too(self) -> None:
        stage = Google()
        for _ in range(3):
            assert file_in(stage.uploads(form())) == SOUND
            stage.replies(HEARD)

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            (form(("response_format", "srt")), "response_format"),
            (part("model", b"m") + END, "file"),
            (part("file", SOUND, '; filename="a.mp3"') + END, "model"),
        ],
    )
    def test_a_bad_field_is_named_in_openais_words(self, body: bytes, param: str) -> None:
        stage = Google()
        assert stage.uploads(body) is None
        refused = stage.got()
        assert (status_of(refused), body_of(refused)["error"]["param"]) == (400, param)

    def test_a_form_that_breaks_off_is_refused(self) -> None:
        stage = Google()
        assert stage.uploads(form()[: -len(END)]) is None
        refused = stage.got()
        assert (status_of(refused), b"breaks off" in refused) == (400, True)

    def test_what_was_lost_is_named_or_refused(self) -> None:
        stage = Google(group_key("fp-report", "a"), group_key("fp-strict", "a", "strict"))
        fields = ("include[]", "logprobs")
        stage.uploads(form(fields), key="fp-report")
        assert b"x-fastproxy-lossy: include dropped\r\n" in stage.replies(HEARD)
        assert stage.uploads(form(fields), key="fp-strict") is None
        assert status_of(stage.got()) == 400

    def test_a_key_for_other_models_sends_nothing(self) -> None:
        stage = Google(key("fp-narrow", "other"))
        assert stage.uploads(form(), key="fp-narrow") is None
        assert status_of(stage.got()) == 403


class TestBounds:
    def test_a_form_beyond_what_the_channel_takes_is_refused_before_it_comes(self) -> None:
        stage = Google()
        stage.begin(MAX_FORM_BYTES + 1)
        pour(wire_of(stage.user), form()[:500])
        refused = stage.got()
        assert (status_of(refused), b"20 MiB in one request" in refused) == (413, True)
        assert stage.world.buffered_bytes == 0

    def test_what_is_announced_is_reserved_and_given_back(self) -> None:
        stage = Google()
        body = form()
        stage.begin(len(body))
        pour(wire_of(stage.user), body[:500])
        assert stage.world.buffered_bytes == len(body)
        pour(wire_of(stage.user), body[500:])
        written = wire_of(stage.peer).take().partition(b"\r\n\r\n")[2]
        assert stage.world.buffered_bytes == len(body) + len(written)
        stage.replies(HEARD)
        assert stage.world.buffered_bytes == 0

    @pytest.mark.parametrize("room", [50_000, 150_000])
    def test_too_many_forms_at_once_are_told_to_come_again(self, room: int) -> None:
        """The form itself does not fit, or what is made of it beside it does not."""
        stage = Google(max_buffer=room)
        stage.uploads(form())
        refused = stage.got()
        assert (status_of(refused), b"retry-after: 1\r\n" in refused) == (503, True)
        assert stage.world.buffered_bytes == 0

    def test_a_client_that_leaves_in_the_middle_leaves_nothing(self) -> None:
        stage = Google()
        stage.begin(len(form()))
        pour(wire_of(stage.user), form()[:50_000])
        stage.user.connection_lost(None)
        assert stage.world.buffered_bytes == 0


class TestSpeech:
    def test_the_client_gets_sound(self) -> None:
        stage = Google()
        sent = stage.asks("/v1/audio/speech", {"model": "m", "input": "Hi", "voice": "alloy", "response_format": "wav"})
        assert sent["generationConfig"]["responseModalities"] == ["AUDIO"]
        reply = stage.replies(SPOKEN)
        head, _, body = reply.partition(b"\r\n\r\n")
        assert body == write_wav(Sound(PCM, 24_000))
        assert b"content-type: audio/wav\r\n" in head + b"\r\n"
        assert b"content-length: %d" % len(body) in head
        assert b"x-fastproxy-lossy: voice changed: to Kore" in head
        assert stage.counted("output") == 5

    def test_mp3_is_refused_with_what_there_is(self) -> None:
        stage = Google()
        assert (
            stage.asks("/v1/audio/speech", {"model": "m", "input": "a", "voice": "a", "response_format": "mp3"}) == {}
        )
        error = body_of(stage.got())["error"]
        assert (error["param"], error["type"]) == ("response_format", "invalid_request_error")
        assert "'wav' or 'pcm'" in error["message"]


def test_edited_images_go_up_inline() -> None:
    stage = Google()
    png = b"\x89PNG\r\n\x1a\n"
    body = part("model", b"m") + part("prompt", b"a hat")
    for name in ("a.png", "b.png"):
        body += part("image[]", png, f'; filename="{name}"\r\nContent-Type: image/png')
    sent = stage.uploads(body + END, "/v1/images/edits")
    assert [list(each) for each in sent["contents"][0]["parts"]] == [["text"], ["inlineData"], ["inlineData"]]
    made = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
    reply = stage.replies({"candidates": [{"content": {"parts": [made]}}]})
    assert body_of(reply)["data"] == [{"b64_json": "iVBORw0KGgo="}]


@pytest.mark.parametrize("provider", ["google-ai-studio", "anthropic"])
def test_moderations_are_nobody_elses(provider: str) -> None:
    """OpenAI alone has them: whoever does not speak its format cannot stand in."""
    spoken = {"google-ai-studio": "gemini"}.get(provider, provider)
    stage = Translating(spoken)
    assert stage.asks("/v1/moderations", {"model": "m", "input": "text"}) == {}
    refused = stage.got()
    error = body_of(refused)["error"]
    assert (status_of(refused), error["code"]) == (501, "not_implemented")
    assert error["message"].endswith("speaks openai, and 'moderations' is not translated")


ORDERS = [("google-ai-studio", "openai"), ("openai", "google-ai-studio"), ("openai", "google-ai-studio", "openai")]


@pytest.mark.parametrize("order", ORDERS, ids=["-".join(order) for order in ORDERS])
@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
def test_an_upload_that_was_not_sent_is_tried_in_the_next_channels_shape(
    order: tuple[str, ...], announced: bool
) -> None:
    """Whole in JSON there, as the form itself here, under the last channel's name of the model; nothing is lost."""

    async def run() -> bytes:
        stage = Gateway(snapshot(order))
        *broken, last = stage.world.pools.values()
        for pool in broken:
            pool._dial = _nobody
        peer, user, body = warm(last), stage.client(), form()
        pour(wire_of(user), upload_head(len(body) if announced else -1))
        pieces = [body[:300], body[300:70_000], body[70_000:]]
        if not announced:
            pieces = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces] + [CHUNK_END]
        for piece in pieces:
            pour(wire_of(user), piece)
            for _ in range(10):
                await asyncio.sleep(0)
        return wire_of(peer).take().partition(b"\r\n\r\n")[2]

    sent = asyncio.run(run())
    if order[-1] == "google-ai-studio":
        assert file_in(json.loads(sent)) == SOUND
    else:
        assert (sent if announced else dechunked(sent)) == form(model=f"up-{len(order) - 1}")


def snapshot(order: tuple[str, ...]) -> Snapshot:
    """Channels in this order, each with its own address and name of the model."""
    spoken = {"openai": ("openai",), "google-ai-studio": ("gemini",)}
    origin = "http://127.0.0.1"
    specs = [
        ChannelSpec(f"c{place}", vendor, f"{origin}:{place + 1}/v1", spoken[vendor], "bearer", ("k",), ("m",))
        for place, vendor in enumerate(order)
    ]
    ordered = tuple(
        msgspec.structs.replace(spec, rename={"m": f"up-{place}"}, priority=100 - place)
        for place, spec in enumerate(specs)
    )
    return Snapshot(SECRET, "stage", {}, channels=ordered, open_to_all=True)


async def _nobody(pool: Pool) -> Outbound:
    raise UpstreamFailed("refused", retry="if_unsent")
