"""Caddy: `flush_interval -1` (no buffering), enough idle upstream connections, GOMAXPROCS as many as its cores.

The default of 32 idle connections a host would make it dial again and again under 64 clients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import traffic
from bench.peers import installed
from bench.peers.peer import Job, Launch, Peer, Sort, said

if TYPE_CHECKING:
    from pathlib import Path

_CONFIG = """\
{{
  admin off
  auto_https off
  default_sni localhost
  log {{
    level ERROR
  }}
}}
{own_scheme}://:{port} {{
  bind 127.0.0.1
  {client_tls}
  reverse_proxy {scheme}://127.0.0.1:{upstream_port} {{
    flush_interval -1
    header_up Authorization "Bearer {key}"
    transport http {{
      compression off
      keepalive 75s
      keepalive_idle_conns 1024
      keepalive_idle_conns_per_host 1024
      {upstream_tls}
    }}
  }}
}}
"""


def _text(folder: Path, port: int, job: Job) -> str:
    return _CONFIG.format(
        own_scheme="https" if job.client_tls else "http",
        port=port,
        client_tls=f"tls {folder}/cert.pem {folder}/key.pem" if job.client_tls else "",
        scheme=job.upstream_scheme,
        upstream_port=job.upstream_port,
        key=traffic.UPSTREAM_KEY,
        upstream_tls=f"tls_trusted_ca_certs {folder}/ca.pem\n      tls_server_name localhost"
        if job.upstream_tls
        else "",
    )


def _launch(name: str, folder: Path, port: int, job: Job) -> Launch:
    config = folder / f"{name}.Caddyfile"
    command = [installed.debian("caddy"), "run", "--config", str(config), "--adapter", "caddyfile"]
    environment = {"GOMAXPROCS": str(job.workers), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    return Launch(command, {config.name: _text(folder, port, job)}, environment)


def _version() -> str:
    return said(installed.debian("caddy"), "version").split()[0].removeprefix("v")


PEER = Peer("caddy", Sort.PROXY, "Debian package caddy", _version, _launch)
