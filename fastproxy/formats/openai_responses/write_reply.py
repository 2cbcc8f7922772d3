"""A whole reply in the shape of a Response: the object around it, and its items.

    id       resp_<context.id>;  items: msg_ fc_ ctc_ rs_ ig_ <context.id>_<place>
    status   completed │ incomplete (incomplete_details.reason)

Fields of the request that a Response repeats come from the client's own body (context.echo). Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastproxy.formats import carrier, custom_tools
from fastproxy.formats.chat import Image, Opaque, Part, Refusal, Text, Thinking, ToolCall
from fastproxy.formats.openai_responses.items import CALL, REDACTED, TEXT
from fastproxy.formats.openai_responses.tools import spaces_of
from fastproxy.formats.openai_responses.words import NAME, REFUSING, REPLY_TIERS, unfinished
from fastproxy.formats.openai_responses.write_items import own_value, summary_of, write_citation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fastproxy.formats.events import Reason, Reply, ReplyContext
    from fastproxy.formats.usage_fields import Usage

# what a Response repeats of its request, and what stands there when the client did not say
_ECHOED: Final[Mapping[str, Any]] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


def write_reply(reply: Reply, context: ReplyContext) -> dict[str, Any]:
    """The first alternative; Responses have only one."""
    choice = reply.choices[0]
    refused = any(isinstance(part, Refusal) for part in choice.parts)
    parts = choice.parts
    if choice.explanation and not refused and choice.reason in REFUSING:
        parts = (*parts, Refusal(choice.explanation))
    output = Items(context, list(choice.logprobs)).of(parts)
    reason = unfinished(choice.reason, refused=refused)
    if reason is not None:
        mark_unfinished(output)
    made = response_of(context, reply.service_tier)
    return made | ended(choice.reason, output, reply.usage, refused=refused)


def response_of(context: ReplyContext, tier: str | None) -> dict[str, Any]:
    """A Response that has just begun."""
    echo = context.echo
    said = {name: default if echo.get(name) is None else echo[name] for name, default in _ECHOED.items()}
    said["service_tier"] = REPLY_TIERS.get(tier or str(said["service_tier"]), "default")
    return {
        "id": f"resp_{context.id}",
        "object": "response",
        "created_at": context.created,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": context.model,
        "output": [],
        "usage": None,
    } | said


def ended(reason: Reason, output: list[dict[str, Any]], usage: Usage | None, *, refused: bool) -> dict[str, Any]:
    """The fields in which a finished Response differs from one that has begun."""
    why = unfinished(reason, refused=refused)
    return {
        "status": "completed" if why is None else "incomplete",
        "incomplete_details": None if why is None else {"reason": why},
        "output": output,
        "usage": None if usage is None else write_usage(usage),
    }


def write_usage(usage: Usage) -> dict[str, Any]:
    spent = usage.input + usage.cache_read + usage.cache_write
    details: dict[str, Any] = {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write}
    if usage.cache_write_long:
        kept = usage.cache_write_long
        details["cache_write_tokens_details"] = {"ttl_12h_tokens": kept, "ttl_30m_tokens": usage.cache_write - kept}
    return {
        "input_tokens": spent,
        "input_tokens_details": details,
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": spent + usage.output,
    }


def mark_unfinished(output: list[dict[str, Any]]) -> None:
    """The item in which a reply was cut off."""
    if output and output[-1].get("type") in ("message", "function_call"):
        output[-1]["status"] = "incomplete"


class Items:
    """Writes the items of one reply. Neighbouring texts and refusals are the content of one message."""

    __slots__ = ("_context", "_logprobs", "_spaces", "made")

    def __init__(self, context: ReplyContext, logprobs: list[Any]) -> None:
        self._context = context
        self._logprobs = logprobs
        self._spaces = spaces_of(context.echo.get("tools"))
        self.made: list[dict[str, Any]] = []

    def of(self, parts: Iterable[Part]) -> list[dict[str, Any]]:
        saying: list[Any] | None = None
        for part in parts:
            said = self._said(part)
            if said is not None:
                if saying is None:
                    saying = []
                    self.made.append(message(self._id("msg"), saying, "completed"))
                saying.append(said)
            items = self._items(part)
            self.made += items
            saying = None if items else saying
        return self.made

    def _id(self, kind: str) -> str:
        return f"{kind}_{self._context.id}_{len(self.made)}"

    def _said(self, part: Part) -> dict[str, Any] | None:
        if isinstance(part, Text) and part.text:
            citations = [made for one in part.citations if (made := write_citation(one, part.text)) is not None]
            logprobs, self._logprobs = self._logprobs, []
            return {"type": "output_text", "text": part.text, "annotations": citations, "logprobs": logprobs}
        if isinstance(part, Opaque) and part.is_said and part.summary and own_value(part) is None:
            return {"type": "output_text", "text": part.summary, "annotations": [], "logprobs": []}
        return {"type": "refusal", "refusal": part.text} if isinstance(part, Refusal) else None

    def _items(self, part: Part) -> list[dict[str, Any]]:
        if isinstance(part, ToolCall):
            return self._call(part)
        if isinstance(part, Text):
            return [] if part.signature is None else [signed_text(self._id("rs"), part.signature)]
        if isinstance(part, Thinking):
            sealed = None if part.signature is None else (part.issuer, part.id, part.signature, part.redacted)
            shown = part.text if self._context.show_thinking else ""
            own_id = part.id if part.issuer == NAME and part.id else None
            return [reasoning(own_id or self._id("rs"), summary_of(shown), sealed)] if shown or sealed else []
        own = own_value(part)
        if isinstance(own, dict) and not isinstance(part, Refusal):
            return [own]
        if isinstance(part, Image) and part.source.data is not None:
            return [image(self._id("ig"), part)]
        return []

    def _call(self, call: ToolCall) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        place = len(self.made)
        call_id = call.id or f"call_{self._context.id}_{place}"
        if call.signature is not None:
            made.append(signed_call(f"rs_{self._context.id}_{place}", call_id, call.signature))
            place += 1
        name, space = self._spaces.get(call.name, (call.name, None))
        if call.custom or call.name in self._context.custom_tools:
            text = call.arguments if call.custom else custom_tools.unwrap_input(call.arguments)
            item = custom_call(f"ctc_{self._context.id}_{place}", call_id, name, text)
        else:
            item = function_call(f"fc_{self._context.id}_{place}", call_id, name, call.arguments or "{}")
        return [*made, item if space is None else item | {"namespace": space}]


def message(item_id: str, content: list[Any], status: str) -> dict[str, Any]:
    return {"id": item_id, "type": "message", "status": status, "role": "assistant", "content": content}


def function_call(item_id: str, call_id: str, name: str, arguments: str, status: str = "completed") -> dict[str, Any]:
    said = {"call_id": call_id, "name": name, "arguments": arguments}
    return {"id": item_id, "type": "function_call", "status": status} | said


def custom_call(item_id: str, call_id: str, name: str, text: str, status: str = "completed") -> dict[str, Any]:
    return {
        "id": item_id,
        "type": "custom_tool_call",
        "status": status,
        "call_id": call_id,
        "name": name,
        "input": text,
    }


def image(item_id: str, part: Image) -> dict[str, Any]:
    form = part.source.media_type.rpartition("/")[2] or "png"
    said = {"result": part.source.data, "output_format": form}
    return {"id": item_id, "type": "image_generation_call", "status": "completed"} | said


def reasoning(
    item_id: str, summary: list[dict[str, Any]], sealed: tuple[str, str | None, str, bool] | None
) -> dict[str, Any]:
    """`sealed`: issuer, the issuer's id, signature, whether there was no text. Foreign ones travel packed, and so does
    OpenAI's own when the item had to be given an id before its real one was known: the seal holds for that one only.
    """
    made: dict[str, Any] = {"id": item_id, "type": "reasoning", "summary": summary}
    if sealed is None:
        return made
    issuer, own_id, signature, redacted = sealed
    if issuer == NAME and own_id in (None, item_id):
        return made | {"encrypted_content": signature}
    carried = REDACTED if redacted and issuer != NAME else own_id
    return made | {"encrypted_content": carrier.pack(issuer, carried, signature)}


def signed_call(item_id: str, call_id: str, signature: str) -> dict[str, Any]:
    """The item in which a client carries what Gemini signed of the call that follows."""
    return reasoning(item_id, [], ("gemini", CALL + call_id, signature, False))


def signed_text(item_id: str, signature: str) -> dict[str, Any]:
    """The same for the text that stands in front of it."""
    return reasoning(item_id, [], ("gemini", TEXT, signature, False))
