"""Plain conversations: bodies with nothing in them but texts and the few fields that every load test sends. Pure.

Such a body is read in one strict decode, a twentieth of what the full checks cost. Anything else, a wrong type, an
unknown field or a null, is not plain, and goes the long way, which knows what to say about it.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

_Name = Annotated[str, msgspec.Meta(min_length=1)]


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    """What is not declared is refused."""


class _Said(_Strict):
    role: Literal["developer", "system", "user", "assistant"]
    content: str


class _Turn(_Strict):
    role: Literal["user", "assistant"]
    content: str


class _StreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    include_usage: bool = False


_Messages = Annotated[list[_Said], msgspec.Meta(min_length=1)]
_Turns = Annotated[list[_Turn], msgspec.Meta(min_length=1)]


class _Chat(_Strict):
    model: _Name
    messages: _Messages
    stream: bool = False
    stream_options: _StreamOptions = _StreamOptions()
    max_tokens: int = 0
    max_completion_tokens: int = 0
    temperature: float = 1.0
    user: str = ""

    def read(self) -> Plain | None:
        usage = self.stream_options.include_usage
        if usage and not self.stream:
            return None
        return (self.model, self.stream, usage), [said.content for said in self.messages]


class _Response(_Strict):
    model: _Name
    input: str | _Messages
    stream: bool = False

    def read(self) -> Plain | None:
        texts = [self.input] if isinstance(self.input, str) else [said.content for said in self.input]
        return (self.model, self.stream), texts


class _Message(_Strict):
    model: _Name
    max_tokens: int
    messages: _Turns
    system: str | None = None
    stream: bool = False

    def read(self) -> Plain | None:
        texts = [turn.content for turn in self.messages]
        return (self.model, self.stream), texts if self.system is None else [self.system, *texts]


class _Part(_Strict):
    text: str


class _Content(_Strict):
    parts: list[_Part]
    role: Literal["user", "model"] = "user"


class _Generate(_Strict):
    contents: Annotated[list[_Content], msgspec.Meta(min_length=1)]

    def read(self) -> Plain | None:
        return (), [part.text for content in self.contents for part in content.parts]


Plain = tuple[tuple[object, ...], list[str]]  # what decides over the reply's shape, and the texts of the prompt
_Body = _Chat | _Response | _Message | _Generate
_DECODERS: dict[str, msgspec.json.Decoder[_Body]] = {
    "chat/completions": msgspec.json.Decoder(_Chat),
    "responses": msgspec.json.Decoder(_Response),
    "messages": msgspec.json.Decoder(_Message),
    "generateContent": msgspec.json.Decoder(_Generate),
    "streamGenerateContent": msgspec.json.Decoder(_Generate),
}


def read(endpoint: str, body: bytes) -> Plain | None:
    """The shape and the texts of a plain body; None for any other."""
    decoder = _DECODERS.get(endpoint)
    if decoder is None:
        return None
    try:
        return decoder.decode(body).read()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
