"""Imports go downward only, never sideways: the rule that keeps every part readable and testable alone.

A package or module may import from itself and from any lower line; two of the same line are strangers. Imports inside
functions and under TYPE_CHECKING count too: a name borrowed only for its type is still knowledge.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent / "fastproxy"
LINES = (  # lowest first
    {"errors", "health", "__init__"},
    {"shared", "record", "payloads", "config", "launch"},
    {"snapshot"},
    {"wire", "formats", "mcp"},
    {"providers", "plugins"},
    {"gateway", "publish"},
    {"server", "admin", "loadtest"},
    {"__main__"},
)
LEVEL = {part: level for level, line in enumerate(LINES) for part in line}


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_parts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line number, part) for everything imported from fastproxy, in whichever way it is written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "fastproxy":
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fastproxy."):
            yield node.lineno, str(node.module).split(".")[1]
        elif isinstance(node, ast.Import):
            names = (alias.name.split(".") for alias in node.names)
            yield from ((node.lineno, name[1]) for name in names if name[0] == "fastproxy" and len(name) > 1)


def faults(part: str, source: str) -> list[str]:
    found = imported_parts(ast.parse(source))
    return [
        f"line {line}: {part} imports {other}"
        for line, other in found
        if other != part and LEVEL.get(other, len(LINES)) >= LEVEL[part]
    ]


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_downward_only(path: Path) -> None:
    assert part_of(path) in LEVEL, "a new part needs its place in the list of lines"
    assert faults(part_of(path), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("wire", "from fastproxy.gateway.route import route"),
        ("wire", "from fastproxy import formats"),
        ("admin", "import fastproxy.server.master"),
        ("providers", "def f():\n    from fastproxy.plugins import cache"),
        ("errors", "from fastproxy.config import Settings"),
        ("gateway", "from fastproxy.nowhere import x"),
    ],
)
def test_a_planted_fault_is_found(part: str, source: str) -> None:
    assert len(faults(part, source)) == 1
