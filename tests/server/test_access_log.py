"""The log's two sides: the loop's never waits, the thread's loses nothing that the file would have taken."""

from __future__ import annotations

import fcntl
import json
import os
import select
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from fastproxy.record import Record
from fastproxy.server.access_log import AccessLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import FileIO
    from pathlib import Path

    Pipe = tuple[FileIO, str]


def record(number: int) -> Record:
    return Record(f"r{number}", 1_795_262_400_123, status=200, method="GET", path="/x", entry="edge")


def ids(data: bytes) -> list[str]:
    """The ids of all lines, text or JSON; a broken line fails."""
    lines = data.decode("ascii").splitlines()
    if data.startswith(b"{"):
        return [json.loads(line)["request_id"] for line in lines]
    return [line.split(" id=")[1].split(" ")[0] for line in lines]


def until(condition: Callable[[], bool], seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.005)
    return condition()


def expected(count: int) -> list[str]:
    return [f"r{number}" for number in range(count)]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe's reading end, and a path that opens its writing end; the pipe holds one page of 4096 bytes."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with open(reader, "rb", buffering=0) as end, open(writer, "wb"):
        yield end, f"/proc/self/fd/{writer}"


@pytest.mark.parametrize("style", ["text", "json"])
@pytest.mark.parametrize("count", [1, 25, 5000])
def test_every_record_becomes_a_line_in_order(tmp_path: Path, style: str, count: int) -> None:
    path = tmp_path / "access.log"
    log = AccessLog(style, str(path))
    for number in range(count):
        log.append(record(number))
    log.close()
    assert ids(path.read_bytes()) == expected(count)
    assert log.dropped == 0
    assert path.stat().st_mode & 0o777 == 0o640


def test_lines_come_without_a_close(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    log = AccessLog("text", str(path))
    for number in range(3):
        log.append(record(number))
        assert until(lambda wanted=number + 1: len(ids(path.read_bytes())) == wanted)  # type: ignore[misc]
    log.close()


def test_no_thread_before_the_first_record_and_none_after_the_close(tmp_path: Path) -> None:
    def threads() -> int:
        return sum(thread.name == "access-log" for thread in threading.enumerate())

    log = AccessLog("text", str(tmp_path / "access.log"))
    assert threads() == 0
    log.append(record(0))
    assert threads() == 1
    log.close()
    assert threads() == 0
    AccessLog("text", str(tmp_path / "unused.log")).close()


def test_it_works_in_a_child_that_was_forked_after_the_import(tmp_path: Path) -> None:
    code = """
import os, sys
from fastproxy.record import Record
from fastproxy.server.access_log import AccessLog
child = os.fork()
if child == 0:
    log = AccessLog("text", sys.argv[1])
    log.append(Record("r0", 0))
    log.close()
    os._exit(0)
os.waitpid(child, 0)
print(*{name.partition(".")[0] for name in sys.modules})
"""
    path = tmp_path / "access.log"
    arguments = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=10, check=True)
    assert ids(path.read_bytes()) == ["r0"]
    assert not set(done.stdout.split()) & {"asyncio", "uvloop", "psutil", "fastapi", "yaml"}


def test_standard_output(tmp_path: Path) -> None:
    code = """
from fastproxy.record import Record
from fastproxy.server.access_log import AccessLog
log = AccessLog("text", "-")
log.append(Record("r0", 0))
log.reopen()
log.close()
print("still open")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=10, check=True)
    line, rest = done.stdout.splitlines(keepends=True)
    assert ids(line) == ["r0"]
    assert rest == b"still open\n"


def test_a_stalled_reader_costs_lines_and_the_loop_nothing(pipe: Pipe) -> None:
    reader, path = pipe
    log = AccessLog("text", path, bound=500)
    total = 5000
    before = time.perf_counter()
    for number in range(total):
        log.append(record(number))
    assert time.perf_counter() - before < 0.5  # milliseconds, in truth: nothing waits for the pipe
    assert until(lambda: log.dropped > 0)
    assert until(lambda: bool(select.select([reader], [], [], 0)[0]))
    received = bytearray()
    closer = threading.Thread(target=log.close)
    closer.start()
    while closer.is_alive() or select.select([reader], [], [], 0)[0]:
        if select.select([reader], [], [], 0.01)[0]:
            received += reader.read(65536)
    closer.join()
    written = ids(bytes(received))
    assert len(written) + log.dropped == total
    assert written == sorted(written, key=lambda name: int(name[1:]))
    assert written[0] == "r0"


def test_a_reader_that_never_reads_cannot_hold_the_close(pipe: Pipe) -> None:
    reader, path = pipe
    log = AccessLog("text", path)
    for number in range(3000):
        log.append(record(number))
    before = time.monotonic()
    log.close(timeout_s=0.3)
    assert time.monotonic() - before < 1.5
    written = ids(reader.read(65536))
    assert len(written) + log.dropped == 3000


def test_a_closed_pipe_costs_lines_only(pipe: Pipe, caplog: pytest.LogCaptureFixture) -> None:
    reader, path = pipe
    log = AccessLog("text", path)
    reader.close()
    for number in range(200):
        log.append(record(number))
    assert until(lambda: log.dropped == 200)
    log.append(record(200))
    log.close()
    assert log.dropped == 201
    assert [entry.levelname for entry in caplog.records] == ["ERROR"]  # once, not per line


def test_a_full_disk_costs_lines_only() -> None:
    log = AccessLog("json", "/dev/full")
    for number in range(100):
        log.append(record(number))
    log.close()
    assert log.dropped == 100


def test_a_line_torn_by_a_full_disk_does_not_spoil_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk takes one line and a half, then nothing, then everything again."""
    path = tmp_path / "access.log"
    room = [1.5, 0.0]
    write = os.write

    def scarce(descriptor: int, data: bytes) -> int:
        if not room:
            return write(descriptor, data)
        share = room.pop(0)
        if not share:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[: int(share * (data.index(b"\n") + 1))])

    monkeypatch.setattr(os, "write", scarce)
    log = AccessLog("text", str(path))
    for number in range(3):
        log.append(record(number))
    assert until(lambda: log.dropped == 2)
    log.append(record(3))
    log.close()
    lines = path.read_bytes().splitlines()
    assert [b" id=r0 " in lines[0], b" id=" in lines[1], b" id=r3 " in lines[2], len(lines)] == [True, False, True, 3]
    assert log.dropped == 2


def test_lines_after_the_close_are_counted(tmp_path: Path) -> None:
    log = AccessLog("text", str(tmp_path / "access.log"))
    log.append(record(0))
    log.close()
    log.append(record(1))
    log.close()
    assert log.dropped == 1
    assert [log.take_dropped(), log.take_dropped()] == [1, 0]
    log.append(record(2))
    assert [log.take_dropped(), log.dropped] == [1, 2]


def test_rotation_loses_nothing(tmp_path: Path) -> None:
    path, old = tmp_path / "access.log", tmp_path / "access.log.1"
    log = AccessLog("text", str(path))
    for number in range(100):
        log.append(record(number))
    assert until(lambda: len(path.read_bytes().splitlines()) == 100)
    path.rename(old)
    for number in range(100, 200):  # goes to the old file or the new one, but goes
        log.append(record(number))
    log.reopen()
    assert until(path.exists)
    log.append(record(200))
    log.close()
    assert ids(old.read_bytes() + path.read_bytes()) == expected(201)
    assert path.read_bytes()
    assert log.dropped == 0


def test_a_failed_reopen_goes_on_with_the_old_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = AccessLog("text", str(folder / "access.log"))
    log.append(record(0))
    moved = folder.rename(tmp_path / "moved")
    log.reopen()
    assert until(lambda: "cannot reopen" in caplog.text)
    log.append(record(1))
    log.close()
    assert ids((moved / "access.log").read_bytes()) == ["r0", "r1"]


def test_a_record_that_cannot_be_written_costs_itself_only(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    log = AccessLog("text", str(path))
    for started_at in (0, 10**30, 0):
        log.append(Record(f"r{started_at}", started_at))
    log.close()
    assert ids(path.read_bytes()) == ["r0", "r0"]
    assert log.dropped == 1


def test_chunks_are_whole_lines_that_a_pipe_keeps_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chunks: list[bytes] = []

    def keep(_: int, data: bytes) -> int:
        chunks.append(data)
        return len(data)

    monkeypatch.setattr(os, "write", keep)
    log = AccessLog("json", str(tmp_path / "access.log"))
    for number in range(300):
        log.append(record(number))
    log.close()
    assert all(len(chunk) <= select.PIPE_BUF and chunk.endswith(b"\n") for chunk in chunks)
    assert len(chunks) < 150  # not one write per line
    assert ids(b"".join(chunks)) == expected(300)


def test_a_file_that_cannot_be_opened_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        AccessLog("text", str(tmp_path / "missing" / "access.log"))


def test_an_append_costs_the_loop_well_under_a_microsecond(tmp_path: Path) -> None:
    log = AccessLog("text", str(tmp_path / "access.log"), bound=10**6)
    one = record(0)
    log.append(one)
    costs = []
    for _ in range(20):
        before = time.thread_time()
        for _ in range(1000):
            log.append(one)
        costs.append((time.thread_time() - before) / 1000)
    log.close()
    assert min(costs) < 0.4e-6  # measured 70 ns
