"""Finished runs grouped by configuration, and the paired comparison of two configurations."""

import contextlib
import functools
import hashlib
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.comparison.significance import (
    Estimate,
    estimate,
    estimate_over_folds,
    holm,
    mcnemar_test,
)
from textclf.errors import RunError, TextclfError
from textclf.evaluation.metrics import accuracy_interval
from textclf.runs.directory import RunDirectory
from textclf.runs.result import Result

TRAIN_PART = ("train_fraction", "train_per_label")
"""Keys of the configuration that select a part of the training examples."""


@dataclass(frozen=True)
class ModelResults:
    """One configuration of a model with its finished seeds, and all folds of a cross-validation.

    Attributes:
        runs: Run directories, in the order of the folds and of the seeds.
        results: Their results.
        correct: <bool>[seeds, examples], whether each prediction is correct; the examples of the
            folds follow each other.
        fold_sizes: Number of examples of each fold; empty without cross-validation.
    """

    runs: tuple[RunDirectory, ...]
    results: tuple[Result, ...]
    correct: npt.NDArray[np.bool_]
    fold_sizes: tuple[int, ...] = ()

    @property
    def first(self) -> Result:
        """The first result, for everything that all seeds share."""
        return self.results[0]

    @property
    def accuracy(self) -> float:
        """Mean accuracy over the seeds."""
        return float(self.correct.mean())

    @property
    def fold_accuracies(self) -> npt.NDArray[np.float64]:
        """Accuracy on each fold, the mean over the seeds, <float64>[folds]."""
        folds = np.split(self.correct, np.cumsum(self.fold_sizes)[:-1], axis=1)
        return np.array([fold.mean() for fold in folds])

    @property
    def test_ratio(self) -> float:
        """Test examples divided by training examples of a fold, on average."""
        n_train = statistics.fmean(result.n_train_examples or 1 for result in self.results)
        return statistics.fmean(self.fold_sizes) / n_train

    @property
    def test_set(self) -> str:
        """What identifies the test set: its digest, or a hash of those of all folds."""
        if not self.fold_sizes:
            return self.first.split_digest
        digests = dict.fromkeys(result.split_digest for result in self.results)
        return hashlib.sha256(" ".join(digests).encode()).hexdigest()

    @property
    def n_examples(self) -> int:
        """Number of test examples, in all folds together."""
        return int(self.correct.shape[1])

    @property
    def n_train_examples(self) -> int | None:
        """Number of training examples, on average over the folds; None if it was not recorded."""
        counts = [result.n_train_examples for result in self.results]
        return None if None in counts else round(statistics.fmean(filter(None, counts)))

    @functools.cached_property
    def train_part(self) -> dict[str, Any]:
        """Which part of the training examples was used, by the keys of the configuration."""
        source: Any = self.first
        if self.n_train_examples is None:
            with contextlib.suppress(TextclfError):  # As if all were used.
                source = self.runs[0].read_config().dataset
        return {key: getattr(source, key) for key in TRAIN_PART}

    def mean_metric(self, name: str) -> float:
        """Return the mean of a metric over the seeds and folds."""
        return statistics.fmean(result.evaluation.metrics[name] for result in self.results)

    @property
    def interval(self) -> tuple[float, float]:
        """95% confidence interval of the accuracy."""
        estimated = self.estimate()
        if self.fold_sizes:
            # Stratified folds can be more alike than other examples would be.
            by_examples = accuracy_interval(int(self.correct[0].sum()), self.n_examples)
            return max(by_examples, estimated.interval, key=lambda ends: ends[1] - ends[0])
        # Without any variance the interval would be a point, although examples are a sample.
        if len(self.correct) == 1 or not estimated.variance:
            return self.first.evaluation.intervals["accuracy"]
        return estimated.interval

    def estimate(self, reference: "ModelResults | None" = None) -> Estimate:
        """Estimate the mean accuracy, or its difference from that of a reference."""
        if not self.fold_sizes:
            theirs = None if reference is None else reference.correct.astype(float)
            return estimate(self.correct.astype(float), theirs)
        models = [self] if reference is None else [self, reference]
        return estimate_over_folds(
            self.fold_accuracies,
            None if reference is None else reference.fold_accuracies,
            self.fold_sizes,
            ratio=max(model.test_ratio for model in models),
        )


@dataclass(frozen=True)
class Difference:
    """The difference in accuracy between a model and a reference.

    Attributes:
        estimate: Mean difference, positive if the model is better.
        p_value: Two-sided p-value; McNemar's for one seed each.
        p_below: One-sided p-value of the hypothesis that the model is not worse.
        n_seeds: Seeds of the model that has fewer.
        has_folds: Whether the models were cross-validated.
    """

    estimate: Estimate
    p_value: float
    p_below: float
    n_seeds: int
    has_folds: bool = False


def group_by_configuration(
    runs: Iterable[tuple[RunDirectory, Result]],
    *,
    leave_out: Callable[[str], None] | None = None,
) -> list[ModelResults]:
    """Group finished runs by configuration, and read their predictions.

    Args:
        runs: Run directories with their results.
        leave_out: Called with a message for runs whose predictions are damaged, and for those that
            lack other folds, which are then left out. If None, they are an error.

    Raises:
        RunError: Predictions are damaged, or folds are missing.
    """

    def key(pair: tuple[RunDirectory, Result]) -> tuple[str, str, str]:
        return pair[1].dataset, pair[1].model, pair[1].fingerprint

    # A file that was moved between two runs has two names.
    groups: dict[str, list[tuple[RunDirectory, Result]]] = {}
    for pair in sorted(runs, key=key):
        groups.setdefault(pair[1].fingerprint, []).append(pair)

    def drop(error: RunError) -> None:
        if leave_out is None:
            raise error
        leave_out(f"left out: {error}")

    models = []
    for group in groups.values():
        found = []
        for run, result in sorted(group, key=lambda pair: (pair[1].fold or 0, pair[1].seed)):
            try:
                found.append(_ReadRun(run, result, read_correct(run)))
            except RunError as error:
                drop(error)
        if complete := _select_complete(found, drop):
            models.append(_join(complete))
    return models


@dataclass(frozen=True)
class _ReadRun:
    """A finished run with its result, and whether each of its predictions is correct."""

    run: RunDirectory
    result: Result
    correct: npt.NDArray[np.bool_]


def _select_complete(found: Sequence[_ReadRun], drop: Callable[[RunError], None]) -> list[_ReadRun]:
    """Return the runs of one fold, or those with the seeds that all folds have.

    Args:
        found: Runs of one configuration.
        drop: Called with the reason why runs are left out.
    """
    folds: dict[int | None, set[int]] = {}
    for one in found:
        folds.setdefault(one.result.fold, set()).add(one.result.seed)
    if len(folds) < 2:
        return [*found]
    first, seeds = found[0].result, set.intersection(*folds.values())
    name = f"{first.dataset}/{first.model} {first.fingerprint}"
    if len(folds) < (first.folds or 0):
        seeds = set()
        problem = f"{name} has {len(folds)} of {first.folds} folds"
        drop(RunError(f"{problem}; run the others, or name the runs of one fold"))
    else:
        for seed in sorted(set.union(*folds.values()) - seeds):
            drop(RunError(f"{name}: seed {seed} is not finished for all folds"))
    return [one for one in found if one.result.seed in seeds]


def _join(found: Sequence[_ReadRun]) -> ModelResults:
    """Return runs of one configuration, all of one fold or with the same seeds for each fold.

    Raises:
        RunError: The seeds have different test sets.
    """
    folds: dict[int | None, list[_ReadRun]] = {}
    for one in found:
        folds.setdefault(one.result.fold, []).append(one)
    for seeds in folds.values():
        for other in seeds[1:]:
            check_comparable(seeds[0].result, other.result)
    stacked = [np.stack([one.correct for one in seeds]) for seeds in folds.values()]
    return ModelResults(
        tuple(one.run for one in found),
        tuple(one.result for one in found),
        np.concatenate(stacked, axis=1),
        tuple(correct.shape[1] for correct in stacked) if len(stacked) > 1 else (),
    )


def read_correct(run: RunDirectory) -> npt.NDArray[np.bool_]:
    """Return whether each prediction of a run is correct, <bool>[examples]; RunError if damaged."""
    predictions = run.read_predictions()
    return np.asarray(predictions.probabilities.argmax(axis=1) == predictions.label)


def group_by_test_set(models: Sequence[ModelResults]) -> list[list[ModelResults]]:
    """Group models that predicted the same examples."""
    groups: dict[str, list[ModelResults]] = {}
    for model in sorted(models, key=lambda model: (model.first.dataset, model.test_set)):
        groups.setdefault(model.test_set, []).append(model)
    return list(groups.values())


def group_comparable(models: Sequence[ModelResults]) -> list[list[ModelResults]]:
    """Group models by test set and by training size, from the smallest size."""
    groups: dict[tuple[Any, ...], list[ModelResults]] = {}
    for group in group_by_test_set(models):
        for model in sorted(group, key=lambda model: model.n_train_examples or math.inf):
            key = (model.test_set, *model.train_part.values())
            groups.setdefault(key, []).append(model)
    return list(groups.values())


def name_models(ordered: Sequence[ModelResults]) -> dict[str, str]:
    """Return the name of each model by fingerprint, which is added to ambiguous names."""
    names = [model.first.model for model in ordered]
    return {
        first.fingerprint: first.model + f" {first.fingerprint}" * (names.count(first.model) > 1)
        for first in (model.first for model in ordered)
    }


def check_models(first: ModelResults, second: ModelResults) -> None:
    """Check that two models predicted the same examples, in the same folds if there are some.

    Raises:
        RunError: They did not.
    """
    check_comparable(first.first, second.first)
    if first.test_set != second.test_set:
        raise RunError(
            f"{first.first.dataset}/{first.first.model} and {second.first.model} cannot be"
            " compared: only one of them has all folds"
        )


def check_comparable(first: Result, second: Result) -> None:
    """Check that two runs predicted the same examples; the order of labels may differ.

    Raises:
        RunError: Their labels or test sets differ.
    """
    names = [f"{result.dataset}/{result.model}, seed {result.seed}" for result in (first, second)]
    labels = [{scores.name for scores in r.evaluation.per_class} for r in (first, second)]
    is_same = first.split_digest == second.split_digest
    if first.dataset != second.dataset and not is_same:
        reason = f"different datasets: {first.dataset} and {second.dataset}"
    elif labels[0] != labels[1]:
        reason = f"different labels: only one of them has {sorted(labels[0] ^ labels[1])[0]!r}"
    elif first.folds != second.folds and not is_same:
        counts = [f"{result.folds or 'no'} folds" for result in (first, second)]
        reason = f"different test sets: {counts[0]} and {counts[1]}"
    elif not is_same:
        sizes = [result.evaluation.n_examples for result in (first, second)]
        reason = f"different test sets ({sizes[0]:,} and {sizes[1]:,} examples)"
    else:
        return
    raise RunError(f"{names[0]} and {names[1]} cannot be compared: {reason}")


def compare(model: ModelResults, reference: ModelResults) -> Difference:
    """Compare two models on the same examples, with all seeds that each has."""
    ours, theirs = model.correct, reference.correct
    difference = model.estimate(reference)
    n_seeds, has_folds = min(len(ours), len(theirs)), bool(model.fold_sizes)
    has_variance = max(len(ours), len(theirs)) > 1 or has_folds
    if has_variance and difference.variance > 0:
        p_values = difference.p_value, difference.p_below
        return Difference(difference, *p_values, n_seeds, has_folds)
    # With one seed each, or without any variance, only examples can be counted.
    ours, theirs = ours[0], theirs[0]
    two_sided, one_sided = mcnemar_test(int((ours & ~theirs).sum()), int((theirs & ~ours).sum()))
    return Difference(difference, two_sided, one_sided, n_seeds, has_folds)


def compare_all(
    models: Sequence[ModelResults],
    reference: ModelResults,
    *,
    one_sided: bool = False,
    all_pairs: bool = False,
) -> dict[str, Difference]:
    """Compare each model with a reference, with p-values corrected by Holm's method.

    Args:
        models: All models, with or without the reference.
        reference: Model to compare with.
        one_sided: Whether ``p_value`` is that of the hypothesis that a model is not worse.
        all_pairs: Whether to correct for all pairs of models, because the reference was chosen as
            the best of them.

    Returns:
        The difference of each model other than the reference, by fingerprint.
    """
    others = [model for model in models if model is not reference]
    differences = [compare(model, reference) for model in others]
    n_tests = len(others) * (len(others) + 1) // 2 if all_pairs else len(others)
    p_values = holm([d.p_below if one_sided else d.p_value for d in differences], n_tests=n_tests)
    return {
        model.first.fingerprint: replace(difference, p_value=p_value)
        for model, difference, p_value in zip(others, differences, p_values, strict=True)
    }
