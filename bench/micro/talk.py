"""A client that asks again and again, without sockets: what a measurement of a warm exchange repeats."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

from bench import traffic

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.gateway.translating_stage import Translating

KEY = "bench"  # the client's


def warmed(stage: Translating, path: str) -> Callable[[], None]:
    """One exchange of a Messages request at `path`, with a new trace each time, after 40 of them."""
    body = traffic.message_body()
    lines = "".join(f"{name}: {value}\r\n" for name, value in traffic.client_fields(len(body)))
    lines = lines.replace(traffic.CLIENT_KEY, KEY)
    heads = [f"POST {path} HTTP/1.1\r\ntraceparent: {number}\r\n{lines}\r\n" for number in range(2)]
    requests = cycle([head.encode() + body for head in heads])

    def once() -> None:
        stage.user.data_received(next(requests))
        stage.peer.data_received(traffic.REPLY)

    for _ in range(40):
        once()
        assert stage.got().startswith(b"HTTP/1.1 200 ")
    return once
