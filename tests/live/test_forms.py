"""Uploads of the official OpenAI SDK through a gateway that chooses, checks and renames by the model inside the form.

Two channels: one is a strict mock of OpenAI, the other (`echo-…`) answers with the digest of the body that it has got.
"""

from __future__ import annotations

import hashlib
import os
import socket
from typing import TYPE_CHECKING, Any, Final

import httpx2
import openai
import pytest

from tests.live.running import Gateway, Mock, MockOptions, mocking, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live
WIDE: Final = "fp-wide-key-0123456789"
NARROW: Final = "fp-narrow-key-0123456789"
UP: Final = "sk-upstream-0123456789"
SOUND: Final = os.urandom(5 << 20)
PICTURE: Final = os.urandom(300_000)


@pytest.fixture(scope="module")
def shared_mock() -> Iterator[Mock]:
    with mocking(MockOptions(keys=(UP,))) as mock:
        yield mock


@pytest.fixture
def mock(shared_mock: Mock) -> Mock:
    shared_mock.forget()
    return shared_mock


@pytest.fixture(scope="module")
def gateway(shared_mock: Mock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    base = shared_mock.url
    config = {
        "channels": [
            {"name": "strict", "provider": "openai", "keys": [UP], "base_url": f"{base}/v1",
             "models": ["gpt-image-1"], "rename": {"company-ear": "whisper-1", "company-eye": "gpt-image-1"}},
            {"name": "echo", "provider": "groq", "keys": [UP], "base_url": f"{base}/echo/v1",
             "models": ["echo-same"], "rename": {"echo-short": "a-model-with-a-much-longer-name", "echo-long": "e"}},
        ],
        "keys": [
            {"name": "wide", "key": WIDE},
            {"name": "narrow", "key": NARROW, "models": ["company-ear", "echo-short", "company-eye"]},
        ],
    }  # fmt: skip
    with Gateway(tmp_path_factory.mktemp("forms"), config=config) as running:
        yield running


class Sdk(openai.OpenAI):
    """The official client, which remembers the body that it has sent."""

    def __init__(self, gateway: Gateway, key: str) -> None:
        self.sent = b""
        transport = httpx2.Client(trust_env=False, timeout=30, event_hooks={"request": [self._remember]})
        super().__init__(api_key=key, base_url=f"{gateway.url}/v1", max_retries=0, http_client=transport)

    def _remember(self, request: httpx2.Request) -> None:
        self.sent = request.read()


@pytest.mark.parametrize("key", [WIDE, NARROW])
def test_a_transcription_of_5_mb_under_another_name(gateway: Gateway, mock: Mock, key: str) -> None:
    with Sdk(gateway, key) as client:
        for _ in range(2):
            made = client.audio.transcriptions.create(model="company-ear", file=("a.mp3", SOUND), language="de")
            assert made.text
    seen = mock.newest()
    assert seen["path"] == "/v1/audio/transcriptions"
    assert 'name="model"\r\n\r\nwhisper-1\r\n' in seen["body"]
    assert "company-ear" not in seen["body"]


@pytest.mark.parametrize("key", [WIDE, NARROW])
def test_an_edited_image_under_another_name(gateway: Gateway, mock: Mock, key: str) -> None:
    with Sdk(gateway, key) as client:
        pictures: Any = [("a.png", PICTURE, "image/png"), ("b.png", PICTURE, "image/png")]
        made = client.images.edit(model="company-eye", image=pictures, prompt="a hat", mask=("m.png", PICTURE))
        assert made.data
    assert 'name="model"\r\n\r\ngpt-image-1\r\n' in mock.newest()["body"]


@pytest.mark.parametrize(
    ("model", "other"),
    [("echo-same", "echo-same"), ("echo-short", "a-model-with-a-much-longer-name"), ("echo-long", "e")],
)
def test_no_other_byte_is_changed(gateway: Gateway, mock: Mock, model: str, other: str) -> None:
    with Sdk(gateway, WIDE) as client:
        reply = client.audio.transcriptions.with_raw_response.create(model=model, file=("a.mp3", SOUND))
        got, sent = reply.http_response.json(), client.sent
    expected = sent.replace(b"\r\n\r\n" + model.encode() + b"\r\n", b"\r\n\r\n" + other.encode() + b"\r\n", 1)
    assert sent.count(SOUND) == 1
    assert got["body_sha256"] == hashlib.sha256(expected).hexdigest()
    assert got["headers"]["content-length"] == [str(len(expected))]


def test_a_narrow_key_may_not_use_another_model(gateway: Gateway, mock: Mock) -> None:
    with Sdk(gateway, NARROW) as client:
        with pytest.raises(openai.PermissionDeniedError, match="gpt-image-1"):
            client.images.edit(model="gpt-image-1", image=("a.png", PICTURE), prompt="a hat")
        with pytest.raises(openai.PermissionDeniedError, match="field 'model'"):
            client.images.edit(image=("a.png", PICTURE), prompt="a hat")
        with pytest.raises(openai.PermissionDeniedError, match="whisper-1"):
            client.audio.transcriptions.create(model="whisper-1", file=("a.mp3", SOUND))
    assert mock.last() == []


def test_a_model_that_no_channel_names_is_not_found(gateway: Gateway, mock: Mock) -> None:
    with Sdk(gateway, WIDE) as client, pytest.raises(openai.NotFoundError, match="no-such-ear"):
        client.audio.transcriptions.create(model="no-such-ear", file=("a.mp3", PICTURE))
    assert mock.last() == []


@pytest.mark.parametrize("key", [WIDE, NARROW])
def test_a_second_model_behind_the_file_is_cut(gateway: Gateway, mock: Mock, key: str) -> None:
    def part(name: str, value: bytes) -> bytes:
        return b'--XyZ\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (name.encode(), value)

    body = part("model", b"company-ear") + part("file", SOUND) + part("model", b"gpt-5") + b"--XyZ--\r\n"
    head = (
        f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: multipart/form-data; boundary=XyZ\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", gateway.port), 10) as client:
        client.sendall(head.encode() + body)
        reply = client.recv(65536)
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert b"stands twice" in reply
    assert mock.last() == []


def test_nothing_is_left_held(gateway: Gateway, mock: Mock) -> None:
    until(lambda: gateway.metrics()['fastproxy_upstream_connections{state="active"}'] == 0)
