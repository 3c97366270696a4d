"""Executes runs on a Ray cluster or, without an address, on a local Ray instance."""

import contextlib
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textclf.config.resolve import PackedConfig
from textclf.config.schema import ExperimentConfig
from textclf.data.loading import load_dataset
from textclf.data.packing import pack_dataset
from textclf.errors import DataError, TextclfError, format_reason
from textclf.executors._base import (
    STEP_TIMEOUT_SECONDS,
    ExecutorConfig,
    attempt,
    make_failure,
    name_runs,
)
from textclf.executors._ray_cluster import (
    check_resources,
    connected,
    count_runs_at_once,
    find_largest,
    to_ray_resources,
)
from textclf.executors._ray_worker import (
    LOCK_TIMEOUT_SECONDS,
    Job,
    JobInputs,
    JobResult,
    LogQueue,
    run_job,
)
from textclf.experiment.run import RunContext
from textclf.runs.directory import RunDirectory
from textclf.runs.result import Failure
from textclf.runs.transfer import pack_run, unpack_run
from textclf.storage.cache import CacheEntry
from textclf.storage.limits import LIMITS

MAX_SUBMITTED = 1_000
"""Runs that Ray knows at once, unless --jobs says more; its memory grows with them."""

MAX_LOSSES = 3
"""How often a run may be lost with its machine or process before it counts as failed."""

FOLDER_VARIABLES = (
    "HF_HOME",
    "HF_HUB_CACHE",
    "KAGGLEHUB_CACHE",
    "KERAS_HOME",
    "TEXTCLF_CACHE_DIR",
    "TFDS_DATA_DIR",
    "TFHUB_CACHE_DIR",
)
"""Environment variables that name folders of datasets, text embeddings and presets."""


@dataclass
class _Run:
    """A submitted run, its name in messages, and how often it was lost."""

    config: ExperimentConfig
    name: str
    n_lost: int = 0


@contextlib.contextmanager
def opened(
    root: Path, config: ExecutorConfig, *, work: Callable[[Job, Any], JobResult] = run_job
) -> Iterator["_RayExecutor"]:
    """Connect to a cluster, and yield an executor of runs on it.

    Args:
        root: Root of the run directories.
        config: Address of the cluster, and maximum number of runs at once.
        work: Function that a machine calls with each job.

    Raises:
        RequestError: Ray is not installed, or no cluster answers.
    """
    address = config.ray_address or os.environ.get("RAY_ADDRESS")
    limit = config.jobs if isinstance(config.jobs, int) else None
    with connected(address), _marker(root) as marker:
        yield _RayExecutor(root, marker, address, limit, work)


@contextlib.contextmanager
def _marker(root: Path) -> Iterator[Path]:
    """Yield a file in the run root; a machine that sees it can write runs there itself."""
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=root.absolute(), prefix=".shared-") as file:
        yield Path(file.name)


class _RayExecutor:
    """Submits runs to Ray, prints their messages, and collects their files."""

    context: RunContext

    def __init__(
        self,
        root: Path,
        marker: Path,
        address: str | None,
        limit: int | None,
        work: Callable[[Job, Any], JobResult],
    ) -> None:
        import ray

        self.log_queue = _start_log_queue()
        # TensorFlow keeps the GPU that it saw first and its memory, so a process of a GPU run ends.
        self.work = {uses: ray.remote(max_calls=int(uses))(work) for uses in (False, True)}
        self.root, self.marker, self.address, self.limit = root, marker, address, limit
        self.environment = _list_environment()
        self.running: dict[Any, _Run] = {}
        self.datasets: dict[str, Any] = {}
        self.is_checked = self.sends_inputs = self.is_stopping = False

    def allocate(self, configs: Sequence[ExperimentConfig], context: RunContext) -> tuple[int, int]:
        """Return how many of the configurations run at once, and the threads of each."""
        self._check(configs, context)
        wanted = find_largest(configs)
        jobs = self.limit or max(1, count_runs_at_once(wanted))
        return jobs, context.threads or wanted.cpus or 1

    def execute(self, configs: Sequence[ExperimentConfig], context: RunContext) -> list[Failure]:
        """Run configurations wherever the resources of a run are free, and return the failures.

        Raises:
            RequestError: No machine has the resources.
        """
        self._check(configs, context)
        self.context, limit = context, self.limit or MAX_SUBMITTED
        waiting, failures = deque(map(_Run, configs, name_runs(configs))), list[Failure]()
        reporter = context.reporter
        try:
            with reporter.counting(len(configs)) as count:
                while waiting or self.running:
                    while waiting and len(self.running) < limit:
                        run = waiting.popleft()
                        if failure := self._submit(run):
                            failures.append(failure)
                            count()
                    for run, result in self._listen():
                        if result is None or result.needs_inputs:
                            waiting.appendleft(run)
                            continue
                        if result.error:
                            failures.append(make_failure(run.config, result.error))
                        count()
        except DataError:
            self._cancel()
            raise
        except KeyboardInterrupt:
            reporter.info("stopping all runs after their step; press Ctrl-C again to stop at once")
            self._cancel()
            reporter.info(
                "run the same command again to resume each run after its last complete epoch"
            )
            raise
        return failures

    def _check(self, configs: Sequence[ExperimentConfig], context: RunContext) -> None:
        """Check once that a machine has the resources of the largest run."""
        if not self.is_checked:
            check_resources(find_largest(configs), context, self.address)
        self.is_checked = True

    def _submit(self, run: _Run) -> Failure | None:
        """Submit a run; return the failure if its inputs cannot be made."""
        context, wanted = self.context, to_ray_resources(run.config.resources)
        try:
            inputs = self._make_inputs(run.config) if self.sends_inputs else None
        except TextclfError as error:
            return make_failure(run.config, error)
        job = Job(
            name=run.name,
            packed=PackedConfig.of(run.config),
            root=self.root.absolute(),
            marker=self.marker,
            context={
                # Versions of Ray differ in which GPUs a task without GPUs sees.
                "device": context.device if wanted["GPU"] else "cpu",
                "threads": context.threads or int(wanted["CPU"]),
                "command": context.command,
                "validate_only": context.validate_only,
                "pruning": context.pruning,
                "lock_timeout_seconds": (
                    LOCK_TIMEOUT_SECONDS if run.n_lost else context.lock_timeout_seconds
                ),
            },
            environment=self.environment,
            inputs=inputs,
        )
        task = self.work[wanted["GPU"] > 0].options(
            num_cpus=wanted["CPU"],
            num_gpus=wanted["GPU"],
            memory=wanted["memory"],
            max_retries=0,  # Losses are counted and reported by this class.
            name=run.name,
        )
        self.running[task.remote(job, self.log_queue)] = run
        return None

    def _make_inputs(self, config: ExperimentConfig) -> JobInputs:
        """Return what a machine without a shared disk needs; Ray stores each dataset once."""
        import ray

        key, reporter = config.dataset.model_dump_json(), self.context.reporter
        if key not in self.datasets:
            reporter.info(f"loading {config.dataset.name} for the cluster")
            self.datasets[key] = attempt(lambda: ray.put(_pack_for_transfer(config)), reporter)
        if isinstance(self.datasets[key], TextclfError):
            raise DataError(str(self.datasets[key]))
        run = RunDirectory.of(config, self.root)
        if not run.is_begun:  # A run that fails must not leave a directory here.
            return JobInputs(self.datasets[key], {})
        with run.lock():
            return JobInputs(self.datasets[key], pack_run(run))

    def _listen(self, seconds: float = 1) -> Iterator[tuple[_Run, JobResult | None]]:
        """Print messages, and yield runs that have ended with their result; None if lost."""
        import ray

        ray.wait(list(self.running), timeout=seconds, fetch_local=False)
        ended, _ = ray.wait(
            list(self.running), num_returns=len(self.running), timeout=0, fetch_local=False
        )
        # Without the log queue, runs continue without messages.
        with contextlib.suppress(ray.exceptions.RayActorError):
            for message in ray.get(self.log_queue.take.remote()):
                if message.is_warning or not self.is_stopping:
                    self.context.reporter.log(message)
        for task in ended:
            run = self.running[task]
            result = self._receive(run, task)
            del self.running[task]  # Not earlier: an interrupt must not lose the run's files.
            yield run, result

    def _receive(self, run: _Run, task: Any) -> JobResult | None:
        """Write the files of a run that has ended, and return its result; None if it is lost."""
        import ray
        from ray.exceptions import RayError, RayTaskError, TaskCancelledError

        try:
            result: JobResult = ray.get(task)
        except RayTaskError as error:
            cause = error.cause
            reason = f"{type(cause).__name__} on its machine: {format_reason(cause)}"
            return JobResult(TextclfError(reason))
        except TaskCancelledError:
            return JobResult()
        except RayError as error:
            return self._count_loss(run, error)
        if result.needs_inputs:
            self.sends_inputs = True
        try:
            self._write_files(run.config, result.files or {})
        except TextclfError as error:
            return JobResult(error)
        return result

    def _write_files(self, config: ExperimentConfig, files: Mapping[str, bytes]) -> None:
        """Write files that were sent back, unless another process has finished the run."""
        directory = RunDirectory.of(config, self.root)
        if files:
            with directory.lock():
                if not directory.is_finished:
                    unpack_run(directory, files)

    def _count_loss(self, run: _Run, error: Exception) -> JobResult | None:
        """Count a lost run; return a failed result after too many losses."""
        run.n_lost += 1
        reason = type(error).__name__
        if run.n_lost == MAX_LOSSES:
            return JobResult(
                TextclfError(f"lost {MAX_LOSSES} times with its machine or process ({reason})")
            )
        self.context.reporter.info(f"{run.name}: lost; starting again ({reason})")
        return None

    def _cancel(self) -> None:
        """Interrupt all runs, and collect their files."""
        import ray

        self.is_stopping = True
        for task in self.running:
            ray.cancel(task, recursive=False)
        deadline = time.monotonic() + STEP_TIMEOUT_SECONDS
        while self.running and time.monotonic() < deadline:
            for _ in self._listen():
                pass


def _pack_for_transfer(config: ExperimentConfig) -> CacheEntry:
    """Load a dataset and pack it, with its texts, into arrays in memory."""
    entry = pack_dataset(load_dataset(config.dataset))
    arrays = {name: np.asarray(array) for name, array in entry.arrays.items()}
    return CacheEntry(arrays, entry.facts)


def _start_log_queue() -> Any:
    """Start the log queue on the machine that this process is connected to."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    queue = ray.remote(max_restarts=-1, max_task_retries=-1)(LogQueue)
    return queue.options(num_cpus=0, scheduling_strategy=here).remote()


def _list_environment() -> dict[str, str]:
    """Return environment variables that also hold on machines with the same disk."""
    given = {name: os.environ[name] for name in FOLDER_VARIABLES if name in os.environ}
    folders = {name: str(Path(path).expanduser().absolute()) for name, path in given.items()}
    limits = [limit.variable for limit in LIMITS if limit.variable in os.environ]
    return folders | {name: os.environ[name] for name in limits}
