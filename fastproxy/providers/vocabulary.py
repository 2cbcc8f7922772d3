"""OpenAI's tokenizers, exactly and offline: tiktoken with the vocabularies that are shipped here.

tiktoken's own way to an encoding downloads its vocabulary, and deletes a cached one that it does not like before it
downloads it again. So it is never asked for one: it gets the words from our files (deploy/make_vocabulary.py says what
they are made from) and the patterns below, which are those of tiktoken_ext/openai_public.py, version 0.14.

    vocabulary     file      loads in   memory
    o200k_base     816 KB    0.25 s     75 MB      GPT-4o and everything newer
    cl100k_base    376 KB    0.13 s     40 MB      GPT-4, GPT-3.5, embeddings

Nothing is loaded, and tiktoken is not imported, before the first `encoder`. 0.2 s of the loading hold the interpreter,
whichever thread does it. A process that is forked afterwards shares the memory: counting writes nothing to it.
"""

from __future__ import annotations

import lzma
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from fastproxy.errors import ConfigError
from fastproxy.formats.tokens import CL100K, O200K

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES: Final = {O200K: 199_998, CL100K: 100_256}  # tokens
_ENDINGS: Final = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
PATTERNS: Final = {
    O200K: "|".join(
        (
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+" + _ENDINGS,
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*" + _ENDINGS,
            r"\p{N}{1,3}",
            r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
            r"\s*[\r\n]+",
            r"\s+(?!\S)",
            r"\s+",
        )
    ),
    CL100K: (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]"
        r"|\s+(?!\S)|\s"
    ),
}


@cache
def encoder(name: str) -> Callable[[str], list[int]]:
    """What makes tokens of a text; markers like <|endoftext|> in it are text. Not for the event loop: it may load.

    Raises: ConfigError when the installation is damaged.
    """
    from tiktoken.core import Encoding  # 3 MB that most workers never need

    try:
        ranks = read_ranks(name)
    except (OSError, lzma.LZMAError) as error:
        raise ConfigError(f"the vocabulary {name} cannot be read: {error}") from None
    if len(ranks) != SIZES[name]:
        raise ConfigError(f"the vocabulary {name} has {len(ranks)} tokens, expected {SIZES[name]}")
    return Encoding(name, pat_str=PATTERNS[name], mergeable_ranks=ranks, special_tokens={}).encode_ordinary


def read_ranks(name: str) -> dict[bytes, int]:
    """Every token of a vocabulary with its rank. Raises: OSError, lzma.LZMAError."""
    data = lzma.decompress(files("fastproxy.providers").joinpath(f"{name}.xz").read_bytes())
    size = SIZES[name]
    ranks: dict[bytes, int] = {}
    at = size
    for rank, length in enumerate(data[:size]):
        ranks[data[at : at + length]] = rank
        at += length
    return ranks


def preload() -> None:
    """Load all of them, so that processes forked from this one share them. Raises: ConfigError."""
    for name in SIZES:
        encoder(name)
