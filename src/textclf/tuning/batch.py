"""Runs trials that were proposed together, seed by seed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textclf.errors import PrunedError, RunError, TextclfError
from textclf.executors._base import Executor
from textclf.experiment.run import RunContext
from textclf.runs.directory import RunDirectory
from textclf.training.history import PruningRule
from textclf.tuning.pruning import is_worse, make_rule
from textclf.tuning.study import StudySettings, make_trial_config
from textclf.tuning.trial import Trial, TrialState

if TYPE_CHECKING:
    from textclf.config.schema import ExperimentConfig


class RunningTrial:
    """A trial whose seeds are being trained; it is finished when it has a state."""

    def __init__(self, settings: StudySettings, number: int, params: dict[str, Any]) -> None:
        self.settings, self.number, self.params = settings, number, params
        self.state: TrialState | None = None
        self.error: str | None = None
        self.values: dict[int, float] = {}
        self.steps: dict[int, float] = {}
        self.n_epochs, self.seconds = 0, 0.0
        self.config: ExperimentConfig = settings.config
        self.fingerprint = ""
        try:
            self.config = make_trial_config(settings, number, params)
            self.fingerprint = self.config.fingerprint
        except TextclfError as error:
            self.fail(error)

    def describe(self) -> str:
        """Return the values of a trial for the user."""
        shown = ", ".join(f"{key}={value}" for key, value in self.params.items())
        names = [self.fingerprint, "the defaults" if self.number == 0 else ""]
        known = ", ".join(filter(None, names)) or "invalid"
        return f"trial {self.number} ({known}): {shown}"

    def fail(self, error: TextclfError) -> None:
        """End the trial with an error; that of the defaults is raised, as it is the user's."""
        if self.number == 0:
            raise error
        self.state, self.error = "failed", str(error)

    def finish(self) -> Trial:
        """Return the finished trial."""
        state = self.state or "complete"
        value = sum(self.values.values()) / len(self.values) if state == "complete" else None
        return Trial(
            self.number,
            state,
            self.params,
            value,
            self.values,
            self.steps,
            self.n_epochs,
            self.seconds,
            self.fingerprint,
            self.error,
        )


@dataclass(frozen=True)
class Batch:
    """Runs trials that were proposed together.

    Attributes:
        settings: Settings of the study.
        earlier: Trials before the batch, which decide when a trial is stopped.
        root: Root of the run directories.
        opened: Executes runs.
        context: How each run is executed.
    """

    settings: StudySettings
    earlier: Sequence[Trial]
    root: Path
    opened: Executor
    context: RunContext

    def run(self, trials: Sequence[RunningTrial]) -> list[Trial]:
        """Train all trials, seed by seed, and return them."""
        settings, seeds = self.settings, self.settings.seeds
        rule, n_epochs = None, settings.config.training.epochs
        if len(seeds) == 1:
            rule = make_rule(self.earlier, settings.monitor, n_epochs=n_epochs)
        for position, seed in enumerate(seeds):
            live = [trial for trial in trials if trial.state is None]
            self._train(live, seed, rule)
            for trial in live:
                if trial.state is None and len(seeds) > 1:
                    trial.steps[position] = trial.values[seed]
                    is_last = position == len(seeds) - 1
                    if not is_last and self._is_worse(trial):
                        trial.state = "pruned"
        return [trial.finish() for trial in trials]

    def _is_worse(self, trial: RunningTrial) -> bool:
        direction = self.settings.direction
        return is_worse(trial.steps, self.earlier, self.settings.space, direction=direction)

    def _train(self, trials: Sequence[RunningTrial], seed: int, rule: PruningRule | None) -> None:
        """Train live trials with one seed, unless their runs exist, and record the outcomes."""
        configs = {trial: trial.config.model_copy(update={"seed": seed}) for trial in trials}
        runs = {trial: RunDirectory.of(config, self.root) for trial, config in configs.items()}
        # Equal trials share a run.
        missing = {
            runs[trial].path: config
            for trial, config in configs.items()
            if not _is_done(runs[trial], rule)
        }
        failures = []
        if missing:
            context = replace(self.context, pruning=rule)
            failures = self.opened.execute([*missing.values()], context)
        errors = {RunDirectory.of(f.config, self.root).path: f.error for f in failures}
        for trial, run in runs.items():
            _record(trial, run, seed, rule, errors.get(run.path))


def _is_done(run: RunDirectory, rule: PruningRule | None) -> bool:
    """Return whether the outcome of a run is known."""
    return run.is_validated or run.is_finished or _find_pruned(run, rule) is not None


def _find_pruned(run: RunDirectory, rule: PruningRule | None) -> int | None:
    """Return the epoch after which a run is stopped; None if it is not, or not yet."""
    if rule is None:
        return None
    return rule.find_epoch([getattr(row, rule.monitor) for row in run.read_history()])


def _record(
    trial: RunningTrial,
    run: RunDirectory,
    seed: int,
    rule: PruningRule | None,
    error: TextclfError | None,
) -> None:
    """Add the outcome of one run to a trial.

    Raises:
        RunError: A run directory cannot be used, for which the trial is not responsible.
    """
    if isinstance(error, RunError):
        raise error
    # A run that exists is not stopped: its cost is paid.
    pruned = None if run.is_validated else _find_pruned(run, rule)
    rows = run.read_history()[:pruned]
    trial.n_epochs += len(rows)
    trial.seconds += sum(row.seconds for row in rows)
    if len(trial.settings.seeds) == 1:
        trial.steps |= {row.epoch: getattr(row, trial.settings.monitor) for row in rows}
    if pruned is not None:
        trial.state = "pruned"
    elif error is not None and not isinstance(error, PrunedError):
        trial.fail(error)
    else:
        result = run.read_validation()
        trial.values[seed] = result.evaluation.metrics[trial.settings.metric]
        if not rows:  # A scikit-learn model.
            trial.seconds += result.train_seconds
