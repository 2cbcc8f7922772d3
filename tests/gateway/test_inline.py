"""Files by URL for upstreams that take bytes: fetched once, checked, refused with their place."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from fastproxy.wire.fetch import Network
from tests.gateway.gateway_stage import status_of
from tests.gateway.translating_stage import Translating, body_of
from tests.wire.fakes import wire_of

if TYPE_CHECKING:
    from collections.abc import Callable

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def asked(*urls: str) -> dict[str, Any]:
    content = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return {"model": "m", "messages": [{"role": "user", "content": content}]}


async def served(stage: Translating, body: Callable[[int], dict[str, Any]]) -> tuple[dict[str, Any], list[bytes]]:
    """What goes up for a request whose files a real server has, and what that server was asked."""
    seen: list[bytes] = []

    async def give(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0])
        head = f"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: {len(PNG)}\r\n\r\n"
        writer.write(head.encode() + PNG)
        await writer.drain()
        writer.close()

    async def here(name: str, port: int) -> tuple[str, ...]:
        return ("127.0.0.1",)

    async with await asyncio.start_server(give, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        stage.world.network = Network(here, is_allowed=lambda address: True)
        stage.asks("/v1/chat/completions", body(port))
        for task in list(stage.tasks):
            await task
        for _ in range(5):
            await asyncio.sleep(0)
        _, _, sent = wire_of(stage.peer).take().partition(b"\r\n\r\n")
    return (msgspec.json.decode(sent) if sent else {}), seen


def test_a_file_named_twice_is_fetched_once_and_sent_as_bytes() -> None:
    async def scenario() -> None:
        stage = Translating("gemini")
        sent, seen = await served(
            stage, lambda port: asked(f"http://files.test:{port}/a.png", f"http://files.test:{port}/a.png")
        )
        inline = {"mimeType": "image/png", "data": b64encode(PNG).decode()}
        assert [part["inlineData"] for part in sent["contents"][0]["parts"]] == [inline, inline]
        assert seen == [b"GET /a.png HTTP/1.1"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://127.0.0.1/x.png", "address"),
        ("http://169.254.169.254/latest/meta-data", "address"),
        ("http://[::1]/x.png", "address"),
        ("http://user:pw@a.test/x.png", "credentials"),
    ],
)
def test_addresses_of_private_networks_are_refused_with_their_place(url: str, says: str) -> None:
    async def scenario() -> None:
        stage = Translating("gemini")
        stage.asks("/v1/chat/completions", asked(url))
        for task in list(stage.tasks):
            await asyncio.wait([task])
        await asyncio.sleep(0)
        refused = stage.got()
        message = body_of(refused)["error"]["message"]
        assert status_of(refused) == 400
        assert message.startswith("field 'messages[0].content[0]'")
        assert says in message

    asyncio.run(scenario())


def test_it_can_be_switched_off() -> None:
    stage = Translating("gemini")
    stage.world.install(msgspec.structs.replace(stage.snapshot, fetch_urls=False))
    stage.asks("/v1/chat/completions", asked("https://a.test/x.png"))
    refused = stage.got()
    assert (status_of(refused), "not fetched here" in body_of(refused)["error"]["message"]) == (400, True)


def test_an_upstream_that_fetches_itself_is_left_to_it() -> None:
    stage = Translating("anthropic", models=("claude-sonnet-4-6",))
    sent = stage.asks("/v1/chat/completions", asked("https://a.test/x.png") | {"model": "claude-sonnet-4-6"})
    assert sent["messages"][0]["content"][0]["source"] == {"type": "url", "url": "https://a.test/x.png"}
