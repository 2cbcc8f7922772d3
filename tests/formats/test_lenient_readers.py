"""What JSON's rules call no object, and some reader takes all the same, never passes for the allowed model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fastproxy.formats.peek import is_object
from fastproxy.formats.same_model import LARGE_BYTES, MAX_MENTIONS, SameModel
from tests.formats.glances import EVERY_WAY, FIRST, TAUGHT, by_read, by_small_read, small, taught

if TYPE_CHECKING:
    from collections.abc import Callable


def misread() -> dict[str, bytes]:
    """No JSON in UTF-8, but some readers take it and find another model: Jackson looks for UTF-16, ignores what follows
    the object, and takes letters in more bytes than they need; Gson takes names in other quotes or none."""
    found: dict[str, bytes] = {}
    for name, usual in TAUGHT.items():
        first, rest, opened = usual[:-1].encode(), usual.encode(), usual[1:].encode()
        for kind, spelt in (
            ("two bytes", b'"\xc1\xadodel":"o3"'),
            ("three bytes", b'"mo\xe0\x81\xa4el":"o3"'),
            ("four bytes", b'"mode\xf0\x80\x81\xac":"o3"'),
            ("six bytes", b'"\xfc\x80\x80\x80\x81\xadodel":"o3"'),
            ("other quotes", b"'model':\"o3\""),
            ("no quotes", b'model:"o3"'),
            ("no quotes and a space", b'model  :"o3"'),
            ("no quotes and many spaces", b"model" + b" " * 40 + b':"o3"'),
            ("an arrow", b'model=>"o3"'),
            ("a comment", b'model/**/:"o3"'),
            ("another space", b'model\xc2\xa0:"o3"'),
            ("an escaped letter", b"'mod\\u0065l':\"o3\""),
        ):
            found |= {
                f"{name}: {kind}": first + b"," + spelt + b"}",
                f"{name}: {kind}, first": b"{" + spelt + b"," + opened,
            }
        found[f"{name}: utf-16"] = '{"model":"o3","messages":[]}'.encode("utf-16-le") + b"," + opened
        found[f"{name}: utf-32"] = '{"model":"o3","messages":[]}'.encode("utf-32-be") + b"," + opened
        found[f"{name}: nul"] = first + b',"\0":"' + b"x" * 99 + b'","model\0":"o3"}'
        assert is_object(rest)
    return found


MISREAD = misread()


@pytest.mark.parametrize("name", TAUGHT)
@EVERY_WAY
def test_what_lenient_readers_misread_does_not_pass(name: str, ask: Callable[[SameModel, bytes], bool]) -> None:
    assert [kind for kind, body in MISREAD.items() if ask(taught(TAUGHT[name]), body)] == []
    assert [kind for kind, body in MISREAD.items() if ask(taught(small(TAUGHT[name].encode())), small(body))] == []


@pytest.mark.parametrize("name", TAUGHT)
def test_a_small_body_is_json_or_does_not_pass(name: str) -> None:
    usual = small(TAUGHT[name].encode())
    for body in (b'{"a":1}' + usual[1:], usual[:-1] + b",!!}", usual[:-1] + b',"a":01}', usual + b"}", usual + b" {}",
                 usual.replace(b'"messages"', b'"messages" "a"')):  # fmt: skip
        assert not by_read(taught(usual), body), body


@EVERY_WAY
def test_mentions_of_the_word_are_no_names(
    ask: Callable[[SameModel, bytes], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    same = taught(FIRST)
    monkeypatch.setattr("fastproxy.formats.same_model.asks_for", lambda body, model: False)
    for text in ("a model is", "models", "model.", 'a \\"model\\": ', "remodel model, model! model", "ไทย 日本、 🙂 ñ"):
        assert ask(same, FIRST.replace("xxx", text, 1).encode()), text
    for text in ("the model: ", "model # 1", "model — one", "model," * MAX_MENTIONS):
        body = FIRST.replace("xxx", text, 1).encode()
        assert ask(same, body) is (len(small(body)) < LARGE_BYTES and ask is by_small_read), text
