"""Sends finished runs to a tracking server while others are still being trained.

A thread looks for runs that have finished, whoever executes them, because a run is finished when
its directory says so. Whatever happens to the server costs no run: the first failure is the last
attempt of a command, and the same command sends the rest later.
"""

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any, Literal, TypeVar

from textclf.errors import (
    RequestError,
    TextclfError,
    format_count,
    format_install,
    format_reason,
    format_unknown,
)
from textclf.exporting.tracked import TrackedContent, TrackedRun, TrackedStudy
from textclf.runtime.progress import Reporter
from textclf.runtime.telemetry import switch_off_telemetry

TrackerName = Literal["mlflow"]

TRACKERS = ("mlflow",)

EXPERIMENT = "textclf"
"""Experiment of the runs unless MLFLOW_EXPERIMENT_NAME names another."""

TIMEOUT_VARIABLE = "MLFLOW_HTTP_REQUEST_TIMEOUT"

DEFAULTS = {
    TIMEOUT_VARIABLE: "10",
    # If the response to a request is lost, repeating it would create a second run.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    # Otherwise, it prints an address with its password among the results.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""Values of MLflow's environment variables that the user has not set."""

NOISY_LOGGERS = ("alembic", "mlflow", "urllib3")
"""Loggers whose messages would be among those of textclf, which reports a failure itself."""

KEY_TAG, VERSION_TAG = "textclf.run", "textclf.evaluation"
"""Tags by which a run is found, and which shows that it was sent completely."""

POLL_SECONDS = 1.0

PATIENCE = 3
"""How many times the timeout of a request the end of a command waits for an answer."""

MAX_BATCH = 100
"""MLflow's limit for the parameters of a request; that for metrics is higher."""

MAX_PARAM = 6_000
"""MLflow's limit for the characters of a parameter."""

T = TypeVar("T")


def check_tracker(name: str | None) -> None:
    """Raise RequestError if a tracker does not exist or is not installed."""
    if name is None:
        return
    if name not in TRACKERS:
        raise RequestError(format_unknown("tracker", name, TRACKERS))
    if find_spec("mlflow") is None:
        raise RequestError(f"--track mlflow needs MLflow: {format_install('mlflow')}")


@contextlib.contextmanager
def tracking(name: str | None, reporter: Reporter) -> Iterator["Tracker"]:
    """Yield a tracker, and send what has finished at the end of the block, even after an error.

    An interrupt does not wait for the server.

    Args:
        name: ``mlflow``, or None for a tracker that does nothing.
        reporter: Prints where runs are sent, and whether that failed.

    Raises:
        RequestError: The tracker does not exist or is not installed.
    """
    check_tracker(name)
    tracker = Tracker(reporter)
    if name is None:
        yield tracker
        return
    with _configured():
        tracker.start()
        try:
            yield tracker
        except BaseException as error:
            tracker.finish(wait=isinstance(error, Exception))
            raise
        tracker.finish()


@contextlib.contextmanager
def _configured() -> Iterator[None]:
    """Set MLflow's environment variables that are not set, and silence its messages."""
    import logging

    unset = {name: value for name, value in DEFAULTS.items() if name not in os.environ}
    os.environ.update(unset)
    switch_off_telemetry()
    import mlflow  # noqa: F401 - not in the thread, in which imports could meet TensorFlow's

    loggers = [logging.getLogger(name) for name in NOISY_LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        yield
    finally:
        for name in unset:
            os.environ.pop(name, None)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


class Tracker:
    """Sends runs and studies from a thread of its own, as soon as they have finished.

    Until it is started, it does nothing.

    Attributes:
        reporter: Prints where runs are sent, and whether that failed.
        items: Runs and studies to send.
        error: The first failure.
    """

    def __init__(self, reporter: Reporter) -> None:
        self.reporter = reporter
        self.items: list[TrackedRun | TrackedStudy] = []
        self.error: Exception | None = None
        self._server: _Server | None = None
        self._is_ending = threading.Event()

    def add(self, *items: TrackedRun | TrackedStudy) -> None:
        """Send studies, and runs as soon as they have finished."""
        self.items += [item for item in items if item not in self.items]

    def start(self) -> None:
        """Begin to send what has finished."""
        self._server = _Server()
        self.reporter.info(f"tracking: MLflow at {self._server.name}")
        self._thread = threading.Thread(target=self._work, args=(self._server,), daemon=True)
        self._thread.start()

    def finish(self, *, wait: bool = True) -> None:
        """Send the rest, as long as the server answers, and report what was not sent.

        Args:
            wait: Whether to send the rest; otherwise, the thread ends after its current request.
        """
        server = self._server
        if server is None:
            return
        self._is_ending.set()
        if not wait:
            server.is_stopped = True
            return
        n_calls = None
        while self._thread.is_alive() and server.n_calls != n_calls:
            n_calls = server.n_calls
            self._thread.join(PATIENCE * server.timeout_seconds)
        server.is_stopped = True
        if self._thread.is_alive():
            self.error = TimeoutError("does not answer")
        if self.error is None:
            n_there = len(server.found - server.written)
            there = f", {n_there:,} already there" if n_there else ""
            count = format_count(len(server.written), "run")
            self.reporter.info(f"MLflow: {count} sent{there}")
            return
        missing = {i.path for i in self.items if i.is_finished and i not in server.sent}
        count = format_count(len(missing), "run")
        self.reporter.warning(
            f"WARNING: MLflow at {server.name}: {server.explain(self.error)}; {count} not sent: the"
            " same command sends the rest later"
        )

    def _work(self, server: "_Server") -> None:
        """Send what has finished until the end of the command or the first failure."""
        try:
            while True:
                is_last = self._is_ending.is_set()  # Before the runs, which it must not miss.
                for item in [*self.items]:
                    if item not in server.sent and item.is_finished:
                        server.send(item)
                if is_last:
                    return
                self._is_ending.wait(POLL_SECONDS)
        except Exception as error:  # A failure of any kind must not cost a run.
            self.error = error


class _Server:
    """The server, database or folder that MLflow's environment variables name.

    Attributes:
        sent: Items that were sent, were there already, or cannot be read.
        found: Ids of the runs in MLflow that were there already.
        written: Ids of the runs in MLflow that were sent.
        n_calls: Number of calls that were answered.
        is_stopped: Whether nothing more is sent.
    """

    def __init__(self) -> None:
        from mlflow import get_tracking_uri

        self.address: str = get_tracking_uri()
        self.experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
        self.timeout_seconds = _read_timeout()
        self.sent: list[TrackedRun | TrackedStudy] = []
        self.found: set[str] = set()
        self.written: set[str] = set()
        self.n_calls = 0
        self.is_stopped = False
        self._client: Any = None
        self._experiment_id = ""

    @property
    def name(self) -> str:
        """Its address without a password, and the experiment."""
        address = hide_credentials(self.address).partition("?")[0]
        return f"{address}, experiment {self.experiment}"

    def explain(self, error: BaseException) -> str:
        """Return the reason for a failure."""
        import requests

        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, requests.ConnectionError | requests.Timeout):
                return "does not answer"
            cause = cause.__cause__ or cause.__context__
        return hide_credentials(format_reason(error))

    def send(self, item: TrackedRun | TrackedStudy) -> None:
        """Send a run or a study, unless it is there already.

        Raises:
            Exception: The server cannot be reached, or refuses the run.
        """
        with contextlib.suppress(TextclfError):  # The command reports a run that is damaged.
            content = item.read()
            parent = None
            if isinstance(item, TrackedRun) and item.study:
                parent = self._find(item.study.key) or self._create(item.study.read(), None)
            found = self._find(content.key)
            if found and found.data.tags.get(VERSION_TAG) == content.version:
                self.found.add(found.info.run_id)
            else:
                self._write(found or self._create(content, parent), content)
        self.sent.append(item)

    def _call(self, name: str, *arguments: Any, **named: Any) -> Any:
        """Call a method of MLflow's client."""
        if self._client is None:
            from mlflow import MlflowClient

            self._client = MlflowClient()
        if self.is_stopped:
            raise TimeoutError("stopped")
        answer = getattr(self._client, name)(*arguments, **named)
        self.n_calls += 1
        return answer

    def _find_experiment(self) -> str:
        """Return the id of the experiment, which is created if it does not exist."""
        if not self._experiment_id:
            found = self._call("get_experiment_by_name", self.experiment)
            self._experiment_id = (
                found.experiment_id if found else self._call("create_experiment", self.experiment)
            )
        return self._experiment_id

    def _find(self, key: str) -> Any:
        """Return MLflow's run of a key; None if there is none."""
        query = f"tags.`{KEY_TAG}` = '{key}'"
        found = self._call("search_runs", [self._find_experiment()], query, max_results=1)
        return found[0] if found else None

    def _create(self, content: TrackedContent, parent: Any) -> Any:
        """Create a run in MLflow, below its parent if it has one."""
        tags = {KEY_TAG: content.key, **content.tags}
        if parent:
            tags["mlflow.parentRunId"] = parent.info.run_id
        return self._call(
            "create_run",
            self._find_experiment(),
            start_time=content.begin,
            tags=tags,
            run_name=content.name,
        )

    def _write(self, run: Any, content: TrackedContent) -> None:
        """Write everything about a run; what an interrupted command has written stays the same.

        The tag with the version is last, so that an incomplete run is written again.
        """
        from mlflow.entities import Metric, Param

        run_id = run.info.run_id
        params = [Param(key, value[:MAX_PARAM]) for key, value in content.params.items()]
        for batch in _split(params):
            self._call("log_batch", run_id, params=batch)
        for batch in _split([Metric(*metric) for metric in content.metrics]):
            self._call("log_batch", run_id, metrics=batch)
        for path, folder in content.files:
            self._call("log_artifact", run_id, str(path), folder or None)
        self._call("set_terminated", run_id, content.status, content.end)
        self._call("set_tag", run_id, VERSION_TAG, content.version)
        self.written.add(run_id)


def _read_timeout() -> int:
    """Return the seconds after which MLflow gives up on a request."""
    value = os.environ[TIMEOUT_VARIABLE]
    if not (value.isascii() and value.isdigit() and int(value)):
        raise RequestError(f"{TIMEOUT_VARIABLE}='{value}': expected a positive number of seconds")
    return int(value)


def _split(items: list[T]) -> Iterator[list[T]]:
    """Yield lists that are short enough for one request."""
    for start in range(0, len(items), MAX_BATCH):
        yield items[start : start + MAX_BATCH]


def hide_credentials(text: str) -> str:
    """Remove user names and passwords from the addresses in a text."""
    return re.sub(r"(?<=//)[^/\s]*@", "", text)
