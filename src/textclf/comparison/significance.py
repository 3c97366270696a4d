"""Confidence intervals and tests over the same examples and several seeds.

All models predicted the same examples, so they are compared example by example.
``docs/explanation/statistics.md`` has the methods, their sources and their simulated error rates.
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
ALPHA = 0.05
"""Significance level."""

POWER = 0.8


@dataclass(frozen=True)
class Estimate:
    """An estimated mean accuracy, or the difference of two.

    Attributes:
        mean: Mean over all examples and seeds.
        variance: Variance of the mean over other examples and other seeds.
        degrees: Degrees of freedom of the variance.
        seed_variance: The part of the variance that more seeds reduce.
    """

    mean: float
    variance: float
    degrees: float
    seed_variance: float

    @property
    def interval(self) -> tuple[float, float]:
        """95% confidence interval, within [-1, 1]."""
        t = float(stdtrit(self.degrees, (1 + CONFIDENCE) / 2))
        margin = t * math.sqrt(self.variance)
        return max(-1.0, self.mean - margin), min(1.0, self.mean + margin)

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
    """Estimate a model's mean accuracy, or the difference of two models on the same examples.

    Examples and seeds are random. Examples are crossed with models, and seeds are nested in each
    model m with S_m seeds. With T examples, the variance of the mean is estimated from mean squares
    (Clark 1973):

        var(mean over seeds of each example) / T
        + sum over m of (MS_seed,m - MS_residual,m) / (S_m T)

    and its degrees of freedom by Satterthwaite (1946): V^2 / sum of (component^2 / its degrees). If
    one model has a single seed, its seeds are assumed to vary like those of the other.

    Args:
        ours: <float>[seeds, examples], 1 for a correct prediction and 0 for an incorrect one.
        theirs: <float>[other seeds, examples].
    """
    models = [ours] if theirs is None else [ours, theirs]
    by_example = ours.mean(axis=0) - (0.0 if theirs is None else theirs.mean(axis=0))
    mean, n_examples = float(by_example.mean()), len(by_example)
    if n_examples < 2:
        return Estimate(mean, math.inf, 1.0, 0.0)
    example_variance = float(by_example.var(ddof=1)) / n_examples
    mean_squares = [_mean_squares(model) for model in models if len(model) > 1]
    if not mean_squares:
        return Estimate(mean, example_variance, n_examples - 1, 0.0)

    components, degrees = [example_variance], [float(n_examples - 1)]
    seed_variance = residual_variance = 0.0
    for model in models:
        squares = _mean_squares(model) if len(model) > 1 else mean_squares[0]
        seed = squares.seed / (len(model) * n_examples)
        residual = squares.residual / (len(model) * n_examples)
        components += [seed, -residual]
        degrees += [squares.degrees, squares.degrees * (n_examples - 1)]
        seed_variance += seed
        residual_variance += residual
    # The part due to seeds can be estimated below zero, but the whole is at least the residual.
    variance = max(sum(components), residual_variance)
    weights = sum(c**2 / d for c, d in zip(components, degrees, strict=True))
    return Estimate(mean, variance, variance**2 / weights if weights else math.inf, seed_variance)


def estimate_over_folds(
    ours: FloatArray, theirs: FloatArray | None, sizes: Sequence[int], *, ratio: float
) -> Estimate:
    """Estimate a model's mean accuracy, or the difference of two models, over K folds.

    The trainings of two folds share examples, so that the variance s^2 over folds is too small. The
    corrected resampled t-test (Nadeau and Bengio 2003) estimates the variance of the mean by

        (1 / K + test examples / training examples) s^2

    with K - 1 degrees of freedom.

    Args:
        ours: <float>[folds], accuracy on each fold, the mean over the seeds.
        theirs: <float>[folds], that of the other model.
        sizes: Examples of each fold, which weight the mean.
        ratio: Test examples divided by training examples of a fold.
    """
    values = ours if theirs is None else ours - theirs
    variance = (1 / len(values) + ratio) * float(values.var(ddof=1))
    mean = float(np.average(values, weights=sizes))
    return Estimate(mean, variance, len(values) - 1, 0.0)


@dataclass(frozen=True)
class _MeanSquares:
    """Mean squares of one model: of its seeds, and the residual of examples and seeds.

    ``degrees`` are those of the seeds; the residual has (T - 1) times as many.
    """

    seed: float
    residual: float
    degrees: int


def _mean_squares(correct: FloatArray) -> _MeanSquares:
    n_seeds, n_examples = correct.shape
    seed_effects = correct.mean(axis=1) - correct.mean()
    residuals = correct - correct.mean(axis=0) - seed_effects[:, None]
    return _MeanSquares(
        seed=n_examples * float(seed_effects @ seed_effects) / (n_seeds - 1),
        residual=float((residuals**2).sum()) / ((n_examples - 1) * (n_seeds - 1)),
        degrees=n_seeds - 1,
    )


def mcnemar_test(only_first: int, only_second: int) -> tuple[float, float]:
    """Return the p-values of McNemar's exact test of two models (McNemar 1947).

    Args:
        only_first: Examples that only the first model predicted correctly.
        only_second: Examples that only the second model predicted correctly.

    Returns:
        The two-sided p-value, and the one-sided one of the hypothesis that the first model is not
        worse.
    """
    n_discordant = only_first + only_second
    smaller = min(only_first, only_second)
    two_sided = min(1.0, 2 * float(bdtr(smaller, n_discordant, 0.5)))
    return two_sided, float(bdtr(only_first, n_discordant, 0.5))


def holm(p_values: Sequence[float], *, n_tests: int | None = None) -> list[float]:
    """Correct p-values for multiple tests (Holm 1979), keeping their order.

    Args:
        p_values: p-values of single tests.
        n_tests: Number of tests that these were selected from; by default their own number.
    """
    n_tests = n_tests or len(p_values)
    ascending = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, i in enumerate(ascending):
        highest = max(highest, (n_tests - rank) * p_values[i])
        corrected[i] = min(1.0, highest)
    return corrected


def seeds_needed(difference: Estimate, *, n_seeds: int, alpha: float) -> float:
    """Return about how many seeds would show this difference with a power of 80%.

    Args:
        difference: Difference of two models.
        n_seeds: Seeds of each model that it was estimated from.
        alpha: Significance level of this test.

    Returns:
        Number of seeds; infinity if only more examples could show it.
    """
    allowed_variance = (difference.mean / float(ndtri(1 - alpha / 2) + ndtri(POWER))) ** 2
    fixed_variance = max(0.0, difference.variance - difference.seed_variance)
    if allowed_variance <= fixed_variance:
        return math.inf
    return math.ceil(n_seeds * difference.seed_variance / (allowed_variance - fixed_variance))
