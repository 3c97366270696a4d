"""Runs the HTTP server: its socket, its signals, and its end."""

import asyncio
import contextlib
import ipaddress
import logging
import resource
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.flow_control import CLOSE_HEADER

from textclf.errors import TextclfError, format_reason
from textclf.runtime.progress import Reporter
from textclf.serving.app import make_app
from textclf.serving.connection import Connection
from textclf.serving.log import JsonLog, LibraryHandler
from textclf.serving.metrics import Metrics
from textclf.serving.options import IDLE_SECONDS, ServerOptions
from textclf.serving.served_models import ServedModels, make_loader, name_runs

if sys.platform == "win32":
    raise ImportError("the server needs signals that Windows lacks")

MAX_OPEN_FILES = 65_536
"""Files, and so connections, that the process may open, if the system allows."""

SWITCH_SECONDS = 0.0005
"""Time that another thread computes in Python while the event loop waits: a tenth of the
usual. With 16 clients at once, it halves the time of the slowest requests."""


class _Server(uvicorn.Server):
    """Stops at SIGTERM and SIGINT after the accepted requests, and loads models at SIGHUP.

    Args:
        config: Configuration of uvicorn.
        on_start: Called when the server listens.
        reload: Loads the models again.
    """

    stopped_by = 0

    def __init__(
        self,
        config: uvicorn.Config,
        on_start: Callable[[], object],
        reload: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        super().__init__(config)
        self._on_start, self._reload = on_start, reload
        self._reloads: set[asyncio.Task[None]] = set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals in the event loop; afterwards, as before."""
        loop = asyncio.get_running_loop()
        before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._begin_reload)
        try:
            yield
        finally:
            for number, handler in before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, and tell clients to close their connections.

        Connections that only the system has accepted would be lost; they are taken, too.
        """
        self.server_state.default_headers.append(CLOSE_HEADER)
        listeners, loop = sockets or [], asyncio.get_running_loop()
        for listener in listeners:
            loop.remove_reader(listener)
        await asyncio.sleep(0)  # A connection that is being made needs its server.
        waiting = [connection for listener in listeners for connection in _accept(listener)]
        for server in self.servers:
            server.close()
        for connection in waiting:
            await loop.connect_accepted_socket(self._make_connection, connection)
        await super().shutdown(sockets)

    def _make_connection(self) -> asyncio.Protocol:
        make: Any = self.config.http_protocol_class
        connection: asyncio.Protocol = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return connection

    def _stop(self, number: int) -> None:
        if self.should_exit:  # The second signal.
            self.force_exit = True
            for connection in self.server_state.connections:
                connection.transport.abort()  # Python 3.12 and later wait for open connections.
        self.should_exit = True
        self.stopped_by = number

    def _begin_reload(self) -> None:
        task = asyncio.ensure_future(self._reload())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)


def serve(
    runs: Sequence[tuple[str | None, Path]],
    options: ServerOptions,
    *,
    host: str,
    port: int,
    device: str,
    trust_code: bool,
    on_start: Callable[[str, list[str]], object],
) -> None:
    """Serve the models of runs until SIGTERM or SIGINT.

    Args:
        runs: Name, or None, and path of each run.
        options: Limits and times.
        host: Address to listen on.
        port: Port; 0 chooses one.
        device: ``auto``, ``cpu`` or ``gpu``.
        trust_code: Whether Python files of the runs may be executed.
        on_start: Called with the URL and the names of the models before requests are accepted.

    Raises:
        TextclfError: The address cannot be used, or no model can be loaded.
        KeyboardInterrupt: SIGINT ended the server.
    """
    paths = name_runs(runs)
    _raise_file_limit()
    sys.setswitchinterval(SWITCH_SECONDS)
    # It loads the models again, which are being loaded: until then, it must not end the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    log, metrics = JsonLog(), Metrics()
    try:
        with _bind(host, port) as listener, _logging_libraries(log):
            _warn_if_public(listener, options, log)
            loader = make_loader(
                device=device, trust_code=trust_code, reporter=Reporter(quiet=True)
            )
            models = ServedModels(paths, loader, options=options, metrics=metrics, log=log)
            models.load_all()
            _run(models, options, listener, metrics=metrics, log=log, on_start=on_start)
    finally:
        log.close()


def _run(
    models: ServedModels,
    options: ServerOptions,
    listener: socket.socket,
    *,
    metrics: Metrics,
    log: JsonLog,
    on_start: Callable[[str, list[str]], object],
) -> None:
    """Serve loaded models at a socket."""
    address, port = listener.getsockname()[:2]
    is_loopback = _is_loopback(address)
    app = make_app(models, options, metrics=metrics, log=log, is_loopback=is_loopback)
    url = f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"

    def report_start() -> None:
        log.write("info", "started", url=url, models=[*models.slots])
        on_start(url, [*models.slots])

    server = _Server(_configure(app, options), report_start, models.reload)
    asyncio.run(server.serve([listener]))
    models.close()
    log.write("info", "stopped", signal=signal.Signals(server.stopped_by).name)
    if server.stopped_by == signal.SIGINT:
        raise KeyboardInterrupt


def _configure(app: ASGIApp, options: ServerOptions) -> uvicorn.Config:
    """Return uvicorn's configuration, which logs nothing itself."""
    timed = type("TimedConnection", (Connection,), {"receive_seconds": options.receive_seconds})
    return uvicorn.Config(
        app,
        http=timed,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=options.shutdown_seconds,
    )


def _bind(host: str, port: int) -> socket.socket:
    """Return a socket with an address; it does not listen before the models are loaded."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        problem = f"cannot listen on {host} port {port}: {format_reason(error)}"
        raise TextclfError(f"{problem}; choose another --host or --port") from error
    return listener


def _accept(listener: socket.socket) -> Iterator[socket.socket]:
    """Yield the connections that wait at a socket."""
    with contextlib.suppress(OSError):  # None waits any more.
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            yield connection


def _is_loopback(address: str) -> bool:
    """Return whether only this machine reaches an address."""
    return ipaddress.ip_address(address).is_loopback


def _warn_if_public(listener: socket.socket, options: ServerOptions, log: JsonLog) -> None:
    """Log that other machines reach the server, before it loads models and listens."""
    address = listener.getsockname()[0]
    if not _is_loopback(address):
        log.write("warning", "public_address", message=_describe_public(address, options))


def _describe_public(address: str, options: ServerOptions) -> str:
    """Return what it means to listen on an address that is not a loopback address."""
    if options.token:
        return (
            f"{address} is reachable from other machines, and HTTP sends texts and the token"
            " unencrypted: put a proxy with TLS in front"
        )
    return (
        f"{address} is reachable from other machines, and whoever reaches it can use the models:"
        " set --token or TEXTCLF_TOKEN, or use --host 127.0.0.1"
    )


def _raise_file_limit() -> None:
    """Allow as many connections as the system does, up to `MAX_OPEN_FILES`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextlib.contextmanager
def _logging_libraries(log: JsonLog) -> Iterator[None]:
    """Send the warnings of uvicorn and asyncio to a log."""
    handler, loggers = LibraryHandler(log), [*map(logging.getLogger, ("uvicorn", "asyncio"))]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
            logger.propagate = True
