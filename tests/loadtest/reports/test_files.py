from __future__ import annotations

import csv as rows
import io
from typing import TYPE_CHECKING

import msgspec
import pytest

from fastproxy.loadtest.load.histogram import percentile
from fastproxy.loadtest.load.shapes import RUN_VERSION, Second
from fastproxy.loadtest.reports.files import CSV_HEADS, ReportError, csv, read_json, to_json, write_json
from tests.loadtest.reports import samples

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fastproxy.loadtest.load.shapes import Run


@pytest.mark.parametrize("make", [samples.plain, samples.compared, samples.frontier, samples.sick, samples.empty])
def test_what_is_written_is_read_again(make: Callable[[], Run], tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_json(make(), path)
    assert read_json(path) == make()
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"]


def test_a_file_of_a_newer_version_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(msgspec.json.encode({**msgspec.json.decode(to_json(samples.empty())), "version": RUN_VERSION + 1}))
    with pytest.raises(ReportError, match=rf"run\.json: written by a newer fastproxy \(version {RUN_VERSION + 1}"):
        read_json(path)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"version": 1}', b"<html>", b'{"version": 1, "series": [{}]}'])
def test_what_is_no_run_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(data)
    with pytest.raises(ReportError, match=r"run\.json: not a run"):
        read_json(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"nowhere\.json: No such file"):
        read_json(tmp_path / "nowhere.json")


def test_the_csv_has_one_row_per_second_and_series() -> None:
    run = samples.compared()
    run.series[0].name = 'a "name", with\nall'
    heads, *body = rows.reader(io.StringIO(csv(run)))
    assert tuple(heads) == CSV_HEADS
    assert len(body) == sum(len(lane.tally.seconds) for lane in run.series)
    first = run.series[0].tally.seconds[0]
    assert body[0][:6] == [run.series[0].name, str(first.at), "1", str(first.done), "0", str(first.bytes_in)]
    assert float(body[0][7]) == pytest.approx(percentile(first.latency, 0.99), abs=1)


def test_a_second_without_replies_has_empty_cells() -> None:
    run = samples.plain()
    run.series[0].tally.seconds[0].latency = {}
    assert csv(run).splitlines()[1].endswith(",,,,,")


def test_a_row_of_several_seconds_looked_like_one_in_the_csv() -> None:
    run = samples.plain()
    run.series[0].tally.seconds = [Second(3600, 14, 2, 100, width=2)]
    assert csv(run).splitlines()[1] == "target,3600,2,14,2,100,,,,,"
