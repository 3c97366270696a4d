"""What every request passes: the check of its host and token, its log line and its metrics."""

import hmac
import random
import re
import time
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from textclf.serving.log import JsonLog
from textclf.serving.metrics import Metrics

OPEN_PATHS = {"/", "/healthz", "/openapi.json", "/page.css", "/page.js"}
"""Paths that need no token."""

UNLOGGED_PATHS = {"/healthz", "/metrics"}
"""Paths whose successful requests are not logged, because monitors repeat them."""

LOOPBACK_HOST = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?", re.IGNORECASE)
"""The header Host of requests to this machine. Another one is that of a page whose domain now
resolves to this machine (DNS rebinding)."""

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")

POLICY = (
    b"default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:;"
    b" base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

SECURITY_HEADERS = [
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]


@dataclass
class Record:
    """What is logged about a request; its route fills it in.

    Attributes:
        route: Name of the route.
        model: Name of the model.
        n_texts: Number of texts.
        status: Status of the response; 499 if the client was gone before it.
        error: What the response says is wrong, or the class of an unexpected error.
        texts: The texts, if they are logged.
    """

    route: str = "other"
    model: str = ""
    n_texts: int = 0
    status: int = 500
    error: str | None = None
    texts: list[str] | None = None


class RequestMiddleware:
    """Checks, counts and logs every request; it is around the whole application.

    Args:
        app: The application; it finds the `Record` of a request in ``scope["record"]``.
        metrics: Counts requests.
        log: Gets a line per request.
        token: Token that requests must have; None accepts all.
        is_loopback: Whether the server listens to this machine only.
    """

    def __init__(
        self, app: ASGIApp, *, metrics: Metrics, log: JsonLog, token: str | None, is_loopback: bool
    ) -> None:
        self._app, self._metrics, self._log = app, metrics, log
        self._authorization = f"Bearer {token}".encode() if token else None
        self._is_loopback = is_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = scope["record"] = Record()
        headers, started = Headers(scope=scope), time.perf_counter()
        given = headers.get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"
        added = [*SECURITY_HEADERS, (b"x-request-id", request_id.encode())]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        app = self._find_refusal(scope["path"], headers, record) or self._app
        try:
            await app(scope, receive, send_with_headers)
        finally:
            self._report(scope, record, time.perf_counter() - started, request_id)

    def _find_refusal(self, path: str, headers: Headers, record: Record) -> JSONResponse | None:
        """Return the response to a request that must not reach the application."""
        if self._is_loopback and not LOOPBACK_HOST.fullmatch(headers.get("host", "")):
            return refuse(421, "the header Host must name localhost or 127.0.0.1", record)
        if path not in OPEN_PATHS and _is_cross_site(headers):
            return refuse(403, "requests from pages of other sites are refused", record)
        if self._authorization and path not in OPEN_PATHS:
            given = headers.get("authorization", "").encode("latin-1")
            if not hmac.compare_digest(given, self._authorization):
                problem = "expected the header 'Authorization: Bearer TOKEN'"
                return refuse(401, problem, record, {"WWW-Authenticate": "Bearer"})
        return None

    def _report(self, scope: Scope, record: Record, seconds: float, request_id: str) -> None:
        """Count and log a request."""
        labels = record.model, record.route
        self._metrics.requests.labels(*labels, record.status).inc()
        self._metrics.seconds.labels(*labels).observe(seconds)
        if record.status == 200 and record.n_texts:
            self._metrics.texts.labels(*labels).inc(record.n_texts)
        if record.status == 200 and scope["path"] in UNLOGGED_PATHS:
            return
        self._log.write(
            "error" if record.status == 500 else "warning" if record.status >= 400 else "info",
            "request",
            route=record.route,
            model=record.model or None,
            method=scope["method"],
            status=record.status,
            n_texts=record.n_texts or None,
            ms=round(1_000 * seconds, 2),
            request_id=request_id,
            error=record.error,
            texts=record.texts,
        )


def _is_cross_site(headers: Headers) -> bool:
    """Return whether a request comes from a page of another site.

    Browsers send Sec-Fetch-Site only over HTTPS and to localhost; without it, the origin of the
    page must be this server. A proxy may change Host, so Sec-Fetch-Site decides if it is there.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None or origin is None:
        return site == "cross-site"
    host = headers.get("host", "")
    return origin not in (f"http://{host}", f"https://{host}")


def refuse(status: int, problem: str, record: Record, headers: Any = None) -> JSONResponse:
    """Return the response that says what is wrong, and record it."""
    record.error = problem
    return JSONResponse({"error": problem}, status, headers)
