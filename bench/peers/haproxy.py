"""HAProxy: `option http-no-delay` (without it chunks of a stream are held back by 80 to 200 ms), connections reused.

Its manual advises against the option in general because small packets cost more; a stream of tokens is the case that it
is there for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import traffic
from bench.peers import installed
from bench.peers.peer import Job, Launch, Peer, Sort, said

if TYPE_CHECKING:
    from pathlib import Path

_CONFIG = """\
global
  nbthread {workers}
  maxconn {connections}
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout http-keep-alive 75s
  option http-no-delay
  http-reuse always
frontend bench
  bind 127.0.0.1:{port} backlog 4096{client_tls}
  default_backend up
backend up
  http-request set-header Authorization "Bearer {key}"
  server up 127.0.0.1:{upstream_port}{upstream_tls}
"""


def _text(folder: Path, port: int, job: Job) -> str:
    verify = f" ssl verify required ca-file {folder}/ca.pem sni str(localhost) verifyhost localhost ssl-min-ver TLSv1.3"
    return _CONFIG.format(
        workers=job.workers,
        connections=(job.sockets - 200) // 2,
        port=port,
        upstream_port=job.upstream_port,
        client_tls=f" ssl crt {folder}/bundle.pem ssl-min-ver TLSv1.3" if job.client_tls else "",
        upstream_tls=verify if job.upstream_tls else "",
        key=traffic.UPSTREAM_KEY,
    )


def _launch(name: str, folder: Path, port: int, job: Job) -> Launch:
    config = folder / f"{name}.cfg"
    return Launch([installed.debian("haproxy"), "-db", "-f", str(config)], {config.name: _text(folder, port, job)})


def _version() -> str:
    return said(installed.debian("haproxy"), "-v").split()[2]


PEER = Peer("haproxy", Sort.PROXY, "Debian package haproxy", _version, _launch)
