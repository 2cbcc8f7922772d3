"""Texts of an upstream made fit for a client: without keys, inner addresses, mark-up and control characters. Pure.

    Incorrect API key provided: sk-proj-********abcd. See https://platform.openai.com/account?u=1
    Incorrect API key provided: [redacted]. See https://platform.openai.com/account

An address is kept only where it is one of a vendor's pages for people; what a request was sent to is nobody's business.
"""

from __future__ import annotations

import html
import re
from typing import Final

MAX_READ: Final = 8192  # characters looked at
MAX_SHOWN: Final = 2000
_REDACTED: Final = "[redacted]"
_ADDRESS: Final = "[address]"

_KEY: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk[-_][A-Za-z0-9*_.-]{6,}(?<![.-])"
    r"|(?:pk|rk|gsk|xai|hf|r8|pplx|nvapi|csk|tgp|ghp|whsec)[-_][A-Za-z0-9*_-]{20,}"  # models have such names, shorter
    r"|AIza[A-Za-z0-9*_-]{8,}|ya29\.[A-Za-z0-9*_-]{8,}|A(?:KIA|SIA)[A-Z0-9]{12,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]{8,}"
    r"|(?:org|proj)[-_](?=[A-Za-z]{0,40}[0-9])[A-Za-z0-9]{8,}|project_number:\d+)"
)
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic)\s+(?=[a-z~+/=*.-]{0,64}[0-9*_=])[a-z0-9._~+/=*-]{8,}")
_NAMED: Final = re.compile(
    r"(?i)\b((?:x-)?(?:goog-)?api[ _-]?key|access[ _-]?token|client[ _-]?secret|secret[ _-]?key|password|authorization)"
    r"(\\?[\"']?\s{0,4}(?:provided\s{0,4})?[:=]\s{0,4}\\?[\"']?)"
    r"(?:(?:bearer|basic)\s{1,4}[^\s\"',;&<>]{1,4096}|[^\s\"',;&<>\[]{3,})"
)
_URL: Final = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{1,15}://[^\s\"'<>\])}`]+")
_PAGES: Final = re.compile(
    r"https?://((?:platform|console|docs|help|support|status|developers?|learn|cloud|ai|www)\.[a-z0-9.-]+\.[a-z]{2,24}"
    r"|[a-z0-9-]+\.(?:com|ai|dev|org))(/[^?#]*)?(?:[?#].*)?"
)
_INNER: Final = r"internal|local|localdomain|lan|corp|intranet|svc|consul|arpa"
_HOST: Final = re.compile(
    r"(?<![\w.-])(?:"
    r"(?:\d{1,3}\.){3}\d{1,3}(?!\d|\.\d)"
    r"|\[[0-9a-fA-F:.]{3,45}\]|(?:[0-9a-fA-F]{1,4}:){3,7}(?::?[0-9a-fA-F]{1,4}){1,4}|::1\b"
    rf"|(?:[\w-]{{1,63}}\.){{1,8}}(?:{_INNER})\b(?!\.?[\w-])|localhost\b"
    r"|(?:[A-Za-z0-9-]{1,63}\.){1,8}[a-z]{2,24}(?=:\d{2,5}\b)"
    r")(?::\d{1,5}\b)?"
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffd]+")
_UNSEEN: Final = re.compile(r"(?is)<(script|style|head)\b.*?</\1\s*>|<!--.*?-->")
_TITLE: Final = re.compile(r"(?is)<title[^>]{0,200}>(.{0,500}?)</title")
_TAG: Final = re.compile(r"<[^<>]{0,1000}>?")


def redacted(text: str) -> str:
    """`text` without what a client must not see, cut to `MAX_SHOWN`."""
    text = _CONTROL.sub(" ", text[:MAX_READ]).strip()
    text = without_secrets(_HOST.sub(_ADDRESS, _URL.sub(_shown_url, text)))
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1].rstrip() + "…"


def without_secrets(text: str) -> str:
    """`text`, of any length, without what looks like a credential; addresses stay."""
    text = _NAMED.sub(rf"\1\2{_REDACTED}", _KEY.sub(_REDACTED, text))
    return _BEARER.sub(rf"\1 {_REDACTED}", text)


def text_of_page(page: str, most: int = 300) -> str:
    """What a page of HTML says: its title, or the beginning of its text; on one line."""
    page = page[:MAX_READ]
    title = _TITLE.search(page)
    text = title[1] if title is not None and title[1].strip() else _UNSEEN.sub(" ", page)
    return one_line(html.unescape(_TAG.sub(" ", text)), most)


def one_line(text: str, most: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _shown_url(found: re.Match[str]) -> str:
    url = found[0].rstrip(".,;:!?")
    page = _PAGES.fullmatch(url)
    shown = _ADDRESS if page is None else url.partition("?")[0].partition("#")[0]
    return shown + found[0][len(url) :]
