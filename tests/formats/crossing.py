"""What our code makes of each golden input in each of the four formats, in the form in which it is written down.

    tests/golden/<package>/<input>              request_X.json  reply_X.json  stream_X.sse  error_X.json; odd_… for what
                                                no vendor should send and some do
    tests/golden/cross/<package>/<input>.json   {target: what comes out}, and variants such as "gemini vertex"

A request's `body` is "=" where it is the input itself but for the model's name. A stream is the list of its events: the
JSON of `data` where it is as compact as can be and its `type`, if any, is the event's name too; else the event's text.
An error before anything was written has its own status.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from fastproxy.errors import FormatError
from fastproxy.formats import exact
from fastproxy.formats.chat import CHAT_FORMATS, Target
from fastproxy.formats.errors import array_error, status_for, stream_error, write_error
from fastproxy.formats.events import Done, End, Failure, ReplyContext, ToolBegin
from fastproxy.formats.fold import fold
from fastproxy.formats.foreign_files import refuse_foreign_files
from fastproxy.formats.notes import Notes
from fastproxy.formats.read_error import read_error
from fastproxy.formats.registry import CHAT
from fastproxy.formats.stopping import unsent_stops
from fastproxy.providers.quirks import target as target_of
from fastproxy.wire.sse import SseReader
from tests.formats.corpus import MODEL, ROOT
from tests.formats.cross_variants import VARIANTS, Variant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from fastproxy.formats.events import Event

CROSS: Final = ROOT / "cross"
NOW: Final = 1_800_000_000
ID: Final = "00ff00ff"
CLIENTS_MODEL: Final = "client-model"
CUT: Final = Failure(502, "upstream_truncated", "the upstream's stream ended before its end")
_KINDS: Final = ("request_", "reply_", "stream_", "error_")


@dataclass(frozen=True)
class Input:
    """One file of inputs."""

    format: str
    path: Path

    @property
    def name(self) -> str:
        return f"{self.path.parent.name}/{self.path.stem}"

    @property
    def kind(self) -> str:
        return self.path.stem.removeprefix("odd_").partition("_")[0]

    @property
    def written(self) -> Path:
        return CROSS / self.path.parent.name / f"{self.path.stem}.json"

    def variants(self) -> Iterator[tuple[str, Variant]]:
        """The four formats, and what this input is asked for besides."""
        told = VARIANTS.get(self.name, {})
        for name in CHAT_FORMATS:
            yield name, told.get(name, Variant())
        for label, variant in told.items():
            if label not in CHAT_FORMATS:
                yield label, variant


def inputs() -> list[Input]:
    folders = [(name, ROOT / name.replace("-", "_")) for name in CHAT_FORMATS]
    found = [(name, path) for name, folder in folders for path in sorted(folder.iterdir())]
    return [Input(name, path) for name, path in found if path.stem.removeprefix("odd_").startswith(_KINDS)]


def outcome(given: Input, feed: Callable[[bytes], Iterable[bytes]] = lambda data: [data]) -> dict[str, Any]:
    """All that becomes of one input. `feed` cuts a stream into what single reads bring."""
    make = {"request": _request, "reply": _reply, "error": _error}.get(given.kind)
    if make is not None:
        return {label: make(given, label.split()[0], variant) for label, variant in sorted(given.variants())}
    data = given.path.read_bytes()
    return {label: _stream(given, label.split()[0], variant, feed(data)) for label, variant in sorted(given.variants())}


# --- how a stream may arrive --------------------------------------------------------------------------------------


def whole(data: bytes) -> Iterable[bytes]:
    return [data]


def byte_by_byte(data: bytes) -> Iterable[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


def three_events_per_read(data: bytes) -> Iterable[bytes]:
    """With the beginning of the fourth, so that no read ends where an event does."""
    lines = data.splitlines(keepends=True)
    blank = [place for place, line in enumerate(lines) if not line.strip()]
    cuts = [0, *(place + 2 for place in islice(blank, 2, None, 3)), len(lines)]
    return (b"".join(lines[first:last]) for first, last in pairwise(cuts))


# --- requests -----------------------------------------------------------------------------------------------------


def _request(given: Input, target: str, variant: Variant) -> dict[str, Any]:
    body = exact.loads(given.path.read_bytes())
    is_gemini = given.format == "gemini"
    stream = variant.stream if is_gemini else None
    meant = target_of(*variant.upstream, target) if variant.upstream else Target(MODEL)
    notes = Notes()
    try:
        request = CHAT[given.format].read_request(body, model=CLIENTS_MODEL if is_gemini else "", stream=stream)
        refuse_foreign_files(request, target)
        made, names = CHAT[target].write_request(request, meant, notes)
    except FormatError as error:
        return {"refused": error.message}
    said: dict[str, Any] = {"path": CHAT[target].upstream_path(meant, stream=request.stream)}
    if stops := unsent_stops(request, made):
        said["stopped here"] = list(stops)
        notes.forget("stop")
    renamed = _renamed(names, made)
    if renamed:
        said["renamed"] = renamed
    if notes:
        said["lossy"] = list(notes.report(request, CHAT[given.format].FIELDS))
    is_same = target == given.format and exact.dumps({**body, "model": ""}) == exact.dumps({**made, "model": ""})
    return said | {"body": "=" if is_same else made}


def _renamed(names: Any, body: dict[str, Any]) -> dict[str, str]:
    """Names of tools in `body` that a reply's reader has to put back."""
    found = sorted({text for text in _names_in(body) if names.back(text) != text})
    return {text: names.back(text) for text in found}


def _names_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        name = value.get("name")
        if isinstance(name, str):
            yield name
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    for item in items:
        yield from _names_in(item)


# --- replies ------------------------------------------------------------------------------------------------------


def _context(events: list[Event], variant: Variant) -> ReplyContext:
    custom = {event.name for event in events if isinstance(event, ToolBegin) and event.custom}
    context = ReplyContext(ID, CLIENTS_MODEL, NOW, custom_tools=frozenset(custom))
    return replace(context, **variant.context)


def _named(events: list[Event]) -> list[Event]:
    """As the gateway does it: a call without an id gets one."""
    calls, made = 0, []
    for event in events:
        if isinstance(event, ToolBegin):
            calls += 1
            event = replace(event, id=event.id or f"call_{ID}_{calls}")
        made.append(event)
    return made


def _reply(given: Input, target: str, variant: Variant) -> dict[str, Any]:
    events = _named(CHAT[given.format].read_reply(exact.loads(given.path.read_bytes()), **variant.reading))
    failure = next((event for event in events if isinstance(event, Failure)), None)
    if failure is None and not {Done, End} <= {type(event) for event in events}:
        failure = CUT
    if failure is not None:
        return _refusal(target, failure.status, failure.kind, failure.message)
    found: dict[str, Any] = exact.loads(exact.dumps(CHAT[target].write_reply(fold(events), _context(events, variant))))
    return found


def _error(given: Input, target: str, variant: Variant) -> dict[str, Any]:
    """The file holds what an upstream answered: {status, headers, body}; the body is a text if it is no JSON."""
    told = exact.loads(given.path.read_bytes())
    body = told["body"] if isinstance(told["body"], str) else exact.dumps(told["body"]).decode()
    said = read_error(given.format, told["status"], told.get("headers", {}), body.encode(), now=NOW)
    made = _refusal(target, said.status, said.kind, said.message)
    after = {} if said.retry_after is None else {"retry-after": said.retry_after}
    return made | after | {"another channel may do better": said.retryable}


def _refusal(target: str, status: int, kind: str, message: str) -> dict[str, Any]:
    _, body = write_error(target, status, kind, message, ID)
    return {"status": status_for(target, status), "body": exact.loads(body)}


# --- streams ------------------------------------------------------------------------------------------------------


def _stream(given: Input, target: str, variant: Variant, reads: Iterable[bytes]) -> list[Any]:
    events = _named(_events(given, variant, reads))
    context = _context(events, variant)
    writer = CHAT[target].StreamWriter(context)
    written = b""
    failure = None if any(isinstance(event, Done) for event in events) else CUT
    for event in events:
        if isinstance(event, Failure):
            failure = event
            break
        written += writer.write(event)
    if failure is not None and not written:
        return [_refusal(target, failure.status, failure.kind, failure.message)]
    made = events_in(written, context)
    return made if failure is None else [*made, _told(target, failure, context)]


def _events(given: Input, variant: Variant, reads: Iterable[bytes]) -> list[Event]:
    sse, reader = SseReader(), CHAT[given.format].StreamReader(**variant.reading)
    events = [event for piece in reads for name, data in sse.feed(piece) for event in reader.feed(name, data)]
    events += [event for name, data in sse.end() for event in reader.feed(name, data)]
    return events + reader.end()


def _told(target: str, failure: Failure, context: ReplyContext) -> str:
    told = (failure.status, failure.kind, failure.message, ID)
    return (array_error(*told) if context.as_array else stream_error(target, *told)).decode()


def events_in(stream: bytes, context: ReplyContext) -> list[Any]:
    """A written stream as a list that tells every byte of it."""
    if context.as_array:
        return [stream.decode()]
    end = b"\r\n\r\n" if b"\r\n\r\n" in stream else b"\n\n"
    frames = stream.split(end)
    assert frames.pop() == b"", "the last event has no end"
    return [_event(frame) for frame in frames]


def _event(frame: bytes) -> Any:
    """The event as JSON where that tells every byte, else its text."""
    head, found, data = frame.partition(b"data: ")
    if found and data[:1] == b"{" and exact.dumps(value := exact.loads(data)) == data:
        name = value.get("type", "")
        if head.decode() == (f"event: {name}\n" if name else ""):
            return value
    return frame.decode()
