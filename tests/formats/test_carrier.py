"""Foreign signatures survive a client that knows nothing of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.formats.carrier import Carried, pack, unpack
from fastproxy.formats.chat import CHAT_FORMATS


@pytest.mark.parametrize(
    ("carried", "text"),
    [
        (Carried("gemini", None, "AVn/+8=="), "fp1.gemini..AVn/+8=="),
        (Carried("openai-responses", "rs_1", "gAAA.b_c-"), "fp1.openai-responses.rs_1.gAAA.b_c-"),
        (Carried("openai-responses", "rs.1%", ""), "fp1.openai-responses.rs%2E1%25."),
    ],
)
def test_a_foreign_signature_is_packed_and_unpacked(carried: Carried, text: str) -> None:
    assert pack(*carried) == text
    assert unpack(text, "anthropic") == carried


@pytest.mark.parametrize(
    "text", ["ErUBCkYIBxgCIkA=", "", "fp1", "fp1.", "fp1.nobody.x.y", "fp1.gemini", "fp1.gemini.x"]
)
def test_what_we_did_not_pack_is_the_clients_own(text: str) -> None:
    assert unpack(text, "anthropic") == Carried("anthropic", None, text)


@given(st.sampled_from(CHAT_FORMATS), st.none() | st.text(min_size=1), st.text())
def test_every_signature_comes_back(issuer: str, item_id: str | None, signature: str) -> None:
    assert unpack(pack(issuer, item_id, signature), "gemini") == (issuer, item_id, signature)
