"""Prints the false alarms of tests over folds, for docs/explanation/statistics.md, in Markdown.

Two models are equal by construction: the same learner is fitted on two disjoint sets of features
that are drawn from the same distribution. Each comparison draws a new sample, divides it into
folds, and fits both models on every fold.

Example: python scripts/benchmarks/simulate_folds.py
"""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import binomtest
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from textclf.comparison.significance import estimate_over_folds
from textclf.data.splitting import assign_grouped_folds

N_COMPARISONS = 1_000
N_EXAMPLES = 300
N_FEATURES = 10
"""Features of each model."""

SHIFT = 0.6
"""How far the means of a feature in the two classes are apart, in standard deviations."""

ALPHA = 0.05

LEARNERS: dict[str, Callable[[], Any]] = {
    "linear": lambda: LinearSVC(C=0.1),
    "decision tree": lambda: DecisionTreeClassifier(random_state=0),
}


def draw_sample(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels <int64>[n], and the features of both models <float64>[n, features]."""
    labels = rng.permutation(np.arange(N_EXAMPLES) % 2)
    shift = SHIFT * (labels[:, None] - 0.5)
    first, second = (shift + rng.normal(size=(N_EXAMPLES, N_FEATURES)) for _ in range(2))
    return labels, first, second


def cross_validate(
    learner: Callable[[], Any], features: np.ndarray, labels: np.ndarray, folds: np.ndarray
) -> np.ndarray:
    """Return the accuracy on each fold, <float64>[folds]."""
    accuracies = []
    for fold in range(folds.max() + 1):
        seen = folds != fold
        model = learner().fit(features[seen], labels[seen])
        accuracies.append(model.score(features[~seen], labels[~seen]))
    return np.array(accuracies)


def simulate(n_comparisons: int, learner: Callable[[], Any], n_folds: int) -> dict[str, int]:
    """Return how often each test finds a difference between equal models.

    Args:
        n_comparisons: Number of comparisons.
        learner: Makes a model that is not fitted.
        n_folds: Number of folds.

    Returns:
        Number of comparisons with a p-value below 0.05: ``corrected`` and ``naive``, the paired
        t-test over folds.
    """
    rng = np.random.default_rng(n_folds)
    found = {"corrected": 0, "naive": 0}
    for _ in range(n_comparisons):
        labels, *features = draw_sample(rng)
        folds = assign_grouped_folds(labels, np.arange(N_EXAMPLES), n_folds)
        sizes = np.bincount(folds).tolist()
        first, second = (cross_validate(learner, each, labels, folds) for each in features)
        for name, ratio in (("corrected", 1 / (n_folds - 1)), ("naive", 0.0)):
            estimated = estimate_over_folds(first, second, sizes, ratio=ratio)
            found[name] += estimated.p_value < ALPHA
    return found


def format_rate(n_found: int, n_comparisons: int) -> str:
    """Return a rate with its 95% confidence interval (Clopper-Pearson)."""
    low, high = binomtest(n_found, n_comparisons).proportion_ci(method="exact")
    return f"{n_found / n_comparisons:.1%} ({low:.1%} to {high:.1%})"


def main() -> None:
    """Print a row for each learner and number of folds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--comparisons",
        type=int,
        default=N_COMPARISONS,
        metavar="N",
        help=f"Simulated comparisons per row.  [default: {N_COMPARISONS}]",
    )
    n_comparisons = parser.parse_args().comparisons
    print("| folds | model | corrected test | naive test |")
    print("| ---: | --- | ---: | ---: |")
    for n_folds in (5, 10):
        for name, learner in LEARNERS.items():
            found = simulate(n_comparisons, learner, n_folds)
            rates = " | ".join(format_rate(n, n_comparisons) for n in found.values())
            print(f"| {n_folds} | {name} | {rates} |", flush=True)


if __name__ == "__main__":
    main()
