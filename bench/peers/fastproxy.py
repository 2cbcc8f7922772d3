"""fastproxy itself: the edge route, or the unified entry with key, channel by model, and usage counted."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from bench import traffic
from bench.peers.peer import MESSAGES_BASE, Absent, Job, Launch, Peer, Sort, said

COMMAND = str(Path(sys.executable).with_name("fastproxy"))

_CONFIG = """\
listen: 127.0.0.1:{port}
admin: "off"
workers: {workers}
limits: {{max_connections: {connections}, pool_max_connections: {connections}, drain_timeout: 1s}}
"""
_EDGE = """\
routes:
  - match: {{path: /}}
    upstream: ["{scheme}://127.0.0.1:{upstream_port}"]
    request_headers: {{authorization: "Bearer {key}"}}
"""
_UNIFIED = """\
channels:
  - {{name: bench, provider: {provider}, keys: ["{key}"], models: [gpt-5],{ca}
     base_url: "{scheme}://127.0.0.1:{upstream_port}{base}"}}
keys:
  - {{name: client, key: {client_key}, models: ["*"]}}
"""


def _text(folder: Path, port: int, job: Job) -> str:
    text = _CONFIG + (_UNIFIED if job.unified else _EDGE)
    if job.upstream_tls and not job.unified:
        text += "    ca_file: {folder}/ca.pem\n"
    if job.client_tls:
        text += "tls: {{cert: {folder}/cert.pem, key: {folder}/key.pem}}\n"
    return text.format(
        folder=folder,
        ca=f" ca_file: {folder}/ca.pem," if job.upstream_tls else "",
        port=port,
        workers=job.workers,
        connections=max(10_000, job.sockets // 2),
        scheme=job.upstream_scheme,
        provider="anthropic" if job.messages else "openai",
        base=MESSAGES_BASE if job.messages else "/v1",
        upstream_port=job.upstream_port,
        key=traffic.UPSTREAM_KEY,
        client_key=traffic.CLIENT_KEY,
    )


def _launch(name: str, folder: Path, port: int, job: Job) -> Launch:
    config = folder / f"{name}.yaml"
    command = [COMMAND, "serve", "--config", str(config), "--state-dir", str(folder / f"{name}.state")]
    return Launch(command, {config.name: _text(folder, port, job)})


def _version() -> str:
    return said(COMMAND, "--version").rpartition(" ")[2]


PEER = Peer("fastproxy", Sort.BOTH, "this repository", _version, _launch, translates=True)


def of_tree(name: str, tree: Path) -> Peer:
    """The package in another folder, run by this environment: the work tree of an earlier commit, say.

    -P, because otherwise the package in the working directory comes before PYTHONPATH, and is compared with itself.
    """

    def launch(label: str, folder: Path, port: int, job: Job) -> Launch:
        ours = _launch(label, folder, port, job)
        command = [sys.executable, "-P", "-m", "fastproxy", *ours.command[1:]]
        return replace(ours, command=command, environment={"PYTHONPATH": str(tree)})

    def version() -> str:
        if not (tree / "fastproxy" / "__main__.py").is_file():
            raise Absent(f"{tree} holds no fastproxy")
        try:
            return said("git", "-C", str(tree), "rev-parse", "--short", "HEAD")
        except Absent:
            return "no commit"

    return Peer(name, Sort.BOTH, f"the folder {tree.name}", version, launch, translates=True)
