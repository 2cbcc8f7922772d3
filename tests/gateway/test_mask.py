"""An upstream that names the channel's credential in an error does not tell it to clients."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.gateway.mask import Mask
from tests.gateway.chat_replies import CHAT
from tests.gateway.test_books import request, stage
from tests.gateway.translating_stage import dechunked

if TYPE_CHECKING:
    from collections.abc import Sequence

SECRET = b"sk-up-0123456789abcdef"


@given(st.lists(st.sampled_from([SECRET, SECRET[:5], b"sk-sk-", b"x", SECRET[3:], b"sk-up-0"]), max_size=8), st.data())
def test_however_it_is_cut_the_secret_is_hidden_and_nothing_else_changes(
    words: Sequence[bytes], data: st.DataObject
) -> None:
    text = b"".join(words)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    mask = Mask((SECRET,))
    shown = b"".join([*map(mask.feed, pieces), mask.end()])
    assert shown == text.replace(SECRET, b"*" * len(SECRET))


@pytest.mark.parametrize("is_warm", [False, True])
@pytest.mark.parametrize("framing", ["at once", "in pieces", "chunked"])
def test_an_error_that_names_our_credential(framing: str, is_warm: bool) -> None:
    gateway, _ = stage()
    (spec,) = gateway.snapshot.channels
    channels = (msgspec.structs.replace(spec, keys=(SECRET.decode(),)),)
    gateway.world.install(msgspec.structs.replace(gateway.snapshot, channels=channels))
    gateway.peer = gateway.warm_all().popitem()[1]
    for _ in range(20 * is_warm):
        gateway.user.data_received(request("/v1/chat/completions", CHAT))
        gateway.replies({"usage": {"prompt_tokens": 1, "completion_tokens": 1}})
    body = json.dumps({"error": {"message": f"Incorrect API key provided: {SECRET.decode()}"}}).encode()
    cut = body.find(SECRET) + 7
    head = b"HTTP/1.1 401 X\r\nContent-Type: application/json\r\n"
    reads = [head + b"Content-Length: %d\r\n\r\n" % len(body) + body]
    if framing == "in pieces":
        reads = [reads[0][: cut - len(body)], reads[0][cut - len(body) :]]
    elif framing == "chunked":
        chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (body[:cut], body[cut:])]
        reads = [head + b"Transfer-Encoding: chunked\r\n\r\n", *chunks, b"0\r\n\r\n"]
    gateway.user.data_received(request("/v1/chat/completions", CHAT))
    for read in reads:
        gateway.peer.data_received(read)
    got = gateway.got()
    assert got.startswith(b"HTTP/1.1 401 ")
    said = got.partition(b"\r\n\r\n")[2]
    said = dechunked(said) if framing == "chunked" else said
    assert said == body.replace(SECRET, b"*" * len(SECRET))
