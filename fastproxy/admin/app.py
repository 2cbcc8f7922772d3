"""The admin plane's web application: puts the routes, the metrics and the guard together.

Never opens a socket of the data plane and never writes a cell: what it knows of the workers it reads from the arena. It
may be created many times in one process (tests do); it keeps no module state.
"""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response

from fastproxy.admin.access import Access, Guard
from fastproxy.admin.api.channels import channel_routes
from fastproxy.admin.api.convert import convert_routes
from fastproxy.admin.api.groups import group_routes
from fastproxy.admin.api.keys import key_routes
from fastproxy.admin.api.logs import log_routes
from fastproxy.admin.api.models import model_routes
from fastproxy.admin.api.node import node_routes
from fastproxy.admin.api.publications import publication_routes
from fastproxy.admin.metrics import NodeCollector, render
from fastproxy.admin.page import PAGE_POLICY, docs_page, front_page
from fastproxy.admin.replies import add_handlers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastproxy.admin.plane import Plane
    from fastproxy.admin.view import Node

_TENANTS = (group_routes, key_routes, channel_routes, model_routes, publication_routes, log_routes)


def installed_version() -> str:
    """Return the version from the package's metadata; a source tree that was never installed has none."""
    try:
        return importlib.metadata.version("fastproxy")
    except importlib.metadata.PackageNotFoundError:
        return "0+source"


def create_app(node: Node, access: Access, version: str | None = None, plane: Plane | None = None) -> FastAPI:
    """Build the application over one node; `access` says who may use it. Without a plane it shows the node only."""
    version = version or installed_version()
    # docs_url and redoc_url of FastAPI load scripts from a CDN; /docs below needs nothing from outside.
    app = FastAPI(title="fastproxy", version=version, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.add_middleware(Guard, access=access)
    app.include_router(node_routes(node, version, plane))
    app.include_router(convert_routes())
    if plane is not None:
        for routes in _TENANTS:
            app.include_router(routes(plane))
    _add_metrics(app, NodeCollector(node, version, plane))
    _add_pages(app, version)
    add_handlers(app)
    return app


def _add_metrics(app: FastAPI, collector: NodeCollector) -> None:
    # Not `async`: a scrape takes milliseconds and reads /proc, so it runs beside the loop, in a thread.
    @app.get("/metrics", summary="Prometheus metrics (text 0.0.4, or OpenMetrics when asked for)")
    def metrics(request: Request) -> Response:
        body, content_type = render(collector, request.headers.get("accept", ""))
        return Response(body, media_type=content_type)


def _add_pages(app: FastAPI, version: str) -> None:
    policy = {"content-security-policy": PAGE_POLICY}

    @app.get("/", include_in_schema=False)
    async def front() -> HTMLResponse:
        return HTMLResponse(front_page(version), headers=policy)

    @app.get("/swagger/index.html", include_in_schema=False)
    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(_operations(app)), headers=policy)


def _operations(app: FastAPI) -> Iterator[tuple[str, str, str]]:
    for path, methods in sorted(app.openapi()["paths"].items()):
        for method, operation in sorted(methods.items()):
            yield method.upper(), path, operation.get("summary", "")
