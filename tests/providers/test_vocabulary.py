"""OpenAI's tokenizers as they are shipped: the same vocabularies and patterns, the same counts, and never a network."""

from __future__ import annotations

import base64
import subprocess
import sys
from hashlib import sha256
from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

from fastproxy.errors import ConfigError
from fastproxy.formats.tokens import CL100K, O200K
from fastproxy.providers import vocabulary
from fastproxy.providers.vocabulary import PATTERNS, SIZES, encoder, read_ranks

if TYPE_CHECKING:
    from pathlib import Path

NAMES = (O200K, CL100K)
# (text, tokens in cl100k, in o200k); the first four are published in OpenAI's cookbook
KNOWN = [
    ("tiktoken is great!", 6, 6),
    ("antidisestablishmentarianism", 6, 6),
    ("2 + 2 = 4", 7, 7),
    ("お誕生日おめでとう", 9, 8),
    ("", 0, 0),
    ("The quick brown fox jumps over the lazy dog.", 10, 10),
    ("def f(x):\n    return x ** 2\n", 11, 11),
    ("Привет, мир", 6, 4),
    ("<|endoftext|>", 7, 7),
    ("\ud800", 1, 1),  # half a letter counts as one that cannot be shown
    ("a" * 1000, 125, 125),
]


@pytest.fixture
def stated(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What tiktoken itself says of each vocabulary: its pattern, and the hash that its text must have."""
    public = import_module("tiktoken_ext.openai_public")
    hashes: list[str] = []

    def take(_: str, expected_hash: str) -> dict[bytes, int]:
        hashes.append(expected_hash)
        return {}

    monkeypatch.setattr(public, "load_tiktoken_bpe", take)
    made = {name: getattr(public, name)() for name in NAMES}
    return {name: (made[name]["pat_str"], digest) for name, digest in zip(NAMES, hashes, strict=True)}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_shipped_is_what_tiktoken_would_have_downloaded(name: str, stated: dict[str, Any]) -> None:
    ranks = read_ranks(name)
    assert len(ranks) == SIZES[name]
    text = b"".join(b"%b %d\n" % (base64.b64encode(token), rank) for token, rank in ranks.items())
    pattern, digest = stated[name]
    assert sha256(text).hexdigest() == digest
    assert PATTERNS[name] == pattern


@pytest.mark.parametrize(("text", "in_cl100k", "in_o200k"), KNOWN)
def test_texts_have_the_tokens_that_openai_counts(text: str, in_cl100k: int, in_o200k: int) -> None:
    assert (len(encoder(CL100K)(text)), len(encoder(O200K)(text))) == (in_cl100k, in_o200k)


def test_a_vocabulary_is_loaded_once() -> None:
    assert encoder(O200K) is encoder(O200K)


FORBIDDEN = """
import socket, sys
def refuse(*arguments, **named):
    raise AssertionError("a socket was asked for")
socket.socket = socket.create_connection = socket.getaddrinfo = refuse
import _socket
_socket.socket = refuse
from fastproxy.providers import vocabulary
assert "tiktoken" not in sys.modules
vocabulary.preload()
print(len(vocabulary.encoder("o200k_base")("tiktoken is great!")), "requests" in sys.modules)
"""


def test_nothing_is_downloaded(tmp_path: Path) -> None:
    environ = {"TIKTOKEN_CACHE_DIR": str(tmp_path), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", FORBIDDEN], capture_output=True, text=True, timeout=10, check=True, env=environ
    )
    assert done.stdout.split() == ["6", "False"]
    assert list(tmp_path.iterdir()) == []


def damaged(tmp_path: Path, data: bytes) -> None:
    (tmp_path / f"{CL100K}.xz").write_bytes(data)


@pytest.mark.parametrize("cut", [0, 1000])
def test_a_damaged_vocabulary_is_refused_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int) -> None:
    data = files("fastproxy.providers").joinpath(f"{CL100K}.xz").read_bytes()
    if cut:
        damaged(tmp_path, data[:-cut])
    monkeypatch.setattr(vocabulary, "files", lambda _: tmp_path)
    encoder.cache_clear()
    with pytest.raises(ConfigError, match=CL100K):
        encoder(CL100K)
