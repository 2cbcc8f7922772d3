"""`fastproxy bench report`: what it writes of one file and of two, and which flags mean nothing to it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest

from fastproxy.loadtest.load.command import main
from fastproxy.loadtest.load.options import add_arguments
from fastproxy.loadtest.reports.files import write_json
from tests.loadtest.reports import samples

if TYPE_CHECKING:
    from pathlib import Path


def report(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return main(parser.parse_args(["report", *arguments]), ["fastproxy", "bench", "report", *arguments], {})


@pytest.mark.parametrize("count", [1, 2])
def test_a_report_forgot_the_page_that_it_was_asked_for(
    count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [str(tmp_path / f"{place}.json") for place in range(count)]
    for path in runs:
        write_json(samples.plain(), path)
    made = {flag: tmp_path / flag for flag in ("--html", "--csv", "--markdown")}
    flags = [word for flag, file in made.items() for word in (flag, str(file))]
    assert report(*runs, *flags) == 0
    assert "closed loop, 64 connections, 30 s" in capsys.readouterr().out
    page, table, markdown = (file.read_text(encoding="utf-8") for file in made.values())
    assert page.count("<figure") == 3
    assert ("<h2>By interleaved pairs</h2>" in page) is (count == 2)
    assert table.startswith("series,second,width,done")
    assert markdown.startswith("|  | A | B | ratio |" if count == 2 else "|  | target |")
    assert report(*runs, "--quiet") == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--json", "a.json"), "--json"),
        (("-c", "3"), "--connections"),
        (("--fail-if", "p99>1ms"), "--fail-if"),
        (("--key", "sk-secret"), "--key"),
        (("--frontier",), "--frontier"),
    ],
)
def test_a_report_ignored_flags_that_mean_nothing_to_it(
    flags: tuple[str, ...], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report("nowhere.json", *flags) == 2
    said = capsys.readouterr()
    assert said.err == f"fastproxy bench: report reads files and measures nothing; {named} does not go with it\n"
    assert said.out == ""


def test_a_report_that_cannot_be_written_is_told_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "run.json")
    write_json(samples.plain(), file)
    assert report(file, "--html", str(tmp_path / "no" / "a.html")) == 2
    said = capsys.readouterr()
    assert ("--html" in said.err, said.out) == (True, "")
