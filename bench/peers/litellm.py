"""LiteLLM's proxy: one worker, a master key, no database and no callbacks, production mode, errors only in its log.

That is less than it would do in production (keys and spend in PostgreSQL), so it is its best case. Its price list is
the one that came with the package: nothing is fetched at start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import traffic
from bench.peers import installed
from bench.peers.peer import Absent, Job, Launch, Peer, Sort, said

if TYPE_CHECKING:
    from pathlib import Path

REQUIREMENT = "litellm[proxy]==1.106.2"
START_S = 90.0
WARM_S = 3.0

_CONFIG = """\
model_list:
  - model_name: gpt-5
    litellm_params:
      model: openai/gpt-5
      api_base: http://127.0.0.1:{upstream_port}/v1
      api_key: {key}
litellm_settings:
  request_timeout: 600
  set_verbose: false
  num_retries: 0
general_settings:
  master_key: {client_key}
  disable_error_logs: true
"""
_ENVIRONMENT = {
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "ERROR",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_TELEMETRY": "False",
}


def _launch(name: str, folder: Path, port: int, job: Job) -> Launch:
    if job.upstream_tls or job.client_tls or not job.unified:
        raise Absent("compared on its unified entry over plain HTTP only")
    if job.messages:
        raise Absent("set up here for an upstream of chat completions only")
    config = folder / f"{name}.yaml"
    text = _CONFIG.format(upstream_port=job.upstream_port, key=traffic.UPSTREAM_KEY, client_key=traffic.CLIENT_KEY)
    command = [str(installed.pip_folder("litellm") / "bin" / "litellm"), "--config", str(config)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--num_workers", str(job.workers)]
    return Launch(command, {config.name: text}, _ENVIRONMENT, start_s=START_S, warm_s=WARM_S)


def _version() -> str:
    code = "import importlib.metadata as m; print(m.version('litellm'))"
    return said(str(installed.pip_folder("litellm") / "bin" / "python"), "-c", code)


def _install() -> None:
    installed.pip("litellm", REQUIREMENT)


PEER = Peer("litellm", Sort.GATEWAY, f"PyPI {REQUIREMENT}", _version, _launch, _install, translates=True)
