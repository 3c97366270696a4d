"""A thread that applies a function to the texts of several requests at once."""

import asyncio
import contextlib
import threading
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


class QueueFullError(Exception):
    """More texts wait than the queue may hold."""


class PredictionError(Exception):
    """The function of a worker failed.

    Its error is kept apart, because its message may quote a text.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__(locate(error))


def locate(error: BaseException) -> str:
    """Return the class of an error and where it was raised, without its message."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


@dataclass(frozen=True)
class _Job:
    """The texts of one request, and where their results are expected."""

    texts: Sequence[str]
    future: "asyncio.Future[list[Any]]"


class Worker:
    """Takes everything that is queued, up to a number of texts, without waiting for more.

    Args:
        function: Texts to a list with one result per text.
        max_batch: Texts at once; a request with more is a batch of its own.
        max_queue: Texts that may wait.
        on_batch: Called with the number of texts of each batch.
    """

    def __init__(
        self,
        function: Callable[[Sequence[str]], Sequence[Any]],
        *,
        max_batch: int,
        max_queue: int,
        on_batch: Callable[[int], object],
    ) -> None:
        self._function, self._on_batch = function, on_batch
        self._max_batch, self._max_queue = max_batch, max_queue
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._is_closed = False
        self._n_queued = 0
        # A daemon, so that a long explanation does not keep the process alive.
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def submit(self, texts: Sequence[str]) -> "asyncio.Future[list[Any]]":
        """Queue the texts of a request; its results are skipped if the future is cancelled.

        Raises:
            QueueFullError: Too many texts wait.
        """
        future = asyncio.get_running_loop().create_future()
        with self._changed:
            if self._n_queued + len(texts) > self._max_queue:
                raise QueueFullError
            self._jobs.append(_Job(texts, future))
            self._n_queued += len(texts)
            self._changed.notify()
        return future

    def count_queued(self) -> int:
        """Return the number of texts that wait."""
        return self._n_queued

    def close(self) -> None:
        """End the thread after everything that is queued."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def _run(self) -> None:
        while jobs := self._take():
            self._on_batch(sum(len(job.texts) for job in jobs))
            self._process(jobs)

    def _take(self) -> list[_Job]:
        """Return the next jobs; none if the worker is closed."""
        jobs: list[_Job] = []
        n_texts = 0
        with self._changed:
            while not jobs and not (self._is_closed and not self._jobs):
                self._changed.wait_for(lambda: self._jobs or self._is_closed)
                while self._jobs and (
                    not jobs or n_texts + len(self._jobs[0].texts) <= self._max_batch
                ):
                    job = self._jobs.popleft()
                    self._n_queued -= len(job.texts)
                    if not job.future.cancelled():
                        jobs.append(job)
                        n_texts += len(job.texts)
        return jobs

    def _process(self, jobs: Sequence[_Job]) -> None:
        """Compute the results of jobs; if that fails, of each alone, so that only one fails."""
        try:
            results = self._function([text for job in jobs for text in job.texts])
        except BaseException as error:  # Also SystemExit of a model's own code.
            if len(jobs) == 1:
                _deliver(jobs[0].future, error)
            else:
                for job in jobs:
                    self._process([job])
            return
        start = 0
        for job in jobs:
            end = start + len(job.texts)
            _deliver(job.future, results[start:end])
            start = end


def _deliver(future: "asyncio.Future[Any]", result: Any) -> None:
    """Set the result or the error of a future, in the thread of its loop."""

    def settle() -> None:
        if future.done():
            return
        if isinstance(result, BaseException):
            future.set_exception(PredictionError(result))
        else:
            future.set_result(result)

    with contextlib.suppress(RuntimeError):  # The loop is closed.
        future.get_loop().call_soon_threadsafe(settle)
