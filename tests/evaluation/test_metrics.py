import tracemalloc

import numpy as np
import pytest
from scipy import special, stats
from sklearn.metrics import f1_score, log_loss

from textclf.evaluation import metrics
from textclf.evaluation.metrics import (
    SubsetAccuracy,
    accuracy_interval,
    evaluate,
    macro_f1,
    macro_f1_interval,
)

NAMES = ("a", "b", "c", "d")


def simulate(n=500, seed=3):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet([1, 1, 1, 0.3], size=n)
    labels = np.array([rng.choice(4, p=row) for row in probabilities])
    return labels, probabilities


def test_metrics_of_a_small_case():
    labels = np.array([0, 0, 1, 2])
    probabilities = np.array([[0.7, 0.3, 0], [0.4, 0.6, 0], [0.1, 0.9, 0], [0.5, 0.3, 0.2]])
    result = evaluate(labels, probabilities, ("x", "y", "z"), majority_label=0)
    assert result.confusion_matrix == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert result.metrics["accuracy"] == 0.5
    assert result.metrics["loss"] == pytest.approx(-np.log([0.7, 0.4, 0.9, 0.2]).mean())
    assert result.metrics["macro_f1"] == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)
    assert result.metrics["weighted_f1"] == pytest.approx((2 * 1 / 2 + 2 / 3) / 4)
    assert result.majority_accuracy == 0.5
    x = result.per_class[0]
    assert (x.name, x.support, x.precision, x.recall, x.f1) == ("x", 2, 0.5, 0.5, 0.5)
    assert result.per_class[2].precision == 0


def test_metrics_agree_with_scikit_learn():
    labels, probabilities = simulate()
    predicted = probabilities.argmax(axis=1)
    found = evaluate(labels, probabilities, NAMES, majority_label=0).metrics
    assert found["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert found["weighted_f1"] == pytest.approx(f1_score(labels, predicted, average="weighted"))
    assert found["loss"] == pytest.approx(log_loss(labels, probabilities, labels=range(4)))


def test_macro_f1_leaves_out_labels_that_do_not_occur():
    assert macro_f1(np.array([[3, 0, 0], [0, 5, 0], [0, 0, 0]])) == 1
    assert macro_f1(np.array([[3, 0, 1], [0, 5, 0], [0, 0, 0]])) == pytest.approx((6 / 7 + 1) / 3)


def test_calibration_error_is_the_weighted_distance_of_confidence_and_accuracy():
    probabilities = np.array([[0.95, 0.05]] * 4 + [[0.45, 0.55]] * 4)
    labels = np.array([0, 0, 0, 1, 1, 1, 0, 0])
    found = evaluate(labels, probabilities, ("a", "b"), majority_label=0).metrics
    expected = (4 * 0.05 + 4 * 0.20) / 8
    assert found["expected_calibration_error"] == pytest.approx(expected)
    found = evaluate(labels[2:], probabilities[2:], ("a", "b"), majority_label=0).metrics
    expected = (4 * 0.05 + 2 * 0.45) / 6
    assert found["expected_calibration_error"] == pytest.approx(expected)


def test_loss_of_perfect_predictions_has_no_sign():
    result = evaluate(np.array([0, 1]), np.eye(2), ["a", "b"], majority_label=0)
    assert str(result.metrics["loss"]) == "0.0"


def test_loss_of_a_zero_probability_is_finite():
    result = evaluate(np.array([1]), np.array([[1.0, 0.0]]), ("a", "b"), majority_label=0)
    assert result.metrics["loss"] == pytest.approx(-np.log(1e-7))


def test_wilson_interval_of_a_known_case():
    # Newcombe 1998, table I: 81 of 263, method 3.
    low, high = accuracy_interval(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert accuracy_interval(5, 5)[1] == 1


@pytest.mark.slow
def test_macro_f1_interval_agrees_with_resampled_examples():
    labels, probabilities = simulate()
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((4, 4), int)
    np.add.at(confusion, (labels, predicted), 1)
    rng = np.random.default_rng(9)
    scores = []
    for _ in range(1000):
        drawn = rng.integers(0, len(labels), len(labels))
        scores.append(f1_score(labels[drawn], predicted[drawn], average="macro"))
    scores = np.array(scores)
    bias = stats.norm.ppf(np.mean(scores < macro_f1(confusion)))
    expected = np.quantile(scores, stats.norm.cdf([2 * bias - 1.96, 2 * bias + 1.96]))
    assert macro_f1_interval(confusion) == pytest.approx(expected, abs=0.01)
    assert macro_f1_interval(confusion) == macro_f1_interval(confusion)


def test_macro_f1_interval_is_corrected_if_resamples_miss_rare_labels():
    # Twelve labels have two examples and one correct prediction each; many resamples miss some.
    confusion = np.diag([200] + [1] * 12)
    confusion[1:, 0] = 1
    rng = np.random.default_rng(12)
    cells = rng.multinomial(confusion.sum(), confusion.ravel() / confusion.sum(), size=4_000)
    scores = np.array([macro_f1(drawn.reshape(confusion.shape)) for drawn in cells])
    bias = stats.norm.ppf(np.mean(scores < macro_f1(confusion)))
    corrected = np.quantile(scores, stats.norm.cdf([2 * bias - 1.96, 2 * bias + 1.96]))
    plain = np.quantile(scores, [0.025, 0.975])
    assert np.abs(corrected - plain).min() > 0.1
    assert macro_f1_interval(confusion) == pytest.approx(corrected, abs=0.02)


def resample_all_cells(confusion, seed=0):
    """Return the interval as it is defined: all cells of all resamples are drawn at once."""
    n, n_resamples = confusion.sum(), 2_000
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(n, confusion.ravel() / n, size=n_resamples)
    draws = draws.reshape(n_resamples, *confusion.shape)
    total = draws.sum(axis=2) + draws.sum(axis=1)
    f1 = 2 * np.diagonal(draws, axis1=1, axis2=2) / np.maximum(total, 1)
    scores = f1.sum(axis=1) / (total > 0).sum(axis=1)
    score = macro_f1(confusion)
    below = np.mean(scores < score) + np.mean(scores == score) / 2
    bias = special.ndtri(np.clip(below, 1 / n_resamples, 1 - 1 / n_resamples))
    z = special.ndtri(0.975)
    low, high = np.quantile(scores, special.ndtr([2 * bias - z, 2 * bias + z]))
    return low, high


@pytest.mark.parametrize("block_cells", [1, 1_000, metrics.BLOCK_CELLS])
@pytest.mark.parametrize("empty", ["none", "last cell", "last row", "most cells"])
@pytest.mark.parametrize("n_labels", [2, 9, 46])
def test_macro_f1_interval_is_that_of_all_cells(monkeypatch, n_labels, empty, block_cells):
    monkeypatch.setattr(metrics, "BLOCK_CELLS", block_cells)
    rng = np.random.default_rng(n_labels)
    weights = rng.random((n_labels, n_labels)) + 5 * np.eye(n_labels)
    if empty == "most cells":
        weights[rng.random(weights.shape) < 0.9] = 0
        weights[0, 0] = 1
    if empty in {"last row", "most cells"}:
        weights[-1] = 0
    if empty == "last cell":
        weights[-1, -1] = 0
    drawn = rng.multinomial(700, (weights / weights.sum()).ravel())
    confusion = drawn.reshape(n_labels, n_labels)
    assert macro_f1_interval(confusion) == resample_all_cells(confusion)  # Bit for bit.


def test_memory_of_the_macro_f1_interval_does_not_grow_with_the_square_of_the_labels():
    n_labels = 1_000
    confusion = np.zeros((n_labels, n_labels), int)
    rng = np.random.default_rng(0)
    np.add.at(confusion, tuple(rng.integers(0, n_labels, (2, 3_000))), 1)
    macro_f1_interval(np.eye(2, dtype=int))  # Imports are not counted.
    tracemalloc.start()
    try:
        macro_f1_interval(confusion)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000_000  # All cells would take 16 GB.


def test_clean_accuracy_has_an_interval_if_there_are_examples():
    clean = SubsetAccuracy.of("clean", np.array([True, True, True, False]))
    assert (clean.subset, clean.n_examples, clean.accuracy) == ("clean", 4, 0.75)
    assert clean.interval == accuracy_interval(3, 4)
    empty = SubsetAccuracy.of("clean", np.zeros(0, bool))
    assert (empty.n_examples, empty.accuracy, empty.interval) == (0, None, None)


def test_a_label_that_nobody_has_and_nothing_predicts_keeps_its_row_and_column():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.4, 0.6, 0]])
    result = evaluate(np.array([0, 0]), probabilities, ("x", "y", "z"), majority_label=0)
    assert result.confusion_matrix == [[1, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert [score.support for score in result.per_class] == [2, 0, 0]
