"""Finished runs grouped by configuration, and the paired comparison of two configurations."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from textclf.comparison.significance import Estimate, estimate, holm, mcnemar_test
from textclf.errors import RunError
from textclf.runs.directory import RunDirectory
from textclf.runs.result import Result


@dataclass(frozen=True)
class ModelResults:
    """One configuration of a model with its finished seeds.

    Attributes:
        runs: Run directories.
        results: Their results, in the order of the seeds.
        correct: <bool>[seeds, examples], whether each prediction is correct.
    """

    runs: tuple[RunDirectory, ...]
    results: tuple[Result, ...]
    correct: npt.NDArray[np.bool_]

    @property
    def first(self) -> Result:
        """The first result, for everything that all seeds share."""
        return self.results[0]

    @property
    def accuracy(self) -> float:
        """Mean accuracy over the seeds."""
        return float(self.correct.mean())

    def mean_metric(self, name: str) -> float:
        """Return the mean of a metric over the seeds."""
        return statistics.fmean(result.evaluation.metrics[name] for result in self.results)


@dataclass(frozen=True)
class Difference:
    """The difference in accuracy between a model and a reference.

    Attributes:
        estimate: Mean difference, positive if the model is better.
        p_value: Two-sided p-value; McNemar's for one seed each.
        p_below: One-sided p-value of the hypothesis that the model is not worse.
        n_seeds: Seeds of the model that has fewer.
    """

    estimate: Estimate
    p_value: float
    p_below: float
    n_seeds: int


def group_by_configuration(
    runs: Iterable[tuple[RunDirectory, Result]],
    *,
    leave_out: Callable[[str], None] | None = None,
) -> list[ModelResults]:
    """Group finished runs by configuration, and read their predictions.

    Args:
        runs: Run directories with their results.
        leave_out: Called with a message for each run whose predictions are damaged, which is then
            left out. If None, damaged predictions are an error.

    Raises:
        RunError: Predictions are damaged, or no run is left.
    """

    def key(pair: tuple[RunDirectory, Result]) -> tuple[str, str, str]:
        return pair[1].dataset, pair[1].model, pair[1].fingerprint

    # A file that was moved between two runs has two names.
    groups: dict[str, list[tuple[RunDirectory, Result]]] = {}
    for pair in sorted(runs, key=key):
        groups.setdefault(pair[1].fingerprint, []).append(pair)
    models = []
    for group in groups.values():
        found: list[tuple[RunDirectory, Result, npt.NDArray[np.bool_]]] = []
        for run, result in sorted(group, key=lambda pair: pair[1].seed):
            try:
                found.append((run, result, read_correct(run)))
            except RunError as error:
                if leave_out is None:
                    raise
                leave_out(f"left out: {error}")
        if found:
            directories, results, correct = zip(*found, strict=True)
            for result in results[1:]:
                check_comparable(results[0], result)
            models.append(ModelResults(directories, results, np.stack(correct)))
    if not models:
        raise RunError("no finished run has predictions to compare")
    return models


def read_correct(run: RunDirectory) -> npt.NDArray[np.bool_]:
    """Return whether each prediction of a run is correct, <bool>[examples]; RunError if damaged."""
    predictions = run.read_predictions()
    return np.asarray(predictions.probabilities.argmax(axis=1) == predictions.label)


def group_by_test_set(models: Sequence[ModelResults]) -> list[list[ModelResults]]:
    """Group models that predicted the same examples."""
    groups: dict[str, list[ModelResults]] = {}
    for model in sorted(models, key=lambda model: (model.first.dataset, model.first.split_digest)):
        groups.setdefault(model.first.split_digest, []).append(model)
    return list(groups.values())


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
    elif not is_same:
        sizes = [result.evaluation.n_examples for result in (first, second)]
        reason = f"different test sets ({sizes[0]:,} and {sizes[1]:,} examples)"
    else:
        return
    raise RunError(f"{names[0]} and {names[1]} cannot be compared: {reason}")


def compare(model: ModelResults, reference: ModelResults) -> Difference:
    """Compare two models on the same examples, with all seeds that each has."""
    ours, theirs = model.correct, reference.correct
    difference = estimate(ours.astype(float), theirs.astype(float))
    n_seeds = min(len(ours), len(theirs))
    if max(len(ours), len(theirs)) > 1 and difference.variance > 0:
        return Difference(difference, difference.p_value, difference.p_below, n_seeds)
    # With one seed each, or without any variance, only examples can be counted.
    ours, theirs = ours[0], theirs[0]
    two_sided, one_sided = mcnemar_test(int((ours & ~theirs).sum()), int((theirs & ~ours).sum()))
    return Difference(difference, two_sided, one_sided, n_seeds)


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
