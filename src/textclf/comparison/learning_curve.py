"""Learning curves: accuracy by training size, and from which size on a model is better."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textclf.comparison.model_results import (
    TRAIN_PART,
    ModelResults,
    compare,
    group_by_test_set,
    name_models,
)
from textclf.comparison.power_law import FitError, Guess, guess_gain
from textclf.comparison.significance import ALPHA, holm
from textclf.errors import TextclfError
from textclf.models._build import CHANCE_BASELINE

if TYPE_CHECKING:
    from textclf.evaluation.curve_plot import CurvePoint

PLOTS = {"train_fraction": "learning-curve", "train_per_label": "learning-curve-per-label"}
"""Name of the plot, by the key that selects the parts."""


@dataclass(frozen=True)
class LearningCurve:
    """The accuracy of several models by training size, on one test set.

    Attributes:
        dataset: Name of the dataset.
        key: Key of the configuration that selects the parts, one of `TRAIN_PART`.
        title: What it is about, in sentences: the dataset, with the key if there is another curve.
        models: For each model by its name, its results with different numbers of training examples,
            the smallest first. The most accurate model at the end of its curve is the first.
    """

    dataset: str
    key: str
    title: str
    models: Mapping[str, Sequence[ModelResults]]

    @property
    def judged(self) -> dict[str, Sequence[ModelResults]]:
        """The models without the chance baseline, which learns nothing from more examples."""
        return {
            name: curve
            for name, curve in self.models.items()
            if curve[0].first.model != CHANCE_BASELINE
        }

    def list_points(self) -> "dict[str, list[CurvePoint]]":
        """Return the points of each judged model, for a plot."""
        from textclf.evaluation.curve_plot import CurvePoint

        return {
            name: [CurvePoint(m.n_train_examples or 0, m.accuracy, m.interval) for m in curve]
            for name, curve in self.judged.items()
        }

    def write_plot(self, folder: Path) -> Path:
        """Write the plot into a folder, and return its path; RunError if it cannot be written."""
        from textclf.evaluation.curve_plot import plot_learning_curve
        from textclf.evaluation.plots import write_plots

        figure = plot_learning_curve(self.list_points(), f"Learning curve on {self.dataset}")
        name = PLOTS[self.key]
        write_plots({name: figure}, folder)
        return folder / f"{name}.png"

    def describe(self) -> list[str]:
        """Return sentences about which model is better, and what more examples would bring."""
        return [*_describe_order(self), *_describe_guesses(self)]


def find_learning_curves(models: Sequence[ModelResults]) -> list[LearningCurve]:
    """Return a learning curve for each test set, and each key that selects training examples.

    Results belong to one curve if nothing but the part of the training examples differs in their
    configurations. Cross-validated results are left out, and so are those of earlier versions,
    whose number of training examples is not known.
    """
    curves = []
    for group in group_by_test_set(models):
        known = [m for m in group if m.n_train_examples is not None and not m.fold_sizes]
        found = {key: _find_curves(_select_parts(known, key)) for key in TRAIN_PART}
        found = {key: of_key for key, of_key in found.items() if of_key}
        dataset = group[0].first.dataset
        for key, of_key in found.items():
            title = f"{dataset} ({key})" if len(found) > 1 else dataset
            curves.append(LearningCurve(dataset, key, title, of_key))
    return curves


def _select_parts(models: Sequence[ModelResults], key: str) -> list[ModelResults]:
    """Return results with parts that one key selects, and with all training examples."""
    others = [other for other in TRAIN_PART if other != key]
    return [model for model in models if not any(model.train_part[other] for other in others)]


def _find_curves(models: Sequence[ModelResults]) -> dict[str, list[ModelResults]]:
    """Return the curves with at least two training sizes, by the name of the model."""
    by_whole: dict[str, dict[int, ModelResults]] = {}
    for model in models:
        # Numbers per label may select all examples; the plain configuration is one of them.
        sizes = by_whole.setdefault(_find_whole(model), {})
        sizes[model.n_train_examples or 0] = model
    found = [
        [curve[size] for size in sorted(curve)] for curve in by_whole.values() if len(curve) > 1
    ]
    found.sort(key=lambda curve: -curve[-1].accuracy)
    names = name_models([curve[-1] for curve in found])
    return {names[curve[-1].first.fingerprint]: curve for curve in found}


def _find_whole(model: ModelResults) -> str:
    """Return the fingerprint of a configuration with all training examples."""
    if any(model.train_part.values()):
        try:
            config = model.runs[0].read_config()
        except TextclfError:
            return model.first.fingerprint  # It is in no curve.
        return config.model_copy(update={"dataset": config.dataset.whole}).fingerprint
    return model.first.fingerprint


def _describe_order(curve: LearningCurve) -> list[str]:
    """Return at which sizes the most accurate model at the end differs from each other one."""
    if len(curve.judged) < 2:
        return []
    (best, of_best), *others = curve.judged.items()
    by_size = {model.n_train_examples: model for model in of_best}
    tests = [
        (name, compare(by_size[model.n_train_examples], model), model.n_train_examples or 0)
        for name, of_model in others
        for model in of_model
        if model.n_train_examples in by_size
    ]
    # The first model was chosen by its result: all pairs were candidates.
    n_pairs = len(others) * (len(others) + 1) // 2
    p_values = holm(
        [difference.p_value for _, difference, _ in tests], n_tests=n_pairs * len(by_size)
    )
    outcomes: dict[str, list[tuple[int, str | None]]] = {}
    for (name, difference, size), p_value in zip(tests, p_values, strict=True):
        better = best if difference.estimate.mean > 0 else name
        outcomes.setdefault(name, []).append((size, better if p_value < ALPHA else None))
    return [
        f"{best} and {name} on {curve.title}: {_describe_outcomes(found)}"
        for name, found in outcomes.items()
    ]


def _describe_outcomes(outcomes: Sequence[tuple[int, str | None]]) -> str:
    """Return in words which model is significantly better at which sizes.

    Args:
        outcomes: Each size with the better model, or None; the smallest size first.
    """
    parts: list[str] = []
    for better, group in itertools.groupby(outcomes, key=lambda outcome: outcome[1]):
        sizes = [size for size, _ in group]
        # Nothing is claimed about sizes beyond those that were measured.
        where = f"from {sizes[0]:,} to {sizes[-1]:,}" if len(sizes) > 1 else f"at {sizes[0]:,}"
        noun = "" if parts else " training examples"
        what = f"{better} is significantly better" if better else "no significant difference"
        parts.append(f"{what} {where}{noun}")
    return "; ".join(parts)


def make_guess(curve: Sequence[ModelResults]) -> Guess:
    """Guess what twice as many training examples would bring; FitError if that is not possible."""
    return guess_gain(
        [model.n_train_examples or 0 for model in curve],
        [model.correct for model in curve],
        [model.estimate().variance for model in curve],
    )


def _describe_guesses(curve: LearningCurve) -> list[str]:
    """Return what twice as many training examples would bring, and why that is not known."""
    guesses: dict[int, list[str]] = {}
    refusals: dict[str, list[str]] = {}
    for name, of_model in curve.judged.items():
        try:
            guess = make_guess(of_model)
        except FitError as error:
            refusals.setdefault(str(error), []).append(name)
            continue
        low, high = guess.interval
        change = f"{name} {guess.gain:+.3f} (95% interval {low:+.3f} to {high:+.3f})"
        guesses.setdefault(guess.n_examples, []).append(change)
    return [
        *(
            f"a guess by a power law: {n:,} training examples, twice as many, would change the"
            f" accuracy on {curve.title} by: {', '.join(found)}"
            for n, found in guesses.items()
        ),
        *(
            f"no guess what more training examples would bring for {', '.join(names)} on"
            f" {curve.title}: {reason}"
            for reason, names in refusals.items()
        ),
    ]
