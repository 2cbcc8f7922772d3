"""What is asked once and answered whole, in another vendor's shape: a registry. Chat has its own (registry.py).

    operation                               upstream                            asked there as
    embeddings, v2_embed                    gemini                              models/M:batchEmbedContents
    embeddings, embedContent,
      batchEmbedContents, v2_embed          ollama                              api/embed
    embedContent, batchEmbedContents,
      v2_embed                              openai, openai-chat, voyage         embeddings
    v2_embed                                cohere                              v2/embed of its own address
    rerank, v2_rerank                       cohere                              v2/rerank of its own address
    v2_rerank                               openai, voyage                      rerank
    images_generations, images_edits,
      audio_speech, audio_transcriptions,
      audio_translations                    gemini                              models/M:generateContent

An upstream is a vendor's name, or else a format's: what a vendor does differently comes first. What stands in no row is
relayed as it is to whoever speaks the client's format. A way reads the client's body, and gives the question for the
upstream and the function that reads its answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fastproxy.formats import embeddings, images, rerank, speech, transcripts
from fastproxy.formats import embeddings_clients as clients
from fastproxy.formats.question import Question, Wish

Way = Callable[[Wish], Question]
_Read = Callable[[Wish], embeddings.Texts]
_Ask = Callable[[Wish, embeddings.Texts], Question]


def _embedding(read: _Read, ask: _Ask) -> Way:
    return lambda wish: ask(wish, read(wish))


_EMBEDDING_CLIENTS: Final[dict[str, _Read]] = {
    "embeddings": clients.read_openai,
    "embedContent": clients.read_gemini,
    "batchEmbedContents": clients.read_gemini_batch,
    "v2_embed": clients.read_cohere,
}
_EMBEDDING_UPSTREAMS: Final[dict[str, _Ask]] = {
    "openai": embeddings.ask_openai,
    "openai-chat": embeddings.ask_openai,
    "gemini": embeddings.ask_gemini,
    "ollama": embeddings.ask_ollama,
}
# (operation, vendor): what a vendor does in its own way, even where the client's format is spoken
_OF_VENDORS: Final[dict[tuple[str, str], Way]] = {
    ("embedContent", "voyage"): _embedding(clients.read_gemini, embeddings.ask_voyage),
    ("batchEmbedContents", "voyage"): _embedding(clients.read_gemini_batch, embeddings.ask_voyage),
    ("v2_embed", "voyage"): _embedding(clients.read_cohere, embeddings.ask_voyage),
    ("v2_embed", "cohere"): clients.cohere_to_cohere,
    ("rerank", "cohere"): rerank.first_to_cohere,
    ("v2_rerank", "cohere"): rerank.second_to_cohere,
    ("v2_rerank", "voyage"): rerank.second_to_voyage,
}
# (operation, format): of several that a channel speaks, the first of these
_OF_FORMATS: Final[dict[tuple[str, str], Way]] = {
    **{
        (operation, spoken): _embedding(read, ask)
        for operation, read in _EMBEDDING_CLIENTS.items()
        for spoken, ask in _EMBEDDING_UPSTREAMS.items()
        if operation != "embeddings" or ask is not embeddings.ask_openai  # who speaks it, is relayed to
    },
    ("v2_rerank", "openai"): rerank.second_to_jina,
    ("images_generations", "gemini"): images.openai_to_gemini,
    ("images_edits", "gemini"): images.edit_to_gemini,
    ("audio_speech", "gemini"): speech.openai_to_gemini,
    ("audio_transcriptions", "gemini"): transcripts.transcribe,
    ("audio_translations", "gemini"): transcripts.translate,
}
OPERATIONS: Final = frozenset(operation for operation, _ in (*_OF_VENDORS, *_OF_FORMATS))
# Operations that no format has under the path by which they are asked for here: never relayed as they are.
FOREIGN: Final = frozenset(("v2_embed", "v2_rerank"))
_FORMATS: Final = {name: tuple(spoken for own, spoken in _OF_FORMATS if own == name) for name in OPERATIONS}


def way(operation: str, vendor: str, wire_format: str) -> Way | None:
    """How to ask this vendor, which is spoken to in `wire_format`; None when there is no way."""
    return vendor_way(operation, vendor) or _OF_FORMATS.get((operation, wire_format))


def vendor_way(operation: str, vendor: str) -> Way | None:
    return _OF_VENDORS.get((operation, vendor.lower()))


def formats(operation: str) -> tuple[str, ...]:
    """In which it can be asked, the preferred first."""
    return _FORMATS[operation]
