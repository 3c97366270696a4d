import math

import numpy as np
import pytest
from scipy import stats
from support import load_script

from textclf.comparison.significance import (
    estimate,
    estimate_over_folds,
    holm,
    mcnemar_test,
    seeds_needed,
)


@pytest.mark.parametrize("counts", [(0, 0), (1, 0), (3, 9), (9, 3), (40, 41), (120, 80), (0, 30)])
def test_mcnemar_agrees_with_scipy_and_statsmodels(counts):
    n = sum(counts)
    expected = stats.binomtest(counts[0], n).pvalue if n else 1.0
    assert mcnemar_test(*counts)[0] == pytest.approx(expected, abs=1e-12)
    statsmodels = pytest.importorskip("statsmodels.stats.contingency_tables")
    if n:
        table = [[50, counts[0]], [counts[1], 70]]
        assert mcnemar_test(*counts)[0] == pytest.approx(
            statsmodels.mcnemar(table, exact=True).pvalue, abs=1e-12
        )


def test_one_sided_mcnemar_tests_whether_the_first_is_worse():
    assert mcnemar_test(1, 3)[1] == pytest.approx(stats.binomtest(1, 4, alternative="less").pvalue)
    assert mcnemar_test(0, 30)[1] < 1e-8
    assert mcnemar_test(30, 0)[1] == 1


def test_estimate_from_one_seed_is_the_paired_t_test():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 60))
    result = estimate(first[None], second[None])
    expected = stats.ttest_rel(first, second)
    assert result.p_value == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert result.interval == pytest.approx((interval.low, interval.high))
    assert result.p_below == pytest.approx(
        stats.ttest_rel(first, second, alternative="less").pvalue
    )


def test_variance_agrees_with_an_analysis_of_variance():
    smf = pytest.importorskip("statsmodels.formula.api")
    import pandas as pd
    from statsmodels.stats.anova import anova_lm

    rng = np.random.default_rng(2)
    values = rng.normal(size=(3, 40)) + rng.normal(size=40) + rng.normal(size=(3, 1))
    seed, example = np.indices(values.shape)
    frame = pd.DataFrame({"y": values.ravel(), "seed": seed.ravel(), "example": example.ravel()})
    squares = anova_lm(smf.ols("y ~ C(seed) + C(example)", frame).fit())["mean_sq"]
    result = estimate(values)
    expected = squares["C(example)"] + squares["C(seed)"] - squares["Residual"]
    assert result.variance * 120 == pytest.approx(expected)
    assert result.seed_variance * 120 == pytest.approx(squares["C(seed)"])


def test_estimate_uses_all_seeds_of_both_models():
    rng = np.random.default_rng(3)
    ours, theirs = rng.random((4, 50)), rng.random((2, 50))
    both = estimate(ours, theirs)
    assert both.mean == pytest.approx(ours.mean() - theirs.mean())
    assert estimate(theirs, ours).mean == -both.mean
    assert estimate(theirs, ours).variance == pytest.approx(both.variance)
    # The seeds of a model that has only one are assumed to vary like those of the other.
    assert estimate(ours, theirs[:1]).seed_variance > estimate(ours, theirs).seed_variance / 4


def test_identical_predictions_have_p_value_one_and_difference_zero():
    values = np.random.default_rng(1).integers(0, 2, (1, 50)).astype(float)
    same = np.repeat(values, 3, axis=0)
    for result in (estimate(same, same), estimate(values, values)):
        assert (result.mean, result.p_value, result.interval) == (0, 1, (0, 0))
    assert seeds_needed(estimate(same, same), n_seeds=3, alpha=0.05) == math.inf


def test_one_example_is_not_evidence():
    result = estimate(np.ones((3, 1)), np.zeros((3, 1)))
    assert (result.p_value, result.interval) == (1, (-1, 1))


@pytest.mark.parametrize(
    "values", [[0.01, 0.02, 0.03], [0.2, 0.01, 0.04, 0.04], [0.9, 0.9], [0.5], []]
)
def test_holm_agrees_with_statsmodels(values):
    if values:
        multitest = pytest.importorskip("statsmodels.stats.multitest")
        expected = multitest.multipletests(values, method="holm")[1]
    else:
        expected = []
    assert holm(values) == pytest.approx(list(expected))


def test_holm_corrects_for_all_tests_that_were_selected_from():
    # The best of three models was chosen: two of the three pairs are tested.
    assert holm([0.01, 0.04], n_tests=3) == pytest.approx([0.03, 0.08])


def test_seeds_needed_give_about_the_promised_power_in_a_simulation():
    rng = np.random.default_rng(6)

    def draw(n_seeds):
        return [(rng.random((n_seeds, 500)) < accuracy).astype(float) for accuracy in (0.83, 0.8)]

    needed = [seeds_needed(estimate(*draw(10)), n_seeds=10, alpha=0.05) for _ in range(50)]
    n_seeds = int(np.median(needed))
    assert 2 <= n_seeds <= 12
    power = np.mean([estimate(*draw(n_seeds)).p_value < 0.05 for _ in range(200)])
    assert 0.65 < power < 0.95


def test_more_seeds_do_not_help_if_the_variance_is_due_to_examples():
    examples = np.random.default_rng(7).integers(-1, 2, 100).astype(float)
    values = np.repeat(examples[None] * 0.9 + 0.02, 3, axis=0)
    jitter = np.random.default_rng(8).normal(0, 0.01, values.shape)
    result = estimate(values + jitter, np.zeros((3, 100)) - jitter)
    assert seeds_needed(result, n_seeds=3, alpha=0.05) == math.inf


def simulate(rng, *, n_seeds, n_examples=600, difference=0.0):
    """Simulate which predictions of two models are correct, <bool>[seeds, examples] each.

    Examples are easy or hard, for both models and for each, and seeds are good or bad.
    """
    easiness = rng.normal(0.9, 1.2, n_examples)

    def predict(shift):
        model = rng.normal(shift, 0.8, n_examples)
        # With one seed, the question is about these two trained models, not about other seeds.
        seeds = rng.normal(0, 0.03 if n_seeds > 1 else 0.0, (n_seeds, 1))
        return easiness + model + seeds + rng.normal(0, 0.6, (n_seeds, n_examples)) > 0

    return predict(0.0), predict(difference)


@pytest.mark.parametrize("n_seeds", [1, 3, 5])
def test_without_a_difference_p_values_are_uniform_and_intervals_cover_zero(n_seeds):
    rng = np.random.default_rng(n_seeds)
    results = []
    for _ in range(1_000):
        first, second = simulate(rng, n_seeds=n_seeds)
        results.append(estimate(first.astype(float), second.astype(float)))
    assert stats.kstest([result.p_value for result in results], "uniform").pvalue > 0.01
    covered = np.mean([low <= 0 <= high for low, high in (result.interval for result in results)])
    assert 0.93 <= covered <= 0.97
    # The gate tests whether a model is worse.
    assert np.mean([result.p_below < 0.05 for result in results]) <= 0.065


def test_mcnemar_keeps_its_error_rate_without_a_difference():
    rng = np.random.default_rng(11)
    p_values = []
    for _ in range(1_000):
        first, second = simulate(rng, n_seeds=1)
        counts = (first & ~second).sum(), (second & ~first).sum()
        p_values.append(mcnemar_test(*counts)[0])
    for alpha in (0.01, 0.05, 0.2):
        assert np.mean(np.array(p_values) <= alpha) <= alpha + 2 * math.sqrt(alpha / 1_000)


def test_error_rate_and_power_hold_if_all_examples_are_equally_hard():
    rng = np.random.default_rng(4)
    equal = [estimate(a, b) for a, b in rng.integers(0, 2, (1_000, 2, 3, 300)).astype(float)]
    assert np.mean([result.p_value < 0.05 for result in equal]) <= 0.065
    good, bad = rng.random((200, 3, 300)) < 0.9, rng.random((200, 3, 300)) < 0.5
    found = [estimate(a, b).p_value < 0.05 for a, b in zip(good * 1.0, bad * 1.0, strict=True)]
    assert np.mean(found) > 0.97


def test_power_is_high_for_a_large_difference():
    rng = np.random.default_rng(3)
    found = [
        estimate(a.astype(float), b.astype(float)).p_value < 0.05
        for a, b in (simulate(rng, n_seeds=3, difference=0.4) for _ in range(100))
    ]
    assert np.mean(found) > 0.8


def test_corrected_resampled_t_test_agrees_with_a_calculation_by_hand():
    """Differences of 2, 4, 0, 3 and 1 points have the mean 0.02 and the variance 0.00025."""
    ours, theirs = np.array([0.92, 0.94, 0.90, 0.93, 0.91]), np.full(5, 0.9)
    found = estimate_over_folds(ours, theirs, [20] * 5, ratio=20 / 80)
    assert found.mean == pytest.approx(0.02)
    assert found.variance == pytest.approx((1 / 5 + 1 / 4) * 0.00025)
    t = 0.02 / math.sqrt(0.0001125)  # 1.8856
    assert found.p_value == pytest.approx(2 * stats.t.sf(t, 4))
    assert found.p_value == pytest.approx(0.1324, abs=1e-4)
    margin = 2.7764 * math.sqrt(0.0001125)
    assert found.interval == pytest.approx((0.02 - margin, 0.02 + margin), abs=1e-5)


def test_mean_over_folds_is_that_over_their_examples():
    found = estimate_over_folds(np.array([0.9, 0.6]), None, [30, 10], ratio=1)
    assert found.mean == pytest.approx((27 + 6) / 40)
    assert found.variance == pytest.approx((1 / 2 + 1) * 0.045)


@pytest.mark.slow
def test_equal_models_rarely_differ_significantly_over_folds():
    """A small version of scripts/benchmarks/simulate_folds.py, with the same seed."""
    script = load_script("benchmarks/simulate_folds")
    found = script.simulate(100, script.LEARNERS["decision tree"], 5)
    assert found["corrected"] <= 7
    assert found["naive"] > found["corrected"]
