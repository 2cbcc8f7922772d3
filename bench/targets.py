"""The programs that are compared, each configured to do the same job with one worker: nginx and fastproxy.

Both keep connections to the upstream alive, replace the Authorization field, write no access log and buffer no reply.
In the unified jobs nginx still only relays, while fastproxy also checks the client's key, chooses the channel by model
and reads the usage: the ratio there is the price of the work, not of the relay.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import processes, traffic

if TYPE_CHECKING:
    from collections.abc import Iterator

FASTPROXY = str(Path(sys.executable).with_name("fastproxy"))


@dataclass(frozen=True, slots=True)
class Job:
    """What a proxy is to do: which upstream port, TLS on which side, plain relay or the gateway's entry."""

    upstream_port: int
    upstream_tls: bool = False
    client_tls: bool = False
    unified: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A running proxy."""

    name: str
    port: int
    pid: int


_NGINX = """\
{user}
worker_processes 1;
worker_rlimit_nofile 16384;
daemon off;
pid {folder}/{name}.pid;
error_log {folder}/{name}.log error;
events {{ worker_connections 12288; }}
http {{
  access_log off;
  client_body_temp_path {folder}/{name}.body;
  proxy_temp_path {folder}/{name}.proxy;
  fastcgi_temp_path {folder}/{name}.other;
  uwsgi_temp_path {folder}/{name}.other;
  scgi_temp_path {folder}/{name}.other;
  client_body_buffer_size 128k;
  keepalive_requests 1000000000;
  keepalive_timeout 75s;
  upstream up {{
    server 127.0.0.1:{upstream_port};
    keepalive 512;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port}{listen_tls} backlog=4096;
    {client_tls}
    location / {{
      proxy_pass {scheme}://up;
      proxy_http_version 1.1;
      proxy_buffering off;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header Authorization "Bearer {key}";
      {upstream_tls}
    }}
  }}
}}
"""

_FASTPROXY = """\
listen: 127.0.0.1:{port}
admin: "off"
workers: 1
limits: {{max_connections: 10000, pool_max_connections: 10000, drain_timeout: 1s}}
"""
_EDGE = """\
routes:
  - match: {{path: /}}
    upstream: ["{scheme}://127.0.0.1:{upstream_port}"]
    request_headers: {{authorization: "Bearer {key}"}}
"""
_UNIFIED = """\
channels:
  - {{name: bench, provider: openai, keys: ["{key}"], models: [gpt-5],
     base_url: "{scheme}://127.0.0.1:{upstream_port}/v1"}}
keys:
  - {{name: client, key: {client_key}, models: ["*"]}}
"""


def _nginx_text(name: str, folder: Path, port: int, job: Job) -> str:
    verify = (
        f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {folder}/ca.pem; "
        "proxy_ssl_name localhost; proxy_ssl_server_name on; proxy_ssl_protocols TLSv1.3;"
    )
    own = f"ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem; ssl_protocols TLSv1.3;"
    return _NGINX.format(
        user="user root;" if os.geteuid() == 0 else "",
        name=name,
        folder=folder,
        port=port,
        upstream_port=job.upstream_port,
        scheme="https" if job.upstream_tls else "http",
        upstream_tls=verify if job.upstream_tls else "",
        listen_tls=" ssl" if job.client_tls else "",
        client_tls=own if job.client_tls else "",
        key=traffic.UPSTREAM_KEY,
    )


def _fastproxy_text(folder: Path, port: int, job: Job) -> str:
    text = _FASTPROXY + (_UNIFIED if job.unified else _EDGE)
    if job.upstream_tls:
        text = (
            text.replace("models: [gpt-5],", "models: [gpt-5], ca_file: {ca},")
            if job.unified
            else text + "    ca_file: {ca}\n"
        )
    if job.client_tls:
        text += "tls: {{cert: {folder}/cert.pem, key: {folder}/key.pem}}\n"
    return text.format(
        folder=folder,
        ca=folder / "ca.pem",
        port=port,
        scheme="https" if job.upstream_tls else "http",
        upstream_port=job.upstream_port,
        key=traffic.UPSTREAM_KEY,
        client_key=traffic.CLIENT_KEY,
    )


@contextmanager
def nginx(folder: Path, job: Job, name: str = "nginx") -> Iterator[Target]:
    port = processes.free_port()
    config = folder / f"{name}.conf"
    config.write_text(_nginx_text(name, folder, port, job), encoding="utf-8")
    command = [processes.need("nginx"), "-p", str(folder), "-c", str(config), "-e", str(folder / f"{name}.log")]
    with processes.running(command, processes.PROXY_CPU, port, folder / f"{name}.out") as pid:
        yield Target(name, port, pid)


@contextmanager
def fastproxy(folder: Path, job: Job) -> Iterator[Target]:
    port = processes.free_port()
    config = folder / "fastproxy.yaml"
    config.write_text(_fastproxy_text(folder, port, job), encoding="utf-8")
    command = [FASTPROXY, "serve", "--config", str(config), "--state-dir", str(folder / "state")]
    with processes.running(command, processes.PROXY_CPU, port, folder / "fastproxy.out") as pid:
        yield Target("fastproxy", port, pid)


@contextmanager
def upstream(folder: Path, *, tls: bool = False) -> Iterator[Target]:
    """The provider stand-in, on the core of the load."""
    port = processes.free_port()
    command = [sys.executable, "-m", "bench.upstream", str(port)]
    command += [str(folder / "cert.pem"), str(folder / "key.pem")] if tls else []
    with processes.running(command, processes.LOAD_CPU, port, folder / "upstream.out") as pid:
        yield Target("upstream", port, pid)
