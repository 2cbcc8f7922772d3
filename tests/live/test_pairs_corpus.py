"""Every golden request of every format, sent through a real gateway to the other three vendors: each is taken.

The goldens hold what the scenes do not: custom and built-in tools, unknown fields, sampling, citations, caches. Files
that lie at an address are left out, because a gateway would fetch them and tests need no network.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.live.pairs import CLIENT_KEY, Stage, staged
from tests.live.strict.vendor import FORMATS, UPSTREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live
GOLDEN: Final = Path(__file__).parents[1] / "golden"
PATHS: Final = {"openai-chat": "/v1/chat/completions", "openai-responses": "/v1/responses", "anthropic": "/v1/messages"}
HEADERS: Final = {"authorization": f"Bearer {CLIENT_KEY}", "anthropic-version": "2023-06-01"}
# file → what says no, and why that is right
REFUSED: Final = {
    "openai-responses/request_stateful": "not found",  # the response before it was another gateway's
    "openai-responses/request_prompt_only": "prompt",  # a prompt that is stored at OpenAI means nothing elsewhere
    "openai-chat/request_thinking": "signature",  # signed by nobody here
    # unsigned thoughts may be any model's; this vendor knows its own
    "gemini/request_thinking_budget": "none of ours",
    "gemini/request_thinking_with_tools": "none of ours",
    # what only Google's key opens
    "gemini/request_pdf": "a file of another provider",
    "gemini/request_cached_content": "cachedContent",
}


def requests() -> Iterator[tuple[str, Path]]:
    for client in FORMATS:
        for path in sorted((GOLDEN / client.replace("-", "_")).glob("request_*.json")):
            if not any(far in path.read_text(encoding="utf-8") for far in ("https://example", "gs://", '"file_id"')):
                yield client, path


ROWS: Final = [(client, path, upstream) for client, path in requests() for upstream in UPSTREAMS if upstream != client]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("corpus")) as stage:
        yield stage


def sent(stage: Stage, client: str, body: dict[str, Any], upstream: str) -> tuple[int, str]:
    """Status and body of the reply. Streams are the scenes' business."""
    plain = {name: value for name, value in body.items() if name not in ("stream", "stream_options", "model")}
    if client == "gemini":
        answer = stage.gateway.ask("POST", f"/v1beta/models/on-{upstream}:generateContent", plain, HEADERS)
    else:
        answer = stage.gateway.ask("POST", PATHS[client], {**plain, "model": f"on-{upstream}"}, HEADERS)
    return answer.status, answer.body.decode()


@pytest.mark.parametrize(
    ("client", "path", "upstream"), ROWS, ids=lambda value: value.stem if isinstance(value, Path) else value
)
def test_a_golden_request_is_taken_by_the_other_vendors(stage: Stage, client: str, path: Path, upstream: str) -> None:
    stage.vendor.seen.clear()
    status, text = sent(stage, client, json.loads(path.read_text(encoding="utf-8")), upstream)
    refusal = REFUSED.get(f"{client}/{path.stem}")
    if refusal is not None and status == 400:
        assert refusal in text
        return
    assert (status, stage.vendor.refusals()) == (200, []), text


def test_most_goldens_are_there() -> None:
    assert len(ROWS) > 100
