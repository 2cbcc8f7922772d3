"""Portkey's gateway on Node, headless. Its configuration travels in a header field of every request.

Its package has no mode with several workers. On Node 20 it answers streams with 500 (`TypeError: immutable`), for every
provider name; the run then says so instead of showing a figure.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bench import traffic
from bench.peers import installed
from bench.peers.peer import Absent, Job, Launch, Peer, Sort, said

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = "@portkey-ai/gateway@1.15.2"
START_S = 30.0
WARM_S = 8.0  # a request costs a third after some thousand of them


def _entry() -> Path:
    return installed.npm("portkey", PACKAGE) / "@portkey-ai" / "gateway"


def _launch(name: str, folder: Path, port: int, job: Job) -> Launch:
    if job.upstream_tls or job.client_tls or not job.unified:
        raise Absent("compared on its unified entry over plain HTTP only")
    if job.messages:
        raise Absent("set up here for an upstream of chat completions only")
    if job.workers > 1:
        raise Absent("has no mode with several workers")
    config = json.dumps(
        {
            "provider": "openai",
            "api_key": traffic.UPSTREAM_KEY,
            "custom_host": f"http://127.0.0.1:{job.upstream_port}/v1",
        },
        separators=(",", ":"),
    )
    command = [installed.debian("node"), str(_entry() / "build" / "start-server.js"), f"--port={port}", "--headless"]
    fields = (("x-portkey-config", config),)
    return Launch(command, {f"{name}.json": config}, {"NODE_ENV": "production"}, fields, START_S, WARM_S)


def _version() -> str:
    package = json.loads((_entry() / "package.json").read_text(encoding="utf-8"))
    return f"{package['version']} on Node {said(installed.debian('node'), '--version').removeprefix('v')}"


def _install() -> None:
    _entry()


PEER = Peer("portkey", Sort.GATEWAY, f"npm {PACKAGE}", _version, _launch, _install)
