"""Stop sequences for an upstream that has none, or takes fewer than the client gave: the reply is cut here.

    events of the upstream's reader  →  the same up to the first stop sequence, then End(stop_sequence), usage, Done

The sequence itself is not told, and neither is what follows it in its choice. A match may lie across deltas: what could
be its beginning is held back until it is decided. What the upstream has spent is reported as it is, so its reply is
read to the end. Sequences are looked for in the text of the answer only, not in thoughts or arguments of tools.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from fastproxy.formats.events import End, Event, Failure, InChoice, Logprobs, TextDelta

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fastproxy.formats.chat import ChatRequest
    from fastproxy.formats.registry import StreamReader, UpstreamFormat

MAX_STOPS: Final = 64
MAX_STOP_CHARS: Final = 256  # of one sequence; each delta is compared with all of them


def unsent_stops(request: ChatRequest, body: Mapping[str, Any]) -> tuple[str, ...]:
    """The client's stop sequences that `body`, as it was written for the upstream, does not say.

    Empty also where they are more, or longer, than can be watched: they stay dropped, which the notes say.
    """
    sent = _sent(body)
    left = tuple(dict.fromkeys(stop for stop in request.stop if stop and stop not in sent))
    if len(left) > MAX_STOPS or any(len(stop) > MAX_STOP_CHARS for stop in left):
        return ()
    return left


def _sent(body: Mapping[str, Any]) -> Sequence[str]:
    """What a body of any format says of them."""
    config, options = body.get("generationConfig"), body.get("options")
    for holder, name in ((body, "stop"), (body, "stop_sequences"), (config, "stopSequences"), (options, "stop")):
        if isinstance(holder, dict) and (said := holder.get(name)):
            return (said,) if isinstance(said, str) else said
    return ()


class Stopping:
    """An upstream's format, the replies of which end at these sequences."""

    def __init__(self, upstream: UpstreamFormat, stops: Sequence[str]) -> None:
        self._upstream = upstream
        self._stops = stops
        self.NAME = upstream.NAME
        self.LOSSY = upstream.LOSSY
        self.write_request = upstream.write_request
        self.upstream_path = upstream.upstream_path

    def read_reply(self, body: dict[str, Any], **reading: Any) -> list[Event]:
        cut = Cut(self._stops)
        return cut.feed(self._upstream.read_reply(body, **reading)) + cut.end()

    def StreamReader(self, **reading: Any) -> StoppingReader:
        return StoppingReader(self._upstream.StreamReader(**reading), self._stops)


class StoppingReader:
    """A stream's reader with a cut behind it."""

    __slots__ = ("_cut", "_reader")

    def __init__(self, reader: StreamReader, stops: Sequence[str]) -> None:
        self._reader = reader
        self._cut = Cut(stops)

    def feed(self, event: str, data: bytes) -> list[Event]:
        return self._cut.feed(self._reader.feed(event, data))

    def end(self) -> list[Event]:
        return self._cut.feed(self._reader.end()) + self._cut.end()


class Cut:
    """All choices of one reply."""

    __slots__ = ("_choices", "_stops")

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._choices: dict[int, _Choice] = {}

    def feed(self, events: Iterable[Event]) -> list[Event]:
        made: list[Event] = []
        for event in events:
            if isinstance(event, InChoice):
                self._choice(event.choice).take(event, made)
            else:
                if isinstance(event, Failure):
                    made += self.end()
                made.append(event)
        return made

    def _choice(self, number: int) -> _Choice:
        found = self._choices.get(number)
        if found is None:
            found = self._choices[number] = _Choice(self._stops)
        return found

    def end(self) -> list[Event]:
        """What is still held of a reply that was broken off."""
        made: list[Event] = []
        for choice in self._choices.values():
            choice.flush(made)
        return made


class _Choice:
    """One alternative: the text that is held back with its tokens behind it, and whether a sequence was found."""

    __slots__ = ("_held", "_is_cut", "_stops", "_tokens")

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._held: TextDelta | None = None
        self._tokens: list[Event] = []  # told between the pieces of a text
        self._is_cut = False

    def take(self, event: InChoice, out: list[Event]) -> None:
        if self._is_cut:
            return
        if isinstance(event, TextDelta):
            self._text(event, out)
        elif isinstance(event, Logprobs) and self._held is not None:
            self._tokens.append(event)
        else:
            self.flush(out)
            out.append(event)

    def flush(self, out: list[Event]) -> None:
        if self._held is not None:
            out += (self._held, *self._tokens)
            self._held = None
            self._tokens = []

    def _text(self, event: TextDelta, out: list[Event]) -> None:
        held = self._held
        if held is not None and held.block != event.block:
            self.flush(out)
        elif held is not None:
            event = replace(event, text=held.text + event.text)
            self._held = None
        text = event.text
        place, stop = self._first(text)
        if stop:
            self._is_cut = True
            if place:
                out.append(replace(event, text=text[:place], signature=None))
            out.append(End("stop_sequence", stop, choice=event.choice))
            return
        kept = 0 if event.signature is not None else self._open(text)  # a signature ends its text
        if kept:
            self._held = replace(event, text=text[-kept:])
            event = replace(event, text=text[:-kept])
        if event.text or event.signature is not None:
            out += (event, *self._tokens)
            self._tokens = []

    def _first(self, text: str) -> tuple[int, str]:
        """Where a sequence begins, and which one: the first that is complete, as a model would have been stopped."""
        found = [(place, stop) for stop in self._stops if (place := text.find(stop)) >= 0]
        return min(found, key=lambda one: (one[0] + len(one[1]), one[0]), default=(0, ""))

    def _open(self, text: str) -> int:
        """How many characters at the end of `text` may be the beginning of a sequence."""
        most = min(len(text), max(len(stop) for stop in self._stops) - 1)
        for count in range(most, 0, -1):
            end = text[-count:]
            if any(stop.startswith(end) for stop in self._stops):
                return count
        return 0
