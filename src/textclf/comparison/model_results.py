"""Configurations with their finished seeds, and how two of them differ on the same texts."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

from textclf.comparison.significance import Estimate, estimate, holm, mcnemar_counts
from textclf.errors import RunError
from textclf.runs.directory import RunDirectory
from textclf.runs.result import Result


@dataclass(frozen=True)
class Entry:
    """One configuration with its finished seeds.

    Attributes:
        runs: their directories.
        results: in the order of their seeds.
        correct: <bool>[seeds, texts], whether each answer was right.
    """

    runs: tuple[RunDirectory, ...]
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
        n_seeds: of the model that has fewer.
    """

    estimate: Estimate
    p_value: float
    p_below: float
    n_seeds: int


def make_entries(
    runs: Iterable[tuple[RunDirectory, Result]],
    *,
    leave_out: Callable[[str], None] | None = None,
) -> list[Entry]:
    """Gather finished runs by configuration, reading their predictions.

    Args:
        runs: with their results.
        leave_out: is told of runs whose predictions are damaged, which then are left out.

    Raises:
        RunError: predictions are damaged, and ``leave_out`` is None, or no run is left.
    """

    def key(pair: tuple[RunDirectory, Result]) -> tuple[str, str, str]:
        return pair[1].dataset, pair[1].model, pair[1].fingerprint

    entries = []
    for _, group in groupby(sorted(runs, key=lambda pair: (key(pair), pair[1].seed)), key):
        found: list[tuple[RunDirectory, Result, npt.NDArray[np.bool_]]] = []
        for run, result in group:
            try:
                found.append((run, result, read_correct(run)))
            except RunError as error:
                if leave_out is None:
                    raise
                leave_out(f"left out: {error}")
        if found:
            _check_same_texts([result for _, result, _ in found])
            directories, results, answers = zip(*found, strict=True)
            entries.append(Entry(directories, results, np.stack(answers)))
    if not entries:
        raise RunError("no finished run with its predictions is left to compare")
    return entries


def read_correct(run: RunDirectory) -> npt.NDArray[np.bool_]:
    """Return whether each answer of a run was right, <bool>[texts]; RunError if damaged."""
    predictions = run.read_predictions()
    return np.asarray(predictions.probabilities.argmax(axis=1) == predictions.label)


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
    """Compare two entries over the same texts, with all the seeds that each has."""
    ours, theirs = entry.correct, other.correct
    difference = estimate(ours.astype(float), theirs.astype(float))
    n_seeds = min(len(ours), len(theirs))
    if max(len(ours), len(theirs)) > 1 and difference.variance > 0:
        return Difference(difference, difference.p_value, difference.p_below, n_seeds)
    # One seed each, or no variance at all: what is left is how many texts tell.
    ours, theirs = ours[0], theirs[0]
    counts = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    return Difference(difference, *mcnemar_counts(*counts), n_seeds)


def compare_all(
    entries: Sequence[Entry],
    other: Entry,
    *,
    p_of: Callable[[Difference], float] = lambda difference: difference.p_value,
    chosen: bool = False,
) -> list[tuple[Entry, Difference, float]]:
    """Compare each entry with another one, with p-values that are corrected for their number.

    Args:
        entries: all, the other one among them or not.
        other: what they are compared with.
        p_of: the p-value that is meant.
        chosen: whether the other one was chosen by its result, as the best of all: then each pair
            of entries might have been compared, and the correction is for all pairs.
    """
    rest = [entry for entry in entries if entry is not other]
    differences = [compare(entry, other) for entry in rest]
    n_tests = len(rest) * (len(rest) + 1) // 2 if chosen else len(rest)
    corrected = holm([p_of(difference) for difference in differences], n_tests=n_tests)
    return list(zip(rest, differences, corrected, strict=True))
