"""What of a difference is noise: intervals and tests over the same test texts and several seeds.

Every model predicted the same texts, so that models are compared text by text. The methods, their
sources and a simulation of their error rates stand in ``docs/statistics.md``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, ndtri, stdtr, stdtrit

FloatArray = npt.NDArray[np.floating[Any]]

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over texts and seeds, with what is known of its error.

    Attributes:
        mean: over all texts and seeds.
        text_variance: of the mean, from the draw of texts.
        seed_variance: of the mean, from the draw of seeds; None for one seed.
        degrees: degrees of freedom of the sum of both.
    """

    mean: float
    text_variance: float
    seed_variance: float | None
    degrees: float

    @property
    def standard_error(self) -> float:
        """Standard deviation of the mean over other texts and other seeds."""
        return math.sqrt(self.text_variance + (self.seed_variance or 0.0))

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of the 95 % interval."""
        reach = float(stdtrit(self.degrees, (1 + CONFIDENCE) / 2)) * self.standard_error
        return self.mean - reach, self.mean + reach

    @property
    def p_below(self) -> float:
        """One-sided p-value of the hypothesis that the mean is not below zero."""
        if self.standard_error == 0:
            return 1.0 if self.mean >= 0 else 0.0
        return float(stdtr(self.degrees, self.mean / self.standard_error))

    @property
    def p_value(self) -> float:
        """Two-sided p-value of the hypothesis that the mean is zero."""
        if self.mean == 0:
            return 1.0
        return min(1.0, 2 * min(self.p_below, 1 - self.p_below))


def estimate(values: FloatArray) -> Estimate:
    """Estimate the mean of a table of texts and seeds, both drawn at random.

    The analysis of variance of two crossed random factors, with Satterthwaite's degrees of freedom
    (Clark 1973; Satterthwaite 1946). With one seed, texts are the only factor.

    Args:
        values: <float>[seeds, texts], such as 1 for a right and 0 for a wrong answer, or the
            difference of two models' answers.
    """
    n_seeds, n_texts = values.shape
    mean = float(values.mean())
    if n_texts < 2:
        return Estimate(mean, 0.0, None if n_seeds == 1 else 0.0, math.inf)
    by_text, by_seed = values.mean(axis=0) - mean, values.mean(axis=1) - mean
    squares = n_seeds * n_texts
    text = n_seeds * float(by_text @ by_text) / (n_texts - 1)
    if n_seeds == 1:
        return Estimate(mean, text / squares, None, n_texts - 1)
    seed = n_texts * float(by_seed @ by_seed) / (n_seeds - 1)
    residuals = values - mean - by_text - by_seed[:, None]
    n_residuals = (n_texts - 1) * (n_seeds - 1)
    residual = float((residuals**2).sum()) / n_residuals
    # What seeds add to the noise of single answers can be estimated below zero; the sum cannot be
    # less than that noise.
    variance = max(text + seed - residual, residual)
    if variance == 0:
        return Estimate(mean, 0.0, 0.0, math.inf)
    weights = text**2 / (n_texts - 1) + seed**2 / (n_seeds - 1) + residual**2 / n_residuals
    degrees = variance**2 / weights
    return Estimate(mean, text / squares, (variance - text) / squares, degrees)


def mcnemar_counts(only_first: int, only_second: int) -> tuple[float, float]:
    """Return the p-values of McNemar's exact test: two models, one seed each (McNemar 1947).

    Args:
        only_first: texts that the first model alone got right.
        only_second: texts that the second model alone got right.

    Returns:
        Two-sided, and one-sided of the hypothesis that the first model is not worse.
    """
    n_texts = only_first + only_second
    smaller = min(only_first, only_second)
    two_sided = min(1.0, 2 * float(bdtr(smaller, n_texts, 0.5)))
    return two_sided, float(bdtr(only_first, n_texts, 0.5))


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number (Holm 1979); the order is kept."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, (len(p_values) - rank) * p_values[place])
        corrected[place] = min(1.0, highest)
    return corrected


def seeds_needed(difference: Estimate, *, n_seeds: int, alpha: float) -> float:
    """Return about how many seeds would tell a difference of this size from none.

    Args:
        difference: of two models.
        n_seeds: that it was estimated from.
        alpha: error rate, after the correction for the number of models.

    Returns:
        A number of seeds; infinity where more seeds would not do, but more test texts might.
    """
    reach = (difference.mean / float(ndtri(1 - alpha / 2))) ** 2
    # One seed's noise: what seeds add, and the part of the texts' noise that averages out.
    seed_noise = max(0.0, difference.seed_variance or 0.0) * n_seeds
    left = reach - difference.text_variance
    return math.inf if left <= 0 else max(1.0, math.ceil(seed_noise / left))
