"""One body into another format, on its own: what `fastproxy convert` and POST /api/convert answer. Pure.

convert_request(body, "openai-chat", "anthropic", Target("claude-x"))  → body, ("seed dropped", …)
convert_reply(body, "anthropic", "openai-chat", ReplyContext(…))       → body
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import orjson

from fastproxy.errors import FormatError
from fastproxy.formats.errors import write_error
from fastproxy.formats.events import Failure
from fastproxy.formats.fold import fold
from fastproxy.formats.foreign_files import refuse_foreign_files
from fastproxy.formats.notes import Notes
from fastproxy.formats.registry import CHAT, UPSTREAMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastproxy.formats.chat import Target
    from fastproxy.formats.events import ReplyContext

Format = TypeVar("Format")
_UNREADABLE: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)


def convert_request(
    body: dict[str, Any], source: str, target_format: str, target: Target
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body for `target` in `target_format`, and a line for each thing that was lost. Raises: FormatError.

    A Gemini body says neither model nor stream, they stand in its path: `target` says the model.
    """
    reader, writer = _known(CHAT, source), _known(UPSTREAMS, target_format)
    if not target.model and target_format != "gemini":
        raise FormatError("field 'model' is missing: expected the name of the upstream's model")
    request = reader.read_request(body, model=target.model if source == "gemini" else "")
    refuse_foreign_files(request, target_format)
    notes = Notes()
    made, _ = writer.write_request(request, target, notes)
    return made, notes.report(request, reader.FIELDS)


def convert_reply(body: dict[str, Any], source: str, target_format: str, context: ReplyContext) -> dict[str, Any]:
    """A whole reply, or the error in its place, as a client of `target_format` gets it. Raises: FormatError."""
    reader, writer = _known(UPSTREAMS, source), _known(CHAT, target_format)
    try:
        events = reader.read_reply(body)
        failure = next((event for event in events if isinstance(event, Failure)), None)
        if failure is None:
            return writer.write_reply(fold(events), context)
    except _UNREADABLE as error:  # readers trust upstreams with more than clients
        raise FormatError(f"the body cannot be read as a reply of {source}") from error
    _, said = write_error(target_format, failure.status, failure.kind, failure.message, f"req_{context.id}")
    found: dict[str, Any] = orjson.loads(said)
    return found


def _known(formats: Mapping[str, Format], name: str) -> Format:
    found = formats.get(name)
    if found is None:
        raise FormatError(f"format '{name[:40]}' is unknown: expected {', '.join(formats)}")
    return found
