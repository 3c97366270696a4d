"""Labels and probabilities to an evaluation; NumPy, SciPy and scikit-learn only.

What each figure means, with its source, stands in ``docs/results.md``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.int64]

N_BINS = 15
N_RESAMPLES = 2_000
METRICS = ("accuracy", "loss", "macro_f1", "weighted_f1", "expected_calibration_error")
CONFIDENCE = 0.95
FEW_TEXTS = 10
"""A label with fewer test texts is marked: its scores are mostly chance."""
SMALLEST_PROBABILITY = 1e-7
"""Probabilities below it count as it in the loss, as in Keras."""


@dataclass(frozen=True)
class ClassScores:
    """How one label was found: ``support`` texts have it; the rest is in [0, 1]."""

    name: str
    support: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Evaluation:
    """What is known of predictions on one split; the fields are those of ``evaluation.json``.

    Attributes:
        n_examples: texts.
        metrics: ``accuracy``, ``loss`` (nats), ``macro_f1``, ``weighted_f1``,
            ``expected_calibration_error``.
        intervals: 95 % interval, low and high, of ``accuracy`` and ``macro_f1``.
        per_class: one for each label, in the order of the label names.
        confusion_matrix: [true label][predicted label], counts.
        majority_accuracy: accuracy of always answering the most frequent training label.
    """

    n_examples: int
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    per_class: list[ClassScores]
    confusion_matrix: list[list[int]]
    majority_accuracy: float


@dataclass(frozen=True)
class CleanAccuracy:
    """Accuracy on some of the texts of a split.

    Attributes:
        texts: which ones, such as ``not_leaked``.
        n_examples: how many.
        accuracy: share of right answers; None where there are no texts.
        interval: 95 % interval of it, low and high.
    """

    texts: str
    n_examples: int
    accuracy: float | None
    interval: tuple[float, float] | None

    @classmethod
    def of(cls, texts: str, correct: npt.NDArray[np.bool_]) -> "CleanAccuracy":
        """Count right answers, <bool>[texts]."""
        n_right, n = int(correct.sum()), len(correct)
        return (
            cls(texts, n, n_right / n, accuracy_interval(n_right, n))
            if n
            else cls(texts, 0, None, None)
        )


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
        label_names: the name of each label.
        majority_label: the most frequent label of the training split.
    """
    from sklearn.metrics import confusion_matrix

    predicted = probabilities.argmax(axis=1)
    confusion = confusion_matrix(labels, predicted, labels=range(len(label_names)))
    correct = int(np.trace(confusion))
    return Evaluation(
        n_examples=len(labels),
        metrics={
            "accuracy": correct / len(labels),
            "loss": _cross_entropy(labels, probabilities),
            "macro_f1": float(macro_f1(confusion)),
            "weighted_f1": _weighted_f1(confusion),
            "expected_calibration_error": _calibration_error(labels, probabilities),
        },
        intervals={
            "accuracy": accuracy_interval(correct, len(labels)),
            "macro_f1": macro_f1_interval(confusion),
        },
        per_class=_score_classes(confusion, label_names),
        confusion_matrix=confusion.tolist(),
        majority_accuracy=float(np.mean(labels == majority_label)),
    )


def accuracy_interval(n_correct: int, n_examples: int) -> tuple[float, float]:
    """Return the Wilson score interval of a share (Wilson 1927), by SciPy."""
    from scipy.stats import binomtest

    test = binomtest(n_correct, n_examples)
    interval = test.proportion_ci(confidence_level=CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def macro_f1(confusion: npt.NDArray[Any]) -> FloatArray:
    """Average F1 over the labels that occur, as true or as predicted ones (as scikit-learn does).

    Args:
        confusion: [..., labels, labels], counts; leading axes are separate matrices.

    Returns:
        <float64>[...].
    """
    f1, occurs = _f1_scores(confusion)
    return np.asarray(f1.sum(axis=-1) / np.maximum(occurs.sum(axis=-1), 1))


def macro_f1_interval(confusion: IntArray, *, seed: int = 0) -> tuple[float, float]:
    """Return the bias-corrected bootstrap interval of macro-F1 over texts (Efron 1987).

    Drawing texts with replacement is drawing cells of the confusion matrix from a multinomial
    distribution, which needs no texts. Draws that miss rare labels are too low, hence the
    correction.
    """
    from scipy.special import ndtr, ndtri

    n = confusion.sum()
    draws = np.random.default_rng(seed).multinomial(n, confusion.ravel() / n, size=N_RESAMPLES)
    scores = macro_f1(draws.reshape(N_RESAMPLES, *confusion.shape))
    below = np.mean(scores < macro_f1(confusion)) + np.mean(scores == macro_f1(confusion)) / 2
    bias = ndtri(np.clip(below, 1 / N_RESAMPLES, 1 - 1 / N_RESAMPLES))
    reach = ndtri((1 + CONFIDENCE) / 2)
    low, high = np.quantile(scores, ndtr([2 * bias - reach, 2 * bias + reach]))
    return float(low), float(high)


@dataclass(frozen=True)
class CalibrationBins:
    """Predictions grouped by the probability of the answer; empty groups are left out.

    Attributes:
        confidence: <float64>[bins], mean probability of the answer.
        accuracy: <float64>[bins], share of right answers.
        count: <int64>[bins], texts.
    """

    confidence: FloatArray
    accuracy: FloatArray
    count: IntArray


def calibration_bins(labels: IntArray, probabilities: FloatArray) -> CalibrationBins:
    """Group predictions into bins of equal width in confidence (Guo et al. 2017)."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    count = np.bincount(bins, minlength=N_BINS)
    used = count > 0
    return CalibrationBins(
        confidence=np.bincount(bins, confidence, N_BINS)[used] / count[used],
        accuracy=np.bincount(bins, right, N_BINS)[used] / count[used],
        count=count[used],
    )


def _calibration_error(labels: IntArray, probabilities: FloatArray) -> float:
    """Return the mean distance of confidence and accuracy over texts (Guo et al. 2017)."""
    bins = calibration_bins(labels, probabilities)
    return float(np.average(np.abs(bins.confidence - bins.accuracy), weights=bins.count))


def _cross_entropy(labels: IntArray, probabilities: FloatArray) -> float:
    given = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(given, SMALLEST_PROBABILITY)).mean(dtype=np.float64))


def _f1_scores(confusion: npt.NDArray[Any]) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return F1 of each label (0 where it does not occur), and whether it occurs."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    total = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    return 2 * hits / np.maximum(total, 1), total > 0


def _weighted_f1(confusion: IntArray) -> float:
    f1, _ = _f1_scores(confusion)
    return float(np.average(f1, weights=confusion.sum(axis=1)))


def _score_classes(confusion: IntArray, label_names: Sequence[str]) -> list[ClassScores]:
    hits = np.diagonal(confusion)
    precision = hits / np.maximum(confusion.sum(axis=0), 1)
    recall = hits / np.maximum(confusion.sum(axis=1), 1)
    f1, _ = _f1_scores(confusion)
    support = confusion.sum(axis=1)
    return [
        ClassScores(name, int(support[i]), float(precision[i]), float(recall[i]), float(f1[i]))
        for i, name in enumerate(label_names)
    ]
