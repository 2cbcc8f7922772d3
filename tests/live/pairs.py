"""The stage for every pair of formats: one strict vendor, one gateway with a channel per format, a client per format.

client format × upstream format: the client asks for the model `on-<upstream format>`, which one channel alone has
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from tests.live.running import Gateway
from tests.live.strict.vendor import DIALECTS, FORMATS, KEY, UPSTREAMS, Vendor, strict_vendor
from tests.live.talk.scenes import SDKS, Wish

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.live.strict.vendor import Seen
    from tests.live.talk.said import Talker

CLIENT_KEY: Final = "fp-client-key-0123456789"
PAIRS: Final = [*product(FORMATS, UPSTREAMS)]
PROVIDERS: Final = {"openai-chat": "openai", "openai-responses": "openai", "anthropic": "anthropic", "gemini": "gemini",
                    "ollama": "ollama"}  # fmt: skip
# what an upstream's format has no word for, so that no translation can carry it
HAS_NOT: Final = {("ollama", "documents"), ("ollama", "why it ended")}
PATHS: Final = {"openai-chat": "/v1", "openai-responses": "/v1", "anthropic": "/v1", "gemini": "/v1beta"}


def config(vendor: Vendor) -> dict[str, Any]:
    """One channel per format. `on-…` is the name of its first model for clients; the others go by their own."""
    channels = [
        {"name": one.format, "provider": PROVIDERS[one.format], "format": one.format, "keys": [KEY],
         "base_url": vendor.base(one.format), "models": [f"on-{one.format}", *one.models[1:]],
         "rename": {f"on-{one.format}": one.model}}
        for one in DIALECTS
    ]  # fmt: skip
    return {"channels": channels, "keys": [{"name": "client", "key": CLIENT_KEY}]}


@dataclass(frozen=True, slots=True)
class Stage:
    vendor: Vendor
    gateway: Gateway
    clients: dict[str, Any]

    def begin(self, client: str, upstream: str, **wish: Any) -> Talker:
        """A conversation of this client's SDK with a model of that format."""
        return SDKS[client].talker(self.clients[client], Wish(**{"model": f"on-{upstream}", **wish}))

    def came(self, upstream: str) -> list[Seen]:
        """What the vendor got since it was last cleared, all of it in the upstream's format and nothing refused."""
        assert self.vendor.refusals() == []
        assert {one.format for one in self.vendor.seen} == {upstream}
        return self.vendor.seen


@contextmanager
def staged(place: Path) -> Iterator[Stage]:
    with ExitStack() as stack:
        vendor = stack.enter_context(strict_vendor())
        gateway = stack.enter_context(Gateway(place, "--admin", "off", config=config(vendor)))
        clients = {
            name: stack.enter_context(SDKS[name].connect(gateway.url + PATHS[name], CLIENT_KEY)) for name in FORMATS
        }
        yield Stage(vendor, gateway, clients)
