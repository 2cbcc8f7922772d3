from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from fastproxy.loadtest.reports.charts import (
    HEIGHT,
    WIDTH,
    Axis,
    Chart,
    Line,
    Slot,
    draw,
    legend,
    linear_axis,
    step_near,
    time_axis,
)

X = Axis("seconds", 0, 10, ((0, "0"), (10, "10")))
Y = Axis("ms", 0, 100, ((0, "0"), (100, "100")))


def paths(svg: str, kind: str) -> list[str]:
    return [node.get("d", "") for node in ElementTree.fromstring(svg).iter("path") if kind in node.get("class", "")]


@pytest.mark.parametrize(("rough", "step"), [(0.3, 0.5), (1, 1), (1.01, 2), (4, 5), (5.1, 10), (700, 1000)])
def test_steps_are_those_that_people_count_in(rough: float, step: float) -> None:
    assert step_near(rough) == pytest.approx(step)


@pytest.mark.parametrize("top", [0, 0.2, 1, 7, 99, 100, 101, 24_800, 1e9])
def test_a_linear_axis_holds_its_top_with_few_ticks(top: float) -> None:
    axis = linear_axis("n", top)
    assert axis.low == 0
    assert axis.high >= top
    assert 2 <= len(axis.ticks) <= 6
    assert axis.ticks[-1][0] == pytest.approx(axis.high)


@pytest.mark.parametrize(
    ("span", "label", "texts"),
    [((0, 4), "(s)", ["0", "1", "2", "3", "4"]), ((0, 3600), "(min)", ["0", "10", "20", "30", "40", "50", "60"])],
)
def test_a_time_axis_counts_whole_seconds_or_minutes(span: tuple[float, float], label: str, texts: list[str]) -> None:
    axis = time_axis(*span)
    assert label in axis.label
    assert [text for _, text in axis.ticks] == texts


def test_a_logarithmic_axis_gives_each_decade_the_same_room() -> None:
    axis = Axis("t", 1, 1000, (), log=True)
    assert [axis.place(value) for value in (0, 1, 10, 100, 1000, 5000)] == pytest.approx([0, 0, 1 / 3, 2 / 3, 1, 1])


def test_a_hole_in_the_values_is_a_hole_in_the_line() -> None:
    line = Line("a", 0, (((0, 0), (1, 50)), ((5, 50), (6, 100)), ((9, 10),)))
    drawn = paths(draw(Chart("k", "t", X, Y, (line,), ())), "line")
    assert len(drawn) == 3
    assert drawn[2].endswith("h.1")


def test_points_that_cannot_be_told_apart_are_left_out_and_the_ends_stay() -> None:
    points = tuple((n / 10_000, 50.0) for n in range(100_001))
    drawn = paths(draw(Chart("k", "t", X, Y, (Line("a", 0, (points,)),), ())), "line")
    assert 100 < drawn[0].count("L") < WIDTH * 2
    assert drawn[0].endswith(f"L{WIDTH - 14:.1f} {(26 + HEIGHT - 38) / 2:.1f}")


def test_texts_are_text_wherever_they_stand() -> None:
    evil = '</svg><script>alert("1")</script>&'
    axis = Axis(evil, 0, 1, ((0, evil),))
    svg = draw(Chart("k", evil, axis, axis, (Line(evil, 0, (((0, 0), (1, 1)),)),), (Slot(0.5, evil, ((0, 0.5),)),)))
    found = ElementTree.fromstring(svg)
    assert {node.tag for node in found.iter()} == {"svg", "text", "path", "g", "title", "rect", "circle"}
    assert found.get("aria-label") == evil
    assert found.findtext(".//title") == evil
    assert ElementTree.fromstring(legend([Line(evil, 0, ())])).findtext(".//li/svg/..") == ""


def test_slots_cover_the_plot_without_gaps() -> None:
    slots = tuple(Slot(x, f"{x} s", ((0, 10.0), (1, 20.0))) for x in (1.0, 2.0, 7.0))
    found = ElementTree.fromstring(draw(Chart("k", "t", X, Y, (), slots)))
    columns = [(float(rect.get("x", 0)), float(rect.get("width", 0))) for rect in found.iter("rect")]
    assert columns[0][0] == 52
    assert [x + width for x, width in columns[:-1]] == pytest.approx([x for x, _ in columns[1:]], abs=0.2)
    assert sum(columns[-1]) == pytest.approx(WIDTH - 14, abs=0.2)
    assert len(list(found.iter("circle"))) == 6
