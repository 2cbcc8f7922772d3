"""The four chat formats by name. To add one is to add a package and its name here; contract tests run over all.

CHAT        clients and upstreams speak them
CLIENTS     those, and what only clients speak
UPSTREAMS   those, and what only upstreams speak
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from fastproxy.formats import anthropic, gemini, ollama, openai_chat, openai_responses
from fastproxy.formats.openai_chat import completions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastproxy.formats.chat import ChatRequest, Target
    from fastproxy.formats.events import Event, Reply, ReplyContext
    from fastproxy.formats.notes import Notes
    from fastproxy.formats.tool_names import ToolNames


class StreamReader(Protocol):
    """An upstream's stream, event by event. `end` once, at its end, however it came."""

    def feed(self, event: str, data: bytes) -> list[Event]: ...
    def end(self) -> list[Event]: ...


class StreamWriter(Protocol):
    """A client's stream: the bytes that say `event`, b"" while nothing can be said yet."""

    def write(self, event: Event) -> bytes: ...


class ClientFormat(Protocol):
    """What a client's format offers: requests are read, replies are written."""

    @property
    def NAME(self) -> str: ...
    @property
    def FIELDS(self) -> Mapping[str, str]: ...

    def read_request(self, body: dict[str, Any], *, model: str = "", stream: bool | None = None) -> ChatRequest: ...
    def write_reply(self, reply: Reply, context: ReplyContext) -> dict[str, Any]: ...
    def StreamWriter(self, context: ReplyContext) -> StreamWriter: ...


class UpstreamFormat(Protocol):
    """What an upstream's format offers: requests are written, replies are read."""

    @property
    def NAME(self) -> str: ...
    @property
    def LOSSY(self) -> Mapping[str, str]: ...

    def write_request(self, request: ChatRequest, target: Target, notes: Notes) -> tuple[dict[str, Any], ToolNames]: ...
    def upstream_path(self, target: Target, *, stream: bool) -> str: ...
    def read_reply(self, body: dict[str, Any], **reading: Any) -> list[Event]: ...
    def StreamReader(self, **reading: Any) -> StreamReader: ...


class ChatFormat(ClientFormat, UpstreamFormat, Protocol):
    """What each package offers; see the packages for shapes."""


CHAT: Final[Mapping[str, ChatFormat]] = {
    module.NAME: module for module in (openai_chat, openai_responses, anthropic, gemini)
}


class _Completions:
    """The older /v1/completions: clients' only, of any chat format's upstream."""

    NAME = completions.NAME
    FIELDS = completions.FIELDS
    StreamWriter = completions.CompletionStreamWriter

    def read_request(self, body: dict[str, Any], *, model: str = "", stream: bool | None = None) -> ChatRequest:
        return completions.read_completion_request(body)

    def write_reply(self, reply: Reply, context: ReplyContext) -> dict[str, Any]:
        return completions.write_completion_reply(reply, context)


# Formats in which clients may ask for chat: those above, and by the operation's name those that only clients speak.
CLIENTS: Final[Mapping[str, ClientFormat]] = {**CHAT, "completions": _Completions()}
# Formats in which upstreams may be asked.
UPSTREAMS: Final[Mapping[str, UpstreamFormat]] = {
    module.NAME: module for module in (openai_chat, openai_responses, anthropic, gemini, ollama)
}
