"""Whether probabilities are calibrated, and temperature scaling (Guo et al. 2017)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.int64]

N_BINS = 15


@dataclass(frozen=True)
class CalibrationBins:
    """Predictions binned by confidence, the probability of the predicted label.

    Empty bins are left out.

    Attributes:
        confidence: <float64>[bins], mean confidence.
        accuracy: <float64>[bins], fraction of correct predictions.
        count: <int64>[bins], number of examples.
    """

    confidence: FloatArray
    accuracy: FloatArray
    count: IntArray


def calibration_bins(labels: IntArray, probabilities: FloatArray) -> CalibrationBins:
    """Bin predictions into bins of equal width."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    count = np.bincount(bins, minlength=N_BINS)
    used = count > 0
    return CalibrationBins(
        confidence=np.bincount(bins, confidence, N_BINS)[used] / count[used],
        accuracy=np.bincount(bins, correct, N_BINS)[used] / count[used],
        count=count[used],
    )


def calibration_error(labels: IntArray, probabilities: FloatArray) -> float:
    """Return the expected calibration error: the mean distance of confidence and accuracy."""
    bins = calibration_bins(labels, probabilities)
    return float(np.average(np.abs(bins.confidence - bins.accuracy), weights=bins.count))


def fit_scale(decisions: npt.NDArray[np.float64], labels: IntArray) -> float:
    """Return the factor of decisions for which softmax fits the labels best.

    This is temperature scaling; the factor is 1 / temperature. It changes no predicted label.

    Args:
        decisions: <float64>[n, labels].
        labels: <int64>[n].
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import softmax

    rows = np.arange(len(labels))

    def loss(log_scale: float) -> float:
        given = softmax(np.exp(log_scale) * decisions, axis=1)[rows, labels]
        return float(-np.log(np.maximum(given, 1e-12)).mean())

    found = minimize_scalar(loss, bounds=(-5.0, 5.0), method="bounded")
    return float(np.exp(found.x))
