"""The parts of a content, read: {text}, {text, thought}, {functionCall}, {inlineData} … into the vocabulary."""

from __future__ import annotations

from typing import Any, Final

from fastproxy.formats import checked
from fastproxy.formats.carrier import PREFIX, unpack
from fastproxy.formats.chat import Opaque, Original, Part, Text, Thinking
from fastproxy.formats.gemini.media import decoded, read_media
from fastproxy.formats.gemini.results import CallIds, read_call, read_result
from fastproxy.formats.gemini.words import NAME, named, value_of

_KNOWN: Final = ("executableCode", "codeExecutionResult", "toolCall", "toolResponse", "audioTranscription")
_MARK: Final = PREFIX.encode()


def listed(value: Any, path: str) -> list[Any]:
    """A repeated field; Google takes a single value for a list of one."""
    if value is None:
        return []
    if isinstance(value, list):
        return value
    return [value] if isinstance(value, dict | str) else checked.wrong(path, value, "an array")


def read_parts(value: Any, path: str, ids: CallIds) -> tuple[Part, ...]:
    """`path` is that of the array."""
    found = listed(value, path)
    return tuple([_bare(part) or read_part(part, f"{path}[{place}]", ids) for place, part in enumerate(found)])


def _bare(part: Any) -> Text | None:
    """A part that is a text and nothing else, as most are: 0.4 us instead of 2. None for any other."""
    if type(part) is not dict or len(part) != 1 or type(text := part.get("text")) is not str:
        return None
    return Text(text, original=Original(NAME, part))


def read_part(part: Any, path: str, ids: CallIds) -> Part:
    if isinstance(part, str):  # as Google's SDK takes it; the API does not mind in systemInstruction
        return Text(part, original=Original(NAME, part))
    part, path = checked.as_mapping(part, path), path + "."
    if named(part, "functionCall") in part:
        return read_call(part, path, ids, _signature(part, path))
    if named(part, "functionResponse") in part:
        return read_result(part, path, ids)
    if value_of(part, "inlineData") is not None or value_of(part, "fileData") is not None:
        return read_media(part, path)
    for kind in _KNOWN:
        if value_of(part, kind) is not None:
            return Opaque(kind, _summary(kind, value_of(part, kind)), original=Original(NAME, part))
    return _read_text(part, path)


def _read_text(part: dict[str, Any], path: str) -> Part:
    """A thought, a text, or what nobody knows."""
    text, signature = checked.text(part, "text", path), _signature(part, path)
    original = Original(NAME, part)
    if checked.boolean(part, "thought", path):
        issuer, thinking_id, signature = unpack_signature(signature)
        redacted = text is None and issuer != NAME
        return Thinking(text or "", signature, issuer, redacted, thinking_id, original=original)
    if text is not None or signature is not None:
        return Text(text or "", signature, original=original)
    kind = next((name for name in part if part[name] is not None), "empty part")
    return Opaque(kind, is_known=False, original=original)


def _signature(part: dict[str, Any], path: str) -> str | None:
    return checked.text(part, named(part, "thoughtSignature"), path)


def unpack_signature(signature: str | None) -> tuple[str, str | None, str | None]:
    """Issuer, id and signature of a thought: Gemini's own stay as they are, foreign ones were packed into base64."""
    raw = decoded(signature) if signature is not None else None
    if raw is None or not raw.startswith(_MARK):
        return NAME, None, signature
    carried = unpack(raw.decode("utf-8", "replace"), NAME)
    return carried.issuer, carried.id, carried.signature


def _summary(kind: str, value: Any) -> str:
    """What code and its output look like as text."""
    if not isinstance(value, dict):
        return ""
    if kind == "executableCode":
        code = value.get("code")
        return f"```\n{code}\n```" if isinstance(code, str) else ""
    output = value.get("output")
    return f"Output of the code:\n{output}" if kind == "codeExecutionResult" and isinstance(output, str) else ""
