"""Scenario files: a mix of requests and how they arrive, as YAML. Unknown keys are errors with file, line and column.

    arrival: poisson               # or uniform, or closed: each connection sends its next when it has its reply
    stages: [10s:20-200, 60s:200]  # time : level, or from-to; the level is requests per second, closed: connections
    rate: 200                      # or, without stages, one rate for …
    duration: 60s                  # … this long
    connections: 64                # at once; with a rate, at most. Alone it makes the loop a closed one
    warm: 5s                       # sent, but not counted
    data: {users: users.txt}       # {{line:users}}; files are relative to this one
    variables: {tenant: acme}      # {{tenant}}; a text may hold variables itself
    requests:
      - name: chat
        weight: 7                  # of the mix
        format: openai-chat        # http (default), openai-responses, anthropic, gemini, websocket
        model: gpt-5               # model, stream, prompt_words make the body when none is given, and the path
        stream: true
        prompt_words: 50-400
        turns: 4                   # of a conversation; each sends all before it again
        think: 2s                  # mean pause between the turns and requests of a connection
        abort: {share: 5%, after: 800ms}
        read_rate: 64KiB           # per second: a slow reader
        headers: {x-user: "{{line:users}}"}
        expect: {status: 200, json: {choices.0.finish_reason: stop}, contains: "", complete: true}
      - {name: search, method: POST, path: /search, body: {query: "{{text:5}}"}}   # or text; or body_file: FILE

Texts are templates (template.py). `${NAME}` is taken from the environment that the caller hands in; in a header, or
called like a secret, it is shown in no report.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from fastproxy.config import values
from fastproxy.config.readers import expect_mapping, scalar, some, table, values_of
from fastproxy.config.yaml_tree import Mapping, Scalar, plain_value, read_yaml
from fastproxy.errors import ConfigError
from fastproxy.loadtest.load.masking import environment_secrets
from fastproxy.loadtest.load.requests import FORMATS, FieldError, build_request, check_request
from fastproxy.loadtest.load.shapes import Arrival, Check, Request, Stage
from fastproxy.loadtest.load.template import begins_json, substitute
from fastproxy.loadtest.load.variables import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastproxy.config.readers import Fields, Reader
    from fastproxy.config.yaml_tree import Node

    Given = dict[str, Any]

ARRIVALS: Final = {name.value: name for name in (Arrival.CLOSED, Arrival.POISSON, Arrival.UNIFORM)}
MAXIMUM_LEVEL: Final = 10_000_000
_STAGE: Final = re.compile(r"([^:]+):(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?", re.ASCII)
_WORDS: Final = re.compile(r"(\d{1,6})(?:[-:](\d{1,6}))?", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
_LINE_END: Final = re.compile("[\r\n]+")
_METHOD: Final = re.compile(r"[A-Za-z]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a file says; None where it says nothing."""

    requests: tuple[Request, ...]
    arrival: Arrival | None = None
    rate: float | None = None
    connections: int | None = None
    duration: float | None = None
    stages: tuple[Stage, ...] = ()
    warm: float | None = None
    data: dict[str, tuple[str, ...]] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()  # taken from the environment


class _Asked(AbstractMapping[str, str]):
    """An environment that remembers what was taken from it."""

    def __init__(self, environ: AbstractMapping[str, str]) -> None:
        self._environ = environ
        self.taken: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        value = self.taken[name] = self._environ[name]
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._environ)

    def __len__(self) -> int:
        return len(self._environ)


def load_scenario(file: str, environ: AbstractMapping[str, str] | None = None) -> Scenario:
    """Raises ConfigError: "file:line:column: text"."""
    asked = _Asked(environ or {})
    root = read_yaml(file, asked)
    if root is None:
        raise ConfigError("the file is empty; expected at least requests", file=file)
    folder = Path(file).parent
    given = cast("Given", values_of(root, "", _top(folder)))
    entries = expect_mapping(root, "").entries
    if "requests" not in given:
        raise root.place.error("missing key 'requests'")
    for name in ("duration", "rate"):
        if name in given and "stages" in given:
            raise entries[name][0].error(f"{name} and stages exclude each other: stages say it")
    if "rate" in given and given.get("arrival") is Arrival.CLOSED:
        raise entries["rate"][0].error("a closed loop has no rate")
    data = given.get("data", {})
    variables = _checked_variables(given.pop("variables", {}), entries)
    mix = _Mix(folder, data, variables)
    given["requests"] = tuple(mix.request(node, index) for index, node in enumerate(given["requests"]))
    return Scenario(**given, secrets=environment_secrets(asked.taken, given["requests"]))


def _checked_variables(variables: dict[str, str], entries: AbstractMapping[str, tuple[object, Node]]) -> dict[str, str]:
    for name in VARIABLES.keys() & variables.keys():
        place = cast("Mapping", entries["variables"][1]).entries[name][0]
        raise place.error(f"variables.{name}: the name is taken by a variable of every template")
    return variables


class _Mix:
    """Builds the requests of one file."""

    def __init__(self, folder: Path, data: dict[str, tuple[str, ...]], variables: dict[str, str]) -> None:
        self._fields = _request_fields(folder)
        self._data = data
        self._variables = variables
        self._names: set[str] = set()

    def request(self, node: Mapping, index: int) -> Request:
        where = f"requests[{index}]"
        given = cast("Given", values_of(node, where, self._fields))
        if "body" in given and "body_file" in given:
            raise node.entries["body_file"][0].error(f"{where}: body and body_file exclude each other")
        if "body_file" in given:
            given["body"] = given.pop("body_file")
        try:
            request = build_request(self._substituted(given, index))
            check_request(request, self._data)
        except FieldError as error:
            name = "body_file" if error.field == "body" and "body_file" in node.entries else error.field
            place = node.entries[name][1].place if name in node.entries else node.place
            raise place.error(f"{where}.{error}" if name else f"{where}: {error}") from None
        if request.name in self._names:
            raise node.place.error(f"{where}: another request is called {request.name!r}; give them names")
        self._names.add(request.name)
        return request

    def _substituted(self, given: Given, index: int) -> Given:
        variables = self._variables
        for name in ("path", "model"):
            if name in given:
                given[name] = substitute(given[name], variables)
        if "headers" in given:
            given["headers"] = tuple((name, substitute(text, variables)) for name, text in given["headers"].items())
        if "body" in given:
            given["body"] = substitute(given["body"], variables, json=begins_json(given["body"]))
        given.setdefault("name", f"request {index + 1}" if index else "request")
        return given


# --- readers of single values -------------------------------------------------------------------------------------


def parse_stage(text: str) -> Stage:
    """ "10s:100" or "10s:100-1000": a time, and the level in it or from where to where it goes."""
    match = _STAGE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{values.cut(text)} is not a stage; expected one like 10s:100-1000 or 30s:1000")
    seconds, start = values.parse_duration(match[1]), float(match[2])
    end = float(match[3]) if match[3] else start
    if not seconds or max(start, end) > MAXIMUM_LEVEL or not max(start, end):
        raise ValueError(f"{values.cut(text)} is not a stage; expected some time and a level up to {MAXIMUM_LEVEL}")
    return Stage(seconds, start, end)


def parse_level(text: str) -> float:
    """A rate or another number above 0."""
    number = values.parse_number(text.removesuffix("/s"))
    if not 0 < number <= MAXIMUM_LEVEL:
        raise ValueError(f"{values.cut(text)} is out of range; expected more than 0 and at most {MAXIMUM_LEVEL}")
    return number


def parse_words(text: str) -> str:
    """ "200", or "50-400" for something between, as a template's {{text}} takes it."""
    match = _WORDS.fullmatch(text)
    if match is None or int(match[2] or match[1]) < int(match[1]):
        raise ValueError(f"{values.cut(text)} is no number of words; expected one like 200 or 50-400")
    return f"{match[1]}:{match[2]}" if match[2] else match[1]


def parse_method(text: str) -> str:
    if not _METHOD.fullmatch(text):
        raise ValueError(f"{values.cut(text)} is not a method")
    return text.upper()


def read_lines(file: Path) -> tuple[str, ...]:
    """The lines of a data file that hold something. Raises ValueError."""
    # not splitlines: a prompt may hold the line ends of Unicode
    lines = tuple(line for line in _LINE_END.split(read_text(file)) if line.strip())
    if not lines:
        raise ValueError(f"{file} holds no line")
    return lines


def read_text(file: Path) -> str:
    """Raises ValueError."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not UTF-8 text") from None


def parse_share(text: str) -> float:
    """ "5%" or 0.05."""
    number = values.parse_number(text.removesuffix("%"))
    share = number / 100 if text.endswith("%") else number
    if share > 1:
        raise ValueError(f"{values.cut(text)} is not a share; expected one like 5% or 0.05")
    return share


def parse_read_rate(text: str) -> int:
    """ "64KiB" or "64KiB/s"."""
    return values.size(1, 1 << 40)(text.removesuffix("/s"))


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"{values.cut(text)} is not a name; expected letters, digits, - and _")
    return text


def _any_text(text: str) -> str:
    return text


def _body(node: Node, path: str) -> object:
    """Text as it stands; a mapping or list as JSON."""
    if not isinstance(node, Scalar):
        return msgspec.json.encode(plain_value(node)).decode()
    return scalar(_any_text)(node, path)


def _one_of(words: AbstractMapping[str, object]) -> Reader:
    choose = values.choice(*words)
    return scalar(lambda text: words[choose(text)])


def _request_node(node: Node, path: str) -> Mapping:
    return expect_mapping(node, path)


def _fixed(kind: Callable[[Given], object], fields: Fields) -> Reader:
    return lambda node, path: kind(cast("Given", values_of(node, path, fields)))


def _json_checks(node: Node, path: str) -> object:
    return {name: plain_value(value) for name, (_, value) in expect_mapping(node, path).entries.items()}


_DURATION: Final = scalar(values.parse_duration)
_BOOLEAN: Final = scalar(values.parse_boolean, booleans=True)
_CHECK: Final = _fixed(
    lambda given: Check(**given),
    {
        "status": some(scalar(values.whole(100, 599))),
        "json": _json_checks,
        "contains": scalar(_any_text),
        "complete": _BOOLEAN,
    },
)


def _top(folder: Path) -> Fields:
    return {
        "arrival": _one_of(ARRIVALS),
        "rate": scalar(parse_level),
        "connections": scalar(values.whole(1, 1_000_000)),
        "duration": _DURATION,
        "stages": some(scalar(parse_stage)),
        "warm": _DURATION,
        "data": table(_name, lambda text: read_lines(folder / text)),
        "variables": table(_name, _any_text),
        "requests": some(_request_node),
    }


def _request_fields(folder: Path) -> Fields:
    return {
        "name": scalar(values.parse_text),
        "weight": scalar(parse_level),
        "method": scalar(parse_method),
        "path": scalar(values.parse_text),
        "headers": table(values.parse_text, _any_text),
        "body": _body,
        "body_file": scalar(lambda text: read_text(folder / text)),
        "format": _one_of(FORMATS),
        "model": scalar(values.parse_text),
        "stream": _BOOLEAN,
        "prompt_words": scalar(parse_words),
        "turns": scalar(values.whole(1, 1000)),
        "think": _DURATION,
        "abort": _fixed(dict, {"share": scalar(parse_share), "after": _DURATION}),
        "read_rate": scalar(parse_read_rate),
        "expect": _CHECK,
    }
