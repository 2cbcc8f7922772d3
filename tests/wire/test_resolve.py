"""Names to addresses: one look-up at a time, the last good answer kept, private addresses refused where asked."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from fastproxy.errors import UpstreamFailed
from fastproxy.wire.deadlines import Deadlines
from fastproxy.wire.resolve import MAX_NAMES, Resolver, is_address
from tests.wire.fakes import Clock

TTL = 30.0


class Names:
    """A resolver under a fake clock, with a name server that says what the test wants."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.answers = list(answers)  # an empty one is a failure; the last one stays
        self.asked: list[tuple[str, int]] = []
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock)
        self.resolver = Resolver(self.deadlines, TTL)
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self.getaddrinfo)

    async def getaddrinfo(self, host: str, port: int, **_: Any) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        self.asked.append((host, port))
        await asyncio.sleep(0)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not answer:
            raise socket.gaierror(socket.EAI_AGAIN, "try again")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answer]

    async def look(self, host: str = "a.test", *, public_only: bool = False) -> tuple[str, ...]:
        return await self.resolver.addresses(host, 80, public_only=public_only)

    async def passes(self, seconds: float) -> None:
        self.clock.now += seconds
        self.deadlines.tick()

    async def settles(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


def test_an_answer_is_kept_for_its_time_and_renewed_behind_the_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        names = Names(monkeypatch, ["192.0.2.1", "192.0.2.2", "192.0.2.1"], ["192.0.2.9"])
        assert await names.look() == ("192.0.2.1", "192.0.2.2")
        await names.passes(TTL - 1)
        assert await names.look() == ("192.0.2.1", "192.0.2.2")
        assert len(names.asked) == 1
        await names.passes(2)
        assert await names.look() == ("192.0.2.1", "192.0.2.2"), "nobody waits for a renewal"
        await names.settles()
        assert await names.look() == ("192.0.2.9",)
        assert len(names.asked) == 2

    asyncio.run(main())


def test_the_last_good_answer_outlives_the_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        names = Names(monkeypatch, ["192.0.2.1"], [])
        await names.look()
        for _ in range(5):
            await names.passes(TTL + 1)
            assert await names.look() == ("192.0.2.1",)
            await names.settles()
        assert len(names.asked) == 6

    asyncio.run(main())


def test_many_ask_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        names = Names(monkeypatch, ["192.0.2.1"])
        assert await asyncio.gather(*(names.look() for _ in range(50))) == [("192.0.2.1",)] * 50
        assert len(names.asked) == 1

    asyncio.run(main())


def test_one_who_gives_up_does_not_take_the_others_along(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        names = Names(monkeypatch, ["192.0.2.1"])
        loop = asyncio.get_running_loop()
        gone, stays = loop.create_task(names.look()), loop.create_task(names.look())
        await asyncio.sleep(0)
        gone.cancel()
        assert await stays == ("192.0.2.1",)

    asyncio.run(main())


def test_an_unknown_name_is_the_upstreams_fault_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        names = Names(monkeypatch, [], ["192.0.2.1"])
        with pytest.raises(UpstreamFailed) as failed:
            await names.look()
        assert (failed.value.status, failed.value.retry) == (502, "if_unsent")
        assert "a.test" not in str(failed.value)
        await names.settles()
        assert await names.look() == ("192.0.2.1",)

    asyncio.run(main())


def test_the_table_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        names = Names(monkeypatch, ["192.0.2.1"])
        for number in range(MAX_NAMES + 1):
            await names.look(f"{number}.test")
        await names.look("0.test")
        assert names.asked.count(("0.test", 80)) == 2

    asyncio.run(main())


PRIVATE = [
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::1", "::",
    "fe80::1", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "255.255.255.255", "192.0.2.1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
@pytest.mark.parametrize("named", [False, True], ids=["as a literal", "by name"])
def test_private_addresses_are_refused_where_asked(monkeypatch: pytest.MonkeyPatch, address: str, named: bool) -> None:
    async def main() -> None:
        names = Names(monkeypatch, [address])
        host = "evil.test" if named else address
        assert await names.look(host) == (address,)
        with pytest.raises(UpstreamFailed):
            await names.look(host, public_only=True)

    asyncio.run(main())


def test_the_public_ones_of_a_mixed_answer_remain(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        names = Names(monkeypatch, ["10.0.0.1", "8.8.8.8", "::1", "2606:4700::1"])
        assert await names.look(public_only=True) == ("8.8.8.8", "2606:4700::1")

    asyncio.run(main())


@pytest.mark.parametrize(
    ("host", "is_one"),
    [
        ("1.2.3.4", True),
        ("::1", True),
        ("fe80::1%lo", True),
        ("a.test", False),
        ("1.2.3", False),
        ("", False),
        ("0x7f000001", False),
    ],
)
def test_is_address(host: str, is_one: bool) -> None:
    assert is_address(host) is is_one
