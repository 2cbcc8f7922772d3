"""Reads a script: YAML, or JSON, which YAML contains. Every fault is a ConfigError with its file, line and column.

    rules:                                  # the first that matches decides; all conditions may be left out
      - path: "*/chat/completions"          # globs
        model: "gpt-*"
        key: "sk-a*"
        contains: weather                   # in the newest text of the prompt
        stream: true
        order: cycle                        # or last, once, weighted
        per: key                            # positions for each key; without it, for all together
        replies:
          - text: Hello.
          - thinking: I have to look that up.
            tools: [{name: get_weather, arguments: {city: Rome}}]
            times: 2
          - {status: 429, message: slow down, retry_after: 3, weight: 0.1}
          - {stall: "500@2", cut: 4, latency: "lognormal:50:0.5", usage: "input=9,output=7"}
    chaos:
      - {from: 10s, to: 20s, every: 60s, errors: 0.5, status: 503, slower: 3, cuts: 0.1}

A reply may set everything that an x-mock-… header can.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from fastproxy.config.yaml_tree import Mapping, Node, Scalar, Sequence, plain_value, read_yaml
from fastproxy.loadtest.mock_answer import Call
from fastproxy.loadtest.mock_chaos import window
from fastproxy.loadtest.mock_script import Order, Rule, Script, Scripted
from fastproxy.loadtest.mock_wishes import READERS, change

if TYPE_CHECKING:
    from collections.abc import Callable

_CONDITIONS = ("path", "model", "key", "contains")
_RULE = (*_CONDITIONS, "stream", "order", "per", "replies")
_MOST_TIMES = 100_000
_T = TypeVar("_T")


def read_script(file: str) -> Script:
    """The script in a file; raises ConfigError."""
    root = read_yaml(file, {})
    if root is None:
        return Script()
    entries = _entries(root, ("rules", "chaos"))
    rules = tuple(_rule(node) for node in _items(entries.get("rules")))
    windows = tuple(_read(node, lambda node: window(_texts(node))) for node in _items(entries.get("chaos")))
    return Script(rules, windows)


def _rule(node: Node) -> Rule:
    entries = _entries(node, _RULE)
    replies = [reply for item in _items(entries.get("replies")) for reply in _reply(item)]
    if not replies:
        raise node.place.error("a rule needs replies")
    values: dict[str, Any] = {name: _text(entries[name]) for name in _CONDITIONS if name in entries}
    if "stream" in entries:
        values["stream"] = _read(entries["stream"], lambda node: _one_of(node, {"true": True, "false": False}))
    if "order" in entries:
        values["order"] = _read(entries["order"], lambda node: Order(_text(node)))
    if "per" in entries:
        values["per_key"] = _read(entries["per"], lambda node: _one_of(node, {"key": True, "all": False}))
    return Rule(tuple(replies), **values)


def _reply(node: Node) -> list[Scripted]:
    """One entry, as often as `times` says."""
    changes: dict[str, object] = {}
    weight, times = 1.0, 1
    for name, value in _entries(node).items():
        if name == "weight":
            weight = _read(value, lambda node: float(_text(node)))
        elif name == "times":
            times = _read(value, lambda node: int(_text(node)))
        else:
            changes |= _read(value, lambda node, name=name: _change(name, node))  # type: ignore[misc]
    if not (0 < weight < 1e9 and 0 < times <= _MOST_TIMES):
        raise node.place.error(f"expected a weight above 0 and 1 to {_MOST_TIMES} times, got {weight:g} and {times}")
    return [Scripted(changes, weight)] * times


def _change(name: str, node: Node) -> dict[str, object]:
    if name in ("text", "message"):
        return {name: _text(node)}
    if name == "thinking" and isinstance(node, Scalar) and node.kind != "int":
        return {"thinking": node.text}
    if name == "tools":
        return {"calls": tuple(_call(item) for item in _items(node))}
    known = name.replace("_", "-")
    if known not in READERS:
        names = ("text", "message", "tools", "weight", "times", *(reader.replace("-", "_") for reader in READERS))
        raise ValueError(f"no such setting: {name}, known are {', '.join(names)}")
    return dict(change(known, _text(node)))


def _call(node: Node) -> Call:
    entries = _entries(node, ("name", "arguments"))
    if "name" not in entries:
        raise node.place.error("a tool call needs a name")
    arguments = plain_value(entries["arguments"]) if "arguments" in entries else {}
    if not isinstance(arguments, dict):
        raise entries["arguments"].place.error("expected a mapping")
    return Call(_text(entries["name"]), arguments)


def _read(node: Node, read: Callable[[Node], _T]) -> _T:
    """A ValueError becomes a ConfigError with the value's place."""
    try:
        return read(node)
    except ValueError as error:
        raise node.place.error(str(error)) from None


def _entries(node: Node, known: tuple[str, ...] = ()) -> dict[str, Node]:
    if not isinstance(node, Mapping):
        raise node.place.error(f"expected a mapping, seen {node.seen}")
    for name, (place, _) in node.entries.items():
        if known and name not in known:
            raise place.error(f"no such setting: {name}, known are {', '.join(known)}")
    return {name: value for name, (_, value) in node.entries.items()}


def _items(node: Node | None) -> tuple[Node, ...]:
    if node is None:
        return ()
    if not isinstance(node, Sequence):
        raise node.place.error(f"expected a list, seen {node.seen}")
    return node.items


def _text(node: Node) -> str:
    if not isinstance(node, Scalar) or node.kind == "null":
        raise node.place.error(f"expected a text or a number, seen {node.seen}")
    return node.text


def _texts(node: Node) -> dict[str, str]:
    return {name: _text(value) for name, value in _entries(node).items()}


def _one_of(node: Node, values: dict[str, bool]) -> bool:
    text = _text(node)
    if text not in values:
        raise ValueError(f"expected {' or '.join(values)}, got {text}")
    return values[text]
