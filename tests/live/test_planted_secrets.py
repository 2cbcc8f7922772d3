"""No secret that was put in comes out again: every byte of what is stored, said and answered is searched for them."""

from __future__ import annotations

import base64
import json
import secrets
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.admin.postgres import database_url, postgres_url
from tests.live.running import Gateway, until
from tests.loadtest.mock_process import ask

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.loadtest.mock_process import Answer

__all__ = ["database_url", "postgres_url"]
pytestmark = [pytest.mark.live, pytest.mark.timeout(90)]

CHOICE: Final = {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
PAGES: Final = (
    "/metrics", "/openapi.json", "/api/health", "/api/health/detailed", "/api/status", "/api/system/info",
    "/api/groups", "/api/keys", "/api/channels", "/api/models", "/api/publications", "/api/logs?limit=100",
)  # fmt: skip


class Echo(BaseHTTPRequestHandler):
    """An upstream that complains about the key it was sent, in full, as some do."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        status, said = 200, {"id": "x", "object": "chat.completion", "choices": [CHOICE]} | {
            "model": body["model"], "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
        }  # fmt: skip
        if body["model"] == "refused":
            given = self.headers["authorization"]
            status, said = (
                401,
                {"error": {"message": f"Incorrect API key provided: {given}", "code": "invalid_api_key"}},
            )
        text = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Silent."""


@contextmanager
def echoing() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Said:
    """Everything that was answered, and by whom."""

    def __init__(self, gateway: Gateway, admin_key: str) -> None:
        self.gateway = gateway
        self.admin_key = admin_key
        self.pages: dict[str, bytes] = {}

    def chat(self, model: str, headers: Mapping[str, str], query: str = "", prompt: str = "hi") -> Answer:
        body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": prompt}]}
        path = "/v1/messages" if "anthropic-version" in headers else "/v1/chat/completions"
        body |= {"max_tokens": 9} if path == "/v1/messages" else {}
        reply = self.gateway.ask("POST", f"{path}{query}", body, headers)
        self.pages[f"{path} {len(self.pages)}"] = repr(reply).encode()
        return reply

    def admin(self, method: str, path: str, body: object = None, key: str = "") -> Answer:
        headers = {"host": "localhost", "authorization": f"Bearer {key or self.admin_key}"}
        reply: Answer = ask(self.gateway.admin, method, path, body, headers)
        return reply

    def looks(self, method: str, path: str, body: object = None, key: str = "") -> Answer:
        reply = self.admin(method, path, body, key)
        self.pages[f"{method} {path} {len(self.pages)}"] = repr(reply).encode()
        return reply


def shapes(secret: str) -> list[bytes]:
    """A secret as it might stand somewhere: as it is, in hex, in base64 at any of three places."""
    raw = secret.encode()
    inner = [base64.b64encode(b"x" * shift + raw)[4:-4] for shift in range(3)]
    return [raw, raw.hex().encode(), *inner]


def found(planted: Mapping[str, str], places: Mapping[str, bytes]) -> list[str]:
    return [
        f"{name} in {place}"
        for name, secret in planted.items()
        for place, data in places.items()
        if any(shape in data for shape in shapes(secret))
    ]


def test_nothing_that_was_planted_is_found_again(tmp_path: Path, database_url: str) -> None:
    planted = {name: f"sk-{name}-{secrets.token_hex(12)}" for name in
               ("file-key", "file-upstream", "credential", "wrong", "prompt")}  # fmt: skip
    planted["admin"] = f"admin-{secrets.token_hex(12)}"
    planted["master"] = secrets.token_hex(32)
    if "@" in database_url:
        planted["database"] = database_url.partition("://")[2].partition("@")[0].partition(":")[2]
    with echoing() as upstream:
        config: dict[str, Any] = {
            "channels": [{"name": "file", "provider": "openai", "keys": [planted["file-upstream"]],
                          "base_url": upstream, "models": ["m", "refused"]}],
            "keys": [{"name": "file", "key": planted["file-key"]}],
            "bodies": "all", "access_log": "json", "migrate": True,
            "database": database_url, "ledger": {"database": database_url},
        }  # fmt: skip
        environ = {"FASTPROXY_ADMIN_KEY": planted["admin"], "FASTPROXY_MASTER_KEY": planted["master"]}
        with Gateway(tmp_path, config=config, environ=environ) as gateway:
            said = Said(gateway, planted["admin"])
            until(lambda: said.admin("GET", "/api/groups").status == 200, 20)
            planted |= play(said, upstream, planted)
            until(lambda: len(said.admin("GET", "/api/logs?limit=100").json["items"]) >= 12, 20)
            for page in PAGES:
                assert said.looks("GET", page).status == 200, page
            for item in said.admin("GET", "/api/logs?limit=100").json["items"]:
                assert said.looks("GET", f"/api/logs/{item['request_id']}").status == 200
            dump = said.pages | stored(tmp_path)
            assert found(planted, dump) == []
        assert found(planted, stored(tmp_path)) == []


def play(said: Said, upstream: str, planted: Mapping[str, str]) -> dict[str, str]:
    """Everything that has to do with a secret; returns those that the gateway made itself."""
    assert said.admin("POST", "/api/groups", {"name": "team"}).status == 201
    channel = {"name": "stored", "provider": "openai", "base_url": upstream, "models": ["other", "refused"],
               "credentials": [{"label": "one", "secret": planted["credential"]}]}  # fmt: skip
    assert said.looks("POST", "/api/channels", channel).status == 201
    assert said.looks("POST", "/api/channels", channel).status == 409
    assert said.looks("POST", "/api/channels", channel | {"name": "two", "weight": "heavy"}).status == 422
    made = said.admin("POST", "/api/keys", {"name": "ci", "group": "team"})
    assert made.status == 201
    rotated = said.admin("POST", f"/api/keys/{made.json['id']}/rotate", {"grace": 3600})
    assert rotated.status == 200
    ours = {"made": made.json["secret"], "rotated": rotated.json["secret"]}
    for secret in (planted["file-key"], ours["made"], ours["rotated"]):
        for model in ("m", "other", "refused"):
            said.chat(model, {"authorization": f"Bearer {secret}"}, prompt=f"my key is {planted['prompt']}")
            said.chat(model, {"x-api-key": secret, "anthropic-version": "2023-06-01"})
        said.chat("m", {}, f"?key={secret}")
        said.chat("m", {"x-api-key": secret}, f"?api_key={planted['wrong']}")
    for headers in ({"authorization": f"Bearer {planted['wrong']}"}, {"x-goog-api-key": planted["wrong"]}):
        assert said.chat("m", headers).status == 401
    assert said.looks("GET", "/api/keys", key=planted["wrong"]).status == 401
    return ours


def stored(place: Path) -> dict[str, bytes]:
    """Every file below the gateway's place but the configuration that the operator wrote."""
    files = [path for path in place.rglob("*") if path.is_file() and path.name != "fastproxy.yaml"]
    return {str(path.relative_to(place)): path.read_bytes() for path in files}
