"""Proposes the values of the next trials, which depend on the settings and earlier trials only."""

from collections.abc import Iterable, Sequence
from typing import Any

from textclf.config.search_space import Range, SearchSpace
from textclf.tuning.distributions import to_distributions
from textclf.tuning.journal import freeze, import_optuna
from textclf.tuning.trial import Trial

N_STARTUP_TRIALS = 10
"""Finished trials before the sampler uses them; earlier trials are random."""

N_DIGITS = 4
"""Significant digits of a proposed number, so that it can be typed."""


def propose(
    space: SearchSpace,
    trials: Sequence[Trial],
    numbers: Iterable[int],
    *,
    seed: int,
    direction: str,
) -> dict[int, dict[str, Any]]:
    """Propose values for each of several trials that run at once.

    A sampler with its own seed for each number proposes the same after a kill; one sampler for all
    would not, because its random state is lost.

    Args:
        space: Search space.
        trials: All trials before the first of the numbers.
        numbers: Numbers of the trials to propose, in their order.
        seed: Seed to which the number of a trial is added.
        direction: ``minimize`` or ``maximize``.

    Returns:
        Values by key, by the number of the trial.
    """
    optuna = import_optuna()
    study = optuna.create_study(direction=direction)
    frozen = [freeze(trial, space) for trial in trials]
    study.add_trials([trial for trial in frozen if trial.params.keys() == space.keys()])
    distributions = to_distributions(space)
    proposals = {}
    for number in numbers:
        study.sampler = optuna.samplers.TPESampler(
            seed=seed + number,
            n_startup_trials=N_STARTUP_TRIALS,
            multivariate=True,
            constant_liar=True,
        )
        asked = study.ask(distributions).params
        proposals[number] = {key: _round(asked[key], space[key]) for key in space}
    return proposals


def _round(value: Any, domain: Any) -> Any:
    """Round a number of a continuous range; others are as they are declared."""
    if not isinstance(domain, Range) or domain.is_integer or domain.step:
        return value
    return min(max(float(f"{value:.{N_DIGITS}g}"), domain.low), domain.high)
