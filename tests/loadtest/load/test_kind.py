"""What the assistant has said is found in every format's reply; requests of a recording are named by their paths."""

from __future__ import annotations

from collections import defaultdict
from random import Random
from typing import TYPE_CHECKING

import pytest

from fastproxy.loadtest.load.jobs import Jobs
from fastproxy.loadtest.load.kind import Kind, request_of
from fastproxy.loadtest.load.meter import Meter
from fastproxy.loadtest.load.shapes import Arrival, Check, Format, Plan, Recorded, Request

if TYPE_CHECKING:
    from collections.abc import Sequence


class Nothing:
    """A maker for requests that are not sent."""

    def make(self, number: int, turn: int = 0, history: Sequence[str] = ()) -> bytes:
        return b""


def kind(request: Request) -> Kind:
    return Kind(request, Nothing(), defaultdict(int))


@pytest.mark.parametrize(
    ("wire_format", "body"),
    [
        (Format.OPENAI_CHAT, b'{"choices":[{"message":{"content":"So."}}]}'),
        (Format.OPENAI_RESPONSES, b'{"output":[{"type":"reasoning"},{"content":[{"text":"So."}]}]}'),
        (Format.ANTHROPIC, b'{"content":[{"type":"text","text":"So."}]}'),
        (Format.GEMINI, b'{"candidates":[{"content":{"parts":[{"text":"So."}]}}]}'),
    ],
)
def test_the_reply_is_remembered_for_the_next_turn(wire_format: Format, body: bytes) -> None:
    assert kind(Request(format=wire_format, turns=2)).said(body, None) == "So."


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"choices":[]}', b'{"content":[{"text":5}]}'])
def test_a_reply_without_text_says_nothing(body: bytes) -> None:
    assert kind(Request(format=Format.OPENAI_CHAT, turns=2)).said(body, None) == ""


@pytest.mark.parametrize(
    ("path", "wanted", "right"),
    [
        ("a.0.b", 1, True),
        ("a.-1.b", 2, True),
        ("a.5.b", 1, False),
        ("a.b", 1, False),
        ("a.0.b.c", 1, False),
        ("n", None, True),
        ("missing", None, False),
        ("a.0", {"b": 1}, True),
    ],
)
def test_paths_lead_into_json(path: str, wanted: object, right: bool) -> None:
    wrong = kind(Request(check=Check(json={path: wanted}))).judge(200, b'{"a":[{"b":1},{"b":2}],"n":null}', None)
    assert (wrong is None) == right


def test_a_request_of_a_recording_is_named_without_its_query() -> None:
    request = request_of(Recorded(0, "GET", "/models?page=2", (), b""))
    assert (request.name, request.method) == ("GET /models", "GET")


SECRET = "corp/0123456789+abcdef"
SENT = (("x-api-key", SECRET), ("x-team", "blue"))


def kind_of(plan: Plan) -> Kind:
    job = Jobs(plan, Meter(0, 0), Random(0)).next(0)
    assert job is not None
    return job.kind


@pytest.mark.parametrize(
    "plan",
    [
        Plan("http://h", (Request(path="/", headers=SENT, stream=True),)),
        Plan("http://h", (Request(path=f"/?key={SECRET}", stream=True),)),
        Plan(f"http://h/?access_token={SECRET}", (Request(stream=True),)),
        Plan("http://h", arrival=Arrival.RECORDED, recording=(Recorded(0, "GET", "/", SENT, b"", stream=True),)),
    ],
)
def test_a_credential_that_a_reply_echoes_is_not_told(plan: Plan) -> None:
    made = kind_of(plan)
    assert made.secrets == (SECRET,)
    reader = made.reader()
    reader.error = f"no {SECRET}"
    body = f'{{"error": "blue: no {SECRET} nor sk-other-0123 nor Bearer abcdefgh"}}'.encode()
    for wrong in (
        made.judge(401, body, None),
        made.judge(401, b"x" * 140 + SECRET.encode(), None),  # cut off in the middle of it
        made.judge(200, b"", reader),
    ):
        assert wrong is not None
        assert "corp/" not in wrong[1]
        assert "…(" in wrong[1]
    assert made.judge(401, body, None) == (
        "status",
        '401: {"error": "blue: no corp…(22 chars) nor sk-…(13 chars) nor Bearer ab…(8 chars)"}',
    )
