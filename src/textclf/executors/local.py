"""Executes runs on this machine: one after the other, or several at once in processes."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from textclf.config.resolve import PackedConfig
from textclf.config.schema import ExperimentConfig
from textclf.errors import TextclfError, format_count
from textclf.executors._base import (
    STEP_TIMEOUT_SECONDS,
    ExecutorConfig,
    Failure,
    attempt,
    format_run_name,
    make_failure,
    run_here,
)
from textclf.experiment.run import RunContext
from textclf.runtime import backend
from textclf.runtime.machine import count_processors, measure_free_memory
from textclf.runtime.progress import ForwardingReporter, LogMessage, Reporter

STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM}


def execute(
    configs: Sequence[ExperimentConfig], root: Path, context: RunContext, executor: ExecutorConfig
) -> list[Failure]:
    """Run configurations one after the other in this process, or several at once in others."""
    jobs = choose_jobs(context.device, configs) if executor.jobs == "auto" else executor.jobs or 1
    if jobs > 1:
        return _run_in_processes(configs, root, context, jobs)
    # A device that no run can use is reported once.
    backend.start(context.device, threads=context.threads or configs[0].resources.cpus)
    errors = ((config, run_here(config, root, context)) for config in configs)
    return [make_failure(config, error) for config, error in errors if error]


def choose_jobs(device: str, configs: Sequence[ExperimentConfig]) -> int:
    """Return as many jobs as there are processors and memory for; one on a GPU."""
    if device == "gpu" or (device == "auto" and Path("/dev/nvidiactl").exists()):
        return 1
    memory = max(config.resources.n_bytes for config in configs)
    cpus = max(config.resources.cpus or 1 for config in configs)
    return max(1, min(count_processors() // cpus, measure_free_memory() // memory))


def _run_in_processes(
    configs: Sequence[ExperimentConfig], root: Path, context: RunContext, jobs: int
) -> list[Failure]:
    """Run configurations in ``jobs`` processes, and return the failures."""
    # The number of threads depends on the jobs asked for, so that the last run, which is alone, and
    # a resumed run give the same digits.
    threads = configs[0].resources.cpus or max(1, count_processors() // jobs)
    memory = max(config.resources.n_bytes for config in configs)
    reporter = context.reporter
    n_runs, n_threads = format_count(len(configs), "run"), format_count(threads, "thread")
    reporter.info(f"{n_runs}, {jobs} at once with {n_threads} each")
    pool = _WorkerPool(root, replace(context, threads=threads), jobs, memory)
    failures: list[Failure] = []
    try:
        with reporter.counting(len(configs)) as count:
            for failure in pool.run(configs):
                if failure:
                    failures.append(failure)
                count()
    except KeyboardInterrupt:
        reporter.info("run the same command again to resume each run after its last complete epoch")
        raise
    finally:
        pool.end()
    return failures


@dataclass(frozen=True)
class _RunEnded:
    """Message of a worker: a run has ended, with its error if it failed."""

    error: TextclfError | None


@dataclass(frozen=True)
class _StartFailed:
    """Message of a worker: TensorFlow cannot start as asked for, so no run can begin."""

    error: TextclfError


class _Worker:
    """A process that runs one experiment after the other.

    Attributes:
        config: Configuration that is running; None if the worker is idle.
        is_silent: Whether it has sent no message, and so has probably not allocated its memory.
    """

    def __init__(self, root: Path, context: RunContext) -> None:
        processes = multiprocessing.get_context("spawn")
        self.connection, child_connection = processes.Pipe()
        # A reporter cannot be sent to another process.
        fields = {name: value for name, value in vars(context).items() if name != "reporter"}
        self.process = processes.Process(
            target=_work, args=(child_connection, root, fields), daemon=True
        )
        self.process.start()
        child_connection.close()
        self.config: ExperimentConfig | None = None
        self.is_silent = True

    def begin(self, config: ExperimentConfig) -> None:
        """Send a configuration to run; OSError if the process has died."""
        self.connection.send(PackedConfig.of(config))
        self.config = config

    def receive(self) -> LogMessage | _RunEnded | _StartFailed:
        """Receive a message; the death of the process is the end of its run."""
        try:
            message: LogMessage | _RunEnded | _StartFailed = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            message = _RunEnded(_explain_exit(self.process.exitcode))
        self.is_silent = False
        return message

    def interrupt(self) -> None:
        """Interrupt the run like Ctrl-C."""
        if self.process.pid and self.process.is_alive():
            os.kill(self.process.pid, signal.SIGINT)


class _WorkerPool:
    """Worker processes, as many as there is room for.

    Args:
        root: Root of the run directories.
        context: How each run is executed.
        jobs: Maximum number of workers.
        memory: Free bytes that a run needs to begin.
    """

    def __init__(self, root: Path, context: RunContext, jobs: int, memory: int) -> None:
        self.root, self.context, self.jobs, self.memory = root, context, jobs, memory
        self.workers: list[_Worker] = []

    @property
    def busy(self) -> list[_Worker]:
        """The workers that are running an experiment."""
        return [worker for worker in self.workers if worker.config]

    def run(self, configs: Sequence[ExperimentConfig]) -> Iterator[Failure | None]:
        """Run all configurations; yield at the end of each, with the failure if it failed."""
        waiting = deque(configs)
        while waiting or self.busy:
            while waiting and self._has_room():
                worker = self._find_idle() or self._start_worker()
                try:
                    worker.begin(waiting[0])
                except OSError:  # The process has just died.
                    self.workers.remove(worker)
                else:
                    waiting.popleft()
            yield from self._listen(self.context.reporter)

    def end(self) -> None:
        """End idle workers, and let busy ones complete their step, as after Ctrl-C."""
        try:
            for worker in self.workers:
                if worker.config:
                    worker.interrupt()
                else:
                    worker.connection.close()
            for worker in self.workers:
                worker.process.join(STEP_TIMEOUT_SECONDS)
                worker.connection.close()  # A worker that is still alive ends at its next message.
                worker.process.join()
        except KeyboardInterrupt:  # A second Ctrl-C.
            for worker in self.workers:
                worker.process.kill()
            raise

    def _has_room(self) -> bool:
        """Return whether another run can begin; if there is none, one always can."""
        busy = self.busy
        if not busy:
            return True
        if len(busy) == self.jobs:
            return False
        reserved = self.memory * sum(worker.is_silent for worker in busy)
        if measure_free_memory() - reserved >= self.memory:
            return True
        for worker in self.workers:  # Idle workers hold memory that the busy ones may need.
            if not worker.config:
                worker.connection.close()
        self.workers = busy
        return False

    def _find_idle(self) -> _Worker | None:
        """Return an idle worker that is alive; forget those that have died."""
        self.workers = [w for w in self.workers if w.config or w.process.is_alive()]
        return next((worker for worker in self.workers if not worker.config), None)

    def _start_worker(self) -> _Worker:
        with _signals_held_back():
            worker = _Worker(self.root, self.context)
            self.workers.append(worker)
        return worker

    def _listen(self, reporter: Reporter) -> Iterator[Failure | None]:
        """Print messages for up to a second; yield at the end of each run."""
        by_connection = {worker.connection: worker for worker in self.busy}
        for connection in wait(list(by_connection), timeout=1):
            worker = by_connection[connection]  # type: ignore[index]
            config = worker.config
            assert config is not None  # noqa: S101 - for the type checker
            match worker.receive():
                case LogMessage() as message:
                    text = f"{format_run_name(config)}: {message.text}"
                    reporter.log(replace(message, text=text))
                case _StartFailed(error):
                    raise error
                case _RunEnded(error):
                    worker.config = None
                    yield make_failure(config, error) if error else None


def _explain_exit(code: int | None) -> TextclfError:
    hint = "; it may have run out of memory: try fewer --jobs" if code == -signal.SIGKILL else ""
    return TextclfError(f"its process exited with code {code}{hint}")


@contextlib.contextmanager
def _signals_held_back() -> Iterator[None]:
    """Hold back Ctrl-C and SIGTERM, also in a process that is started, until it calls `_obey`."""
    if os.name != "posix":
        yield
        return
    resource_tracker.ensure_running()  # Python starts it with a process, and lets them in again.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _obey(parent: BaseProcess) -> None:
    """Leave Ctrl-C and SIGTERM to the parent, which passes on one interrupt; end when it ends."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, _interrupt_once)
    threading.Thread(target=_interrupt_when_orphaned, args=(parent.sentinel,), daemon=True).start()
    if os.name == "posix":
        os.setpgrp()  # Ctrl-C reaches the group of the parent only.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _interrupt_once(number: int, frame: Any) -> None:  # noqa: ARG001 - Python's signature
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The process is about to end.
    raise KeyboardInterrupt


def _interrupt_when_orphaned(parent_sentinel: int) -> None:
    """Interrupt this process after its step when its parent has ended."""
    wait([parent_sentinel])
    os.kill(os.getpid(), signal.SIGINT)


def _work(connection: Connection, root: Path, fields: dict[str, Any]) -> None:
    """Run every configuration that is received, with a `RunContext` of these fields."""

    def send(message: LogMessage) -> None:
        try:
            connection.send(message)
        except OSError as error:  # The parent is gone.
            raise KeyboardInterrupt from error

    context = RunContext(ForwardingReporter(send), **fields)
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        try:
            backend.start(context.device, threads=context.threads)
        except TextclfError as error:
            connection.send(_StartFailed(error))
            return
        # Not earlier: TensorFlow may swallow an interrupt while it is imported.
        if parent := multiprocessing.parent_process():
            _obey(parent)
        while True:
            packed: PackedConfig = connection.recv()
            config = attempt(packed.unpack, context.reporter)
            if isinstance(config, ExperimentConfig):
                connection.send(_RunEnded(run_here(config, root, context)))
            else:
                connection.send(_RunEnded(config))
