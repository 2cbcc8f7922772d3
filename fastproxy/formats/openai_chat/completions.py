"""The older /v1/completions: a prompt instead of messages, `text` instead of a message. Chat models answer it too.

    {"prompt": "Once", …}  →  ChatRequest with one user turn
    events                 →  {"object": "text_completion", "choices": [{"text", "index", "logprobs", "finish_reason"}]}

Prompts that are token ids, or several at once, are refused: a conversation has no place for them. Of a reply only the
text is told. Source: openai 3.54, types/completion.py and types/completion_create_params.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastproxy.errors import FormatError
from fastproxy.formats import exact
from fastproxy.formats.chat import ChatRequest, Original, Text, Turn
from fastproxy.formats.checked import boolean, integer, mapping, needed, number, text, wrong
from fastproxy.formats.events import Done, End, InChoice, Logprobs, TextDelta, UsageReport
from fastproxy.formats.openai_chat.read_request import read_stop
from fastproxy.formats.openai_chat.reply import write_usage
from fastproxy.formats.openai_chat.stream_writer import DONE_LINE
from fastproxy.formats.openai_chat.words import FINISH_OF

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastproxy.formats.events import Event, Reply, ReplyContext

Json = dict[str, Any]
NAME: Final = "openai"
# ChatRequest field → the field of a body, for reports of losses
FIELDS: Final[Mapping[str, str]] = {
    "turns": "prompt",
    "max_output": "max_tokens",
    "top_logprobs": "logprobs",
    "count": "n",
}
_READ: Final = frozenset(
    (
        "model",
        "prompt",
        "stream",
        "stream_options",
        "max_tokens",
        "temperature",
        "top_p",
        "stop",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "n",
        "user",
        "echo",
    )
)


def read_completion_request(body: Json) -> ChatRequest:
    """Raises: FormatError, naming the field."""
    streamed = bool(boolean(body, "stream"))
    options = mapping(body, "stream_options") or {}
    prompt = _prompt(body.get("prompt"))
    original = Original(NAME, body.get("prompt"))
    return ChatRequest(
        format=NAME,
        model=needed(text(body, "model"), "model", "a string"),
        turns=(Turn("user", (Text(prompt, original=original),), original=original),),
        body=body,
        stream=streamed,
        include_usage=bool(options.get("include_usage")) if streamed else True,
        max_output=integer(body, "max_tokens", least=1),
        temperature=number(body, "temperature"),
        top_p=number(body, "top_p"),
        stop=read_stop(body),
        seed=integer(body, "seed"),
        presence_penalty=number(body, "presence_penalty"),
        frequency_penalty=number(body, "frequency_penalty"),
        logit_bias=mapping(body, "logit_bias"),
        top_logprobs=integer(body, "logprobs", least=0),
        count=integer(body, "n", least=1),
        user=text(body, "user"),
        extra={name: value for name, value in body.items() if name not in _READ and value is not None},
    )


def _prompt(given: Any) -> str:
    if isinstance(given, list):
        if len(given) != 1:
            kind = "token ids" if given and isinstance(given[0], int) else f"{len(given)} prompts"
            raise FormatError(f"field 'prompt' is an array of {kind}: expected one text")
        given = given[0]
    needed(given, "prompt", "a string")
    return given if isinstance(given, str) else wrong("prompt", given, "a string")


def _finish(reason: str) -> str:
    """Here are no calls."""
    finish = FINISH_OF[reason]  # type: ignore[index]  # a Reason, checked by the caller
    return "stop" if finish == "tool_calls" else finish


def _echoed(context: ReplyContext) -> str:
    """The prompt, where the client wants it in front of the text."""
    return _prompt(context.echo.get("prompt")) if context.echo.get("echo") is True else ""


def write_completion_reply(reply: Reply, context: ReplyContext) -> Json:
    lead = _echoed(context)
    choices = []
    for index, choice in enumerate(reply.choices):
        said = lead + "".join(part.text for part in choice.parts if isinstance(part, Text))
        logprobs = write_logprobs(choice.logprobs, len(lead)) if choice.logprobs else None
        choices.append({"text": said, "index": index, "logprobs": logprobs, "finish_reason": _finish(choice.reason)})
    body: Json = _head(context) | {"choices": choices}
    if reply.usage is not None:
        body["usage"] = write_usage(reply.usage)
    return body


def _head(context: ReplyContext) -> Json:
    return {
        "id": f"cmpl-{context.id}",
        "object": "text_completion",
        "created": context.created,
        "model": context.model,
    }


def write_logprobs(content: Sequence[Mapping[str, Any]], start: int) -> Json:
    """The chat's list of tokens as the four lists of old; `start` is the first token's offset in the text."""
    offsets = []
    for token in content:
        offsets.append(start)
        start += len(str(token.get("token", "")))
    return {
        "tokens": [token.get("token", "") for token in content],
        "token_logprobs": [token.get("logprob") for token in content],
        "top_logprobs": [_tops(token.get("top_logprobs")) for token in content],
        "text_offset": offsets,
    }


def _tops(tops: Any) -> dict[str, Any]:
    return {str(top.get("token")): top.get("logprob") for top in tops or () if isinstance(top, dict)}


class CompletionStreamWriter:
    """Events as a stream of text completions."""

    __slots__ = ("_after", "_before", "_begun", "_context", "_is_done", "_offsets", "_usage")

    def __init__(self, context: ReplyContext) -> None:
        self._context = context
        self._before = b"data: " + exact.dumps(_head(context))[:-1] + b',"choices":['
        self._after = b'],"usage":null}\n\n' if context.include_usage else b"]}\n\n"
        self._begun: set[int] = set()
        self._offsets: dict[int, int] = {}
        self._usage: Json | None = None
        self._is_done = False

    def write(self, event: Event) -> bytes:
        if isinstance(event, InChoice):
            return self._lead(event.choice) + self._in_choice(event)
        if isinstance(event, UsageReport):
            self._usage = write_usage(event.usage)
        elif isinstance(event, Done) and not self._is_done:
            self._is_done = True
            if self._usage is None or not self._context.include_usage:
                return DONE_LINE
            return self._before + b'],"usage":' + exact.dumps(self._usage) + b"}\n\n" + DONE_LINE
        return b""

    def _lead(self, index: int) -> bytes:
        if index in self._begun:
            return b""
        self._begun.add(index)
        lead = _echoed(self._context)
        self._offsets[index] = len(lead)
        return self._chunk(index, lead) if lead else b""

    def _in_choice(self, event: InChoice) -> bytes:
        if isinstance(event, TextDelta):
            return self._chunk(event.choice, event.text) if event.text else b""
        if isinstance(event, End):
            return self._chunk(event.choice, "", finish=_finish(event.reason))
        if isinstance(event, Logprobs):
            start = self._offsets[event.choice]
            self._offsets[event.choice] += sum(len(str(token.get("token", ""))) for token in event.content)
            return self._chunk(event.choice, "", logprobs=write_logprobs(event.content, start))
        return b""

    def _chunk(self, index: int, said: str, *, logprobs: Json | None = None, finish: str | None = None) -> bytes:
        choice = {"text": said, "index": index, "logprobs": logprobs, "finish_reason": finish}
        return self._before + exact.dumps(choice) + self._after
