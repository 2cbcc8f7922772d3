"""Earlier replies put back into a request whose upstream remembers nothing."""

from __future__ import annotations

from typing import Any

import pytest

from fastproxy.errors import FormatError
from fastproxy.formats.openai_responses import (
    input_items,
    output_items,
    read_request,
    referenced_ids,
    state_fields,
    with_history,
)
from tests.formats.openai_responses.goldens import load

ASKED = {"type": "message", "role": "user", "content": "hi"}
SEALED = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
UNSEALED = {"type": "reasoning", "id": "rs_2", "summary": []}
TOLD = {"type": "reasoning", "id": "rs_3", "summary": [{"type": "summary_text", "text": "hm"}]}
SAID = {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}
UNNAMED = {name: value for name, value in TOLD.items() if name != "id"}
NEXT = {"role": "user", "content": "Go on"}
REFERENCE = {"type": "item_reference", "id": "msg_1"}


@pytest.mark.parametrize(
    ("body", "stored", "expected"),
    [
        pytest.param(
            {"previous_response_id": "resp_1", "input": "Go on", "instructions": "new"},
            [ASKED, SEALED, UNSEALED, TOLD, SAID],
            {"instructions": "new", "input": [ASKED, SEALED, UNNAMED, SAID, NEXT | {"type": "message"}]},
            id="case 5, 18 history first, instructions only of now, of unsealed thoughts the text",
        ),
        pytest.param({"input": [REFERENCE, NEXT]}, [SAID], {"input": [SAID, NEXT]}, id="case 17 reference"),
        pytest.param({"input": [{"id": "msg_1"}, NEXT]}, [SAID], {"input": [SAID, NEXT]}, id="case 17 without a type"),
        pytest.param(
            {"previous_response_id": "resp_1", "input": [REFERENCE, NEXT]},
            [ASKED, SAID],
            {"input": [ASKED, SAID, NEXT]},
            id="case 17 a reference to what is said already",
        ),
        pytest.param({"previous_response_id": "resp_1"}, [ASKED], {"input": [ASKED]}, id="no input of its own"),
    ],
)
def test_cases_17_and_18_a_request_says_everything_itself(
    body: dict[str, Any], stored: list[dict[str, Any]], expected: dict[str, Any]
) -> None:
    before = dict(body)
    assert with_history(body, stored) == expected
    assert body == before
    assert read_request(expected | {"model": "m"}).previous is None


def test_case_17_an_unknown_reference_is_refused() -> None:
    with pytest.raises(FormatError, match=r"field 'input\[1\]\.id' names no stored item"):
        with_history({"input": [NEXT, REFERENCE]}, [])


def test_referenced_ids() -> None:
    assert referenced_ids(load("request_stateful")) == ("msg_68e4",)
    assert referenced_ids({"input": "x"}) == ()


def test_what_is_stored() -> None:
    assert input_items({"input": "hi"}) == [ASKED]
    assert input_items({}) == []
    assert output_items(load("reply_calls")) == load("reply_calls")["output"]
    assert output_items({"output": None}) == []


def test_case_85_fields_that_need_a_vendors_memory() -> None:
    body = {"background": True, "conversation": "conv_1", "prompt": None, "store": True}
    assert state_fields(body) == ("conversation", "background")
