"""The page as a real browser shows it: drawn, sized, legible in light and dark, and silent on the network."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from fastproxy.loadtest.reports.html import html
from tests.loadtest.reports import samples
from tests.loadtest.reports.browser import Page, browser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fastproxy.loadtest.load.shapes import Run

pytestmark = pytest.mark.live
BOXES = """[...document.querySelectorAll("figure")].map(figure => {
  const box = node => { const r = node.getBoundingClientRect(); return [r.x, r.y, r.width, r.height]; };
  return {
    id: figure.id, chart: box(figure.querySelector("svg.chart")),
    lines: [...figure.querySelectorAll(".chart .line")].map(box),
    texts: [...figure.querySelectorAll(".chart text")].map(box), slots: figure.querySelectorAll(".slot").length,
  };
})"""
COLOURS = """["body", "h1", ".chart text", ".line"].map((at, n) => {
  const style = getComputedStyle(document.querySelector(at));
  return n == 0 ? style.backgroundColor : n == 3 ? style.stroke : n == 2 ? style.fill : style.color;
})"""
HOVERED = """[...document.querySelectorAll(".slot path, .slot circle")].filter(
  node => getComputedStyle(node).visibility == "visible").map(node => node.tagName).sort().join(" ")"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


def show(page: Page, run: Run, folder: Path, width: int = 1240) -> None:
    """Open a run's page with room for all of it, with fresh notes."""
    path = folder / "report.html"
    path.write_text(html(run), encoding="utf-8")
    page.requests.clear()
    page.complaints.clear()
    page.size(width)
    page.open(path.as_uri())
    page.size(width, int(page.ask("document.documentElement.scrollHeight")))


def brightness(colour: str) -> float:
    """0 to 1, as WCAG counts it, of "rgb(r, g, b)"."""
    parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return float(0.2126 * red + 0.7152 * green + 0.0722 * blue)


def contrast(one: str, other: str) -> float:
    low, high = sorted((brightness(one), brightness(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    ("make", "charts"),
    [(samples.plain, 3), (samples.streaming, 6), (samples.compared, 6), (samples.frontier, 1), (samples.sick, 4)],
)
def test_charts_are_drawn_inside_their_frames(page: Page, make: Callable[[], Run], charts: int, tmp_path: Path) -> None:
    show(page, make(), tmp_path)
    boxes = page.ask(BOXES)
    assert len(boxes) == charts
    for box in boxes:
        x, y, width, height = box["chart"]
        assert width > 300
        assert height > 100
        assert box["slots"] > 3
        assert any(line[2] > width / 3 for line in box["lines"])
        for left, top, wide, high in [*box["lines"], *box["texts"]]:
            assert x - 1 <= left <= left + wide <= x + width + 1, box["id"]
            assert y - 1 <= top <= top + high <= y + height + 1, box["id"]


@pytest.mark.parametrize("make", [samples.compared, samples.sick, samples.empty])
def test_the_page_asks_for_nothing_and_complains_of_nothing(
    page: Page, make: Callable[[], Run], tmp_path: Path
) -> None:
    show(page, make(), tmp_path)
    assert page.requests == [(tmp_path / "report.html").as_uri()]
    assert page.complaints == []
    assert page.ask("document.scripts.length + document.images.length") == 0


def test_a_planted_request_and_script_are_refused_and_seen(page: Page, tmp_path: Path) -> None:
    """The checks above can fail, and the policy holds even where escaping had a hole."""
    planted = html(samples.plain()).replace("<main>", "<main><script>document.title='in'</script><img src='x.png'>")
    path = tmp_path / "planted.html"
    path.write_text(planted, encoding="utf-8")
    page.complaints.clear()
    page.open(path.as_uri())
    assert page.ask("document.title") != "in"
    assert len(page.complaints) >= 2


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_light_and_dark_are_legible(page: Page, scheme: str, dark: bool, tmp_path: Path) -> None:
    page.scheme(scheme)
    show(page, samples.compared(), tmp_path)
    ground, head, label, line = page.ask(COLOURS)
    assert (brightness(ground) < 0.1) is dark
    assert contrast(head, ground) > 10
    assert contrast(label, ground) > 4.5
    assert contrast(line, ground) > 3


@pytest.mark.parametrize("width", [360, 800, 1600])
@pytest.mark.parametrize("make", [samples.compared, samples.sick])
def test_no_width_makes_the_page_scroll_sideways(
    page: Page, make: Callable[[], Run], width: int, tmp_path: Path
) -> None:
    show(page, make(), tmp_path, width)
    assert page.ask("document.documentElement.scrollWidth") <= width


def test_pointing_at_a_chart_marks_the_place(page: Page, tmp_path: Path) -> None:
    show(page, samples.compared(), tmp_path)
    assert page.ask(HOVERED) == ""
    slot = "document.querySelectorAll('#latency .slot')[9]"
    box = page.ask(
        f"(r => [r.x + r.width / 2, r.y + r.height / 2])({slot}.querySelector('rect').getBoundingClientRect())"
    )
    page.point(*box)
    assert page.ask(HOVERED) == "circle circle circle circle path"
    assert page.ask(f"{slot}.querySelector('title').textContent").startswith("11 s\nfastproxy p99: ")


def test_the_picture_holds_the_colours_of_both_series(page: Page, tmp_path: Path) -> None:
    page.scheme("light")
    show(page, samples.compared(), tmp_path)
    width, height = struct.unpack(">II", page.picture()[16:24])
    assert width == 1240
    assert height > 2000
    strokes = page.ask("[...document.querySelectorAll('#latency .line')].map(n => getComputedStyle(n).stroke)")
    assert set(strokes) == {"rgb(0, 114, 178)", "rgb(213, 94, 0)"}
