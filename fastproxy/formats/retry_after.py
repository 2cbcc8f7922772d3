"""When an upstream wants to be asked again, in whole seconds, whichever of five ways it says so. Pure.

retry-after-ms: 1500                        → 2
retry-after: 30 | Wed, 21 Oct 2026 07:28:00 GMT
{"@type": "…RetryInfo", "retryDelay": "34.07s"}         Gemini's body
anthropic-ratelimit-tokens-reset: 2026-10-21T07:28:00Z   where …-remaining is 0
x-ratelimit-reset-requests: 6m0s                          where …-remaining-… is 0
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MOST: Final = 86_400  # nobody is believed who asks for more than a day
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HTTP_DATE: Final = re.compile(r"[A-Za-z]+, (\d{1,2})[ -]([A-Z][a-z]{2})[ -](\d{4}) (\d\d):(\d\d):(\d\d) GMT")
_SPAN: Final = re.compile(
    r"(?:(\d{1,4})h)?(?:(\d{1,6})m(?!s))?(?:(\d{1,6}(?:\.\d{1,9})?)s)?(?:(\d{1,9}(?:\.\d{1,9})?)ms)?"
)
_ANTHROPIC: Final = re.compile(r"anthropic-(?:[a-z-]+-)?ratelimit-[a-z-]+-reset")


def seconds_until_retry(headers: Mapping[str, str], details: Sequence[Any] = (), *, now: float) -> int | None:
    """`headers` by lower-case names, `details` those of a Google error, `now` in Unix seconds."""
    found = _milliseconds(headers.get("retry-after-ms"))
    if found is None:
        found = _seconds_or_date(headers.get("retry-after"), now)
    if found is None:
        found = next((_span(item.get("retryDelay")) for item in details if _is_retry_info(item)), None)
    if found is None:
        found = max(_resets(headers, now), default=None)
    if found is None or not math.isfinite(found):
        return None
    return min(MOST, max(0, math.ceil(found)))


def _milliseconds(text: str | None) -> float | None:
    found = _number(text)
    return None if found is None else found / 1000


def _seconds_or_date(text: str | None, now: float) -> float | None:
    found = _number(text)
    if found is not None or text is None:
        return found
    date = _HTTP_DATE.fullmatch(text.strip())
    if date is None or date[2] not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(date[place]) for place in (1, 3, 4, 5, 6))
    try:
        then = datetime(year, _MONTHS.index(date[2]) + 1, day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return None
    return max(0.0, then.timestamp() - now)


def _resets(headers: Mapping[str, str], now: float) -> Iterator[float]:
    """The windows that are used up, of Anthropic's and OpenAI's headers."""
    for name, value in headers.items():
        if name.startswith("x-ratelimit-reset-"):
            left, found = headers.get(name.replace("-reset-", "-remaining-")), _span(value)
        elif _ANTHROPIC.fullmatch(name) is not None:
            left, found = headers.get(name.removesuffix("reset") + "remaining"), _moment(value, now)
        else:
            continue
        if found is not None and left is not None and left.strip() == "0":
            yield found


def _moment(text: str, now: float) -> float | None:
    """Seconds until an RFC 3339 time."""
    try:
        then = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return max(0.0, (then if then.tzinfo is not None else then.replace(tzinfo=UTC)).timestamp() - now)


def _span(text: object) -> float | None:
    """Seconds of "34.07s", "6m0s", "1h2m", "250ms"."""
    parts = _SPAN.fullmatch(text.strip()) if isinstance(text, str) else None
    if parts is None or not parts[0]:
        return None
    hours, minutes, seconds, thousandths = (float(part or 0) for part in parts.groups())
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000


def _is_retry_info(item: Any) -> bool:
    return isinstance(item, dict) and str(item.get("@type", "")).endswith("google.rpc.RetryInfo")


def _number(text: str | None) -> float | None:
    try:
        found = float(text) if text is not None else -1.0
    except ValueError:
        return None
    return found if math.isfinite(found) and found >= 0 else None
