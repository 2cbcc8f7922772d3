"""The live view where it lives: in a pseudo-terminal, whose screen is read back, and in a pipe."""

from __future__ import annotations

import fcntl
import io
import os
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from fastproxy.loadtest.load.shapes import Tally
from fastproxy.loadtest.reports.live import LiveView, newer
from tests.loadtest.reports.live_run import MARK
from tests.loadtest.reports.screen import Screen

ROOT = Path(__file__).parent.parent.parent.parent
RUN = [sys.executable, "-m", "tests.loadtest.reports.live_run"]


def environment(term: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    return {**kept, "TERM": term, "PYTHONPATH": str(ROOT)}


def in_a_terminal(*arguments: str, width: int = 80, term: str = "xterm-256color") -> str:
    """All that the program wrote to a terminal of that width."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    with subprocess.Popen(
        [*RUN, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, env=environment(term)
    ) as process:
        os.close(theirs)
        written = bytearray()
        try:
            while data := os.read(ours, 65536):
                written += data
        except OSError:  # how Linux says that nobody has the other end any more
            pass
        assert process.wait() == 0, written.decode()
    os.close(ours)
    return written.decode()


def in_a_pipe(*arguments: str) -> str:
    done = subprocess.run([*RUN, *arguments], cwd=ROOT, env=environment("xterm"), capture_output=True, check=True)
    assert done.stderr == b""
    return done.stdout.decode()


def screens(written: str) -> tuple[list[str], list[str]]:
    """The screen while the load ran, and the one in the end."""
    during, mark, after = written.partition(MARK)
    assert mark
    screen = Screen()
    screen.write(during)
    running = screen.lines()
    screen.write(after)
    return running, screen.lines()


def test_a_terminal_shows_rates_latency_now_sparkline_and_progress() -> None:
    running, _ = screens(in_a_terminal("bench http://127.0.0.1:8080", "10", "0", "12"))
    assert running[0] == "bench http://127.0.0.1:8080"
    assert re.fullmatch(r"━+╸?\s+6.0 of 10 s", running[1].replace("╺", "━").strip())
    rows = {row[:11].strip(): row[11:].split() for row in running[2:]}
    assert rows[""] == ["now", "all"]
    assert rows["requests/s"] == ["400", "250", "▃▅▇█▃▅▇█▃▅▇█"]
    assert float(rows["p50"][0]) > 1.5 * float(rows["p50"][2]), "the newest replies are the slowest"
    assert len(rows["p99"][-1]) == 12
    assert rows["first token"][1] == "µs"
    assert rows["tokens/s"] == ["4,000", "2,500"]
    assert rows["errors"] == ["1", "11"]


def test_the_view_redraws_in_place_and_leaves_nothing_behind() -> None:
    written = in_a_terminal("a title", "10", "0", "12")
    running, left = screens(written)
    assert len(running) == 9
    assert [line.removeprefix(MARK) for line in left if line] == ["summary"]
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l"), "the cursor stays hidden"


@pytest.mark.parametrize("width", [30, 44, 200])
def test_no_row_is_wider_than_the_terminal(width: int) -> None:
    running, _ = screens(in_a_terminal("x" * 300, "10", "0", "12", width=width))
    assert max(map(len, running)) <= width
    assert len(running) == 9


def test_a_title_cannot_command_the_terminal_or_the_markup() -> None:
    running, _ = screens(in_a_terminal("[red]a[/red]\x1b]0;b\x07\x1b[5A", "10", "0", "2"))
    assert running[0] == "[red]a[/red]\ufffd]0;b\ufffd\ufffd[5A"


def test_a_count_is_progress_too() -> None:
    running, _ = screens(in_a_terminal("t", "0", "2000", "12"))
    assert running[1].endswith("1,511 of 2,000")


def test_without_a_known_end_the_time_goes_on() -> None:
    running, _ = screens(in_a_terminal("t", "0", "0", "3"))
    assert running[1].endswith(" 1.5 s")


def test_the_next_lane_starts_its_own_figures() -> None:
    running, _ = screens(in_a_terminal("t", "20", "0", "4", "first", "second"))
    rows = {row[:11].strip(): row[11:].split() for row in running[2:]}
    assert rows["second"] == ["now", "all"]
    assert rows["requests/s"][:2] == ["400", "250"]
    assert rows["errors"] == ["1", "3"]


def test_a_pipe_gets_a_plain_line_now_and_then() -> None:
    written, _, rest = in_a_pipe("t", "10", "0", "20", "A").partition(MARK)
    lines = written.splitlines()
    assert len(lines) == 10
    time = r"\d+(\.\d+)? (µs|ms)"
    assert re.fullmatch(
        rf"1\.0 of 10 s  A  200 requests/s  p50 {time}  p99 {time}  first token {time}  errors 1", lines[0]
    )
    assert rest == "summary\n"
    assert "\x1b" not in written


def test_a_long_run_writes_few_lines() -> None:
    assert len(in_a_pipe("t", "100", "0", "200").partition(MARK)[0].splitlines()) == 20


def test_a_terminal_that_cannot_redraw_is_treated_as_a_pipe() -> None:
    written = in_a_terminal("t", "10", "0", "4", term="dumb")
    assert "\x1b" not in written
    assert written.count("requests/s") == 2


def test_nothing_answered_is_shown_as_nothing() -> None:
    stream = io.StringIO()
    with LiveView("t", 0.0, stream=stream) as view:
        view._last_line -= 2.0
        view.update(Tally(errors={"connect": 3}))
    assert re.fullmatch(r"\d+\.\d s  0 requests/s  p50 –  p99 –  errors 3\n", stream.getvalue())


def test_all_of_an_offered_rate_is_what_came_in_its_time() -> None:
    """And a row of several seconds is nothing to the view: it reads counts and times of its own."""
    stream = io.StringIO()
    with LiveView("t", 0.0, stream=stream) as view:
        view.update(Tally(done=150, drained=50, tokens_out=30, drained_tokens=10, wall=2_000_000))
        assert (view._all.rate, view._all.tokens) == (50.0, 10.0)


def test_what_is_new_in_a_histogram() -> None:
    assert newer({1: 5, 2: 3, 9: 1}, {1: 2, 2: 3}) == {1: 3, 9: 1}


def test_rich_is_not_imported_without_a_terminal() -> None:
    code = (
        "import io, sys; from fastproxy.loadtest.reports.live import LiveView; "
        "LiveView('t', 1, stream=io.StringIO()).stop(); sys.exit('rich' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
