from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from fastproxy.loadtest.reports.html import html
from tests.loadtest.reports import samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastproxy.loadtest.load.shapes import Run

ALL = (samples.plain, samples.streaming, samples.compared, samples.frontier, samples.sick, samples.empty)
VOID = {"meta"}
FETCHES = {"src", "href", "srcset", "action", "data", "poster", "background", "xlink:href", "style"}


class Reader(HTMLParser):
    """Elements, attributes and texts of a page; complains of what is not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.parametrize("make", ALL)
def test_a_page_is_whole_and_asks_for_nothing(make: Callable[[], Run]) -> None:
    found = Reader(html(make()))
    assert found.open == []
    assert found.tags & {"script", "img", "link", "iframe", "object", "embed", "base", "form"} == set()
    assert found.attributes & FETCHES == set()
    assert not [name for name in found.attributes if name.startswith("on")]


@pytest.mark.parametrize("make", ALL)
def test_the_policy_allows_exactly_the_own_style_sheet(make: Callable[[], Run]) -> None:
    page = html(make())
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in page
    assert "url(" not in style
    assert "@import" not in style


def test_hostile_texts_are_shown_and_nothing_else() -> None:
    shown = "".join(Reader(html(samples.sick())).texts)
    for place in ("http://127.0.0.1:8080/", "500 ", "bottleneck ", "FAILED "):
        assert f"{place}</script><script>alert(1)</script><img src=x onerror=alert(2)> & \"quoted\" 'single'" in shown
    assert "\x1b" not in shown
    assert "\x00" not in shown


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (samples.plain, ["382", "Latency by percentile", "short question", "✓ p99>50ms: passed", "57.0", "AMD EPYC"]),
        (samples.compared, ["fastproxy", "nginx", "1.11 to 1.36", "cannot tell", "✗ errors>1%: FAILED", "0.87 ×"]),
        (samples.frontier, ["highest rate with p99 below 10 ms", "Latency by rate", "target, closed loop"]),
        (samples.empty, ["Nothing was answered", "http://127.0.0.1:1"]),
    ],
)
def test_the_page_says_what_matters(make: Callable[[], Run], words: list[str]) -> None:
    shown = " ".join(Reader(html(make())).texts)
    assert [word for word in words if word not in shown] == []


def test_a_long_run_stays_a_small_page() -> None:
    run = samples.plain()
    second = run.series[0].tally.seconds[0]
    run.series[0].tally.seconds = [type(second)(at, 100, 0, 0, {500: 100}) for at in range(3600)]
    assert len(html(run)) < 400_000
