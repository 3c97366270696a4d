"""What of a difference is noise: intervals and tests over the same test texts and several seeds.

Every model predicted the same texts, so that models are compared text by text. The methods, their
sources and their simulated error rates stand in ``docs/statistics.md``.
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
POWER = 0.8


@dataclass(frozen=True)
class Estimate:
    """A mean over texts and seeds, or the difference of two, with what is known of its error.

    Attributes:
        mean: over all texts and seeds.
        variance: of the mean, over other texts and other seeds.
        degrees: degrees of freedom of the variance.
        seed_variance: the part of the variance that more seeds make smaller.
    """

    mean: float
    variance: float
    degrees: float
    seed_variance: float

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of the 95 % interval, within [-1, 1]."""
        reach = float(stdtrit(self.degrees, (1 + CONFIDENCE) / 2)) * math.sqrt(self.variance)
        return max(-1.0, self.mean - reach), min(1.0, self.mean + reach)

    @property
    def p_below(self) -> float:
        """One-sided p-value of the hypothesis that the mean is not below zero."""
        if self.variance == 0:
            return 0.0 if self.mean < 0 else 1.0
        return float(stdtr(self.degrees, self.mean / math.sqrt(self.variance)))

    @property
    def p_value(self) -> float:
        """Two-sided p-value of the hypothesis that the mean is zero."""
        return 1.0 if self.mean == 0 else min(1.0, 2 * min(self.p_below, 1 - self.p_below))


def estimate(ours: FloatArray, theirs: FloatArray | None = None) -> Estimate:
    """Estimate a model's mean, or the difference of two models' means on the same texts.

    Texts and seeds are random; texts are crossed with the models, seeds nested in each model. The
    variance is the sum of mean squares of an analysis of variance, with Satterthwaite's degrees of
    freedom (Clark 1973; Satterthwaite 1946). Where one model has one seed only, its seeds are taken
    to vary like the other's.

    Args:
        ours: <float>[seeds, texts], 1 for a right and 0 for a wrong answer.
        theirs: <float>[other seeds, texts].
    """
    models = [ours] if theirs is None else [ours, theirs]
    by_text = ours.mean(axis=0) - (0.0 if theirs is None else theirs.mean(axis=0))
    mean, n_texts = float(by_text.mean()), len(by_text)
    if n_texts < 2:
        return Estimate(mean, math.inf, 1.0, 0.0)
    text = float(by_text.var(ddof=1)) / n_texts
    spreads = [_spread_seeds(model) for model in models if len(model) > 1]
    if not spreads:
        return Estimate(mean, text, n_texts - 1, 0.0)
    variance, seeds, noise, weights = text, 0.0, 0.0, text**2 / (n_texts - 1)
    for model in models:
        spread = _spread_seeds(model) if len(model) > 1 else spreads[0]
        share = 1 / (len(model) * n_texts)
        variance += share * (spread.seed - spread.residual)
        seeds += share * spread.seed
        noise += share * spread.residual
        weights += (share * spread.seed) ** 2 / spread.degrees
        weights += (share * spread.residual) ** 2 / (spread.degrees * (n_texts - 1))
    # What seeds add can be estimated below zero; the whole is no less than the noise of answers.
    variance = max(variance, noise)
    degrees = variance**2 / weights if weights else math.inf
    return Estimate(mean, variance, degrees, seeds)


@dataclass(frozen=True)
class _Spread:
    """Mean squares of one model's seeds, and of what neither texts nor seeds explain."""

    seed: float
    residual: float
    degrees: int


def _spread_seeds(values: FloatArray) -> _Spread:
    n_seeds, n_texts = values.shape
    by_seed = values.mean(axis=1) - values.mean()
    residuals = values - values.mean(axis=0) - by_seed[:, None]
    return _Spread(
        seed=n_texts * float(by_seed @ by_seed) / (n_seeds - 1),
        residual=float((residuals**2).sum()) / ((n_texts - 1) * (n_seeds - 1)),
        degrees=n_seeds - 1,
    )


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


def holm(p_values: Sequence[float], *, n_tests: int | None = None) -> list[float]:
    """Correct p-values for their number (Holm 1979); the order is kept.

    Args:
        p_values: of single tests.
        n_tests: how many tests these were chosen from; their own number where None.
    """
    n_tests = n_tests or len(p_values)
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, (n_tests - rank) * p_values[place])
        corrected[place] = min(1.0, highest)
    return corrected


def seeds_needed(difference: Estimate, *, n_seeds: int, alpha: float) -> float:
    """Return about how many seeds would tell a difference of this size, with a power of 80 %.

    Args:
        difference: of two models.
        n_seeds: of each model that it was estimated from.
        alpha: error rate of this one test.

    Returns:
        A number of seeds; infinity where more seeds would not do, but more test texts might.
    """
    reach = (difference.mean / float(ndtri(1 - alpha / 2) + ndtri(POWER))) ** 2
    fixed = max(0.0, difference.variance - difference.seed_variance)
    if reach <= fixed:
        return math.inf
    return math.ceil(n_seeds * difference.seed_variance / (reach - fixed))
