"""Decides which trials are stopped early, exactly as Optuna's pruners would."""

import math
import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from textclf.config.search_space import SearchSpace
from textclf.training.history import PruningRule
from textclf.tuning.journal import freeze, import_optuna
from textclf.tuning.trial import Trial

N_STARTUP_TRIALS = 5
"""Complete trials before the first is stopped: the default of Optuna's MedianPruner."""


def make_rule(trials: Sequence[Trial], monitor: str, *, n_epochs: int) -> PruningRule | None:
    """Return the rule of Optuna's MedianPruner as numbers, which other machines can apply.

    Args:
        trials: Earlier trials, whose steps are the values of ``monitor`` by epoch.
        monitor: ``val_loss`` or ``val_accuracy``.
        n_epochs: Epochs of the defaults. No trial is stopped before half of them, because low
            learning rates, which often end better, begin worse; or after the last one, because its
            result is then known.

    Returns:
        The median over the complete trials for each epoch; None if no trial is to be stopped.
    """
    complete = [trial.steps for trial in trials if trial.state == "complete"]
    longest = max((len(steps) for steps in complete), default=0)
    first, last = max(2, n_epochs // 2), min(longest, n_epochs - 1)
    if len(complete) < N_STARTUP_TRIALS or first > last:
        return None
    medians = [
        float(np.nanpercentile([steps[epoch] for steps in complete if epoch in steps], 50))
        for epoch in range(first, last + 1)
    ]
    return PruningRule(monitor, (*[math.nan] * (first - 1), *medians))


def is_worse(
    steps: Mapping[int, float], trials: Sequence[Trial], space: SearchSpace, *, direction: str
) -> bool:
    """Ask Optuna's WilcoxonPruner whether a trial is significantly worse than the best one.

    Args:
        steps: Metric by the position of the seed, of the seeds that have been trained.
        trials: Earlier trials, with the same seeds.
        space: Search space.
        direction: ``minimize`` or ``maximize``.
    """
    optuna = import_optuna()
    with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
        pruner = optuna.pruners.WilcoxonPruner()
    study = optuna.create_study(direction=direction, pruner=pruner)
    study.add_trials([freeze(trial, space) for trial in trials])
    running = optuna.trial.create_trial(
        state=optuna.trial.TrialState.RUNNING, intermediate_values=dict(steps)
    )
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # Few seeds, from SciPy.
        return bool(pruner.prune(study, running))
