"""The HTTP application: the protocol of TensorFlow Serving and KServe (V1), and a page."""

import asyncio
from pathlib import Path
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from textclf.errors import format_unknown
from textclf.serving.log import JsonLog
from textclf.serving.metrics import CONTENT_TYPE, Metrics
from textclf.serving.middleware import Record, RequestMiddleware, refuse
from textclf.serving.openapi import describe
from textclf.serving.options import (
    MAX_EXPLAINED_CHARACTERS,
    MAX_EXPLAINED_TEXTS,
    RETRY_SECONDS,
    ServerOptions,
)
from textclf.serving.request_body import parse_texts, read_body
from textclf.serving.served_models import ServedModel, ServedModels, Slot
from textclf.serving.worker import PredictionError, QueueFullError

STATIC = Path(__file__).parent / "static"

CLIENT_CLOSED_REQUEST = 499
"""Status of a request whose client disconnected, as in the logs of nginx."""

RETRY_AFTER = {"Retry-After": str(RETRY_SECONDS)}

Result = TypeVar("Result")


class _NameConvertor(Convertor[str]):
    """A part of a path without a colon, which begins the verb, as in ``cnn:predict``."""

    regex = "[^/:]+"

    def convert(self, value: str) -> str:
        """Return the name."""
        return value

    def to_string(self, value: str) -> str:
        """Return the part of the path."""
        return value


register_url_convertor("name", _NameConvertor())


def make_app(
    models: ServedModels,
    options: ServerOptions,
    *,
    metrics: Metrics,
    log: JsonLog,
    is_loopback: bool = True,
) -> ASGIApp:
    """Return the ASGI application.

    Args:
        models: The models, which are loaded.
        options: Limits and times.
        metrics: Metrics of the server.
        log: Log of the server.
        is_loopback: Whether the server listens to this machine only.
    """
    handlers = _Handlers(models, options, metrics)
    app = Starlette(
        routes=[
            Route("/", handlers.show_page),
            Route("/page.css", handlers.show_style),
            Route("/page.js", handlers.show_script),
            Route("/healthz", handlers.show_health),
            Route("/metrics", handlers.show_metrics),
            Route("/openapi.json", handlers.show_description),
            Route("/v1/models", handlers.list_models),
            Route("/v1/models/{name:name}", handlers.show_model),
            Route("/v1/models/{name:name}:predict", handlers.predict, methods=["POST"]),
            Route("/v1/models/{name:name}:explain", handlers.explain, methods=["POST"]),
        ],
        exception_handlers={
            HTTPException: _answer_refused,
            ClientDisconnect: _answer_disconnected,
            QueueFullError: _answer_busy,
            PredictionError: _answer_failed,
            Exception: _answer_unexpected,
        },
    )
    app.router.redirect_slashes = False
    return RequestMiddleware(
        app, metrics=metrics, log=log, token=options.token, is_loopback=is_loopback
    )


class _Handlers:
    """The functions of the routes."""

    def __init__(self, models: ServedModels, options: ServerOptions, metrics: Metrics) -> None:
        self._models, self._options, self._metrics = models, options, metrics
        self._static = {path.name: path.read_bytes() for path in STATIC.iterdir()}

    async def show_page(self, request: Request) -> Response:
        """Return the page to a browser, and to other clients that the server is alive."""
        _record(request).route = "page"
        if "text/html" in request.headers.get("accept", ""):
            return Response(self._static["page.html"], media_type="text/html")
        return JSONResponse({"status": "alive"})  # As KServe answers.

    async def show_style(self, request: Request) -> Response:
        """Return the style of the page."""
        _record(request).route = "page"
        return Response(self._static["page.css"], media_type="text/css")

    async def show_script(self, request: Request) -> Response:
        """Return the script of the page."""
        _record(request).route = "page"
        return Response(self._static["page.js"], media_type="text/javascript")

    async def show_health(self, request: Request) -> Response:
        """Return 200 if all models are ready, otherwise 503."""
        _record(request).route = "healthz"
        ready = {slot.name: slot.model is not None for slot in self._models.slots.values()}
        return JSONResponse({"ready": ready}, 200 if self._models.are_ready else 503)

    async def show_metrics(self, request: Request) -> Response:
        """Return the metrics."""
        _record(request).route = "metrics"
        return Response(self._metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    async def show_description(self, request: Request) -> Response:
        """Return the OpenAPI document."""
        _record(request).route = "openapi"
        return JSONResponse(describe(self._options))

    async def list_models(self, request: Request) -> Response:
        """Return the names of all models."""
        _record(request).route = "models"
        return JSONResponse({"models": [*self._models.slots]})

    async def show_model(self, request: Request) -> Response:
        """Return whether a model is ready, with the keys of KServe and of TensorFlow Serving."""
        slot = self._find_slot(request, "model")
        is_ready = slot.model is not None
        status = {
            "version": str(slot.version),
            "state": "AVAILABLE" if is_ready else "END",
            "status": {
                "error_code": "OK" if is_ready else "INTERNAL",
                "error_message": "" if is_ready else _describe_missing(slot),
            },
        }
        content = {"name": slot.name, "ready": is_ready, "model_version_status": [status]}
        return JSONResponse(content, 200 if is_ready else 503)

    async def predict(self, request: Request) -> Response:
        """Classify texts."""
        slot = self._find_slot(request, "predict")
        texts = await self._read(
            request, self._options.max_texts, max_characters=self._options.max_characters
        )
        predictions = await self._wait(request, _find_model(slot).predict(texts))
        return JSONResponse({"predictions": predictions})

    async def explain(self, request: Request) -> Response:
        """Explain the predicted label of texts."""
        slot = self._find_slot(request, "explain")
        texts = await self._read(
            request, MAX_EXPLAINED_TEXTS, max_characters=MAX_EXPLAINED_CHARACTERS
        )
        results = await self._wait(request, _find_model(slot).explain(texts))
        predictions, explanations = zip(*results, strict=True)
        return JSONResponse({"predictions": predictions, "explanations": explanations})

    def _find_slot(self, request: Request, route: str) -> Slot:
        """Return the model that the path names, and record it."""
        record, name = _record(request), request.path_params["name"]
        record.route = route
        if name not in self._models.slots:
            raise HTTPException(404, format_unknown("model", name[:100], self._models.slots))
        record.model = name
        slot = self._models.slots[name]
        if request.method == "POST":
            _find_model(slot)  # Before the body is read.
        return slot

    async def _read(self, request: Request, max_texts: int, *, max_characters: int) -> list[str]:
        """Return the texts of a request, and record them."""
        body = await read_body(request, self._options)
        texts = parse_texts(body, max_texts=max_texts, max_characters=max_characters)
        record = _record(request)
        record.n_texts = len(texts)
        record.texts = texts if self._options.log_texts else None
        return texts

    async def _wait(self, request: Request, future: "asyncio.Future[Result]") -> Result:
        """Return the result of a future, which is cancelled if the client or the time is gone."""
        # The next message after the body says that the client disconnected.
        gone: asyncio.Future[Any] = asyncio.ensure_future(request.receive())
        try:
            await asyncio.wait(
                (future, gone),
                timeout=self._options.request_seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
        except asyncio.CancelledError:  # After --shutdown-timeout.
            raise HTTPException(503, "the server is stopping") from None
        else:
            if future.done():
                return future.result()
            if gone.done():
                raise ClientDisconnect
            seconds = self._options.request_seconds
            raise HTTPException(
                503, f"the model did not respond within {seconds:g} seconds", RETRY_AFTER
            )
        finally:
            gone.cancel()
            future.cancel()


def _record(request: Request) -> Record:
    record: Record = request.scope["record"]
    return record


def _find_model(slot: Slot) -> ServedModel:
    """Return the model of a slot; HTTPException if it could not be loaded."""
    if slot.model is None:
        raise HTTPException(503, _describe_missing(slot))
    return slot.model


def _describe_missing(slot: Slot) -> str:
    return f"the model {slot.name} could not be loaded: see the log of the server"


async def _answer_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - for mypy
    problem = error.detail
    if error.status_code == 404 and problem == "Not Found":
        problem = "unknown path: see /openapi.json"
    return refuse(error.status_code, problem, _record(request), error.headers)


async def _answer_disconnected(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return refuse(CLIENT_CLOSED_REQUEST, "the client disconnected", _record(request))


async def _answer_busy(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return refuse(503, "too many texts are waiting: try again later", _record(request), RETRY_AFTER)


async def _answer_failed(request: Request, error: Exception) -> Response:
    response = refuse(500, "the model failed: see the log of the server", _record(request))
    _record(request).error = str(error)
    return response


async def _answer_unexpected(request: Request, error: Exception) -> Response:
    return refuse(500, f"unexpected {type(error).__name__}", _record(request))
