# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service over HTTP: its routes, and one way for everything that goes wrong."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stt_engine import __version__, openai
from stt_engine.errors import RequestError
from stt_engine.metrics import CONTENT_TYPE
from stt_engine.service import Service

ROUTES = ("/health", "/metrics", "/transcribe", openai.ROUTE)


def create_app(service: Service) -> FastAPI:
    """Return the application around one service."""
    app = FastAPI(
        title="stt-engine",
        version=__version__,
        lifespan=service.lifespan,
        # Their pages would load scripts from the internet.
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(Observer, service=service)
    _add_routes(app, service)
    _add_refusals(app, service)
    return app


def _add_routes(app: FastAPI, service: Service) -> None:
    @app.get("/health")
    async def health() -> JSONResponse:
        return service.health()

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(service.metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    @app.post("/transcribe")
    async def transcribe(request: Request) -> Response:
        return await service.transcribe(request)

    @app.post(openai.ROUTE)
    async def transcribe_openai(request: Request) -> Response:
        return await service.transcribe_openai(request)


def _add_refusals(app: FastAPI, service: Service) -> None:
    def refuse(request: Request, error: RequestError) -> JSONResponse:
        return service.refuse(request.url.path, error)

    @app.exception_handler(RequestError)
    async def refused(request: Request, error: RequestError) -> JSONResponse:
        return refuse(request, error)

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, _error: ClientDisconnect) -> JSONResponse:
        said = "the client closed the connection while sending"
        return refuse(request, RequestError(499, "client_gone", said))

    @app.exception_handler(HTTPException)
    async def not_served(request: Request, error: HTTPException) -> JSONResponse:
        answer = refuse(request, RequestError(error.status_code, "not_served", str(error.detail)))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        return refuse(request, RequestError(500, "failed", f"{type(error).__name__}: {error}"))


class Observer:
    """Counts every answer, and closes connections while the service stops."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # What is raised from below is answered with 500 outside of here.
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self.service.admission.draining:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            route = scope["path"] if scope["path"] in ROUTES else "other"
            self.service.metrics.requests.labels(route, str(status)).inc()
