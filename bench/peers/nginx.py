"""nginx, the reference of every ratio: no buffering of replies, kept upstream connections, no access log.

`client_body_buffer_size` holds the largest prompt of the cases, so that none is written to a temporary file. In the
unified cases nginx only relays: the ratio there is the price of the gateway's work.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bench import traffic
from bench.peers import installed
from bench.peers.peer import Job, Launch, Peer, Sort, said

if TYPE_CHECKING:
    from pathlib import Path

PLENTY = 12_288
_CONFIG = """\
{user}
worker_processes {workers};
worker_rlimit_nofile {files};
daemon off;
pid {folder}/{name}.pid;
error_log {folder}/{name}.log error;
events {{ worker_connections {sockets}; }}
http {{
  access_log off;
  client_body_temp_path {folder}/{name}.body;
  proxy_temp_path {folder}/{name}.proxy;
  fastcgi_temp_path {folder}/{name}.other;
  uwsgi_temp_path {folder}/{name}.other;
  scgi_temp_path {folder}/{name}.other;
  client_body_buffer_size 512k;
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


def _text(name: str, folder: Path, port: int, job: Job) -> str:
    verify = (
        f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {folder}/ca.pem; "
        "proxy_ssl_name localhost; proxy_ssl_server_name on; proxy_ssl_protocols TLSv1.3;"
    )
    own = f"ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem; ssl_protocols TLSv1.3;"
    return _CONFIG.format(
        user="user root;" if os.geteuid() == 0 else "",
        workers=job.workers,
        name=name,
        folder=folder,
        files=job.sockets + 4096 if job.sockets < 16_000 else job.sockets,
        # when fewer than a sixteenth are free, nginx closes connections that have not sent a request yet
        sockets=job.sockets if job.sockets <= PLENTY else job.sockets * 5 // 4,
        port=port,
        upstream_port=job.upstream_port,
        scheme=job.upstream_scheme,
        upstream_tls=verify if job.upstream_tls else "",
        listen_tls=" ssl" if job.client_tls else "",
        client_tls=own if job.client_tls else "",
        key=traffic.UPSTREAM_KEY,
    )


def _launch(name: str, folder: Path, port: int, job: Job) -> Launch:
    config = folder / f"{name}.conf"
    command = [installed.debian("nginx"), "-p", str(folder), "-c", str(config), "-e", str(folder / f"{name}.log")]
    return Launch(command, {config.name: _text(name, folder, port, job)})


def _version() -> str:
    return said(installed.debian("nginx"), "-v").rpartition("/")[2]


PEER = Peer("nginx", Sort.PROXY, "Debian package nginx", _version, _launch)
