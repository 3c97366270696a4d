"""Pruning decides exactly as Optuna's pruners."""

import math
import warnings

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tuning_support import NETWORK_SPACE, make_trial

from textclf.tuning.pruning import is_worse, make_rule

VALUES = st.floats(0, 1, width=16)
CURVES = st.lists(st.lists(VALUES, min_size=1, max_size=6), max_size=12)


def ask_optuna(curves, states, values, direction, *, first, last):
    """Return the epoch after which Optuna's MedianPruner stops a trial; None if there is none."""
    pruner = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=first)
    study = optuna.create_study(direction=direction, pruner=pruner)
    for curve, state in zip(curves, states, strict=True):
        steps = dict(enumerate(curve, 1))
        value = curve[-1] if state == optuna.trial.TrialState.COMPLETE else None
        study.add_trial(
            optuna.trial.create_trial(state=state, value=value, intermediate_values=steps)
        )
    trial = study.ask()
    for epoch, value in enumerate(values, 1):
        trial.report(value, epoch)
        if epoch <= last and trial.should_prune():
            return epoch
    return None


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(curves=CURVES, values=st.lists(VALUES, min_size=1, max_size=8), data=st.data())
@pytest.mark.parametrize(
    ("monitor", "n_epochs", "first"),
    [("val_loss", 3, 2), ("val_accuracy", 5, 2), ("val_loss", 6, 3), ("val_accuracy", 20, 10)],
)
def test_epochs_are_those_of_optunas_median_pruner(monitor, n_epochs, first, curves, values, data):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    names = [data.draw(st.sampled_from(["complete", "pruned"])) for _ in curves]
    states = [optuna.trial.TrialState[name.upper()] for name in names]
    direction = "minimize" if monitor == "val_loss" else "maximize"
    trials = [
        make_trial(
            number,
            curve[-1] if name == "complete" else None,
            state=name,
            steps=dict(enumerate(curve, 1)),
        )
        for number, (curve, name) in enumerate(zip(curves, names, strict=True))
    ]
    rule = make_rule(trials, monitor, n_epochs=n_epochs)
    found = rule.find_epoch(values) if rule else None
    assert found == ask_optuna(curves, states, values, direction, first=first, last=n_epochs - 1)


def test_a_rule_has_the_median_of_complete_trials_from_half_of_the_epochs():
    curves = [[0.1, 0.2], [0.2, 0.4, 0.6], [0.3, 0.6], [0.4, 0.8, 0.9], [0.5, 1.0]]
    trials = [make_trial(i, c[-1], steps=dict(enumerate(c, 1))) for i, c in enumerate(curves)]
    pruned = make_trial(5, state="pruned", steps={1: 0.0, 2: 0.0})
    rule = make_rule([*trials, pruned], "val_loss", n_epochs=4)
    assert math.isnan(rule.thresholds[0])
    assert rule.thresholds[1:] == (0.6, 0.75)
    assert len(make_rule(trials, "val_loss", n_epochs=3).thresholds) == 2
    assert make_rule(trials, "val_loss", n_epochs=2) is None
    assert make_rule(trials[:4], "val_loss", n_epochs=4) is None
    assert make_rule([make_trial(i, 0.5) for i in range(9)], "val_loss", n_epochs=4) is None


@settings(deadline=None, max_examples=40)
@given(
    best=st.lists(VALUES, min_size=8, max_size=8),
    other=st.lists(VALUES, min_size=1, max_size=8),
    maximize=st.booleans(),
)
def test_seeds_are_compared_by_optunas_wilcoxon_pruner(best, other, maximize):
    direction = "maximize" if maximize else "minimize"
    trials = [make_trial(0, sum(best) / 8, steps=dict(enumerate(best)))]
    with warnings.catch_warnings(action="ignore"):
        study = optuna.create_study(direction=direction, pruner=optuna.pruners.WilcoxonPruner())
    study.add_trial(
        optuna.trial.create_trial(value=sum(best) / 8, intermediate_values=dict(enumerate(best)))
    )
    trial = study.ask()
    for step, value in enumerate(other):
        trial.report(value, step)
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        expected = trial.should_prune()
    steps = dict(enumerate(other))
    assert is_worse(steps, trials, NETWORK_SPACE, direction=direction) == expected


def test_a_trial_that_is_worse_with_every_seed_is_stopped_after_the_fourth():
    good = make_trial(0, 0.9, steps={seed: 0.9 + 0.01 * seed for seed in range(6)})
    for n_seeds in range(1, 6):
        steps = dict.fromkeys(range(n_seeds), 0.5)
        worse = is_worse(steps, [good], NETWORK_SPACE, direction="maximize")
        assert worse == (n_seeds >= 4)
        assert not is_worse(steps, [good], NETWORK_SPACE, direction="minimize")
    assert not is_worse({0: 0.1}, [], NETWORK_SPACE, direction="maximize")
