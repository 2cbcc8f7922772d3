"""What works, and since when."""

from __future__ import annotations

from fastproxy.admin.condition import NOT_YET, Condition


def test_the_time_is_that_of_the_last_turn() -> None:
    found = Condition(1000.0)
    assert (found.is_ok, found.error, found.since) == (False, NOT_YET, "1970-01-01T00:16:40.000+00:00")
    found.note("", 1001.0)
    assert (found.is_ok, found.since_s) == (True, 1001.0)
    found.note("", 1002.0)
    assert found.since_s == 1001.0
    found.note("no answer", 1010.0)
    found.note("refused", 1020.0)  # another reason, the same outage
    assert (found.error, found.since_s) == ("refused", 1010.0)
    found.note("", 1070.0)
    assert (found.is_ok, found.since_s) == (True, 1070.0)
