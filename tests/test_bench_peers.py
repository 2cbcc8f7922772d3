"""Every peer is told to do the same job; what cannot be had or cannot do it is absent with a reason."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from bench import compare, configs, traffic
from bench.peers import installed, registry
from bench.peers.fastproxy import of_tree
from bench.peers.peer import Absent, Job, Launch, Peer, Sort, said

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = Job(18_080)
TLS = Job(18_080, upstream_tls=True, client_tls=True)
UNIFIED = Job(18_080, unified=True)
PROXIES = [peer for peer in registry.ALL if peer.sort is Sort.PROXY]
GATEWAYS = [peer for peer in registry.ALL if peer.sort is Sort.GATEWAY]


@pytest.fixture(autouse=True)
def _nothing_is_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Texts do not need the programs: pretend that all are there."""
    monkeypatch.setattr(installed, "debian", lambda command: f"/usr/bin/{command}")
    monkeypatch.setattr(installed, "npm", lambda name, package: tmp_path / name)
    monkeypatch.setattr("bench.peers.envoy._command", lambda: "/usr/bin/envoy")


def text_of(peer: Peer, folder: Path, job: Job) -> str:
    return "\n".join(peer.launch(peer.name, folder, 28_080, job).configs.values())


@pytest.mark.parametrize("peer", [*PROXIES, registry.FASTPROXY], ids=lambda peer: peer.name)
def test_a_proxy_replaces_the_key_and_relays_to_the_upstream(peer: Peer, tmp_path: Path) -> None:
    text = text_of(peer, tmp_path, PLAIN)
    assert f"Bearer {traffic.UPSTREAM_KEY}" in text
    assert "18080" in text
    assert "28080" in text
    assert "cert.pem" not in text


@pytest.mark.parametrize("peer", [*PROXIES, registry.FASTPROXY], ids=lambda peer: peer.name)
def test_a_proxy_verifies_the_upstream_and_has_a_certificate(peer: Peer, tmp_path: Path) -> None:
    text = text_of(peer, tmp_path, TLS)
    assert f"{tmp_path}/ca.pem" in text
    assert f"{tmp_path}/cert.pem" in text or f"{tmp_path}/bundle.pem" in text


@pytest.mark.parametrize("peer", GATEWAYS, ids=lambda peer: peer.name)
def test_a_gateway_does_its_unified_entry_and_says_no_to_the_rest(peer: Peer, tmp_path: Path) -> None:
    assert traffic.UPSTREAM_KEY in text_of(peer, tmp_path, UNIFIED)
    for job in (PLAIN, dataclasses.replace(UNIFIED, upstream_tls=True)):
        with pytest.raises(Absent, match="unified entry"):
            peer.launch(peer.name, tmp_path, 28_080, job)


def test_configurations_in_yaml_and_json_are_well_formed(tmp_path: Path) -> None:
    for peer in registry.ALL:
        for job in (PLAIN, TLS, UNIFIED):
            if job in (PLAIN, TLS) and peer.sort is Sort.GATEWAY:
                continue
            for name, text in peer.launch(peer.name, tmp_path, 28_080, job).configs.items():
                if name.endswith(("yaml", "json")):
                    assert isinstance(yaml.safe_load(text), dict), (peer.name, name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nginx", "worker_processes 2;"),
        ("haproxy", "nbthread 2"),
        ("fastproxy", "workers: 2"),
        ("envoy", "--concurrency 2"),
        ("caddy", "GOMAXPROCS=2"),
    ],
)
def test_two_workers_are_two_workers(name: str, words: str, tmp_path: Path) -> None:
    peer = next(peer for peer in registry.ALL if peer.name == name)
    launch = peer.launch(name, tmp_path, 28_080, dataclasses.replace(PLAIN, workers=2))
    environment = [f"{key}={value}" for key, value in launch.environment.items()]
    assert words in " ".join([*launch.configs.values(), *launch.command, *environment])


def test_portkey_is_configured_by_a_header_field_of_the_client(tmp_path: Path) -> None:
    portkey = next(peer for peer in registry.ALL if peer.name == "portkey")
    fields = dict(portkey.launch("portkey", tmp_path, 28_080, UNIFIED).client_fields)
    assert json.loads(fields["x-portkey-config"])["custom_host"] == "http://127.0.0.1:18080/v1"
    with pytest.raises(Absent, match="several workers"):
        portkey.launch("portkey", tmp_path, 28_080, dataclasses.replace(UNIFIED, workers=2))


def test_an_absent_peer_is_told_with_its_reason() -> None:
    def gone() -> str:
        raise Absent("no such wheel for this machine")

    def never(*_: object) -> Launch:
        raise AssertionError("an absent peer is not started")

    broken = Peer("broken", Sort.PROXY, "nowhere", gone, never)
    sound = Peer("sound", Sort.PROXY, "here", lambda: "1.0", never)
    there, facts = registry.prepare([broken, sound])
    assert there == (sound,)
    assert facts["broken"]["absent"] == "no such wheel for this machine"
    assert facts["sound"]["version"] == "1.0"


def test_another_tree_is_the_one_that_runs(tmp_path: Path) -> None:
    package = tmp_path / "before" / "fastproxy"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("import sys; print('before', *sys.argv[1:3])", encoding="utf-8")
    peer = of_tree("before", package.parent)
    started = peer.launch("before", tmp_path, 28_080, PLAIN)
    environment = dict(os.environ) | dict(started.environment)
    done = subprocess.run(started.command, env=environment, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "before serve --config\n"
    assert (started.configs, peer.version()) == (registry.FASTPROXY.launch("before", tmp_path, 28_080, PLAIN).configs,
                                                 "no commit")  # fmt: skip


def test_a_folder_without_fastproxy_is_absent(tmp_path: Path) -> None:
    there, facts = registry.prepare([of_tree("before", tmp_path)])
    assert there == ()
    assert "holds no fastproxy" in facts["before"]["absent"]


@pytest.mark.parametrize("text", ["before", "=folder", "before=", "nginx=folder", "fastproxy=folder", "a b=folder"])
def test_a_tree_has_a_name_of_its_own_and_a_folder(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        compare.main(["--tree", text])
    assert "NAME=FOLDER is expected" in capsys.readouterr().err


def test_a_program_that_is_not_there_is_absent() -> None:
    with pytest.raises(Absent, match="does not run"):
        said("/nowhere/at/all", "--version")


def test_the_pair_always_runs_and_gateways_only_where_they_can() -> None:
    some = registry.by_name(["envoy", "litellm"])
    assert [peer.name for peer in some] == ["nginx", "fastproxy", "envoy", "litellm"]
    assert [peer.name for peer in registry.able(some, unified=False)] == ["nginx", "fastproxy", "envoy"]
    assert registry.able(some, unified=True) == some


def test_the_results_keep_each_configuration_once_without_ports_and_folders(tmp_path: Path) -> None:
    kept: dict[str, str] = {}
    for case, port in (("one", 41_234), ("two", 45_678)):
        folder = tmp_path / case
        folder.mkdir()
        (folder / "nginx.conf").write_text(
            f"listen 127.0.0.1:{port}; server 127.0.0.1:{port + 1}; log {folder}/x; 16384;"
        )
        (folder / "key.pem").write_text("secret")
        configs.collect(folder, kept)
    assert kept == {"one/nginx.conf": "listen 127.0.0.1:PORT; server 127.0.0.1:PORT; log FOLDER/x; 16384;"}
