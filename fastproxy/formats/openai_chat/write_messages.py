"""Turns of other formats as messages. Our own come back as they were.

user turn [result, result, text]      →  tool, tool, user
a result with an image                →  tool (its text), and the image in a user message behind all results
neighbouring assistant turns          →  one message: reasoning, content, tool_calls
a result without a call               →  a user's text          a call without a result  →  a result that says so
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any, Final

from fastproxy.formats.chat import Opaque, Refusal, Text, Thinking, ToolCall, ToolResult, Turn
from fastproxy.formats.openai_chat.content import PartWriter
from fastproxy.formats.openai_chat.thoughts import write_details
from fastproxy.formats.openai_chat.tools import fitting_call_id, write_call
from fastproxy.formats.openai_chat.words import (
    NAME,
    TAKES_CACHE_CONTROL,
    TAKES_REASONING_CONTENT,
    TAKES_REASONING_DETAILS,
)
from fastproxy.formats.turns import join_assistants

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fastproxy.formats.chat import Part, Target
    from fastproxy.formats.notes import Notes
    from fastproxy.formats.tool_names import ToolNames

Json = dict[str, Any]
NO_RESULT: Final = "no result"
# whoever knows `developer` reads `system` the same way; many do not know it
_PLAIN_ROLES: Final = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_BESIDE_CONTENT: Final = (Thinking, ToolCall, ToolResult, Refusal)


def write_messages(turns: Sequence[Turn], target: Target, names: ToolNames, notes: Notes) -> list[Json]:
    return _Writer(target, names, notes).write(join_assistants(turns, but=NAME))


def plain_messages(turns: Sequence[Turn]) -> list[Json] | None:
    """A conversation of bare texts in another format, the user's last, as most are: 0.3 us a turn instead of 1.6.

    None for any other.
    """
    made: list[Json] = []
    before = "assistant"
    for turn in turns:
        role, parts = turn.role, turn.parts
        if role not in _PLAIN_ROLES or role == before == "assistant" or len(parts) != 1 or turn.name is not None:
            return None
        part = parts[0]
        if type(part) is not Text or not part.text or part.citations:
            return None
        if part.cache is not None or part.signature is not None:
            return None
        made.append({"role": _PLAIN_ROLES[role], "content": part.text})
        before = role
    return made if before != "assistant" else None


def bare_messages(said: Iterable[tuple[str, str]]) -> list[Json] | None:
    """As `plain_messages`, for a conversation that is (role, text) pairs."""
    made: list[Json] = []
    before = "assistant"
    for role, text in said:
        if role == before == "assistant":
            return None
        made.append({"role": role, "content": text})
        before = role
    return made if before != "assistant" else None


class _Results:
    """The results of all turns; a call takes the first one behind it, because some vendors use an id again."""

    __slots__ = ("_by_id", "_taken")

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._by_id: defaultdict[str, deque[tuple[int, int, ToolResult]]] = defaultdict(deque)
        self._taken: set[int] = set()
        for place, turn in enumerate(turns):
            for order, part in enumerate(turn.parts):
                if isinstance(part, ToolResult):
                    self._by_id[part.call_id].append((place, order, part))

    def take(self, call: ToolCall, behind: int) -> tuple[int, int, ToolResult] | None:
        """The result and where it stands."""
        waiting = self._by_id[call.id]
        while waiting:
            found = waiting.popleft()
            if found[0] > behind:
                self._taken.add(id(found[2]))
                return found
        return None

    def is_taken(self, result: ToolResult) -> bool:
        return id(result) in self._taken


class _Writer:
    """One conversation for one upstream."""

    __slots__ = ("_messages", "_names", "_notes", "_parts", "_target")

    def __init__(self, target: Target, names: ToolNames, notes: Notes) -> None:
        self._target, self._names, self._notes = target, names, notes
        self._parts = PartWriter(target.facts, caching_field(target), notes)
        self._messages: list[Json] = []

    def write(self, turns: Sequence[Turn]) -> list[Json]:
        results = _Results(turns)
        for place, turn in enumerate(turns):
            if turn.is_of(NAME):
                self._messages.append(turn.original.value)  # type: ignore[union-attr]  # is_of has looked
                for call in _calls(turn):
                    results.take(call, place)
            elif turn.role == "assistant":
                self._assistant(turn)
                self._answers(_calls(turn), results, place, is_last=place == len(turns) - 1)
            else:
                self._instructions_or_user(turn, results)
        if turns and turns[-1].role == "assistant" and not turns[-1].is_of(NAME) and not _calls(turns[-1]):
            self._notes.change(turns[-1], "a last message of the assistant may not be continued")
        return self._messages

    def _instructions_or_user(self, turn: Turn, results: _Results) -> None:
        parts: list[Part] = []
        for part in turn.parts:
            if not isinstance(part, ToolResult):
                parts.append(part)
            elif not results.is_taken(part):
                self._notes.change(part, "a result without a call is told as text")
                parts.append(Text(f"[result of {part.call_id}] {_text_of(part)}"))
                parts += _media_of(part)
        if parts or not turn.parts:
            self._add(_PLAIN_ROLES.get(turn.role, "user"), parts, turn.name)

    def _add(self, role: str, parts: Sequence[Part], name: str | None) -> None:
        content = [made for part in parts if (made := self._parts.write(part)) is not None]
        if parts and not content:
            return
        message: Json = {"role": role, "content": _simple(content)}
        if role == "system" and not message["content"]:
            return
        if name is not None:
            message["name"] = name
        self._messages.append(message)

    def _assistant(self, turn: Turn) -> None:
        message: Json = {"role": "assistant", "content": self._spoken(turn)}
        if turn.name is not None:
            message["name"] = turn.name
        refusals = [part.text for part in turn.parts if isinstance(part, Refusal)]
        if refusals:
            message["refusal"] = "".join(refusals)
        message |= self._thoughts([part for part in turn.parts if isinstance(part, Thinking)])
        calls = [write_call(call, self._target, self._names, self._notes) for call in _calls(turn)]
        if calls:
            message["tool_calls"] = calls
        elif message["content"] is None and not refusals:
            if turn.parts and message.keys() <= {"role", "content", "name"}:
                return  # thoughts that could not be sent were all of it
            message["content"] = ""
        self._messages.append(message)

    def _spoken(self, turn: Turn) -> str | None:
        """Texts without a separator, as the model wrote them, and what a vendor's tool did on lines of its own; media
        have no place in an assistant's message."""
        said: list[str] = []
        was_opaque = False
        for part in turn.parts:
            if isinstance(part, Text | Opaque):
                made = self._parts.write(part)
                if made is not None and made.get("text"):
                    is_opaque = isinstance(part, Opaque)
                    said += ["\n", made["text"]] if said and (is_opaque or was_opaque) else [made["text"]]
                    was_opaque = is_opaque
                if part.cache is not None:
                    self._notes.change(part, "without its cache breakpoint")
            elif not isinstance(part, _BESIDE_CONTENT):
                self._notes.drop(part, "an assistant's message is text")
        return "".join(said) or None

    def _thoughts(self, thoughts: list[Thinking]) -> Json:
        vendor = self._target.vendor
        if vendor in TAKES_REASONING_DETAILS and (details := write_details(thoughts)):
            return {"reasoning_details": details}
        text = "".join(thought.text for thought in thoughts)
        if vendor in TAKES_REASONING_CONTENT and text:
            return {"reasoning_content": text}
        for thought in thoughts:
            self._notes.drop(thought, "no field for earlier thoughts")
        return {}

    def _answers(self, calls: list[ToolCall], results: _Results, place: int, *, is_last: bool) -> None:
        """The results directly behind their calls, in the order in which the client gave them."""
        answers = [(call, results.take(call, place)) for call in calls]
        found = [answer for _, answer in answers if answer is not None]
        found.sort(key=lambda answer: answer[:2])
        for _, _, result in found:
            self._result(result)
        for call, answer in answers:
            if answer is None and not is_last:  # the client may be about to answer the last ones
                self._notes.change(call, "a call without a result was given one")
                self._tool_message(call.id, NO_RESULT)
        media = [(result, part) for _, _, result in found for part in _media_of(result)]
        if media:
            self._media(media)

    def _result(self, result: ToolResult) -> None:
        content = _content_of(result, self._parts)
        if result.cache is not None:
            self._notes.change(result, "without its cache breakpoint")
        if result.is_error:
            self._notes.change(result, "that it is an error is said in words")
            content = _as_error(content)
        self._tool_message(result.call_id, content)

    def _tool_message(self, call_id: str, content: Any) -> None:
        fitting = fitting_call_id(call_id, self._target.vendor)
        self._messages.append({"role": "tool", "tool_call_id": fitting, "content": content})

    def _media(self, media: list[tuple[ToolResult, Part]]) -> None:
        parts: list[Part] = []
        for result, part in media:
            self._notes.move(part, "a tool's result is text; it follows in a user message")
            parts += [Text(f"[from the result of {fitting_call_id(result.call_id, self._target.vendor)}]"), part]
        self._add("user", parts, None)


def _calls(turn: Turn) -> list[ToolCall]:
    return [part for part in turn.parts if isinstance(part, ToolCall)]


def _simple(content: list[Json]) -> Any:
    """One text without more is a string, for strict upstreams."""
    if not content:
        return ""
    only = content[0]
    return only["text"] if len(content) == 1 and only.keys() == {"type", "text"} else content


def _media_of(result: ToolResult) -> list[Part]:
    return [part for part in result.parts if not _is_told(part)]


def _is_told(part: Part) -> bool:
    return isinstance(part, Text | Opaque | Refusal) or getattr(part, "text", None) is not None


def _content_of(result: ToolResult, writer: PartWriter) -> Any:
    return _simple([made for part in result.parts if _is_told(part) and (made := writer.write(part)) is not None])


def _text_of(result: ToolResult) -> str:
    return "\n".join(str(getattr(part, "text", "")) for part in result.parts if _is_told(part))


def _as_error(content: Any) -> Any:
    if isinstance(content, str):
        return content if content[:5].lower() == "error" else f"Error: {content}"
    return [{"type": "text", "text": "Error:"}, *content]


def caching_field(target: Target) -> str:
    """The field for a cache breakpoint behind a part, "" where the upstream would refuse one."""
    if target.vendor in TAKES_CACHE_CONTROL:
        return "cache_control"
    return "prompt_cache_breakpoint" if target.vendor == "openai" and _caches_on_request(target.model) else ""


def _caches_on_request(model: str) -> bool:
    """gpt-5.6 and later (openai 3.54, PromptCacheOptions)."""
    family, _, rest = model.partition("-")
    major, _, minor = rest.partition("-")[0].partition(".")
    if family != "gpt" or not major.isdigit():
        return False
    return (int(major), int(minor) if minor.isdigit() else 0) >= (5, 6)
