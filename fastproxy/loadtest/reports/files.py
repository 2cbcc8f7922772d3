"""A run as files: JSON, which is whole and can be read again, and CSV, one row per second and series (in runs of more
than an hour, of several seconds: `width` says how many, and a rate is a count over it).

The JSON is a `Run` of shapes.py as it stands: times in microseconds, histograms as bucket → count (histogram.py says
which value a bucket stands for). `version` tells a reader whether it knows the layout.
"""

from __future__ import annotations

import csv as rows
import io
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from fastproxy.loadtest.load.histogram import maximum, percentile
from fastproxy.loadtest.load.shapes import RUN_VERSION, Run

if TYPE_CHECKING:
    from fastproxy.loadtest.load.shapes import Buckets, Second

CSV_HEADS: Final = (
    "series", "second", "width", "done", "errors", "bytes_in",
    "latency_p50_us", "latency_p99_us", "latency_max_us", "first_token_p50_us", "first_token_p99_us",
)  # fmt: skip


class ReportError(Exception):
    """A file that is no run, or one that this version cannot read."""

    def __init__(self, path: str | Path, text: str) -> None:
        super().__init__(f"{path}: {text}")
        self.path = path
        self.text = text


class _Version(msgspec.Struct):
    version: int
    series: list[msgspec.Raw]


def to_json(run: Run) -> bytes:
    return msgspec.json.encode(run) + b"\n"


def write_json(run: Run, path: str | Path) -> None:
    """Write the file whole or not at all: a reader never sees half a run."""
    target = Path(path)
    partial = target.with_name(target.name + ".part")
    partial.write_bytes(to_json(run))
    partial.replace(target)


def read_json(path: str | Path) -> Run:
    """Read what `write_json` wrote; ReportError says what is wrong with anything else."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ReportError(path, error.strerror or str(error)) from None
    try:
        version = msgspec.json.decode(data, type=_Version).version
        if version > RUN_VERSION:
            seen = f"version {version}, this one reads up to {RUN_VERSION}"
            raise ReportError(path, f"written by a newer fastproxy ({seen})")
        return msgspec.json.decode(data, type=Run)
    except msgspec.DecodeError as error:
        raise ReportError(path, f"not a run that fastproxy bench wrote ({error})") from None


def csv(run: Run) -> str:
    """One row per second, or more of them, and series; a cell is empty where nothing was measured."""
    out = io.StringIO()
    writer = rows.writer(out, lineterminator="\n")
    writer.writerow(CSV_HEADS)
    for lane in run.series:
        for row in lane.tally.seconds:
            counts = (row.at, row.width, row.done, row.errors, row.bytes_in)
            writer.writerow((lane.name, *counts, *_times(row)))
    return out.getvalue()


def _times(second: Second) -> list[str]:
    latency, first = second.latency, second.first_token
    top = f"{maximum(latency):.0f}" if latency else ""
    return [_cell(latency, 0.5), _cell(latency, 0.99), top, _cell(first, 0.5), _cell(first, 0.99)]


def _cell(buckets: Buckets, share: float) -> str:
    return f"{percentile(buckets, share):.0f}" if buckets else ""
