"""Executes runs on this machine: one after the other, or several at once in processes."""

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
    run_here,
)
from textclf.executors._local_worker import RunEnded, StartFailed, Worker, signals_held_back
from textclf.experiment.device import has_network
from textclf.experiment.run import RunContext
from textclf.runs.result import Failure
from textclf.runtime import backend
from textclf.runtime.machine import count_processors, measure_free_memory
from textclf.runtime.progress import LogMessage, Reporter


def execute(
    configs: Sequence[ExperimentConfig], root: Path, context: RunContext, executor: ExecutorConfig
) -> list[Failure]:
    """Run configurations one after the other in this process, or several at once in others."""
    jobs = choose_jobs(context.device, configs) if executor.jobs == "auto" else executor.jobs or 1
    if jobs > 1:
        return _run_in_processes(configs, root, context, jobs)
    if has_network(configs):  # A device that no network can use is reported once.
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
    context = replace(context, threads=threads)
    pool = _WorkerPool(root, context, jobs, memory, start_tensorflow=has_network(configs))
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


class _WorkerPool:
    """Worker processes, as many as there is room for.

    Args:
        root: Root of the run directories.
        context: How each run is executed.
        jobs: Maximum number of workers.
        memory: Free bytes that a run needs to begin.
        start_tensorflow: Whether workers start TensorFlow before their first run.
    """

    def __init__(
        self, root: Path, context: RunContext, jobs: int, memory: int, *, start_tensorflow: bool
    ) -> None:
        self.root, self.context, self.jobs, self.memory = root, context, jobs, memory
        self.start_tensorflow = start_tensorflow
        self.workers: list[Worker] = []

    @property
    def busy(self) -> list[Worker]:
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

    def _find_idle(self) -> Worker | None:
        """Return an idle worker that is alive; forget those that have died."""
        self.workers = [w for w in self.workers if w.config or w.process.is_alive()]
        return next((worker for worker in self.workers if not worker.config), None)

    def _start_worker(self) -> Worker:
        with signals_held_back():
            worker = Worker(self.root, self.context, start_tensorflow=self.start_tensorflow)
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
                    text = f"{config.run_name}: {message.text}"
                    reporter.log(replace(message, text=text))
                case StartFailed(error):
                    raise error
                case RunEnded(error):
                    worker.config = None
                    yield make_failure(config, error) if error else None
