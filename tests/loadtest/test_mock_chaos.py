"""The chaos schedule: which window is open when, what it does, and that a seed makes it happen again."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from fastproxy.loadtest.mock import MockOptions
from fastproxy.loadtest.mock_behaviour import Behaviour
from fastproxy.loadtest.mock_chaos import Chaos, Window, apply, read_window, seconds
from fastproxy.loadtest.mock_spread import Spread
from tests.loadtest.mock_process import BEARER, ask, exchange, request, serving

PATH = "/v1/chat/completions"
CHAT: dict[str, Any] = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10s-20s", Window(10, 20)),
        ("0-1m30s errors=0.5", Window(0, 90, errors=0.5)),
        ("500ms-1h status=429 cuts=1 slower=2.5", Window(0.5, 3600, status=429, cuts=1, slower=2.5)),
        ("1s-2s every=10s latency=uniform:1:2", Window(1, 2, every=10, latency=Spread("uniform", 1, 2))),
    ],
)
def test_windows_are_read(text: str, expected: Window) -> None:
    assert read_window(text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("10s", "expected FROM-TO"),
        ("10-20s", "expected a duration"),
        ("20s-10s", "from < to"),
        ("1s-20s every=10s", "from < to ≤ every"),
        ("1s-2s errors=2", "expected 0 to 1"),
        ("1s-2s status=200", "expected 400 to 599"),
        ("1s-2s latency=soon", "could not convert"),
        ("1s-2s tea=1", "no such setting: tea"),
    ],
)
def test_what_is_no_window(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_window(text)


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("5ms", 0.005), ("2m", 120), ("1h0m1s", 3601), ("1.5s", 1.5)])
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize(("at", "which"), [(0, None), (10, 0), (19.9, 0), (20, None), (61, 1), (62, None), (121, 1)])
def test_which_window_is_open(at: float, which: int | None) -> None:
    windows = (Window(10, 20), Window(1, 2, every=60))
    assert Chaos(windows).now(at) is (None if which is None else windows[which])


def test_shares_and_seeds() -> None:
    window = Window(0, 1, errors=0.3, cuts=0.5, slower=2)
    made = [apply(window, Behaviour(slower=3), 10, rng) for rng in [random.Random(5)] for _ in range(2000)]
    failed = sum(bool(behaviour.status) for behaviour in made) / 2000
    cut = [behaviour.end_after for behaviour in made if behaviour.reset]
    assert failed == pytest.approx(0.3, abs=0.04)
    assert len(cut) / 2000 == pytest.approx(0.35, abs=0.04)
    assert set(cut) == set(range(1, 10))
    assert {behaviour.slower for behaviour in made} == {6}
    assert made == [apply(window, Behaviour(slower=3), 10, rng) for rng in [random.Random(5)] for _ in range(2000)]


def test_errors_in_a_window_and_none_after_it() -> None:
    with serving(MockOptions(chaos=("0-1500ms errors=1 status=529",))) as port:
        begun = time.monotonic()
        assert ask(port, "POST", PATH, CHAT, BEARER).status == 529
        assert ask(port, "GET", "/_books").status == 200
        while ask(port, "POST", PATH, CHAT, BEARER).status != 200:
            assert time.monotonic() - begun < 5
        assert time.monotonic() - begun > 0.2


def test_slow_and_cut() -> None:
    with serving(MockOptions(chaos=("0-1h slower=4 cuts=1",), latency_ms=20, seed=3)) as port:
        begun = time.monotonic()
        data = b""
        with pytest.raises(ConnectionResetError):
            data = exchange(port, request("POST", PATH, CHAT | {"stream": True}, BEARER))
        assert time.monotonic() - begun > 0.075
        assert b"[DONE]" not in data
        assert ask(port, "GET", "/_books").json["total"]["aborted"] == 1
