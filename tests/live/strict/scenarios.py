"""What the strict vendor's model says. The user's words choose: `… [[steps 10]]` is a loop of ten calls, and so on.

    (nothing)      says what it heard, also of the system prompt
    [[history]]    the whole transcript
    [[long]]       some thousand characters of many scripts, with every trap for a reader of lines
    [[see]]        the digests of the pictures it was shown
    [[steps N]]    N calls of `next_key`, each with the result of the one before, then the last result
    [[parallel]]   three calls of `weather` in one turn, then what each of them said; [[parallel mixed]]: interleaved
    [[forced]]     a call of the tool that it must call
    [[json]]       JSON that fits the schema, or the call of the one tool that must be called
    [[ends length]]  [[ends filter]]
    [[fail rate]]  [[fail busy]]  [[fail context]]   429 with a time to wait, 503 or 529, 400
    [[break]]  [[cut]]  [[half]]   an error in the stream, a cut connection, an end without its marker

A model that is asked to think does so before whatever it says.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from tests.live.strict.dialogue import Ask, Call, Fault, Refused, Say, Text, Thought

if TYPE_CHECKING:
    from collections.abc import Callable

CITIES: Final = ("Paris", "São Paulo", "東京")
THOUGHT: Final = 'The user wants this 🤔: let me "see" —\n1. read, 2. answer.'
LONG: Final = "".join(
    f"{place}. Grüße, мир, 世界, नमस्ते, 👩\u200d👩\u200d👧 \u2028\u2029\x85 \\ \" 'quoted' </tag> "
    "{} data: [DONE]\r\n\n\ttab \x7f "
    for place in range(24)
)
RETRY_AFTER: Final = 7
_ORDER: Final = re.compile(r"\[\[(\w+) ?(\w*)\]\]")


def key_after(key: str) -> str:
    """What the tool `next_key` answers: nobody can guess the tenth."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def play(ask: Ask, unique: str) -> Say | Fault:
    """The reply. `unique` makes the ids of its calls."""
    order, argument = match.groups() if (match := _ORDER.search(ask.prompt)) else ("heard", "")
    said = _PLAYS[order](ask, argument, unique)
    if isinstance(said, Fault) or not ask.thinks:
        return said
    return replace(said, parts=(Thought(f"{THOUGHT} ({len(ask.results)})"), *said.parts))


def _heard(ask: Ask, _argument: str, _unique: str) -> Say:
    return Say((Text(f"I heard “{ask.prompt}” and was told “{ask.system}” 🦜"),))


def _history(ask: Ask, _argument: str, _unique: str) -> Say:
    return Say((Text("\n".join(f"{role}: {text}" for role, text in ask.transcript)),))


def _long(_ask: Ask, _argument: str, _unique: str) -> Say:
    return Say((Text(LONG),))


def _see(ask: Ask, _argument: str, _unique: str) -> Say:
    return Say((Text("I see " + " ".join(digest(data) for data in ask.media)),))


def _steps(ask: Ask, argument: str, unique: str) -> Say:
    done = len(ask.results)
    if done >= int(argument):
        return Say((Text(f"The last key is {ask.results[-1].text}"),))
    key = ask.results[-1].text if done else "start"
    # an order, spaces and numbers of its own: arguments are text, and nobody may write them anew
    arguments = f'{{"key": "{key}", "nth":{done}.0, "note": "ü"}}'
    call = Call(f"call_{unique}", _offered(ask, "next_key"), arguments)
    return Say((Text("One moment. "), call) if done == 0 else (call,), "calls")


def _parallel(ask: Ask, argument: str, unique: str) -> Say:
    if ask.results:
        return Say((Text("; ".join(f"{one.arguments['city']}: {one.text}" for one in ask.results)),))
    name = _offered(ask, "weather")
    return Say(
        tuple(
            Call(f"call_{unique}_{place}", name, json.dumps({"city": city}, ensure_ascii=False))
            for place, city in enumerate(CITIES)
        ),
        "calls",
        mixed=argument == "mixed",
    )


def _forced(ask: Ask, _argument: str, unique: str) -> Say:
    if ask.forced is None:
        return Say((Text("Nobody forces me."),))
    name = next(iter(ask.tools)) if ask.forced == "*" else ask.forced
    schema = ask.tools[name]
    return Say((Call(f"call_{unique}", name, json.dumps(example(schema, schema))),), "calls")


def _offered(ask: Ask, name: str) -> str:
    if name not in ask.tools:
        raise Refused("tool_was_offered", f"the model wants {name}, but has {list(ask.tools)}")
    return name


def _json(ask: Ask, _argument: str, unique: str) -> Say:
    if ask.schema is not None:
        return Say((Text(json.dumps(example(ask.schema, ask.schema), ensure_ascii=False)),))
    if len(ask.tools) != 1 or ask.forced is None:
        raise Refused("schema_was_given", "the model is to answer in JSON, but was given no schema")
    # the older way, which some clients still take: a tool that must be called with the answer
    [(name, schema)] = ask.tools.items()
    arguments = json.dumps(example(schema, schema), ensure_ascii=False)
    return Say((Call(f"call_{unique}", name, arguments),), "calls")


def example(schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """A value that fits: of several alternatives the first, of a list one item."""
    if "$ref" in schema:
        return example(_referred(root, schema["$ref"]), root)
    if options := schema.get("anyOf") or schema.get("any_of"):
        return example(options[0], root)
    if "enum" in schema:
        return schema["enum"][-1]
    made: dict[str, Callable[[], Any]] = {
        "object": lambda: {name: example(one, root) for name, one in schema.get("properties", {}).items()},
        "array": lambda: [example(schema["items"], root)],
        "integer": lambda: 42,
        "number": lambda: 2.5,
        "boolean": lambda: True,
        "null": lambda: None,
    }
    kind = schema.get("type", "string")
    return made.get(str(kind[0] if isinstance(kind, list) else kind).lower(), lambda: "naïve “text”")()


def _referred(root: dict[str, Any], pointer: str) -> dict[str, Any]:
    found: Any = root
    for name in pointer.removeprefix("#/").split("/"):
        found = found[name]
    return dict(found)


def _ends(_ask: Ask, argument: str, _unique: str) -> Say:
    return Say((Text("This is as far as it"),), "length" if argument == "length" else "filter")


_FAULTS: Final = {
    "rate": Fault(429, "rate", "too many requests for this strict vendor", RETRY_AFTER),
    "busy": Fault(503, "busy", "this strict vendor is overloaded"),
    "context": Fault(400, "context", "prompt is too long: 300000 tokens > 200000 maximum"),
}


def _fail(_ask: Ask, argument: str, _unique: str) -> Fault:
    return _FAULTS[argument]


_PLAYS: Final[dict[str, Callable[[Ask, str, str], Say | Fault]]] = {
    "heard": _heard,
    "history": _history,
    "long": _long,
    "see": _see,
    "steps": _steps,
    "parallel": _parallel,
    "forced": _forced,
    "json": _json,
    "ends": _ends,
    "fail": _fail,
    "break": lambda _ask, _argument, _unique: Say((Text(LONG),), trouble="break"),
    "cut": lambda _ask, _argument, _unique: Say((Text(LONG),), trouble="cut"),
    "half": lambda _ask, _argument, _unique: Say((Text(LONG),), trouble="half"),
}
