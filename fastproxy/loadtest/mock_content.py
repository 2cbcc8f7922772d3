"""What a reply says: from the question, and from what the behaviour wishes. Pure.

Three things a question can demand by itself: a tool call (a forced tool choice), thinking (where the format has a
switch for it), and JSON of a schema. Arguments and JSON are made from the schema: first enum value, "mock", 1, true.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from fastproxy.loadtest import mock_words
from fastproxy.loadtest.mock_answer import Call, Json
from fastproxy.loadtest.mock_png import coded

if TYPE_CHECKING:
    from fastproxy.loadtest.mock_behaviour import Behaviour

SPEAKING = frozenset({"chat/completions", "responses", "messages", "generateContent", "streamGenerateContent"})
_DEFAULT_THINKING = 8
_DEEPEST = 8
_SAMPLES: dict[str, Any] = {"string": "mock", "integer": 1, "number": 1.5, "boolean": True, "null": None}
# Google's SDK sends both spellings, and its API takes both.
_PARAMETERS = ("parameters", "input_schema", "parametersJsonSchema", "parameters_json_schema")
_RESPONSE_SCHEMAS = ("responseJsonSchema", "response_json_schema", "responseSchema", "response_schema")
_FORCED = ("required", "any", "tool", "function", "ANY")


@dataclass(frozen=True, slots=True)
class Content:
    """As in Answer."""

    words: tuple[str, ...]
    thinking: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    images: tuple[str, ...] = ()
    finish: str = "stop"


def content(name: str, asked: Json, behaviour: Behaviour, texts: list[str]) -> Content:
    """What the operation `name` answers to `asked`, whose texts are `texts`."""
    seed = _seed(asked, behaviour)
    if name not in SPEAKING:
        return Content(tuple(_words(asked, behaviour, texts, seed)), finish=behaviour.finish or "stop")
    calls = behaviour.calls or _calls(asked, behaviour)
    words = [] if calls and behaviour.text is None else _words(asked, behaviour, texts, seed)
    images = tuple(coded(seed=number) for number in range(behaviour.images))
    finish = behaviour.finish or ("tool_calls" if calls else "stop")
    return Content(tuple(words), tuple(_thinking(asked, behaviour, texts, seed)), calls, images, finish)


def _seed(asked: Json, behaviour: Behaviour) -> int | None:
    """The behaviour's seed, or OpenAI's own `seed` parameter."""
    given = asked.get("seed")
    return behaviour.seed if behaviour.seed is not None or not isinstance(given, int) else given


def _words(asked: Json, behaviour: Behaviour, texts: list[str], seed: int | None) -> list[str]:
    if behaviour.text is not None:
        return mock_words.pieces(behaviour.text)
    if (schema := _wanted_schema(asked)) is not None:
        return mock_words.pieces(msgspec.json.encode(sample(schema, schema)).decode())
    return mock_words.answer(texts, behaviour.tokens, seed)


def _thinking(asked: Json, behaviour: Behaviour, texts: list[str], seed: int | None) -> list[str]:
    if isinstance(behaviour.thinking, str):
        return mock_words.pieces(behaviour.thinking)
    wanted = behaviour.thinking or (_DEFAULT_THINKING if _wants_thinking(asked) else 0)
    return mock_words.thinking(texts, wanted, seed) if wanted else []


def _wants_thinking(asked: Json) -> bool:
    """Anthropic's thinking, Responses' reasoning summary, Google's includeThoughts."""
    config = _inside(asked, "generationConfig", "thinkingConfig")
    return (
        _inside(asked, "thinking").get("type") in ("enabled", "adaptive")
        or bool(_inside(asked, "reasoning").get("summary"))
        or bool(config.get("includeThoughts"))
    )


def _wanted_schema(asked: Json) -> Json | None:
    """The JSON schema that the text has to follow, in the words of the three formats that have one."""
    if "response_format" not in asked and "text" not in asked and "generationConfig" not in asked:
        return None
    config = _inside(asked, "generationConfig")
    candidates = [
        _inside(asked, "response_format", "json_schema", "schema"),
        _inside(asked, "text", "format", "schema"),
        *(_inside(config, name) for name in _RESPONSE_SCHEMAS),
    ]
    return next(filter(None, candidates), None)


def _inside(value: Any, *names: str) -> Json:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _calls(asked: Json, behaviour: Behaviour) -> tuple[Call, ...]:
    names = behaviour.tools
    declared = _declared(asked) if names or asked.get("tools") else {}
    if not names and declared:
        names = _forced(asked, declared)
    return tuple(Call(name, _arguments(declared.get(name, {}))) for name in names)


def _arguments(schema: Json) -> Json:
    made = sample(schema, schema)
    return made if isinstance(made, dict) else {}


def _declared(asked: Json) -> dict[str, Json]:
    """The schemas of the tools that the request offers, by name."""
    found: dict[str, Json] = {}
    for tool in asked.get("tools") or ():
        if not isinstance(tool, dict):
            continue
        for one in (tool.get("function") or tool, *(tool.get("functionDeclarations") or ())):
            if isinstance(one, dict) and isinstance(one.get("name"), str):
                schemas = [one[name] for name in _PARAMETERS if isinstance(one.get(name), dict)]
                found[one["name"]] = schemas[0] if schemas else {}
    return found


def _forced(asked: Json, declared: dict[str, Json]) -> tuple[str, ...]:
    """The tool that has to be called: the named one, or the first."""
    choice = asked.get("tool_choice") or _inside(asked, "toolConfig", "functionCallingConfig")
    kind = choice if isinstance(choice, str) else choice.get("type") or choice.get("mode")
    if kind not in _FORCED:
        return ()
    if isinstance(choice, str):
        return (next(iter(declared)),)
    named = _inside(choice, "function").get("name") or choice.get("name") or choice.get("allowedFunctionNames")
    named = named[0] if isinstance(named, list) and named else named
    return (named if isinstance(named, str) else next(iter(declared)),)


def sample(schema: Any, root: Json, depth: int = 0) -> Any:
    """A value that the schema allows, as far as the mock understands schemas; `root` holds the definitions."""
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return "mock"
    if "$ref" in schema:
        return sample(_inside(root, *str(schema["$ref"]).split("/")[1:]), root, depth + 1)
    for name in ("const", "default"):
        if name in schema:
            return schema[name]
    if schema.get("enum"):
        return schema["enum"][0]
    for name in ("anyOf", "oneOf", "allOf"):
        if schema.get(name):
            return sample(schema[name][0], root, depth + 1)
    return _typed(schema, root, depth)


def _typed(schema: Json, root: Json, depth: int) -> Any:
    kinds = schema.get("type", "object" if "properties" in schema else "string")
    kind = str(kinds[0] if isinstance(kinds, list) and kinds else kinds).lower()
    if kind == "object":
        properties = _inside(schema, "properties")
        return {name: sample(inner, root, depth + 1) for name, inner in properties.items()}
    if kind == "array":
        return [sample(schema.get("items"), root, depth + 1)]
    return max(_SAMPLES[kind], schema.get("minimum", 1)) if kind == "integer" else _SAMPLES.get(kind, "mock")
