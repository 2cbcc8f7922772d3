"""Workers must not load the control plane: it costs memory in each of them; blocking drivers have no place there."""

from __future__ import annotations

import subprocess
import sys

import pytest

CONTROL_PLANE = frozenset(
    [
        "aiohttp",
        "aiosqlite",
        "alembic",
        "anthropic",
        "asyncpg",
        "cryptography",  # 7 MB, loaded when something is first kept for a client
        "fastapi",
        "openai",
        "prometheus_client",
        "psutil",
        "pydantic",
        "redis",
        "requests",
        "rich",
        "sqlalchemy",
        "starlette",
        "tiktoken",
        "typer",
        "uvicorn",
        "yaml",
    ]
)
DATA_PLANE = ("fastproxy.server.worker", "fastproxy.gateway.serve")


@pytest.mark.parametrize("module", DATA_PLANE)
def test_importing_the_data_plane_loads_none_of_the_control_plane(module: str) -> None:
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=10, check=True)
    loaded = set(done.stdout.split())
    assert "fastproxy" in loaded
    assert loaded & CONTROL_PLANE == set()
