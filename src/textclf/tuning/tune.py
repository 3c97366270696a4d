"""Runs the trials of a study, batch by batch, and compares the best one with the defaults."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from textclf.errors import TextclfError, format_count
from textclf.executors._base import STEP_TIMEOUT_SECONDS, Executor, ExecutorConfig
from textclf.experiment.run import RunContext
from textclf.registry import load_module
from textclf.runtime.machine import count_processors
from textclf.storage.files import (
    LOCK,
    list_absent_folders,
    lock_folder,
    remove,
    remove_empty_folders,
)
from textclf.tuning.batch import Batch, RunningTrial
from textclf.tuning.journal import cut_torn_line, import_optuna
from textclf.tuning.proposals import propose
from textclf.tuning.selection import compare_selected
from textclf.tuning.study import JOURNAL, Study, StudySettings, get_defaults
from textclf.tuning.trial import Trial

if TYPE_CHECKING:
    from textclf.runtime.progress import Reporter


@dataclass(frozen=True)
class TuningPlan:
    """What `tune` does.

    Attributes:
        settings: Settings of the study, with any batch size and threads.
        path: Folder of the study.
        root: Root of the run directories.
        n_trials: Number of trials of the study, including earlier ones.
        timeout_seconds: Time after which no more trials begin; None without a limit.
        executor: Where trials are run, and how many at once.
        on_batch: Called with the study after each batch of trials.
    """

    settings: StudySettings
    path: Path
    root: Path
    n_trials: int
    timeout_seconds: float | None
    executor: ExecutorConfig
    on_batch: Callable[[Study], None] = lambda _: None


def tune(plan: TuningPlan, context: RunContext) -> Study:
    """Run the missing trials of a study, then evaluate the best one and the defaults.

    Args:
        plan: What to do.
        context: How each run is executed.

    Returns:
        The study, with its comparison on the test split.

    Raises:
        RequestError: The study has other settings, or a value is invalid.
        RunError: Another process runs the study, or a file cannot be read or written.
        TextclfError: Trial 0 fails.
    """
    import_optuna()
    with _lock_study(plan.path):
        study = _run_trials(plan, context)
        study.write_files()  # Also if it was killed before it wrote them.
        _write_plots(study, context.reporter)
        # With the threads of the trials, whose checkpoints are used.
        threads = _choose_threads(study, plan)
        final = replace(context, threads=threads, lock_timeout_seconds=STEP_TIMEOUT_SECONDS)
        return replace(study, comparison=compare_selected(study, plan.root, final, plan.executor))


@contextlib.contextmanager
def _lock_study(path: Path) -> Iterator[None]:
    """Lock the folder of a study; a new one that fails before its first trial leaves nothing."""
    absent = list_absent_folders(path)
    with lock_folder(path):
        try:
            yield
        except TextclfError:
            is_empty = not (path / JOURNAL).is_file() or not Study.read(path).trials
            if absent and is_empty:
                remove(path / JOURNAL)
                with contextlib.suppress(PermissionError):  # Windows removes it with the lock.
                    remove(path / LOCK)
                remove_empty_folders(absent)
            raise


def _write_plots(study: Study, reporter: "Reporter") -> None:
    from textclf.tuning.plots import write_plots

    settings = study.settings
    importance = write_plots(
        study.trials, settings.space, settings.metric, study.path, title=study.title
    )
    if importance.reason:
        reporter.info(f"importance.png is not written: {importance.reason}")


def _run_trials(plan: TuningPlan, context: RunContext) -> Study:
    """Run the missing trials, batch by batch."""
    reporter = context.reporter
    module = load_module("executors", plan.executor.name)
    with module.opened(plan.root, plan.executor) as opened:
        study = _open_study(plan, context, opened)
        context = replace(
            context,
            threads=_choose_threads(study, plan),
            validate_only=True,
            # Workers of a process that was killed complete their step.
            lock_timeout_seconds=STEP_TIMEOUT_SECONDS,
        )
        budget = _Budget(plan, time.monotonic())
        at_once = format_count(study.settings.batch_size, "trial")
        reporter.info(f"study {study.path}, {at_once} at once: {budget.describe(study)}")
        try:
            while budget.allows_batch(study):
                began = time.monotonic()
                study = _run_batch(study, plan, opened, context)
                study.write_files()
                plan.on_batch(study)
                budget.batch_seconds.append(time.monotonic() - began)
                reporter.info(budget.describe(study))
        except KeyboardInterrupt:
            reporter.info("run the same command again to resume the study")
            raise
    return study


def _open_study(plan: TuningPlan, context: RunContext, opened: Executor) -> Study:
    """Read the study, or create it."""
    path = plan.path / JOURNAL
    if not path.is_file():
        jobs, threads = opened.allocate([plan.settings.config], context)
        return Study.create(plan.path, replace(plan.settings, batch_size=jobs, threads=threads))
    if cut_torn_line(path):
        context.reporter.info(f"{path}: cut off a line that was not written completely")
    study = Study.read(plan.path)
    study.check(plan.settings)
    # The configuration that was given may have code, which is now executed.
    settings = replace(study.settings, config=plan.settings.config, space=plan.settings.space)
    return replace(study, settings=settings)


def _choose_threads(study: Study, plan: TuningPlan) -> int | None:
    """Return the threads of a run, on which its last digits depend, wherever it is executed."""
    threads, executor = study.settings.threads, plan.executor
    is_here = executor.name == "local" and executor.jobs in {None, 1}
    is_default = threads == count_processors() and not plan.settings.config.resources.cpus
    # TensorFlow's own number, which cannot change in a notebook where it has started.
    return None if is_here and is_default else threads


def _run_batch(study: Study, plan: TuningPlan, opened: Executor, context: RunContext) -> Study:
    """Run the rest of a batch of trials, and add them to the study."""
    settings, done = study.settings, len(study.trials)
    start = done // settings.batch_size * settings.batch_size
    numbers = range(start, min(start + settings.batch_size, plan.n_trials))
    earlier = study.trials[:start]
    proposals = propose(
        settings.space,
        earlier,
        numbers,
        seed=settings.config.seed,
        direction=settings.direction,
    )
    proposals[0] = get_defaults(settings)
    rest = numbers[done - start :]
    running = [RunningTrial(settings, number, proposals[number]) for number in rest]
    for trial in running:
        context.reporter.info(trial.describe())
    finished = Batch(settings, earlier, plan.root, opened, context).run(running)
    for result in finished:
        context.reporter.info(_describe_result(result, settings))
    return study.add(finished)


def _describe_result(trial: Trial, settings: StudySettings) -> str:
    """Return how a trial has ended."""
    if trial.value is not None:
        return f"trial {trial.number}: validation {settings.metric} {trial.value:.4f}"
    if trial.state == "pruned":
        is_one = len(settings.seeds) == 1
        what = format_count(len(trial.steps), "epoch" if is_one else "seed")
        return f"trial {trial.number}: pruned after {what}, because it is worse than earlier trials"
    return f"trial {trial.number}: failed: {trial.error}"


@dataclass
class _Budget:
    """How many trials may begin, and how long they take.

    Attributes:
        plan: Number of trials and time limit.
        started: When the command began.
        batch_seconds: Duration of each batch so far.
    """

    plan: TuningPlan
    started: float
    batch_seconds: list[float] = field(default_factory=list)

    @property
    def _mean(self) -> float:
        return sum(self.batch_seconds) / len(self.batch_seconds)

    @property
    def _time_left(self) -> float:
        """Seconds before the time limit."""
        if self.plan.timeout_seconds is None:
            return float("inf")
        return self.plan.timeout_seconds - (time.monotonic() - self.started)

    def allows_batch(self, study: Study) -> bool:
        """Return whether another batch may begin: the first one always may."""
        if len(study.trials) >= self.plan.n_trials:
            return False
        return not self.batch_seconds or self._mean <= self._time_left

    def describe(self, study: Study) -> str:
        """Return how many trials are done, the best one, and the time left."""
        n_done, n_trials = len(study.trials), max(self.plan.n_trials, len(study.trials))
        text = f"{n_done} of {n_trials} trials done"
        if study.trials:
            best, metric = study.best, study.settings.metric
            text += f", best validation {metric} {best.value:.4f} (trial {best.number})"
        if not self.batch_seconds or n_done == n_trials:
            return text
        if self._mean > self._time_left:
            return f"{text}; --timeout leaves no time for more"
        batches = -((n_done - n_trials) // study.settings.batch_size)
        left = min(self._mean * batches, self._time_left)
        return f"{text}, about {format_duration(left)} left"


def format_duration(seconds: float) -> str:
    """Return a duration such as ``45 s``, ``12 min`` or ``1 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
