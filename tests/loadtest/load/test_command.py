"""`fastproxy bench` as a user runs it: real processes, a real mock, files and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.loadtest.mock_process import ask

if TYPE_CHECKING:
    from pathlib import Path

KEY = "sk-bench-0123456789abcdef"
CLOSED_PORT = "http://127.0.0.1:1/"


def bench(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fastproxy", "bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=cwd)


def measured(place: Path, *arguments: str) -> dict[str, Any]:
    """The JSON of a run that went well."""
    done = bench(*arguments, "--json", str(place / "run.json"), "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found: dict[str, Any] = json.loads((place / "run.json").read_text())
    return found


def test_a_count_is_sent_exactly(port: int, tmp_path: Path) -> None:
    run = measured(tmp_path, f"http://127.0.0.1:{port}", "--format", "openai-chat", "-n", "203", "-c", "7",
                   "--processes", "3", "--key", KEY)  # fmt: skip
    tally = run["series"][0]["tally"]
    assert (tally["sent"], tally["done"], tally["errors"], tally["connections"]) == (203, 203, {}, 7)
    assert '"requests":203' in ask(port, "GET", "/_books").body.decode().replace(" ", "")
    assert run["version"] == 1
    assert run["machine"]["cpus"] >= 1


@pytest.mark.parametrize("wire_format", ["openai-chat", "openai-responses", "anthropic", "gemini"])
def test_streams_of_every_format_are_read_to_their_end(port: int, tmp_path: Path, wire_format: str) -> None:
    run = measured(tmp_path, f"http://127.0.0.1:{port}", "--format", wire_format, "--stream", "-n", "40", "-c", "4",
                   "--key", KEY)  # fmt: skip
    tally = run["series"][0]["tally"]
    assert (tally["done"], tally["errors"]) == (40, {})
    assert sum(tally["first_token"].values()) == 40
    assert tally["tokens_out"] >= 40
    assert tally["events"] > 40


@pytest.mark.parametrize("way", [("", "--key", KEY), ("", "-H", f"authorization: Bearer {KEY}"), (f"?key={KEY}",)])
def test_nothing_secret_is_reported(port: int, tmp_path: Path, way: tuple[str, ...]) -> None:
    files = [tmp_path / name for name in ("a.json", "a.html", "a.csv", "a.md")]
    flags = [f"--{name}" for name in ("json", "html", "csv", "markdown")]
    paths = [word for flag, file in zip(flags, files, strict=True) for word in (flag, str(file))]
    done = bench(f"http://127.0.0.1:{port}/v1/models{way[0]}", "-n", "20", *way[1:], *paths)
    assert done.returncode == 0, done.stdout
    for text in (done.stdout, *(file.read_text(encoding="utf-8") for file in files)):
        assert text
        assert KEY not in text
    assert KEY not in done.stderr


def test_a_header_from_the_environment_was_shown_in_every_report(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the target echoes it and the harness quotes the reply."""
    monkeypatch.setenv("TENANT", "acme-4711-north")
    mix = tmp_path / "mix.yaml"
    text = 'requests: [{path: /echo, headers: {x-tenant: "${TENANT}"}, expect: {contains: "not there"}}]'
    mix.write_text(text)
    files = {flag: tmp_path / flag[2:] for flag in ("--json", "--html", "--csv", "--markdown")}
    flags = [word for flag, file in files.items() for word in (flag, str(file))]
    done = bench(f"http://127.0.0.1:{port}", "--scenario", str(mix), "-n", "20", *flags)
    assert "expected 'not there' in" in done.stdout
    for said in (done.stdout, done.stderr, *(file.read_text(encoding="utf-8") for file in files.values())):
        assert "4711" not in said
    (example,) = json.loads(files["--json"].read_text())["series"][0]["tally"]["error_examples"].values()
    assert "acm…(15 chars)" in example, "the reply that held it is quoted"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--fail-if", "p99>1us"), 1, "p99>1us: FAILED"),
        (("--fail-if", "p99>60s", "--fail-if", "errors>0%"), 0, "p99>60s: passed"),
        (("--expect-status", "201", "--fail-if", "errors>1%"), 3, "status"),
        (("--fail-if", "p98q>1"), 2, "'p98q'"),
        (("--scenario", "none.yaml"), 2, "none.yaml"),
        (("--pid", "4194303"), 3, "4194303"),
    ],
    ids=["crossed", "kept", "wrong answers", "no such figure", "no such file", "no such process"],
)
def test_the_exit_code_says_it(port: int, arguments: tuple[str, ...], code: int, said: str) -> None:
    done = bench(f"http://127.0.0.1:{port}/v1/models", "-n", "50", "--key", KEY, *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stdout + done.stderr


def test_a_server_that_is_not_there() -> None:
    done = bench(CLOSED_PORT, "-d", "300ms", "-c", "2")
    assert done.returncode == 3
    assert "Connection refused" in done.stdout


@pytest.mark.timeout(30)
def test_two_targets_in_turns_and_two_files(port: int, tmp_path: Path) -> None:
    url, pid = f"http://127.0.0.1:{port}/v1/models", str(os.getpid())
    run = measured(tmp_path, url, "--compare", url, "--pairs", "3", "-d", "300ms", "-c", "4", "--key", KEY,
                   "--pid", pid, "--pid-b", pid)  # fmt: skip
    assert [series["name"] for series in run["series"]] == ["A", "B"]
    ratios = {ratio["figure"]: ratio for ratio in run["ratios"]}
    assert {"requests per second", "latency p99", "CPU per request"} <= ratios.keys()
    for ratio in ratios.values():
        assert ratio["low"] <= ratio["ratio"] <= ratio["high"]
    file = str(tmp_path / "run.json")
    assert "requests per second" in bench("report", file).stdout
    assert bench("report", file, file).returncode == 0
    broken = bench("report", str(tmp_path / "none.json"))
    assert (broken.returncode, "none.json" in broken.stderr) == (2, True)
