"""What closed connections leave behind: nothing that only the collector could find."""

from __future__ import annotations

import gc

from fastproxy.wire.inbound import Inbound
from fastproxy.wire.outbound import Outbound
from tests.wire.live_loop import run, until
from tests.wire.test_found_live import GET, SMALL, Origin, gateway_to


class Repeating(Origin):
    """An upstream that answers every request of a connection."""

    async def serve(self, reader, writer) -> None:  # type: ignore[no-untyped-def]  # as its base
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(self.reply)
        except (ConnectionError, EOFError):
            writer.close()


def test_a_connection_with_a_lane_is_freed_when_it_closes() -> None:
    """The lane knows its connection and the connection its lane: a cycle that grew a worker by 4 MB a minute."""

    async def scenario() -> None:
        async with gateway_to(Repeating(SMALL)) as gateway:
            gc.collect()
            gc.disable()
            laid = False
            for _ in range(5):
                reader, writer = await gateway.connect()
                for _ in range(40):
                    writer.write(GET)
                    await reader.readuntil(b"ok")
                laid = laid or any(inbound.lane is not None for inbound in gateway.front.open)
                writer.close()
                await until(lambda: not gateway.front.open)
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            kept = [found for found in gc.garbage if isinstance(found, (Inbound, Outbound))]
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
            assert laid
            assert kept == []

    run(scenario)
