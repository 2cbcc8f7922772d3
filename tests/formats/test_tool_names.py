"""Names that a format does not take are changed the same way everywhere, and changed back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.formats.tool_names import ToolNames, fitting, fitting_id

ALLOWED = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@pytest.mark.parametrize(
    ("name", "gemini", "fits"),
    [
        ("get_weather", False, True),
        ("mcp.server/tool", False, False),
        ("mcp.server", True, True),
        ("mcp.server", False, False),
        ("9lives", False, True),
        ("9lives", True, False),
        ("x" * 64, False, True),
        ("x" * 65, False, False),
        ("", False, False),
    ],
)
def test_only_names_that_do_not_fit_are_changed(name: str, gemini: bool, fits: bool) -> None:
    names = ToolNames([name], gemini=gemini)
    assert bool(names) is not fits
    assert (names.there(name) == name) is fits
    assert names.back(names.there(name)) == name


@given(st.lists(st.text(max_size=90), max_size=12))
def test_changed_names_fit_differ_and_come_back(wanted: list[str]) -> None:
    names = ToolNames(wanted)
    there = {name: names.there(name) for name in wanted}
    assert len(set(there.values())) == len(there)
    assert all(ALLOWED.fullmatch(name) for name in there.values())
    assert all(names.back(made) == name for name, made in there.items())


def test_a_made_name_gives_way_to_one_that_the_client_uses() -> None:
    names = ToolNames(["a.b", fitting("a.b")])
    assert names.there("a.b") != fitting("a.b")
    assert names.back(names.there("a.b")) == "a.b"
    assert names.back(fitting("a.b")) == fitting("a.b")


def test_ids_of_calls_are_changed_only_where_they_must_be() -> None:
    assert fitting_id("toolu_01AbC-9") == "toolu_01AbC-9"
    assert fitting_id("call:1") == fitting_id("call:1") != fitting_id("call;1")
    assert ALLOWED.fullmatch(fitting_id("x" * 500))
