"""Whether probabilities are calibrated (Guo et al. 2017)."""

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
