"""On a Ray cluster; or, without an address, on a Ray of this machine alone that ends with it."""

import contextlib
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textclf.config.resolve import ExperimentConfig
from textclf.data.loading import load_dataset, pack_dataset
from textclf.errors import TextclfError
from textclf.executors._base import STEP_SECONDS, ExecutorOptions, Failure, attempt, name_run
from textclf.executors._ray_cluster import check_room, connected, count_resources
from textclf.executors._ray_worker import Answer, Board, Order, Parcel, carry_out
from textclf.experiment.run import Settings
from textclf.runs.directory import RunDirectory
from textclf.runs.transfer import pack_run, unpack_run
from textclf.storage.limits import LIMITS

WINDOW = 1_000
"""Runs that Ray knows of at once, unless --jobs says more: no more are held at any number."""

MAX_LOSSES = 3
"""How often a run may be lost with its machine or process, before it counts as failed."""

SHARED_PLACES = ("HF_HOME", "KERAS_HOME", "TEXTCLF_CACHE_DIR", "TFDS_DATA_DIR", "TFHUB_CACHE_DIR")
"""Environment variables that say where datasets and modules are."""


@dataclass
class _Run:
    """A run on its way, and how often it was lost."""

    config: ExperimentConfig
    n_lost: int = 0


def execute(
    configs: Sequence[ExperimentConfig],
    root: Path,
    settings: Settings,
    options: ExecutorOptions,
    *,
    work: Callable[[Order, Any], Answer] = carry_out,
) -> list[Failure]:
    """Run configurations on a cluster, each where the resources are free that it asks for.

    Args:
        configs: what to run.
        root: the run root.
        settings: how.
        options: the address, and how many runs at most.
        work: what a machine does for an order.

    Raises:
        RequestError: there is no Ray, no cluster at the address, or no machine that is large enough
            and ever could be.
    """
    address = options.ray_address or os.environ.get("RAY_ADDRESS")
    limit = options.jobs if isinstance(options.jobs, int) else WINDOW
    with connected(address), _mark(root) as mark:
        check_room(configs[0].resources, settings, address)
        return _Dispatcher(root, mark, settings, work).run(configs, limit)


@contextlib.contextmanager
def _mark(root: Path) -> Iterator[Path]:
    """Give a file in the run root: a machine that sees it can write runs there itself."""
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=root.absolute(), prefix=".shared-") as file:
        yield Path(file.name)


class _Dispatcher:
    """Hands out runs, repeats what they say, and takes what they leave."""

    def __init__(
        self, root: Path, mark: Path, settings: Settings, work: Callable[[Order, Any], Answer]
    ) -> None:
        import ray

        self.board = _open_board()
        # TensorFlow keeps the GPU that it saw first, and its memory: there a process has one run.
        self.work = {uses: ray.remote(max_calls=int(uses))(work) for uses in (False, True)}
        self.root, self.mark, self.settings = root, mark, settings
        self.environment = _list_variables()
        self.running: dict[Any, _Run] = {}
        self.datasets: dict[str, Any] = {}
        self.sends_parcels = False

    def run(self, configs: Sequence[ExperimentConfig], limit: int) -> list[Failure]:
        """Run all configurations, at most ``limit`` at once; return those that failed."""
        waiting, failures = deque(map(_Run, configs)), list[Failure]()
        reporter = self.settings.reporter
        try:
            with reporter.counting(len(configs)) as count:
                while waiting or self.running:
                    while waiting and len(self.running) < limit:
                        failures += self._order(waiting.popleft(), count)
                    for run, answer in self._listen():
                        if answer is None or answer.needs_parcel:
                            waiting.appendleft(run)
                            continue
                        if answer.error:
                            failures.append(Failure(run.config, answer.error))
                        count()
        except KeyboardInterrupt:
            reporter.say("ending all runs after their step; Ctrl-C again stops at once")
            self._cancel()
            reporter.say("the same command goes on after the last whole epoch of each run")
            raise
        return failures

    def _order(self, run: _Run, count: Callable[[], None]) -> list[Failure]:
        """Hand out a run; return the failure where it cannot even begin."""
        settings, wanted = self.settings, count_resources(run.config.resources)
        threads = settings.threads or int(wanted["CPU"])
        # Of Ray, only a run that asks for GPUs sees some; older and newer versions differ there.
        device = settings.device if wanted["GPU"] else "cpu"
        words = {"device": device, "threads": threads, "command": settings.command}
        try:
            parcel = self._make_parcel(run.config) if self.sends_parcels else None
        except TextclfError as error:
            count()
            return [Failure(run.config, error)]
        order = Order(
            *(run.config, self.root.absolute(), self.mark, words, self.environment, parcel),
            again=run.n_lost > 0,
        )
        task = self.work[wanted["GPU"] > 0].options(
            num_cpus=wanted["CPU"],
            num_gpus=wanted["GPU"],
            memory=wanted["memory"],
            max_retries=0,  # They are counted here, and said.
            name=name_run(run.config),
        )
        self.running[task.remote(order, self.board)] = run
        return []

    def _make_parcel(self, config: ExperimentConfig) -> Parcel:
        """Return what a machine needs that shares no disk; each dataset is stored in Ray once."""
        import ray

        key, reporter = config.dataset.model_dump_json(), self.settings.reporter
        if key not in self.datasets:
            reporter.say(f"loading {config.dataset.name} for the cluster")
            self.datasets[key] = attempt(
                lambda: ray.put(pack_dataset(load_dataset(config.dataset))), reporter
            )
        if isinstance(self.datasets[key], TextclfError):
            raise self.datasets[key]
        run = RunDirectory.of(config, self.root)
        with run.lock():
            return Parcel(self.datasets[key], pack_run(run))

    def _listen(self, seconds: float = 1) -> Iterator[tuple[_Run, Answer | None]]:
        """Repeat what runs say; yield those that ended with their answers, None for a lost one."""
        import ray

        ray.wait(list(self.running), timeout=seconds, fetch_local=False)
        ended, _ = ray.wait(
            list(self.running), num_returns=len(self.running), timeout=0, fetch_local=False
        )
        self._repeat()
        for task in ended:
            run = self.running[task]
            answer = self._receive(run, task)
            del self.running[task]  # Not before: an interrupt must not lose what it has got to.
            yield run, answer

    def _repeat(self) -> None:
        """Print what runs have said."""
        import ray

        # Where the board is gone for good, runs go on unseen.
        with contextlib.suppress(ray.exceptions.RayActorError):
            for word, text in ray.get(self.board.take.remote()):
                getattr(self.settings.reporter, word)(text)

    def _receive(self, run: _Run, task: Any) -> Answer | None:
        """Write the files of a run that has ended and return its answer; None where it is lost."""
        import ray
        from ray.exceptions import RayError, RayTaskError, TaskCancelledError

        try:
            answer: Answer = ray.get(task)
        except RayTaskError as error:
            reason = str(error.cause).strip().split("\n")[0]
            return Answer(TextclfError(f"{type(error.cause).__name__} on its machine: {reason}"))
        except TaskCancelledError:
            return Answer()
        except RayError as error:
            return self._lose(run, error)
        if answer.needs_parcel:
            self.sends_parcels = True
        try:
            self._keep(run.config, answer.files or {})
        except TextclfError as error:
            return Answer(error)
        return answer

    def _keep(self, config: ExperimentConfig, files: Mapping[str, bytes]) -> None:
        """Write what was brought back, unless another process has finished the run meanwhile."""
        directory = RunDirectory.of(config, self.root)
        if files:
            with directory.lock():
                if not directory.is_finished:
                    unpack_run(directory, files)

    def _lose(self, run: _Run, error: Exception) -> Answer | None:
        """Count a loss; return the failure that it is in the end."""
        run.n_lost += 1
        reason = type(error).__name__
        if run.n_lost == MAX_LOSSES:
            return Answer(
                TextclfError(f"lost {MAX_LOSSES} times with its machine or process ({reason})")
            )
        self.settings.reporter.say(f"{name_run(run.config)}: lost, to be started again ({reason})")
        return None

    def _cancel(self) -> None:
        """Interrupt all runs, and take what they have got to."""
        import ray

        for task in self.running:
            ray.cancel(task, recursive=False)
        deadline = time.monotonic() + STEP_SECONDS
        while self.running and time.monotonic() < deadline:
            for _ in self._listen():
                pass


def _open_board() -> Any:
    """Start the actor that keeps messages, on the machine that this process is connected to."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    board = ray.remote(max_restarts=-1, max_task_retries=-1)(Board)
    return board.options(num_cpus=0, scheduling_strategy=here).remote()


def _list_variables() -> dict[str, str]:
    """Return the environment variables that hold on machines with the same disk too."""
    given = {name: os.environ[name] for name in SHARED_PLACES if name in os.environ}
    places = {name: str(Path(place).expanduser().absolute()) for name, place in given.items()}
    limits = [limit.variable for limit in LIMITS if limit.variable in os.environ]
    return places | {name: os.environ[name] for name in limits}
