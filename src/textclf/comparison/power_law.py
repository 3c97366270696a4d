"""A power law of accuracy by training size, to guess what more training examples would bring."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.errors import TextclfError

FloatArray = npt.NDArray[np.floating[Any]]

MIN_SIZES = 4
"""Training sizes that a power law, which has three parameters, is fitted to."""

MAX_MISS = 0.02
"""How far a law may be from an accuracy that was measured, and still be used."""

EXPONENTS = np.geomspace(0.01, 4, 300)
"""Exponents that are tried."""

N_RESAMPLES = 1_000
CONFIDENCE = 0.95


class FitError(TextclfError):
    """A power law cannot be fitted to a curve, or does not describe it."""


@dataclass(frozen=True)
class PowerLaw:
    """accuracy = limit - loss * (training examples / scale) ** -exponent.

    Attributes are arrays, <float>[...], of one law or of several laws.

    Attributes:
        limit: Accuracy with any number of training examples, at most 1.
        loss: How far below it the accuracy is with ``scale`` training examples, at least 0.
        exponent: How fast it rises.
        scale: A number of training examples.
    """

    limit: FloatArray
    loss: FloatArray
    exponent: FloatArray
    scale: float

    def predict(self, n_examples: float) -> FloatArray:
        """Return the accuracy with a number of training examples."""
        return np.asarray(self.limit - self.loss * (n_examples / self.scale) ** -self.exponent)


def fit_power_law(sizes: FloatArray, accuracies: FloatArray, variances: FloatArray) -> PowerLaw:
    """Fit power laws by weighted least squares.

    For a given exponent, the other parameters have a closed form; the exponent is the best of
    `EXPONENTS`.

    Args:
        sizes: <float>[sizes], numbers of training examples.
        accuracies: <float>[..., sizes], of one or of several curves.
        variances: <float>[sizes], variance of each accuracy; its reciprocal is the weight.
    """
    scale, weights = float(sizes.max()), 1 / variances
    weights = weights / weights.sum()
    best = np.full(accuracies.shape[:-1], np.inf)
    limit, loss, exponent = (np.zeros(accuracies.shape[:-1]) for _ in range(3))
    for candidate in EXPONENTS:
        x = (sizes / scale) ** -candidate
        mean_x, mean_y = weights @ x, accuracies @ weights
        slope = (accuracies - mean_y[..., None]) @ (weights * (x - mean_x))
        b = np.maximum(0, -slope / (weights @ (x - mean_x) ** 2))
        a = mean_y + b * mean_x
        # With the limit at 1, only the loss remains.
        b = np.where(a > 1, (1 - accuracies) @ (weights * x) / (weights @ x**2), b)
        a = np.minimum(a, 1)
        errors = (accuracies - a[..., None] + b[..., None] * x) ** 2 @ weights
        is_better = errors < best
        best = np.where(is_better, errors, best)
        limit, loss = np.where(is_better, a, limit), np.where(is_better, b, loss)
        exponent = np.where(is_better, candidate, exponent)
    return PowerLaw(limit, loss, exponent, scale)


@dataclass(frozen=True)
class Guess:
    """What twice as many training examples would bring.

    Attributes:
        n_examples: Twice the largest number of training examples.
        gain: Accuracy with so many, minus that with half as many, both by the power law.
        interval: 95% interval of the gain over other test examples and seeds, if the law holds.
        predicted: Accuracy with the largest number, by the law that is fitted to the smaller ones;
            None with fewer than five sizes.
        measured: The measured one.
    """

    n_examples: int
    gain: float
    interval: tuple[float, float]
    predicted: float | None
    measured: float


def guess_gain(
    sizes: Sequence[int], correct: Sequence[npt.NDArray[np.bool_]], variances: Sequence[float]
) -> Guess:
    """Guess what twice as many training examples would bring.

    Args:
        sizes: Numbers of training examples, the smallest first.
        correct: For each size, <bool>[seeds, examples], on the same test examples.
        variances: Variance of the mean accuracy of each size.

    Raises:
        FitError: There are too few sizes, or a power law does not describe the curve.
    """
    if len(sizes) < MIN_SIZES:
        raise FitError(f"fewer than {MIN_SIZES} training sizes")
    n = np.array(sizes, float)
    accuracies = np.array([one.mean() for one in correct])
    positive = np.maximum(variances, 1e-8)  # Predictions that never vary are not exact either.
    law = fit_power_law(n, accuracies, positive)
    misses = [abs(float(law.predict(x)) - y) for x, y in zip(sizes, accuracies, strict=True)]
    if max(misses) > MAX_MISS:
        worst = sizes[int(np.argmax(misses))]
        raise FitError(f"a power law misses the accuracy at {worst:,} by {max(misses):.3f}")
    predicted = None
    if len(sizes) > MIN_SIZES:
        smaller = fit_power_law(n[:-1], accuracies[:-1], positive[:-1])
        predicted = float(smaller.predict(n[-1]))
        if abs(miss := predicted - accuracies[-1]) > MAX_MISS:
            raise FitError(
                f"fitted to the smaller sizes, a power law misses the accuracy at {sizes[-1]:,} by"
                f" {abs(miss):.3f}"
            )
    resampled = fit_power_law(n, _resample(correct), positive)
    gains = resampled.predict(2 * n[-1]) - resampled.predict(n[-1])
    ends = np.quantile(gains, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Guess(
        2 * sizes[-1],
        float(law.predict(2 * n[-1]) - law.predict(n[-1])),
        (float(ends[0]), float(ends[1])),
        predicted,
        float(accuracies[-1]),
    )


def _resample(correct: Sequence[npt.NDArray[np.bool_]]) -> FloatArray:
    """Return accuracies on other examples and with other seeds, <float64>[resamples, sizes].

    All sizes share the examples of a resample. Deviations of few seeds from their mean are enlarged
    so that their variance is unbiased.
    """
    rng, n_examples = np.random.default_rng(0), correct[0].shape[1]
    counts = rng.multinomial(n_examples, np.full(n_examples, 1 / n_examples), N_RESAMPLES)
    columns = []
    for one in correct:
        n_seeds = len(one)
        by_seed = counts @ one.T / n_examples
        mean = by_seed.mean(axis=1)
        drawn = np.take_along_axis(by_seed, rng.integers(0, n_seeds, by_seed.shape), axis=1)
        enlarged = np.sqrt(n_seeds / max(1, n_seeds - 1)) * (drawn.mean(axis=1) - mean)
        columns.append(mean + enlarged)
    return np.stack(columns, axis=1)
