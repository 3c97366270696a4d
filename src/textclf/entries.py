"""Configurations with their finished seeds, and how two of them differ on the same texts."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

from textclf.errors import RunError
from textclf.results import Result
from textclf.runs import RunDirectory
from textclf.significance import Estimate, estimate, holm, mcnemar_counts


@dataclass(frozen=True)
class Entry:
    """One configuration with its finished seeds.

    Attributes:
        results: in the order of their seeds.
        correct: <bool>[seeds, texts], whether each answer was right.
    """

    results: tuple[Result, ...]
    correct: npt.NDArray[np.bool_]

    @property
    def first(self) -> Result:
        """What all seeds share stands in the first result."""
        return self.results[0]

    @property
    def accuracy(self) -> float:
        """Mean over the seeds."""
        return float(self.correct.mean())

    def mean_metric(self, name: str) -> float:
        """Mean of a metric over the seeds."""
        return statistics.fmean(result.evaluation.metrics[name] for result in self.results)


@dataclass(frozen=True)
class Difference:
    """How an entry's accuracy differs from another's.

    Attributes:
        estimate: of the mean difference; above zero where the entry is better.
        p_value: two-sided; McNemar's for one seed.
        p_below: one-sided, of the hypothesis that the entry is not worse.
        n_seeds: compared with as many of the other's.
    """

    estimate: Estimate
    p_value: float
    p_below: float
    n_seeds: int


def make_entries(runs: Iterable[tuple[RunDirectory, Result]]) -> list[Entry]:
    """Gather finished runs by configuration, reading their predictions."""

    def key(pair: tuple[RunDirectory, Result]) -> tuple[str, str, str]:
        return pair[1].dataset, pair[1].model, pair[1].fingerprint

    entries = []
    for _, group in groupby(sorted(runs, key=lambda pair: (key(pair), pair[1].seed)), key):
        pairs = list(group)
        answers = [_read_correct(run, result) for run, result in pairs]
        _check_same_texts([result for _, result in pairs])
        entries.append(Entry(tuple(result for _, result in pairs), np.stack(answers)))
    return entries


def _read_correct(run: RunDirectory, result: Result) -> npt.NDArray[np.bool_]:
    predictions = run.read_predictions()
    correct = np.asarray(predictions.probabilities.argmax(axis=1) == predictions.label)
    if len(correct) != result.evaluation.n_examples:
        raise RunError(
            f"{run.path}: predictions.npz has {len(correct)} texts, but evaluation.json"
            f" {result.evaluation.n_examples}; repeat the run with --force"
        )
    return correct


def group_by_test_set(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Gather the entries that predicted the same texts with the same labels."""

    def key(entry: Entry) -> tuple[str, str]:
        return entry.first.dataset, entry.first.split_digest

    return [list(group) for _, group in groupby(sorted(entries, key=key), key)]


def check_comparable(first: Result, second: Result) -> None:
    """Refuse two runs whose figures say nothing about each other; the order of labels may differ.

    Raises:
        RunError: other datasets, labels or test texts.
    """
    names = [f"{result.dataset}/{result.model}, seed {result.seed}" for result in (first, second)]
    labels = [{scores.name for scores in r.evaluation.per_class} for r in (first, second)]
    if first.dataset != second.dataset:
        reason = f"other datasets: {first.dataset} and {second.dataset}"
    elif labels[0] != labels[1]:
        reason = f"other labels: {sorted(labels[0] ^ labels[1])[0]!r} is in one of them only"
    elif first.split_digest != second.split_digest:
        sizes = [result.evaluation.n_examples for result in (first, second)]
        reason = f"other test texts ({sizes[0]:,} and {sizes[1]:,})"
    else:
        return
    raise RunError(f"{names[0]} and {names[1]} must not be compared: {reason}")


def _check_same_texts(results: Sequence[Result]) -> None:
    for result in results[1:]:
        check_comparable(results[0], result)


def compare(entry: Entry, other: Entry) -> Difference:
    """Compare two entries over the same texts and as many seeds as both have."""
    n_seeds = min(len(entry.results), len(other.results))
    ours, theirs = entry.correct[:n_seeds], other.correct[:n_seeds]
    difference = estimate(ours.astype(float) - theirs)
    if n_seeds > 1:
        return Difference(difference, difference.p_value, difference.p_below, n_seeds)
    counts = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    two_sided, below = mcnemar_counts(*counts)
    return Difference(difference, two_sided, below, n_seeds)


def compare_all(
    entries: Sequence[Entry], other: Entry, *, p_of: Callable[[Difference], float]
) -> list[tuple[Entry, Difference, float]]:
    """Compare each entry with another one; p-values are corrected for their number (Holm)."""
    rest = [entry for entry in entries if entry is not other]
    differences = [compare(entry, other) for entry in rest]
    corrected = holm([p_of(difference) for difference in differences])
    return list(zip(rest, differences, corrected, strict=True))
