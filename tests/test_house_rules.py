"""The rules of the house that a machine can read: sizes, names, docstrings, the environment, tasks, places.

Each rule is a function from a file's source to its faults, so that a planted fault can prove that the rule bites.
"""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(path for folder in ("fastproxy", "tests", "bench") for path in (ROOT / folder).rglob("*.py"))
PRODUCT = [path for path in SOURCES if path.is_relative_to(ROOT / "fastproxy")]
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
VAGUE = re.compile(r"(utils?|helpers?|common|base|manager|misc|handlers?)\.py")
READS_ENVIRONMENT = {"fastproxy/config/assemble.py", "fastproxy/__main__.py", "fastproxy/launch.py"}
STARTS_TASKS = (
    "fastproxy/loadtest/load/dialer.py",
    "fastproxy/server/doorways.py",
    "fastproxy/server/worker.py",
    "fastproxy/wire/",
)
# written in halves, or this file would name what it forbids
PLACE_HALVES = (
    ("/wor", "k/"),
    ("/far", "m/"),
    ("/roo", "t/"),
    ("registry[.]", "npm"),
    ("python", "hosted"),
    ("pypi[.]org/", "simple"),
    ("deb[.]", "debian"),
)
PLACES = re.compile("|".join(first + second for first, second in PLACE_HALVES))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def long_functions(source: str) -> list[str]:
    functions = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    sizes = [(node.name, (node.end_lineno or node.lineno) - node.lineno + 1) for node in functions]
    return [f"{name}: {size} lines" for name, size in sizes if size > MAX_FUNCTION_LINES]


def dotted_names(source: str) -> set[str]:
    """Every `name.attribute` of the source, and `module.name` for what is imported from a module."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            found.add(f"{node.value.id if isinstance(node.value, ast.Name) else ''}.{node.attr}")
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def starts_tasks(names: set[str]) -> set[str]:
    """A task group keeps its tasks itself; whoever else starts one must keep it, so that has few places."""
    return {name for name in names if name.endswith((".create_task", ".ensure_future")) and "group" not in name}


def tracked_texts() -> list[Path]:
    """Every file that a clone would have; in a source archive, where git knows nothing, all Python files."""
    done = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    named = [ROOT / line for line in done.stdout.splitlines()] if done.returncode == 0 else SOURCES
    return [path for path in named if path.is_file() and path.suffix not in {".svg", ".png", ".ico", ".woff2"}]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_file_holds_two_ideas(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") <= MAX_FILE_LINES
    assert long_functions(source) == []
    assert not VAGUE.fullmatch(path.name), "the name says nothing"


@pytest.mark.parametrize("path", PRODUCT, ids=name_of)
def test_every_module_says_what_it_is(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert not source.strip() or ast.get_docstring(ast.parse(source))


@pytest.mark.parametrize("path", PRODUCT, ids=name_of)
def test_the_environment_and_tasks_have_one_door_each(path: Path) -> None:
    names = dotted_names(path.read_text(encoding="utf-8"))
    if name_of(path) not in READS_ENVIRONMENT:
        assert names & {"os.environ", "os.getenv", "os.environb"} == set()
    if not name_of(path).startswith(STARTS_TASKS):
        assert starts_tasks(names) == set()


def test_no_tracked_file_names_a_place_of_one_machine() -> None:
    named = {}
    for path in tracked_texts():
        found = PLACES.search(path.read_text(encoding="utf-8", errors="replace"))
        if found:
            named[name_of(path)] = found[0]
    assert named == {}


def test_planted_faults_are_found() -> None:
    assert long_functions("def f():\n" + "    x = 1\n" * MAX_FUNCTION_LINES) == ["f: 61 lines"]
    assert "os.environ" in dotted_names("import os\nprint(os.environ['HOME'])")
    assert starts_tasks(dotted_names("from asyncio import create_task"))
    assert starts_tasks(dotted_names("self.loop.create_task(f())"))
    assert not starts_tasks(dotted_names("group.create_task(f())"))
    assert VAGUE.fullmatch("utils.py")
    assert PLACES.search("cd /roo" + "t/x")
