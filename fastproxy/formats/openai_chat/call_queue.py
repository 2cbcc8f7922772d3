"""Calls of tools in a stream, put one behind the other.

Upstreams send the pieces of parallel calls in turns, ids and names late, in pieces or twice, or without an index:

    {index, id, function: {name, arguments}}  →  ToolBegin ToolDelta*   ToolBegin ToolDelta*   …

One call flows while the others wait. When another one begins and the arguments of the first are complete JSON, the
first is over; else the others come when the choice ends. A call begins once its name is whole (its arguments have
begun) and its id is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from fastproxy.formats.events import ToolBegin, ToolDelta
from fastproxy.formats.openai_chat.tools import arguments_text, signature_of

if TYPE_CHECKING:
    from fastproxy.formats.events import Event

Json = dict[str, Any]


class _Call:
    """One call: what is known of it, and which of its arguments have flowed."""

    __slots__ = ("block", "custom", "id", "name", "pieces", "sent", "signature")

    def __init__(self, *, custom: bool) -> None:
        self.id = self.name = ""
        self.custom = custom
        self.signature: str | None = None
        self.pieces: list[str] = []
        self.sent = 0  # pieces that have flowed
        self.block = -1  # not begun

    def is_complete(self) -> bool:
        if self.custom or not self.pieces:
            return bool(self.pieces)
        if not self.pieces[-1].rstrip().endswith("}"):  # most pieces end elsewhere, and parsing costs
            return False
        try:
            orjson.loads("".join(self.pieces))
        except orjson.JSONDecodeError:
            return False
        return True

    def learn_name(self, said: str) -> None:
        """Names come whole, twice, in growing versions or in pieces."""
        if said.startswith(self.name):
            self.name = said
        elif not self.pieces and not self.name.endswith(said):
            self.name += said


class CallQueue:
    """The calls of one choice, in the order in which they began. `waiting[0]` flows."""

    __slots__ = ("_by_index", "_choice", "_last", "waiting")

    def __init__(self, choice: int) -> None:
        self._choice = choice
        self._by_index: dict[Any, _Call] = {}
        self._last: _Call | None = None
        self.waiting: list[_Call] = []

    def take(self, entry: Json, block: int, out: list[Event]) -> int:
        """One element of tool_calls. `block` is the number of the last block; gives that number after it."""
        if "id" not in entry and self._goes_on(entry, out):
            return block
        custom = entry.get("custom")
        holder = custom if isinstance(custom, dict) else entry.get("function")
        holder = holder if isinstance(holder, dict) else {}
        call = self._find(entry, holder, is_custom=isinstance(custom, dict) or entry.get("type") == "custom")
        if call not in self.waiting:
            return block  # it is over; upstreams that repeat its id add nothing
        self._learn(call, entry, holder)
        return self._flow(self._move_on(call, block, out), out)

    def _goes_on(self, entry: Json, out: list[Event]) -> bool:
        """The next piece of the call that flows, which nearly every entry is: 0.6 us instead of 1.5."""
        index, holder = entry.get("index"), entry.get("function")
        if type(index) is not int or type(holder) is not dict or len(holder) != 1 or not self.waiting:
            return False
        call, piece = self.waiting[0], holder.get("arguments")
        if self._by_index.get(index) is not call or call.block < 0 or call.custom or type(piece) is not str:
            return False
        if piece:
            call.pieces.append(piece)
            call.sent += 1
            out.append(ToolDelta(call.block, piece, choice=self._choice))
        return True

    def _learn(self, call: _Call, entry: Json, holder: Json) -> None:
        if isinstance(said := entry.get("id"), str) and said and not call.id:
            call.id = said
        if isinstance(said := holder.get("name"), str) and said and call.block < 0:
            call.learn_name(said)
        if call.signature is None and "extra_content" in entry:
            call.signature = signature_of(entry)
        if piece := arguments_text(holder.get("input") if call.custom else holder.get("arguments")):
            call.pieces.append(piece)

    def _find(self, entry: Json, holder: Json, *, is_custom: bool) -> _Call:
        """The call that an entry goes on with, or a new one."""
        index, said_id, name = entry.get("index"), entry.get("id"), holder.get("name")
        index = index if isinstance(index, int | str) else None
        said_id = said_id if isinstance(said_id, str) else None
        call = self._last if index is None else self._by_index.get(index)
        if index is None and said_id:
            call = self._by_index.get(said_id) or (call if call is not None and not call.id else None)
        if call is not None and self._is_another(call, said_id, name):
            call = None
        if call is None:
            call = _Call(custom=is_custom)
            self.waiting.append(call)
        self._by_index[said_id if index is None and said_id else index] = call
        self._last = call
        return call

    def _is_another(self, call: _Call, said_id: Any, name: Any) -> bool:
        """Whether an entry that looks like a piece of `call` begins a new one (no index, or all of them 0)."""
        if call not in self.waiting:
            return said_id != call.id if said_id else bool(name)
        if said_id and call.id and said_id != call.id:
            return bool(name) or call.is_complete()
        return bool(name) and not said_id and bool(call.name and call.pieces) and call.is_complete()

    def _move_on(self, call: _Call, block: int, out: list[Event]) -> int:
        """Let the calls before `call` end that can end."""
        while self.waiting[0] is not call and self.waiting[0].is_complete():
            block = self._flow(block, out, is_last_chance=True)
            self.waiting.pop(0)
        return block

    def _flow(self, block: int, out: list[Event], *, is_last_chance: bool = False) -> int:
        """Send what the first call has. It begins late rather than with half a name or without its id."""
        call = self.waiting[0]
        if call.block < 0:
            if not is_last_chance and not (call.name and call.id and call.pieces):
                return block
            block = call.block = block + 1
            out.append(ToolBegin(call.block, call.id, call.name, call.custom, call.signature, choice=self._choice))
        pieces = call.pieces
        if call.sent < len(pieces):
            out.extend(ToolDelta(call.block, piece, choice=self._choice) for piece in pieces[call.sent :])
            call.sent = len(pieces)
        return block

    def is_settled(self) -> bool:
        """Whether all calls that have begun could be over."""
        return all(call.is_complete() for call in self.waiting)

    def flush(self, block: int, out: list[Event]) -> int:
        """The choice ends, or goes on with something else: all that waits flows."""
        while self.waiting:
            block = self._flow(block, out, is_last_chance=True)
            self.waiting.pop(0)
        return block
