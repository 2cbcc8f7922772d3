"""Assertions of the scenes say what they compared, as those of the tests do."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.live.pairs", "tests.live.talk.scenes", "tests.live.talk.responses")
