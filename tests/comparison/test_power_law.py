"""Power laws that are known, and curves that none describes."""

import numpy as np
import pytest
from support import draw_correct

from textclf.comparison.power_law import FitError, fit_power_law, guess_gain

SIZES = np.array([100, 200, 400, 800, 1600])


@pytest.mark.parametrize(
    ("limit", "loss", "exponent"), [(0.9, 0.2, 0.5), (1.0, 0.3, 0.2), (0.75, 0.05, 1.5)]
)
def test_power_law_is_recovered(limit, loss, exponent):
    accuracies = limit - loss * (SIZES / 1600) ** -exponent
    law = fit_power_law(SIZES, accuracies, np.full(5, 1e-4))
    found = (float(law.limit), float(law.loss), float(law.exponent))
    assert found == pytest.approx((limit, loss, exponent), rel=0.03, abs=0.01)
    for n in (*SIZES, 3200, 12_800):
        assert float(law.predict(n)) == pytest.approx(
            limit - loss * (n / 1600) ** -exponent, abs=3e-3
        )


def test_several_curves_are_fitted_at_once():
    curves = np.stack([0.9 - b * (SIZES / 1600) ** -0.5 for b in (0.1, 0.2)])
    law = fit_power_law(SIZES, curves, np.full(5, 1e-4))
    for i, curve in enumerate(curves):
        alone = fit_power_law(SIZES, curve, np.full(5, 1e-4))
        assert law.predict(3200)[i] == pytest.approx(float(alone.predict(3200)))


def test_falling_accuracy_is_a_constant_and_no_law_exceeds_one():
    law = fit_power_law(SIZES, np.linspace(0.6, 0.5, 5), np.full(5, 1e-4))
    assert float(law.loss) == 0
    assert float(law.predict(3200)) == pytest.approx(0.55)
    law = fit_power_law(SIZES, np.array([0.5, 0.62, 0.74, 0.86, 0.98]), np.full(5, 1e-4))
    assert float(law.limit) == 1
    assert float(law.predict(10**9)) <= 1
    # With the limit at 1, the loss is that of a regression through the origin.
    x = (SIZES / SIZES.max()) ** -float(law.exponent)
    accuracies = np.array([0.5, 0.62, 0.74, 0.86, 0.98])
    assert float(law.loss) == pytest.approx((1 - accuracies) @ x / (x @ x))


def test_precise_accuracies_count_more():
    accuracies = np.array([0.5, 0.7, 0.7, 0.7, 0.7])
    variances = np.array([1e-1, 1e-6, 1e-6, 1e-6, 1e-6])
    assert float(fit_power_law(SIZES, accuracies, variances).predict(3200)) == pytest.approx(
        0.7, abs=1e-3
    )


def draw_curve(accuracies, n=4_000, n_seeds=3):
    """Return predictions of several seeds on the same examples for each size."""
    return [
        np.stack([draw_correct(accuracy, n, 10 * i + seed) for seed in range(n_seeds)])
        for i, accuracy in enumerate(accuracies)
    ]


def test_guess_has_an_interval_that_contains_the_true_gain():
    def law(n):
        return 0.9 - 0.1 * (n / 1600) ** -0.5

    guess = guess_gain(SIZES.tolist(), draw_curve(law(SIZES)), [2e-5] * 5)
    low, high = guess.interval
    assert low < law(3200) - law(1600) < high
    assert low < guess.gain < high < low + 0.05
    assert guess.n_examples == 3200
    assert guess.predicted == pytest.approx(guess.measured, abs=0.02)
    assert guess_gain(SIZES.tolist()[1:], draw_curve(law(SIZES[1:])), [2e-5] * 4).predicted is None


def test_interval_of_a_guess_contains_the_variance_over_seeds():
    def measure_width(spread):
        correct = [
            np.stack(
                [np.arange(4_000) < 4_000 * (accuracy + shift) for shift in (-spread, 0, spread)]
            )
            for accuracy in 0.9 - 0.1 * (SIZES / 1600) ** -0.5
        ]
        low, high = guess_gain(SIZES.tolist(), correct, [2e-5] * 5).interval
        return high - low

    assert measure_width(0.02) > 2 * measure_width(0)


@pytest.mark.parametrize(
    ("accuracies", "reason"),
    [
        ([0.5, 0.6, 0.7], "fewer than 4 training sizes"),
        ([0.5, 0.7, 0.6, 0.8], "a power law misses the accuracy at 400 by 0.0"),
        (
            [0.60, 0.635, 0.67, 0.705, 0.69],
            "fitted to the smaller sizes, a power law misses the accuracy at 1,600 by 0.0",
        ),
    ],
)
def test_curves_that_a_power_law_does_not_describe_are_refused(accuracies, reason):
    n = len(accuracies)
    correct = [np.arange(1_000)[None, :] < round(1_000 * accuracy) for accuracy in accuracies]
    with pytest.raises(FitError, match=f"^{reason}"):
        guess_gain(SIZES[:n].tolist(), correct, [2e-5] * n)


def test_interval_of_a_guess_has_the_quantiles_of_95_percent(monkeypatch):
    curve = draw_curve(0.9 - 0.1 * (SIZES / 1600) ** -0.5)
    interval = guess_gain(SIZES.tolist(), curve, [2e-5] * 5).interval
    monkeypatch.setattr(np, "quantile", lambda values, levels: levels)
    assert guess_gain(SIZES.tolist(), curve, [2e-5] * 5).interval == pytest.approx((0.025, 0.975))
    assert interval[0] < interval[1]
