"""What a translation could not carry, named in the client's own words.

A writer notes each field or node that it drops, moves, clamps or approximates. The gateway names them to the client in
`x-fastproxy-lossy`, or refuses the request when its key says so.

    notes.drop("top_k")                         a field of ChatRequest, by its name there
    notes.drop(part, "no audio in messages")    a node: its place in the client's body is looked up when asked for
    notes.report(request, fields) → ("top_k dropped", "messages[2].content[1] dropped: no audio in messages")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fastproxy.formats.chat import ChatRequest, Node

MAX_WHY_CHARS = 300
MAX_DEPTH = 254  # what stands deeper cannot be written
MAX_NOTES = 64  # a prompt of a thousand images is not named a thousand times


class Note(NamedTuple):
    """`what` is a field's name in ChatRequest, a dotted path below `extra`, or a node."""

    action: str
    what: str | Node
    why: str


class Notes:
    """Collects; of each thing there is one note, which says all that happened to it."""

    __slots__ = ("_noted",)

    def __init__(self) -> None:
        self._noted: list[Note] = []

    def drop(self, what: str | Node, why: str = "") -> None:
        self._add("dropped", what, why)

    def move(self, what: str | Node, why: str = "") -> None:
        self._add("moved", what, why)

    def clamp(self, what: str | Node, why: str = "") -> None:
        self._add("clamped", what, why)

    def change(self, what: str | Node, why: str = "") -> None:
        """It says nearly the same."""
        self._add("changed", what, why)

    def _add(self, action: str, what: str | Node, why: str) -> None:
        for place, note in enumerate(self._noted):
            if note.what is what or (isinstance(what, str) and note.what == what):
                self._noted[place] = _both(note, action, why)
                return
        if len(self._noted) < MAX_NOTES:
            self._noted.append(Note(action, what, why))

    def forget(self, what: str) -> None:
        """Nothing is lost of this field after all: somebody else sees to it."""
        self._noted = [note for note in self._noted if not (isinstance(note.what, str) and note.what == what)]

    def __bool__(self) -> bool:
        return bool(self._noted)

    def __iter__(self) -> Iterator[Note]:
        return iter(self._noted)

    def report(self, request: ChatRequest, fields: Mapping[str, str]) -> tuple[str, ...]:
        """One line per note. `fields` are the names that the client's format has for those of ChatRequest."""
        return tuple(_line(note, request, fields) for note in self._noted)


def _both(note: Note, action: str, why: str) -> Note:
    """What is gone is gone; other changes add up."""
    if note.action == "dropped":
        return note
    if action == "dropped":
        return Note(action, note.what, why)
    if not why or why in note.why or len(note.why) + len(why) > MAX_WHY_CHARS:
        return note
    return Note(note.action, note.what, f"{note.why}, {why}" if note.why else why)


def _line(note: Note, request: ChatRequest, fields: Mapping[str, str]) -> str:
    what = note.what
    name = fields.get(what, what) if isinstance(what, str) else place_of(request.body, what)
    return f"{name} {note.action}: {note.why}" if note.why else f"{name} {note.action}"


def place_of(body: Any, node: Node) -> str:
    """The JSON path of the value that `node` was read from, such as messages[2].content[1]; its kind if it has none."""
    if node.original is not None:
        found = _search(body, node.original.value, "", MAX_DEPTH)
        if found is not None:
            return found or "body"
    return type(node).__name__.lower()


def _search(value: Any, wanted: Any, path: str, depth: int) -> str | None:
    """Where `wanted` itself, not its equal, stands below `value`, at most `depth` levels deep."""
    if value is wanted:
        return path
    if not depth:
        return None
    if isinstance(value, dict):
        pairs = ((f"{path}.{name}" if path else str(name), item) for name, item in value.items())
    elif isinstance(value, list):
        pairs = ((f"{path}[{place}]", item) for place, item in enumerate(value))
    else:
        return None
    for below, item in pairs:
        if isinstance(item, dict | list | str) and (found := _search(item, wanted, below, depth - 1)) is not None:
            return found
    return None
