"""A whole reply of POST /messages, to events and from a folded reply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastproxy.errors import FormatError
from fastproxy.formats import exact
from fastproxy.formats.anthropic.counts import read_counts, tier_of, write_counts
from fastproxy.formats.anthropic.read_blocks import opaque, read_citation, read_thinking
from fastproxy.formats.anthropic.reply_blocks import reply_blocks
from fastproxy.formats.anthropic.words import (
    FIRMER_THAN_CALLS,
    NAME,
    READ_REASONS,
    READ_REPLY_TIERS,
    WRITE_REASONS,
)
from fastproxy.formats.carrier import unpack
from fastproxy.formats.chat import Refusal
from fastproxy.formats.events import (
    DONE,
    Begin,
    Cited,
    End,
    Event,
    Foreign,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolBegin,
    ToolDelta,
    UsageReport,
)
from fastproxy.formats.read_error import read_failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastproxy.formats.events import Choice, Reason, Reply, ReplyContext

Body = dict[str, Any]


def read_reply(body: Body, *, unwrap_tool: str = "") -> list[Event]:
    """`unwrap_tool`: the tool whose input is the reply (tools.json_tool). Raises: FormatError when it is no message."""
    if body.get("type") == "error" or isinstance(body.get("error"), dict):
        return [read_failure(NAME, body)]
    usage = body.get("usage")
    events: list[Event] = [read_begin(body)]
    has_calls = False
    content = body.get("content")
    if not isinstance(content, list):
        raise FormatError("field 'content' of the upstream's reply is no list of blocks")
    for block, value in enumerate(content):
        if isinstance(value, dict):
            made = list(block_events(value, block, unwrap_tool))
            has_calls = has_calls or any(isinstance(event, ToolBegin) for event in made)
            events += made
    events.append(read_end(body, has_calls=has_calls, unwrap_tool=unwrap_tool))
    counts = read_counts(usage)
    if counts is not None and (read := counts.read()) is not None:
        events.append(UsageReport(read))
    events.append(DONE)
    return events


def read_begin(message: Body) -> Begin:
    """Without the counts: a whole reply reports them at its end."""
    usage = message.get("usage")
    tier = usage.get("service_tier") if isinstance(usage, dict) else None
    said = [value if isinstance(value, str) else "" for value in (message.get("id"), message.get("model"))]
    return Begin(said[0], said[1], service_tier=READ_REPLY_TIERS.get(tier) if isinstance(tier, str) else None)


def read_end(said: Body, *, has_calls: bool, unwrap_tool: str = "") -> End:
    """`said` is a message, or the delta of message_delta."""
    word = said.get("stop_reason")
    reason: Reason = READ_REASONS.get(word, "other") if isinstance(word, str) else "other"
    if has_calls and reason not in FIRMER_THAN_CALLS:
        reason = "tool_calls"
    elif reason == "tool_calls" and unwrap_tool:
        reason = "stop"  # the only call was the reply itself
    stop = said.get("stop_sequence")
    details = said.get("stop_details")
    told = details.get("explanation") if isinstance(details, dict) else None
    return End(reason, stop if isinstance(stop, str) else None, told if isinstance(told, str) else None)


def block_events(value: Body, block: int, unwrap_tool: str) -> Iterator[Event]:
    kind = value.get("type")
    if kind == "text":
        yield from _text_events(value, block)
    elif kind == "thinking":
        if text := _string(value, "thinking"):
            yield ThinkingDelta(block, text)
        if signature := _string(value, "signature"):
            yield signature_event(block, signature)
    elif kind == "redacted_thinking":
        yield redacted_event(block, _string(value, "data"))
    elif is_client_call(value):
        yield from _call_events(value, block, unwrap_tool)
    else:
        yield Foreign(block, opaque(value))


def _text_events(value: Body, block: int) -> Iterator[Event]:
    if text := _string(value, "text"):
        yield TextDelta(block, text)
    cited = value.get("citations")
    for citation in cited if isinstance(cited, list) else ():
        if isinstance(citation, dict):
            yield Cited(block, read_citation(citation))


def _call_events(value: Body, block: int, unwrap_tool: str) -> Iterator[Event]:
    arguments = exact.dumps(value.get("input") or {}).decode()
    if unwrap_tool and value.get("name") == unwrap_tool:
        yield TextDelta(block, arguments)
    else:
        yield ToolBegin(block, _string(value, "id"), _string(value, "name"))
        yield ToolDelta(block, arguments)


def is_client_call(value: Body) -> bool:
    """A call of a tool that the client has declared. Members of Anthropic's toolsets are not, nor calls by its code."""
    caller = value.get("caller")
    direct = not isinstance(caller, dict) or caller.get("type") == "direct"
    return value.get("type") == "tool_use" and value.get("toolset_name") is None and direct


def signature_event(block: int, signature: str) -> ThinkingSignature:
    thought = read_thinking("", signature)
    return ThinkingSignature(block, thought.signature or "", thought.issuer, id=thought.id)


def redacted_event(block: int, data: str) -> ThinkingSignature:
    issuer, item_id, signature = unpack(data, NAME)
    return ThinkingSignature(block, signature, issuer, redacted=True, id=item_id)


def _string(holder: Body, name: str) -> str:
    value = holder.get(name)
    return value if isinstance(value, str) else ""


def write_reply(reply: Reply, context: ReplyContext) -> Body:
    """The first alternative: this format has no others."""
    choice = reply.choices[0]
    body: Body = {
        "id": "msg_" + context.id,
        "type": "message",
        "role": "assistant",
        "model": context.model,
        "content": reply_blocks(choice, context),
    }
    has_refusal = Refusal in [type(part) for part in choice.parts]
    body |= write_end(choice, has_refusal=has_refusal)
    body["usage"] = counts = write_counts(reply.usage)
    if reply.service_tier is not None:
        counts |= tier_of(reply.service_tier)
    return body


def write_end(end: End | Choice, *, has_refusal: bool) -> Body:
    """stop_reason and what belongs to it."""
    reason: Reason = "refusal" if has_refusal and end.reason in ("stop", "other") else end.reason
    word = WRITE_REASONS[reason]
    said: Body = {"stop_reason": word, "stop_sequence": end.stop_sequence}
    if word == "refusal":
        said["stop_details"] = {"type": "refusal", "category": None, "explanation": end.explanation}
    return said
