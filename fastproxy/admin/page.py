"""The two pages that the admin port serves until the panel exists: a front page and a list of the API's paths.

Plain HTML from strings: no script, no image, nothing loaded from elsewhere, so both work without internet and under a
policy that forbids everything but the one style sheet below (named by its hash).
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import TYPE_CHECKING, Final

from fastproxy.admin.access import POLICY

if TYPE_CHECKING:
    from collections.abc import Iterable

STYLE: Final = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}"
    "code,td{font-family:ui-monospace,monospace;font-size:.9em}td{padding:.15rem 1.2rem .15rem 0}small{opacity:.7}"
)
_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
PAGE_POLICY: Final = f"{POLICY}; style-src 'sha256-{_HASH}'"

LINKS: Final = (
    ("/api/health", "can this node serve?"),
    ("/api/health/detailed", "each worker's state"),
    ("/api/status", "processes, connections, requests"),
    ("/api/system/info", "version and uptime"),
    ("/metrics", "Prometheus metrics"),
    ("/docs", "all paths of this port"),
    ("/openapi.json", "the same for programs"),
)


def front_page(version: str) -> str:
    """Return the page at /."""
    links = "".join(f'<tr><td><a href="{path}">{path}</a></td><td>{text}</td></tr>' for path, text in LINKS)
    return _page("fastproxy", f"<h1>fastproxy <small>{escape(version)}</small></h1><table>{links}</table>")


def docs_page(operations: Iterable[tuple[str, str, str]]) -> str:
    """Return the page at /docs from (method, path, summary)."""
    lines = "".join(
        f"<tr><td>{escape(method)}</td><td>{escape(path)}</td><td>{escape(summary)}</td></tr>"
        for method, path, summary in operations
    )
    note = '<p>Machine-readable: <a href="/openapi.json">/openapi.json</a></p>'
    return _page("fastproxy admin API", f"<h1>Admin API</h1>{note}<table>{lines}</table>")


def _page(title: str, body: str) -> str:
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    return f'<!doctype html><html lang="en"><head>{head}<style>{STYLE}</style></head><body>{body}</body></html>'
