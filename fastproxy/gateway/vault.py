"""The signature vault: what a vendor signed, kept for clients whose format has no place for it.

Vendors sign the thoughts behind a tool call and refuse the next turn without them. A client that speaks another format
drops them, so they are put on the shelf under the ids of the calls, and put back when the conversation returns to the
same issuer. Without calls only the signature on a text is kept, by the text and the question before it. For one
group or key, for some hours, encrypted where it stands on a disk.

    reply    Thinking(signature) ToolCall(id)        → shelf[group, "call", id]
    request  Turn(assistant, [ToolCall(id)])         → Turn(assistant, [Thinking(signature), ToolCall(id, signature)])
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from fastproxy.formats.chat import ChatRequest, Part, Text, Thinking, ToolCall, Turn
from fastproxy.formats.fold import fold
from fastproxy.formats.turns import plain_text
from fastproxy.gateway.owner import fetch_back, put_away, shelf_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastproxy.formats.events import Event
    from fastproxy.gateway.asker import Asker
    from fastproxy.gateway.table import Attempt


class Sealed(msgspec.Struct, frozen=True, array_like=True):
    """One block of thinking as it came; `part` is "thinking", or the signature of a "call" or a "text"."""

    part: str
    text: str
    signature: str | None
    redacted: bool = False
    id: str | None = None


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """What stood before and on one call or text. `issuer` is the format, `channel` the account that signed."""

    issuer: str
    channel: str
    sealed: tuple[Sealed, ...]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


def keep(asker: Asker, request: ChatRequest, events: Sequence[Event]) -> None:
    """Put away what the reply to `request` has signed; `events` are those of the reply that have to do with it."""
    attempt = asker.the_attempt()
    for choice in fold(events).choices:
        sealed = _sealed(choice.parts)
        if not any(isinstance(part, ToolCall) for part in choice.parts):
            sealed = tuple(item for item in sealed if item.part == "text")  # thoughts are demanded behind calls only
        if not any(item.signature for item in sealed):
            continue
        packed = _encode(Entry(attempt.format, attempt.channel, sealed))
        for key in _keys(asker, choice.parts, _asked(request.turns)):
            put_away(asker, key, packed)


def restore(asker: Asker, request: ChatRequest, attempt: Attempt) -> ChatRequest:
    """The request with the thoughts that its client could not carry, as far as this upstream has issued them."""
    if attempt.format == "openai-chat":
        return request  # it issues none
    turns: list[Turn] = []
    used: set[bytes] = set()  # nothing is put back twice, or a small request could become a huge one
    for role, group in groupby(request.turns, key=lambda turn: turn.role):
        run = tuple(group)
        if role == "assistant":
            entry = _entry_for(asker, run, _asked(turns[-1:]), used)
            run = _with(run, entry) if entry is not None and _is_issued_by(entry, attempt) else run
        turns += run
    return request if turns == list(request.turns) else replace(request, turns=tuple(turns))


def _entry_for(asker: Asker, run: tuple[Turn, ...], asked: str, used: set[bytes]) -> Entry | None:
    """Neighbouring turns of the assistant are one reply: Responses write each of its items as one of its own."""
    parts = [part for turn in run for part in turn.parts]
    if any(isinstance(part, Thinking) and part.signature for part in parts):
        return None  # the client carries them itself
    keys = _keys(asker, parts, asked)
    for key in keys:
        packed = fetch_back(asker, key) if key not in used else None
        if packed is not None:
            used.update(keys)
            return _decode(packed)
    return None


def _is_issued_by(entry: Entry, attempt: Attempt) -> bool:
    """Encrypted reasoning of Responses can be read only by the organisation that made it."""
    if entry.issuer != attempt.format:
        return False
    return entry.issuer != "openai-responses" or entry.channel == attempt.channel


def _with(run: tuple[Turn, ...], entry: Entry) -> tuple[Turn, ...]:
    """The thoughts first; what the client has kept of them without a signature gives way to them."""
    thoughts = tuple(
        Thinking(item.text, item.signature, entry.issuer, item.redacted, item.id)
        for item in entry.sealed
        if item.part == "thinking"
    )
    turns = [Turn("assistant", thoughts)] if thoughts else []
    for turn in run:
        parts = tuple(_signed(part, entry) for part in turn.parts if not (thoughts and isinstance(part, Thinking)))
        if parts:
            turns.append(turn if parts == turn.parts else Turn(turn.role, parts, turn.name))
    return tuple(turns)


def _signed(part: Part, entry: Entry) -> Part:
    """The part with the signature that was on it."""
    if isinstance(part, ToolCall) and part.signature is None:
        found = next((item.signature for item in entry.sealed if item.part == "call" and item.id == part.id), None)
    elif isinstance(part, Text) and part.signature is None:
        found = next((item.signature for item in entry.sealed if item.part == "text"), None)
    else:
        found = None
    return part if found is None else replace(part, signature=found, original=None)


def _sealed(parts: Sequence[Part]) -> tuple[Sealed, ...]:
    sealed = []
    for part in parts:
        if isinstance(part, Thinking):
            sealed.append(Sealed("thinking", part.text, part.signature, part.redacted, part.id))
        elif isinstance(part, ToolCall) and part.signature:
            sealed.append(Sealed("call", "", part.signature, id=part.id))
        elif isinstance(part, Text) and part.signature:
            sealed.append(Sealed("text", "", part.signature))
    return tuple(sealed)


def _keys(asker: Asker, parts: Sequence[Part], asked: str) -> list[bytes]:
    """By every call's id; a turn without calls by its text and by what the user had said before it."""
    calls = [part.id for part in parts if isinstance(part, ToolCall)]
    if calls:
        return [shelf_key(asker, "call", call) for call in calls]
    text = "".join(part.text for part in parts if isinstance(part, Text))
    return [shelf_key(asker, "text", f"{asked}\0{text}")] if text else []


def _asked(turns: Sequence[Turn]) -> str:
    """What was said last before the assistant."""
    for turn in reversed(turns):
        if turn.role != "assistant":
            return plain_text(turn.parts)
    return ""
