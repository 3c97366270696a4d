"""Executes runs on this machine: one after the other, or several at once in processes."""

import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path

from textclf.config.schema import ExperimentConfig
from textclf.errors import format_count
from textclf.executors._base import (
    STEP_TIMEOUT_SECONDS,
    ExecutorConfig,
    make_failure,
    name_runs,
    run_here,
)
from textclf.executors._local_worker import RunEnded, StartFailed, Worker, signals_held_back
from textclf.experiment.device import has_network
from textclf.experiment.run import RunContext
from textclf.runs.result import Failure
from textclf.runtime import backend
from textclf.runtime.machine import count_processors, measure_free_memory
from textclf.runtime.progress import LogMessage, Reporter


@contextlib.contextmanager
def opened(root: Path, config: ExecutorConfig) -> Iterator["_LocalExecutor"]:
    """Yield an executor whose processes end with the block."""
    executor = _LocalExecutor(root, config)
    try:
        yield executor
    finally:
        executor.pool.end()


class _LocalExecutor:
    """Runs configurations one after the other in this process, or several at once in others."""

    def __init__(self, root: Path, config: ExecutorConfig) -> None:
        self.root, self.jobs = root, config.jobs or 1
        self.pool = _WorkerPool(root)

    def allocate(self, configs: Sequence[ExperimentConfig], context: RunContext) -> tuple[int, int]:
        """Return how many of the configurations run at once, and the threads of each.

        Threads depend on the jobs asked for, so that the last run, which is alone, and a resumed
        run give the same digits.
        """
        jobs = choose_jobs(context.device, configs) if self.jobs == "auto" else self.jobs
        cpus = context.threads or configs[0].resources.cpus
        return jobs, cpus or max(1, count_processors() // jobs)

    def execute(self, configs: Sequence[ExperimentConfig], context: RunContext) -> list[Failure]:
        """Run configurations, and return the failures."""
        jobs, threads = self.allocate(configs, context)
        if jobs > 1:
            context = replace(context, threads=threads)
            return _run_in_processes(self.pool, configs, context, jobs)
        if has_network(configs):  # A device that no network can use is reported once.
            backend.start(context.device, threads=context.threads or configs[0].resources.cpus)
        errors = ((config, run_here(config, self.root, context)) for config in configs)
        return [make_failure(config, error) for config, error in errors if error]


def choose_jobs(device: str, configs: Sequence[ExperimentConfig]) -> int:
    """Return as many jobs as there are processors and memory for; one on a GPU."""
    if device == "gpu" or (device == "auto" and Path("/dev/nvidiactl").exists()):
        return 1
    memory = max(config.resources.n_bytes for config in configs)
    cpus = max(config.resources.cpus or 1 for config in configs)
    return max(1, min(count_processors() // cpus, measure_free_memory() // memory))


def _run_in_processes(
    pool: "_WorkerPool", configs: Sequence[ExperimentConfig], context: RunContext, jobs: int
) -> list[Failure]:
    """Run configurations in ``jobs`` processes, and return the failures."""
    reporter, n_runs = context.reporter, format_count(len(configs), "run")
    n_threads = format_count(context.threads or 1, "thread")
    reporter.info(f"{n_runs}, {jobs} at once with {n_threads} each")
    failures: list[Failure] = []
    try:
        with reporter.counting(len(configs)) as count:
            for failure in pool.run(configs, context, jobs):
                if failure:
                    failures.append(failure)
                count()
    except KeyboardInterrupt:
        reporter.info("run the same command again to resume each run after its last complete epoch")
        raise
    return failures


class _WorkerPool:
    """Worker processes, as many as there is room for.

    Args:
        root: Root of the run directories.

    Attributes:
        workers: Workers that are running an experiment or are idle.
        jobs: Maximum number of those that are running.
        memory: Free bytes that a run needs to begin.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workers: list[Worker] = []
        self.jobs = self.memory = 1

    @property
    def busy(self) -> list[Worker]:
        """The workers that are running an experiment."""
        return [worker for worker in self.workers if worker.config]

    def run(
        self, configs: Sequence[ExperimentConfig], context: RunContext, jobs: int
    ) -> Iterator[Failure | None]:
        """Run all configurations; yield at the end of each, with the failure if it failed."""
        self.jobs, self.memory = jobs, max(config.resources.n_bytes for config in configs)
        start_tensorflow = has_network(configs)
        waiting = deque(zip(configs, name_runs(configs), strict=True))
        while waiting or self.busy:
            while waiting and self._has_room():
                worker = self._find_idle() or self._start_worker(
                    context, start_tensorflow=start_tensorflow
                )
                config, name = waiting[0]
                try:
                    worker.begin(config, context, name)
                except OSError:  # The process has just died.
                    self.workers.remove(worker)
                else:
                    waiting.popleft()
            yield from self._listen(context.reporter)

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

    def _find_idle(self) -> Worker | None:
        """Return an idle worker that is alive; forget those that have died."""
        self.workers = [w for w in self.workers if w.config or w.process.is_alive()]
        return next((worker for worker in self.workers if not worker.config), None)

    def _start_worker(self, context: RunContext, *, start_tensorflow: bool) -> Worker:
        device = (context.device, context.threads) if start_tensorflow else None
        with signals_held_back():
            worker = Worker(self.root, device)
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
                    text = f"{worker.name}: {message.text}"
                    reporter.log(replace(message, text=text))
                case StartFailed(error):
                    raise error
                case RunEnded(error):
                    worker.config = None
                    yield make_failure(config, error) if error else None
