"""Pages that need nothing from outside and allow nothing in."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from fastproxy.admin.page import LINKS, PAGE_POLICY, docs_page, front_page

HOSTILE = '"><script>alert(1)</script>'


@pytest.mark.parametrize("page", [front_page("1.2.3"), docs_page([("GET", "/x", "text")])], ids=["front", "docs"])
def test_a_page_asks_nothing_of_anybody(page: str) -> None:
    assert not re.search(r"https?:|src=|<script|<link|@import|url\(|style=", page)
    style = re.findall(r"<style>(.*?)</style>", page)
    assert len(style) == 1
    digest = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in PAGE_POLICY
    assert "default-src 'none'" in PAGE_POLICY


@pytest.mark.parametrize("page", [front_page(HOSTILE), docs_page([(HOSTILE, HOSTILE, HOSTILE)])], ids=["front", "docs"])
def test_values_are_escaped(page: str) -> None:
    assert "<script" not in page


def test_the_front_page_links_to_everything() -> None:
    page = front_page("1.2.3")
    assert "1.2.3" in page
    assert all(f'href="{path}"' in page for path, _ in LINKS)
