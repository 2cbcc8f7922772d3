"""Azure's deployment paths: the model in the path, the version in the query, for clients of any format."""

from __future__ import annotations

from typing import Any

import pytest

from fastproxy.snapshot import ChannelSpec, Snapshot
from tests.gateway.gateway_stage import SECRET, Gateway, status_of, warm
from tests.gateway.test_translation import ANSWER, HELLO
from tests.gateway.translating_stage import Translating, body_of
from tests.wire.fakes import wire_of

CHAT: dict[str, Any] = {"model": "gpt 5", "messages": [{"role": "user", "content": "hi"}]}


class Azure(Translating):
    def __init__(self, base_url: str, **more: Any) -> None:
        formats = ("openai-chat", "openai")
        spec = ChannelSpec("az", "azure-openai", base_url, formats, "api-key", ("k",), api_version="2024-10-21", **more)
        Gateway.__init__(self, Snapshot(SECRET, "stage", {}, channels=(spec,), open_to_all=True))
        self.peer = warm(next(iter(self.world.pools.values())))
        self.user = self.client()

    def path(self) -> str:
        return self.upstream_head.split(b" ")[1].decode()


@pytest.mark.parametrize("base", ["http://127.0.0.1:9", "http://127.0.0.1:9/openai/v1"])
@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/v1/chat/completions", CHAT, "/openai/deployments/gpt%205/chat/completions?api-version=2024-10-21"),
        ("/v1/chat/completions?x=1", CHAT, "/openai/deployments/gpt%205/chat/completions?x=1&api-version=2024-10-21"),
        ("/v1/embeddings", {"model": "ada", "input": "a"}, "/openai/deployments/ada/embeddings?api-version=2024-10-21"),
        ("/v1/messages", HELLO | {"model": "gpt/5"},
         "/openai/deployments/gpt%2F5/chat/completions?api-version=2024-10-21"),
    ],
)  # fmt: skip
def test_the_model_is_in_the_path(base: str, path: str, body: dict[str, Any], expected: str) -> None:
    stage = Azure(base)
    stage.asks(path, body)
    assert stage.path() == expected
    assert b"api-key: k\r\n" in stage.upstream_head


def test_a_renamed_model_is_the_deployment() -> None:
    stage = Azure("http://127.0.0.1:9", rename={"gpt-5": "prod"}, models=("gpt-5",))
    for _ in range(40):  # no lane may be laid, its path would be another request's
        stage.asks("/v1/chat/completions", CHAT | {"model": "gpt-5"})
        assert stage.path().startswith("/openai/deployments/prod/chat/completions?")
        assert status_of(stage.replies(ANSWER)) == 200
    assert stage.user.lane is None


def test_a_request_without_a_model_is_refused() -> None:
    stage = Azure("http://127.0.0.1:9")
    stage.asks("/v1/moderations", {"input": "a"})
    refused = stage.got()
    assert (status_of(refused), body_of(refused)["error"]["param"]) == (400, "model")
    assert wire_of(stage.peer).take() == b""
