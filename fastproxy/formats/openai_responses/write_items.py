"""Items of a conversation, written: turns of any format as what Responses take in `input`.

    assistant  thinking, text, calls    →  reasoning, message, function_call …   in the order of its parts
    user       results, text, images    →  …_call_output …, message
    system     text                     →  message of that role, in its place

An item that came from this format is written as it came, except reasoning that another vendor signed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastproxy.formats import custom_tools
from fastproxy.formats.chat import (
    Citation,
    Document,
    Image,
    Opaque,
    Part,
    Refusal,
    Source,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from fastproxy.formats.foreign_files import note_citations
from fastproxy.formats.openai_responses.words import NAME
from fastproxy.formats.tool_names import fitting_id
from fastproxy.formats.turns import INSTRUCTING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fastproxy.formats.chat import Facts, Node
    from fastproxy.formats.notes import Notes
    from fastproxy.formats.tool_names import ToolNames

NO_RESULT: Final = "no result"
_OPENAI: Final = ("openai-chat", "openai-responses")  # their file ids are of one vendor


class ItemWriter:
    """Writes the turns of one request. `customs` are the ids of calls of custom tools."""

    def __init__(self, facts: Facts, names: ToolNames, notes: Notes, customs: frozenset[str] = frozenset()) -> None:
        self._facts = facts
        self._names = names
        self._notes = notes
        self._customs = customs

    def items(self, turns: Iterable[Turn]) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        for turn in turns:
            own = own_value(turn)
            if own is None:
                made += self._turn(turn)
            elif isinstance(own, str):
                made.append({"type": "message", "role": turn.role, "content": own})
            elif own.get("type") == "reasoning":
                made += self._reasoning(turn, own)
            else:
                made.append(own)
        return made

    def _reasoning(self, turn: Turn, own: dict[str, Any]) -> list[dict[str, Any]]:
        """As it came, unless its seal is not OpenAI's or was packed by us."""
        part = turn.parts[0] if turn.parts else None
        if not isinstance(part, Thinking) or part.issuer != NAME:
            self._notes.drop(turn, "the reasoning of another vendor")
            return []
        if part.signature is None and part.id is None:
            self._notes.drop(turn, "reasoning without its signature")
            return []
        packed = part.signature is not None and own.get("encrypted_content") != part.signature
        return [own | {"encrypted_content": part.signature, "id": part.id} if packed else own]

    def _turn(self, turn: Turn) -> list[dict[str, Any]]:
        if turn.name is not None:
            self._notes.drop(turn, "messages have no participant's name")
        results = [self._result(part) for part in turn.parts if isinstance(part, ToolResult)]
        rest = [part for part in turn.parts if not isinstance(part, ToolResult)]
        if turn.role == "assistant":
            return results + self._assistant(rest)
        content = [made for part in rest for made in self._content(part)]
        if not content and (results or rest or turn.role in INSTRUCTING):
            return results
        role = "user" if turn.role == "tool" else turn.role
        return [*results, {"type": "message", "role": role, "content": as_string(content)}]

    def _assistant(self, parts: Sequence[Part]) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        saying: list[dict[str, Any]] | None = None  # the content of the message that is being written
        for part in parts:
            if (said := self._said(part)) is not None:
                if saying is None:
                    saying = []
                    made.append({"type": "message", "role": "assistant", "content": saying})
                saying.append(said)
            elif (item := self._item(part)) is not None:
                made.append(item)
                saying = None
        return made

    def _said(self, part: Part) -> dict[str, Any] | None:
        own = own_value(part)
        if isinstance(part, Text | Refusal) and isinstance(own, dict):
            return own
        if isinstance(part, Text) and part.text:
            self._note_cache(part)
            self._note_signature(part)
            citations = [made for cited in part.citations if (made := write_citation(cited, part.text)) is not None]
            return {"type": "output_text", "text": part.text, "annotations": citations}
        if isinstance(part, Refusal):
            return {"type": "refusal", "refusal": part.text}
        if isinstance(part, Opaque) and own is None and part.summary:
            self._notes.change(part, "only its own format has it; told as text")
            return {"type": "output_text", "text": part.summary, "annotations": []}
        return None

    def _item(self, part: Part) -> dict[str, Any] | None:
        own = own_value(part)
        if isinstance(part, ToolCall):
            return own if isinstance(own, dict) else self._call(part)
        if isinstance(part, Thinking):
            return self._thinking(part)
        if isinstance(part, Text):  # empty
            return None
        if isinstance(part, Opaque) and isinstance(own, dict):
            return own
        why = "only its own format has it" if isinstance(part, Opaque) else "only users and tools show files"
        self._notes.drop(part, why)
        return None

    def _call(self, call: ToolCall) -> dict[str, Any]:
        self._note_cache(call)
        self._note_signature(call)
        call_id, name = fitting_id(call.id), self._names.there(call.name)
        if call.custom:
            return {"type": "custom_tool_call", "call_id": call_id, "name": name, "input": call.arguments}
        if call.id in self._customs:  # was wrapped for a format that has functions only
            text = custom_tools.unwrap_input(call.arguments)
            return {"type": "custom_tool_call", "call_id": call_id, "name": name, "input": text}
        return {"type": "function_call", "call_id": call_id, "name": name, "arguments": call.arguments or "{}"}

    def _thinking(self, part: Thinking) -> dict[str, Any] | None:
        if part.issuer != NAME or part.signature is None:
            why = "the reasoning of another vendor" if part.issuer != NAME else "reasoning without its signature"
            self._notes.drop(part, why)
            return None
        made: dict[str, Any] = {"type": "reasoning", "summary": summary_of(part.text)}
        if part.id is not None:
            made["id"] = part.id
        return made | {"encrypted_content": part.signature}

    def _result(self, result: ToolResult) -> dict[str, Any]:
        own = own_value(result)
        if isinstance(own, dict):
            return own
        self._note_cache(result)
        content = [made for part in result.parts for made in self._content(part)]
        if result.is_error:
            self._notes.change(result, "results have no error flag; told in the text")
            content = [{"type": "input_text", "text": "Error:"}, *content]
        custom = result.custom or result.call_id in self._customs
        kind = "custom_tool_call_output" if custom else "function_call_output"
        return {"type": kind, "call_id": fitting_id(result.call_id), "output": _joined(content)}

    def _content(self, part: Part) -> list[dict[str, Any]]:
        """What a user, a developer or a tool shows."""
        own = own_value(part)
        if isinstance(own, dict):
            return [own]
        self._note_cache(part)
        if isinstance(part, Text):
            return [{"type": "input_text", "text": part.text}] if part.text else []
        if isinstance(part, Image):
            return self._image(part)
        if isinstance(part, Document):
            return self._document(part)
        if isinstance(part, Opaque | Refusal) and (text := part.text if isinstance(part, Refusal) else part.summary):
            self._notes.change(part, "told as text")
            return [{"type": "input_text", "text": text}]
        self._notes.drop(part, _WHY_NOT.get(type(part), "only its own format has it"))
        return []

    def _image(self, image: Image) -> list[dict[str, Any]]:
        where = self._where(image, image.source, "image_url")
        if not self._facts.images:
            self._notes.drop(image, "the model sees no images")
        elif where is not None:
            return [{"type": "input_image", "detail": image.detail or "auto"} | where]
        return []

    def _document(self, document: Document) -> list[dict[str, Any]]:
        note_citations(document, self._notes)
        if document.text is not None:
            heads = [line for line in (document.title, document.context) if line]
            return [{"type": "input_text", "text": "\n\n".join([*heads, document.text])}]
        where = self._where(document, document.source, "file_url")
        if where is None:
            return []
        if not self._facts.documents:
            self._notes.drop(document, "the model reads no files")
            return []
        if document.context is not None:
            self._notes.change(document, "files have no context")
        name = document.source.filename or document.title
        if "file_data" in where:
            name = name or f"file.{document.source.media_type.rpartition('/')[2] or 'pdf'}"
        return [{"type": "input_file"} | ({"filename": name} if name and "file_url" not in where else {}) | where]

    def _where(self, part: Part, source: Source, url_name: str) -> dict[str, Any] | None:
        """The field that says where a file is; None for a file that only another vendor has."""
        if source.data is not None:
            data = f"data:{source.media_type or 'application/octet-stream'};base64,{source.data}"
            return {"file_data" if url_name == "file_url" else url_name: data}
        if source.url is not None:
            return {url_name: source.url}
        if source.file_id is not None and part.original is not None and part.original.format in _OPENAI:
            return {"file_id": source.file_id}
        self._notes.drop(part, "the file is with another vendor")
        return None

    def _note_cache(self, part: Part) -> None:
        if part.cache is not None:
            self._notes.change(part, "without its cache breakpoint: they are automatic")

    def _note_signature(self, part: Text | ToolCall) -> None:
        if part.signature is not None:
            self._notes.change(part, "without the signature of another vendor")


_WHY_NOT: Final = {Thinking: "reasoning that is not the model's", ToolCall: "a call that is not the model's"}


def own_value(node: Node) -> Any:
    """The JSON value that a node came from, if it came from this format; else None."""
    original = node.original
    return original.value if original is not None and original.format == NAME else None


def summary_of(text: str) -> list[dict[str, Any]]:
    return [{"type": "summary_text", "text": text}] if text else []


def as_string(content: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """A single plain text as a string, which every upstream of this format takes."""
    if not content:
        return ""
    alone = content[0] if len(content) == 1 else {}
    text = alone.get("text")
    return text if isinstance(text, str) and alone.keys() == {"type", "text"} else content


def _joined(content: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """A result: texts alone become one string, because strict upstreams take nothing else."""
    if all(part.keys() == {"type", "text"} for part in content):
        return "\n".join(part["text"] for part in content)
    return content


def write_citation(citation: Citation, text: str) -> dict[str, Any] | None:
    """None for a citation of something that has no address."""
    own = own_value(citation)
    if isinstance(own, dict):
        return own
    if not citation.url:
        return None
    start, end = citation.start or 0, len(text) if citation.end is None else citation.end
    where = {"start_index": start, "end_index": end}
    return {"type": "url_citation", "url": citation.url, "title": citation.title} | where
