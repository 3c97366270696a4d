"""Computes the evaluation of predicted probabilities, with NumPy, SciPy and scikit-learn only.

``docs/reference/results.md`` defines each metric and gives its source.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.evaluation.calibration import calibration_error

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.int64]

N_RESAMPLES = 2_000
BLOCK_CELLS = 1_000_000
"""Cells of the confusion matrix that are drawn at once; it limits memory."""

METRICS = ("accuracy", "loss", "macro_f1", "weighted_f1", "expected_calibration_error")
CONFIDENCE = 0.95
SMALLEST_PROBABILITY = 1e-7
"""Smaller probabilities are raised to it in the loss, as in Keras."""


@dataclass(frozen=True)
class ClassScores:
    """Scores of one label; ``support`` is its number of examples, the others are in [0, 1]."""

    name: str
    support: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Evaluation:
    """Evaluation of predictions on one split; the fields are those of ``evaluation.json``.

    Attributes:
        n_examples: Number of examples.
        metrics: ``accuracy``, ``loss`` (nats), ``macro_f1``, ``weighted_f1``,
            ``expected_calibration_error``.
        intervals: 95% confidence interval, low and high, of ``accuracy`` and ``macro_f1``.
        per_class: Scores of each label, in the order of the label names.
        confusion_matrix: [true label][predicted label], counts.
        majority_accuracy: Accuracy of always predicting the most frequent training label.
    """

    n_examples: int
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    per_class: list[ClassScores]
    confusion_matrix: list[list[int]]
    majority_accuracy: float


@dataclass(frozen=True)
class SubsetAccuracy:
    """Accuracy on a subset of a split.

    Attributes:
        subset: Which examples, such as ``not_leaked``.
        n_examples: Number of examples.
        accuracy: Fraction of correct predictions; None without examples.
        interval: Its 95% confidence interval, low and high.
    """

    subset: str
    n_examples: int
    accuracy: float | None
    interval: tuple[float, float] | None

    @classmethod
    def of(cls, subset: str, correct: npt.NDArray[np.bool_]) -> "SubsetAccuracy":
        """Count correct predictions, <bool>[n]."""
        n_correct, n = int(correct.sum()), len(correct)
        if not n:
            return cls(subset, 0, None, None)
        return cls(subset, n, n_correct / n, accuracy_interval(n_correct, n))


def evaluate(
    labels: IntArray,
    probabilities: FloatArray,
    label_names: Sequence[str],
    *,
    majority_label: int,
) -> Evaluation:
    """Compare predicted probabilities with true labels.

    Args:
        labels: <int64>[n], positions in ``label_names``.
        probabilities: <float>[n, labels], rows that sum to 1.
        label_names: Name of each label.
        majority_label: Most frequent label of the training split.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    predicted = probabilities.argmax(axis=1)
    numbers = range(len(label_names))
    confusion = confusion_matrix(labels, predicted, labels=numbers)
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predicted, labels=numbers, zero_division=0.0
    )
    n_correct = int(np.trace(confusion))
    return Evaluation(
        n_examples=len(labels),
        metrics={
            "accuracy": n_correct / len(labels),
            "loss": cross_entropy(labels, probabilities),
            "macro_f1": float(macro_f1(confusion)),
            "weighted_f1": float(np.average(f1, weights=support)),
            "expected_calibration_error": calibration_error(labels, probabilities),
        },
        intervals={
            "accuracy": accuracy_interval(n_correct, len(labels)),
            "macro_f1": macro_f1_interval(confusion),
        },
        per_class=[
            ClassScores(name, int(support[i]), float(precision[i]), float(recall[i]), float(f1[i]))
            for i, name in enumerate(label_names)
        ],
        confusion_matrix=confusion.tolist(),
        majority_accuracy=float(np.mean(labels == majority_label)),
    )


def accuracy_interval(n_correct: int, n_examples: int) -> tuple[float, float]:
    """Return the Wilson score interval of an accuracy (Wilson 1927)."""
    from scipy.stats import binomtest

    test = binomtest(n_correct, n_examples)
    interval = test.proportion_ci(confidence_level=CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def macro_f1(confusion: npt.NDArray[Any]) -> float:
    """Average F1 over the labels that occur as a true or predicted label, like scikit-learn.

    Args:
        confusion: [labels, labels], counts.
    """
    total = confusion.sum(axis=1) + confusion.sum(axis=0)
    return float(_average_f1(np.diagonal(confusion), total))


def _average_f1(hits: npt.NDArray[Any], total: npt.NDArray[Any]) -> FloatArray:
    """Average F1 over the last axis.

    Args:
        hits: [..., labels], correct predictions of each label.
        total: [..., labels], true plus predicted examples of each label.

    Returns:
        <float64>[...].
    """
    # The last digit of the sum depends on the order in memory.
    f1 = np.ascontiguousarray(2 * hits / np.maximum(total, 1))
    return np.asarray(f1.sum(axis=-1) / np.maximum((total > 0).sum(axis=-1), 1))


def macro_f1_interval(confusion: IntArray, *, seed: int = 0) -> tuple[float, float]:
    """Return the bias-corrected bootstrap interval of macro F1 over examples (Efron 1987).

    Resampling examples is the same as drawing the cells of the confusion matrix from a multinomial
    distribution. The correction is needed because resamples that miss rare labels are biased.
    """
    from scipy.special import ndtr, ndtri

    scores, score = _resample_macro_f1(confusion, seed=seed), macro_f1(confusion)
    below = np.mean(scores < score) + np.mean(scores == score) / 2
    bias = ndtri(np.clip(below, 1 / N_RESAMPLES, 1 - 1 / N_RESAMPLES))
    z = ndtri((1 + CONFIDENCE) / 2)
    low, high = np.quantile(scores, ndtr([2 * bias - z, 2 * bias + z]))
    return float(low), float(high)


def _resample_macro_f1(confusion: IntArray, *, seed: int) -> FloatArray:
    """Return macro F1 of each resample, <float64>[resamples].

    Only cells with examples are drawn, a block of resamples at a time, so that memory grows with
    the examples and not with the square of the labels. The draws are those of all cells at once:
    NumPy uses no random number for an empty cell, except that the last cell gets the remainder.
    """
    from scipy.sparse import csr_array

    n_labels, counts = len(confusion), confusion.ravel()
    cells = np.union1d(np.flatnonzero(counts), counts.size - 1)
    positions, ones = np.arange(len(cells)), np.ones(len(cells), np.int64)
    true, predicted = np.divmod(cells, n_labels)
    shape = (n_labels, len(cells))
    total_of = csr_array((ones, (true, positions)), shape=shape)
    total_of += csr_array((ones, (predicted, positions)), shape=shape)
    hits_of = csr_array((np.where(true == predicted, 1, 0), (true, positions)), shape=shape)
    generator, n = np.random.default_rng(seed), counts.sum()
    size = max(1, BLOCK_CELLS // max(len(cells), n_labels))
    scores: list[FloatArray] = []
    for first in range(0, N_RESAMPLES, size):
        block = min(size, N_RESAMPLES - first)
        draws = generator.multinomial(n, counts[cells] / n, size=block).T
        scores.append(_average_f1((hits_of @ draws).T, (total_of @ draws).T))
    return np.concatenate(scores)


def cross_entropy(labels: IntArray, probabilities: FloatArray) -> float:
    """Return the mean cross-entropy in nats.

    Args:
        labels: <int64>[n].
        probabilities: <float>[n, labels].
    """
    # Not sklearn.metrics.log_loss, which warns of float32 rows and clips at another value.
    given = probabilities[np.arange(len(labels)), labels]
    mean = np.log(np.maximum(given, SMALLEST_PROBABILITY)).mean(dtype=np.float64)
    return float(0 - mean)  # Not -mean, which would be -0.0 for perfect predictions.
