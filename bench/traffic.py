"""The bytes that every measurement sends and gets: request bodies, client headers, the reply, one event.

Sizes follow ordinary traffic: a short question (910 B), a long conversation with code and escapes (about 40 KB), a huge
one (400 KB, about 100,000 tokens), a reply of 698 B under 11 headers, an event of about 330 B. Nine client headers, one
of which is different in every request.
"""

from __future__ import annotations

import json

CLIENT_KEY = "sk-bench-client-0123456789abcdef0123456789abcdef"
UPSTREAM_KEY = "sk-bench-upstream-fedcba9876543210fedcba9876543210"
PATH = "/v1/chat/completions"
MESSAGES_PATH = "/v1/messages"
SHORT_BYTES = 910
LONG_BYTES = 40_647
HUGE_BYTES = 400_000
REPLY_BYTES = 698

# a gateway that knows the model refuses other temperatures of it
_PARAMETERS = {"temperature": 1, "max_completion_tokens": 256}
_QUESTION = "Which of these three designs would you take for a service that streams replies, and why?"
_ANSWER = (
    'Take the second one: it keeps "backpressure" where it belongs.\n\n```python\ndef pump(source, sink):\n'
    "\tfor chunk in source:\n\t\tsink.write(chunk)  # naïve: no flow control — see §3.2\n```\n"
    'The path "C:\\\\temp\\\\out" shows the difference; a café menu costs 12 €.\n'
)


def short_body() -> bytes:
    return _body([{"role": "system", "content": "You answer briefly."}], SHORT_BYTES)


def long_body() -> bytes:
    """A long conversation: many messages, quotes, line ends, escapes, non-ASCII text. The hard case for a reader."""
    return _body(_turns(62), LONG_BYTES)


def huge_body() -> bytes:
    return _body(_turns(700), HUGE_BYTES)


def message_body() -> bytes:
    """As short_body, from a client that speaks Anthropic's Messages."""
    request: dict[str, object] = {"model": "gpt-5", "max_tokens": 256, "system": "You answer briefly."}
    return _filled(request, [], SHORT_BYTES)


def _turns(count: int) -> list[dict[str, str]]:
    turns: list[dict[str, str]] = []
    for number in range(count):
        turns.append({"role": "user", "content": f"{number}. {_QUESTION}"})
        turns.append({"role": "assistant", "content": _ANSWER})
    return turns


def bodies() -> dict[str, bytes]:
    """All request bodies by name; `spaced` is the long one as Python's json.dumps writes it when not told otherwise."""
    long = long_body()
    spaced = json.dumps(json.loads(long)).encode()
    return {"short": short_body(), "long": long, "spaced": spaced, "huge": huge_body(), "message": message_body()}


def path_of(body: str) -> str:
    """Where a body of `bodies()` is sent to."""
    return MESSAGES_PATH if body == "message" else PATH


def probe_body() -> bytes:
    """Asks the stand-in which Authorization arrived."""
    question = {"role": "user", "content": _QUESTION}
    return encode({"model": "gpt-5", "user": "probe", **_PARAMETERS, "messages": [question]})


def stream_body(user: str = "busy", path: str = PATH) -> bytes:
    """`user` is how the stand-in is told what kind of stream: busy, idle (one event, then silence) or once."""
    who = {"user": user} if path == PATH else {"max_tokens": 256, "metadata": {"user_id": user}}
    return encode({"model": "gpt-5", "stream": True, **who, "messages": [{"role": "user", "content": _QUESTION}]})


def _body(messages: list[dict[str, str]], size: int) -> bytes:
    """A request of exactly `size` bytes; the last message is filled up with words."""
    return _filled({"model": "gpt-5", **_PARAMETERS}, messages, size)


def _filled(request: dict[str, object], messages: list[dict[str, str]], size: int) -> bytes:
    while True:
        last = {"role": "user", "content": ""}
        request["messages"] = [*messages, last]
        missing = size - len(encode(request))
        if missing >= 0:
            break
        messages = messages[2:]
    last["content"] = (f"{_QUESTION} " * (missing // len(_QUESTION) + 1))[:missing]
    return encode(request)


def encode(request: object) -> bytes:
    """JSON as the official SDKs and JSON.stringify write it: no spaces, non-ASCII text as UTF-8."""
    return json.dumps(request, separators=(",", ":"), ensure_ascii=False).encode()


def client_fields(length: int) -> list[tuple[str, str]]:
    """What an SDK sends, without the one field that changes (`traceparent`), which the load generator adds."""
    return [
        ("Host", "api.example.com"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(length)),
        ("Authorization", f"Bearer {CLIENT_KEY}"),
        ("User-Agent", "OpenAI/Python 3.54.0"),
        ("Accept", "application/json"),
        ("Accept-Encoding", "gzip, deflate"),
        ("X-Stainless-Lang", "python"),
    ]


def _reply_body() -> bytes:
    reply = {
        "id": "chatcmpl-BenchBenchBenchBenchBench00",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "gpt-5-2026-08-07",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 187,
            "completion_tokens": 64,
            "total_tokens": 251,
            "prompt_tokens_details": {"cached_tokens": 128, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "service_tier": "default",
    }
    missing = REPLY_BYTES - len(json.dumps(reply))
    choices: list[dict[str, dict[str, str]]] = reply["choices"]  # type: ignore[assignment]  # the literal above
    choices[0]["message"]["content"] = (_QUESTION * 9)[:missing]
    return json.dumps(reply).encode()


_REPLY_FIELDS = (
    b"Date: Sat, 21 Nov 2026 12:00:00 GMT\r\nServer: bench\r\nopenai-organization: bench\r\n"
    b"openai-processing-ms: 12\r\nopenai-version: 2020-10-01\r\nx-ratelimit-limit-requests: 10000\r\n"
    b"x-ratelimit-remaining-requests: 9999\r\n"
    b"x-request-id: req_0123456789abcdef0123456789abcdef\r\nstrict-transport-security: max-age=31536000\r\n"
)
REPLY_BODY = _reply_body()


def probe_reply(key: bytes) -> bytes:
    """The reply to a probe: what arrived as Authorization is the answer."""
    reply = json.loads(REPLY_BODY)
    reply["choices"][0]["message"]["content"] = key.decode("latin-1")
    body = json.dumps(reply).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


REPLY = (
    b"HTTP/1.1 200 OK\r\n" + _REPLY_FIELDS + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
) % REPLY_BYTES + REPLY_BODY
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\n" + _REPLY_FIELDS + b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)

# in the text, so that a gateway that writes events anew keeps it, and one that stops streams of equal chunks does not
SENT_AT = b'" sent at '
_EVENT = (
    b'data: {"id":"chatcmpl-BenchBenchBenchBenchBench00","object":"chat.completion.chunk","created":1790000000,'
    b'"model":"gpt-5-2026-08-07","service_tier":"default","system_fingerprint":"fp_0123456789",'
    b'"choices":[{"index":0,"delta":{"content":' + SENT_AT + b'%020d"},"logprobs":null,"finish_reason":null}]}\n\n'
)
EVENT_BYTES = len(_EVENT % 0)


def event(sent_ns: int) -> bytes:
    """One event as one HTTP chunk, with the time of sending inside (nanoseconds of the monotonic clock)."""
    return b"%x\r\n%b\r\n" % (EVENT_BYTES, _EVENT % sent_ns)


_FINISH = b'data: {"id":"chatcmpl-Bench","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
STREAM_END = b"%x\r\n%b\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n" % (len(_FINISH), _FINISH)

_MESSAGES_EVENTS = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_01BenchBenchBenchBenchBench","type":'
    b'"message","role":"assistant","model":"gpt-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":'
    b'{"input_tokens":187,"output_tokens":1}}}\n\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":'
    b'{"type":"text","text":""}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":'
    + SENT_AT
    + b'%020d"}}\n\n'
)
_MESSAGES_END = (
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},'
    b'"usage":{"output_tokens":1}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)
MESSAGES_END = b"%x\r\n%b\r\n0\r\n\r\n" % (len(_MESSAGES_END), _MESSAGES_END)


def messages_events(sent_ns: int) -> bytes:
    """The beginning of a stream of Anthropic's up to its first text, as one HTTP chunk; `event` is the chat's."""
    events = _MESSAGES_EVENTS % sent_ns
    return b"%x\r\n%b\r\n" % (len(events), events)


def messages_probe_reply(key: bytes) -> bytes:
    """As `probe_reply`, of a vendor whose keys are not bearers."""
    message = {
        "id": "msg_01Bench", "type": "message", "role": "assistant", "model": "gpt-5", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": f"Bearer {key.decode('latin-1')}"}], "stop_sequence": None,
        "usage": {"input_tokens": 187, "output_tokens": 64},
    }  # fmt: skip
    body = json.dumps(message).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
