"""Fits the calibration of a model on its validation split, and reports what it changes."""

from dataclasses import dataclass

import numpy as np

from textclf.evaluation.metrics import FloatArray, IntArray, cross_entropy
from textclf.models._calibration import Calibration

LOG_BOUNDS = (-5.0, 5.0)
"""Range of the logarithm of the inverse temperature."""

LOG_DEVIATION = 2.0
"""Standard deviation of its normal prior distribution, which matters only with few examples.
Without it, the temperature of correct predictions would have no lower limit."""

MAX_PRIOR_WEIGHT = 0.5
"""With more, even a weak model would hardly matter."""

SMALLEST_PROBABILITY = 1e-12
"""Smaller probabilities are raised to it while the loss is minimized; it is smaller than that of
`metrics`, so that the loss still depends on the temperature."""

CALIBRATION_METRICS = ("loss", "expected_calibration_error")


@dataclass(frozen=True)
class CalibrationReport:
    """How a model was calibrated, and its metrics on the test split before and after.

    Attributes:
        method: ``temperature`` or ``temperature-prior``.
        temperature: What the logarithms of the probabilities are divided by.
        prior_weight: Weight of the label frequencies of the training split.
        n_validation_examples: Number of examples that both were fitted on.
        before: ``loss`` and ``expected_calibration_error`` of the uncalibrated probabilities.
        after: The same of the calibrated ones.
    """

    method: str
    temperature: float
    prior_weight: float
    n_validation_examples: int
    before: dict[str, float]
    after: dict[str, float]


def fit_calibration(
    scores: FloatArray, labels: IntArray, prior: FloatArray | None = None
) -> Calibration:
    """Return the calibration with the smallest loss, which is not larger than without one.

    Examples of a single label say nothing about it, so that the temperature is then 1.

    Args:
        scores: <float>[n, labels], decisions or logarithms of probabilities.
        labels: <int64>[n].
        prior: <float64>[labels], frequencies of the labels to mix in; None fits the temperature
            only.
    """
    found = [Calibration.without_prior()]
    if len(np.unique(labels)) < 2:
        return found[0]
    found.append(_fit(scores, labels, None))
    if prior is not None:
        found.append(_fit(scores, labels, prior))
    return min(found, key=lambda calibration: cross_entropy(labels, calibration.apply(scores)))


def _fit(scores: FloatArray, labels: IntArray, prior: FloatArray | None) -> Calibration:
    """Fit the temperature, with the best weight of the prior for each temperature."""
    from scipy.optimize import minimize_scalar
    from scipy.special import softmax

    rows = np.arange(len(labels))

    def fit_weight(log_inverse: float) -> tuple[float, float]:
        """Return the loss and the weight of the prior for a temperature."""
        given = softmax(np.exp(log_inverse) * scores, axis=1)[rows, labels]
        if prior is None:
            return _measure_loss(given), 0.0
        found = minimize_scalar(  # It is convex.
            lambda weight: _measure_loss((1 - weight) * given + weight * prior[labels]),
            bounds=(0.0, MAX_PRIOR_WEIGHT),
            method="bounded",
        )
        return found.fun, found.x

    def penalize(log_inverse: float) -> float:
        distance = log_inverse / LOG_DEVIATION
        return fit_weight(log_inverse)[0] + distance**2 / (2 * len(labels))

    best = minimize_scalar(penalize, bounds=LOG_BOUNDS, method="bounded").x
    if prior is None:
        return Calibration.without_prior(float(np.exp(best)))
    return Calibration(float(np.exp(best)), float(fit_weight(best)[1]), tuple(prior.tolist()))


def _measure_loss(given: FloatArray) -> float:
    """Return the mean cross-entropy in nats for probabilities of the true labels, <float64>[n]."""
    return float(-np.log(np.maximum(given, SMALLEST_PROBABILITY)).mean())
