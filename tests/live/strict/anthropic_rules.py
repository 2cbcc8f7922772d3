"""Anthropic's Messages API: what it refuses. Sources: the SDK's types and docstrings, the API reference, and the pages
on tool use, extended thinking and prompt caching (docs: "tool_result blocks must immediately follow", "the final
assistant message must start with a thinking block", "a maximum of 4 blocks with cache_control")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from anthropic.types.message_create_params import MessageCreateParamsBase, MessageCreateParamsStreaming

from tests.live.strict import shapes
from tests.live.strict.dialogue import Ask, Refused, Result
from tests.live.strict.rulebook import Request, names_are_good, obey

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLING: Final = ("temperature", "top_p", "top_k")
VERSIONS: Final = ("2023-06-01", "2026-10-21")
MEDIA: Final = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif", b"RIFF": "image/webp"}
Block = dict[str, Any]


def version_is_known(request: Request) -> str:
    found = request.headers.get("anthropic-version", "")
    return "" if found in VERSIONS else f"anthropic-version: {found!r}"


def sampling_fits_the_version(request: Request) -> str:
    """Since 2026-10-21 these fields are unknown; before, a temperature goes from 0 to 1."""
    given = [name for name in SAMPLING if name in request.body]
    if given and request.headers.get("anthropic-version") != "2023-06-01":
        return f"{given[0]}: Extra inputs are not permitted"
    if "temperature" in given and "top_p" in given:
        return "`temperature` and `top_p` cannot both be specified for this model."
    temperature = request.body.get("temperature", 1)
    return "" if 0 <= temperature <= 1 else "temperature: range: 0..1"


def shape_is_the_sdks(request: Request) -> str:
    body = {name: value for name, value in request.body.items() if name not in SAMPLING}
    kind = MessageCreateParamsStreaming if body.get("stream") else MessageCreateParamsBase
    if body.get("stream") is False:
        del body["stream"]
    return shapes.fault(body, kind)


def max_tokens_is_sane(request: Request) -> str:
    found = request.body["max_tokens"]
    return "" if 1 <= found <= 128_000 else f"max_tokens: {found} is not in 1..128000"


def first_message_is_the_users(request: Request) -> str:
    messages = request.body["messages"]
    return "" if messages and messages[0]["role"] == "user" else "messages: first message must use the user role"


def roles_alternate(request: Request) -> str:
    """The API would merge neighbours; a client that relies on it puts tool results where they do not belong."""
    roles = [message["role"] for message in request.body["messages"]]
    twice = [place for place in range(1, len(roles)) if roles[place] == roles[place - 1]]
    return f"messages[{twice[0]}]: roles must alternate" if twice else ""


def texts_are_not_empty(request: Request) -> str:
    for place, message in enumerate(request.body["messages"]):
        if message["content"] in ("", []):
            return f"messages[{place}]: all messages must have non-empty content"
        for block in blocks(message):
            if block["type"] == "text" and not block["text"].strip():
                return f"messages[{place}]: text content blocks must contain non-whitespace text"
    return ""


def calls_are_answered_at_once(request: Request) -> str:
    """All in the very next message, before anything else in it, and nothing answered that was not asked."""
    asked: list[str] = []
    for place, message in enumerate(request.body["messages"]):
        kinds = [block["type"] for block in blocks(message)]
        answers = [block["tool_use_id"] for block in blocks(message) if block["type"] == "tool_result"]
        if sorted(answers) != sorted(asked):
            return (
                f"messages[{place}]: tool_use ids {asked} need exactly their tool_result blocks here, found {answers}"
            )
        if answers and kinds[: len(answers)] != ["tool_result"] * len(answers):
            return f"messages[{place}]: tool_result blocks must come first"
        asked = [block["id"] for block in blocks(message) if block["type"] == "tool_use"]
        if asked and message["role"] != "assistant":
            return f"messages[{place}]: tool_use blocks can only be in assistant messages"
    return f"messages: tool_use ids without tool_result: {asked}" if asked else ""


def call_ids_fit(request: Request) -> str:
    ids = [block["id"] for block in _all_blocks(request) if block["type"] == "tool_use"]
    return names_are_good(ids).replace("tool name", "tool_use.id")


def thinking_is_as_issued(request: Request) -> str:
    for block in _all_blocks(request):
        if block["type"] == "thinking":
            text = request.issued.text_of(shapes.decoded(block["signature"]))
            if text is None:
                return f"Invalid `signature` in `thinking` block: {block['signature'][:30]!r}"
            if text != block["thinking"]:
                return "`thinking` blocks cannot be modified"
        if block["type"] == "redacted_thinking" and request.issued.text_of(shapes.decoded(block["data"])) is None:
            return "Invalid `data` in `redacted_thinking` block"
    return ""


def thinking_comes_first_in_a_loop(request: Request) -> str:
    """With a budget for thinking, the turn whose calls are being answered must begin with its thoughts. Adaptive
    thinking does not ask for that: the model may not have thought at all."""
    messages = request.body["messages"]
    if request.body.get("thinking", {}).get("type") != "enabled" or messages[-1]["role"] != "user":
        return ""
    if not any(block["type"] == "tool_result" for block in blocks(messages[-1])):
        return ""
    first = blocks(messages[-2])[0]["type"]
    if first in ("thinking", "redacted_thinking"):
        return ""
    return f"messages[{len(messages) - 2}].content[0].type: Expected `thinking` or `redacted_thinking`, found `{first}`"


def thinking_fits_the_rest(request: Request) -> str:
    thinking, body = request.body.get("thinking", {}), request.body
    if thinking.get("type") == "enabled" and not 1024 <= thinking["budget_tokens"] < body["max_tokens"]:
        return "thinking.budget_tokens: must be at least 1024 and less than max_tokens"
    if is_thinking(body) and body.get("tool_choice", {}).get("type") in ("any", "tool"):
        return "Thinking may not be enabled when tool_choice forces tool use."
    if is_thinking(body) and (body.get("temperature", 1) != 1 or "top_k" in body):
        return "`temperature` may only be set to 1 when thinking is enabled"
    return ""


def thinking_is_of_the_models_kind(request: Request) -> str:
    """Adaptive thinking and efforts came with the 4.6 generation, which still takes a budget."""
    if request.model != "claude-haiku-4-5":
        return ""
    if request.body.get("thinking", {}).get("type") in ("adaptive", "between_tools"):
        return "adaptive thinking is not supported on this model"
    return (
        "This model does not support the effort parameter." if "effort" in request.body.get("output_config", {}) else ""
    )


def tools_are_well_formed(request: Request) -> str:
    tools = request.body.get("tools", [])
    if "tool_choice" in request.body and not tools:
        return "tool_choice may only be specified while providing tools"
    for tool in tools:
        if "input_schema" in tool and tool["input_schema"].get("type") != "object":
            return f"tools.{tool['name']}.input_schema.type: must be 'object'"
    return names_are_good(tool["name"] for tool in tools)


def few_cache_breakpoints(request: Request) -> str:
    holders = [*_all_blocks(request), *request.body.get("tools", []), *_system_blocks(request.body), request.body]
    found = sum("cache_control" in holder for holder in holders)
    return "" if found <= 4 else f"A maximum of 4 blocks with cache_control may be provided. Found {found}."


def pictures_are_what_they_say(request: Request) -> str:
    for block in _all_blocks(request):
        source = block.get("source", {})
        if block["type"] == "image" and source.get("type") == "base64":
            data = shapes.decoded(source["data"]) or b""
            real = next((kind for magic, kind in MEDIA.items() if data.startswith(magic)), "unknown")
            if real != source["media_type"]:
                return f"Image does not match the provided media type {source['media_type']}"
    return ""


RULES: Final = (
    version_is_known, sampling_fits_the_version, shape_is_the_sdks, max_tokens_is_sane, first_message_is_the_users,
    roles_alternate, texts_are_not_empty, calls_are_answered_at_once, call_ids_fit, thinking_is_as_issued,
    thinking_comes_first_in_a_loop, thinking_fits_the_rest, thinking_is_of_the_models_kind,
    tools_are_well_formed, few_cache_breakpoints,
    pictures_are_what_they_say,
)  # fmt: skip


def is_thinking(body: dict[str, Any]) -> bool:
    return body.get("thinking", {}).get("type") in ("enabled", "adaptive")


def blocks(message: dict[str, Any]) -> list[Block]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _all_blocks(request: Request) -> Iterator[Block]:
    for message in request.body["messages"]:
        yield from blocks(message)


def _system_blocks(body: dict[str, Any]) -> list[Block]:
    system = body.get("system", [])
    return [{"type": "text", "text": system}] if isinstance(system, str) else system


def read(request: Request) -> Ask:
    """What the model understands. Raises: Refused."""
    obey(RULES, request)
    body = request.body
    choice = body.get("tool_choice", {})
    output = body.get("output_config", {}).get("format") or {}
    ask = Ask(
        request.model,
        system="\n".join(block["text"] for block in _system_blocks(body)),
        tools={tool["name"]: tool.get("input_schema") for tool in body.get("tools", [])},
        forced=choice.get("name") or ("*" if choice.get("type") == "any" else None),
        schema=output.get("schema"),
        thinks=is_thinking(body),
        stream=request.stream,
    )
    calls: dict[str, Block] = {}
    for message in body["messages"]:
        _listen(ask, message, calls)
    return ask


def _listen(ask: Ask, message: dict[str, Any], calls: dict[str, Block]) -> None:
    text = "\n".join(block["text"] for block in blocks(message) if block["type"] == "text")
    if text:
        ask.heard(message["role"], text)
    for block in blocks(message):
        if block["type"] == "tool_use":
            calls[block["id"]] = block
        elif block["type"] == "tool_result":
            call = calls[block["tool_use_id"]]
            ask.results.append(Result(block["tool_use_id"], call["name"], call["input"], _result_text(ask, block)))
        elif block["type"] in ("image", "document"):
            ask.media.append(_media(block))


def _result_text(ask: Ask, block: Block) -> str:
    content = block.get("content", "")
    if isinstance(content, str):
        return content
    ask.media += [_media(part) for part in content if part["type"] in ("image", "document")]
    return "".join(part["text"] for part in content if part["type"] == "text")


def _media(block: Block) -> bytes:
    source = block["source"]
    if source["type"] in ("url", "text"):  # the vendor would fetch the one and read the other
        return str(source.get("url") or source["data"]).encode()
    if source["type"] != "base64":
        raise Refused("media_is_inline", f"this vendor cannot fetch {source['type']}")
    return shapes.decoded(source["data"]) or b""
