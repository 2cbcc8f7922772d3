"""Items of a conversation, read: what stands in `input` of a request and in `output` of a reply.

    {"type": "message", role, content}                     Turn(role, texts, images, files …)
    {"type": "reasoning", id, summary, encrypted_content}  Turn(assistant, Thinking)
    {"type": "function_call" | "custom_tool_call"}         Turn(assistant, ToolCall)
    {"type": "…_call_output"}                              Turn(tool, ToolResult)
    anything else                                          Turn(…, Opaque)

Each item is a turn of its own, so that the same format gets back what it sent. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from fastproxy.formats import carrier, checked
from fastproxy.formats.chat import (
    Audio,
    Citation,
    Document,
    Image,
    Opaque,
    Original,
    Part,
    Refusal,
    Role,
    Source,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from fastproxy.formats.openai_responses.words import KNOWN_ITEMS, NAME, flat_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ROLES: Final = ("user", "assistant", "system", "developer")
REDACTED: Final = "redacted"  # stands for the id of a foreign thought without text
CALL: Final = "call:"  # in front of the id of the call that a signature of Gemini's belongs to
TEXT: Final = "text:"  # stands for the text in front of it that a signature of Gemini's belongs to


def read_item(item: dict[str, Any], path: str) -> Turn:
    """One item of `input`; `path` is its own, "input[3]". Raises: FormatError."""
    kind = checked.text(item, "type", f"{path}.")
    if kind is None:
        kind = "message" if "role" in item else "item_reference"
    reader = _READERS.get(kind)
    return reader(item, f"{path}.") if reader is not None else _opaque(item, kind)


def _message(item: dict[str, Any], path: str) -> Turn:
    role = checked.needed(checked.text(item, "role", path), "role", "a role", path)
    if role not in _ROLES:
        checked.wrong(f"{path}role", role, "user, assistant, system or developer")
    content = item.get("content")
    if isinstance(content, str):
        parts: tuple[Part, ...] = (Text(content, original=Original(NAME, content)),)
    else:
        parts = read_parts(checked.array(item, "content", path) or [], f"{path}content")
    return Turn(cast("Role", role), parts, original=Original(NAME, item))


def read_parts(content: list[Any], path: str) -> tuple[Part, ...]:
    return tuple(_part(checked.as_mapping(part, f"{path}[{n}]"), f"{path}[{n}].") for n, part in enumerate(content))


def _part(part: dict[str, Any], path: str) -> Part:
    kind = checked.text(part, "type", path) or ("input_text" if "text" in part else "")
    original, cache = Original(NAME, part), _cache(part)
    if kind in ("input_text", "output_text", "text", "summary_text", "reasoning_text"):
        text = checked.needed(checked.text(part, "text", path), "text", "a string", path)
        return Text(text, citations=read_citations(part.get("annotations")), original=original, cache=cache)
    if kind == "input_image":
        return Image(_image_source(part, path), checked.text(part, "detail", path), original=original, cache=cache)
    if kind == "input_file":
        return Document(_file_source(part, path), original=original, cache=cache)
    if kind == "input_audio":
        return Audio(_audio_source(part, path), original=original, cache=cache)
    if kind == "refusal":
        return Refusal(checked.text(part, "refusal", path) or "", original=original)
    return Opaque(kind, is_known=kind == "computer_screenshot", original=original)


def _cache(part: Mapping[str, Any]) -> str | None:
    """A breakpoint lives for 30 minutes or for 12 hours; the longer one is the longest that we have a word for."""
    mark = part.get("prompt_cache_breakpoint")
    if not isinstance(mark, dict):
        return None
    return "1h" if mark.get("ttl") == "12h" else ""


def read_citations(annotations: Any) -> tuple[Citation, ...]:
    if not isinstance(annotations, list):
        return ()
    return tuple(read_citation(annotation) for annotation in annotations if isinstance(annotation, dict))


def read_citation(annotation: dict[str, Any]) -> Citation:
    """A URL's, or a file's, which has a name and no address."""
    url, title = annotation.get("url"), annotation.get("title") or annotation.get("filename")
    start, end = annotation.get("start_index"), annotation.get("end_index")
    return Citation(
        url if isinstance(url, str) else "",
        title if isinstance(title, str) else "",
        start if isinstance(start, int) else None,
        end if isinstance(end, int) else None,
        original=Original(NAME, annotation),
    )


def _image_source(part: dict[str, Any], path: str) -> Source:
    url, file_id = checked.text(part, "image_url", path), checked.text(part, "file_id", path)
    if url is None:
        return Source(file_id=checked.needed(file_id, "image_url", "an address or a file_id", path))
    return data_source(url, "") or Source(url=url)


def _file_source(part: dict[str, Any], path: str) -> Source:
    name, data = checked.text(part, "filename", path), checked.text(part, "file_data", path)
    url, file_id = checked.text(part, "file_url", path), checked.text(part, "file_id", path)
    if data is not None:
        bare = Source("application/pdf", "".join(data.split()), filename=name)  # bare base64, as some clients write
        return data_source(data, name) or bare
    if url is not None:
        return data_source(url, name) or Source(url=url, filename=name)
    return Source(file_id=checked.needed(file_id, "file_data", "data, an address or a file_id", path), filename=name)


def _audio_source(part: dict[str, Any], path: str) -> Source:
    audio = checked.needed(checked.mapping(part, "input_audio", path), "input_audio", "an object", path)
    data, form = checked.text(audio, "data", path), checked.text(audio, "format", path)
    return Source(f"audio/{form or 'wav'}", data or "")


def data_source(url: str, name: str | None) -> Source | None:
    """What a base64 data URI holds; None for any other address."""
    head, comma, data = url.partition(",")
    if not comma or head[:5].lower() != "data:" or not head.lower().endswith(";base64"):
        return None
    media_type = head[5:].split(";", 1)[0].strip().lower()
    return Source(media_type, "".join(data.split()), filename=name or None)


def _call(item: dict[str, Any], path: str) -> Turn:
    custom = item["type"] == "custom_tool_call"
    call_id = checked.needed(checked.text(item, "call_id", path), "call_id", "a string", path)
    name = checked.needed(checked.text(item, "name", path), "name", "a string", path)
    arguments = checked.text(item, "input" if custom else "arguments", path) or ""
    original = Original(NAME, item)
    call = ToolCall(call_id, flat_name(item.get("namespace"), name), arguments, custom, original=original)
    return Turn("assistant", (call,), original=original)


def _output(item: dict[str, Any], path: str) -> Turn:
    output, original = item.get("output"), Original(NAME, item)
    if isinstance(output, str):
        parts: tuple[Part, ...] = (Text(output, original=Original(NAME, output)),) if output else ()
    else:
        parts = read_parts(checked.array(item, "output", path) or [], f"{path}output")
    result = ToolResult(
        checked.text(item, "call_id", path) or "",
        parts,
        name=flat_name(item.get("namespace"), name) if (name := checked.text(item, "name", path)) else None,
        custom=item["type"] == "custom_tool_call_output",
        original=original,
    )
    return Turn("tool", (result,), original=original)


def _reasoning(item: dict[str, Any], path: str) -> Turn:
    checked.array(item, "summary", path)
    checked.text(item, "encrypted_content", path)
    original, thinking = Original(NAME, item), read_thinking(item)
    if thinking.issuer == "gemini" and (thinking.id or "").startswith(CALL):
        return Turn("assistant", (), original=original)  # belongs to a call: signed_calls
    if thinking.issuer == "gemini" and thinking.id == TEXT:
        # Gemini itself puts a signature that has nothing else to stand on into an empty text
        return Turn("assistant", (Text("", thinking.signature, original=original),), original=original)
    return Turn("assistant", (thinking,), original=original)


def read_thinking(item: dict[str, Any]) -> Thinking:
    """A reasoning item of OpenAI's, or one in which we carry what another vendor signed."""
    text, original = "\n\n".join(thoughts(item)), Original(NAME, item)
    own_id = item["id"] if isinstance(item.get("id"), str) else None
    sealed = item.get("encrypted_content")
    if not isinstance(sealed, str) or not sealed:
        return Thinking(text, None, NAME, id=own_id, original=original)
    issuer, carried_id, signature = carrier.unpack(sealed, NAME)
    if issuer == NAME:
        return Thinking(text, signature, NAME, id=carried_id or own_id, original=original)
    redacted = carried_id == REDACTED
    return Thinking(text, signature, issuer, redacted, None if redacted else carried_id, original=original)


def thoughts(item: Mapping[str, Any]) -> list[str]:
    """The paragraphs of a summary, or of the thoughts themselves where a model shows them."""
    return _texts(item.get("summary")) or _texts(item.get("content"))


def _texts(content: Any) -> list[str]:
    if not isinstance(content, list):
        return []
    return [part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)]


def signed_calls(items: list[Any]) -> dict[str, str]:
    """Call id → the signature that Gemini gave it, from the reasoning items in which clients carry it."""
    found: dict[str, str] = {}
    for item in items:
        if isinstance(item, dict) and item.get("type") == "reasoning":
            sealed = item.get("encrypted_content")
            if isinstance(sealed, str) and sealed.startswith(carrier.PREFIX):
                issuer, carried_id, signature = carrier.unpack(sealed, NAME)
                if issuer == "gemini" and carried_id and carried_id.startswith(CALL):
                    found[carried_id[len(CALL) :]] = signature
    return found


def _opaque(item: dict[str, Any], kind: str) -> Turn:
    role = KNOWN_ITEMS.get(kind, "user")
    return Turn(cast("Role", role), (read_opaque(item, kind),), original=Original(NAME, item))


def read_opaque(item: dict[str, Any], kind: str) -> Opaque:
    return Opaque(kind, _summary(item, kind), kind in KNOWN_ITEMS, original=Original(NAME, item))


def _summary(item: Mapping[str, Any], kind: str) -> str:
    """A line that may stand for a built-in call elsewhere; "" when it would say nothing."""
    action = item.get("action")
    if kind == "web_search_call" and isinstance(action, dict) and isinstance(action.get("query"), str):
        return f"[web search: {action['query']}]"
    if kind == "code_interpreter_call" and isinstance(item.get("code"), str):
        return f"[code interpreter]\n{item['code']}"
    if kind == "mcp_call" and isinstance(item.get("name"), str):
        output = item.get("output")
        return f"[tool {item['name']}] {output if isinstance(output, str) else ''}".rstrip()
    return ""


_READERS: Final[dict[str, Callable[[dict[str, Any], str], Turn]]] = {
    "message": _message,
    "function_call": _call,
    "custom_tool_call": _call,
    "function_call_output": _output,
    "custom_tool_call_output": _output,
    "reasoning": _reasoning,
}
